//! The WebSocket phase: the events of the session, messages to the peer, and the start of the closing handshake.

use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::{Kind, Role};
use crate::proto::ws::session;

use super::buffer::{CORK_FULL, NO_COPY_FROM, Out, Sent};
use super::conf::SlowPeer;
use super::connection::{Connection, Tools};
use super::deadline::{Due, LINGER, Tick};
use super::event::{CloseReason, Event, Got};
use super::phase::Phase;
use super::shared_message::SharedMessages;

impl Connection {
    /// The buffer of an unfinished message, and how many bytes it waits for: they can be received into it directly.
    #[inline]
    pub fn spare(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        match &mut self.phase {
            Phase::WebSocket(session) => session.spare(),
            _ => None,
        }
    }

    /// `count` bytes were received into the buffer that [`Connection::spare`] lent.
    pub fn filled<'e>(&mut self, count: usize, tools: &mut Tools, out: &mut Out<'_>) -> Got<'e> {
        match &mut self.phase {
            Phase::WebSocket(session) => {
                let got = session.filled(count, &mut tools.pool, &mut tools.keys, out.cork);
                self.on_session(got)
            }
            _ => Got::More,
        }
    }

    /// Turns what the session yields into an event of the connection.
    #[inline(always)]
    pub(super) fn on_session<'e>(&mut self, got: session::SessionEvent<'e>) -> Got<'e> {
        match got {
            session::SessionEvent::More => Got::More,
            session::SessionEvent::Message { kind, data } => {
                self.counters.messages_in += 1;
                Got::Now(Event::Message { kind, data })
            }
            session::SessionEvent::Whole { kind, data } => {
                self.counters.messages_in += 1;
                Got::Whole(kind, data)
            }
            session::SessionEvent::Ping(_) => Got::Now(Event::Ping),
            session::SessionEvent::Pong(_) => Got::Now(Event::Pong),
            session::SessionEvent::Closed { code, reason } => {
                self.drain_after_closing();
                Got::Now(Event::Closed(match self.closing {
                    Some(code) => CloseReason::Local(code),
                    None => CloseReason::Peer(code, reason),
                }))
            }
            session::SessionEvent::Failed(error) => {
                self.drain();
                Got::Now(Event::Closed(CloseReason::Failed(error)))
            }
        }
    }

    /// Sends a message to the peer.
    #[inline(always)]
    pub fn send(
        &mut self,
        kind: Kind,
        data: &[u8],
        tools: &mut Tools,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Sent {
        let Phase::WebSocket(session) = &mut self.phase else {
            return self.send_line(data, out);
        };
        if session.is_closing() {
            return Sent::Closed;
        }
        let backlog = out.transport.backlog();
        if backlog > 0 && backlog + data.len() > self.conf.max_backlog {
            return self.too_slow(tools, out, now);
        }
        // Masking needs a copy in any case: only a server has a header without the payload.
        let header = if data.len() >= NO_COPY_FROM {
            session.header(kind, data.len())
        } else {
            None
        };
        if let Some(header) = header {
            out.cork.extend_from_slice(&header);
            out.pass(data);
        } else {
            session.put_message(kind, data, &mut tools.keys, out.cork);
            if out.cork.len() >= CORK_FULL {
                out.flush();
            }
        }
        self.counters.messages_out += 1;
        self.counters.bytes_out += data.len() as u64;
        Sent::Queued
    }

    /// Queues messages that other connections send too. They leave at the end of the turn.
    pub fn send_shared(
        &mut self,
        messages: &SharedMessages,
        tools: &mut Tools,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Sent {
        let Phase::WebSocket(session) = &self.phase else {
            return Sent::Closed;
        };
        if session.is_closing() {
            return Sent::Closed;
        }
        let backlog = out.backlog();
        if backlog > 0 && backlog + messages.encoded_len() > self.conf.max_backlog {
            return self.too_slow(tools, out, now);
        }
        out.flush();
        match session.role() {
            Role::Server => out.transport.queue_shared(messages.unmasked()),
            Role::Client => {
                messages.put_masked(&mut tools.keys, out.cork);
                out.transport.queue(out.cork);
                out.cork.clear();
            }
        }
        self.counters.messages_out += u64::from(messages.count());
        self.counters.bytes_out += messages.payload_bytes();
        Sent::Queued
    }

    #[cold]
    fn too_slow(&mut self, tools: &mut Tools, out: &mut Out<'_>, now: Tick) -> Sent {
        match self.conf.slow_peer {
            SlowPeer::Drop => Sent::Dropped,
            SlowPeer::Close => {
                self.start_closing(CloseCode::TRY_AGAIN_LATER, "too slow", tools, out, now);
                Sent::Closed
            }
        }
    }

    /// Sends a ping (RFC 6455 §5.5.2), whose answer comes as [`Event::Pong`]. Does nothing when the connection is not open.
    pub fn ping(&mut self, tools: &mut Tools, out: &mut Out<'_>) {
        if let Phase::WebSocket(session) = &mut self.phase
            && !session.is_closing()
        {
            session.ping(b"", &mut tools.keys, out.cork);
        }
    }

    /// Begins the closing handshake (RFC 6455 §7.1.2). Does nothing when it has begun already or there is no WebSocket.
    pub fn start_closing(
        &mut self,
        code: CloseCode,
        reason: &str,
        tools: &mut Tools,
        out: &mut Out<'_>,
        now: Tick,
    ) {
        if let Phase::WebSocket(session) = &mut self.phase
            && !session.is_closing()
        {
            session.start_closing(code, reason, &mut tools.keys, out.cork);
            self.closing = Some(code);
            self.wait(Due::CloseAck, LINGER, now);
        }
    }
}
