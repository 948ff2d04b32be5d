//! The phases of a connection, each with what it needs and nothing else.

use crate::proto::http::body::BodyDecoder;
use crate::proto::http::head::{RequestHead, Version};
use crate::proto::ws::session::Session;

/// Where a connection stands.
///
/// ```text
/// server: ReadHead -> ReadBody -> AwaitAnswer -> SendBody -> ReadHead …      persistent
///                                                         -> Draining        not, or after an error
///                                             -> WebSocket                   upgraded
/// client: AwaitUpgrade -> WebSocket, or Closed
/// both:   WebSocket -> Draining -> Closed
/// lines:  Lines -> Draining -> Closed
/// ```
// With a tag of its own, for a tag in a niche takes three instructions more to read, at each message.
#[repr(u8)]
#[derive(Debug)]
pub(super) enum Phase {
    /// Waits for a whole request head, which the caller keeps until it is whole.
    ReadHead {
        /// Bytes that were searched for the end of the head already.
        scanned: usize,
    },
    /// The body of a request is read: told as events before the answer, discarded after it.
    ReadBody(Exchange, BodyDecoder),
    /// The request is whole; its answer is not there yet. Nothing more is read.
    AwaitAnswer(Exchange),
    /// The head of the answer is written, and the caller writes its body past the connection, for it is a file. Nothing
    /// more is read.
    SendBody(Exchange, u64),
    /// The head of the answer is written, and its body, whose length nobody knows, is written piece by piece. Nothing
    /// more is read.
    StreamBody(Exchange),
    /// The upgrade request is sent, the answer is awaited (client).
    AwaitUpgrade(Box<Upgrade>),
    /// The WebSocket connection is open, or in its closing handshake.
    WebSocket(Session),
    /// Lines of text in both directions: a program that gives commands, or the one end of a worker.
    Lines(Lines),
    /// All is said: what waits is flushed, then our half is closed and the peer's bytes are discarded until it closes
    /// its own (RFC 9112 §9.6), so that it reads our last words and not a reset.
    Draining(Half),
    /// Over.
    Closed,
}

/// Where our half of the transport stands while the connection drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// It stays open until the peer's has ended: the server closes TCP first (RFC 6455 §7.1.1).
    PeerFirst,
    /// It ends as soon as what waits is flushed.
    Open,
    /// It has ended.
    Closed,
}

/// What the answer to a request depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    /// Whether the connection outlives this exchange (RFC 9112 §9.3).
    pub persistent: bool,
    /// HEAD: the answer has no body (RFC 9110 §9.3.2).
    pub head_only: bool,
    /// The answer to HTTP/1.0 says so when the connection persists.
    pub http10: bool,
    /// The client waits for 100 (Continue) before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// The answer is written.
    pub answered: bool,
    /// Bytes of the body so far.
    pub received: u64,
    /// The status of the answer whose body is being written.
    pub status: u16,
    /// The target holds a password: the answer must not be kept by anybody, nor the target be told on.
    pub private: bool,
}

impl Exchange {
    pub(super) fn of(head: &RequestHead<'_>) -> Exchange {
        Exchange {
            persistent: head.persistent(),
            head_only: head.method() == crate::proto::http::head::Method::Head,
            http10: head.version() == Version::Http10,
            expects_continue: head.expects_continue(),
            answered: false,
            received: 0,
            status: 0,
            private: false,
        }
    }

    /// For an answer to what was no request: nothing of it can be trusted.
    pub(super) fn broken() -> Exchange {
        Exchange {
            persistent: false,
            head_only: false,
            http10: false,
            expects_continue: false,
            answered: false,
            received: 0,
            status: 0,
            private: false,
        }
    }
}

/// What a client remembers of its upgrade request, to hold the answer against.
#[derive(Debug)]
pub(super) struct Upgrade {
    /// The request, until the transport is there that may carry it.
    pub request: Option<Vec<u8>>,
    /// Whether that is so.
    pub secured: bool,
    pub nonce: [u8; 16],
    pub protocols: Vec<String>,
    pub scanned: usize,
    /// Interim answers so far (RFC 9110 §15.2).
    pub interims: u8,
}

/// What is kept of lines between two receives.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come. Boxed, for it is moved out whole.
    #[allow(clippy::box_collection)]
    pub partial: Option<Box<Vec<u8>>>,
    /// A line was too long: nothing that follows it can be understood.
    pub over: bool,
}

impl Lines {
    /// Bytes of memory that it holds.
    pub(super) fn held(&self) -> usize {
        self.partial.as_ref().map_or(0, |line| line.capacity())
    }
}
