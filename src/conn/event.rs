//! The events of a connection, the steps that yield them, and the reasons for its end.

use std::fmt;
use std::num::NonZeroU64;

use crate::proto::http::{self, head::RequestHead};
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::{self, Kind};
use crate::proto::ws::handshake;

use super::tls::TlsError;

/// The id of a connection: never used twice while the daemon runs, printed as `c42`.
///
/// It contains the index of the slot in the engine, so that finding the connection is an index and a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnId(NonZeroU64);

impl ConnId {
    const SLOT_BITS: u32 = 24;
    /// The most slots that ids can tell apart.
    pub const MAX_SLOTS: usize = 1 << Self::SLOT_BITS;

    /// The `serial`-th connection (from 1, below 2⁴⁰), kept in `slot` (below [`ConnId::MAX_SLOTS`]).
    #[must_use]
    pub fn new(serial: u64, slot: usize) -> ConnId {
        debug_assert!(slot < Self::MAX_SLOTS && serial < 1 << 40);
        let value = (serial.max(1) << Self::SLOT_BITS) | slot as u64;
        ConnId(NonZeroU64::new(value).unwrap_or(NonZeroU64::MAX))
    }

    /// The slot of the connection while it lives.
    #[must_use]
    pub fn slot(self) -> usize {
        self.0.get() as usize & (Self::MAX_SLOTS - 1)
    }

    /// The ordinal number of the connection, which is printed.
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

/// One request and its answer: a late answer finds the request that it is for, or none. The number comes again after 2³²
/// requests of one connection, which has only one request at a time.
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
    /// Bytes of the input that were used.
    pub used: usize,
    /// What they yielded.
    pub got: Got<'e>,
}

/// What a step yields.
#[derive(Debug)]
pub enum Got<'e> {
    /// No event. Input that was not used is to be given again, before what comes next.
    More,
    /// An event that borrows the input.
    Now(Event<'e>),
    /// A message that was assembled from pieces; its buffer goes back to the pool after the event.
    Whole(Kind, Box<Vec<u8>>),
}

/// An event of a connection.
#[derive(Debug)]
pub enum Event<'e> {
    /// A request head. It needs an answer, now or later; its body, if any, follows in [`Event::Body`].
    Request(RequestHead<'e>),
    /// A piece of the body of a request that has no answer yet.
    Body(&'e mut [u8]),
    /// The body of a request that has no answer yet is complete.
    BodyEnd,
    /// The opening handshake succeeded (client only: a server decides that itself).
    Opened {
        /// The subprotocol that the server chose: one of those offered.
        protocol: Option<&'e str>,
    },
    /// A whole message; text is valid UTF-8. The bytes may be overwritten.
    Message {
        /// Text or binary.
        kind: Kind,
        /// The payload.
        data: &'e mut [u8],
    },
    /// A ping, which is answered already.
    Ping,
    /// A pong.
    Pong,
    /// The WebSocket connection ended: once for each that had opened, and for each of a client. For a connection of lines:
    /// nothing more will come, and answers can still be sent before [`Connection::finish`](super::Connection::finish).
    Closed(CloseReason<'e>),
}

/// Why a WebSocket connection ended, as events and logs show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CloseReason<'e> {
    /// The peer's Close frame came first, with this code and reason.
    Peer(Option<CloseCode>, &'e str),
    /// We closed with this code, and the peer answered or did not in time.
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
    Refused(Refusal<'e>),
}

/// Why the opening handshake of a client failed (RFC 6455 §4.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refusal<'e> {
    /// The status of the answer is not 101.
    Status {
        /// Its status code.
        status: u16,
        /// Its first line, cut where it is long.
        line: &'e str,
        /// The target of a redirection (RFC 9110 §10.2.2).
        location: Option<&'e str>,
    },
    /// The answer is 101, but is no valid handshake.
    Handshake(handshake::Error),
    /// The answer is not HTTP, or malformed.
    Malformed {
        /// What is wrong with it.
        error: http::Error,
        /// The part of its first line that is text, cut where it is long.
        line: &'e str,
    },
    /// TLS failed.
    Tls(&'e TlsError),
    /// The server's stream ended before its answer did.
    Eof,
    /// The TLS handshake was not done in time.
    TlsTimeout,
    /// The answer was not there in time.
    Timeout,
    /// We gave up.
    GivenUp,
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Status {
                status: 300..=399,
                line,
                location: Some(location),
            } => write!(
                f,
                "the server redirects to {}, which is not followed: {}",
                location.escape_debug(),
                line.escape_debug()
            ),
            Refusal::Status { status, line, .. } => {
                let what = match status {
                    300..=399 => "redirects, which is not followed",
                    401 => "wants a user name and password, or others",
                    403 => "forbids it",
                    407 => "is a proxy, and wants a user name and password",
                    _ => "did not upgrade",
                };
                write!(f, "the server {what}: {}", line.escape_debug())
            }
            Refusal::Handshake(error) => write!(f, "the server's upgrade is no good: {error}"),
            Refusal::Malformed { error, line } => {
                write!(f, "the server's answer is no HTTP: {error}")?;
                if line.is_empty() {
                    return Ok(());
                }
                write!(f, ": {}", line.escape_debug())
            }
            Refusal::Tls(error) => write!(f, "TLS failed: {error}"),
            Refusal::Eof => f.write_str("the server closed the connection before it answered"),
            Refusal::TlsTimeout => {
                f.write_str("the server did not finish the TLS handshake in time")
            }
            Refusal::Timeout => f.write_str("the server did not answer in time"),
            Refusal::GivenUp => f.write_str("given up before the server answered"),
        }
    }
}

impl CloseReason<'_> {
    /// The code that events show: the one on the wire, 1005 when the peer gave none, 1006 when there was no Close frame (RFC
    /// 6455 §7.1.5).
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
            CloseReason::Refused(refusal) => refusal.fmt(f),
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

    #[test]
    fn a_refusal_is_told_in_words() {
        let status = |status, line, location| Refusal::Status {
            status,
            line,
            location,
        };
        for (refusal, words) in [
            (
                status(401, "HTTP/1.1 401 Unauthorized", None),
                "the server wants a user name and password, or others: HTTP/1.1 401 Unauthorized",
            ),
            (
                status(301, "HTTP/1.1 301 \u{1b}", Some("https://h/\u{7}")),
                "the server redirects to https://h/\\u{7}, which is not followed: HTTP/1.1 301 \\u{1b}",
            ),
            (
                status(302, "HTTP/1.1 302 Found", None),
                "the server redirects, which is not followed: HTTP/1.1 302 Found",
            ),
            (
                status(503, "HTTP/1.1 503 Busy", Some("/")),
                "the server did not upgrade: HTTP/1.1 503 Busy",
            ),
            (
                Refusal::Malformed {
                    error: http::Error::StatusLine,
                    line: "SSH-2.0",
                },
                "the server's answer is no HTTP: the status line is malformed: SSH-2.0",
            ),
        ] {
            assert_eq!(refusal.to_string(), words);
            assert_eq!(CloseReason::Refused(refusal).code(), 1006);
        }
    }
}
