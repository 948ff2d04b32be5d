//! What whoever turns the engine may do between turns: act on connections, send, start processes, connect, ask.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use mio::net::TcpStream;

use crate::conn::buffer::Sent;
use crate::conn::deadline::Tick;
use crate::conn::event::{ConnId, ExchangeId};
use crate::conn::{Counters, SharedMessages};
use crate::files::BlockingLookup;
use crate::proto::helper::Ask;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::Kind;

use super::blocking::Job;
use super::child::{ChildId, Children, Command, Refused};
use super::connections::Totals;
use super::dial::DialId;
use super::helper::{HelperReply, NotAsked};
use super::memory::Account;
use super::ops::{Handler, Ops};
use super::outcome::Outcome;
use super::outgoing::Outgoing;
use super::owners::{OwnerId, Speaks};
use super::slot::Pending;
use super::socket::{Peer, PeerCredentials};
use super::turn::{Engine, Limits};

/// How long the helper has for what it is asked while everything waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open WebSocket, as it is listed.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub id: ConnId,
    /// Where the other end is.
    pub peer: Peer,
    /// Who is.
    pub user: Option<Rc<String>>,
    /// How long ago it began: a whole number of seconds after the engine did.
    pub age: Duration,
    /// What it has counted.
    pub counters: Counters,
}

impl Engine {
    /// Connections that are open in any phase.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.core.slots.len()
    }

    /// Connections that are open in any phase, without those of lines.
    #[must_use]
    pub fn peers(&self) -> usize {
        let owners = self.core.owners.iter();
        let lines = owners.filter(|owner| owner.speaks == Speaks::Lines);
        self.core.slots.len() - lines.map(|owner| owner.live).sum::<usize>()
    }

    /// Open WebSockets of an owner.
    #[must_use]
    pub fn websockets(&self, owner: OwnerId) -> usize {
        let owner = self.core.owners.get(owner);
        owner.map_or(0, |owner| owner.members.len())
    }

    /// The open WebSockets of an owner, each with what is known of it.
    pub fn members(&self, owner: OwnerId) -> impl Iterator<Item = Member> + '_ {
        let members = self.core.owners.get(owner);
        let lived = self.start.elapsed();
        let members = members.map_or(&[][..], |owner| &owner.members);
        members.iter().filter_map(move |&index| {
            let slot = self.core.slots.get(index as usize)?;
            Some(Member {
                id: slot.conn.id(),
                peer: slot.who.peer,
                user: slot.about.user.clone(),
                age: lived.saturating_sub(Duration::from_secs(u64::from(slot.since))),
                counters: slot.conn.counters,
            })
        })
    }

    /// The account of all memory that is spent on behalf of peers and scripts; its limit is `max_memory`.
    #[must_use]
    pub fn memory(&self) -> &Account {
        &self.core.memory
    }

    /// Our address on a connection that lives; `None` of a unix socket.
    #[must_use]
    pub fn local_address(&self, id: ConnId) -> Option<SocketAddr> {
        let index = self.core.find(id)?;
        self.core.slots[index].socket.local_address()
    }

    /// Queues a message for an open WebSocket, behind what waits for it already; it leaves at the end of the turn. False:
    /// it has ended, or is too slow.
    pub fn queue(&mut self, id: ConnId, kind: Kind, data: &[u8]) -> bool {
        self.core.queue_to(id, &SharedMessages::new(kind, data))
    }

    /// Counters over all connections.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.core.totals
    }

    /// Whether the connection lives.
    #[must_use]
    pub fn is_live(&self, id: ConnId) -> bool {
        self.core.find(id).is_some()
    }

    /// Acts on a connection from outside of its events. What follows from it, its end too, is told by the next
    /// [`Engine::settle`] or turn. `None`: it has ended.
    pub fn with<T>(&mut self, id: ConnId, act: impl FnOnce(&mut Ops<'_>) -> T) -> Option<T> {
        self.core.act(id, act)
    }

    /// Acts on a request whose answer was deferred, or is under way in pieces. `None`: it is no more.
    pub fn with_exchange<T>(
        &mut self,
        exchange: ExchangeId,
        act: impl FnOnce(&mut Ops<'_>) -> T,
    ) -> Option<T> {
        let index = self.core.find(exchange.conn)?;
        if !self.core.slots[index].conn.is_in_exchange(exchange.number) {
            return None;
        }
        self.with(exchange.conn, act)
    }

    /// Whether a request is still to be answered.
    #[must_use]
    pub fn awaits_answer(&self, exchange: ExchangeId) -> bool {
        self.core.find(exchange.conn).is_some_and(|index| {
            let conn = &self.core.slots[index].conn;
            conn.exchange() == exchange.number && conn.awaits_answer()
        })
    }

    /// Takes a request to the files where that may take its time; see [`Outcome::Visited`].
    pub fn visit(&mut self, exchange: ExchangeId, visit: BlockingLookup) {
        self.lane.push(Job::Visit(exchange, visit));
    }

    /// Asks for the addresses of a name; see [`Outcome::Resolved`].
    pub fn resolve(&mut self, number: u64, host: &str, port: u16) {
        self.lane.push(Job::Resolve {
            number,
            host: host.to_owned(),
            port,
        });
    }

    /// Whether [`Engine::poll`] has something.
    #[inline]
    #[must_use]
    pub fn has_outcomes(&self) -> bool {
        !self.core.shared.aside.outcomes.is_empty() || self.beside.has_outcomes()
    }

    /// What there is to tell; to be asked until there is nothing, after each turn.
    pub fn poll(&mut self) -> Option<Outcome> {
        let own = self.core.shared.aside.outcomes.pop_front();
        own.or_else(|| self.beside.poll())
    }

    /// Does what acting from outside of events has left to do; to be called after that, before the next turn.
    pub fn settle<H: Handler>(&mut self, handler: &mut H) {
        self.finish(handler);
    }

    /// The clock of this turn.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.core.shared.now
    }

    /// Sends a message to the peer of a connection, if it is open and not too slow.
    pub fn send(&mut self, id: ConnId, kind: Kind, data: &[u8]) -> bool {
        let sent = self.with(id, |ops| ops.reply(kind, data));
        sent == Some(Sent::Queued)
    }

    /// Sends a message to all open WebSockets of an owner, but `except`: encoded once. How many got it.
    pub fn broadcast(
        &mut self,
        owner: OwnerId,
        except: Option<ConnId>,
        kind: Kind,
        data: &[u8],
    ) -> usize {
        let messages = SharedMessages::new(kind, data);
        self.core.broadcast(owner, except, &messages)
    }

    /// Queues a line, its newline included, for a connection of lines behind what waits for it already. False: it has
    /// ended, or has too much to read.
    pub fn queue_line(&mut self, id: ConnId, line: &Rc<[u8]>) -> bool {
        self.core.queue_line(id, line)
    }

    /// Bytes that wait for the peer of a connection.
    #[must_use]
    pub fn backlog(&self, id: ConnId) -> usize {
        let index = self.core.find(id);
        index.map_or(0, |index| self.core.slots[index].backlog())
    }

    /// Begins the closing handshake of a connection. False: it has ended.
    pub fn close(&mut self, id: ConnId, code: CloseCode, reason: &str) -> bool {
        self.with(id, |ops| ops.close(code, reason)).is_some()
    }

    /// The open WebSocket of that ordinal number.
    #[must_use]
    pub fn find(&self, serial: u64) -> Option<(ConnId, OwnerId)> {
        let mut slots = self.core.slots.iter();
        let found = slots.find(|(_, slot)| {
            slot.conn.id().serial() == serial && slot.conn.is_websocket() && !slot.reaped
        });
        found.map(|(_, slot)| (slot.conn.id(), slot.who.owner))
    }

    /// Ends all connections of an owner: WebSockets with 1001, idle ones at once, and requests with their answer.
    pub fn end_all(&mut self, owner: OwnerId) {
        let slots = self.core.slots.iter();
        let all: Vec<usize> = slots
            .filter(|(_, slot)| slot.who.owner == owner && !slot.reaped)
            .map(|(index, _)| index)
            .collect();
        for index in all {
            self.core.leave_pending(index, Pending::ShutDown);
        }
    }

    /// Starts a process; what it does is told by [`Outcome::Child`].
    ///
    /// # Errors
    /// As [`Children::spawn`].
    pub fn spawn(&mut self, command: &Command<'_>) -> io::Result<ChildId> {
        let now = self.now();
        self.beside.spawn(command, self.poll.registry(), now)
    }

    /// Writes to the stdin of a process; see [`Children::write`].
    ///
    /// # Errors
    /// Nothing was taken.
    pub fn write_to_child(&mut self, id: ChildId, bytes: &[u8]) -> Result<usize, Refused> {
        let registry = self.poll.registry();
        self.beside.children.write(id, bytes, registry)
    }

    /// The processes that were started.
    pub fn children(&mut self) -> &mut Children {
        &mut self.beside.children
    }

    /// Sixteen bytes that nobody can guess.
    pub fn random(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        for part in bytes.as_chunks_mut().0 {
            *part = self.core.shared.tools.keys.next_key();
        }
        bytes
    }

    /// Connects to a host that has these addresses; see [`Outcome::Dialled`].
    pub fn dial(&mut self, addresses: Vec<SocketAddr>) -> DialId {
        let now = self.now();
        self.beside.dial(addresses, now, self.poll.registry())
    }

    /// Gives a connect up.
    pub fn cancel_dial(&mut self, id: DialId) {
        self.beside.dials.cancel(id);
    }

    /// Takes over a connected socket and begins the opening handshake as a client. What becomes of it is told as events
    /// of the owner.
    ///
    /// # Errors
    /// When the system does not watch the socket, or TLS cannot begin.
    pub fn adopt(&mut self, stream: TcpStream, outgoing: &Outgoing<'_>) -> io::Result<ConnId> {
        self.core.adopt(stream, outgoing, self.poll.registry())
    }

    /// Another helper to ask, for there was none or it has ended.
    ///
    /// # Errors
    /// When the system does not watch the socket.
    pub fn set_helper(&mut self, socket: OwnedFd) -> io::Result<()> {
        self.beside.set_helper(socket, self.poll.registry())
    }

    /// Whether there is a helper to ask.
    #[must_use]
    pub fn has_helper(&self) -> bool {
        self.beside.has_helper()
    }

    /// Asks the helper; the answer is [`Outcome::Helper`] with this number.
    ///
    /// # Errors
    /// It was not asked.
    pub fn ask(&mut self, ask: Ask) -> Result<u32, NotAsked> {
        let now = self.now();
        self.beside.ask(ask, now)
    }

    /// Asks the helper, and waits for its answer: for what is rare and what it answers at once. Connections wait too.
    ///
    /// # Errors
    /// It was not asked, or has not answered in five seconds.
    pub fn ask_now(&mut self, ask: Ask) -> Result<HelperReply, NotAsked> {
        let now = self.now();
        self.beside.ask_now(ask, PATIENCE, now)
    }

    /// Who is at the other end of a unix socket, as the system says (SO_PEERCRED of unix(7)).
    #[must_use]
    pub fn credentials(&self, id: ConnId) -> Option<PeerCredentials> {
        let index = self.core.find(id)?;
        self.core.slots[index].socket.credentials()
    }

    /// Sends a message to some open WebSockets: encoded once. How many got it.
    pub fn send_each(&mut self, to: &[ConnId], kind: Kind, data: &[u8]) -> usize {
        let message = SharedMessages::new(kind, data);
        let got = |id: &&ConnId| self.core.queue_to(**id, &message);
        to.iter().filter(got).count()
    }

    /// Other limits over all connections, from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.core.memory.set_max(limits.max_memory);
        self.doors.limit(limits.max_connections);
    }
}
