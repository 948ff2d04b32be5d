//! A running server: how it answers requests, and what it does with messages.

use std::io;
use std::rc::Rc;

use crate::config::{self, Messages, Origins};
use crate::conn::event::{CloseReason, ConnId, Event};
use crate::engine::{Ops, RateLimit};
use crate::manager::content::{Content, respond_error};
use crate::manager::context::Context;
use crate::manager::source::SourceInfo;
use crate::manager::subscribers::ConnectionFacts;
use crate::manager::trigger::rules::Rules;
use crate::manager::trigger::{self, RequestLogin};
use crate::proto::helper::Answer;
use crate::proto::http::head::RequestHead;
use crate::proto::ws::frame::Kind;
use crate::proto::ws::handshake;
use crate::rpc::EventKind;

use super::authenticate::{Authenticator, Decision};
use super::origin_check::{self, Denied};
use super::pending_logins::{Login, Logins, PendingLogin};

/// One running server.
#[derive(Debug)]
pub(super) struct Server {
    source: Rc<SourceInfo>,
    messages: Messages,
    subprotocols: Vec<String>,
    origins: Origins,
    content: Content,
    authenticator: Option<Authenticator>,
    /// Limits the warnings about requests that the Origin and Host rules refuse.
    denials: RateLimit,
    rules: Rules,
}

impl Server {
    /// Opens the content of a server. Its triggers are set later.
    ///
    /// # Errors
    /// When its folder cannot be opened.
    pub(super) fn open(conf: &config::Server) -> io::Result<Server> {
        Ok(Server {
            source: Rc::new(SourceInfo {
                id: Rc::from(conf.id.as_str()),
                name: conf.name.clone(),
                auth_scheme: Authenticator::only_scheme(conf),
                max_message: conf.limits.connection.max_message,
            }),
            messages: conf.messages,
            subprotocols: conf.subprotocols.clone(),
            origins: conf.origins.clone(),
            content: Content::open(&conf.http)?,
            authenticator: Authenticator::of(conf),
            denials: RateLimit::default(),
            rules: Rules::default(),
        })
    }

    pub(super) fn source(&self) -> &Rc<SourceInfo> {
        &self.source
    }

    /// Sets the triggers that its events may fire.
    pub(super) fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Takes over the content that another one has opened.
    pub(super) fn take_content(&mut self, other: Server) {
        self.content = other.content;
    }

    /// The content that it serves to requests that are no upgrades.
    pub(super) fn content(&mut self) -> &mut Content {
        &mut self.content
    }

    #[inline(always)]
    pub(super) fn on_message(
        &mut self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        kind: Kind,
        data: &[u8],
    ) {
        let watched = self.rules.on_messages() || context.subscribers.has_subscribers();
        if watched && self.on_watched_message(context, ops, id, kind, data) {
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

    /// A message that triggers or subscribers may want. True: a trigger has taken it.
    #[inline(never)]
    fn on_watched_message(
        &mut self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        kind: Kind,
        data: &[u8],
    ) -> bool {
        let source = &self.source;
        let Context {
            subscribers,
            triggers,
            ..
        } = context;
        if subscribers.wants(EventKind::Message, Some(&source.id)) {
            subscribers.publish_message(&source.id, ops, id, kind, data);
        }
        self.rules.on_messages() && triggers.on_message(&self.rules, source, ops, id, kind, data)
    }

    /// Acts on an event that is no message.
    pub(super) fn on_event(
        &mut self,
        logins: &mut Logins,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        event: &Event<'_>,
    ) {
        match event {
            Event::Request(head) => self.on_request(logins, context, ops, id, head),
            Event::Closed(reason) => self.on_closed(context, ops, id, reason),
            Event::Body(piece) => context.triggers.on_body(ops, id, Some(piece)),
            Event::BodyEnd => context.triggers.on_body(ops, id, None),
            _ => {}
        }
    }

    fn on_closed(
        &self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        reason: &CloseReason<'_>,
    ) {
        let source = &self.source;
        log::debug!("{id}: {}: {}: {reason}", ops.peer(), source.id);
        let (facts, why) = (ConnectionFacts::of(ops, id), reason.to_string());
        context
            .subscribers
            .publish(EventKind::Disconnect, Some(&source.id), |event| {
                facts.fill(event);
                event.code = Some(reason.code());
                event.reason = Some(&why);
            });
        context
            .triggers
            .on_disconnect(&self.rules, source, ops, id, reason);
    }

    fn on_request(
        &mut self,
        logins: &mut Logins,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        head: &RequestHead<'_>,
    ) {
        // Before any password is checked: a page of another site must not be able to guess passwords.
        if handshake::wants_upgrade(head)
            && let Err(denied) = origin_check::check(&self.origins, head, ops.is_loopback())
        {
            return self.deny(ops, id, &denied);
        }
        let entry = match &mut self.authenticator {
            None => Login::default(),
            Some(authenticator) => match authenticator.authenticate(ops, head, logins) {
                Decision::Allowed(entry) => entry,
                Decision::Refused | Decision::Pending => return,
            },
        };
        self.enter(context, ops, id, head, &entry);
    }

    /// The helper has checked the login of a request: continues it. `head` is its head, read again.
    pub(super) fn on_checked(
        &mut self,
        logins: &mut Logins,
        context: &mut Context,
        ops: &mut Ops<'_>,
        head: &RequestHead<'_>,
        pending: PendingLogin,
        answer: &Answer,
    ) {
        let id = ops.exchange().conn;
        if !logins.is_current(&pending) {
            // The users have changed since: check it again.
            return self.on_request(logins, context, ops, id, head);
        }
        let entry = match &mut self.authenticator {
            Some(authenticator) => authenticator.settle(ops, pending, answer, logins),
            None => Some(Login::default()),
        };
        if let Some(entry) = entry {
            self.enter(context, ops, id, head, &entry);
        }
    }

    /// Acts on a request that is allowed.
    fn enter(
        &mut self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        head: &RequestHead<'_>,
        entry: &Login,
    ) {
        if self.authenticator.is_some() {
            ops.set_user(entry.user.clone());
        }
        if handshake::wants_upgrade(head) {
            self.upgrade(context, ops, id, head);
        } else if !(self.rules.on_requests() && self.trigger(context, ops, id, head, entry)) {
            self.content.answer(ops, head, entry.prefix(head));
        }
    }

    /// Passes a request to its trigger. True: there is one, and it answers later, or the request was refused.
    fn trigger(
        &mut self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        head: &RequestHead<'_>,
        entry: &Login,
    ) -> bool {
        let login = RequestLogin {
            auth_scheme: entry.auth_scheme,
            prefix: entry.prefix(head),
        };
        let files = || self.content.send_root();
        match trigger::find_trigger(&self.rules, &self.source, files, ops, head, &login) {
            Ok(None) => return false,
            Ok(Some(fired)) => {
                match origin_check::check_trigger(&self.origins, head, ops.is_loopback()) {
                    Ok(()) => context.triggers.on_request(fired, ops),
                    Err(denied) => self.deny(ops, id, &denied),
                }
            }
            Err(status) => respond_error(ops, status, &[]),
        }
        true
    }

    fn deny(&mut self, ops: &mut Ops<'_>, id: ConnId, denied: &Denied<'_>) {
        self.denials.warn(format_args!(
            "{id}: {}: {}: {denied}",
            ops.peer(),
            self.source.id
        ));
        respond_error(ops, 403, &[]);
    }

    fn upgrade(
        &self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        head: &RequestHead<'_>,
    ) {
        let source = &self.source;
        let offer = match handshake::read_request(head) {
            Ok(offer) => offer,
            Err(refused) => {
                log::debug!("{id}: {}: no upgrade: {refused}", source.id);
                let fields = refused.fields().iter();
                let fields: Vec<_> = fields
                    .map(|(name, value)| (*name, value.as_bytes()))
                    .collect();
                return respond_error(ops, refused.status(), &fields);
            }
        };
        // RFC 6455 §4.2.2: the client lists its protocols in the order of its preference.
        let protocol = offer
            .protocols()
            .find(|&offered| self.subprotocols.iter().any(|known| known == offered));
        if ops.upgrade(&offer, protocol) {
            log::debug!("{id}: {}: {}: WebSocket open", ops.peer(), source.id);
            let facts = ConnectionFacts::of(ops, id);
            context
                .subscribers
                .publish(EventKind::Connect, Some(&source.id), |event| {
                    facts.fill(event);
                });
            context.triggers.on_connect(&self.rules, source, ops, id);
        }
    }
}
