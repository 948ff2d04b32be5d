//! Outgoing TCP connections in the manner of RFC 8305: all addresses of a host are tried, IPv6 and IPv4 in turn, each a
//! little after the one before or as soon as that has failed, and the first that connects is taken.
//!
//! It does not resolve names, and does not know what is spoken over the connection. Its owner calls
//! [`Dials::ready`] for readiness events of its tokens and [`Dials::on_deadline`] at [`Dials::deadline`]; what came of a
//! dial is told once, in the queue that it is given.

mod schedule;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use slab::Slab;

use crate::conn::deadline::Tick;

use schedule::Schedule;

/// The id of a dial: never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DialId(u64);

/// The result of a dial.
#[derive(Debug)]
pub struct Dialled {
    /// Which dial.
    pub id: DialId,
    /// A connected socket with TCP_NODELAY, which is not registered; or why there is none.
    pub result: Result<TcpStream, DialError>,
}

/// Why a host cannot be connected to.
#[derive(Debug, Default)]
pub struct DialError {
    /// Each address that was tried, in the order in which they failed. None: the host has no address.
    pub attempts: Vec<(SocketAddr, io::Error)>,
}

impl DialError {
    /// Whether the time limit passed, and not every address refused.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        let timed_out =
            |(_, error): &(SocketAddr, io::Error)| error.kind() == io::ErrorKind::TimedOut;
        self.attempts.iter().any(timed_out)
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempts.is_empty() {
            return f.write_str("the host has no address");
        }
        for (at, (address, error)) in self.attempts.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{address}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DialError {}

/// All dials in progress.
#[derive(Debug)]
pub struct Dials {
    /// The token of the first attempt.
    base: usize,
    started: u64,
    dials: Vec<Dial>,
    /// Attempts, by their tokens.
    attempts: Slab<Attempt>,
}

#[derive(Debug)]
struct Dial {
    id: DialId,
    schedule: Schedule,
    failed: DialError,
}

#[derive(Debug)]
struct Attempt {
    dial: DialId,
    address: SocketAddr,
    stream: TcpStream,
}

impl Dials {
    /// No dials yet. Their tokens begin with `base`.
    #[must_use]
    pub fn new(base: Token) -> Dials {
        Dials {
            base: base.0,
            started: 0,
            dials: Vec::new(),
            attempts: Slab::new(),
        }
    }

    /// Begins to connect to a host that has these addresses. The result is added to `results`, perhaps at once.
    pub fn start(
        &mut self,
        addresses: Vec<SocketAddr>,
        now: Tick,
        registry: &Registry,
        results: &mut VecDeque<Dialled>,
    ) -> DialId {
        self.started += 1;
        let id = DialId(self.started);
        self.dials.push(Dial {
            id,
            schedule: Schedule::new(addresses, now),
            failed: DialError::default(),
        });
        self.advance(id, now, registry, results);
        id
    }

    /// Cancels a dial: no result follows. Does nothing when its result was added already.
    pub fn cancel(&mut self, id: DialId) {
        self.dials.retain(|dial| dial.id != id);
        self.attempts.retain(|_, attempt| attempt.dial != id);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dials.is_empty()
    }

    /// The socket of this token is writable, or has failed.
    pub fn ready(
        &mut self,
        token: Token,
        now: Tick,
        registry: &Registry,
        results: &mut VecDeque<Dialled>,
    ) {
        let key = token.0.wrapping_sub(self.base);
        // The event may be of a socket that was closed earlier in this batch.
        let Some(attempt) = self.attempts.get(key) else {
            return;
        };
        match state(&attempt.stream) {
            Ok(false) => {}
            Ok(true) => {
                let Attempt {
                    dial,
                    address,
                    mut stream,
                } = self.attempts.remove(key);
                match registry.deregister(&mut stream) {
                    Ok(()) => {
                        self.cancel(dial);
                        results.push_back(Dialled {
                            id: dial,
                            result: Ok(stream),
                        });
                    }
                    Err(error) => self.failed(dial, address, error, now, registry, results),
                }
            }
            Err(error) => {
                let Attempt { dial, address, .. } = self.attempts.remove(key);
                self.failed(dial, address, error, now, registry, results);
            }
        }
    }

    /// When [`Dials::on_deadline`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.dials
            .iter()
            .map(|dial| dial.schedule.deadline())
            .reduce(Tick::earlier)
    }

    /// Begins the attempts that are due, and ends the dials whose time limit has passed.
    pub fn on_deadline(&mut self, now: Tick, registry: &Registry, results: &mut VecDeque<Dialled>) {
        let due = |dial: &&Dial| dial.schedule.deadline().is_due(now);
        let due: Vec<DialId> = self.dials.iter().filter(due).map(|dial| dial.id).collect();
        for id in due {
            self.advance(id, now, registry, results);
        }
    }

    fn failed(
        &mut self,
        id: DialId,
        address: SocketAddr,
        error: io::Error,
        now: Tick,
        registry: &Registry,
        results: &mut VecDeque<Dialled>,
    ) {
        if let Some(dial) = self.dials.iter_mut().find(|dial| dial.id == id) {
            dial.failed.attempts.push((address, error));
            dial.schedule.hasten(now);
            self.advance(id, now, registry, results);
        }
    }

    /// Begins the attempts of one dial that are due, and ends it when none is left.
    fn advance(
        &mut self,
        id: DialId,
        now: Tick,
        registry: &Registry,
        results: &mut VecDeque<Dialled>,
    ) {
        let Some(at) = self.dials.iter().position(|dial| dial.id == id) else {
            return;
        };
        let dial = &mut self.dials[at];
        let is_over = dial.schedule.is_over(now);
        while !is_over && let Some(address) = dial.schedule.take(now) {
            let entry = self.attempts.vacant_entry();
            match connect(address, Token(self.base + entry.key()), registry) {
                Ok(stream) => {
                    entry.insert(Attempt {
                        dial: id,
                        address,
                        stream,
                    });
                }
                Err(error) => {
                    dial.failed.attempts.push((address, error));
                    dial.schedule.hasten(now);
                }
            }
        }
        let mut waits = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.dial == id);
        if is_over || (dial.schedule.is_exhausted() && waits.next().is_none()) {
            self.give_up(at, results);
        }
    }

    fn give_up(&mut self, at: usize, results: &mut VecDeque<Dialled>) {
        let Dial { id, mut failed, .. } = self.dials.swap_remove(at);
        self.attempts.retain(|_, attempt| {
            if attempt.dial == id {
                let late = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
                failed.attempts.push((attempt.address, late));
            }
            attempt.dial != id
        });
        results.push_back(Dialled {
            id,
            result: Err(failed),
        });
    }
}

/// Begins to connect: the socket is registered, and not connected yet.
fn connect(address: SocketAddr, token: Token, registry: &Registry) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    registry.register(&mut stream, token, Interest::WRITABLE)?;
    Ok(stream)
}

/// Whether the socket is connected; false: not yet.
fn state(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        // When nobody listens on a port of the range for outgoing connections, the kernel may connect the socket to itself
        // (RFC 9293 §3.5).
        Ok(peer) if stream.local_addr()? == peer => Err(io::ErrorKind::ConnectionRefused.into()),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
