//! The event loop itself: the parts of a turn.

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

use super::accept::Listeners;
use super::blocking::{BlockingThreads, Done};
use super::connections::{Connections, Totals};
use super::listener::{Bound, ListenerId};
use super::memory::Account;
use super::ops::Handler;
use super::outcome::Outcome;
use super::owners::{OwnerId, Owners, Speaks};
use super::rate_limit::RateLimit;
use super::serve::Driver;
use super::shared::Shared;
use super::slot::{Pending, Slot};
use super::sources::{self, Sources};
use super::wheel::Wheel;

/// Events of one wait.
const EVENTS: usize = 1024;

/// The longest wait: ticks are told apart from those of the last turn only if that was less than 24 days ago.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Unused buffers are freed after so many quiet milliseconds.
const SHRINK_AFTER: u32 = 1000;

/// Tokens below are slots.
const LISTENERS: usize = 1 << 32;
const WAKE: Token = Token(usize::MAX);
/// The token of the waker that the blocking threads use.
const BLOCKING: Token = Token(usize::MAX - 1);

/// Limits over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections; one more is accepted and closed at once.
    pub max_connections: usize,
    /// Bytes of buffers, backlogs and unfinished messages together; past it the connection that holds most is closed.
    pub max_memory: usize,
}

/// The event loop.
pub struct Engine {
    pub(super) poll: Poll,
    events: Events,
    pub(super) connections: Connections,
    pub(super) blocking: BlockingThreads,
    pub(super) sources: Sources,
    pub(super) listeners: Listeners,
    pub(super) start: Instant,
    dated: Tick,
    /// The last turn that had something to do.
    busy: Tick,
    /// Lists of a turn, kept for their capacity.
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
        let blocking = BlockingThreads::new(Waker::new(poll.registry(), BLOCKING)?);
        let mut engine = Engine {
            poll,
            blocking,
            sources: Sources::new(),
            events: Events::with_capacity(EVENTS),
            connections: Connections {
                slots: Slab::new(),
                owners: Owners::default(),
                wheel: Wheel::new(Tick(0)),
                shared: Shared::new(tools, memory.clone()),
                totals: Totals::default(),
                memory,
                dirty: Vec::new(),
                resume: Vec::new(),
                ended: Vec::new(),
                serial: 0,
                seconds: 0,
                sheds: RateLimit::default(),
            },
            listeners: Listeners::new(limits.max_connections),
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
        let id = self.connections.owners.add(speaks, max_connections);
        let names = &mut self.connections.shared.effects.names;
        if self.connections.owners.get(id).is_some() {
            names.resize(names.len().max(id.index() + 1), Rc::from(""));
            names[id.index()] = Rc::from(name);
        }
        id
    }

    /// Retires an owner, whose listeners are closed before: it ends with its last connection.
    pub fn retire_owner(&mut self, owner: OwnerId) {
        self.connections.owners.retire(owner);
    }

    /// Sets the limit of connections of an owner; those that it has stay.
    pub fn limit_owner(&mut self, owner: OwnerId, max_connections: usize) {
        if let Some(owner) = self.connections.owners.get_mut(owner) {
            owner.max_connections = max_connections;
        }
    }

    /// Sets the configuration of TLS for the connections that an owner accepts; `None`: they speak no TLS. Those that it has
    /// are not touched.
    pub fn secure(&mut self, owner: OwnerId, config: Option<Arc<rustls::ServerConfig>>) {
        if let Some(owner) = self.connections.owners.get_mut(owner) {
            owner.tls = config;
        }
    }

    /// Accepts connections from `bound` for `owner`.
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
        self.listeners
            .listen(bound, owner, conf, registry, LISTENERS)
    }

    /// A listener accepts for another owner, or by another configuration, from now on.
    pub fn hand_over(&mut self, id: ListenerId, owner: OwnerId, conf: Rc<Conf>) {
        self.listeners.hand_over(id, owner, conf);
    }

    /// Closes a listener; what it accepted stays.
    pub fn unlisten(&mut self, id: ListenerId) {
        self.listeners.close(id);
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

    /// Waits for events, at most for `until`, and acts on them.
    ///
    /// # Errors
    /// When waiting fails, which is a fault of bellwire.
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
            connections,
            sources,
            listeners,
            fired,
            serving,
            ..
        } = self;
        let registry = poll.registry();
        let now = connections.shared.now;
        let mut done = false;
        let idle = events.is_empty() && connections.resume.is_empty();
        std::mem::swap(serving, &mut connections.resume);
        let mut driver = Driver {
            connections,
            handler,
            registry,
        };
        for readiness in &*events {
            match readiness.token() {
                WAKE => {}
                BLOCKING => done = true,
                Token(index) if index < LISTENERS => driver.on_readiness(index, readiness),
                token if (sources::CHILDREN..sources::END).contains(&token.0) => {
                    sources.on_ready(token, now, registry);
                }
                Token(index) => listeners.on_ready(index - LISTENERS),
            }
        }
        for index in serving.drain(..) {
            let slots = &mut driver.connections.slots;
            if let Some(slot) = slots.get_mut(index as usize)
                && slot.resumed
            {
                slot.resumed = false;
                driver.serve(index as usize);
            }
        }
        driver.connections.wheel.advance(now, fired);
        for index in fired.drain(..) {
            driver.expire(index);
        }
        if done {
            self.take_done(handler);
        }
        self.sources.turn(now, self.poll.registry());
        self.listeners
            .accept(&mut self.connections, self.poll.registry());
        self.settle(handler);
        if !idle {
            self.busy = now;
        } else if now.since(self.busy) >= SHRINK_AFTER {
            self.connections.shared.tools.pool.shrink();
            self.connections.shared.outboxes.shrink();
        }
        Ok(())
    }

    /// Ends a turn: what was written to connections from outside of their events leaves, their ends are told, what has
    /// ended is freed, and the memory limit is kept. To be called after acting on connections between turns, too.
    pub fn settle<H: Handler>(&mut self, handler: &mut H) {
        let mut driver = self.driver(handler);
        driver.settle_dirty();
        if driver.connections.memory.is_over() {
            driver.connections.shed();
            driver.settle_dirty();
        }
        if !self.connections.ended.is_empty() && self.connections.free_ended() > 0 {
            self.listeners.has_room();
        }
        if !self.connections.shared.effects.jobs.is_empty() {
            for job in self.connections.shared.effects.jobs.drain(..) {
                self.blocking.push(job);
            }
        }
    }

    /// Tells what the blocking threads have done.
    fn take_done<H: Handler>(&mut self, handler: &mut H) {
        while let Some(done) = self.blocking.take() {
            let outcomes = &mut self.connections.shared.effects.outcomes;
            match done {
                Done::LookedUp(exchange, found) => {
                    outcomes.push_back(Outcome::LookedUp(exchange, found));
                }
                Done::Resolved(number, result) => {
                    outcomes.push_back(Outcome::Resolved(number, result));
                }
                Done::ReadAhead(id) => self.driver(handler).on_file_cached(id),
            }
        }
    }

    pub(super) fn timeout(&self, until: Option<Duration>) -> Duration {
        if self.listeners.is_ready() || !self.connections.resume.is_empty() {
            return Duration::ZERO;
        }
        let now = self.connections.shared.now;
        let timer = self.connections.wheel.timeout(now);
        let retry = self.listeners.retry_at().map(|tick| tick.since(now));
        let sources = self.sources.deadline(now).map(|tick| tick.since(now));
        let shrink = (self.connections.shared.tools.pool.kept() > 0).then_some(SHRINK_AFTER);
        let ours = [timer, retry, sources, shrink].into_iter().flatten().min();
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
        self.connections.shared.now = now;
        self.connections.seconds = elapsed.as_secs() as u32;
        if now.since(self.dated) >= 500 {
            self.write_date();
        }
    }

    fn write_date(&mut self) {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.connections.shared.date = date::format(since_epoch.as_secs());
        self.dated = self.connections.shared.now;
    }

    /// Stops accepting, closes WebSockets with 1001 and idle connections at once; answers that are under way are
    /// finished, and their connections end then. Call [`Engine::turn`] until [`Engine::peers`] is 0. Connections of lines stay,
    /// so that subscribers see the shutdown: end them after that, by [`Engine::end_all`].
    pub fn shut_down<H: Handler>(&mut self, handler: &mut H) {
        self.listeners.close_all();
        self.read_clock();
        let connections = &self.connections;
        let of_lines = |owner: OwnerId| {
            let owner = connections.owners.get(owner);
            owner.is_some_and(|owner| owner.speaks == Speaks::Lines)
        };
        let all: Vec<usize> = connections
            .slots
            .iter()
            .filter(|(_, slot)| !of_lines(slot.info.owner) && slot.pending != Pending::Free)
            .map(|(index, _)| index)
            .collect();
        for index in all {
            self.connections.leave_pending(index, Pending::ShutDown);
        }
        self.settle(handler);
    }

    pub(super) fn driver<'d, H: Handler>(&'d mut self, handler: &'d mut H) -> Driver<'d, H> {
        Driver {
            connections: &mut self.connections,
            handler,
            registry: self.poll.registry(),
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("connections", &self.connections.slots.len())
            .field("memory", &self.connections.memory)
            .finish_non_exhaustive()
    }
}

/// A slot index must be told from a listener's token.
const _: () = assert!(ConnId::MAX_SLOTS < LISTENERS && size_of::<Slot>() < LISTENERS);
