//! The table of connections: how they come into it, are found, written to from outside of their events, closed for want of
//! memory, and freed.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use mio::net::TcpStream;
use mio::{Registry, Token};
use slab::Slab;

use crate::conn::buffer::Out;
use crate::conn::event::ConnId;
use crate::conn::tls::Tls;
use crate::conn::{Conf, Connection};

use super::access_log::{self, LogContext};
use super::memory::Account;
use super::ops::Ops;
use super::outbox::Wrote;
use super::outcome::Outcome;
use super::outgoing::Outgoing;
use super::owners::{OwnerId, Owners, Speaks};
use super::rate_limit::RateLimit;
use super::shared::{Shared, with_ops};
use super::slot::{ConnInfo, NO_MEMBER, Pending, Slot};
use super::socket::{Peer, Socket};
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
pub(super) struct Connections {
    pub slots: Slab<Slot>,
    pub owners: Owners,
    pub wheel: Wheel,
    pub shared: Shared,
    pub totals: Totals,
    /// Bytes counted against the memory limit.
    pub memory: Account,
    /// Slots to be settled at the end of the batch.
    pub dirty: Vec<u32>,
    /// Slots to be served in the next turn, whatever the system reports.
    pub resume: Vec<u32>,
    /// Slots to be freed after the batch.
    pub ended: Vec<u32>,
    /// Connections so far.
    pub serial: u64,
    /// Whole seconds since the start.
    pub seconds: u32,
    /// Limits the warnings about connections that are shed.
    pub sheds: RateLimit,
}

impl Connections {
    /// Adds a connection that was just accepted.
    pub(super) fn insert(
        &mut self,
        socket: Socket,
        info: ConnInfo,
        conf: &Rc<Conf>,
        registry: &Registry,
    ) -> io::Result<()> {
        let owner = self.owners.get_mut(info.owner).ok_or_else(no_owner)?;
        let entry = self.slots.vacant_entry();
        let index = entry.key();
        self.serial += 1;
        let id = ConnId::new(self.serial, index);
        let conn = match owner.speaks {
            Speaks::Http => Connection::server(id, Rc::clone(conf), self.shared.now),
            Speaks::Lines => Connection::lines(id, Rc::clone(conf), self.shared.now),
        };
        let tls = match &owner.tls {
            Some(config) => Some(Box::new(Tls::server(config).map_err(io::Error::other)?)),
            None => None,
        };
        let mut slot = Slot::new(conn, socket, tls, info, self.seconds);
        slot.socket.register(registry, Token(index))?;
        log::debug!("{id}: accepted from {}", info.peer);
        if let Some(due) = slot.conn.deadline() {
            self.wheel.arm(index, due);
        }
        slot.recount(&self.memory);
        entry.insert(slot);
        owner.live += 1;
        Ok(())
    }

    /// Adds an outgoing connection.
    pub(super) fn adopt(
        &mut self,
        stream: TcpStream,
        outgoing: &Outgoing<'_>,
        registry: &Registry,
    ) -> io::Result<ConnId> {
        let info = ConnInfo {
            owner: outgoing.owner,
            peer: Peer::from(stream.peer_addr()?),
            loopback: false,
            tls: outgoing.tls.is_some(),
        };
        let tls = match &outgoing.tls {
            Some((config, name)) => {
                let tls = Tls::client(config, name.clone()).map_err(io::Error::other)?;
                Some(Box::new(tls))
            }
            None => None,
        };
        let owner = self.owners.get_mut(info.owner).ok_or_else(no_owner)?;
        let index = self.slots.vacant_key();
        self.serial += 1;
        let id = ConnId::new(self.serial, index);
        let Outgoing {
            conf,
            request,
            nonce,
            ..
        } = outgoing;
        let now = self.shared.now;
        // A plain one begins with its request, which is sent when it is settled.
        let encrypted = tls.is_some();
        let conn = if encrypted {
            Connection::client_over_tls(id, Rc::clone(conf), request, *nonce, now)
        } else {
            let mut none = Vec::new();
            let mut out = Out {
                cork: &mut self.shared.cork,
                transport: &mut none,
                date: &self.shared.date,
            };
            Connection::client(id, Rc::clone(conf), request, *nonce, &mut out, now)
        };
        let mut slot = Slot::new(conn, Socket::Tcp(stream), tls, info, self.seconds);
        if let Err(error) = slot.socket.register(registry, Token(index)) {
            self.shared.forget();
            return Err(error);
        }
        self.slots.insert(slot);
        owner.live += 1;
        if encrypted {
            self.leave_pending(index, Pending::Begin);
        } else {
            // Its request leaves now, for the cork is shared.
            self.write_to(index, |_| ());
        }
        Ok(id)
    }

    /// The slot of a connection, if it lives.
    pub(super) fn find(&self, id: ConnId) -> Option<usize> {
        let slot = self.slots.get(id.slot())?;
        (slot.conn.id() == id && slot.pending != Pending::Free).then_some(id.slot())
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

    /// Marks what is to be done to a slot at the end of the batch. A mark that is already there and weighs more stays.
    pub(super) fn leave_pending(&mut self, index: usize, pending: Pending) {
        let slot = &mut self.slots[index];
        if slot.pending == Pending::Nothing {
            self.dirty.push(index as u32);
        }
        slot.pending = slot.pending.max(pending);
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

    /// The slot of an open WebSocket of an owner, by its place in the owner's list.
    #[inline]
    pub(super) fn member(&self, owner: OwnerId, at: usize) -> Option<usize> {
        let members = &self.owners.get(owner)?.members;
        members.get(at).map(|&index| index as usize)
    }

    /// Adds a slot to its owner's list of open WebSockets.
    fn join(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if let Some(owner) = self.owners.get_mut(slot.info.owner) {
            slot.member = owner.members.len() as u32;
            owner.members.push(index as u32);
        }
    }

    /// Takes a slot out of its owner's list of open WebSockets.
    fn leave(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let at = std::mem::replace(&mut slot.member, NO_MEMBER) as usize;
        if let Some(owner) = self.owners.get_mut(slot.info.owner) {
            owner.members.swap_remove(at);
            if let Some(&moved) = owner.members.get(at) {
                self.slots[moved as usize].member = at as u32;
            }
        }
    }

    /// Settles what needs no handler, after as much was sent as possible; `wrote` is the result of sending.
    pub(super) fn settle_state(&mut self, index: usize, wrote: Wrote) {
        let slot = &mut self.slots[index];
        let outcomes = &mut self.shared.effects.outcomes;
        if slot.conn.take_orphaned() {
            outcomes.push_back(Outcome::Orphaned(slot.exchange()));
        }
        if slot.conn.reports_drained && slot.outbox.is_none() {
            slot.conn.reports_drained = false;
            outcomes.push_back(Outcome::Drained(slot.exchange()));
        }
        let waits = slot.outbox.is_some() || slot.attached.file_body.is_some();
        slot.conn.on_backlog(waits, wrote.progress, self.shared.now);
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
            slot.pending = Pending::Free;
            self.ended.push(index as u32);
            return;
        }
        if let Some(due) = slot.conn.deadline() {
            self.wheel.arm(index, due);
        }
        if slot.has_work() && !slot.resumed {
            slot.resumed = true;
            self.resume.push(index as u32);
        }
    }

    /// Frees the slots that have ended. Returns how many.
    pub(super) fn free_ended(&mut self) -> usize {
        let count = self.ended.len();
        for index in std::mem::take(&mut self.ended) {
            let index = index as usize;
            if self.slots[index].member != NO_MEMBER {
                self.leave(index);
            }
            self.wheel.disarm(index);
            let mut slot = self.slots.remove(index);
            if let Some(request) = &slot.attached.request {
                let context = LogContext {
                    id: slot.conn.id(),
                    peer: slot.info.peer,
                    server: &self.shared.effects.names[slot.info.owner.index()],
                };
                access_log::write_unanswered(&context, request, self.shared.now);
            }
            self.memory.hold(&mut slot.held, 0);
            if let Some(owner) = self.owners.get_mut(slot.info.owner) {
                owner.live -= 1;
            }
            if let Some(outbox) = slot.outbox {
                self.shared.outboxes.give_back(outbox);
            }
            log::debug!("{}: freed", slot.conn.id());
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
                "{}: closed: it holds the most memory ({} bytes), and all together exceed max_memory",
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

    pub(super) fn drop_outbox(&mut self, index: usize) {
        if let Some(outbox) = self.slots[index].outbox.take() {
            self.shared.outboxes.give_back(outbox);
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        for mut slot in self.slots.drain() {
            self.memory.hold(&mut slot.held, 0);
        }
    }
}

fn no_owner() -> io::Error {
    io::Error::other("the server or client has ended")
}
