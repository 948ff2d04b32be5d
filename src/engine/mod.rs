//! Floor 3: the event loop, and the only mio.
//!
//! One thread, edge-triggered. A turn waits, serves every connection that is ready once (one receive, at most 256 KiB),
//! fires deadlines, accepts, settles, frees. Everything that a connection's events lead to leaves in one write when it
//! has been served. A slot is freed only after the batch, so a token is the plain index of its slot.
//!
//! It knows connections and owners; what a server is, what is served and who may enter is the [`Handler`]'s.

mod accept;
mod access;
mod core;
mod deliver;
mod dial;
mod effects;
mod feed;
mod lane;
mod listener;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the loop does not ask the helper yet")
)]
mod monitor;
mod ops;
mod outbox;
mod outcome;
pub mod packet;
mod receive;
mod sealed;
mod shared;
mod slot;
mod socket;
#[cfg(test)]
mod tests;
mod wheel;

use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use crate::conn::deadline::Tick;
use crate::conn::event::{ConnId, ExchangeId};
use crate::conn::{Conf, Counters, Tools};
use crate::files::Visit;
use crate::proto::http::date;
use crate::proto::ws::mask::MaskingKeys;
use crate::proto::ws::message::Pool;

use self::core::{Core, Owner};
use accept::Doors;
use lane::{Done, Job, Lane};
use shared::Shared;
use slot::Slot;
use wheel::Wheel;

pub use self::core::{Speaks, Totals};
pub use accept::ListenerId;
pub use dial::{DialError, DialId, Dialled, Dials};
pub use listener::Bound;
pub use monitor::{MonitorReply, NotAsked};
pub use ops::{Handler, Ops};
pub use outcome::Outcome;
pub use socket::Peer;

/// Events of one wait.
const EVENTS: usize = 1024;

/// The longest wait: ticks are told apart from those of the last turn only if that was less than 24 days ago.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Buffers of the last burst are given back after so many quiet milliseconds.
const QUIET: u32 = 1000;

/// Tokens below are slots.
const LISTENERS: usize = 1 << 32;
const WAKE: Token = Token(usize::MAX);
/// mio has one for what else ends a wait; it is never seen as readiness of a slot.
const LANE: Token = Token(usize::MAX - 1);

/// Limits over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One more is accepted and closed at once.
    pub max_connections: usize,
    /// Bytes of buffers, backlogs and unfinished messages together; past it the connection that holds most is closed.
    pub max_memory: usize,
}

/// An open WebSocket, as it is listed.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub id: ConnId,
    /// Where the other end is.
    pub peer: Peer,
    /// Who is.
    pub user: Option<Rc<String>>,
    /// How long the connection has lived, in whole seconds.
    pub age: Duration,
    /// What it has counted.
    pub counters: Counters,
}

/// The event loop.
pub struct Engine {
    poll: Poll,
    events: Events,
    core: Core,
    lane: Lane,
    doors: Doors,
    start: Instant,
    dated: Tick,
    /// The last turn that had something to do.
    busy: Tick,
    /// Lists of a turn, kept for their room.
    fired: Vec<usize>,
    serving: Vec<u32>,
}

impl Engine {
    /// An engine without listeners. `random` fills with bytes that nobody can guess (RFC 6455 §10.3).
    ///
    /// # Errors
    /// When the system gives no epoll instance.
    pub fn new(limits: Limits, random: fn(&mut [u8; 256])) -> io::Result<Engine> {
        let tools = Tools {
            pool: Pool::default(),
            keys: MaskingKeys::new(random),
        };
        let poll = Poll::new()?;
        let lane = Lane::new(Waker::new(poll.registry(), LANE)?);
        let mut engine = Engine {
            poll,
            lane,
            events: Events::with_capacity(EVENTS),
            core: Core {
                slots: Slab::new(),
                owners: Vec::new(),
                wheel: Wheel::new(Tick(0)),
                shared: Shared::new(tools),
                totals: Totals::default(),
                memory: 0,
                max_memory: limits.max_memory,
                dirty: Vec::new(),
                resume: Vec::new(),
                reap: Vec::new(),
                serial: 0,
                seconds: 0,
            },
            doors: Doors::new(limits.max_connections),
            start: Instant::now(),
            dated: Tick(0),
            busy: Tick(0),
            fired: Vec::new(),
            serving: Vec::new(),
        };
        engine.write_date();
        Ok(engine)
    }

    /// A new owner of connections, by the number that events of its connections carry. The name is for the log.
    pub fn add_owner(&mut self, name: &str, max_connections: usize, speaks: Speaks) -> u32 {
        let owner = Owner {
            speaks,
            members: Vec::new(),
            live: 0,
            max_connections,
            tls: None,
            retired: false,
        };
        let owners = &mut self.core.owners;
        let free = owners.iter().position(|it| it.retired && it.live == 0);
        let at = free.unwrap_or(owners.len());
        if free.is_some() {
            owners[at] = owner;
            self.core.shared.aside.names[at] = Rc::from(name);
        } else {
            owners.push(owner);
            self.core.shared.aside.names.push(Rc::from(name));
        }
        at as u32
    }

    /// An owner is given up: when its last connection has ended, its number is given to another.
    pub fn retire_owner(&mut self, owner: u32) {
        if let Some(owner) = self.core.owners.get_mut(owner as usize) {
            owner.retired = true;
        }
    }

    /// From now on an owner may have so many connections; those that it has stay.
    pub fn limit_owner(&mut self, owner: u32, max_connections: usize) {
        if let Some(owner) = self.core.owners.get_mut(owner as usize) {
            owner.max_connections = max_connections;
        }
    }

    /// From now on the connections that an owner accepts speak TLS by this configuration, or none. Those that it has are
    /// not touched.
    pub fn secure(&mut self, owner: u32, config: Option<Arc<rustls::ServerConfig>>) {
        if let Some(owner) = self.core.owners.get_mut(owner as usize) {
            owner.tls = config;
        }
    }

    /// Accepts from `bound` on behalf of `owner`.
    ///
    /// # Errors
    /// When the system does not watch the socket.
    pub fn listen(&mut self, bound: Bound, owner: u32, conf: Rc<Conf>) -> io::Result<ListenerId> {
        let registry = self.poll.registry();
        self.doors.listen(bound, owner, conf, registry, LISTENERS)
    }

    /// A listener accepts for another owner, or by another configuration, from now on.
    pub fn hand_over(&mut self, id: ListenerId, owner: u32, conf: Rc<Conf>) {
        self.doors.hand_over(id, owner, conf);
    }

    /// Closes a listener; what it accepted stays.
    pub fn unlisten(&mut self, id: ListenerId) {
        self.doors.close(id);
    }

    /// Ends a wait whenever `fd` is readable: [`Engine::turn`] returns then.
    ///
    /// # Errors
    /// When the system does not watch it.
    pub fn wake_on(&mut self, fd: RawFd) -> io::Result<()> {
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), WAKE, Interest::READABLE)
    }

    /// Connections that are open in any phase.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.core.slots.len()
    }

    /// Open WebSockets of an owner.
    #[must_use]
    pub fn websockets(&self, owner: u32) -> usize {
        self.core
            .owners
            .get(owner as usize)
            .map_or(0, |owner| owner.members.len())
    }

    /// The open WebSockets of an owner, each with what is known of it.
    pub fn members(&self, owner: u32) -> impl Iterator<Item = Member> + '_ {
        let members = self.core.owners.get(owner as usize);
        let members = members.map_or(&[][..], |owner| &owner.members);
        members.iter().filter_map(|&index| {
            let slot = self.core.slots.get(index as usize)?;
            Some(Member {
                id: slot.conn.id(),
                peer: slot.who.peer,
                user: slot.about.user.clone(),
                age: Duration::from_secs(u64::from(self.core.seconds.saturating_sub(slot.since))),
                counters: slot.conn.counters,
            })
        })
    }

    /// Bytes that count against the memory limit now.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.core.memory
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

    /// Acts on a connection from outside of its events. `None`: it has ended.
    pub fn with<H: Handler, T>(
        &mut self,
        handler: &mut H,
        id: ConnId,
        act: impl FnOnce(&mut H, &mut Ops<'_>) -> T,
    ) -> Option<T> {
        self.core.act(id, handler, self.poll.registry(), act)
    }

    /// Acts on a request whose answer was deferred, or is under way in pieces. `None`: it is no more.
    pub fn with_exchange<H: Handler, T>(
        &mut self,
        handler: &mut H,
        exchange: ExchangeId,
        act: impl FnOnce(&mut H, &mut Ops<'_>) -> T,
    ) -> Option<T> {
        let index = self.core.find(exchange.conn)?;
        if !self.core.slots[index].conn.is_in_exchange(exchange.number) {
            return None;
        }
        self.with(handler, exchange.conn, act)
    }

    /// Takes a request to the files where that may take its time; see [`Outcome::Visited`].
    pub fn visit(&mut self, exchange: ExchangeId, visit: Visit) {
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
        !self.core.shared.aside.outcomes.is_empty()
    }

    /// What there is to tell; to be asked until there is nothing, after each turn.
    pub fn poll(&mut self) -> Option<Outcome> {
        self.core.shared.aside.outcomes.pop_front()
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

    /// Waits for something to happen, at most until `until`, and acts on it.
    ///
    /// # Errors
    /// When waiting fails, which it does for a fault of ours only.
    pub fn turn<H: Handler>(&mut self, handler: &mut H, until: Option<Duration>) -> io::Result<()> {
        let timeout = self.timeout(until);
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.read_clock();
        let Engine {
            poll,
            events,
            core,
            doors,
            fired,
            serving,
            ..
        } = self;
        let registry = poll.registry();
        let mut done = false;
        let idle = events.is_empty() && core.resume.is_empty();
        std::mem::swap(serving, &mut core.resume);
        for readiness in &*events {
            match readiness.token() {
                WAKE => {}
                LANE => done = true,
                Token(index) if index < LISTENERS => {
                    core.note(index, readiness, handler, registry);
                }
                Token(index) => {
                    doors.note(index - LISTENERS);
                }
            }
        }
        for index in serving.drain(..) {
            if let Some(slot) = core.slots.get_mut(index as usize)
                && slot.resumed
            {
                slot.resumed = false;
                core.serve(index as usize, handler, registry);
            }
        }
        core.wheel.advance(core.shared.now, fired);
        for index in fired.drain(..) {
            core.expire(index, handler, registry);
        }
        if done {
            self.take_done(handler);
        }
        self.doors.accept(&mut self.core, self.poll.registry());
        self.finish(handler);
        let now = self.core.shared.now;
        if !idle {
            self.busy = now;
        } else if now.since(self.busy) >= QUIET && self.core.memory == 0 {
            self.core.shared.tools.pool.shrink();
            self.core.shared.outboxes.shrink();
        }
        Ok(())
    }

    /// The end of a turn: what was written to others leaves, what has ended goes, and the memory limit is kept.
    fn finish<H: Handler>(&mut self, handler: &mut H) {
        let registry = self.poll.registry();
        self.core.settle_dirty(handler, registry);
        if self.core.memory > self.core.max_memory {
            self.core.shed(handler, registry);
            self.core.settle_dirty(handler, registry);
        }
        if !self.core.reap.is_empty() && self.core.free_reaped() > 0 {
            self.doors.has_room();
        }
        if !self.core.shared.aside.jobs.is_empty() {
            for job in self.core.shared.aside.jobs.drain(..) {
                self.lane.push(job);
            }
        }
    }

    /// What the slow lane has done.
    fn take_done<H: Handler>(&mut self, handler: &mut H) {
        while let Some(done) = self.lane.take() {
            let outcomes = &mut self.core.shared.aside.outcomes;
            match done {
                Done::Visited(exchange, visited) => {
                    outcomes.push_back(Outcome::Visited(exchange, visited));
                }
                Done::Resolved(number, result) => {
                    outcomes.push_back(Outcome::Resolved(number, result));
                }
                Done::Warm(id) => self.core.warmed(id, handler, self.poll.registry()),
            }
        }
    }

    fn timeout(&self, until: Option<Duration>) -> Duration {
        if self.doors.is_ready() || !self.core.resume.is_empty() {
            return Duration::ZERO;
        }
        let now = self.core.shared.now;
        let timer = self.core.wheel.timeout(now);
        let again = self.doors.again().map(|tick| tick.since(now));
        let shrink = (self.core.shared.tools.pool.kept() > 0).then_some(QUIET);
        let ours = [timer, again, shrink].into_iter().flatten().min();
        let ours = ours.map(|millis| Duration::from_millis(u64::from(millis)));
        [ours, until]
            .into_iter()
            .flatten()
            .fold(LONGEST_WAIT, Duration::min)
    }

    /// One clock read a turn; the Date text is at most half a second old.
    fn read_clock(&mut self) {
        let elapsed = self.start.elapsed();
        let now = Tick(elapsed.as_millis() as u32);
        self.core.shared.now = now;
        self.core.seconds = elapsed.as_secs() as u32;
        if now.since(self.dated) >= 500 {
            self.write_date();
        }
    }

    fn write_date(&mut self) {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.core.shared.date = date::format(since_epoch.as_secs());
        self.dated = self.core.shared.now;
    }

    /// Stops accepting, closes WebSockets with 1001 and idle connections at once; answers that are under way are
    /// finished, and their connections end then. Turn on until [`Engine::connections`] is 0.
    pub fn shut_down<H: Handler>(&mut self, handler: &mut H) {
        self.doors.close_all();
        self.read_clock();
        let all: Vec<usize> = self.core.slots.iter().map(|(index, _)| index).collect();
        for index in all {
            self.core.shut_down(index, handler, self.poll.registry());
        }
        self.finish(handler);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("connections", &self.connections())
            .field("memory", &self.memory())
            .finish_non_exhaustive()
    }
}

/// A slot index must be told from a listener's token.
const _: () = assert!(ConnId::MAX_SLOTS < LISTENERS && size_of::<Slot>() < LISTENERS);
