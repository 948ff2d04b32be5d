//! Serving connections: what they receive, their deadlines, and everything that follows from either.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mio::event::Event as Readiness;
use mio::{Registry, Token};

use crate::conn::event::{CloseReason, ConnId, Event};
use crate::proto::ws::close::CloseCode;

use super::broadcast::apply_deferred;
use super::connections::Connections;
use super::flush::{close_tls, flush, send_file_body};
use super::ops::Handler;
use super::outbox::Wrote;
use super::outcome::Outcome;
use super::receive::{begin_outgoing, receive};
use super::shared::{Shared, with_ops};
use super::slot::{Pending, Slot};

/// The connections, and the handler of their events.
pub(super) struct Driver<'d, H> {
    pub connections: &'d mut Connections,
    pub handler: &'d mut H,
    pub registry: &'d Registry,
}

impl<H: Handler> Driver<'_, H> {
    /// Acts on what the system reported of a slot.
    #[inline(always)]
    pub(super) fn on_readiness(&mut self, index: usize, readiness: &Readiness) {
        self.run(index, |slot, shared, handler, wrote| {
            slot.writable |= readiness.is_writable();
            slot.read_closed |= readiness.is_read_closed() || readiness.is_error();
            slot.readable |= readiness.is_readable() || slot.read_closed;
            if slot.read_closed && slot.conn.is_deferred() {
                report_peer_left(slot, shared);
            }
            // A slot that goes on from the last turn is served with the others that do, once.
            if !slot.resumed {
                receive(slot, shared, handler, wrote);
            }
        });
    }

    /// Receives from a slot what one turn grants it, and acts on it.
    #[inline(never)]
    pub(super) fn serve(&mut self, index: usize) {
        self.run(index, receive);
    }

    /// A part of the file that a connection sends has been read into the page cache.
    pub(super) fn on_file_cached(&mut self, id: ConnId) {
        let Some(index) = self.connections.find(id) else {
            return;
        };
        if let Some(file_body) = &mut self.connections.slots[index].attached.file_body {
            file_body.cached();
            self.settle(index, Wrote::default());
        }
    }

    /// Acts on the deadline of a slot, if it has come.
    pub(super) fn expire(&mut self, index: usize) {
        self.run(index, |slot, shared, handler, wrote| {
            with_ops(slot, shared, wrote, |ops| {
                if let Some(reason) = ops.conn.on_deadline(ops.tools, &mut ops.out, ops.now) {
                    handler.on_event(ops, ops.conn.id(), Event::Closed(reason));
                }
            });
        });
    }

    fn shut_down(&mut self, index: usize) {
        self.run(index, |slot, shared, handler, wrote| {
            with_ops(slot, shared, wrote, |ops| {
                if let Some(reason) = ops.conn.shut_down(ops.tools, &mut ops.out, ops.now) {
                    handler.on_event(ops, ops.conn.id(), Event::Closed(reason));
                }
            });
        });
    }

    /// Runs `work` on one slot, applies what it deferred, and settles the slot. A panic ends that connection alone.
    #[inline(always)]
    fn run(&mut self, index: usize, work: impl FnOnce(&mut Slot, &mut Shared, &mut H, &mut Wrote)) {
        let connections = &mut *self.connections;
        let Some(slot) = connections.slots.get_mut(index) else {
            return;
        };
        if !slot.may_write() {
            return;
        }
        let (shared, handler) = (&mut connections.shared, &mut *self.handler);
        let mut wrote = Wrote::default();
        let worked = AssertUnwindSafe(|| work(slot, shared, handler, &mut wrote));
        match catch_unwind(worked) {
            // The most frequent case: a whole message was received, and all that was sent for it has left.
            Ok(()) if !wrote.short && !wrote.broken && slot.is_quiet() => {
                if let Some(due) = slot.conn.deadline() {
                    connections.wheel.arm(index, due);
                }
            }
            Ok(()) => {
                self.settle(index, wrote);
                if self.connections.memory.is_over() {
                    self.connections.shed();
                }
            }
            Err(_) => self.panicked(index),
        }
        if !self.connections.shared.effects.deferred.is_empty() {
            apply_deferred(self.connections);
        }
    }

    #[cold]
    fn panicked(&mut self, index: usize) {
        self.connections.totals.panics += 1;
        self.connections.shared.forget();
        let slot = &mut self.connections.slots[index];
        log::error!(
            "{}: closed after an internal error (a fault of bellwire; the log has its place above)",
            slot.conn.id()
        );
        // Nothing of it can be trusted any more, TLS least.
        (slot.tls, slot.attached.file_body) = (None, None);
        self.connections.drop_outbox(index);
        self.end(index, CloseReason::Panicked);
        self.settle(index, Wrote::default());
    }

    /// Ends a slot's connection at once, and tells the handler when it was an open WebSocket.
    fn end(&mut self, index: usize, reason: CloseReason<'static>) {
        let connections = &mut *self.connections;
        let slot = &mut connections.slots[index];
        let mut wrote = Wrote {
            broken: true,
            ..Wrote::default()
        };
        let told = catch_unwind(AssertUnwindSafe(|| {
            with_ops(slot, &mut connections.shared, &mut wrote, |ops| {
                if let Some(reason) = ops.conn.abort(reason) {
                    let id = ops.conn.id();
                    self.handler.on_event(ops, id, Event::Closed(reason));
                }
            });
        }));
        if told.is_err() {
            connections.totals.panics += 1;
            log::error!(
                "{}: another internal error while it was closed (a fault of bellwire)",
                slot.conn.id()
            );
            connections.shared.forget();
        }
    }

    /// The one place for effects: sends what waits, counts memory, half-closes, frees, arms the timer, and asks for
    /// another turn.
    fn settle(&mut self, index: usize, mut wrote: Wrote) {
        let Connections { slots, shared, .. } = &mut *self.connections;
        let slot = &mut slots[index];
        slot.writable &= !wrote.short;
        if slot.outbox.is_some() {
            flush(slot, &mut shared.outboxes, &mut wrote);
        }
        if slot.attached.file_body.is_some() && slot.outbox.is_none() && !wrote.broken {
            send_file_body(slot, shared, &mut wrote);
        }
        if slot.tls.is_some() && slot.attached.file_body.is_none() {
            close_tls(slot, shared, &mut wrote);
            slot.writable &= !wrote.short;
        }
        if slot.watches_writable == slot.writable {
            slot.watches_writable = !slot.writable;
            let token = Token(index);
            let watched = slot
                .socket
                .watch_writable(self.registry, token, !slot.writable);
            wrote.broken |= watched.is_err();
        }
        if wrote.broken && !slot.conn.is_closed() {
            self.end(index, CloseReason::Reset);
        }
        self.connections.settle_state(index, wrote);
    }

    /// Settles the slots that were written to from outside of their events.
    pub(super) fn settle_dirty(&mut self) {
        while let Some(index) = self.connections.dirty.pop() {
            let index = index as usize;
            if let Some(slot) = self.connections.slots.get_mut(index)
                && slot.pending != Pending::Free
            {
                let pending = std::mem::take(&mut slot.pending);
                self.settle_pending(index, pending);
            }
            if !self.connections.shared.effects.deferred.is_empty() {
                apply_deferred(self.connections);
            }
        }
    }

    fn settle_pending(&mut self, index: usize, pending: Pending) {
        let mut wrote = Wrote::default();
        match pending {
            Pending::Nothing | Pending::Settle | Pending::Free => {}
            Pending::Begin => return self.run(index, begin_outgoing),
            Pending::ShutDown => return self.shut_down(index),
            Pending::Panicked => return self.panicked(index),
            Pending::Broken => wrote.broken = true,
            Pending::Shed => {
                self.connections.drop_outbox(index);
                self.end(index, CloseReason::Local(CloseCode::TRY_AGAIN_LATER));
            }
        }
        self.settle(index, wrote);
    }
}

/// The peer of a request whose answer was deferred has likely left.
#[cold]
fn report_peer_left(slot: &Slot, shared: &mut Shared) {
    let left = Outcome::Left(slot.exchange());
    shared.effects.outcomes.push_back(left);
}
