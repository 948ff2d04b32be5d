//! Events meet triggers: what can be done at once is done here, and what needs the whole engine is kept for after the
//! turn.

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

/// The share of the daemon's memory for all that waits for scripts, or was collected from them, and the share for bodies
/// of requests that are on their way to them: a quarter each.
const SHARE: usize = 4;

/// Something that needs the whole engine, and is done after the turn.
#[derive(Debug)]
pub(super) enum Deferred {
    /// A trigger has to run something, or to hold a request.
    Run(Box<TriggerEvent>),
    /// A message goes to a client's peer, or to every connection of a server.
    Forward(Forward),
    /// What has come of a body goes to the script that waits for it.
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
pub(super) struct Aim {
    event: Box<TriggerEvent>,
    /// How much of the body is collected first; `None`: nothing.
    collects: Option<usize>,
}

/// What events have left for triggers to do.
#[derive(Debug)]
pub(super) struct Triggers {
    /// The account of all that waits for scripts.
    memory: Account,
    bodies: RequestBodies,
    deferred: VecDeque<Deferred>,
    /// Limits what is logged of requests that are given up.
    full: RateLimit,
}

impl Triggers {
    /// Nothing is left to do. `memory` is the account of the daemon.
    pub(super) fn new(memory: &Account) -> Triggers {
        let part = || memory.part(memory.max() / SHARE);
        Triggers {
            bodies: RequestBodies::new(part()),
            memory: part(),
            deferred: VecDeque::new(),
            full: RateLimit::default(),
        }
    }

    /// The account of all that waits for scripts.
    pub(super) fn memory(&self) -> &Account {
        &self.memory
    }

    /// From now on the daemon may use so many bytes.
    pub(super) fn set_max_memory(&self, max: usize) {
        self.memory.set_max(max / SHARE);
        self.bodies.memory().set_max(max / SHARE);
    }

    /// What is to be done next with the engine at hand.
    pub(super) fn next(&mut self) -> Option<Deferred> {
        self.deferred.pop_front()
    }

    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.deferred.is_empty()
    }

    /// What has come of a body since the last time.
    pub(super) fn take_body(&mut self, conn: ConnId) -> Option<BodyPiece> {
        self.bodies.take(conn)
    }

    /// Forgets the bodies of requests that nobody answers any more.
    pub(super) fn retain_bodies(&mut self, awaits_answer: impl FnMut(ExchangeId) -> bool) {
        self.bodies.retain(awaits_answer);
    }

    /// A message has come. True: a trigger has taken it.
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

    /// A WebSocket has opened.
    pub(super) fn on_connect(
        &mut self,
        rules: &Rules,
        source: &Rc<SourceInfo>,
        ops: &mut Ops<'_>,
        id: ConnId,
    ) {
        self.act(&rules.connect(), source, ops, id, || What::Connect);
    }

    /// A WebSocket has ended.
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
                // `hold` is for requests and `forward` for messages only, says the configuration.
                _ => {}
            }
        }
    }

    /// A request that [`aim`] has found a trigger for: its answer comes later.
    pub(super) fn on_request(&mut self, aim: Aim, ops: &mut Ops<'_>) {
        let Aim { event, collects } = aim;
        let streams = event.request().is_some_and(|request| request.streams);
        let exchange = ops.defer(streams);
        if streams {
            self.bodies.stream(exchange);
        }
        match collects {
            Some(limit) => {
                // It may have been held back until the login was checked.
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
            // Pieces of a body that is not wanted any more are empty.
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

/// How a request came in: its user's way to prove who it is, and the part of its path that holds credentials.
pub(super) struct Entrance<'e> {
    pub auth_scheme: Option<&'static str>,
    pub prefix: &'e str,
}

/// The trigger that will act on a request, if there is one; `Err` is the status for a path that cannot be decoded.
pub(super) fn aim(
    rules: &Rules,
    source: &Rc<SourceInfo>,
    files: impl FnOnce() -> Option<SendRoot>,
    ops: &Ops<'_>,
    head: &RequestHead<'_>,
    entrance: &Entrance<'_>,
) -> Result<Option<Aim>, u16> {
    let Some(whole) = path_of(head) else {
        return Ok(None);
    };
    let path = whole.strip_prefix(entrance.prefix).unwrap_or(whole);
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
    origin.auth_scheme = entrance.auth_scheme.or(origin.auth_scheme);
    let event = TriggerEvent::new(rule, origin, What::Request(Box::new(request)));
    Ok(Some(Aim {
        event: Box::new(event),
        collects,
    }))
}
