//! What the engine tells that is no event of a connection: polled after each turn.

use std::io;
use std::net::SocketAddr;

use crate::conn::event::ExchangeId;
use crate::files::LookupResult;

use super::child::{ChildEvent, ChildId};
use super::dial::Dialled;
use super::helper::HelperReply;

/// A result that comes outside of any event.
#[derive(Debug)]
pub enum Outcome {
    /// The answer that was asked for by [`Engine::look_up`](super::Engine::look_up).
    LookedUp(ExchangeId, Box<LookupResult>),
    /// The addresses that were asked for by [`Engine::resolve`](super::Engine::resolve), by the number given.
    Resolved(u64, io::Result<Vec<SocketAddr>>),
    /// The peer of a request whose answer was deferred has closed its half of the connection. Likely it has left, though some
    /// peers still read.
    Left(ExchangeId),
    /// A request whose answer was deferred has ended with its connection.
    Orphaned(ExchangeId),
    /// A process that was started by [`Engine::spawn`](super::Engine::spawn).
    Child(ChildId, ChildEvent),
    /// The result of [`Engine::dial`](super::Engine::dial).
    Dialled(Dialled),
    /// An answer to [`Engine::ask`](super::Engine::ask).
    Helper(HelperReply),
    /// Nothing waits for the peer of an answer in pieces any more; told once for each
    /// [`Ops::tell_drained`](super::Ops::tell_drained).
    Drained(ExchangeId),
}
