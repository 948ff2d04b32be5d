//! The methods of the engine for between turns: act on connections, send, start processes, dial, ask the helper.

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
use super::broadcast::{broadcast, queue_line, queue_to};
use super::child::{ChildId, Children, Command, Refused};
use super::connections::Totals;
use super::dial::DialId;
use super::helper::{HelperReply, NotAsked};
use super::memory::Account;
use super::ops::Ops;
use super::outcome::Outcome;
use super::outgoing::Outgoing;
use super::owners::{OwnerId, Speaks};
use super::slot::Pending;
use super::socket::{Peer, PeerCredentials};
use super::turn::{Engine, Limits};

/// How long the helper may take while the loop waits for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// An open WebSocket, as it is listed.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its id.
    pub id: ConnId,
    /// The address of the other end.
    pub peer: Peer,
    /// The user at the other end.
    pub user: Option<Rc<String>>,
    /// How long ago it began: a whole number of seconds after the engine did.
    pub age: Duration,
    /// Its counters.
    pub counters: Counters,
}

impl Engine {
    /// Connections that are open in any phase.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.slots.len()
    }

    /// Connections that are open in any phase, except those of the control socket, which speak lines.
    #[must_use]
    pub fn peers(&self) -> usize {
        let owners = self.connections.owners.iter();
        let lines = owners.filter(|owner| owner.speaks == Speaks::Lines);
        self.connections.slots.len() - lines.map(|owner| owner.live).sum::<usize>()
    }

    /// Open WebSockets of an owner.
    #[must_use]
    pub fn websockets(&self, owner: OwnerId) -> usize {
        let owner = self.connections.owners.get(owner);
        owner.map_or(0, |owner| owner.members.len())
    }

    /// The open WebSockets of an owner.
    pub fn members(&self, owner: OwnerId) -> impl Iterator<Item = Member> + '_ {
        let members = self.connections.owners.get(owner);
        let lived = self.start.elapsed();
        let members = members.map_or(&[][..], |owner| &owner.members);
        members.iter().filter_map(move |&index| {
            let slot = self.connections.slots.get(index as usize)?;
            Some(Member {
                id: slot.conn.id(),
                peer: slot.info.peer,
                user: slot.attached.user.clone(),
                age: lived.saturating_sub(Duration::from_secs(u64::from(slot.since))),
                counters: slot.conn.counters,
            })
        })
    }

    /// The account of all memory that is spent on behalf of peers and scripts; its limit is `max_memory`.
    #[must_use]
    pub fn memory(&self) -> &Account {
        &self.connections.memory
    }

    /// Our address on a living connection; `None` for a unix socket.
    #[must_use]
    pub fn local_address(&self, id: ConnId) -> Option<SocketAddr> {
        let index = self.connections.find(id)?;
        self.connections.slots[index].socket.local_address()
    }

    /// Queues a message for an open WebSocket, behind what waits for it already; it leaves at the end of the turn. False:
    /// it has ended, or is too slow.
    pub fn queue(&mut self, id: ConnId, kind: Kind, data: &[u8]) -> bool {
        queue_to(&mut self.connections, id, &SharedMessages::new(kind, data))
    }

    /// Counters over all connections.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.connections.totals
    }

    /// Whether the connection lives.
    #[must_use]
    pub fn is_live(&self, id: ConnId) -> bool {
        self.connections.find(id).is_some()
    }

    /// Acts on a connection outside of its events. The next [`Engine::settle`] or turn tells the handler what follows, also
    /// the end of the connection. `None`: it has ended.
    pub fn with<T>(&mut self, id: ConnId, act: impl FnOnce(&mut Ops<'_>) -> T) -> Option<T> {
        self.connections.act(id, act)
    }

    /// Acts on a request whose answer was deferred, or is sent in pieces. `None`: it has ended.
    pub fn with_exchange<T>(
        &mut self,
        exchange: ExchangeId,
        act: impl FnOnce(&mut Ops<'_>) -> T,
    ) -> Option<T> {
        let index = self.connections.find(exchange.conn)?;
        if !self.connections.slots[index]
            .conn
            .is_in_exchange(exchange.number)
        {
            return None;
        }
        self.with(exchange.conn, act)
    }

    /// Whether a request is still to be answered.
    #[must_use]
    pub fn awaits_answer(&self, exchange: ExchangeId) -> bool {
        self.connections.find(exchange.conn).is_some_and(|index| {
            let conn = &self.connections.slots[index].conn;
            conn.exchange() == exchange.number && conn.awaits_answer()
        })
    }

    /// Looks a request up in the files on a blocking thread; see [`Outcome::LookedUp`].
    pub fn look_up(&mut self, exchange: ExchangeId, lookup: BlockingLookup) {
        self.blocking.push(Job::LookUp(exchange, lookup));
    }

    /// Asks for the addresses of a name; see [`Outcome::Resolved`].
    pub fn resolve(&mut self, number: u64, host: &str, port: u16) {
        self.blocking.push(Job::Resolve {
            number,
            host: host.to_owned(),
            port,
        });
    }

    /// Whether [`Engine::poll`] has something.
    #[inline]
    #[must_use]
    pub fn has_outcomes(&self) -> bool {
        !self.connections.shared.effects.outcomes.is_empty() || self.sources.has_outcomes()
    }

    /// The next outcome; to be called after each turn until there is none.
    pub fn poll(&mut self) -> Option<Outcome> {
        let own = self.connections.shared.effects.outcomes.pop_front();
        own.or_else(|| self.sources.poll())
    }

    /// The clock of this turn.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.connections.shared.now
    }

    /// Sends a message to the peer of a connection, if it is open and not too slow.
    pub fn send(&mut self, id: ConnId, kind: Kind, data: &[u8]) -> bool {
        let sent = self.with(id, |ops| ops.reply(kind, data));
        sent == Some(Sent::Queued)
    }

    /// Sends a message to all open WebSockets of an owner except `except`, encoded once. Returns how many get it.
    pub fn broadcast(
        &mut self,
        owner: OwnerId,
        except: Option<ConnId>,
        kind: Kind,
        data: &[u8],
    ) -> usize {
        let messages = SharedMessages::new(kind, data);
        broadcast(&mut self.connections, owner, except, &messages)
    }

    /// Queues a line, its newline included, for a connection of lines behind what waits for it already. False: it has
    /// ended, or has too much to read.
    pub fn queue_line(&mut self, id: ConnId, line: &Rc<[u8]>) -> bool {
        queue_line(&mut self.connections, id, line)
    }

    /// Bytes that wait for the peer of a connection.
    #[must_use]
    pub fn backlog(&self, id: ConnId) -> usize {
        let index = self.connections.find(id);
        index.map_or(0, |index| self.connections.slots[index].backlog())
    }

    /// Begins the closing handshake of a connection. False: it has ended.
    pub fn close(&mut self, id: ConnId, code: CloseCode, reason: &str) -> bool {
        self.with(id, |ops| ops.close(code, reason)).is_some()
    }

    /// The open WebSocket with this serial number, and its owner.
    #[must_use]
    pub fn find(&self, serial: u64) -> Option<(ConnId, OwnerId)> {
        let mut slots = self.connections.slots.iter();
        let found = slots.find(|(_, slot)| {
            slot.conn.id().serial() == serial
                && slot.conn.is_websocket()
                && slot.pending != Pending::Free
        });
        found.map(|(_, slot)| (slot.conn.id(), slot.info.owner))
    }

    /// Ends all connections of an owner: WebSockets with 1001, idle ones at once, and requests with their answer.
    pub fn end_all(&mut self, owner: OwnerId) {
        let slots = self.connections.slots.iter();
        let all: Vec<usize> = slots
            .filter(|(_, slot)| slot.info.owner == owner && slot.pending != Pending::Free)
            .map(|(index, _)| index)
            .collect();
        for index in all {
            self.connections.leave_pending(index, Pending::ShutDown);
        }
    }

    /// Starts a process; what it does is told by [`Outcome::Child`].
    ///
    /// # Errors
    /// As [`Children::spawn`].
    pub fn spawn(&mut self, command: &Command<'_>) -> io::Result<ChildId> {
        let now = self.now();
        self.sources.spawn(command, self.poll.registry(), now)
    }

    /// Writes to the stdin of a process; see [`Children::write`].
    ///
    /// # Errors
    /// Nothing was taken.
    pub fn write_to_child(&mut self, id: ChildId, bytes: &[u8]) -> Result<usize, Refused> {
        let registry = self.poll.registry();
        self.sources.children.write(id, bytes, registry)
    }

    /// The processes that were started.
    pub fn children(&mut self) -> &mut Children {
        &mut self.sources.children
    }

    /// Sixteen bytes that nobody can guess.
    pub fn random(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        for part in bytes.as_chunks_mut().0 {
            *part = self.connections.shared.tools.keys.next_key();
        }
        bytes
    }

    /// Connects to a host that has these addresses; see [`Outcome::Dialled`].
    pub fn dial(&mut self, addresses: Vec<SocketAddr>) -> DialId {
        let now = self.now();
        self.sources.dial(addresses, now, self.poll.registry())
    }

    /// Gives up a dial.
    pub fn cancel_dial(&mut self, id: DialId) {
        self.sources.dials.cancel(id);
    }

    /// Takes over a connected socket and begins the opening handshake as a client. What follows is told as events of the
    /// connection.
    ///
    /// # Errors
    /// When the system does not watch the socket, or TLS cannot begin.
    pub fn adopt(&mut self, stream: TcpStream, outgoing: &Outgoing<'_>) -> io::Result<ConnId> {
        self.connections
            .adopt(stream, outgoing, self.poll.registry())
    }

    /// Sets the helper, in place of one that has ended.
    ///
    /// # Errors
    /// When the system does not watch the socket.
    pub fn set_helper(&mut self, socket: OwnedFd) -> io::Result<()> {
        self.sources.set_helper(socket, self.poll.registry())
    }

    /// Whether there is a helper to ask.
    #[must_use]
    pub fn has_helper(&self) -> bool {
        self.sources.has_helper()
    }

    /// Asks the helper; the answer is [`Outcome::Helper`] with this number.
    ///
    /// # Errors
    /// It was not asked.
    pub fn ask(&mut self, ask: Ask) -> Result<u32, NotAsked> {
        let now = self.now();
        self.sources.ask(ask, now)
    }

    /// Asks the helper and waits for the answer. The whole loop waits, so this is for rare requests that are answered at once.
    ///
    /// # Errors
    /// It was not asked, or has not answered in five seconds.
    pub fn ask_now(&mut self, ask: Ask) -> Result<HelperReply, NotAsked> {
        let now = self.now();
        self.sources.ask_now(ask, ANSWER_TIMEOUT, now)
    }

    /// The process at the other end of a unix socket (SO_PEERCRED of unix(7)).
    #[must_use]
    pub fn credentials(&self, id: ConnId) -> Option<PeerCredentials> {
        let index = self.connections.find(id)?;
        self.connections.slots[index].socket.credentials()
    }

    /// Sends a message to some open WebSockets, encoded once. Returns how many get it.
    pub fn send_each(&mut self, to: &[ConnId], kind: Kind, data: &[u8]) -> usize {
        let message = SharedMessages::new(kind, data);
        let got = |id: &&ConnId| queue_to(&mut self.connections, **id, &message);
        to.iter().filter(got).count()
    }

    /// Sets the limits over all connections.
    pub fn set_limits(&mut self, limits: Limits) {
        self.connections.memory.set_max(limits.max_memory);
        self.listeners.limit(limits.max_connections);
    }
}
