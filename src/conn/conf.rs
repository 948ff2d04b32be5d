//! The limits that the connections of one server or client have in common.

use super::deadline::Millis;

/// What a slow peer's full backlog leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowPeer {
    /// The connection is closed with 1013.
    Close,
    /// The message is dropped, for this peer, and counted.
    Drop,
}

/// The limits that the connections of one server or client have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// A peer that does not answer a ping for this long is dropped.
    pub pong_timeout: Millis,
}

impl Default for Conf {
    /// The limits of a server whose configuration says nothing of them.
    fn default() -> Conf {
        Conf {
            max_message: 1 << 20,
            max_backlog: 4 << 20,
            slow_peer: SlowPeer::Close,
            max_body: 1 << 20,
            head_timeout: Millis::seconds(10),
            idle_timeout: Millis::seconds(60),
            ping_interval: Millis::seconds(30),
            pong_timeout: Millis::seconds(20),
        }
    }
}
