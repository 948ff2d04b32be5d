//! The answer to a request that a script makes, from what it writes.
//!
//! Output is the answer's head and body ([`proto::cgi`](crate::proto::cgi)). When the script ends soon, what is whole
//! then is sent with its length, and a failure is told by a 502. Else the answer flows as it comes and as the peer takes
//! it; should the script fail then, the connection is cut, since nothing else tells the peer that something is missing.
//!
//! A connection reads nothing while an answer is written, so the answer to a request whose body has not all gone to the
//! script waits for that, as long as it is not too long to be kept.

use zeroize::Zeroizing;

use crate::conn::event::ExchangeId;
use crate::conn::{Answer as HttpAnswer, AnswerHead};
use crate::engine::Engine;
use crate::engine::child::ChildId;
use crate::files::BlockingLookup;
use crate::manager::pages::respond_error;
use crate::manager::trigger::SendRoot;
use crate::proto::cgi::{self, Head, OutputHead};

/// Output of a process waits in its pipe while so much waits for who reads it.
pub(super) const HIGH: usize = 256 * 1024;

/// Output without a head is kept up to this length, to learn first whether the script succeeds.
const KEPT: usize = 64 * 1024;

/// Output is kept up to this length while the body of the request is not all taken.
const KEPT_FOR_BODY: usize = 1024 * 1024;

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
    pub body_open: bool,
    pub output_ended: bool,
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
pub(super) fn refuse(engine: &mut Engine, exchange: ExchangeId, status: u16) {
    engine.with_exchange(exchange, |ops| respond_error(ops, status, &[]));
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
    /// Nothing of it is there yet.
    pub(super) fn new(
        exchange: ExchangeId,
        request: Zeroizing<Vec<u8>>,
        files: Option<SendRoot>,
        head_only: bool,
        body_open: bool,
    ) -> Answer {
        Answer {
            exchange,
            request,
            files,
            head_only,
            stage: Stage::Begins,
            kept: Vec::new(),
            body_open,
            output_ended: false,
        }
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.kept.len() + self.request.len()
    }

    /// Its process runs.
    pub(super) fn begin(&self, engine: &mut Engine, id: ChildId, input: &[u8]) {
        if !input.is_empty() {
            // One that reads nothing is not told anything.
            let _ = engine.write_to_child(id, input);
        }
        if self.body_open {
            self.hold_body(engine, false);
        } else {
            engine.children().close_stdin(id);
        }
    }

    pub(super) fn hold_body(&self, engine: &mut Engine, hold: bool) {
        engine.with_exchange(self.exchange, |ops| ops.hold_body(hold));
    }

    /// Nobody waits for it any more.
    pub(super) fn forget(&mut self) {
        self.stage = Stage::Over;
        self.body_open = false;
    }

    /// Its time is up.
    pub(super) fn time_out(&mut self, engine: &mut Engine, name: &str) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Over => return,
            Stage::Flows => self.cut(engine),
            _ => refuse(engine, self.exchange, 504),
        }
        self.body_open = false;
        log::warn!("trigger {name}: timeout, it is ended");
    }

    fn cut(&self, engine: &mut Engine) {
        engine.with_exchange(self.exchange, |ops| {
            ops.abort();
        });
    }

    fn fail(&mut self, engine: &mut Engine, name: &str, why: &str) {
        log::warn!("trigger {name}: {why}");
        self.stage = Stage::Over;
        refuse(engine, self.exchange, 502);
    }

    /// Takes output. True: it may begin to flow, if this was not its end.
    pub(super) fn take(
        &mut self,
        engine: &mut Engine,
        id: ChildId,
        name: &str,
        bytes: &[u8],
        cramped: bool,
    ) -> bool {
        match &self.stage {
            Stage::Over | Stage::File(_) => return false,
            Stage::Flows => {
                self.send(engine, id, bytes);
                return false;
            }
            Stage::Begins | Stage::Text | Stage::Body(_) => self.kept.extend_from_slice(bytes),
        }
        if matches!(self.stage, Stage::Begins) {
            self.read_head(engine, name, false);
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
                    self.flow(engine, id);
                }
                true
            }
            Stage::Begins | Stage::Flows => false,
        }
    }

    /// Reads the head, if it is there.
    fn read_head(&mut self, engine: &mut Engine, name: &str, ended: bool) {
        match cgi::decode(&self.kept, ended) {
            Ok(OutputHead::More) => {}
            Ok(OutputHead::Text) => self.stage = Stage::Text,
            Ok(OutputHead::Head(head, length)) => {
                self.kept.drain(..length);
                self.stage = match head.send_file {
                    Some(_) => Stage::File(Box::new(head)),
                    None => Stage::Body(Box::new(head)),
                };
            }
            Err(error) => self.fail(engine, name, &format!("its answer: {error}")),
        }
    }

    /// What has a head begins to flow when it has a body and its end has not come.
    pub(super) fn begin_flow(&mut self, engine: &mut Engine, id: ChildId) {
        let has_head = matches!(self.stage, Stage::Body(_));
        if has_head && !self.kept.is_empty() && !self.body_open && !self.output_ended {
            self.flow(engine, id);
        }
    }

    /// Begins to send what there is.
    fn flow(&mut self, engine: &mut Engine, id: ChildId) {
        let head = match std::mem::replace(&mut self.stage, Stage::Flows) {
            Stage::Body(head) => *head,
            _ => plain(),
        };
        let kept = std::mem::take(&mut self.kept);
        let status = head.status;
        let fields = fields(&head, true);
        let begun = engine.with_exchange(self.exchange, |ops| {
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
            self.send(engine, id, &kept);
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

    fn send(&mut self, engine: &mut Engine, id: ChildId, piece: &[u8]) {
        let sent = engine.with_exchange(self.exchange, |ops| ops.body_piece(piece));
        if sent != Some(true) {
            self.over(engine, id);
        }
    }

    /// Whether the peer has too much to read still; then it is told when it has not.
    pub(super) fn waits(&self, engine: &mut Engine) -> bool {
        if !matches!(self.stage, Stage::Flows) {
            return false;
        }
        let waits = engine.with_exchange(self.exchange, |ops| {
            let waits = ops.backlog() > HIGH;
            if waits {
                ops.tell_drained();
            }
            waits
        });
        waits == Some(true)
    }

    /// Its script has ended. A file that is to be sent, and what is said beside it, if that is the answer.
    pub(super) fn finish(
        &mut self,
        engine: &mut Engine,
        name: &str,
        succeeded: bool,
    ) -> Option<(BlockingLookup, Box<Head>)> {
        if matches!(self.stage, Stage::Begins) && succeeded {
            self.read_head(engine, name, true);
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Over => {}
            Stage::Flows if succeeded => {
                engine.with_exchange(self.exchange, |ops| {
                    ops.body_end();
                });
            }
            Stage::Flows => self.cut(engine),
            _ if !succeeded => refuse(engine, self.exchange, 502),
            Stage::Begins | Stage::Text => self.respond(engine, name, &plain()),
            Stage::Body(head) => self.respond(engine, name, &head),
            Stage::File(head) => {
                let visit = self.visit(engine, &head);
                if visit.is_none() {
                    self.fail(engine, name, "it names a file that it may not send");
                }
                return Some((visit?, head));
            }
        }
        None
    }

    /// Answers with what is whole.
    fn respond(&mut self, engine: &mut Engine, name: &str, head: &Head) {
        let mut body = std::mem::take(&mut self.kept);
        if let Some(length) = head.length.filter(|_| !self.head_only) {
            if (body.len() as u64) < length {
                return self.fail(
                    engine,
                    name,
                    "its answer is shorter than its Content-Length",
                );
            }
            body.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        }
        let fields = fields(head, !body.is_empty());
        engine.with_exchange(self.exchange, |ops| {
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
    fn visit(&self, engine: &Engine, head: &Head) -> Option<BlockingLookup> {
        let root = self.files.as_ref()?;
        let path = root.relative(head.send_file.as_deref()?)?;
        Some(BlockingLookup::send_file(
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
