//! The connection itself: what it is made of, where it stands, and the step that its phase takes.

use std::rc::Rc;

use crate::proto::http::head::{FieldTable, MAX_HEAD};
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::{Kind, Role};
use crate::proto::ws::handshake;
use crate::proto::ws::mask::MaskingKeys;
use crate::proto::ws::message::Pool;
use crate::proto::ws::session::{ControlPayload, Session};

use super::buffer::Out;
use super::conf::Conf;
use super::deadline::{Due, LINGER, Millis, Tick};
use super::event::ConnId;
use super::phase::{Half, Lines, Phase, Upgrade};

/// What connections share and need while they work.
#[derive(Debug)]
pub struct Tools {
    /// Buffers of unfinished messages.
    pub pool: Pool,
    /// Masking keys for the client role.
    pub keys: MaskingKeys,
}

/// Room for what an event borrows beside the input.
#[derive(Debug)]
pub struct Aux {
    pub(super) table: FieldTable,
    pub(super) control: ControlPayload,
}

impl Default for Aux {
    fn default() -> Aux {
        Aux {
            table: FieldTable::default(),
            control: [0; size_of::<ControlPayload>()],
        }
    }
}

/// Counters of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Whole messages received.
    pub messages_in: u64,
    /// Messages sent.
    pub messages_out: u64,
    /// Bytes received, as they came.
    pub bytes_in: u64,
    /// Payload bytes of messages sent.
    pub bytes_out: u64,
}

/// What was answered to a request: for the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status code.
    pub status: u16,
    /// Bytes of the body, as far as they were written.
    pub bytes: u64,
}

/// One connection, of either role.
#[derive(Debug)]
pub struct Connection {
    pub(super) id: ConnId,
    pub(super) conf: Rc<Conf>,
    pub(super) phase: Phase,
    // Boxed, for it is there while a head or an answer is under way only.
    #[allow(clippy::box_collection)]
    pub(super) rest: Option<Box<Vec<u8>>>,
    /// What it counts; the caller may read it at any time.
    pub counters: Counters,
    pub(super) due: Tick,
    pub(super) stall: Option<Tick>,
    pub(super) last_received: Tick,
    pub(super) waits_for: Due,
    pub(super) closing: Option<CloseCode>,
    pub(super) at_eof: bool,
    pub(super) last_request: bool,
    /// The answer to the current request comes later, from outside of the event.
    pub(super) deferred: bool,
    /// Its body is not read until then.
    pub(super) holds_body: bool,
    /// Whoever drives the connection is to tell when nothing waits for the peer any more; it is kept here for its room.
    pub reports_drained: bool,
    /// Requests so far, modulo 2³².
    pub(super) exchanges: u32,
    /// The status of the answer that is complete, 0 for none, and the bytes of its body so far.
    pub(super) status_sent: u16,
    pub(super) body_bytes_sent: u64,
}

impl Connection {
    /// A connection that a server accepted at `now`.
    #[must_use]
    pub fn server(id: ConnId, conf: Rc<Conf>, now: Tick) -> Connection {
        let due = now.after(conf.head_timeout);
        Connection {
            id,
            conf,
            phase: Phase::ReadHead { scanned: 0 },
            rest: None,
            counters: Counters::default(),
            due,
            stall: None,
            last_received: now,
            waits_for: Due::Head,
            closing: None,
            at_eof: false,
            last_request: false,
            deferred: false,
            holds_body: false,
            reports_drained: false,
            exchanges: 0,
            status_sent: 0,
            body_bytes_sent: 0,
        }
    }

    /// A connection of lines, accepted at `now`: each line is told as a text message of at most `max_message` bytes, and
    /// what is sent is a line.
    #[must_use]
    pub fn lines(id: ConnId, conf: Rc<Conf>, now: Tick) -> Connection {
        let mut connection = Connection::server(id, conf, now);
        connection.phase = Phase::Lines(Lines::default());
        connection.waits_for = Due::Never;
        connection
    }

    /// A connection that a client opened at `now`; its upgrade request is written to `out`. `nonce` is fresh randomness
    /// for Sec-WebSocket-Key (RFC 6455 §4.1).
    #[must_use]
    pub fn client(
        id: ConnId,
        conf: Rc<Conf>,
        request: &handshake::UpgradeRequest<'_>,
        nonce: [u8; 16],
        out: &mut Out<'_>,
        now: Tick,
    ) -> Connection {
        handshake::write_request(out.cork, request, nonce);
        Connection::await_upgrade(id, conf, request, nonce, now)
    }

    /// The same, over TLS: the upgrade request is written by the first [`Connection::step`] after
    /// [`Connection::tls_established`]. One time limit is for the TLS handshake and the answer together.
    #[must_use]
    pub fn client_over_tls(
        id: ConnId,
        conf: Rc<Conf>,
        request: &handshake::UpgradeRequest<'_>,
        nonce: [u8; 16],
        now: Tick,
    ) -> Connection {
        let mut connection = Connection::await_upgrade(id, conf, request, nonce, now);
        if let Phase::AwaitUpgrade(upgrade) = &mut connection.phase {
            let mut bytes = Vec::new();
            handshake::write_request(&mut bytes, request, nonce);
            upgrade.request = Some(bytes);
            upgrade.secured = false;
        }
        connection
    }

    fn await_upgrade(
        id: ConnId,
        conf: Rc<Conf>,
        request: &handshake::UpgradeRequest<'_>,
        nonce: [u8; 16],
        now: Tick,
    ) -> Connection {
        let upgrade = Upgrade {
            request: None,
            secured: true,
            nonce,
            protocols: request.protocols.iter().map(|&p| p.to_owned()).collect(),
            scanned: 0,
            interims: 0,
        };
        let mut connection = Connection::server(id, conf, now);
        connection.phase = Phase::AwaitUpgrade(Box::new(upgrade));
        connection.waits_for = Due::Upgrade;
        connection
    }

    /// The connection's name.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// What it has in common with others.
    #[must_use]
    pub fn conf(&self) -> &Conf {
        &self.conf
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(&self.phase, Phase::WebSocket(session) if !session.is_closing())
    }

    /// Whether the opening handshake is done and the closing one is not.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        matches!(self.phase, Phase::WebSocket(_))
    }

    /// Whether it is over: the transport goes, and what still waits with it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether our half of the transport is to be closed as soon as what waits is flushed; then tell
    /// [`Connection::half_closed`].
    #[must_use]
    pub fn wants_half_close(&self) -> bool {
        matches!(self.phase, Phase::Draining(Half::Open))
    }

    /// Our half of the transport is closed.
    pub fn half_closed(&mut self, now: Tick) {
        if !self.wants_half_close() {
            return;
        }
        if self.at_eof {
            self.phase = Phase::Closed;
        } else {
            self.phase = Phase::Draining(Half::Closed);
            self.wait(Due::Linger, LINGER, now);
        }
    }

    /// The most bytes that the next batch may have, those of [`Connection::take_rest`] included; 0: nothing can be
    /// used now, so nothing is to be received.
    #[inline]
    #[must_use]
    pub fn receive_limit(&self) -> usize {
        if self.is_websocket() {
            usize::MAX
        } else {
            self.other_receive_limit()
        }
    }

    // Apart, for the above is one comparison in most receives of most connections.
    #[inline(never)]
    fn other_receive_limit(&self) -> usize {
        match self.phase {
            Phase::WebSocket(_) | Phase::Lines(_) | Phase::Draining(_) => usize::MAX,
            Phase::ReadBody(..) if self.holds_body => 0,
            Phase::ReadHead { .. } | Phase::ReadBody(..) | Phase::AwaitUpgrade(_) => MAX_HEAD,
            Phase::AwaitAnswer(_) | Phase::SendBody(..) | Phase::StreamBody(_) | Phase::Closed => 0,
        }
    }

    /// The bytes that are left over from the last batch.
    pub fn take_rest(&mut self) -> Option<Box<Vec<u8>>> {
        self.rest.take()
    }

    /// Whether bytes are left over that a step could use: a reason to be called without new ones.
    #[must_use]
    pub fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    /// Keeps what the last step did not use.
    #[inline]
    pub fn keep(&mut self, rest: &[u8]) {
        let over = matches!(
            self.phase,
            Phase::WebSocket(_) | Phase::Lines(_) | Phase::Draining(_) | Phase::Closed
        );
        if !rest.is_empty() && !over {
            self.rest = Some(Box::new(rest.to_vec()));
        }
    }

    /// Whether it is a WebSocket between two messages, with nothing held and nothing that waits to be sent.
    #[inline]
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        matches!(&self.phase, Phase::WebSocket(session) if session.is_idle())
            && self.stall.is_none()
    }

    /// Bytes of memory that the connection holds beyond itself.
    #[must_use]
    pub fn held(&self) -> usize {
        let unfinished = match &self.phase {
            Phase::WebSocket(session) => session.held(),
            Phase::Lines(lines) => lines.held(),
            _ => 0,
        };
        unfinished + self.rest.as_ref().map_or(0, |rest| rest.capacity())
    }

    /// `count` bytes were received at `now`.
    #[inline]
    pub fn received(&mut self, count: usize, now: Tick) {
        self.last_received = now;
        self.counters.bytes_in += count as u64;
    }

    /// Whether `input` begins with a whole short message: then it is unmasked and checked where it lies, and this is its
    /// end and its kind; its payload begins at [`SHORT_HEADER`](crate::proto::ws::session::SHORT_HEADER). `None`: see [`Connection::step`].
    #[inline(always)]
    pub fn short_message(&mut self, input: &mut [u8]) -> Option<(usize, Kind)> {
        let Phase::WebSocket(session) = &self.phase else {
            return None;
        };
        let found = session.short_message(input, self.conf.max_message);
        self.counters.messages_in += u64::from(found.is_some());
        found
    }

    pub(super) fn open(&mut self, role: Role, now: Tick) {
        self.phase = Phase::WebSocket(Session::new(role));
        if self.conf.ping_interval.is_zero() {
            self.waits_for = Due::Never;
        } else {
            self.wait(Due::Ping, self.conf.ping_interval, now);
        }
    }

    pub(super) fn drain(&mut self) {
        self.phase = Phase::Draining(Half::Open);
        self.rest = None;
        // However long the last words take to leave, progress is all that is asked for.
        self.waits_for = Due::Never;
    }

    /// All that a connection of lines is owed was sent: it ends.
    pub fn finish(&mut self) {
        if matches!(self.phase, Phase::Lines(_)) {
            self.drain();
        }
    }

    /// After the closing handshake: RFC 6455 §7.1.1 has the server close TCP first, so that it is not the server that
    /// keeps the connection in TIME_WAIT. A client waits for that, but not for ever.
    pub(super) fn drain_after_closing(&mut self) {
        let is_client =
            matches!(&self.phase, Phase::WebSocket(session) if session.role() == Role::Client);
        self.drain();
        if is_client && !self.at_eof {
            self.phase = Phase::Draining(Half::PeerFirst);
            self.wait(Due::Linger, LINGER, self.last_received);
        }
    }

    pub(super) fn wait(&mut self, due: Due, time: Millis, now: Tick) {
        self.waits_for = due;
        self.due = now.after(time);
    }
}
