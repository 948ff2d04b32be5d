//! The work on slots: serving one that is ready, settling its effects, freeing it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mio::event::Event as Readiness;
use mio::{Registry, Token};
use slab::Slab;

use crate::conn::event::{CloseReason, ConnId, Event};
use crate::proto::ws::close::CloseCode;

use super::access_log::{self, Whose};
use super::flush::{close_tls, feed, flush};
use super::memory::Account;
use super::ops::{Handler, Ops};
use super::outbox::Wrote;
use super::outcome::Outcome;
use super::owners::Owners;
use super::rate_limit::Warnings;
use super::receive::{HIGH, begin, receive};
use super::shared::{Shared, with_ops};
use super::slot::{NO_MEMBER, Pending, Slot};
use super::wheel::Wheel;

/// Counters over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections accepted so far.
    pub accepted: u64,
    /// Of them, those that were closed at once, for a limit was reached.
    pub refused: u64,
    /// Messages that were not sent, for their receiver was too slow.
    pub dropped: u64,
    /// Connections that were closed to keep to the memory limit.
    pub shed: u64,
    /// Connections that ended by a fault of ours.
    pub panics: u64,
}

/// All connections, and what they share.
pub(super) struct Core {
    pub slots: Slab<Slot>,
    pub owners: Owners,
    pub wheel: Wheel,
    pub shared: Shared,
    pub totals: Totals,
    /// Bytes counted against the memory limit.
    pub memory: Account,
    pub dirty: Vec<u32>,
    pub resume: Vec<u32>,
    pub reap: Vec<u32>,
    pub serial: u64,
    /// Whole seconds since the start.
    pub seconds: u32,
    /// What is logged of those that are shed.
    pub sheds: Warnings,
}

impl Core {
    /// Acts on what the system reported of a slot.
    #[inline(always)]
    pub(super) fn note<H: Handler>(
        &mut self,
        index: usize,
        readiness: &Readiness,
        handler: &mut H,
        registry: &Registry,
    ) {
        self.guarded(index, handler, registry, |slot, shared, handler, wrote| {
            slot.writable |= readiness.is_writable();
            slot.ending |= readiness.is_read_closed() || readiness.is_error();
            slot.readable |= readiness.is_readable() || slot.ending;
            if slot.ending && slot.conn.is_deferred() {
                tell_left(slot, shared);
            }
            // One that goes on from the last turn is served with those, once.
            if !slot.resumed {
                receive(slot, shared, handler, wrote);
            }
        });
    }

    /// Receives from a slot what one turn grants it, and acts on it.
    #[inline(never)]
    pub(super) fn serve<H: Handler>(&mut self, index: usize, handler: &mut H, registry: &Registry) {
        self.guarded(index, handler, registry, receive);
    }

    /// Acts on a connection from outside of its events; it is settled later, and its end is told then. `None`: it has
    /// ended, or acting on it panicked.
    pub(super) fn act<T>(&mut self, id: ConnId, act: impl FnOnce(&mut Ops<'_>) -> T) -> Option<T> {
        let index = self.find(id)?;
        let acted = catch_unwind(AssertUnwindSafe(|| self.write_to(index, act)));
        if acted.is_err() {
            self.shared.forget();
            self.leave_pending(index, Pending::Panicked);
        }
        acted.ok()
    }

    /// This is to be done to a slot at the end of the batch. What was left before and weighs more stays.
    pub(super) fn leave_pending(&mut self, index: usize, pending: Pending) {
        let slot = &mut self.slots[index];
        if slot.pending == Pending::Nothing {
            self.dirty.push(index as u32);
        }
        slot.pending = slot.pending.max(pending);
    }

    /// What a connection sends has been brought into memory.
    pub(super) fn warmed<H: Handler>(&mut self, id: ConnId, handler: &mut H, registry: &Registry) {
        let Some(index) = self.find(id) else { return };
        if let Some(feed) = &mut self.slots[index].about.feed {
            feed.warmed();
            self.settle(index, Wrote::default(), handler, registry);
        }
    }

    /// Acts on the deadline of a slot, if it has come.
    pub(super) fn expire<H: Handler>(
        &mut self,
        index: usize,
        handler: &mut H,
        registry: &Registry,
    ) {
        self.guarded(index, handler, registry, |slot, shared, handler, wrote| {
            with_ops(slot, shared, wrote, |ops| {
                if let Some(reason) = ops.conn.on_deadline(ops.tools, &mut ops.out, ops.now) {
                    handler.on_event(ops, ops.conn.id(), Event::Closed(reason));
                }
            });
        });
    }

    fn shut_down<H: Handler>(&mut self, index: usize, handler: &mut H, registry: &Registry) {
        self.guarded(index, handler, registry, |slot, shared, handler, wrote| {
            with_ops(slot, shared, wrote, |ops| {
                if let Some(reason) = ops.conn.shut_down(ops.tools, &mut ops.out, ops.now) {
                    handler.on_event(ops, ops.conn.id(), Event::Closed(reason));
                }
            });
        });
    }

    /// Runs `work` on one slot, applies what it left for others, and settles it. A panic ends that connection alone.
    #[inline(always)]
    pub(super) fn guarded<H: Handler>(
        &mut self,
        index: usize,
        handler: &mut H,
        registry: &Registry,
        work: impl FnOnce(&mut Slot, &mut Shared, &mut H, &mut Wrote),
    ) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        if slot.reaped {
            return;
        }
        let shared = &mut self.shared;
        let mut wrote = Wrote::default();
        let worked = AssertUnwindSafe(|| work(slot, shared, handler, &mut wrote));
        match catch_unwind(worked) {
            // By far the most frequent end of a turn: a message came whole, and what it led to has left.
            Ok(()) if !wrote.short && !wrote.broken && slot.is_quiet() => {
                if let Some(due) = slot.conn.deadline() {
                    self.wheel.arm(index, due);
                }
            }
            Ok(()) => {
                self.settle(index, wrote, handler, registry);
                if self.memory.is_over() {
                    self.shed();
                }
            }
            Err(_) => self.panicked(index, handler, registry),
        }
        if !self.shared.aside.later.is_empty() {
            self.apply_later();
        }
    }

    #[cold]
    fn panicked<H: Handler>(&mut self, index: usize, handler: &mut H, registry: &Registry) {
        self.totals.panics += 1;
        self.shared.forget();
        let slot = &mut self.slots[index];
        log::error!(
            "{}: closed, for handling it failed (a fault of bellwire; its place is logged above)",
            slot.conn.id()
        );
        // None of it can be trusted any more, TLS least.
        (slot.tls, slot.about.feed) = (None, None);
        self.drop_outbox(index);
        self.end(index, CloseReason::Panicked, handler);
        self.settle(index, Wrote::default(), handler, registry);
    }

    /// Ends a slot's connection at once and tells the handler when it was an open WebSocket.
    fn end<H: Handler>(&mut self, index: usize, reason: CloseReason<'static>, handler: &mut H) {
        let slot = &mut self.slots[index];
        let mut wrote = Wrote {
            broken: true,
            ..Wrote::default()
        };
        let told = catch_unwind(AssertUnwindSafe(|| {
            with_ops(slot, &mut self.shared, &mut wrote, |ops| {
                if let Some(reason) = ops.conn.abort(reason) {
                    handler.on_event(ops, ops.conn.id(), Event::Closed(reason));
                }
            });
        }));
        if told.is_err() {
            self.totals.panics += 1;
            log::error!(
                "{}: telling of its end failed (a fault of bellwire)",
                slot.conn.id()
            );
            self.shared.forget();
        }
    }

    /// The one place for effects: flushes, counts, half-closes, frees, arms the timer, and asks for another turn.
    pub(super) fn settle<H: Handler>(
        &mut self,
        index: usize,
        mut wrote: Wrote,
        handler: &mut H,
        registry: &Registry,
    ) {
        let slot = &mut self.slots[index];
        slot.writable &= !wrote.short;
        if slot.outbox.is_some() {
            flush(slot, &mut self.shared.outboxes, &mut wrote);
        }
        if slot.about.feed.is_some() && slot.outbox.is_none() && !wrote.broken {
            feed(slot, &mut self.shared, &mut wrote);
        }
        if slot.tls.is_some() && slot.about.feed.is_none() {
            close_tls(slot, &mut self.shared, &mut wrote);
            slot.writable &= !wrote.short;
        }
        if slot.watches_writable == slot.writable {
            slot.watches_writable = !slot.writable;
            let watched = slot
                .socket
                .watch_writable(registry, Token(index), !slot.writable);
            wrote.broken |= watched.is_err();
        }
        if wrote.broken && !slot.conn.is_closed() {
            self.end(index, CloseReason::Reset, handler);
        }
        self.settle_state(index, wrote);
    }

    fn settle_state(&mut self, index: usize, wrote: Wrote) {
        let slot = &mut self.slots[index];
        if slot.conn.take_orphaned() {
            let orphaned = Outcome::Orphaned(slot.exchange());
            self.shared.aside.outcomes.push_back(orphaned);
        }
        if slot.conn.tells_drained && slot.outbox.is_none() {
            slot.conn.tells_drained = false;
            let drained = Outcome::Drained(slot.exchange());
            self.shared.aside.outcomes.push_back(drained);
        }
        let waits = slot.outbox.is_some() || slot.about.feed.is_some();
        slot.conn
            .note_backlog(waits, wrote.progress, self.shared.now);
        if !waits && slot.conn.wants_half_close() {
            // It fails only when the peer is gone, which reading shows.
            let _ = slot.socket.half_close();
            slot.conn.half_closed(self.shared.now);
        }
        if slot.conn.is_closed() {
            slot.tls = None;
        }
        slot.recount(&self.memory);
        match (slot.conn.is_websocket(), slot.member == NO_MEMBER) {
            (true, true) => self.join(index),
            (false, false) => self.leave(index),
            _ => {}
        }
        let slot = &mut self.slots[index];
        if slot.conn.is_closed() {
            slot.reaped = true;
            self.reap.push(index as u32);
            return;
        }
        if let Some(due) = slot.conn.deadline() {
            self.wheel.arm(index, due);
        }
        let feeds = slot.outbox.is_none()
            && slot.writable
            && slot
                .about
                .feed
                .as_ref()
                .is_some_and(|feed| !feed.is_awaited());
        let more = slot.readable || (slot.interrupted && slot.conn.has_rest());
        let reads = more && slot.conn.appetite() > 0 && slot.backlog() <= HIGH;
        if (reads || feeds) && !slot.resumed {
            slot.resumed = true;
            self.resume.push(index as u32);
        }
    }

    /// Adds a slot to its owner's list of open WebSockets.
    fn join(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if let Some(owner) = self.owners.get_mut(slot.who.owner) {
            slot.member = owner.members.len() as u32;
            owner.members.push(index as u32);
        }
    }

    /// Takes a slot out of its owner's list of open WebSockets.
    fn leave(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let at = std::mem::replace(&mut slot.member, NO_MEMBER) as usize;
        if let Some(owner) = self.owners.get_mut(slot.who.owner) {
            owner.members.swap_remove(at);
            if let Some(&moved) = owner.members.get(at) {
                self.slots[moved as usize].member = at as u32;
            }
        }
    }

    /// Settles the slots that were written to from outside of their events.
    pub(super) fn settle_dirty<H: Handler>(&mut self, handler: &mut H, registry: &Registry) {
        while let Some(index) = self.dirty.pop() {
            let index = index as usize;
            if let Some(slot) = self.slots.get_mut(index) {
                let pending = std::mem::take(&mut slot.pending);
                if !slot.reaped {
                    self.settle_one(index, pending, handler, registry);
                }
            }
            if !self.shared.aside.later.is_empty() {
                self.apply_later();
            }
        }
    }

    fn settle_one<H: Handler>(
        &mut self,
        index: usize,
        pending: Pending,
        handler: &mut H,
        registry: &Registry,
    ) {
        let mut wrote = Wrote::default();
        match pending {
            Pending::Nothing | Pending::Settle => {}
            Pending::Begin => return self.guarded(index, handler, registry, begin),
            Pending::ShutDown => return self.shut_down(index, handler, registry),
            Pending::Panicked => return self.panicked(index, handler, registry),
            Pending::Broken => wrote.broken = true,
            Pending::Shed => {
                self.drop_outbox(index);
                let reason = CloseReason::Local(CloseCode::TRY_AGAIN_LATER);
                self.end(index, reason, handler);
            }
        }
        self.settle(index, wrote, handler, registry);
    }

    /// Frees what has ended; how many slots.
    pub(super) fn free_reaped(&mut self) -> usize {
        let count = self.reap.len();
        for index in std::mem::take(&mut self.reap) {
            let index = index as usize;
            if self.slots[index].member != NO_MEMBER {
                self.leave(index);
            }
            self.wheel.disarm(index);
            let mut slot = self.slots.remove(index);
            if let Some(access) = &slot.about.access {
                let whose = Whose {
                    id: slot.conn.id(),
                    peer: slot.who.peer,
                    server: &self.shared.aside.names[slot.who.owner.index()],
                };
                access_log::write_unanswered(&whose, access, self.shared.now);
            }
            self.memory.hold(&mut slot.held, 0);
            if let Some(owner) = self.owners.get_mut(slot.who.owner) {
                owner.live -= 1;
            }
            if let Some(outbox) = slot.outbox {
                self.shared.outboxes.give_back(outbox);
            }
            log::debug!("{}: gone", slot.conn.id());
        }
        count
    }

    /// Closes the connections that hold the most memory, until all that is charged is within the limit or they hold
    /// nothing. Their memory is free at once; their ends are told when they are settled.
    #[cold]
    pub(super) fn shed(&mut self) {
        while self.memory.is_over() {
            let living = self.slots.iter().filter(|(_, slot)| slot.may_write());
            let most = living.max_by_key(|(_, slot)| slot.charged());
            let Some((index, slot)) = most else { return };
            if slot.charged() == 0 {
                return;
            }
            self.sheds.warn(format_args!(
                "{}: closed, for it holds most ({} bytes) of more than max_memory allows",
                slot.conn.id(),
                slot.charged()
            ));
            self.totals.shed += 1;
            self.shed_one(index);
        }
    }

    fn shed_one(&mut self, index: usize) {
        let before = self.slots[index].charged();
        if self.slots[index].outbox.is_none() {
            self.write_to(index, |ops| {
                ops.conn.shed(ops.tools, &mut ops.out, ops.now);
            });
            self.slots[index].recount(&self.memory);
        }
        if self.slots[index].charged() >= before {
            // What it holds is what its peer does not read: no last word would arrive before it is gone.
            self.drop_outbox(index);
            self.leave_pending(index, Pending::Shed);
        }
    }

    fn drop_outbox(&mut self, index: usize) {
        if let Some(outbox) = self.slots[index].outbox.take() {
            self.shared.outboxes.give_back(outbox);
        }
    }

    /// The slot of a connection, if it lives.
    pub(super) fn find(&self, id: ConnId) -> Option<usize> {
        let slot = self.slots.get(id.slot())?;
        (slot.conn.id() == id && !slot.reaped).then_some(id.slot())
    }
}

/// The peer of a request whose answer was deferred has likely left.
#[cold]
fn tell_left(slot: &Slot, shared: &mut Shared) {
    let left = Outcome::Left(slot.exchange());
    shared.aside.outcomes.push_back(left);
}

impl Drop for Core {
    fn drop(&mut self) {
        for mut slot in self.slots.drain() {
            self.memory.hold(&mut slot.held, 0);
        }
    }
}
