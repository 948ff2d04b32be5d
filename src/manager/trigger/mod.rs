//! Triggers: finds those that an event fires. What can be done at once is done here; what needs the whole engine is
//! queued, and done after the turn.

pub(super) mod matching;
mod request_body;
pub(super) mod rules;
pub(super) mod trigger_event;

use std::collections::VecDeque;
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::config::{Action, Id, Mode};
use crate::conn::event::{CloseReason, ConnId, ExchangeId};
use crate::engine::{Account, Charge, Ops, RateLimit};
use crate::proto::http::form;
use crate::proto::http::head::{BodyLength, RequestHead};
use crate::proto::http::path;
use crate::proto::ws::frame::Kind;

use super::content::{SendRoot, path_of};
use super::source::SourceInfo;

use request_body::{MAX_FORM, Received, RequestBodies};
use rules::{Fires, Rules};
use trigger_event::{HttpRequest, Origin, TriggerEvent, What};

pub(super) use request_body::BodyPiece;

/// Input and output of all scripts may use this fraction of `max_memory`, and so may the bodies of requests that are on
/// their way to them: a quarter each.
const SHARE: usize = 4;

/// Work that needs the whole engine, and is done after the turn.
#[derive(Debug)]
pub(super) enum Deferred {
    /// A trigger has to run something, or to hold a request.
    Run(Box<TriggerEvent>),
    /// A message goes to a client's peer, or to every connection of a server.
    Forward(Forward),
    /// Received parts of a body go to the script that waits for them.
    Body(ConnId),
    /// A request is given up: there is too little memory for its body.
    GiveUp(ExchangeId),
    /// A connection has ended that processes may belong to.
    Closed(ConnId),
}

/// A message on its way to the peer of a client, or to the connections of a server.
#[derive(Debug)]
pub(super) struct Forward {
    pub to: Id,
    pub kind: Kind,
    pub data: Vec<u8>,
    _charge: Charge,
}

/// A request that a trigger will act on.
pub(super) struct FiredRequest {
    event: Box<TriggerEvent>,
    /// How many bytes of the body are collected first; `None`: nothing.
    collects: Option<usize>,
}

/// The work that events have queued, and the bodies that triggers wait for.
#[derive(Debug)]
pub(super) struct Triggers {
    /// The account for input and output of all scripts.
    memory: Account,
    bodies: RequestBodies,
    deferred: VecDeque<Deferred>,
    /// Limits what is logged of requests that are given up.
    full: RateLimit,
}

impl Triggers {
    /// Without any work. `memory` is the account of the daemon.
    pub(super) fn new(memory: &Account) -> Triggers {
        let part = || memory.part(memory.max() / SHARE);
        Triggers {
            bodies: RequestBodies::new(part()),
            memory: part(),
            deferred: VecDeque::new(),
            full: RateLimit::default(),
        }
    }

    /// The account for input and output of all scripts.
    pub(super) fn memory(&self) -> &Account {
        &self.memory
    }

    /// Sets the limit of the whole daemon, in bytes.
    pub(super) fn set_max_memory(&self, max: usize) {
        self.memory.set_max(max / SHARE);
        self.bodies.memory().set_max(max / SHARE);
    }

    /// Takes the next work that needs the whole engine.
    pub(super) fn next(&mut self) -> Option<Deferred> {
        self.deferred.pop_front()
    }

    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.deferred.is_empty()
    }

    /// Takes what was received of a body since the last call.
    pub(super) fn take_body(&mut self, conn: ConnId) -> Option<BodyPiece> {
        self.bodies.take(conn)
    }

    /// Forgets the bodies of requests that are no longer to be answered.
    pub(super) fn retain_bodies(&mut self, awaits_answer: impl FnMut(ExchangeId) -> bool) {
        self.bodies.retain(awaits_answer);
    }

    /// Fires the triggers of a message. True: the source is not to act on it any further.
    pub(super) fn on_message(
        &mut self,
        rules: &Rules,
        source: &Rc<SourceInfo>,
        ops: &mut Ops<'_>,
        id: ConnId,
        kind: Kind,
        data: &[u8],
    ) -> bool {
        let fires = rules.message(data);
        self.act(&fires, source, ops, id, || What::Message {
            kind,
            data: data.to_vec(),
        });
        fires.done
    }

    /// Fires the triggers of a WebSocket that has opened.
    pub(super) fn on_connect(
        &mut self,
        rules: &Rules,
        source: &Rc<SourceInfo>,
        ops: &mut Ops<'_>,
        id: ConnId,
    ) {
        self.act(&rules.connect(), source, ops, id, || What::Connect);
    }

    /// Fires the triggers of a WebSocket that has ended.
    pub(super) fn on_disconnect(
        &mut self,
        rules: &Rules,
        source: &Rc<SourceInfo>,
        ops: &mut Ops<'_>,
        id: ConnId,
        reason: &CloseReason<'_>,
    ) {
        if rules.run_per_connection() {
            self.deferred.push_back(Deferred::Closed(id));
        }
        self.act(&rules.disconnect(), source, ops, id, || What::Disconnect {
            code: reason.code(),
            reason: match reason {
                // RFC 6455 §7.1.6: the reason of the Close frame.
                CloseReason::Peer(_, reason) => (*reason).to_owned(),
                other => other.to_string(),
            },
        });
    }

    fn act(
        &mut self,
        fires: &Fires<'_>,
        source: &Rc<SourceInfo>,
        ops: &mut Ops<'_>,
        id: ConnId,
        what: impl Fn() -> What,
    ) {
        for rule in &fires.rules {
            if let Action::Send(text) = &rule.conf.action {
                ops.reply(Kind::Text, text.as_bytes());
                continue;
            }
            let what = what();
            let size = TriggerEvent::size(what.held());
            if !rule.memory.has_room(size) {
                rule.dropped.set(rule.dropped.get() + 1);
                continue;
            }
            match (&rule.conf.action, what) {
                (Action::Forward(to), What::Message { kind, data }) => {
                    self.deferred.push_back(Deferred::Forward(Forward {
                        to: to.clone(),
                        kind,
                        data,
                        _charge: rule.memory.charge(size),
                    }));
                }
                (Action::Run(_), what) => {
                    let event = TriggerEvent::new(rule, Origin::new(ops, id, source), what);
                    self.deferred.push_back(Deferred::Run(Box::new(event)));
                }
                // The configuration allows `hold` for requests only, and `forward` for messages only.
                _ => {}
            }
        }
    }

    /// Defers a request that [`find_trigger`] has found a trigger for: it is answered later.
    pub(super) fn on_request(&mut self, fired: FiredRequest, ops: &mut Ops<'_>) {
        let FiredRequest { event, collects } = fired;
        let streams = event.request().is_some_and(|request| request.streams);
        let exchange = ops.defer(streams);
        if streams {
            self.bodies.stream(exchange);
        }
        match collects {
            Some(limit) => {
                // The body may have been held back while the login was checked.
                ops.hold_body(false);
                self.bodies.collect(event, limit);
                self.keep_to_memory();
            }
            None => self.deferred.push_back(Deferred::Run(event)),
        }
    }

    /// A piece of the body of a request, or its end.
    pub(super) fn on_body(&mut self, ops: &mut Ops<'_>, id: ConnId, piece: Option<&[u8]>) {
        let received = match piece {
            // The pieces of a body that is being discarded are empty.
            Some([]) => return,
            Some(data) => self.bodies.receive(id, data),
            None => self.bodies.end(id),
        };
        match received {
            Received::Kept | Received::Unwanted => {}
            Received::Ready(event) => {
                if piece.is_some() {
                    self.bodies.stream(ops.exchange());
                    ops.hold_body(true);
                }
                self.deferred.push_back(Deferred::Run(event));
            }
            Received::ForScript => self.deferred.push_back(Deferred::Body(id)),
        }
        self.keep_to_memory();
    }

    /// Gives up requests whose bodies have not come while there is too little memory for all of them.
    fn keep_to_memory(&mut self) {
        while let Some(exchange) = self.bodies.give_up_one() {
            self.full.warn(format_args!(
                "{}: its request is given up, for unfinished requests take a quarter of max_memory",
                exchange.conn
            ));
            self.deferred.push_back(Deferred::GiveUp(exchange));
        }
    }
}

/// How the user of a request has logged in, and the part of its path that holds credentials.
pub(super) struct RequestLogin<'e> {
    pub auth_scheme: Option<&'static str>,
    pub prefix: &'e str,
}

/// Finds the trigger that is to act on a request; `Err` is the status for a path that cannot be decoded.
pub(super) fn find_trigger(
    rules: &Rules,
    source: &Rc<SourceInfo>,
    files: impl FnOnce() -> Option<SendRoot>,
    ops: &Ops<'_>,
    head: &RequestHead<'_>,
    login: &RequestLogin<'_>,
) -> Result<Option<FiredRequest>, u16> {
    let Some(whole) = path_of(head) else {
        return Ok(None);
    };
    let path = whole.strip_prefix(login.prefix).unwrap_or(whole);
    let path = path::decode(path).map_err(path::Error::status)?;
    let Some(rule) = rules.request(head.method().as_str(), &path) else {
        return Ok(None);
    };
    let length = head.body_length();
    let content_type = head.field("Content-Type").unwrap_or_default();
    let is_form = match length {
        BodyLength::Length(bytes) => bytes <= MAX_FORM as u64,
        BodyLength::Chunked => true,
        BodyLength::Empty => false,
    } && form::FormKind::of(content_type).is_some();
    let has_body = length != BodyLength::Empty;
    let collects = match rule.mode() {
        _ if !has_body => None,
        Some(Mode::Once) => is_form.then_some(MAX_FORM),
        _ => Some(usize::MAX),
    };
    let exchange = ops.exchange();
    let request = HttpRequest {
        exchange,
        head: Zeroizing::new(head.bytes().to_vec()),
        path,
        body: Vec::new(),
        streams: has_body && collects.is_none(),
        files: rule.files.clone().or_else(files),
    };
    let mut origin = Origin::new(ops, exchange.conn, source);
    origin.auth_scheme = login.auth_scheme.or(origin.auth_scheme);
    let event = TriggerEvent::new(rule, origin, What::Request(Box::new(request)));
    Ok(Some(FiredRequest {
        event: Box::new(event),
        collects,
    }))
}
