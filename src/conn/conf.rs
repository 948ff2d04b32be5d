//! The limits that the connections of one server or client share.

use super::deadline::Millis;

/// What is done with a message for a slow peer whose backlog is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowPeer {
    /// The connection is closed with 1013.
    Close,
    /// The message is dropped, for this peer, and counted.
    Drop,
}

/// The limits that the connections of one server or client share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conf {
    /// The longest message in bytes; a longer one fails the connection with 1009.
    pub max_message: usize,
    /// The most unsent bytes for one peer. A message is always taken when nothing is unsent, whatever its length.
    pub max_backlog: usize,
    /// What is done with a message that would exceed it.
    pub slow_peer: SlowPeer,
    /// The longest request body in bytes; a longer one is answered with 413.
    pub max_body: u64,
    /// The time for a whole request head, or for the answer to an upgrade request.
    pub head_timeout: Millis,
    /// The time between requests, and between the pieces of a body.
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
