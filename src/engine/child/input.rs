//! The stdin of a process: bytes that the pipe does not take wait.

use std::collections::VecDeque;
use std::io::{self, Write};

use mio::unix::pipe::Sender;
use mio::{Interest, Registry, Token};

use crate::engine::memory::{Account, Charge};

/// The most bytes that wait for one process. When nothing waits, a write is taken whatever its length.
pub const MAX_BACKLOG: usize = 4 * 1024 * 1024;

/// Why a write was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has closed its stdin, or there is no such process.
    Gone,
    /// [`MAX_BACKLOG`] bytes wait already.
    Full,
}

/// Our end of the pipe, and the bytes that wait for it.
#[derive(Debug)]
pub(super) struct Input {
    pipe: Option<Sender>,
    waiting: VecDeque<u8>,
    charge: Charge,
    /// The pipe is to be closed when nothing waits any more.
    closing: bool,
    /// Whether the pipe is watched. Only a full one is: otherwise each read of the process would wake the loop.
    watched: bool,
    token: Token,
}

impl Input {
    pub(super) fn new(pipe: Option<Sender>, token: Token, memory: &Account) -> Input {
        Input {
            pipe,
            waiting: VecDeque::new(),
            charge: memory.charge(0),
            closing: false,
            watched: false,
            token,
        }
    }

    pub(super) fn backlog(&self) -> usize {
        self.waiting.len()
    }

    /// Writes as much as the pipe takes and keeps the rest. Returns how many bytes wait.
    pub(super) fn write(&mut self, bytes: &[u8], registry: &Registry) -> Result<usize, Refused> {
        if self.pipe.is_none() || self.closing {
            return Err(Refused::Gone);
        }
        if self.waiting.is_empty() {
            let sent = self.send(bytes)?;
            self.waiting.extend(&bytes[sent..]);
        } else if self.waiting.len() + bytes.len() > MAX_BACKLOG {
            return Err(Refused::Full);
        } else {
            self.waiting.extend(bytes);
        }
        self.watch(registry);
        self.charge.resize(self.waiting.len());
        if self.pipe.is_none() {
            return Err(Refused::Gone);
        }
        Ok(self.waiting.len())
    }

    /// Closes the pipe when everything that waits is written.
    pub(super) fn close(&mut self) {
        self.closing = true;
        if self.waiting.is_empty() {
            self.pipe = None;
        }
    }

    /// The pipe has room. Returns whether something waited and nothing does any more.
    pub(super) fn flush(&mut self, registry: &Registry) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        while !self.waiting.is_empty() {
            match send(&mut self.pipe, self.waiting.as_slices().0) {
                Some(0) => break,
                Some(sent) => drop(self.waiting.drain(..sent)),
                None => self.waiting.clear(),
            }
        }
        self.charge.resize(self.waiting.len());
        if !self.waiting.is_empty() {
            return false;
        }
        self.waiting = VecDeque::new();
        self.watch(registry);
        if self.closing {
            self.pipe = None;
        }
        true
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Refused> {
        let mut sent = 0;
        while sent < bytes.len() {
            match send(&mut self.pipe, &bytes[sent..]) {
                None => return Err(Refused::Gone),
                Some(0) => break,
                Some(more) => sent += more,
            }
        }
        Ok(sent)
    }

    fn watch(&mut self, registry: &Registry) {
        let Some(pipe) = &mut self.pipe else { return };
        let wanted = !self.waiting.is_empty();
        if wanted == self.watched {
            return;
        }
        let done = if wanted {
            registry.register(pipe, self.token, Interest::WRITABLE)
        } else {
            registry.deregister(pipe)
        };
        match done {
            Ok(()) => self.watched = wanted,
            // The system has no memory to watch it: the bytes would wait for ever.
            Err(_) => {
                self.pipe = None;
                self.waiting.clear();
            }
        }
    }
}

/// Bytes that were written to the pipe, 0 when it is full; `None` when nobody reads it: then it is closed.
fn send(pipe: &mut Option<Sender>, bytes: &[u8]) -> Option<usize> {
    loop {
        match pipe.as_mut()?.write(bytes) {
            Ok(sent) => return Some(sent),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Some(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                *pipe = None;
                return None;
            }
        }
    }
}
