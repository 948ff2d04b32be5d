//! Where a client stands on its way to a connection, and from it.

use crate::conn::deadline::Tick;
use crate::conn::event::ConnId;
use crate::engine::DialId;

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is not connected, and does not try.
    Idle,
    /// The addresses of its host are asked for, by this number.
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

/// What has to be done for a client to have no connection.
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
