//! Bodies of requests that triggers act on: kept until they are whole, or on their way to a script.

use std::collections::HashMap;

use crate::conn::event::{ConnId, ExchangeId};

use super::fired::{Asked, Fired, What};

/// A form up to this length is read before its script runs.
pub(super) const MAX_FORM: usize = 64 * 1024;

/// Bytes of bodies that are kept together, before anybody says how many there may be.
const DEFAULT_MAX: usize = 16 * 1024 * 1024;

/// What became of a piece of a body.
#[derive(Debug)]
pub(super) enum Came {
    /// Nothing is to be done.
    Kept,
    /// The body is nobody's.
    Unwanted,
    /// All that was waited for is there. When more is to come, it is to be held back for now.
    Ready(Box<Fired>),
    /// A script waits for it; told once until it is taken.
    ForScript,
    /// Bodies take more memory than they may.
    TooMuch,
}

#[derive(Debug)]
enum Entry {
    /// What was fired waits for it. Beyond the limit it goes to the script as it comes.
    Waits(Box<Fired>, usize),
    Flows(Piece),
}

impl Entry {
    fn exchange(&self) -> Option<ExchangeId> {
        match self {
            Entry::Flows(piece) => Some(piece.exchange),
            Entry::Waits(fired, _) => match &fired.what {
                What::Request(asked) => Some(asked.exchange),
                _ => None,
            },
        }
    }
}

/// What has come of a body.
#[derive(Debug)]
pub(super) struct Piece {
    pub exchange: ExchangeId,
    pub data: Vec<u8>,
    /// No more will come.
    pub ended: bool,
}

/// The bodies, by their connections.
#[derive(Debug)]
pub(super) struct Intake {
    entries: HashMap<ConnId, Entry>,
    held: usize,
    max: usize,
}

impl Default for Intake {
    fn default() -> Intake {
        Intake {
            entries: HashMap::new(),
            held: 0,
            max: DEFAULT_MAX,
        }
    }
}

impl Intake {
    /// All of them together may take so many bytes.
    pub(super) fn limit(&mut self, max: usize) {
        self.max = max;
    }

    /// The body of this request is waited for, up to `limit` bytes.
    pub(super) fn wait_for(&mut self, fired: Box<Fired>, limit: usize) {
        let conn = fired.whose.conn;
        self.forget(conn);
        self.entries.insert(conn, Entry::Waits(fired, limit));
    }

    /// The body of this request goes to a script.
    pub(super) fn flow(&mut self, exchange: ExchangeId) {
        self.forget(exchange.conn);
        let piece = Piece {
            exchange,
            data: Vec::new(),
            ended: false,
        };
        self.entries.insert(exchange.conn, Entry::Flows(piece));
    }

    /// A piece has come.
    pub(super) fn piece(&mut self, conn: ConnId, data: &[u8]) -> Came {
        let Some(entry) = self.entries.get_mut(&conn) else {
            return Came::Unwanted;
        };
        if self.held + data.len() > self.max {
            self.forget(conn);
            return Came::TooMuch;
        }
        self.held += data.len();
        match entry {
            Entry::Flows(piece) => {
                let first = piece.data.is_empty();
                piece.data.extend_from_slice(data);
                if first { Came::ForScript } else { Came::Kept }
            }
            Entry::Waits(fired, limit) => {
                let Some(asked) = asked(fired) else {
                    return Came::Kept;
                };
                asked.body.extend_from_slice(data);
                if asked.body.len() <= *limit {
                    return Came::Kept;
                }
                asked.streams = true;
                self.ready(conn)
            }
        }
    }

    /// A body is complete.
    pub(super) fn end(&mut self, conn: ConnId) -> Came {
        match self.entries.get_mut(&conn) {
            None => Came::Unwanted,
            Some(Entry::Flows(piece)) => {
                piece.ended = true;
                if piece.data.is_empty() {
                    Came::ForScript
                } else {
                    Came::Kept
                }
            }
            Some(Entry::Waits(..)) => self.ready(conn),
        }
    }

    fn ready(&mut self, conn: ConnId) -> Came {
        match self.entries.remove(&conn) {
            Some(Entry::Waits(mut fired, _)) => {
                self.held -= asked(&mut fired).map_or(0, |asked| asked.body.len());
                Came::Ready(fired)
            }
            _ => Came::Kept,
        }
    }

    /// What has come for a script since the last time.
    pub(super) fn take(&mut self, conn: ConnId) -> Option<Piece> {
        let Some(Entry::Flows(piece)) = self.entries.get_mut(&conn) else {
            return None;
        };
        let data = std::mem::take(&mut piece.data);
        self.held -= data.len();
        let taken = Piece { data, ..*piece };
        if taken.ended {
            self.entries.remove(&conn);
        }
        Some(taken)
    }

    /// Keeps those whose requests are to be answered still.
    pub(super) fn keep(&mut self, mut awaits: impl FnMut(ExchangeId) -> bool) {
        if self.entries.is_empty() {
            return;
        }
        let over: Vec<ConnId> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.exchange().is_some_and(|it| !awaits(it)))
            .map(|(conn, _)| *conn)
            .collect();
        for conn in over {
            self.forget(conn);
        }
    }

    /// Nobody waits for it any more.
    fn forget(&mut self, conn: ConnId) {
        self.held -= match self.entries.remove(&conn) {
            Some(Entry::Flows(piece)) => piece.data.len(),
            Some(Entry::Waits(mut fired, _)) => {
                asked(&mut fired).map_or(0, |asked| asked.body.len())
            }
            None => 0,
        };
    }
}

fn asked(fired: &mut Fired) -> Option<&mut Asked> {
    match &mut fired.what {
        What::Request(asked) => Some(asked),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
