//! All clients: by the place that events name, by their ids, and in the order of the file.

use std::sync::Arc;

use rustls::ClientConfig;
use slab::Slab;

use crate::config::{self, Id};
use crate::conn::deadline::Tick;
use crate::conn::event::{ConnId, Event};
use crate::engine::{DialId, Ops, OwnerId};

use super::client::Client;
use super::desk::Desk;
use super::standing::Phase;
use crate::rpc::{ClientStatus, Reloaded};

/// A definition of a client, and what it speaks TLS by, if it does.
pub type Defined = (config::Client, Option<Arc<ClientConfig>>);

/// A client is not connected, and keeps nothing for when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotConnected;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Clients {
    list: Slab<Client>,
    /// Places in the list, in the order of the file.
    order: Vec<usize>,
    /// No later than the earliest of theirs.
    deadline: Option<Tick>,
    /// Names that were asked for so far.
    asked: u64,
}

impl Clients {
    /// A client more, behind the others; its place.
    pub(super) fn insert(&mut self, (conf, tls): Defined, owner: OwnerId, now: Tick) -> usize {
        let at = self.list.insert(Client::new(conf, tls, owner, now));
        self.order.push(at);
        self.note(at);
        at
    }

    /// A client is gone; the number by which the engine knew it.
    pub(super) fn remove(&mut self, at: usize) -> Option<OwnerId> {
        self.order.retain(|it| *it != at);
        self.list.try_remove(at).map(|client| client.owner)
    }

    pub(super) fn get(&self, at: usize) -> Option<&Client> {
        self.list.get(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Client> {
        self.list.get_mut(at)
    }

    /// The place of the client of that id.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let is_it = |at: &usize| {
            let client = self.list.get(*at);
            client.is_some_and(|client| !client.leaving && client.id.eq_ignore_ascii_case(id))
        };
        self.order.iter().copied().find(is_it)
    }

    /// The places of those that stay, in the order of the file.
    pub(super) fn places(&self) -> Vec<usize> {
        let stays = |at: &usize| self.list.get(*at).is_some_and(|client| !client.leaving);
        self.order.iter().copied().filter(stays).collect()
    }

    /// How each of them is connected, in the order of the file.
    pub(super) fn status(&self) -> Vec<ClientStatus> {
        let clients = self.order.iter().filter_map(|at| self.list.get(*at));
        clients
            .filter(|client| !client.leaving)
            .map(Client::status)
            .collect()
    }

    /// The id of the client that the engine knows by this number.
    pub(super) fn id_of(&self, owner: OwnerId) -> Option<&str> {
        let mut clients = self.list.iter();
        let found = clients.find(|(_, client)| client.owner == owner);
        found.map(|(_, client)| &*client.id)
    }

    /// What would become of them if these were the definitions.
    pub(super) fn compare(&self, defined: &[config::Client]) -> Reloaded {
        let mut told = Reloaded::default();
        for conf in defined {
            let known = self.find(conf.id.as_str()).and_then(|at| self.get(at));
            let list = match known {
                None => &mut told.started,
                Some(client) if *client.conf == *conf => &mut told.kept,
                Some(_) => &mut told.changed,
            };
            list.push(format!("client {}", conf.id));
        }
        for client in self.places().into_iter().filter_map(|at| self.get(at)) {
            if !defined.iter().any(|conf| is_of(client, &conf.id)) {
                told.stopped.push(format!("client {}", client.id));
            }
        }
        told
    }

    /// The places of those that these definitions leave out.
    pub(super) fn left_out(&self, defined: &[Id]) -> Vec<usize> {
        let is_left_out = |at: &usize| {
            let client = self.get(*at);
            client.is_some_and(|client| !defined.iter().any(|id| is_of(client, id)))
        };
        self.places().into_iter().filter(is_left_out).collect()
    }

    /// They are in this order from now on; those that are not named come after.
    pub(super) fn sort(&mut self, order: &[Id]) {
        let list = &self.list;
        let place = |at: &usize| {
            let client = list.get(*at)?;
            order.iter().position(|id| is_of(client, id))
        };
        self.order.sort_by_key(|at| place(at).unwrap_or(usize::MAX));
    }

    /// A number that no name has been asked for by.
    pub(super) fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// Whose host was asked for by this number.
    pub(super) fn resolving(&self, number: u64) -> Option<usize> {
        self.in_phase(Phase::Resolving(number))
    }

    /// Whose connect this is.
    pub(super) fn dialling(&self, dial: DialId) -> Option<usize> {
        self.in_phase(Phase::Dialling(dial))
    }

    fn in_phase(&self, phase: Phase) -> Option<usize> {
        let mut clients = self.list.iter();
        let found = clients.find(|(_, client)| client.phase() == phase);
        found.map(|(at, _)| at)
    }

    /// When something of any of them is due.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.deadline
    }

    #[inline]
    pub(super) fn is_due(&self, now: Tick) -> bool {
        self.deadline.is_some_and(|deadline| deadline.is_due(now))
    }

    /// The deadline of this client may have changed.
    pub(super) fn note(&mut self, at: usize) {
        let deadline = self.list.get(at).and_then(Client::deadline);
        self.deadline = match (self.deadline, deadline) {
            (Some(a), Some(b)) => Some(a.earlier(b)),
            (one, other) => one.or(other),
        };
    }

    /// The places of those of whom something is due. From then on the deadline is that of the others, until each of these
    /// is noted.
    pub(super) fn take_due(&mut self, now: Tick) -> Vec<usize> {
        let is_due = |client: &Client| client.deadline().is_some_and(|due| due.is_due(now));
        let (due, others): (Vec<_>, Vec<_>) =
            self.list.iter().partition(|(_, client)| is_due(client));
        let others = others.iter().filter_map(|(_, client)| client.deadline());
        self.deadline = others.reduce(Tick::earlier);
        due.into_iter().map(|(at, _)| at).collect()
    }

    /// An event of the connection of the client at this place.
    #[inline(never)]
    pub(super) fn on_event(
        &mut self,
        at: usize,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        id: ConnId,
        event: Event<'_>,
    ) {
        // Its place may be another's by now, who has another number.
        let client = self.list.get_mut(at);
        let Some(client) = client.filter(|client| client.owner == ops.owner()) else {
            return;
        };
        match event {
            Event::Message { kind, data } => client.on_message(desk, ops, id, kind, data),
            other => {
                client.on_other(desk, ops, id, &other);
                self.note(at);
            }
        }
    }
}

fn is_of(client: &Client, id: &Id) -> bool {
    client.id.eq_ignore_ascii_case(id.as_str())
}
