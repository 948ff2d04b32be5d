//! What a trigger acts on, kept for after the event.

use std::rc::Rc;

use zeroize::Zeroizing;

use crate::conn::event::{ConnId, ExchangeId};
use crate::engine::{Account, Charge, Ops, Peer};
use crate::manager::content::SendRoot;
use crate::manager::source::SourceInfo;
use crate::proto::ws::frame::Kind;

use super::rules::Rule;

/// Something that happened, and the rule that acts on it.
#[derive(Debug)]
pub(in crate::manager) struct TriggerEvent {
    pub rule: Rc<Rule>,
    pub origin: Origin,
    pub what: What,
    /// The memory that it takes.
    pub charge: Charge,
}

impl TriggerEvent {
    /// What an event takes beside its message, roughly.
    const OVERHEAD: usize = 256;

    /// An event, whose memory is charged to its rule.
    pub(super) fn new(rule: &Rc<Rule>, origin: Origin, what: What) -> TriggerEvent {
        TriggerEvent {
            charge: rule.memory.charge(TriggerEvent::size(what.held())),
            rule: Rc::clone(rule),
            origin,
            what,
        }
    }

    /// From now on its memory is charged to this account.
    pub(super) fn charge_to(&mut self, memory: &Account) {
        self.charge = memory.charge(TriggerEvent::size(self.what.held()));
    }

    /// The bytes of one that holds so many.
    pub(super) fn size(held: usize) -> usize {
        TriggerEvent::OVERHEAD + held
    }

    /// The request, if it is one.
    pub(in crate::manager) fn request(&self) -> Option<&HttpRequest> {
        match &self.what {
            What::Request(request) => Some(request),
            _ => None,
        }
    }
}

/// Where an event came from.
#[derive(Clone, Debug)]
pub(in crate::manager) struct Origin {
    pub source: Rc<SourceInfo>,
    pub conn: ConnId,
    pub peer: Peer,
    pub user: Option<Rc<String>>,
    /// How the user proved who it is, where that is known: `Basic` or `URL`.
    pub auth_scheme: Option<&'static str>,
    pub tls: bool,
}

impl Origin {
    pub(super) fn new(ops: &Ops<'_>, id: ConnId, source: &Rc<SourceInfo>) -> Origin {
        Origin {
            source: Rc::clone(source),
            conn: id,
            peer: ops.peer(),
            user: ops.user().cloned(),
            auth_scheme: source.auth_scheme,
            tls: ops.is_tls(),
        }
    }
}

/// What happened.
#[derive(Debug)]
pub(in crate::manager) enum What {
    Connect,
    Message { kind: Kind, data: Vec<u8> },
    Disconnect { code: u16, reason: String },
    Request(Box<HttpRequest>),
}

impl What {
    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        match self {
            What::Connect => 0,
            What::Message { data, .. } => data.capacity(),
            What::Disconnect { reason, .. } => reason.capacity(),
            What::Request(request) => request.held(),
        }
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(in crate::manager) struct HttpRequest {
    pub exchange: ExchangeId,
    /// To be read again. It may hold credentials.
    pub head: Zeroizing<Vec<u8>>,
    /// Decoded, without the slash that it begins with, and without credentials.
    pub path: Vec<u8>,
    /// What was read of the body.
    pub body: Vec<u8>,
    /// More of it is to come.
    pub streams: bool,
    /// The files of its server.
    pub files: Option<SendRoot>,
}

impl HttpRequest {
    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.head.capacity() + self.body.capacity()
    }
}
