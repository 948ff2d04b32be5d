//! The states of a client, and what it takes to end its connection.

use crate::conn::deadline::Tick;
use crate::conn::event::ConnId;
use crate::engine::DialId;

/// The state of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is not connected, and does not try.
    Idle,
    /// The addresses of its host are looked up, by this number.
    Resolving(u64),
    /// They are being connected to.
    Dialling(DialId),
    /// TLS and the opening handshake are under way.
    Opening,
    /// It is connected.
    Open,
    /// It has begun to close the connection.
    Closing,
    /// The next attempt is due then.
    Waiting(Tick),
}

/// What the engine has to do to end the connection of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// Nothing: there is none, or it is ending.
    Nothing,
    /// A connect is to be given up.
    Cancel(DialId),
    /// A connection that is not open is to be dropped; nothing will be told of it.
    Abort(ConnId),
    /// An open one is to be closed; its end will be told.
    Close(ConnId),
}
