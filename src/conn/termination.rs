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
    /// The daemon is going: a WebSocket is closed with 1001, an exchange is the connection's last, an idle connection
    /// ends. The reason, when this ends the opening handshake of a client.
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

    /// The daemon is short of memory, and this connection holds most: a WebSocket begins to close with 1013, a request is
    /// answered with 503, and what is held for either is let go.
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

    /// The peer's stream ended. The reason, when this ends an open WebSocket.
    pub fn on_eof(&mut self) -> Option<CloseReason<'static>> {
        self.at_eof = true;
        match &self.phase {
            Phase::WebSocket(_) => Some(self.abandon(CloseReason::Eof)),
            Phase::AwaitUpgrade(_) => Some(self.abandon(CloseReason::Refused(Refusal::Eof))),
            // Its answer may still be read: only the peer's sending half is closed.
            Phase::AwaitAnswer(_) | Phase::SendBody(..) | Phase::StreamBody(_) => {
                self.last_request = true;
                None
            }
            // What was asked is still to be answered.
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

    /// The TLS handshake is done: the time of the first head begins (server), the upgrade request may be written
    /// (client).
    pub fn tls_established(&mut self, now: Tick) {
        if self.waits_for == Due::Head {
            self.wait(Due::Head, self.conf.head_timeout, now);
        }
        if let Phase::AwaitUpgrade(upgrade) = &mut self.phase {
            upgrade.secured = true;
        }
    }

    /// TLS failed. The peer may still read the alert that says so, and nothing else will be said. The reason, when this
    /// ends an open WebSocket, or the opening handshake of a client.
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

    /// The peer began with plain HTTP where TLS is spoken: it is told so in plain HTTP.
    pub fn refuse_plain_http(&mut self, out: &mut Out<'_>) {
        let plain = Answer {
            status: 400,
            fields: &[("Content-Type", b"text/plain; charset=utf-8")],
            body: PLAIN_HTTP.as_bytes(),
        };
        answer::write(&plain, Exchange::broken(), false, out);
        self.drain();
    }

    /// Ends the connection at once, without a word. The reason comes back when this ends an open WebSocket, or the
    /// opening handshake of a client.
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

    /// When [`Connection::on_deadline`] is to be called. It may turn out that activity has moved the deadline.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        let due = (self.waits_for != Due::Never).then_some(self.due);
        match (due, self.stall) {
            (Some(a), Some(b)) => Some(a.earlier(b)),
            (one, other) => one.or(other),
        }
    }

    /// Whether bytes wait for the transport to take them, and whether it took any just now.
    #[inline]
    pub fn on_backlog(&mut self, waits: bool, progress: bool, now: Tick) {
        if !waits || self.is_closed() {
            self.stall = None;
        } else if progress || self.stall.is_none() {
            self.stall = Some(now.after(STALL));
        }
    }

    /// Acts on the deadlines that have come at `now`. The reason, when this ends an open WebSocket.
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
                    // Nothing was asked, so nothing is answered.
                    self.drain();
                }
                None
            }
            // The answers before are still leaving: the peer is not idle, and a stall has a deadline of its own.
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
                    // Our ping waits behind other bytes, and above the mark the answer is not read: so the progress of
                    // those bytes is the sign of life, and the stall has a deadline of its own.
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
                // The server has had its time to close first.
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

    /// Pings a peer that was silent for the interval; else waits for that.
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
        // Only what comes from now on is a sign of life.
        self.last_received = Tick(now.0.wrapping_sub(1));
    }
}
