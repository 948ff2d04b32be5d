//! What the connections of one server or client have in common.

use super::deadline::Millis;

/// What a slow peer's full backlog leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowPeer {
    /// The connection is closed with 1013.
    Close,
    /// The message is dropped, for this peer, and counted.
    Drop,
}

/// What the connections of one server or client have in common.
#[derive(Clone, Debug)]
pub struct Conf {
    /// Bytes of a message; a longer one fails the connection with 1009.
    pub max_message: usize,
    /// Unsent bytes held for one peer. A message that finds nothing unsent is taken whatever its length.
    pub max_backlog: usize,
    /// What becomes of a message that would exceed it.
    pub slow_peer: SlowPeer,
    /// Bytes of a request body; a longer one is 413.
    pub max_body: u64,
    /// For a whole request head; for the answer to an upgrade request.
    pub head_timeout: Millis,
    /// Between requests, and between the pieces of a body.
    pub idle_timeout: Millis,
    /// A WebSocket peer that is silent for this long is pinged; zero: never.
    pub ping_interval: Millis,
    /// And for this long after that: dropped.
    pub pong_timeout: Millis,
}
