//! Bodies of requests that triggers act on: collected until they are complete, or streamed to a script.
//!
//! They have an account of their own, so that requests that never finish take no memory from what scripts do. When it is
//! full, the request that has waited longest for the rest of its body is given up.

use std::collections::{BTreeMap, HashMap};

use crate::conn::event::{ConnId, ExchangeId};
use crate::engine::{Account, Charge};

use super::trigger_event::{HttpRequest, TriggerEvent, What};

/// A form up to this many bytes is collected before its script runs.
pub(super) const MAX_FORM: usize = 64 * 1024;

/// What is to be done after a piece of a body was received.
#[derive(Debug)]
pub(super) enum Received {
    /// Nothing is to be done.
    Kept,
    /// No trigger waits for this body.
    Unwanted,
    /// The event can run. If the body has not ended, the rest is to be held back for now.
    Ready(Box<TriggerEvent>),
    /// A script can take it. Returned once until it is taken.
    ForScript,
}

#[derive(Debug)]
enum Body {
    /// The event waits for it. A body of more than `limit` bytes is streamed to the script. `number` orders those that wait.
    Collected {
        event: Box<TriggerEvent>,
        limit: usize,
        number: u64,
    },
    Streamed(BodyPiece, Charge),
}

impl Body {
    fn exchange(&self) -> Option<ExchangeId> {
        match self {
            Body::Streamed(piece, _) => Some(piece.exchange),
            Body::Collected { event, .. } => event.request().map(|request| request.exchange),
        }
    }
}

/// The part of a body that was received for a script.
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
    /// The connections whose bodies are collected, the one that began first in front.
    collected: BTreeMap<u64, ConnId>,
    /// The number of the last collected body.
    last: u64,
    memory: Account,
}

impl RequestBodies {
    pub(super) fn new(memory: Account) -> RequestBodies {
        RequestBodies {
            bodies: HashMap::new(),
            collected: BTreeMap::new(),
            last: 0,
            memory,
        }
    }

    /// The account of all bodies.
    pub(super) fn memory(&self) -> &Account {
        &self.memory
    }

    /// Collects the body of this request, up to `limit` bytes.
    pub(super) fn collect(&mut self, mut event: Box<TriggerEvent>, limit: usize) {
        let conn = event.origin.conn;
        event.charge_to(&self.memory);
        self.remove(conn);
        self.last += 1;
        let number = self.last;
        self.collected.insert(number, conn);
        let body = Body::Collected {
            event,
            limit,
            number,
        };
        self.bodies.insert(conn, body);
    }

    /// Gives up the request that has waited longest for its body, if there is too little memory for all.
    pub(super) fn give_up_one(&mut self) -> Option<ExchangeId> {
        if self.memory.has_room(0) {
            return None;
        }
        let (_, conn) = self.collected.first_key_value()?;
        self.remove(*conn)?.exchange()
    }

    fn remove(&mut self, conn: ConnId) -> Option<Body> {
        let body = self.bodies.remove(&conn)?;
        if let Body::Collected { number, .. } = body {
            self.collected.remove(&number);
        }
        Some(body)
    }

    /// Streams the body of this request to a script.
    pub(super) fn stream(&mut self, exchange: ExchangeId) {
        let piece = BodyPiece {
            exchange,
            data: Vec::new(),
            ended: false,
        };
        let body = Body::Streamed(piece, self.memory.charge(0));
        self.remove(exchange.conn);
        self.bodies.insert(exchange.conn, body);
    }

    /// Takes in a piece of a body.
    pub(super) fn receive(&mut self, conn: ConnId, data: &[u8]) -> Received {
        let Some(body) = self.bodies.get_mut(&conn) else {
            return Received::Unwanted;
        };
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
            Body::Collected { event, limit, .. } => {
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
            Some(Body::Collected { .. }) => self.ready(conn),
        }
    }

    fn ready(&mut self, conn: ConnId) -> Received {
        match self.remove(conn) {
            Some(Body::Collected { mut event, .. }) => {
                let memory = event.rule.memory.clone();
                event.charge_to(&memory);
                Received::Ready(event)
            }
            _ => Received::Kept,
        }
    }

    /// Takes what was received for a script since the last call.
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
        let over = self.bodies.iter().filter_map(|(conn, body)| {
            let awaits = body.exchange().is_none_or(&mut awaits_answer);
            (!awaits).then_some(*conn)
        });
        let over: Vec<ConnId> = over.collect();
        for conn in over {
            self.remove(conn);
        }
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
