//! The states of a client, and the ways to end its connection.

use crate::conn::deadline::Tick;
use crate::conn::event::ConnId;
use crate::engine::DialId;

/// The state of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is not connected, and does not try.
    Idle,
    /// The addresses of its host are being looked up; the look-up has this number.
    Resolving(u64),
    /// The addresses are being dialled.
    Dialling(DialId),
    /// TLS and the opening handshake are under way.
    Opening,
    /// It is connected.
    Open,
    /// It has begun to close the connection.
    Closing,
    /// It waits for the next attempt, which is due at this time.
    Waiting(Tick),
}

/// What the engine has to do to end the connection of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// Nothing: there is no connection, or it is ending.
    Nothing,
    /// Give up a dial.
    Cancel(DialId),
    /// Drop a connection that is not open. No event will follow.
    Abort(ConnId),
    /// Close an open connection. An event will tell its end.
    Close(ConnId),
}
