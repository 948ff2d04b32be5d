//! A server: what it answers to requests, and what it does with messages.

use std::io;
use std::rc::Rc;

use crate::config::{self, Messages, Origins};
use crate::conn::event::{CloseReason, ConnId, Event};
use crate::engine::{Ops, Warnings};
use crate::proto::helper::Answer;
use crate::proto::http::head::RequestHead;
use crate::proto::ws::frame::Kind;
use crate::proto::ws::handshake;

use super::access;
use super::desk::{Desk, Todo};
use super::fire;
use super::fired::Source;
use super::gate::{Decision, Gate};
use super::login::{Entry, Pending};
use super::pages::{Pages, respond_error};
use super::trigger::Rules;
use crate::rpc::event::Kind as EventKind;
use crate::rpc::{ConnectionName, Payload};

/// One running server.
#[derive(Debug)]
pub(super) struct Server {
    id: Rc<str>,
    messages: Messages,
    subprotocols: Vec<String>,
    origins: Origins,
    pub(super) pages: Pages,
    gate: Option<Gate>,
    /// What is logged of upgrades that the Origin and Host rules refuse.
    denials: Warnings,
    source: Source,
    rules: Rules,
}

impl Server {
    /// Opens what it serves.
    ///
    /// # Errors
    /// The folder's.
    pub(super) fn open(conf: &config::Server, rules: Rules) -> io::Result<Server> {
        let id: Rc<str> = Rc::from(conf.id.as_str());
        Ok(Server {
            source: Source {
                id: Rc::clone(&id),
                how: Gate::only_way(conf),
                max_message: conf.limits.max_message as usize,
            },
            rules,
            id,
            messages: conf.messages,
            subprotocols: conf.subprotocols.clone(),
            origins: conf.origins.clone(),
            pages: Pages::open(&conf.http)?,
            gate: Gate::of(conf),
            denials: Warnings::default(),
        })
    }

    /// The id that the configuration gives it.
    pub(super) fn id(&self) -> &Rc<str> {
        &self.id
    }

    /// From now on its events may fire these.
    pub(super) fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// From now on it serves what another has opened.
    pub(super) fn take_pages(&mut self, other: Server) {
        self.pages = other.pages;
    }

    /// Whether a user who has entered may stay.
    pub(super) fn admits(&self, user: Option<&str>) -> bool {
        match (&self.gate, user) {
            (None, _) => true,
            (Some(gate), Some(user)) => gate.knows(user),
            (Some(_), None) => false,
        }
    }

    #[inline(always)]
    pub(super) fn on_message(
        &mut self,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        id: ConnId,
        kind: Kind,
        data: &[u8],
    ) {
        let watched = self.rules.on_messages() || desk.bus.has_subscribers();
        if watched && self.on_watched_message(desk, ops, id, kind, data) {
            return;
        }
        match self.messages {
            Messages::None => {}
            Messages::Echo => {
                ops.reply(kind, data);
            }
            Messages::Broadcast => ops.broadcast(ops.owner(), Some(id), kind, data),
        }
    }

    /// A message of a server that has triggers or subscribers, maybe. Whether it is done with.
    #[inline(never)]
    fn on_watched_message(
        &mut self,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        id: ConnId,
        kind: Kind,
        data: &[u8],
    ) -> bool {
        if desk.bus.wants(EventKind::Message, Some(&self.id)) {
            self.publish_message(desk, ops, id, kind, data);
        }
        self.rules.on_messages()
            && fire::message(&self.rules, &self.source, desk, ops, id, kind, data)
    }

    fn publish_message(&self, desk: &mut Desk, ops: &Ops<'_>, id: ConnId, kind: Kind, data: &[u8]) {
        let peer = ops.peer().to_string();
        let payload = match (kind, str::from_utf8(data)) {
            (Kind::Text, Ok(text)) => Payload::Text(text),
            _ => Payload::Binary(data),
        };
        desk.bus
            .publish(EventKind::Message, Some(&self.id), |event| {
                event.connection = Some(ConnectionName(id.serial()));
                event.peer = Some(&peer);
                event.user = ops.user().map(|user| user.as_str());
                event.message = Some(payload);
            });
    }

    /// Everything but messages.
    #[inline(never)]
    pub(super) fn on_other(
        &mut self,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        id: ConnId,
        event: &Event<'_>,
    ) {
        match event {
            Event::Request(head) => self.on_request(desk, ops, id, head),
            Event::Closed(reason) => self.on_closed(desk, ops, id, reason),
            Event::Body(piece) => fire::body(desk, ops, id, Some(piece)),
            Event::BodyEnd => fire::body(desk, ops, id, None),
            _ => {}
        }
    }

    fn on_closed(&self, desk: &mut Desk, ops: &mut Ops<'_>, id: ConnId, reason: &CloseReason<'_>) {
        log::debug!("{id}: {}: {}: {reason}", ops.peer(), self.id);
        let (peer, why) = (ops.peer().to_string(), reason.to_string());
        desk.bus
            .publish(EventKind::Disconnect, Some(&self.id), |event| {
                event.connection = Some(ConnectionName(id.serial()));
                event.peer = Some(&peer);
                event.user = ops.user().map(|user| user.as_str());
                event.code = Some(reason.code());
                event.reason = Some(&why);
            });
        fire::disconnect(&self.rules, &self.source, desk, ops, id, reason);
    }

    fn on_request(
        &mut self,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        id: ConnId,
        head: &RequestHead<'_>,
    ) {
        // Before any password is looked at: a foreign page must not be able to try some.
        if handshake::wants_upgrade(head) && !self.is_own_page(ops, id, head) {
            return;
        }
        let Some(gate) = &mut self.gate else {
            return self.enter(desk, ops, id, head, &Entry::default());
        };
        match gate.decide(ops, head, &mut desk.login) {
            Decision::Enter(entry) => self.enter(desk, ops, id, head, &entry),
            Decision::Refused => {}
            Decision::Ask(mut pending) => {
                pending.exchange = Some(ops.defer(true));
                desk.todo.push_back(Todo::Ask(pending));
            }
        }
    }

    /// The helper has answered for a request that waited; its head is read again.
    pub(super) fn on_checked(
        &mut self,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        head: &RequestHead<'_>,
        pending: Pending,
        answer: &Answer,
    ) {
        let id = ops.exchange().conn;
        if !desk.login.is_current(&pending) {
            // The answer is about users that were; those that are decide anew.
            return self.on_request(desk, ops, id, head);
        }
        match &mut self.gate {
            Some(gate) => {
                if let Some(entry) = gate.settle(ops, pending, answer, &mut desk.login) {
                    self.enter(desk, ops, id, head, &entry);
                }
            }
            // Nothing is asked any more.
            None => self.enter(desk, ops, id, head, &Entry::default()),
        }
    }

    /// A request that may enter.
    fn enter(
        &mut self,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        id: ConnId,
        head: &RequestHead<'_>,
        entry: &Entry,
    ) {
        if self.gate.is_some() {
            ops.set_user(entry.user.clone());
        }
        if handshake::wants_upgrade(head) {
            self.upgrade(desk, ops, id, head);
        } else if self.rules.on_requests() && self.fire(desk, ops, id, head, entry) {
            // Its answer comes later, or was an error.
        } else if let Some(visit) = self.pages.answer(ops, head, entry.prefix(head)) {
            desk.todo.push_back(Todo::Visit(ops.defer(false), visit));
        }
    }

    /// Whether a request is a trigger's, which acts on it.
    fn fire(
        &mut self,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        id: ConnId,
        head: &RequestHead<'_>,
        entry: &Entry,
    ) -> bool {
        let source = Source {
            how: entry.how.or(self.source.how),
            ..self.source.clone()
        };
        let files = || self.pages.send_root();
        match fire::aim(&self.rules, &source, files, ops, head, entry.prefix(head)) {
            Ok(None) => return false,
            Ok(Some(aim)) => {
                let denied = access::check_trigger(&self.origins, head, ops.is_loopback());
                match denied {
                    Ok(()) => fire::request(aim, desk, ops),
                    Err(denied) => self.deny(ops, id, &denied),
                }
            }
            Err(status) => respond_error(ops, status, &[]),
        }
        true
    }

    fn deny(&mut self, ops: &mut Ops<'_>, id: ConnId, denied: &access::Denied<'_>) {
        self.denials
            .warn(format_args!("{id}: {}: {}: {denied}", ops.peer(), self.id));
        respond_error(ops, 403, &[]);
    }

    /// The Origin and Host rules; a request that breaks them has been answered.
    fn is_own_page(&mut self, ops: &mut Ops<'_>, id: ConnId, head: &RequestHead<'_>) -> bool {
        let denied = access::check(&self.origins, head, ops.is_loopback());
        if let Err(denied) = &denied {
            self.deny(ops, id, denied);
        }
        denied.is_ok()
    }

    fn upgrade(&self, desk: &mut Desk, ops: &mut Ops<'_>, id: ConnId, head: &RequestHead<'_>) {
        let offer = match handshake::read_request(head) {
            Ok(offer) => offer,
            Err(refused) => {
                log::debug!("{id}: {}: no upgrade: {refused}", self.id);
                let fields = refused.fields().iter();
                let fields: Vec<_> = fields
                    .map(|(name, value)| (*name, value.as_bytes()))
                    .collect();
                respond_error(ops, refused.status(), &fields);
                return;
            }
        };
        // The first of the client's that is listed: its preference counts (RFC 6455 §4.2.2).
        let protocol = offer
            .protocols()
            .find(|&offered| self.subprotocols.iter().any(|known| known == offered));
        if ops.upgrade(&offer, protocol) {
            log::debug!("{id}: {}: {}: WebSocket open", ops.peer(), self.id);
            let peer = ops.peer().to_string();
            desk.bus
                .publish(EventKind::Connect, Some(&self.id), |event| {
                    event.connection = Some(ConnectionName(id.serial()));
                    event.peer = Some(&peer);
                    event.user = ops.user().map(|user| user.as_str());
                });
            fire::connect(&self.rules, &self.source, desk, ops, id);
        }
    }
}
