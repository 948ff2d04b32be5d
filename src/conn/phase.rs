//! The phases of a connection, each with its own state.

use crate::proto::http::body::BodyDecoder;
use crate::proto::http::head::{RequestHead, Version};
use crate::proto::ws::session::Session;

/// The phase of a connection.
///
/// ```text
/// server: ReadHead -> ReadBody -> AwaitAnswer -> SendBody -> ReadHead …      persistent
///                                                         -> Draining        not, or after an error
///                                             -> WebSocket                   upgraded
/// client: AwaitUpgrade -> WebSocket, or Closed
/// both:   WebSocket -> Draining -> Closed
/// lines:  Lines -> Draining -> Closed
/// ```
// With a tag of its own: a tag in a niche takes three more instructions to read, for each message.
#[repr(u8)]
#[derive(Debug)]
pub(super) enum Phase {
    /// Waits for a whole request head. The caller keeps what has come of it.
    ReadHead {
        /// Bytes that were already searched for the end of the head.
        scanned: usize,
    },
    /// The body of a request is read: given to the handler before the answer, discarded after it.
    ReadBody(Exchange, BodyDecoder),
    /// The whole request was read, and waits for its answer. Nothing more is read.
    AwaitAnswer(Exchange),
    /// The head of the answer is written, and the caller sends its body, which is a file. Nothing more is read.
    SendBody(Exchange, u64),
    /// The head of the answer is written, and its body, whose length is not known, is written in pieces. Nothing more is
    /// read.
    StreamBody(Exchange),
    /// The upgrade request is sent, and waits for its answer (client).
    AwaitUpgrade(Box<Upgrade>),
    /// The WebSocket connection is open, or in its closing handshake.
    WebSocket(Session),
    /// Lines of text in both directions: a program at the control socket.
    Lines(Lines),
    /// Nothing more is written: what waits is flushed, then our half is closed and the peer's bytes are discarded until it
    /// closes its own (RFC 9112 §9.6), so that it reads our last bytes and not a reset.
    Draining(Half),
    /// Closed.
    Closed,
}

/// The state of our half of the transport while the connection drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// It stays open until the peer's has ended: the server closes TCP first (RFC 6455 §7.1.1).
    PeerFirst,
    /// It ends as soon as what waits is flushed.
    Open,
    /// It has ended.
    Closed,
}

/// What is known of a request that its answer depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    /// Whether the connection outlives this exchange (RFC 9112 §9.3).
    pub persistent: bool,
    /// HEAD: the answer has no body (RFC 9110 §9.3.2).
    pub head_only: bool,
    /// HTTP/1.0: the answer has to say that the connection persists.
    pub http10: bool,
    /// The client waits for 100 (Continue) before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// The answer is written.
    pub answered: bool,
    /// Bytes of the request body so far.
    pub received: u64,
    /// The status of the answer whose body is being written.
    pub status: u16,
    /// The target holds a password: no cache may store the answer, and no other site may learn the target.
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

    /// For an answer to something that is no request.
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

/// What a client keeps of its upgrade request, to check the answer.
#[derive(Debug)]
pub(super) struct Upgrade {
    /// The request, until it is written.
    pub request: Option<Vec<u8>>,
    /// Whether it may be written: at once, or when TLS is established.
    pub secured: bool,
    pub nonce: [u8; 16],
    pub protocols: Vec<String>,
    pub scanned: usize,
    /// Interim answers so far (RFC 9110 §15.2).
    pub interims: u8,
}

/// The state of the phase of lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come. Boxed, because it is moved out whole.
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
