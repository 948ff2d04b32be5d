//! How a connection ends: by the daemon, by the peer, or by a deadline.

use crate::proto::ws::close::CloseCode;

use super::answer::{self, Answer};
use super::buffer::Out;
use super::connection::{Connection, Tools};
use super::deadline::{Due, STALL, Tick};
use super::event::{CloseReason, Refusal};
use super::phase::{Exchange, Half, Phase};
use super::tls::{PLAIN_HTTP, TlsError};

impl Connection {
    /// The daemon, server or client stops: a WebSocket is closed with 1001, the current exchange is the last, an idle
    /// connection ends. Returns the reason when this ends the opening handshake of a client.
    pub fn shut_down(
        &mut self,
        tools: &mut Tools,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Option<CloseReason<'static>> {
        self.last_request = true;
        match self.phase {
            Phase::WebSocket(_) => self.start_closing(CloseCode::GOING_AWAY, "", tools, out, now),
            Phase::ReadHead { .. } | Phase::Lines(_) => self.drain(),
            Phase::AwaitUpgrade(_) => {
                return Some(self.abandon(CloseReason::Refused(Refusal::GivenUp)));
            }
            Phase::ReadBody(..)
            | Phase::AwaitAnswer(_)
            | Phase::SendBody(..)
            | Phase::StreamBody(_)
            | Phase::Draining(_)
            | Phase::Closed => {}
        }
        None
    }

    /// Memory is short, and this connection holds the most: a WebSocket begins to close with 1013, a request is answered
    /// with 503, and the memory of either is freed.
    pub fn shed(&mut self, tools: &mut Tools, out: &mut Out<'_>, now: Tick) {
        match self.phase {
            Phase::WebSocket(_) => {
                self.start_closing(CloseCode::TRY_AGAIN_LATER, "", tools, out, now);
            }
            Phase::Lines(_) => self.drain(),
            Phase::AwaitUpgrade(_)
            | Phase::SendBody(..)
            | Phase::StreamBody(_)
            | Phase::Draining(_)
            | Phase::Closed => {}
            _ => self.refuse(503, out),
        }
    }

    /// The peer's stream ended. Returns the reason when this ends an open WebSocket.
    pub fn on_eof(&mut self) -> Option<CloseReason<'static>> {
        self.at_eof = true;
        match &self.phase {
            Phase::WebSocket(_) => Some(self.abandon(CloseReason::Eof)),
            Phase::AwaitUpgrade(_) => Some(self.abandon(CloseReason::Refused(Refusal::Eof))),
            // The peer may still read the answer: only its sending half is closed.
            Phase::AwaitAnswer(_) | Phase::SendBody(..) | Phase::StreamBody(_) => {
                self.last_request = true;
                None
            }
            // Requests that came before are still to be answered.
            Phase::Lines(_) => Some(CloseReason::Eof),
            Phase::ReadHead { .. } | Phase::ReadBody(..) => {
                self.drain();
                None
            }
            Phase::Draining(Half::Closed) => {
                self.phase = Phase::Closed;
                None
            }
            Phase::Draining(_) => {
                self.drain();
                None
            }
            Phase::Closed => None,
        }
    }

    /// The TLS handshake is done: the time limit of the first head begins (server), the upgrade request may be written
    /// (client).
    pub fn tls_established(&mut self, now: Tick) {
        if self.waits_for == Due::Head {
            self.wait(Due::Head, self.conf.head_timeout, now);
        }
        if let Phase::AwaitUpgrade(upgrade) = &mut self.phase {
            upgrade.secured = true;
        }
    }

    /// TLS failed. The peer may still read the alert, and nothing else is sent. Returns the reason when this ends an open
    /// WebSocket, or the opening handshake of a client.
    pub fn tls_failed<'e>(&mut self, error: &'e TlsError) -> Option<CloseReason<'e>> {
        let reason = match self.phase {
            Phase::WebSocket(_) => Some(CloseReason::Tls),
            Phase::AwaitUpgrade(_) => Some(CloseReason::Refused(Refusal::Tls(error))),
            _ => None,
        };
        if !self.is_closed() {
            self.drain();
        }
        reason
    }

    /// The peer began with plain HTTP where TLS is spoken: the answer says so, in plain HTTP.
    pub fn refuse_plain_http(&mut self, out: &mut Out<'_>) {
        let plain = Answer {
            status: 400,
            fields: &[("Content-Type", b"text/plain; charset=utf-8")],
            body: PLAIN_HTTP.as_bytes(),
        };
        answer::write(&plain, Exchange::broken(), false, out);
        self.drain();
    }

    /// Ends the connection at once, and writes nothing. Returns the reason when this ends an open WebSocket, or the opening
    /// handshake of a client.
    pub fn abort(&mut self, reason: CloseReason<'static>) -> Option<CloseReason<'static>> {
        let open = matches!(
            self.phase,
            Phase::WebSocket(_) | Phase::AwaitUpgrade(_) | Phase::Lines(_)
        );
        let reason = self.abandon(reason);
        open.then_some(reason)
    }

    fn abandon(&mut self, reason: CloseReason<'static>) -> CloseReason<'static> {
        self.phase = Phase::Closed;
        self.rest = None;
        self.waits_for = Due::Never;
        match (self.closing, reason) {
            (Some(code), CloseReason::Eof | CloseReason::Reset) => CloseReason::Local(code),
            _ => reason,
        }
    }

    /// When [`Connection::on_deadline`] is to be called. Activity may have moved the deadline by then.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        let due = (self.waits_for != Due::Never).then_some(self.due);
        match (due, self.stall) {
            (Some(a), Some(b)) => Some(a.earlier(b)),
            (one, other) => one.or(other),
        }
    }

    /// Sets the deadline for writes: `waits` says whether bytes wait for the transport, `progress` whether it took some just
    /// now.
    #[inline]
    pub fn on_backlog(&mut self, waits: bool, progress: bool, now: Tick) {
        if !waits || self.is_closed() {
            self.stall = None;
        } else if progress || self.stall.is_none() {
            self.stall = Some(now.after(STALL));
        }
    }

    /// Acts on the deadlines that are due at `now`. Returns the reason when this ends an open WebSocket.
    pub fn on_deadline(
        &mut self,
        tools: &mut Tools,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Option<CloseReason<'static>> {
        if self.stall.is_some_and(|stall| stall.is_due(now)) {
            return self.abort(CloseReason::Stalled);
        }
        if self.waits_for == Due::Never || !self.due.is_due(now) {
            return None;
        }
        match self.waits_for {
            Due::Never => None,
            Due::Head => {
                if self.rest.is_some() {
                    self.refuse(408, out);
                } else {
                    // No request has begun, so nothing is answered.
                    self.drain();
                }
                None
            }
            // Earlier answers are still being sent: the peer is not idle, and a stall has its own deadline.
            Due::Idle if self.stall.is_some() => {
                self.wait(Due::Idle, self.conf.idle_timeout, now);
                None
            }
            Due::Idle => {
                self.drain();
                None
            }
            Due::Body => {
                self.refuse(408, out);
                None
            }
            Due::Ping => {
                self.ping_if_quiet(tools, out, now);
                None
            }
            Due::Pong => {
                let asked = Tick(
                    self.due
                        .0
                        .wrapping_sub(Tick(0).after(self.conf.pong_timeout).0),
                );
                if asked.is_due(self.last_received) {
                    self.ping_if_quiet(tools, out, now);
                    None
                } else if self.stall.is_some() {
                    // Our ping waits behind other bytes, and with a large backlog nothing is read: so the progress of
                    // those bytes is the sign of life, and a stall has its own deadline.
                    self.wait(Due::Ping, self.conf.ping_interval, now);
                    None
                } else {
                    self.abort(CloseReason::PongTimeout)
                }
            }
            Due::CloseAck => self
                .closing
                .map(|code| self.abandon(CloseReason::Local(code))),
            Due::Upgrade => {
                let refusal = match &self.phase {
                    Phase::AwaitUpgrade(upgrade) if !upgrade.secured => Refusal::TlsTimeout,
                    _ => Refusal::Timeout,
                };
                self.abort(CloseReason::Refused(refusal))
            }
            Due::Linger if matches!(self.phase, Phase::Draining(Half::PeerFirst)) => {
                // The server did not close first in time.
                self.drain();
                None
            }
            Due::Linger => {
                self.phase = Phase::Closed;
                self.waits_for = Due::Never;
                None
            }
        }
    }

    /// Pings a peer that was silent for the interval; else sets the deadline for that.
    fn ping_if_quiet(&mut self, tools: &mut Tools, out: &mut Out<'_>, now: Tick) {
        self.waits_for = Due::Ping;
        self.due = self.last_received.after(self.conf.ping_interval);
        if !self.due.is_due(now) {
            return;
        }
        if let Phase::WebSocket(session) = &mut self.phase {
            session.ping(b"", &mut tools.keys, out.cork);
        }
        self.wait(Due::Pong, self.conf.pong_timeout, now);
        // Only bytes that come from now on are a sign of life.
        self.last_received = Tick(now.0.wrapping_sub(1));
    }
}
