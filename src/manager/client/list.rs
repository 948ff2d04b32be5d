//! The list of clients: by place, by id, and in the order of the file, with the earliest of their deadlines.

use slab::Slab;

use crate::config::{self, Id};
use crate::conn::deadline::Tick;
use crate::engine::{DialId, OwnerId};
use crate::rpc::Reloaded;

use super::machine::Client;
use super::state::Phase;

/// The clients. The place of a client never changes.
#[derive(Debug, Default)]
pub(super) struct ClientList {
    clients: Slab<Client>,
    /// Places, in the order of the file.
    order: Vec<usize>,
    /// No later than the earliest deadline of a client.
    deadline: Option<Tick>,
}

impl ClientList {
    /// Adds a client behind the others. Returns its place.
    pub(super) fn insert(&mut self, client: Client) -> usize {
        let at = self.clients.insert(client);
        self.order.push(at);
        self.note_deadline(at);
        at
    }

    /// Removes a client. Returns the number by which the engine knows it.
    pub(super) fn remove(&mut self, at: usize) -> Option<OwnerId> {
        self.order.retain(|it| *it != at);
        self.clients.try_remove(at).map(|client| client.owner)
    }

    pub(super) fn get(&self, at: usize) -> Option<&Client> {
        self.clients.get(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Client> {
        self.clients.get_mut(at)
    }

    /// The clients that are still defined, with their places, in the order of the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Client)> {
        let clients = self.order.iter();
        clients
            .filter_map(|at| Some((*at, self.clients.get(*at)?)))
            .filter(|(_, client)| !client.leaving)
    }

    /// The places of the clients that are still defined, in the order of the file.
    pub(super) fn places(&self) -> Vec<usize> {
        self.iter().map(|(at, _)| at).collect()
    }

    /// The place of the client of that id, in any case of letters.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let mut clients = self.iter();
        let found = clients.find(|(_, client)| client.source.id.eq_ignore_ascii_case(id));
        found.map(|(at, _)| at)
    }

    /// The difference that these definitions would make.
    pub(super) fn compare(&self, defined: &[config::Client]) -> Reloaded {
        let mut difference = Reloaded::default();
        for conf in defined {
            let known = self.find(conf.id.as_str()).and_then(|at| self.get(at));
            let list = match known {
                None => &mut difference.started,
                Some(client) if *client.conf == *conf => &mut difference.kept,
                Some(_) => &mut difference.changed,
            };
            list.push(format!("client {}", conf.id));
        }
        for (_, client) in self.iter() {
            if !defined.iter().any(|conf| is_of(client, &conf.id)) {
                let id = &client.source.id;
                difference.stopped.push(format!("client {id}"));
            }
        }
        difference
    }

    /// The places of the clients whose ids are not among these.
    pub(super) fn left_out(&self, ids: &[Id]) -> Vec<usize> {
        self.iter()
            .filter(|(_, client)| !ids.iter().any(|id| is_of(client, id)))
            .map(|(at, _)| at)
            .collect()
    }

    /// Puts the clients into this order; those that are not named come last.
    pub(super) fn sort(&mut self, order: &[Id]) {
        let clients = &self.clients;
        let place = |at: &usize| {
            let client = clients.get(*at)?;
            order.iter().position(|id| is_of(client, id))
        };
        self.order.sort_by_key(|at| place(at).unwrap_or(usize::MAX));
    }

    /// The place of the client that waits for the look-up of this number.
    pub(super) fn resolving(&self, number: u64) -> Option<usize> {
        self.in_phase(Phase::Resolving(number))
    }

    /// The place of the client that connects by this dial.
    pub(super) fn dialling(&self, dial: DialId) -> Option<usize> {
        self.in_phase(Phase::Dialling(dial))
    }

    fn in_phase(&self, phase: Phase) -> Option<usize> {
        let mut clients = self.clients.iter();
        let found = clients.find(|(_, client)| client.phase() == phase);
        found.map(|(at, _)| at)
    }

    /// The earliest deadline of a client, or an earlier moment.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.deadline
    }

    /// The deadline of this client may have changed.
    pub(super) fn note_deadline(&mut self, at: usize) {
        let deadline = self.clients.get(at).and_then(Client::deadline);
        self.deadline = [self.deadline, deadline]
            .into_iter()
            .flatten()
            .reduce(Tick::earlier);
    }

    /// The places of the clients whose deadline has come. The caller acts on each and then calls
    /// [`ClientList::note_deadline`]; until then only the deadlines of the others count.
    pub(super) fn take_due(&mut self, now: Tick) -> Vec<usize> {
        let is_due = |client: &Client| client.deadline().is_some_and(|due| due.is_due(now));
        let (due, others): (Vec<_>, Vec<_>) =
            self.clients.iter().partition(|(_, client)| is_due(client));
        let others = others.iter().filter_map(|(_, client)| client.deadline());
        self.deadline = others.reduce(Tick::earlier);
        due.into_iter().map(|(at, _)| at).collect()
    }
}

fn is_of(client: &Client, id: &Id) -> bool {
    client.source.id.eq_ignore_ascii_case(id.as_str())
}
