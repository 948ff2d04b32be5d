//! What a connection tells: events, the step that told them, and why it ended.

use std::fmt;
use std::num::NonZeroU64;

use crate::proto::http::head::RequestHead;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::{self, Kind};

/// A connection's name: never used twice while the daemon runs, printed as `c42`.
///
/// It carries the slot that the engine keeps the connection in, so that finding it is an index and a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnId(NonZeroU64);

impl ConnId {
    const SLOT_BITS: u32 = 24;
    /// The number of slots that an id can tell apart.
    pub const MAX_SLOTS: usize = 1 << Self::SLOT_BITS;

    /// The `serial`-th connection (from 1, below 2⁴⁰), kept in `slot` (below [`ConnId::MAX_SLOTS`]).
    #[must_use]
    pub fn new(serial: u64, slot: usize) -> ConnId {
        debug_assert!(slot < Self::MAX_SLOTS && serial < 1 << 40);
        let value = (serial.max(1) << Self::SLOT_BITS) | slot as u64;
        ConnId(NonZeroU64::new(value).unwrap_or(NonZeroU64::MAX))
    }

    /// The slot that the connection lives in while it lives.
    #[must_use]
    pub fn slot(self) -> usize {
        self.0.get() as usize & (Self::MAX_SLOTS - 1)
    }

    /// The ordinal number of the connection: what is printed.
    #[must_use]
    pub fn serial(self) -> u64 {
        self.0.get() >> Self::SLOT_BITS
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.serial())
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One request and its answer: an answer that comes late finds the request that it is for, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExchangeId {
    /// The connection.
    pub conn: ConnId,
    /// Which of its requests.
    pub number: u32,
}

/// What one [`Connection::step`](super::Connection::step) did.
#[derive(Debug)]
pub struct Step<'e> {
    /// Bytes of the input that are done with.
    pub used: usize,
    /// What they were.
    pub got: Got<'e>,
}

/// What came of a step.
#[derive(Debug)]
pub enum Got<'e> {
    /// Nothing to tell. What of the input was not used is to be given again, before what comes next.
    More,
    /// An event that borrows the input.
    Now(Event<'e>),
    /// A message that was put together from pieces; its buffer goes back to the pool after the event.
    Whole(Kind, Box<Vec<u8>>),
}

/// What happened on a connection.
#[derive(Debug)]
pub enum Event<'e> {
    /// A request head. It wants an answer, now or later; its body, if any, follows in [`Event::Body`].
    Request(RequestHead<'e>),
    /// A piece of the body of a request that has no answer yet.
    Body(&'e mut [u8]),
    /// The body of a request that has no answer yet is complete.
    BodyEnd,
    /// The opening handshake succeeded (client; a server knows, for it decided).
    Opened,
    /// A whole message; text is valid UTF-8. The bytes may be written over.
    Message {
        /// Text or binary.
        kind: Kind,
        /// The payload.
        data: &'e mut [u8],
    },
    /// A ping, answered already.
    Ping,
    /// A pong.
    Pong,
    /// The WebSocket connection ended; told once for each that had opened. Of a connection of lines: nothing more will
    /// come, and what it is still owed can be sent before [`Connection::finish`](super::Connection::finish).
    Closed(CloseReason<'e>),
}

/// Why a WebSocket connection ended: what events and logs print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason<'e> {
    /// The peer's Close frame came first, with this code and reason.
    Peer(Option<CloseCode>, &'e str),
    /// We closed with this code, and the peer answered or its time was up.
    Local(CloseCode),
    /// The peer broke the protocol.
    Failed(frame::Error),
    /// The peer's stream ended without a Close frame.
    Eof,
    /// The transport failed.
    Reset,
    /// The peer broke TLS.
    Tls,
    /// A ping was not answered.
    PongTimeout,
    /// Bytes for the peer made no progress for too long.
    Stalled,
    /// The daemon failed while it handled this connection.
    Panicked,
    /// The opening handshake failed (client).
    Refused,
}

impl CloseReason<'_> {
    /// The code an event shows: the one on the wire, 1005 when the peer gave none, 1006 when there was no Close frame
    /// (RFC 6455 §7.1.5).
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            CloseReason::Peer(code, _) => code.map_or(1005, CloseCode::get),
            CloseReason::Local(code) => code.get(),
            CloseReason::Failed(error) => error.close_code().get(),
            CloseReason::Panicked => 1011,
            _ => 1006,
        }
    }
}

impl fmt::Display for CloseReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Peer(Some(code), "") => {
                write!(f, "closed by the peer with {}", code.get())
            }
            CloseReason::Peer(Some(code), reason) => {
                write!(
                    f,
                    "closed by the peer with {}: {}",
                    code.get(),
                    reason.escape_debug()
                )
            }
            CloseReason::Peer(None, _) => f.write_str("closed by the peer"),
            CloseReason::Local(code) => write!(f, "closed with {}", code.get()),
            CloseReason::Failed(error) => {
                write!(f, "closed with {}: {error}", error.close_code().get())
            }
            CloseReason::Eof => f.write_str("the peer left without a Close frame"),
            CloseReason::Reset => f.write_str("the connection was reset"),
            CloseReason::Tls => f.write_str("the peer broke TLS"),
            CloseReason::PongTimeout => f.write_str("the peer did not answer a ping"),
            CloseReason::Stalled => f.write_str("the peer does not read"),
            CloseReason::Panicked => f.write_str("internal error"),
            CloseReason::Refused => f.write_str("the upgrade was refused"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_serial_and_slot() {
        let id = ConnId::new(42, 7);
        assert_eq!(
            (id.serial(), id.slot(), id.to_string()),
            (42, 7, "c42".to_owned())
        );
        assert_eq!(
            ConnId::new((1 << 40) - 1, ConnId::MAX_SLOTS - 1).slot(),
            ConnId::MAX_SLOTS - 1
        );
        assert_ne!(ConnId::new(1, 7), ConnId::new(2, 7));
    }
}
