//! Messages for other connections than the one that is served: queued now, sent at the end of the batch.

use std::rc::Rc;

use crate::conn::SharedMessages;
use crate::conn::buffer::Sent;
use crate::conn::event::ConnId;

use super::connections::Connections;
use super::flush::flush;
use super::ops::DeferredOp;
use super::outbox::Wrote;
use super::owners::OwnerId;
use super::slot::HIGH_WATER;

/// Does what handlers have deferred.
pub(super) fn apply_deferred(connections: &mut Connections) {
    let mut deferred = std::mem::take(&mut connections.shared.effects.deferred);
    for op in deferred.drain(..) {
        match op {
            DeferredOp::Send { to, message } => {
                queue_to(connections, to, &message);
            }
            DeferredOp::Broadcast {
                owner,
                except,
                messages,
            } => {
                broadcast(connections, owner, except, &messages.share());
            }
            DeferredOp::Close { to, code, reason } => {
                if let Some(index) = connections.find(to) {
                    connections.write_to(index, |ops| ops.close(code, &reason));
                }
            }
        }
    }
    // Its room is kept for the next event.
    let effects = &mut connections.shared.effects;
    if effects.deferred.is_empty() {
        effects.deferred = deferred;
    }
}

/// Queues messages for all open WebSockets of an owner, but `except`; how many will get them.
pub(super) fn broadcast(
    connections: &mut Connections,
    owner: OwnerId,
    except: Option<ConnId>,
    messages: &SharedMessages,
) -> usize {
    let except = except.and_then(|id| connections.find(id));
    let mut reached = 0;
    let mut at = 0;
    // Queueing changes no list of members.
    while let Some(index) = connections.member(owner, at) {
        at += 1;
        if Some(index) != except {
            reached += usize::from(queue(connections, index, messages));
        }
    }
    reached
}

/// Queues messages for one connection. False: it will not get them.
pub(super) fn queue_to(
    connections: &mut Connections,
    id: ConnId,
    messages: &SharedMessages,
) -> bool {
    let index = connections.find(id);
    index.is_some_and(|index| queue(connections, index, messages))
}

fn queue(connections: &mut Connections, index: usize, messages: &SharedMessages) -> bool {
    if !make_room(connections, index, messages.encoded_len()) {
        return false;
    }
    let sent = connections.write_to(index, |ops| ops.send_shared(messages));
    if connections.memory.is_over() {
        relieve(connections, index);
    }
    if sent == Sent::Dropped {
        connections.totals.dropped += u64::from(messages.count());
    }
    sent == Sent::Queued
}

/// Queues a line for a connection of lines. False: it will not get it.
pub(super) fn queue_line(connections: &mut Connections, id: ConnId, line: &Rc<[u8]>) -> bool {
    let Some(index) = connections.find(id) else {
        return false;
    };
    if !make_room(connections, index, line.len()) {
        return false;
    }
    let queued = connections.write_to(index, |ops| ops.conn.queue_line(line, &mut ops.out));
    if connections.memory.is_over() {
        relieve(connections, index);
    }
    queued
}

/// Sends what waits for a peer, if it is much: what waits only for the end of the batch is not the peer's fault. One that
/// is gone shows by reading. False: nothing will reach the peer any more.
fn make_room(connections: &mut Connections, index: usize, bytes: usize) -> bool {
    let slot = &mut connections.slots[index];
    if !slot.may_write() {
        return false;
    }
    let most = slot.conn.conf().max_backlog.min(HIGH_WATER);
    if slot.backlog() + bytes > most {
        let outboxes = &mut connections.shared.outboxes;
        flush(slot, outboxes, &mut Wrote::default());
    }
    true
}

/// Acts on the memory limit, which was passed when something was queued for this slot. What waits only for the end of the
/// batch is sent now; if that is not enough, connections are closed.
#[cold]
fn relieve(connections: &mut Connections, index: usize) {
    let Connections {
        slots,
        shared,
        memory,
        dirty,
        ..
    } = connections;
    let outboxes = &mut shared.outboxes;
    flush(&mut slots[index], outboxes, &mut Wrote::default());
    for &index in &*dirty {
        if !memory.is_over() {
            return;
        }
        if let Some(slot) = slots.get_mut(index as usize) {
            flush(slot, outboxes, &mut Wrote::default());
        }
    }
    connections.shed();
}
