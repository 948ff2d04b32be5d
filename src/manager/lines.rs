//! What comes by the control socket: lines, kept for after the turn, in their order.

use crate::conn::event::{CloseReason, ConnId, Event};
use crate::engine::{ListenerId, OwnerId};

use super::desk::{Desk, Todo};

/// The socket, as the engine knows it.
#[derive(Debug)]
pub(super) struct Control {
    pub owner: OwnerId,
    pub listener: ListenerId,
}

/// What happened on a connection of the control socket.
#[inline(never)]
pub(super) fn on_event(desk: &mut Desk, id: ConnId, event: &Event<'_>) {
    match event {
        Event::Message { data, .. } => desk.todo.push_back(Todo::Line(id, data.to_vec())),
        Event::Closed(CloseReason::Eof) => desk.todo.push_back(Todo::LinesEnd(id)),
        Event::Closed(CloseReason::Failed(_)) => desk.todo.push_back(Todo::LineTooLong(id)),
        Event::Closed(reason) => {
            log::debug!("{id}: control socket: {reason}");
            desk.bus.unsubscribe(id);
        }
        _ => {}
    }
}
