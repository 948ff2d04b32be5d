//! An event that a trigger acts on after the turn, with everything that it needs by then.

use std::rc::Rc;

use zeroize::Zeroizing;

use crate::conn::event::{ConnId, ExchangeId};
use crate::engine::{Account, Charge, Ops, Peer};
use crate::manager::content::SendRoot;
use crate::manager::source::SourceInfo;
use crate::proto::ws::frame::Kind;

use super::rules::Rule;

/// An event, and the rule that acts on it.
#[derive(Debug)]
pub(in crate::manager) struct TriggerEvent {
    pub rule: Rc<Rule>,
    pub origin: Origin,
    pub what: What,
    /// Its memory, charged to the rule.
    pub charge: Charge,
}

impl TriggerEvent {
    /// Bytes that an event takes without its data, roughly.
    const OVERHEAD: usize = 256;

    /// An event; its memory is charged to the rule.
    pub(super) fn new(rule: &Rc<Rule>, origin: Origin, what: What) -> TriggerEvent {
        TriggerEvent {
            charge: rule.memory.charge(TriggerEvent::size(what.held())),
            rule: Rc::clone(rule),
            origin,
            what,
        }
    }

    /// Charges its memory to this account from now on.
    pub(super) fn charge_to(&mut self, memory: &Account) {
        self.charge = memory.charge(TriggerEvent::size(self.what.held()));
    }

    /// The memory in bytes of an event with `held` bytes of data.
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
    /// How the user has logged in, where that is known: `Basic` or `URL`.
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
    /// Its head, which is read again later. It may hold credentials.
    pub head: Zeroizing<Vec<u8>>,
    /// Its path, decoded, without the first slash and without credentials.
    pub path: Vec<u8>,
    /// The collected part of its body.
    pub body: Vec<u8>,
    /// The rest of the body is streamed.
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
