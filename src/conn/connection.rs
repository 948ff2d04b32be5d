//! The connection itself: its state, how it begins, and the changes of phase that other files use.

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

/// What all connections use while they work.
#[derive(Debug)]
pub struct Tools {
    /// Buffers of unfinished messages.
    pub pool: Pool,
    /// Masking keys for the client role.
    pub keys: MaskingKeys,
}

/// Memory that events borrow from, besides the input.
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
    /// Bytes received, of any kind.
    pub bytes_in: u64,
    /// Payload bytes of messages sent.
    pub bytes_out: u64,
}

/// An answer that is complete, for the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status code.
    pub status: u16,
    /// Bytes of the body that were written.
    pub bytes: u64,
}

/// One connection, of either role.
#[derive(Debug)]
pub struct Connection {
    pub(super) id: ConnId,
    pub(super) conf: Rc<Conf>,
    pub(super) phase: Phase,
    // Boxed: it exists only while a head is incomplete or an answer is awaited.
    #[allow(clippy::box_collection)]
    pub(super) rest: Option<Box<Vec<u8>>>,
    /// Its counters, for the caller to read.
    pub counters: Counters,
    pub(super) due: Tick,
    pub(super) stall: Option<Tick>,
    pub(super) last_received: Tick,
    pub(super) waits_for: Due,
    pub(super) closing: Option<CloseCode>,
    pub(super) at_eof: bool,
    pub(super) last_request: bool,
    /// The answer to the current request was deferred.
    pub(super) deferred: bool,
    /// The body of the current request is not read until then.
    pub(super) holds_body: bool,
    /// The caller is to report when nothing waits for the peer any more. Kept here because there is room for it.
    pub reports_drained: bool,
    /// Requests so far, modulo 2³².
    pub(super) exchanges: u32,
    /// The status of an answer that is complete (0: none), and the bytes of its body so far.
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

    /// A connection of lines, accepted at `now`: each line comes as a text message of at most `max_message` bytes, and each
    /// message is sent as a line.
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
    /// [`Connection::tls_established`]. The TLS handshake and the answer share one time limit.
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

    /// The id of the connection.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// The configuration that it shares with others.
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

    /// Whether it is closed: the transport is dropped, with what still waits.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether our half of the transport is to be closed as soon as what waits is flushed. The caller reports it by
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

    /// The most bytes of the next batch, those of [`Connection::take_rest`] included; 0: nothing can be processed now, so
    /// nothing is to be received.
    #[inline]
    #[must_use]
    pub fn receive_limit(&self) -> usize {
        if self.is_websocket() {
            usize::MAX
        } else {
            self.other_receive_limit()
        }
    }

    // Separate: for most receives, the function above is one comparison.
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

    /// Whether bytes are left over that a step could use without new ones.
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

    /// Whether it is an open WebSocket between two messages, and nothing waits to be sent.
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

    /// Whether `input` begins with a whole short message: then it is unmasked and checked in place, and this is its end and
    /// its kind; its payload begins at [`SHORT_HEADER`](crate::proto::ws::session::SHORT_HEADER). `None`: see
    /// [`Connection::step`].
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
        // There is no time limit for the last bytes as long as they make progress.
        self.waits_for = Due::Never;
    }

    /// Ends a connection of lines, when everything was sent that its peer waits for.
    pub fn finish(&mut self) {
        if matches!(self.phase, Phase::Lines(_)) {
            self.drain();
        }
    }

    /// After the closing handshake: by RFC 6455 §7.1.1 the server closes TCP first, so a client waits for that, but not for
    /// ever.
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
