//! The stdin of a process: what it does not take at once waits.

use std::collections::VecDeque;
use std::io::{self, Write};

use mio::unix::pipe::Sender;
use mio::{Interest, Registry, Token};

use crate::engine::memory::{Account, Charge};

/// Bytes that wait for one process at most; what finds nothing waiting is taken whatever its length.
pub const MAX_BACKLOG: usize = 4 * 1024 * 1024;

/// Why nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It reads no more, or there is no such process.
    Gone,
    /// [`MAX_BACKLOG`] waits already.
    Full,
}

/// Our end of the pipe, and what is to go into it.
#[derive(Debug)]
pub(super) struct Input {
    pipe: Option<Sender>,
    waiting: VecDeque<u8>,
    charge: Charge,
    /// The pipe ends when nothing waits any more.
    closing: bool,
    /// Only a full pipe is watched: a reader would wake us at each read of its own otherwise.
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

    /// Writes what the pipe takes and keeps the rest; how much waits then.
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

    /// Ends the pipe after what waits.
    pub(super) fn close(&mut self) {
        self.closing = true;
        if self.waiting.is_empty() {
            self.pipe = None;
        }
    }

    /// There is room in the pipe. Whether nothing waits any more, where something did.
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
            // The system has no memory for it: what waits would wait for ever.
            Err(_) => {
                self.pipe = None;
                self.waiting.clear();
            }
        }
    }
}

/// How much went into the pipe, 0 when it is full; `None` when nobody reads it, and it is closed then.
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
