//! What the handling of an event has at hand beside the connection, and what it leaves to be done after it.

use std::collections::VecDeque;

use crate::conn::event::{ConnId, ExchangeId};
use crate::files::Visit;

use super::bus::Bus;
use super::login::{Login, Pending};

/// Something that wants the whole engine, and is done after the turn.
#[derive(Debug)]
pub(super) enum Todo {
    /// The disk has to be waited for.
    Visit(ExchangeId, Visit),
    /// The helper has to be asked.
    Ask(Box<Pending>),
    /// A line has come by the control socket.
    Line(ConnId, Vec<u8>),
    /// No more lines will come by this connection of it.
    LinesEnd(ConnId),
}

/// What all sources of events share.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub bus: Bus,
    pub login: Login,
    pub todo: VecDeque<Todo>,
}
