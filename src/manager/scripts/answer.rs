//! The HTTP answer that a script writes to its stdout.
//!
//! Output is the answer's head and body ([`proto::cgi`](crate::proto::cgi)). When the script ends soon, the answer is
//! sent whole, with its length, and a failure is a 502. Otherwise the answer is streamed at the pace of the peer; when the
//! script fails then, the connection is cut, since nothing else tells the peer that something is missing.
//!
//! A connection reads nothing while it sends an answer. So the answer is kept until the script has got the whole body of
//! the request, up to a limit.

use zeroize::Zeroizing;

use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::ExchangeId;
use crate::conn::{Answer as HttpAnswer, AnswerHead};
use crate::engine::Engine;
use crate::engine::child::ChildEvent;
use crate::files::BlockingLookup;
use crate::manager::content::{SendRoot, respond_error};
use crate::manager::trigger::BodyPiece;
use crate::proto::cgi::{self, Head, OutputHead};

use super::reply::HIGH;
use super::run::Run;

/// How long an answer is kept before it is streamed. Most scripts end sooner, and then the answer gets a length, or the
/// failure a status.
const STREAM_AFTER: Millis = Millis::new(50);

/// More of a body is read from the peer while less than this, in bytes, waits for the script.
const MAX_BODY_AHEAD: usize = 64 * 1024;

/// Output is kept up to this length before it is streamed early.
const MAX_KEPT: usize = 64 * 1024;

/// The same while the script has not got the whole body of the request.
const MAX_KEPT_FOR_BODY: usize = 1024 * 1024;

const PLAIN: &[u8] = b"text/plain; charset=utf-8";

/// The answer that a script writes.
#[derive(Debug)]
pub(super) struct Answer {
    pub exchange: ExchangeId,
    request: Zeroizing<Vec<u8>>,
    files: Option<SendRoot>,
    head_only: bool,
    stage: Stage,
    /// Output that is not sent yet.
    kept: Vec<u8>,
    /// More of the request's body is to come.
    body_open: bool,
    output_ended: bool,
    /// When streaming begins, unless the answer is complete by then.
    stream_at: Option<Tick>,
}

#[derive(Debug)]
enum Stage {
    /// The head is not complete yet.
    Begins,
    /// The output has no head: it is plain text.
    Text,
    /// The head is complete, and the body is kept.
    Body(Box<Head>),
    /// The head names a file to be sent.
    File(Box<Head>),
    /// The body is streamed to the peer.
    Streamed,
    /// Nothing more is sent.
    Over,
}

/// Answers the request, if there is one, with an error.
pub(super) fn refuse(engine: &mut Engine, exchange: impl Into<Option<ExchangeId>>, status: u16) {
    if let Some(exchange) = exchange.into() {
        engine.with_exchange(exchange, |ops| respond_error(ops, status, &[]));
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
    /// An answer of which nothing is written yet. `request` is the head of the request.
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
            stream_at: None,
        }
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.kept.len() + self.request.len()
    }

    /// When streaming begins, unless the answer is complete by then.
    pub(super) fn stream_at(&self) -> Option<Tick> {
        self.stream_at
    }

    /// Its process has started: sends `input`, or has the body of the request sent.
    pub(super) fn begin(&self, run: &Run, engine: &mut Engine, input: &[u8]) {
        if !input.is_empty() {
            // A process that does not read its input need not get it.
            let _ = engine.write_to_child(run.id, input);
        }
        if self.body_open {
            self.hold_body(engine, false);
        } else {
            engine.children().close_stdin(run.id);
        }
    }

    fn hold_body(&self, engine: &mut Engine, hold: bool) {
        engine.with_exchange(self.exchange, |ops| ops.hold_body(hold));
    }

    /// The peer has left: discards everything.
    pub(super) fn forget(&mut self) {
        self.stage = Stage::Over;
        self.body_open = false;
    }

    /// Acts on an event of its process.
    pub(super) fn on_event(&mut self, run: &mut Run, engine: &mut Engine, event: ChildEvent) {
        match event {
            ChildEvent::Output(bytes) => {
                self.take(run, engine, &bytes);
                self.pause_if_slow(run, engine);
            }
            ChildEvent::OutputEnd => self.output_ended = true,
            ChildEvent::Drained if self.body_open => self.hold_body(engine, false),
            _ => {}
        }
    }

    /// The timeout has passed: answers with 504, or cuts an answer that is being streamed.
    pub(super) fn time_out(&mut self, run: &Run, engine: &mut Engine) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Over => return,
            Stage::Streamed => self.cut(engine),
            _ => refuse(engine, self.exchange, 504),
        }
        self.body_open = false;
        log::warn!("{}: timeout, it is ended", run.rule);
    }

    fn cut(&self, engine: &mut Engine) {
        engine.with_exchange(self.exchange, |ops| {
            ops.abort();
        });
    }

    fn fail(&mut self, run: &Run, engine: &mut Engine, why: &str) {
        log::warn!("{}: {why}", run.rule);
        self.stage = Stage::Over;
        refuse(engine, self.exchange, 502);
    }

    fn take(&mut self, run: &Run, engine: &mut Engine, bytes: &[u8]) {
        let cramped = !run.rule.memory.has_room(bytes.len());
        match &self.stage {
            Stage::Over | Stage::File(_) => return,
            Stage::Streamed => return self.send(run, engine, bytes),
            Stage::Begins | Stage::Text | Stage::Body(_) => self.kept.extend_from_slice(bytes),
        }
        if matches!(self.stage, Stage::Begins) {
            self.read_head(run, engine, false);
        }
        match self.stage {
            Stage::Over | Stage::File(_) => {
                self.kept = Vec::new();
                run.discard_output(engine);
            }
            Stage::Body(_) | Stage::Text => {
                let most = if self.body_open {
                    MAX_KEPT_FOR_BODY
                } else {
                    MAX_KEPT
                };
                if self.kept.len() > most || cramped {
                    self.start_stream(run, engine);
                }
                self.stream_by(engine.now().after(STREAM_AFTER));
            }
            Stage::Begins | Stage::Streamed => {}
        }
    }

    /// Passes a piece of the body of the request on to the script.
    pub(super) fn feed(&mut self, run: &Run, engine: &mut Engine, piece: &BodyPiece) {
        if !self.body_open {
            return;
        }
        match engine.write_to_child(run.id, &piece.data) {
            Ok(backlog) => {
                if backlog > MAX_BODY_AHEAD && !piece.ended {
                    self.hold_body(engine, true);
                }
            }
            // The script has closed its stdin: the rest of the body is not read, and the answer need not wait for it.
            Err(_) => {
                self.body_open = false;
                self.hold_body(engine, true);
                self.stream_by(engine.now());
            }
        }
        if piece.ended {
            self.body_open = false;
            engine.children().close_stdin(run.id);
            self.stream_by(engine.now().after(STREAM_AFTER));
        }
    }

    /// Streaming begins at `due`, or earlier if that was set.
    fn stream_by(&mut self, due: Tick) {
        self.stream_at = Some(self.stream_at.map_or(due, |known| known.earlier(due)));
    }

    /// Reads the head, if it is complete.
    fn read_head(&mut self, run: &Run, engine: &mut Engine, ended: bool) {
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
            Err(error) => self.fail(run, engine, &format!("its answer: {error}")),
        }
    }

    /// Begins streaming, if it is due and the output has a head and a part of the body, and has not ended.
    pub(super) fn stream_if_due(&mut self, run: &mut Run, engine: &mut Engine) {
        let now = engine.now();
        if !self.stream_at.is_some_and(|due| due.is_due(now)) {
            return;
        }
        self.stream_at = None;
        let has_head = matches!(self.stage, Stage::Body(_));
        if has_head && !self.kept.is_empty() && !self.body_open && !self.output_ended {
            self.start_stream(run, engine);
        }
        self.pause_if_slow(run, engine);
    }

    /// Begins streaming, with the output that was kept.
    fn start_stream(&mut self, run: &Run, engine: &mut Engine) {
        let head = match std::mem::replace(&mut self.stage, Stage::Streamed) {
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
            self.send(run, engine, &kept);
        } else {
            self.over(run, engine);
        }
    }

    /// Ends the answer: further output is discarded.
    fn over(&mut self, run: &Run, engine: &mut Engine) {
        self.stage = Stage::Over;
        run.discard_output(engine);
    }

    fn send(&mut self, run: &Run, engine: &mut Engine, piece: &[u8]) {
        let sent = engine.with_exchange(self.exchange, |ops| ops.body_piece(piece));
        if sent != Some(true) {
            self.over(run, engine);
        }
    }

    /// Pauses the output of the process while the peer has too much to read.
    fn pause_if_slow(&self, run: &mut Run, engine: &mut Engine) {
        if run.paused || !matches!(self.stage, Stage::Streamed) {
            return;
        }
        let slow = engine.with_exchange(self.exchange, |ops| {
            let slow = ops.backlog() > HIGH;
            if slow {
                ops.tell_drained();
            }
            slow
        });
        if slow == Some(true) {
            run.pause(engine);
        }
    }

    /// Its process has ended: answers. When the answer is a file, returns the look-up for it, and the head of the answer.
    pub(super) fn finish(
        &mut self,
        run: &Run,
        engine: &mut Engine,
        succeeded: bool,
    ) -> Option<(BlockingLookup, Box<Head>)> {
        if matches!(self.stage, Stage::Begins) && succeeded {
            self.read_head(run, engine, true);
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Over => {}
            Stage::Streamed if succeeded => {
                engine.with_exchange(self.exchange, |ops| {
                    ops.body_end();
                });
            }
            Stage::Streamed => self.cut(engine),
            _ if !succeeded => refuse(engine, self.exchange, 502),
            Stage::Begins | Stage::Text => self.respond(run, engine, &plain()),
            Stage::Body(head) => self.respond(run, engine, &head),
            Stage::File(head) => {
                let lookup = self.file_lookup(engine, &head);
                if lookup.is_none() {
                    self.fail(run, engine, "it names a file that it may not send");
                }
                return Some((lookup?, head));
            }
        }
        None
    }

    /// Sends the complete answer.
    fn respond(&mut self, run: &Run, engine: &mut Engine, head: &Head) {
        let mut body = std::mem::take(&mut self.kept);
        if let Some(length) = head.length.filter(|_| !self.head_only) {
            if (body.len() as u64) < length {
                let why = "its answer is shorter than its Content-Length";
                return self.fail(run, engine, why);
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

    /// The look-up of the file that the script names; `None` when it may not send that file.
    fn file_lookup(&self, engine: &Engine, head: &Head) -> Option<BlockingLookup> {
        let root = self.files.as_ref()?;
        let path = root.relative(head.send_file.as_deref()?)?;
        let (folder, now) = (root.folder(), engine.now());
        Some(BlockingLookup::send_file(folder, &self.request, path, now))
    }
}

/// The head for output that has none.
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
