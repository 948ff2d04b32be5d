//! Requests that a script answers: CGI/1.1 (RFC 3875).

use crate::conn::deadline::{Millis, Tick};
use crate::engine::Engine;
use crate::engine::child::{ChildEvent, ChildId, Exit};
use crate::manager::environment::{Environment, Error, Happening, Request};
use crate::manager::fired::{Asked, Whose};
use crate::manager::intake::Piece;
use crate::manager::trigger::Rule;
use crate::proto::http::form::{self, Parameter};
use crate::proto::http::head::{BodyLength, FieldTable, Method, RequestHead, Version};

use super::answer::{Answer, refuse};
use super::core::Scripts;
use super::lane::{Job, Task};
use super::notice::query_of;
use super::role::{Process, Role};

/// What a script has answered so far is kept for so long: mostly it has ended by then, and the answer has a length, or
/// the failure a status.
const SHORTLY: Millis = Millis::new(50);

/// A script takes more of a body when less than this waits for it.
const AHEAD: usize = 64 * 1024;

impl Scripts {
    /// A request for a script.
    pub(super) fn ask(&mut self, engine: &mut Engine, rule: &Rule, whose: Whose, mut asked: Asked) {
        let exchange = asked.exchange;
        let env = match self.request_environment(engine, rule, &whose, &asked) {
            Ok((env, head_only)) => (env, head_only),
            Err(status) => {
                log::debug!(
                    "trigger {}: {}: no environment: {status}",
                    rule.conf.name,
                    whose.conn
                );
                return refuse(engine, exchange, status);
            }
        };
        let (env, head_only) = env;
        let input = std::mem::take(&mut asked.body);
        let has_body = asked.streams || !input.is_empty();
        let files = rule.files.clone().or(asked.files);
        let answer = Answer::new(exchange, asked.head, files, head_only, asked.streams);
        let answer = Box::new(answer);
        let task = Task::Answer {
            answer,
            input,
            has_body,
        };
        self.offer(engine, rule.number, Job { whose, env, task });
    }

    /// The environment, and whether it is a HEAD request; the status of an error instead.
    fn request_environment(
        &self,
        engine: &Engine,
        rule: &Rule,
        whose: &Whose,
        asked: &Asked,
    ) -> Result<(Environment, bool), u16> {
        let mut table = FieldTable::default();
        // It was decoded before.
        let Ok(Some((head, _))) = RequestHead::decode(&asked.head, &mut 0, &mut table) else {
            return Err(500);
        };
        let query = query_of(&head).unwrap_or_default();
        let parameters = form::decode_urlencoded(query.as_bytes()).map_err(form::Error::status)?;
        let form = form_of(&head, asked)?;
        let fields: Vec<(&str, &[u8])> = head.fields().collect();
        let request = Request {
            method: head.method().as_str(),
            protocol: match head.version() {
                Version::Http10 => "HTTP/1.0",
                Version::Http11 => "HTTP/1.1",
            },
            path: &asked.path,
            query,
            parameters: &parameters,
            fields: &fields,
            length: match head.body_length() {
                BodyLength::Empty => None,
                BodyLength::Length(length) => Some(length),
                BodyLength::Chunked if asked.streams => None,
                BodyLength::Chunked => Some(asked.body.len() as u64),
            },
            form: &form,
        };
        let happening = Happening::Request(request);
        let env = self
            .world
            .of_event(engine, rule, whose, Some(head.host()), &happening);
        let env = env.map_err(Error::status)?;
        Ok((env, head.method() == Method::Head))
    }

    pub(super) fn on_answer(
        &mut self,
        engine: &mut Engine,
        id: ChildId,
        process: &mut Process,
        event: ChildEvent,
    ) {
        let Role::Answer(answer) = &mut process.role else {
            return;
        };
        let before = answer.held();
        match event {
            ChildEvent::Output(bytes) => {
                let cramped = !self.has_room(engine, bytes.len());
                let name = &process.rule.conf.name;
                if answer.take(engine, id, name, &bytes, cramped) {
                    let due = engine.now().after(SHORTLY);
                    self.flow_by(id, due);
                }
                let (after, waits) = (answer.held(), answer.waits(engine));
                self.bytes = self.bytes + after - before;
                if waits && !process.paused {
                    self.pause(engine, id, process);
                }
                return;
            }
            ChildEvent::OutputEnd => answer.output_ended = true,
            ChildEvent::Drained if answer.body_open => answer.hold_body(engine, false),
            _ => {}
        }
        self.bytes = self.bytes + answer.held() - before;
    }

    pub(super) fn feed_answer(
        &mut self,
        engine: &mut Engine,
        id: ChildId,
        process: &mut Process,
        piece: &Piece,
    ) {
        let Role::Answer(answer) = &mut process.role else {
            return;
        };
        if !answer.body_open {
            return;
        }
        match engine.write_to_child(id, &piece.data) {
            Ok(backlog) => {
                if backlog > AHEAD && !piece.ended {
                    answer.hold_body(engine, true);
                }
            }
            // It reads no more. Nobody takes the rest, and the answer need not wait for it.
            Err(_) => {
                answer.body_open = false;
                answer.hold_body(engine, true);
                self.flow_by(id, engine.now());
            }
        }
        if piece.ended {
            answer.body_open = false;
            engine.children().close_stdin(id);
            self.flow_by(id, engine.now().after(SHORTLY));
        }
    }

    /// The answer begins to flow then, unless it is whole.
    fn flow_by(&mut self, id: ChildId, due: Tick) {
        match self.begun.iter_mut().find(|it| it.0 == id) {
            Some((_, known)) => *known = known.earlier(due),
            None => self.begun.push((id, due)),
        }
    }

    /// Answers that are not whole in time begin to flow.
    pub(super) fn go_on(&mut self, engine: &mut Engine) {
        let now = engine.now();
        let due = self.begun.extract_if(.., |(_, due)| due.is_due(now));
        let due: Vec<ChildId> = due.map(|(id, _)| id).collect();
        for id in due {
            let Some(mut process) = self.processes.remove(&id) else {
                continue;
            };
            if let Role::Answer(answer) = &mut process.role {
                let before = answer.held();
                answer.begin_flow(engine, id);
                self.bytes = self.bytes + answer.held() - before;
                if answer.waits(engine) && !process.paused {
                    self.pause(engine, id, &mut process);
                }
            }
            self.processes.insert(id, process);
        }
    }

    pub(super) fn answer_ended(&mut self, engine: &mut Engine, process: Process, exit: Exit) {
        let Process { role, rule, .. } = process;
        let Role::Answer(mut answer) = role else {
            return;
        };
        self.bytes -= answer.held();
        self.answering.remove(&answer.exchange);
        let name = &rule.conf.name;
        if let Some((visit, head)) = answer.finish(engine, name, exit == Exit::Code(0)) {
            self.files.insert(answer.exchange, head);
            engine.visit(answer.exchange, visit);
        }
    }
}

/// The parameters of a body that is a form.
fn form_of(head: &RequestHead<'_>, asked: &Asked) -> Result<Vec<Parameter>, u16> {
    if asked.streams || asked.body.is_empty() {
        return Ok(Vec::new());
    }
    let content_type = head.field("Content-Type").unwrap_or_default();
    match form::FormKind::of(content_type) {
        Some(kind) => kind.decode(&asked.body).map_err(form::Error::status),
        None => Ok(Vec::new()),
    }
}
