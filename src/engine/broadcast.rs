//! What an event has for other connections: done after it, and settled at the end of the batch.

use std::rc::Rc;

use crate::conn::SharedMessages;
use crate::conn::buffer::Sent;
use crate::conn::event::ConnId;

use super::connections::Core;
use super::flush::flush;
use super::ops::{Later, Ops};
use super::outbox::Wrote;
use super::owners::OwnerId;
use super::receive::HIGH;
use super::shared::with_ops;
use super::slot::Pending;

impl Core {
    /// Does what handlers have left for later.
    pub(super) fn apply_later(&mut self) {
        let mut later = std::mem::take(&mut self.shared.aside.later);
        for op in later.drain(..) {
            match op {
                Later::Send { to, message } => {
                    self.queue_to(to, &message);
                }
                Later::Broadcast {
                    owner,
                    except,
                    messages,
                } => {
                    self.broadcast(owner, except, &messages.share());
                }
                Later::Close { to, code, reason } => {
                    if let Some(index) = self.find(to) {
                        self.write_to(index, |ops| ops.close(code, &reason));
                    }
                }
            }
        }
        // Its room is kept for the next event.
        if self.shared.aside.later.is_empty() {
            self.shared.aside.later = later;
        }
    }

    /// Queues messages for all open WebSockets of an owner, but `except`; how many will get them.
    pub(super) fn broadcast(
        &mut self,
        owner: OwnerId,
        except: Option<ConnId>,
        messages: &SharedMessages,
    ) -> usize {
        let except = except.and_then(|id| self.find(id));
        let mut reached = 0;
        let mut at = 0;
        // Queueing changes no list of members.
        while let Some(&index) = self
            .owners
            .get(owner)
            .and_then(|owner| owner.members.get(at))
        {
            at += 1;
            if Some(index as usize) != except {
                reached += usize::from(self.queue(index as usize, messages));
            }
        }
        reached
    }

    /// Queues messages for one connection. False: it will not get them.
    pub(super) fn queue_to(&mut self, id: ConnId, messages: &SharedMessages) -> bool {
        self.find(id)
            .is_some_and(|index| self.queue(index, messages))
    }

    fn queue(&mut self, index: usize, messages: &SharedMessages) -> bool {
        if !self.slots[index].may_write() {
            return false;
        }
        self.make_room(index, messages.encoded_len());
        let sent = self.write_to(index, |ops| ops.send_shared(messages));
        if self.memory.is_over() {
            self.relieve(index);
        }
        if sent == Sent::Dropped {
            self.totals.dropped += u64::from(messages.count());
        }
        sent == Sent::Queued
    }

    /// Queues a line for a connection of lines. False: it will not get it.
    pub(super) fn queue_line(&mut self, id: ConnId, line: &Rc<[u8]>) -> bool {
        let Some(index) = self.find(id) else {
            return false;
        };
        if !self.slots[index].may_write() {
            return false;
        }
        self.make_room(index, line.len());
        let queued = self.write_to(index, |ops| ops.conn.queue_line(line, &mut ops.out));
        if self.memory.is_over() {
            self.relieve(index);
        }
        queued
    }

    /// Sends what waits for a peer, if it is much: what waits only for the end of the batch is not the peer's fault. One
    /// that is gone shows by reading.
    fn make_room(&mut self, index: usize, bytes: usize) {
        let slot = &mut self.slots[index];
        let most = slot.conn.conf().max_backlog.min(HIGH);
        if slot.backlog() + bytes > most {
            flush(slot, &mut self.shared.outboxes, &mut Wrote::default());
        }
    }

    /// More memory is charged than the limit allows, for something was queued for this slot. What only waits for the end
    /// of the batch is sent now; if that is not enough, connections are closed.
    #[cold]
    fn relieve(&mut self, index: usize) {
        let outboxes = &mut self.shared.outboxes;
        flush(&mut self.slots[index], outboxes, &mut Wrote::default());
        for &index in &self.dirty {
            if !self.memory.is_over() {
                return;
            }
            if let Some(slot) = self.slots.get_mut(index as usize) {
                flush(slot, outboxes, &mut Wrote::default());
            }
        }
        self.shed();
    }

    /// Lets `write` write to another connection, which is settled at the end of the batch.
    pub(super) fn write_to<T>(&mut self, index: usize, write: impl FnOnce(&mut Ops<'_>) -> T) -> T {
        self.leave_pending(index, Pending::Settle);
        let slot = &mut self.slots[index];
        let mut wrote = Wrote::default();
        let result = with_ops(slot, &mut self.shared, &mut wrote, write);
        slot.writable &= !wrote.short;
        if wrote.broken {
            self.leave_pending(index, Pending::Broken);
        }
        result
    }
}
