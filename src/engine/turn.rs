//! The event loop itself: what a turn is made of.

use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use crate::conn::deadline::Tick;
use crate::conn::event::ConnId;
use crate::conn::{Conf, Tools};
use crate::proto::http::date;
use crate::proto::ws::mask::MaskingKeys;
use crate::proto::ws::message::Pool;

use super::accept::Doors;
use super::blocking::{Done, Lane};
use super::connections::{Core, Totals};
use super::listener::{Bound, ListenerId};
use super::memory::Account;
use super::ops::Handler;
use super::outcome::Outcome;
use super::owners::{OwnerId, Owners, Speaks};
use super::rate_limit::Warnings;
use super::shared::Shared;
use super::slot::{Pending, Slot};
use super::sources::{self, Beside};
use super::wheel::Wheel;

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

/// The event loop.
pub struct Engine {
    pub(super) poll: Poll,
    events: Events,
    pub(super) core: Core,
    pub(super) lane: Lane,
    pub(super) beside: Beside,
    pub(super) doors: Doors,
    pub(super) start: Instant,
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
        let memory = Account::root(limits.max_memory);
        let lane = Lane::new(Waker::new(poll.registry(), LANE)?);
        let mut engine = Engine {
            poll,
            lane,
            beside: Beside::new(),
            events: Events::with_capacity(EVENTS),
            core: Core {
                slots: Slab::new(),
                owners: Owners::default(),
                wheel: Wheel::new(Tick(0)),
                shared: Shared::new(tools, memory.clone()),
                totals: Totals::default(),
                memory,
                dirty: Vec::new(),
                resume: Vec::new(),
                reap: Vec::new(),
                serial: 0,
                seconds: 0,
                sheds: Warnings::default(),
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

    /// A new owner of connections. The name is for the log.
    pub fn add_owner(&mut self, name: &str, max_connections: usize, speaks: Speaks) -> OwnerId {
        let id = self.core.owners.add(speaks, max_connections);
        let names = &mut self.core.shared.aside.names;
        if self.core.owners.get(id).is_some() {
            names.resize(names.len().max(id.index() + 1), Rc::from(""));
            names[id.index()] = Rc::from(name);
        }
        id
    }

    /// An owner is given up: it accepts no more, and ends with its last connection. Its id is never another's.
    pub fn retire_owner(&mut self, owner: OwnerId) {
        self.core.owners.retire(owner);
    }

    /// From now on an owner may have so many connections; those that it has stay.
    pub fn limit_owner(&mut self, owner: OwnerId, max_connections: usize) {
        if let Some(owner) = self.core.owners.get_mut(owner) {
            owner.max_connections = max_connections;
        }
    }

    /// From now on the connections that an owner accepts speak TLS by this configuration, or none. Those that it has are
    /// not touched.
    pub fn secure(&mut self, owner: OwnerId, config: Option<Arc<rustls::ServerConfig>>) {
        if let Some(owner) = self.core.owners.get_mut(owner) {
            owner.tls = config;
        }
    }

    /// Accepts from `bound` on behalf of `owner`.
    ///
    /// # Errors
    /// When the system does not watch the socket.
    pub fn listen(
        &mut self,
        bound: Bound,
        owner: OwnerId,
        conf: Rc<Conf>,
    ) -> io::Result<ListenerId> {
        let registry = self.poll.registry();
        self.doors.listen(bound, owner, conf, registry, LISTENERS)
    }

    /// A listener accepts for another owner, or by another configuration, from now on.
    pub fn hand_over(&mut self, id: ListenerId, owner: OwnerId, conf: Rc<Conf>) {
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
            beside,
            doors,
            fired,
            serving,
            ..
        } = self;
        let registry = poll.registry();
        let now = core.shared.now;
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
                token if (sources::CHILDREN..sources::END).contains(&token.0) => {
                    beside.note(token, core.shared.now, registry);
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
        self.beside.turn(now, self.poll.registry());
        self.doors.accept(&mut self.core, self.poll.registry());
        self.finish(handler);
        if !idle {
            self.busy = now;
        } else if now.since(self.busy) >= QUIET {
            self.core.shared.tools.pool.shrink();
            self.core.shared.outboxes.shrink();
        }
        Ok(())
    }

    /// The end of a turn: what was written to others leaves, what has ended goes, and the memory limit is kept.
    pub(super) fn finish<H: Handler>(&mut self, handler: &mut H) {
        let registry = self.poll.registry();
        self.core.settle_dirty(handler, registry);
        if self.core.memory.is_over() {
            self.core.shed();
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

    pub(super) fn timeout(&self, until: Option<Duration>) -> Duration {
        if self.doors.is_ready() || !self.core.resume.is_empty() {
            return Duration::ZERO;
        }
        let now = self.core.shared.now;
        let timer = self.core.wheel.timeout(now);
        let again = self.doors.again().map(|tick| tick.since(now));
        let beside = self.beside.deadline(now).map(|tick| tick.since(now));
        let shrink = (self.core.shared.tools.pool.kept() > 0).then_some(QUIET);
        let ours = [timer, again, beside, shrink].into_iter().flatten().min();
        let ours = ours.map(|millis| Duration::from_millis(u64::from(millis)));
        [ours, until]
            .into_iter()
            .flatten()
            .fold(LONGEST_WAIT, Duration::min)
    }

    /// One clock read a turn; the Date text is at most half a second old.
    pub(super) fn read_clock(&mut self) {
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
    /// finished, and their connections end then. Turn on until [`Engine::peers`] is 0. Connections of lines stay, for they
    /// may want to hear how it goes: end them after that, by [`Engine::end_all`].
    pub fn shut_down<H: Handler>(&mut self, handler: &mut H) {
        self.doors.close_all();
        self.read_clock();
        let core = &self.core;
        let of_lines = |owner: OwnerId| {
            let owner = core.owners.get(owner);
            owner.is_some_and(|owner| owner.speaks == Speaks::Lines)
        };
        let all: Vec<usize> = core
            .slots
            .iter()
            .filter(|(_, slot)| !of_lines(slot.who.owner) && !slot.reaped)
            .map(|(index, _)| index)
            .collect();
        for index in all {
            self.core.leave_pending(index, Pending::ShutDown);
        }
        self.finish(handler);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("connections", &self.connections())
            .field("memory", &self.memory().used())
            .finish_non_exhaustive()
    }
}

/// A slot index must be told from a listener's token.
const _: () = assert!(ConnId::MAX_SLOTS < LISTENERS && size_of::<Slot>() < LISTENERS);
