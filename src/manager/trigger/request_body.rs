//! Bodies of requests that triggers act on: kept until they are whole, or on their way to a script.

use std::collections::HashMap;

use crate::conn::event::{ConnId, ExchangeId};
use crate::engine::{Account, Charge};

use super::trigger_event::{HttpRequest, TriggerEvent, What};

/// A form up to this length is read before its script runs.
pub(super) const MAX_FORM: usize = 64 * 1024;

/// What a piece of a body leads to.
#[derive(Debug)]
pub(super) enum Received {
    /// Nothing is to be done.
    Kept,
    /// No trigger waits for this body.
    Unwanted,
    /// All that was waited for is there. When more is to come, it is to be held back for now.
    Ready(Box<TriggerEvent>),
    /// A script waits for it; told once until it is taken.
    ForScript,
    /// There is no memory for it.
    TooMuch,
}

#[derive(Debug)]
enum Body {
    /// The event waits for it. Beyond the limit it goes to the script as it comes.
    Collected(Box<TriggerEvent>, usize),
    Streamed(BodyPiece, Charge),
}

impl Body {
    fn exchange(&self) -> Option<ExchangeId> {
        match self {
            Body::Streamed(piece, _) => Some(piece.exchange),
            Body::Collected(event, _) => event.request().map(|request| request.exchange),
        }
    }
}

/// What has come of a body that a script reads.
#[derive(Debug)]
pub(in crate::manager) struct BodyPiece {
    pub exchange: ExchangeId,
    pub data: Vec<u8>,
    /// No more will come.
    pub ended: bool,
}

/// The bodies, by their connections.
#[derive(Debug)]
pub(super) struct RequestBodies {
    bodies: HashMap<ConnId, Body>,
    memory: Account,
}

impl RequestBodies {
    pub(super) fn new(memory: &Account) -> RequestBodies {
        RequestBodies {
            bodies: HashMap::new(),
            memory: memory.clone(),
        }
    }

    /// Collects the body of this request, up to `limit` bytes.
    pub(super) fn collect(&mut self, event: Box<TriggerEvent>, limit: usize) {
        let conn = event.origin.conn;
        self.bodies.insert(conn, Body::Collected(event, limit));
    }

    /// Passes the body of this request on to a script.
    pub(super) fn stream(&mut self, exchange: ExchangeId) {
        let piece = BodyPiece {
            exchange,
            data: Vec::new(),
            ended: false,
        };
        let body = Body::Streamed(piece, self.memory.charge(0));
        self.bodies.insert(exchange.conn, body);
    }

    /// A piece has come.
    pub(super) fn receive(&mut self, conn: ConnId, data: &[u8]) -> Received {
        let Some(body) = self.bodies.get_mut(&conn) else {
            return Received::Unwanted;
        };
        if !self.memory.has_room(data.len()) {
            self.bodies.remove(&conn);
            return Received::TooMuch;
        }
        match body {
            Body::Streamed(piece, charge) => {
                let first = piece.data.is_empty();
                piece.data.extend_from_slice(data);
                charge.resize(piece.data.len());
                if first {
                    Received::ForScript
                } else {
                    Received::Kept
                }
            }
            Body::Collected(event, limit) => {
                let TriggerEvent { what, charge, .. } = &mut **event;
                let Some(request) = request(what) else {
                    return Received::Kept;
                };
                request.body.extend_from_slice(data);
                charge.resize(TriggerEvent::size(request.held()));
                if request.body.len() <= *limit {
                    return Received::Kept;
                }
                request.streams = true;
                self.ready(conn)
            }
        }
    }

    /// A body is complete.
    pub(super) fn end(&mut self, conn: ConnId) -> Received {
        match self.bodies.get_mut(&conn) {
            None => Received::Unwanted,
            Some(Body::Streamed(piece, _)) => {
                piece.ended = true;
                if piece.data.is_empty() {
                    Received::ForScript
                } else {
                    Received::Kept
                }
            }
            Some(Body::Collected(..)) => self.ready(conn),
        }
    }

    fn ready(&mut self, conn: ConnId) -> Received {
        match self.bodies.remove(&conn) {
            Some(Body::Collected(event, _)) => Received::Ready(event),
            _ => Received::Kept,
        }
    }

    /// What has come for a script since the last time.
    pub(super) fn take(&mut self, conn: ConnId) -> Option<BodyPiece> {
        let Some(Body::Streamed(piece, charge)) = self.bodies.get_mut(&conn) else {
            return None;
        };
        charge.resize(0);
        let data = std::mem::take(&mut piece.data);
        let taken = BodyPiece { data, ..*piece };
        if taken.ended {
            self.bodies.remove(&conn);
        }
        Some(taken)
    }

    /// Keeps the bodies of requests that are still to be answered.
    pub(super) fn retain(&mut self, mut awaits_answer: impl FnMut(ExchangeId) -> bool) {
        self.bodies
            .retain(|_, body| body.exchange().is_none_or(&mut awaits_answer));
    }
}

fn request(what: &mut What) -> Option<&mut HttpRequest> {
    match what {
        What::Request(request) => Some(request),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
