//! What an event has for other connections: done after it, and settled at the end of the batch.

use std::rc::Rc;

use crate::conn::buffer::{Sent, SharedFrame};
use crate::conn::event::ConnId;

use super::connections::Core;
use super::flush::flush;
use super::ops::{Frames, Later, Ops};
use super::outbox::Wrote;
use super::receive::HIGH;
use super::shared::with_ops;
use super::slot::Pending;

impl Core {
    /// Does what handlers have left for later.
    pub(super) fn apply_later(&mut self) {
        let mut later = std::mem::take(&mut self.shared.aside.later);
        for op in later.drain(..) {
            match op {
                Later::Send { to, frame } => {
                    self.queue_to(to, &frame);
                }
                Later::Broadcast {
                    owner,
                    except,
                    frames,
                } => {
                    self.broadcast(owner, except, frames);
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
        owner: u32,
        except: Option<ConnId>,
        frames: Frames,
    ) -> usize {
        let frame = frames.share();
        let except = except.and_then(|id| self.find(id));
        let owners = self.owners.get(owner as usize);
        let count = owners.map_or(0, |owner| owner.members.len());
        let mut reached = 0;
        for at in 0..count {
            let index = self.owners[owner as usize].members[at] as usize;
            if Some(index) != except {
                reached += usize::from(self.queue(index, &frame));
            }
        }
        reached
    }

    /// Queues a frame for one connection. False: it will not get it.
    pub(super) fn queue_to(&mut self, id: ConnId, frame: &SharedFrame) -> bool {
        self.find(id).is_some_and(|index| self.queue(index, frame))
    }

    fn queue(&mut self, index: usize, frame: &SharedFrame) -> bool {
        let slot = &mut self.slots[index];
        let most = slot.conn.conf().max_backlog.min(HIGH);
        if slot.backlog() + frame.bytes.len() > most {
            // What waits only for the end of the batch is not the peer's fault. One that is gone shows by reading.
            flush(slot, &mut self.shared.outboxes, &mut Wrote::default());
        }
        let backlog = slot.backlog();
        let sent = self.write_to(index, |ops| {
            ops.conn
                .admit(frame, backlog, ops.tools, &mut ops.out, ops.now)
        });
        match sent {
            Sent::Queued => {
                let shared = &mut self.shared;
                let slot = &mut self.slots[index];
                let outbox = slot.outbox.get_or_insert_with(|| shared.outboxes.take());
                match &mut slot.tls {
                    None => outbox.push_frame(Rc::clone(&frame.bytes)),
                    // It was open a moment ago; should its keys be used up, its reading shows that.
                    Some(tls) => {
                        let _ = tls.write(&[&frame.bytes], &mut shared.cipher, |bytes| {
                            outbox.push(bytes);
                        });
                    }
                }
            }
            Sent::Dropped => self.totals.dropped += u64::from(frame.messages),
            Sent::Closed => {}
        }
        sent == Sent::Queued
    }

    /// Lets `write` write to another connection, which is settled at the end of the batch.
    pub(super) fn write_to<T>(&mut self, index: usize, write: impl FnOnce(&mut Ops<'_>) -> T) -> T {
        self.leave_pending(index, Pending::Settle);
        let slot = &mut self.slots[index];
        let mut wrote = Wrote::default();
        let result = with_ops(slot, &mut self.shared, &mut wrote, write);
        slot.writable &= !wrote.short;
        if wrote.broken {
            slot.pending = Pending::Broken;
        }
        result
    }
}
