//! Processes in the loop: their pipes, and their end.
//!
//! [`Children`] starts a process in a group of its own and gives it three pipes, whose other ends never block. Its output
//! and its end are reported as [`ChildEvent`]s, in this order: any number of `Output`, `StderrLine` and `Drained`,
//! one `OutputEnd`, and one `Exited` as the last of all.
//!
//! A process has ended when it has exited and its pipes are closed. Processes that it left running may hold the pipes for
//! [`GRACE`]; then the group is killed, also when no pipe is held: a process that is to outlive its script must start a
//! session of its own (setsid(1)). Only after that the process is reaped, so that a signal never reaches another process.
//!
//! The caller decides when a process is to be ended: see [`Stop`] for the usual schedule.

mod input;
mod spawn;
mod stderr_lines;
mod stop;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::unix::pipe::Receiver;
use mio::{Interest, Registry, Token};
use slab::Slab;

use crate::conn::deadline::{Millis, Tick};

pub use input::{MAX_BACKLOG, Refused};
pub use spawn::{Command, Exit, Stdin};
pub use stderr_lines::{MAX_STDERR_LINE, MAX_STDERR_LINES};
pub use stop::{KILL_DELAY, Step, Stop};

use input::Input;
use spawn::Process;
use stderr_lines::StderrLines;

/// How long other processes may hold the pipes of a process that has ended.
pub const GRACE: Millis = Millis::seconds(2);

/// The most bytes that are read from one process before the others are served.
pub const MAX_OUTPUT: usize = 64 * 1024;

/// Tokens of one process: its index times this, plus one of the constants below.
const SOURCES: usize = 4;
const STDIN: usize = 0;
const STDOUT: usize = 1;
const STDERR: usize = 2;
const EXIT: usize = 3;

/// A process: never used twice while the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChildId {
    index: u32,
    serial: u64,
}

/// An event of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildEvent {
    /// Output on its stdout, at most [`MAX_OUTPUT`] bytes.
    Output(Vec<u8>),
    /// Its stdout has ended.
    OutputEnd,
    /// A line of its stderr, made safe for the log.
    StderrLine(String),
    /// Nothing waits for its stdin any more: it was written to the pipe, or dropped because the process closed its stdin.
    Drained,
    /// It has ended.
    Exited(Exit),
}

/// The processes of the loop. Dropping this kills them all, with their groups.
#[derive(Debug)]
pub struct Children {
    base: usize,
    children: Slab<Child>,
    /// How many were started so far.
    spawned: u64,
    /// Processes whose pipes may hold more than was read.
    unread: Vec<ChildId>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Child {
    id: ChildId,
    process: Process,
    input: Input,
    stdout: Output,
    stderr: Output,
    stderr_lines: StderrLines,
    exit: Option<Exit>,
    /// When it counts as ended, whoever holds its pipes.
    grace: Option<Tick>,
    /// It is in `unread`.
    unread: bool,
}

/// A pipe that we read.
#[derive(Debug)]
struct Output {
    pipe: Option<Receiver>,
    /// An edge has come, and the pipe was not seen empty since.
    ready: bool,
    paused: bool,
    discarded: bool,
}

/// The queue of events.
pub type ChildEvents = VecDeque<(ChildId, ChildEvent)>;

impl Children {
    /// No processes yet. Their tokens are `base` and those after it.
    ///
    /// SIGCHLD is set to its default: a daemon that inherited it as ignored would not learn how processes end.
    #[must_use]
    pub fn new(base: Token) -> Children {
        // SAFETY: the default takes no handler.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        Children {
            base: base.0,
            children: Slab::new(),
            spawned: 0,
            unread: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Starts a process.
    ///
    /// # Errors
    /// The error of the system: no such program, no more processes or descriptors, an environment that is too large;
    /// `InvalidInput` when a string has a NUL.
    pub fn spawn(
        &mut self,
        command: &Command<'_>,
        registry: &Registry,
        now: Tick,
    ) -> io::Result<ChildId> {
        let (process, mut pipes) = spawn::spawn(command)?;
        let index = self.children.vacant_key();
        let token = |source| Token(self.base + index * SOURCES + source);
        let pidfd = process.pidfd.as_raw_fd();
        let watched = registry
            .register(&mut pipes.stdout, token(STDOUT), Interest::READABLE)
            .and_then(|()| registry.register(&mut pipes.stderr, token(STDERR), Interest::READABLE))
            .and_then(|()| {
                registry.register(&mut SourceFd(&pidfd), token(EXIT), Interest::READABLE)
            });
        if let Err(error) = watched {
            process.destroy();
            return Err(error);
        }
        self.spawned += 1;
        let id = ChildId {
            index: index as u32,
            serial: self.spawned,
        };
        self.children.insert(Child {
            id,
            process,
            input: Input::new(pipes.stdin, token(STDIN), command.memory),
            stdout: Output::new(pipes.stdout),
            stderr: Output::new(pipes.stderr),
            stderr_lines: StderrLines::new(now),
            exit: None,
            grace: None,
            unread: false,
        });
        Ok(id)
    }

    /// How many there are, including those that have exited and wait for their pipes to end.
    #[must_use]
    pub fn running(&self) -> usize {
        self.children.len()
    }

    /// How many were started so far.
    #[must_use]
    pub fn spawned(&self) -> u64 {
        self.spawned
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self, id: ChildId) -> Option<i32> {
        self.get(id).map(|child| child.process.pid)
    }

    /// Writes to its stdin as much as the pipe takes; the rest waits. Returns how many bytes wait; when there are any, the
    /// event `Drained` follows.
    ///
    /// # Errors
    /// Nothing was taken, or the reader is gone.
    pub fn write(
        &mut self,
        id: ChildId,
        bytes: &[u8],
        registry: &Registry,
    ) -> Result<usize, Refused> {
        let child = self.get_mut(id).ok_or(Refused::Gone)?;
        child.input.write(bytes, registry)
    }

    /// Bytes that wait for its stdin.
    #[must_use]
    pub fn backlog(&self, id: ChildId) -> usize {
        self.get(id).map_or(0, |child| child.input.backlog())
    }

    /// Closes its stdin when everything that waits is written.
    pub fn close_stdin(&mut self, id: ChildId) {
        if let Some(child) = self.get_mut(id) {
            child.input.close();
        }
    }

    /// SIGTERM to its group.
    pub fn terminate(&self, id: ChildId) {
        if let Some(child) = self.get(id) {
            child.process.signal(libc::SIGTERM);
        }
    }

    /// SIGKILL to its group.
    pub fn kill(&self, id: ChildId) {
        if let Some(child) = self.get(id) {
            child.process.signal(libc::SIGKILL);
        }
    }

    /// Stops reading its stdout, or goes on. A process that fills its pipe meanwhile has to wait, and its end is reported
    /// after its output is read.
    pub fn pause_output(&mut self, id: ChildId, paused: bool, now: Tick) {
        let Some(child) = self.get_mut(id) else {
            return;
        };
        child.stdout.paused = paused;
        if !paused {
            // The grace period begins again: nobody read in the meantime.
            child.grace = child.grace.map(|_| now.after(GRACE));
            self.note_unread(id);
        }
    }

    /// Reads and discards its output from now on, also when it is paused, so that it can end.
    pub fn discard_output(&mut self, id: ChildId, now: Tick) {
        if let Some(child) = self.get_mut(id) {
            child.stdout.discarded = true;
            self.pause_output(id, false, now);
        }
    }

    /// Readiness of the token that is `base` plus `source`.
    pub fn ready(
        &mut self,
        source: usize,
        registry: &Registry,
        now: Tick,
        events: &mut ChildEvents,
    ) {
        let Some(child) = self.children.get_mut(source / SOURCES) else {
            return;
        };
        match source % SOURCES {
            STDIN => {
                if child.input.flush(registry) {
                    events.push_back((child.id, ChildEvent::Drained));
                }
            }
            STDOUT => child.stdout.ready = true,
            STDERR => child.stderr.ready = true,
            _ => child.note_exit(now),
        }
        let id = child.id;
        self.read(id, now, events);
    }

    /// Whether [`resume`](Self::resume) has something to do, so that the loop must not sleep.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Reads on from processes that had more than one turn allows.
    pub fn resume(&mut self, now: Tick, events: &mut ChildEvents) {
        for id in std::mem::take(&mut self.unread) {
            if let Some(child) = self.get_mut(id) {
                child.unread = false;
            }
            self.read(id, now, events);
        }
    }

    /// Whether it has exited. Its pipes may still be open, and its last events not polled.
    #[must_use]
    pub fn has_exited(&self, id: ChildId) -> bool {
        self.get(id).is_none_or(|child| child.exit.is_some())
    }

    /// When [`on_deadline`](Self::on_deadline) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        let graces = self.children.iter().filter_map(|(_, child)| child.due());
        graces.reduce(Tick::earlier)
    }

    /// Gives up on pipes that are held open after their process has ended.
    pub fn on_deadline(&mut self, now: Tick, events: &mut ChildEvents) {
        let due: Vec<ChildId> = self
            .children
            .iter()
            .filter(|(_, child)| child.due().is_some_and(|tick| tick.is_due(now)))
            .map(|(_, child)| child.id)
            .collect();
        for id in due {
            self.read(id, now, events);
            if let Some(child) = self.get_mut(id) {
                child.stderr.pipe = None;
                if child.stdout.pipe.take().is_some() {
                    events.push_back((id, ChildEvent::OutputEnd));
                }
            }
            self.finish(id, now, events);
        }
    }

    fn get(&self, id: ChildId) -> Option<&Child> {
        let child = self.children.get(id.index as usize)?;
        (child.id == id).then_some(child)
    }

    fn get_mut(&mut self, id: ChildId) -> Option<&mut Child> {
        let child = self.children.get_mut(id.index as usize)?;
        (child.id == id).then_some(child)
    }

    /// Reads from both pipes of a process, once.
    fn read(&mut self, id: ChildId, now: Tick, events: &mut ChildEvents) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(MAX_OUTPUT, 0);
        if let Some(child) = self.get_mut(id) {
            let was_open = child.stdout.pipe.is_some();
            let output = child.stdout.read(&mut scratch);
            if !output.is_empty() && !child.stdout.discarded {
                events.push_back((id, ChildEvent::Output(output.to_vec())));
            }
            if was_open && child.stdout.pipe.is_none() {
                events.push_back((id, ChildEvent::OutputEnd));
            }
            let lines = child.stderr.read(&mut scratch);
            let mut tell = |line| events.push_back((id, ChildEvent::StderrLine(line)));
            child.stderr_lines.take(lines, now, &mut tell);
        }
        self.scratch = scratch;
        self.note_unread(id);
        self.finish(id, now, events);
    }

    fn note_unread(&mut self, id: ChildId) {
        if let Some(child) = self.get_mut(id)
            && (child.stdout.wants_reading() || child.stderr.wants_reading())
            && !std::mem::replace(&mut child.unread, true)
        {
            self.unread.push(id);
        }
    }

    /// Removes a process that has exited and whose pipes have ended.
    fn finish(&mut self, id: ChildId, now: Tick, events: &mut ChildEvents) {
        let Some(child) = self.get_mut(id) else {
            return;
        };
        let Some(exit) = child.exit else { return };
        if child.stdout.pipe.is_some() || child.stderr.pipe.is_some() {
            return;
        }
        let mut tell = |line| events.push_back((id, ChildEvent::StderrLine(line)));
        child.stderr_lines.finish(now, &mut tell);
        events.push_back((id, ChildEvent::Exited(exit)));
        child.process.signal(libc::SIGKILL);
        child.process.reap();
        self.children.remove(id.index as usize);
        if self.children.is_empty() {
            self.scratch = Vec::new();
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        // The signals first, so that they end at the same time.
        for (_, child) in &self.children {
            child.process.signal(libc::SIGKILL);
        }
        for (_, child) in &self.children {
            child.process.destroy();
        }
    }
}

impl Child {
    fn note_exit(&mut self, now: Tick) {
        if self.exit.is_none() {
            self.exit = self.process.exit();
            self.grace = self.exit.map(|_| now.after(GRACE));
        }
    }

    /// While its output is paused, an open pipe does not show that somebody else holds it.
    fn due(&self) -> Option<Tick> {
        self.grace.filter(|_| !self.stdout.paused)
    }
}

impl Output {
    fn new(pipe: Receiver) -> Output {
        Output {
            pipe: Some(pipe),
            ready: false,
            paused: false,
            discarded: false,
        }
    }

    fn wants_reading(&self) -> bool {
        self.pipe.is_some() && self.ready && !self.paused
    }

    /// Reads until the pipe is empty, has ended, or the room is full. After a short read it goes on: the end of the pipe may
    /// have come already, and its edge does not come again.
    fn read<'s>(&mut self, room: &'s mut [u8]) -> &'s [u8] {
        let mut filled = 0;
        while self.wants_reading() && filled < room.len() {
            let Some(pipe) = &mut self.pipe else { break };
            match pipe.read(&mut room[filled..]) {
                Ok(0) => self.pipe = None,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.pipe = None,
            }
        }
        &room[..filled]
    }
}
