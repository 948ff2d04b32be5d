//! What the handling of an event has at hand beside the connection, and what it leaves to be done after it.

use std::collections::VecDeque;

use crate::config::Id;
use crate::conn::event::{ConnId, ExchangeId};
use crate::engine::Warnings;
use crate::files::BlockingLookup;
use crate::proto::ws::frame::Kind;

use super::bus::Bus;
use super::fired::Fired;
use super::intake::Intake;
use super::login::{Login, Pending};

/// Something that wants the whole engine, and is done after the turn.
#[derive(Debug)]
pub(super) enum Todo {
    /// The disk has to be waited for.
    Visit(ExchangeId, BlockingLookup),
    /// The helper has to be asked.
    Ask(Box<Pending>),
    /// A line has come by the control socket.
    Line(ConnId, Vec<u8>),
    /// No more lines will come by this connection of it.
    LinesEnd(ConnId),
    /// The same, for one was too long.
    LineTooLong(ConnId),
    /// A trigger has to run something, or to hold a request.
    Fired(Box<Fired>),
    /// A message goes to a client's peer, or to every connection of a server.
    Forward { to: Id, kind: Kind, data: Vec<u8> },
    /// What has come of a body goes to the script that waits for it.
    Body(ConnId),
    /// A connection has ended, which processes follow.
    Gone(ConnId),
}

/// What all sources of events share.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub bus: Bus,
    pub login: Login,
    pub intake: Intake,
    pub todo: VecDeque<Todo>,
    /// Bytes that events of this turn have left to be done.
    pub firing: usize,
    /// Events and messages that came to nothing, beside those that slow peers were not sent.
    pub dropped: u64,
    /// What is logged of messages for clients that are not connected.
    pub unsent: Warnings,
}
