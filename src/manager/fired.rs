//! What a trigger acts on, kept for after the event.

use std::rc::Rc;

use zeroize::Zeroizing;

use crate::conn::event::{ConnId, ExchangeId};
use crate::engine::{Ops, Peer};
use crate::proto::ws::frame::Kind;

use super::trigger::{Rule, SendRoot};

/// Something that happened and has fired a rule.
#[derive(Debug)]
pub(super) struct Fired {
    pub rule: Rc<Rule>,
    pub whose: Whose,
    pub what: What,
}

/// Of which connection it is.
#[derive(Clone, Debug)]
pub(super) struct Whose {
    /// The id of the server or client.
    pub source: Rc<str>,
    pub conn: ConnId,
    pub peer: Peer,
    pub user: Option<Rc<String>>,
    /// `Basic` or `URL`, where it is known.
    pub how: Option<&'static str>,
    pub tls: bool,
    /// The longest message of the source, which is the longest that a script may say there.
    pub max_message: usize,
}

impl Whose {
    pub(super) fn of(ops: &Ops<'_>, id: ConnId, source: &Source) -> Whose {
        Whose {
            source: Rc::clone(&source.id),
            conn: id,
            peer: ops.peer(),
            user: ops.user().cloned(),
            how: source.how,
            tls: ops.is_tls(),
            max_message: source.max_message,
        }
    }
}

/// What is the same of all events of a source.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The id of the server or client.
    pub id: Rc<str>,
    /// How its users prove who they are, when there is one way only.
    pub how: Option<&'static str>,
    /// Its longest message.
    pub max_message: usize,
}

/// What happened.
#[derive(Debug)]
pub(super) enum What {
    Connect,
    Message { kind: Kind, data: Vec<u8> },
    Disconnect { code: u16, reason: String },
    Request(Box<Asked>),
}

impl What {
    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        match self {
            What::Connect => 0,
            What::Message { data, .. } => data.capacity(),
            What::Disconnect { reason, .. } => reason.capacity(),
            What::Request(asked) => asked.head.capacity() + asked.body.capacity(),
        }
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Asked {
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
