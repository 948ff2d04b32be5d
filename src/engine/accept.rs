//! Accepting: all listeners of the loop, and when connections are accepted from them.

use std::io;
use std::rc::Rc;

use mio::{Registry, Token};

use crate::conn::Conf;
use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::ConnId;

use super::connections::Connections;
use super::listener::{Bound, Listener, ListenerId};
use super::owners::{OwnerId, Speaks};
use super::slot::ConnInfo;

/// Connections that one turn accepts from one listener.
const ACCEPTS: usize = 64;

/// When descriptors have run out, accepting is tried again after this time, and when a connection ends.
const ACCEPT_AGAIN: Millis = Millis::new(250);

/// All listeners, and whether there is something to accept.
pub(super) struct Listeners {
    /// By their tokens.
    listeners: Vec<Option<Listener>>,
    /// How many there were so far.
    opened: u64,
    max_connections: usize,
    /// Some listener has connections to accept.
    accepts: bool,
    /// Accepting pauses until then, for descriptors have run out.
    retry_at: Option<Tick>,
    /// That was logged, and connections have been waiting since: so it is not logged again for each that ends.
    paused: bool,
}

impl Listeners {
    pub(super) fn new(max_connections: usize) -> Listeners {
        Listeners {
            listeners: Vec::new(),
            opened: 0,
            max_connections,
            accepts: false,
            retry_at: None,
            paused: false,
        }
    }

    /// Sets the limit of connections.
    pub(super) fn limit(&mut self, max_connections: usize) {
        self.max_connections = max_connections;
    }

    /// Accepts from `bound` on behalf of `owner`; its token is its id's number from `base` on.
    pub(super) fn listen(
        &mut self,
        bound: Bound,
        owner: OwnerId,
        conf: Rc<Conf>,
        registry: &Registry,
        base: usize,
    ) -> io::Result<ListenerId> {
        let free = self.listeners.iter().position(Option::is_none);
        let at = free.unwrap_or(self.listeners.len());
        let id = ListenerId(self.opened);
        let listener = Listener::new(id, bound, owner, conf, registry, Token(base + at))?;
        self.opened += 1;
        if free.is_some() {
            self.listeners[at] = Some(listener);
        } else {
            self.listeners.push(Some(listener));
        }
        Ok(id)
    }

    pub(super) fn hand_over(&mut self, id: ListenerId, owner: OwnerId, conf: Rc<Conf>) {
        let mut listeners = self.listeners.iter_mut().flatten();
        if let Some(listener) = listeners.find(|listener| listener.id == id) {
            listener.owner = owner;
            listener.conf = conf;
        }
    }

    pub(super) fn close(&mut self, id: ListenerId) {
        for listener in &mut self.listeners {
            listener.take_if(|listener| listener.id == id);
        }
    }

    pub(super) fn close_all(&mut self) {
        self.listeners.clear();
    }

    /// The system reported that a listener is ready.
    pub(super) fn on_ready(&mut self, index: usize) {
        if let Some(Some(listener)) = self.listeners.get_mut(index) {
            listener.ready = true;
            self.accepts = true;
        }
    }

    /// Whether there is something to accept at once.
    pub(super) fn is_ready(&self) -> bool {
        self.accepts && self.retry_at.is_none()
    }

    /// When a listener is to be tried again.
    pub(super) fn retry_at(&self) -> Option<Tick> {
        self.retry_at
    }

    /// Connections have ended, so descriptors are free.
    pub(super) fn has_room(&mut self) {
        self.retry_at = None;
    }

    /// Accepts from each listener.
    pub(super) fn accept(&mut self, connections: &mut Connections, registry: &Registry) {
        if !self.accepts {
            return;
        }
        if let Some(retry_at) = self.retry_at {
            if !retry_at.is_due(connections.shared.now) {
                return;
            }
            self.retry_at = None;
        }
        for at in 0..self.listeners.len() {
            for _ in 0..ACCEPTS {
                if !self.accept_one(at, connections, registry) {
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
    fn accept_one(
        &mut self,
        at: usize,
        connections: &mut Connections,
        registry: &Registry,
    ) -> bool {
        let Some(Some(listener)) = self.listeners.get_mut(at) else {
            return false;
        };
        if !listener.ready || self.retry_at.is_some() {
            return false;
        }
        match listener.accept() {
            Ok((socket, peer)) => {
                connections.totals.accepted += 1;
                let Some(owner) = connections.owners.get(listener.owner) else {
                    return true;
                };
                // The control socket accepts however many peers there are.
                let most = match owner.speaks {
                    Speaks::Http => self.max_connections.min(ConnId::MAX_SLOTS),
                    Speaks::Lines => ConnId::MAX_SLOTS,
                };
                let full = connections.slots.len() >= most || owner.live >= owner.max_connections;
                if full {
                    connections.totals.refused += 1;
                    log::debug!("{peer}: closed at once: the limit of connections is reached");
                    return true;
                }
                let info = ConnInfo {
                    owner: listener.owner,
                    peer,
                    loopback: listener.loopback,
                    tls: owner.tls.is_some(),
                };
                if let Err(error) = connections.insert(socket, info, &listener.conf, registry) {
                    log::warn!(
                        "{peer}: closed at once: the system does not watch the socket: {error}"
                    );
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
                        self.retry_at = Some(connections.shared.now.after(ACCEPT_AGAIN));
                    }
                    // The connection or its network is gone already: accept(2) says to go on.
                    _ => return true,
                }
                false
            }
        }
    }
}
