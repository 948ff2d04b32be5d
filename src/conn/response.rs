//! The phases of HTTP that write: whole answers, heads of answers, and bodies in pieces; during the event of the request or
//! later.

use crate::proto::http::response;
use crate::proto::ws::frame::Role;
use crate::proto::ws::handshake::{self, Offer};

use super::answer::{self, Answer, AnswerHead};
use super::buffer::{CORK_FULL, NO_COPY_FROM, Out};
use super::connection::{Answered, Connection};
use super::deadline::{Due, Tick};
use super::phase::{Exchange, Phase};

/// RFC 9110 §15.2.1.
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Connection {
    /// The number of the current request on this connection. It comes again after 2³² requests.
    #[must_use]
    pub fn exchange(&self) -> u32 {
        self.exchanges
    }

    /// Whether a request waits for its answer.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        self.open_exchange().is_some()
    }

    /// The answer to the current request comes later. With `hold_body`, its body is not read until
    /// [`Connection::hold_body`] or the answer.
    pub fn defer(&mut self, hold_body: bool, out: &mut Out<'_>, now: Tick) {
        if self.awaits_answer() {
            self.deferred = true;
            // It may be deferred a second time, now with its body.
            self.hold_body(hold_body, out, now);
        }
    }

    /// The target of the current request holds a password: its answer forbids to store it.
    pub fn set_private(&mut self) {
        if let Phase::AwaitAnswer(exchange) | Phase::ReadBody(exchange, _) = &mut self.phase {
            exchange.private = true;
        }
    }

    /// Whether the answer to a request was deferred and is still to come.
    #[must_use]
    pub fn is_deferred(&self) -> bool {
        self.deferred && self.awaits_answer()
    }

    /// Whether a request ended whose answer was deferred; true once.
    pub fn take_orphaned(&mut self) -> bool {
        let orphaned = self.deferred && !self.awaits_answer();
        self.deferred &= !orphaned;
        orphaned
    }

    /// Whether the request of that number is still to be answered, or the body of its answer is being sent.
    #[must_use]
    pub fn is_in_exchange(&self, exchange: u32) -> bool {
        self.exchanges == exchange
            && (self.awaits_answer()
                || matches!(self.phase, Phase::StreamBody(_) | Phase::SendBody(..)))
    }

    /// Stops reading the body of the current request, or goes on.
    pub fn hold_body(&mut self, hold: bool, out: &mut Out<'_>, now: Tick) {
        let Phase::ReadBody(exchange, _) = &mut self.phase else {
            return;
        };
        if self.holds_body == hold {
            return;
        }
        self.holds_body = hold;
        if hold {
            self.waits_for = Due::Never;
            return;
        }
        if exchange.expects_continue && !exchange.answered && self.rest.is_none() {
            exchange.expects_continue = false;
            out.cork.extend_from_slice(CONTINUE);
        }
        self.wait(Due::Body, self.conf.idle_timeout, now);
    }

    /// The answer that was completed since the last call.
    #[inline]
    pub fn take_answered(&mut self) -> Option<Answered> {
        let status = core::mem::take(&mut self.status_sent);
        (status != 0).then_some(Answered {
            status,
            bytes: self.body_bytes_sent,
        })
    }

    /// Answers the current request. False: no request waits for an answer, and nothing was written.
    pub fn respond(&mut self, answer: &Answer<'_>, out: &mut Out<'_>, now: Tick) -> bool {
        let Some((exchange, whole)) = self.open_exchange() else {
            return false;
        };
        // RFC 9110 §10.1.1: a body that waits for 100 (Continue) may come or not, so only closing is safe.
        let persistent =
            exchange.persistent && !self.last_request && (whole || !exchange.expects_continue);
        answer::write(answer, exchange, persistent, out);
        self.set_answered(
            answer.status,
            answer::body_length(answer, exchange.head_only),
        );
        if whole {
            self.next_request(persistent, now);
        } else if let Phase::ReadBody(exchange, _) = &mut self.phase {
            exchange.answered = true;
            exchange.persistent = persistent;
            if persistent {
                self.hold_body(false, out, now);
            } else {
                self.drain();
            }
        }
        self.deferred = false;
        true
    }

    fn set_answered(&mut self, status: u16, bytes: u64) {
        (self.status_sent, self.body_bytes_sent) = (status, bytes);
    }

    /// Writes the head of the answer to the current request. The caller sends the body: `length` bytes of it, reported by
    /// [`Connection::body_sent`]; or, of a known length or not, by [`Connection::body_piece`] and [`Connection::body_end`].
    /// `None`: no request waits for an answer, and nothing was written; else whether a body is to be sent at all.
    pub fn respond_head(
        &mut self,
        head: &AnswerHead<'_>,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Option<bool> {
        let (exchange, whole) = self.open_exchange()?;
        // Nothing is read meanwhile, so the connection ends when the request body is not read to its end; and when nothing
        // else marks the end of the answer.
        let endless = head.length.is_none() && exchange.http10;
        let persistent = exchange.persistent && !self.last_request && whole && !endless;
        answer::write_head(head, exchange, persistent, out);
        self.deferred = false;
        if exchange.head_only || head.length == Some(0) {
            self.set_answered(head.status, 0);
            self.next_request(persistent, now);
            return Some(false);
        }
        let exchange = Exchange {
            persistent,
            answered: true,
            status: head.status,
            ..exchange
        };
        self.body_bytes_sent = 0;
        self.phase = match head.length {
            Some(length) => Phase::SendBody(exchange, length),
            None => Phase::StreamBody(exchange),
        };
        self.waits_for = Due::Never;
        Some(true)
    }

    /// Bytes of the answer's body that are still to be sent.
    #[must_use]
    pub fn body_left(&self) -> u64 {
        match self.phase {
            Phase::SendBody(_, left) => left,
            _ => 0,
        }
    }

    /// `count` bytes of the answer's body were sent, at most [`Connection::body_left`]. After the last of them the connection
    /// goes on to the next request, or ends.
    pub fn body_sent(&mut self, count: u64, now: Tick) {
        if let Phase::SendBody(exchange, left) = &mut self.phase {
            *left = left.saturating_sub(count);
            self.body_bytes_sent += count;
            if *left == 0 {
                let persistent = exchange.persistent && !self.last_request;
                self.status_sent = exchange.status;
                self.next_request(persistent, now);
            }
        }
    }

    /// Writes a piece of a body; what exceeds a known length is left out. False: no such answer is being sent.
    pub fn body_piece(&mut self, piece: &[u8], out: &mut Out<'_>, now: Tick) -> bool {
        if let Phase::SendBody(_, left) = self.phase {
            let fits = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            put(&piece[..fits], out);
            self.body_sent(fits as u64, now);
            return true;
        }
        let Phase::StreamBody(exchange) = &self.phase else {
            return false;
        };
        let http10 = exchange.http10;
        if piece.is_empty() {
            // RFC 9112 §7.1: a chunk of no length would be the last.
            return true;
        }
        self.body_bytes_sent += piece.len() as u64;
        if !http10 {
            out.cork
                .extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        }
        put(piece, out);
        if !http10 {
            out.cork.extend_from_slice(b"\r\n");
        }
        true
    }

    /// The body of unknown length is complete.
    pub fn body_end(&mut self, out: &mut Out<'_>, now: Tick) {
        let Phase::StreamBody(exchange) = &self.phase else {
            return;
        };
        let exchange = *exchange;
        if !exchange.http10 {
            out.cork.extend_from_slice(b"0\r\n\r\n");
        }
        self.status_sent = exchange.status;
        self.next_request(exchange.persistent && !self.last_request, now);
    }

    /// The request that waits for an answer, and whether all of it was read.
    fn open_exchange(&self) -> Option<(Exchange, bool)> {
        match &self.phase {
            Phase::AwaitAnswer(exchange) => Some((*exchange, true)),
            Phase::ReadBody(exchange, _) if !exchange.answered => Some((*exchange, false)),
            _ => None,
        }
    }

    /// Answers a malformed or unacceptable request, and ends the connection.
    pub(super) fn refuse(&mut self, status: u16, out: &mut Out<'_>) {
        let exchange = match &self.phase {
            Phase::AwaitAnswer(exchange)
            | Phase::ReadBody(exchange, _)
            | Phase::SendBody(exchange, _)
            | Phase::StreamBody(exchange) => *exchange,
            _ => Exchange::broken(),
        };
        if !exchange.answered {
            let fields: &[(&str, &[u8])] = &[("Content-Type", b"text/html; charset=utf-8")];
            let body = response::error_page(status);
            let answer = Answer {
                status,
                fields,
                body: body.as_bytes(),
            };
            answer::write(&answer, exchange, false, out);
            self.set_answered(status, answer::body_length(&answer, exchange.head_only));
        }
        self.drain();
    }

    pub(super) fn next_request(&mut self, persistent: bool, now: Tick) {
        if persistent {
            self.phase = Phase::ReadHead { scanned: 0 };
            self.wait(Due::Idle, self.conf.idle_timeout, now);
        } else {
            self.drain();
        }
    }

    /// Accepts the upgrade that the current request offers (RFC 6455 §4.2.2). False: no request waits for an answer.
    pub fn upgrade(
        &mut self,
        offer: &Offer<'_>,
        protocol: Option<&str>,
        out: &mut Out<'_>,
        now: Tick,
    ) -> bool {
        if !matches!(self.phase, Phase::AwaitAnswer(_)) {
            return false;
        }
        handshake::write_response(out.cork, offer, protocol, out.date);
        self.deferred = false;
        self.set_answered(101, 0);
        self.open(Role::Server, now);
        true
    }
}

/// Writes a piece of a body.
fn put(piece: &[u8], out: &mut Out<'_>) {
    if piece.len() >= NO_COPY_FROM {
        out.pass(piece);
    } else {
        out.cork.extend_from_slice(piece);
    }
    if out.cork.len() >= CORK_FULL {
        out.flush();
    }
}
