//! Floor 3: the event loop, and the only mio.
//!
//! One thread, edge-triggered. A turn waits, serves every connection that is ready once (one receive, at most 256 KiB),
//! fires deadlines, accepts, settles, frees. Everything that a connection's events lead to leaves in one write when it
//! has been served. A slot is freed only after the batch, so a token is the plain index of its slot.
//!
//! It knows connections and owners; what a server is, what is served and who may enter is the [`Handler`]'s.

pub mod child;
mod core;
mod deliver;
mod effects;
mod feed;
mod listener;
mod ops;
mod outbox;
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
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::ConnId;
use crate::conn::{Conf, Tools};
use crate::proto::http::date;
use crate::proto::ws::mask::MaskingKeys;
use crate::proto::ws::message::Pool;

use self::core::{Core, Owner};
use listener::Listener;
use shared::Shared;
use slot::{Slot, Who};
use wheel::Wheel;

pub use self::core::Totals;
pub use listener::Bound;
pub use ops::{Handler, Ops};
pub use socket::Peer;

/// Events of one wait.
const EVENTS: usize = 1024;

/// Connections that one turn accepts from one listener.
const ACCEPTS: usize = 64;

/// A listener that ran out of descriptors is tried again after this, and when a connection ends.
const ACCEPT_AGAIN: Millis = Millis::new(250);

/// The longest wait: ticks are told apart from those of the last turn only if that was less than 24 days ago.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Buffers of the last burst are given back after so many quiet milliseconds.
const QUIET: u32 = 1000;

/// Tokens below are slots.
const LISTENERS: usize = 1 << 32;
const WAKE: Token = Token(usize::MAX);

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
    poll: Poll,
    events: Events,
    core: Core,
    listeners: Vec<Option<Listener>>,
    limits: Limits,
    start: Instant,
    dated: Tick,
    /// The last turn that had something to do.
    busy: Tick,
    /// Some listener has connections to accept.
    accepts: bool,
    /// Accepting pauses until then, for descriptors have run out.
    accept_again: Option<Tick>,
    /// That was logged, and connections have been waiting since: each that ends lets one in, and is not worth a line.
    paused: bool,
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
        let mut engine = Engine {
            poll: Poll::new()?,
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
            },
            listeners: Vec::new(),
            limits,
            start: Instant::now(),
            dated: Tick(0),
            busy: Tick(0),
            accepts: false,
            accept_again: None,
            paused: false,
            fired: Vec::new(),
            serving: Vec::new(),
        };
        engine.write_date();
        Ok(engine)
    }

    /// A new owner of connections, by the number that events of its connections carry.
    pub fn add_owner(&mut self, max_connections: usize) -> u32 {
        self.core.owners.push(Owner {
            members: Vec::new(),
            live: 0,
            max_connections,
            tls: None,
        });
        (self.core.owners.len() - 1) as u32
    }

    /// From now on the connections that an owner accepts speak TLS by this configuration. Those that it has are not
    /// touched.
    pub fn secure(&mut self, owner: u32, config: Arc<rustls::ServerConfig>) {
        if let Some(owner) = self.core.owners.get_mut(owner as usize) {
            owner.tls = Some(config);
        }
    }

    /// Accepts from `bound` on behalf of `owner`.
    ///
    /// # Errors
    /// When the system does not watch the socket.
    pub fn listen(&mut self, bound: Bound, owner: u32, conf: Rc<Conf>) -> io::Result<()> {
        let token = Token(LISTENERS + self.listeners.len());
        let listener = Listener::new(bound, owner, conf, self.poll.registry(), token)?;
        self.listeners.push(Some(listener));
        Ok(())
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
            listeners,
            accepts,
            fired,
            serving,
            ..
        } = self;
        let registry = poll.registry();
        let idle = events.is_empty() && core.resume.is_empty();
        std::mem::swap(serving, &mut core.resume);
        for readiness in &*events {
            match readiness.token() {
                WAKE => {}
                Token(index) if index < LISTENERS => {
                    core.note(index, readiness, handler, registry);
                }
                Token(index) => {
                    if let Some(Some(listener)) = listeners.get_mut(index - LISTENERS) {
                        listener.ready = true;
                        *accepts = true;
                    }
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
        self.accept();
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
            self.accept_again = None;
        }
    }

    fn timeout(&self, until: Option<Duration>) -> Duration {
        let accepts = self.accepts && self.accept_again.is_none();
        if accepts || !self.core.resume.is_empty() {
            return Duration::ZERO;
        }
        let now = self.core.shared.now;
        let timer = self.core.wheel.timeout(now);
        let again = self.accept_again.map(|tick| tick.since(now));
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
        let now = Tick(self.start.elapsed().as_millis() as u32);
        self.core.shared.now = now;
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

    fn accept(&mut self) {
        if !self.accepts {
            return;
        }
        if let Some(again) = self.accept_again {
            if !again.is_due(self.core.shared.now) {
                return;
            }
            self.accept_again = None;
        }
        for at in 0..self.listeners.len() {
            for _ in 0..ACCEPTS {
                if !self.accept_one(at) {
                    break;
                }
            }
        }
        self.accepts = self
            .listeners
            .iter()
            .flatten()
            .any(|listener| listener.ready);
    }

    /// Accepts one connection of a listener; false: there is none, or none can be taken now.
    fn accept_one(&mut self, at: usize) -> bool {
        let Some(Some(listener)) = self.listeners.get_mut(at) else {
            return false;
        };
        if !listener.ready || self.accept_again.is_some() {
            return false;
        }
        match listener.accept() {
            Ok((socket, peer)) => {
                let core = &mut self.core;
                core.totals.accepted += 1;
                let owner = &core.owners[listener.owner as usize];
                let full = core.slots.len() >= self.limits.max_connections.min(ConnId::MAX_SLOTS)
                    || owner.live >= owner.max_connections;
                if full {
                    core.totals.refused += 1;
                    log::debug!(
                        "{peer}: closed at once, for as many connections as are allowed are open"
                    );
                    return true;
                }
                let who = Who {
                    owner: listener.owner,
                    peer,
                    loopback: listener.loopback,
                    tls: owner.tls.is_some(),
                };
                let registry = self.poll.registry();
                let added = core.insert(socket, who, &listener.conf, registry);
                if let Err(error) = added {
                    log::warn!("{peer}: cannot be watched: {error}");
                }
                true
            }
            Err(error) => {
                match error.raw_os_error() {
                    Some(libc::EAGAIN) => {
                        listener.ready = false;
                        self.paused = false;
                    }
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                        if !self.paused {
                            log::warn!("accepting pauses until connections end: {error}");
                        }
                        self.paused = true;
                        self.accept_again = Some(self.core.shared.now.after(ACCEPT_AGAIN));
                    }
                    // The connection is gone already, or its network is: accept(2) says to go on.
                    _ => return true,
                }
                false
            }
        }
    }

    /// Stops accepting, closes WebSockets with 1001 and idle connections at once; answers that are under way are
    /// finished, and their connections end then. Turn on until [`Engine::connections`] is 0.
    pub fn shut_down<H: Handler>(&mut self, handler: &mut H) {
        self.listeners.clear();
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
