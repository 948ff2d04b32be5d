//! Requests that a script answers: CGI/1.1 (RFC 3875).
//!
//! What the script writes is the answer's head and body ([`proto::cgi`](crate::proto::cgi)). The answer begins with the
//! first piece of the body that is not its last, and flows from there on as the peer takes it; what is whole when the
//! script has ended is sent with its length, and only then can a failure still be told by a 502. After that the connection
//! is cut, since nothing else tells the peer that something is missing.
//!
//! HTTP/1.1 has no way to read on while an answer is written ([`Phase`](crate::conn)), so the answer to a request whose
//! body has not all gone to the script waits for that, as long as it is not too long to be kept.

use zeroize::Zeroizing;

use crate::conn::event::ExchangeId;
use crate::conn::{Answer as HttpAnswer, AnswerHead};
use crate::engine::child::{ChildEvent, ChildId, Exit};
use crate::engine::{Engine, Handler};
use crate::files::Visit;
use crate::manager::environment::{Environment, Happening, Request};
use crate::manager::fired::{Asked, Whose};
use crate::manager::intake::Piece;
use crate::manager::pages::respond_error;
use crate::manager::trigger::{Rule, SendRoot};
use crate::proto::cgi::{self, Found, Head};
use crate::proto::http::form::{self, Parameter};
use crate::proto::http::head::{BodyLength, FieldTable, Method, RequestHead, Version};

use super::lane::{Job, Task};
use super::notice::query_of;
use super::process::{Process, Role};
use super::{HIGH, Scripts};

/// Output without a head is kept up to this length, to learn first whether the script succeeds.
const KEPT: usize = 64 * 1024;

/// Output is kept up to this length while the body of the request is not all taken.
const KEPT_FOR_BODY: usize = 1024 * 1024;

/// A script takes more of a body when less than this waits for it.
const AHEAD: usize = 64 * 1024;

const PLAIN: &[u8] = b"text/plain; charset=utf-8";

/// The answer that a script makes.
#[derive(Debug)]
pub(super) struct Answer {
    pub exchange: ExchangeId,
    request: Zeroizing<Vec<u8>>,
    files: Option<SendRoot>,
    head_only: bool,
    stage: Stage,
    /// Output that was not acted on.
    kept: Vec<u8>,
    /// More of the request's body is to come.
    body_open: bool,
    output_ended: bool,
}

#[derive(Debug)]
enum Stage {
    /// Its head has not all come.
    Begins,
    /// It has no head.
    Text,
    /// Its body comes.
    Body(Box<Head>),
    /// It names a file to be sent.
    File(Box<Head>),
    /// It is on its way to the peer.
    Flows,
    /// Nothing more is said.
    Over,
}

/// Answers a request with an error.
pub(super) fn refuse<H: Handler>(
    engine: &mut Engine,
    handler: &mut H,
    exchange: ExchangeId,
    status: u16,
) {
    engine.with_exchange(handler, exchange, |_, ops| respond_error(ops, status, &[]));
}

impl Scripts {
    /// A request for a script.
    pub(super) fn ask<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        rule: &Rule,
        whose: Whose,
        mut asked: Asked,
    ) {
        let exchange = asked.exchange;
        let env = match self.request_environment(engine, rule, &whose, &asked) {
            Ok((env, head_only)) => (env, head_only),
            Err(status) => {
                log::debug!(
                    "trigger {}: {}: no environment: {status}",
                    rule.conf.name,
                    whose.conn
                );
                return refuse(engine, handler, exchange, status);
            }
        };
        let (env, head_only) = env;
        let input = std::mem::take(&mut asked.body);
        let has_body = asked.streams || !input.is_empty();
        let answer = Box::new(Answer {
            exchange,
            request: asked.head,
            files: asked.files,
            head_only,
            stage: Stage::Begins,
            kept: Vec::new(),
            body_open: asked.streams,
            output_ended: false,
        });
        let task = Task::Answer {
            answer,
            input,
            has_body,
        };
        self.offer(engine, handler, rule.number, Job { whose, env, task });
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
        let env = self.environment(engine, rule, whose, Some(head.host()), &happening);
        let env = env.map_err(crate::manager::environment::Error::status)?;
        Ok((env, head.method() == Method::Head))
    }

    pub(super) fn on_answer<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
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
                if answer.take(engine, handler, id, name, &bytes, cramped) {
                    self.touched.push(id);
                }
                let (after, waits) = (answer.held(), answer.waits(engine, handler));
                self.bytes = self.bytes + after - before;
                if waits && !process.paused {
                    self.pause(engine, id, process);
                }
                return;
            }
            ChildEvent::OutputEnd => answer.output_ended = true,
            ChildEvent::Drained if answer.body_open => answer.hold_body(engine, handler, false),
            _ => {}
        }
        self.bytes = self.bytes + answer.held() - before;
    }

    pub(super) fn feed_answer<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
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
                    answer.hold_body(engine, handler, true);
                }
            }
            // It reads no more. Nobody takes the rest, and the answer need not wait for it.
            Err(_) => {
                answer.body_open = false;
                answer.hold_body(engine, handler, true);
                self.touched.push(id);
            }
        }
        if piece.ended {
            answer.body_open = false;
            engine.children().close_stdin(id);
            self.touched.push(id);
        }
    }

    /// Answers that have something to send, when it is not their end, begin.
    pub(super) fn go_on<H: Handler>(&mut self, engine: &mut Engine, handler: &mut H) {
        for id in std::mem::take(&mut self.touched) {
            let Some(mut process) = self.processes.remove(&id) else {
                continue;
            };
            if let Role::Answer(answer) = &mut process.role {
                let before = answer.held();
                answer.begin_flow(engine, handler, id);
                self.bytes = self.bytes + answer.held() - before;
                if answer.waits(engine, handler) && !process.paused {
                    self.pause(engine, id, &mut process);
                }
            }
            self.processes.insert(id, process);
        }
    }

    pub(super) fn answer_ended<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        process: Process,
        exit: Exit,
    ) {
        let Process { role, rule, .. } = process;
        let Role::Answer(mut answer) = role else {
            return;
        };
        self.bytes -= answer.held();
        self.answering.remove(&answer.exchange);
        let name = &rule.conf.name;
        if let Some((visit, head)) = answer.finish(engine, handler, name, exit == Exit::Code(0)) {
            self.files.insert(answer.exchange, head);
            engine.visit(answer.exchange, visit);
        }
    }

    /// What a script says beside the file that it has sent.
    pub(in crate::manager) fn take_file(&mut self, exchange: ExchangeId) -> Option<Box<Head>> {
        self.files.remove(&exchange)
    }
}

/// The parameters of a body that is a form.
fn form_of(head: &RequestHead<'_>, asked: &Asked) -> Result<Vec<Parameter>, u16> {
    if asked.streams || asked.body.is_empty() {
        return Ok(Vec::new());
    }
    let content_type = head.field("Content-Type").unwrap_or_default();
    match form::Kind::of(content_type) {
        Some(kind) => kind.decode(&asked.body).map_err(form::Error::status),
        None => Ok(Vec::new()),
    }
}

/// The fields of an answer.
fn fields(head: &Head, has_body: bool) -> Vec<(&str, &[u8])> {
    let mut fields: Vec<(&str, &[u8])> = Vec::with_capacity(head.fields.len() + 2);
    match &head.content_type {
        Some(content_type) => fields.push(("Content-Type", content_type)),
        None if has_body => fields.push(("Content-Type", PLAIN)),
        None => {}
    }
    if let Some(location) = &head.location {
        fields.push(("Location", location));
    }
    let others = head.fields.iter();
    fields.extend(others.map(|(name, value)| (name.as_str(), value.as_slice())));
    fields
}

/// RFC 9110 §15.3.5, §15.4.5
fn is_bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

impl Answer {
    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.kept.len() + self.request.len()
    }

    /// Its process runs.
    pub(super) fn begin<H: Handler>(
        &self,
        engine: &mut Engine,
        handler: &mut H,
        id: ChildId,
        input: &[u8],
    ) {
        if !input.is_empty() {
            // One that reads nothing is not told anything.
            let _ = engine.write_to_child(id, input);
        }
        if self.body_open {
            self.hold_body(engine, handler, false);
        } else {
            engine.children().close_stdin(id);
        }
    }

    fn hold_body<H: Handler>(&self, engine: &mut Engine, handler: &mut H, hold: bool) {
        engine.with_exchange(handler, self.exchange, |_, ops| ops.hold_body(hold));
    }

    /// Nobody waits for it any more.
    pub(super) fn forget(&mut self) {
        self.stage = Stage::Over;
        self.body_open = false;
    }

    /// Its time is up.
    pub(super) fn time_out<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        name: &str,
    ) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Over => return,
            Stage::Flows => self.cut(engine, handler),
            _ => refuse(engine, handler, self.exchange, 504),
        }
        self.body_open = false;
        log::warn!("trigger {name}: timeout, it is ended");
    }

    fn cut<H: Handler>(&self, engine: &mut Engine, handler: &mut H) {
        engine.with_exchange(handler, self.exchange, |_, ops| ops.abort());
    }

    fn fail<H: Handler>(&mut self, engine: &mut Engine, handler: &mut H, name: &str, why: &str) {
        log::warn!("trigger {name}: {why}");
        self.stage = Stage::Over;
        refuse(engine, handler, self.exchange, 502);
    }

    /// Takes output. True: it may begin to flow, if this was not its end.
    fn take<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        id: ChildId,
        name: &str,
        bytes: &[u8],
        cramped: bool,
    ) -> bool {
        match &self.stage {
            Stage::Over | Stage::File(_) => return false,
            Stage::Flows => {
                self.send(engine, handler, id, bytes);
                return false;
            }
            Stage::Begins | Stage::Text | Stage::Body(_) => self.kept.extend_from_slice(bytes),
        }
        if matches!(self.stage, Stage::Begins) {
            self.read_head(engine, handler, name, false);
        }
        let now = engine.now();
        match self.stage {
            Stage::Over | Stage::File(_) => {
                self.kept = Vec::new();
                engine.children().discard_output(id, now);
                false
            }
            Stage::Body(_) | Stage::Text => {
                let most = if self.body_open { KEPT_FOR_BODY } else { KEPT };
                if self.kept.len() > most || cramped {
                    self.flow(engine, handler, id);
                }
                true
            }
            Stage::Begins | Stage::Flows => false,
        }
    }

    /// Reads the head, if it is there.
    fn read_head<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        name: &str,
        ended: bool,
    ) {
        match cgi::decode(&self.kept, ended) {
            Ok(Found::More) => {}
            Ok(Found::Text) => self.stage = Stage::Text,
            Ok(Found::Head(head, length)) => {
                self.kept.drain(..length);
                self.stage = match head.send_file {
                    Some(_) => Stage::File(Box::new(head)),
                    None => Stage::Body(Box::new(head)),
                };
            }
            Err(error) => self.fail(engine, handler, name, &format!("its answer: {error}")),
        }
    }

    /// What has a head begins to flow when it has a body and its end has not come.
    fn begin_flow<H: Handler>(&mut self, engine: &mut Engine, handler: &mut H, id: ChildId) {
        let has_head = matches!(self.stage, Stage::Body(_));
        if has_head && !self.kept.is_empty() && !self.body_open && !self.output_ended {
            self.flow(engine, handler, id);
        }
    }

    /// Begins to send what there is.
    fn flow<H: Handler>(&mut self, engine: &mut Engine, handler: &mut H, id: ChildId) {
        let head = match std::mem::replace(&mut self.stage, Stage::Flows) {
            Stage::Body(head) => *head,
            _ => plain(),
        };
        let kept = std::mem::take(&mut self.kept);
        let status = head.status;
        let fields = fields(&head, true);
        let begun = engine.with_exchange(handler, self.exchange, |_, ops| {
            if is_bodiless(status) {
                return ops.respond(&HttpAnswer {
                    status,
                    fields: &fields,
                    body: b"",
                });
            }
            ops.respond_pieces(&AnswerHead {
                status,
                fields: &fields,
                length: head.length,
            })
        });
        self.body_open = false;
        if begun == Some(true) && !self.head_only && !is_bodiless(status) && head.length != Some(0)
        {
            self.send(engine, handler, id, &kept);
        } else {
            self.over(engine, id);
        }
    }

    /// No more of its output is wanted.
    fn over(&mut self, engine: &mut Engine, id: ChildId) {
        let now = engine.now();
        self.stage = Stage::Over;
        engine.children().discard_output(id, now);
    }

    fn send<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        id: ChildId,
        piece: &[u8],
    ) {
        let sent = engine.with_exchange(handler, self.exchange, |_, ops| ops.body_piece(piece));
        if sent != Some(true) {
            self.over(engine, id);
        }
    }

    /// Whether the peer has too much to read still; then it is told when it has not.
    fn waits<H: Handler>(&self, engine: &mut Engine, handler: &mut H) -> bool {
        if !matches!(self.stage, Stage::Flows) {
            return false;
        }
        let waits = engine.with_exchange(handler, self.exchange, |_, ops| {
            let waits = ops.backlog() > HIGH;
            if waits {
                ops.tell_drained();
            }
            waits
        });
        waits == Some(true)
    }

    /// Its script has ended. A file that is to be sent, and what is said beside it, if that is the answer.
    fn finish<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        name: &str,
        succeeded: bool,
    ) -> Option<(Visit, Box<Head>)> {
        if matches!(self.stage, Stage::Begins) && succeeded {
            self.read_head(engine, handler, name, true);
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Over => {}
            Stage::Flows if succeeded => {
                engine.with_exchange(handler, self.exchange, |_, ops| ops.body_end());
            }
            Stage::Flows => self.cut(engine, handler),
            _ if !succeeded => refuse(engine, handler, self.exchange, 502),
            Stage::Begins | Stage::Text => self.respond(engine, handler, name, &plain()),
            Stage::Body(head) => self.respond(engine, handler, name, &head),
            Stage::File(head) => {
                let visit = self.visit(engine, &head);
                if visit.is_none() {
                    self.fail(
                        engine,
                        handler,
                        name,
                        "it names a file that it may not send",
                    );
                }
                return Some((visit?, head));
            }
        }
        None
    }

    /// Answers with what is whole.
    fn respond<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        name: &str,
        head: &Head,
    ) {
        let mut body = std::mem::take(&mut self.kept);
        if let Some(length) = head.length.filter(|_| !self.head_only) {
            if (body.len() as u64) < length {
                return self.fail(
                    engine,
                    handler,
                    name,
                    "its answer is shorter than its Content-Length",
                );
            }
            body.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        }
        let fields = fields(head, !body.is_empty());
        engine.with_exchange(handler, self.exchange, |_, ops| {
            // What a script says of the length is true for HEAD too, where it need not write the body.
            if self.head_only && head.length.is_some() && !is_bodiless(head.status) {
                return ops.respond_pieces(&AnswerHead {
                    status: head.status,
                    fields: &fields,
                    length: head.length,
                });
            }
            ops.respond(&HttpAnswer {
                status: head.status,
                fields: &fields,
                body: &body,
            })
        });
    }

    /// The way to the file that the script names; `None` when it may not send that.
    fn visit(&self, engine: &Engine, head: &Head) -> Option<Visit> {
        let root = self.files.as_ref()?;
        let path = root.relative(head.send_file.as_deref()?)?;
        Some(Visit::send_file(
            root.folder(),
            &self.request,
            path,
            engine.now(),
        ))
    }
}

/// The head of what has none.
fn plain() -> Head {
    Head {
        status: 200,
        content_type: Some(PLAIN.to_vec()),
        location: None,
        send_file: None,
        length: None,
        fields: Vec::new(),
    }
}
