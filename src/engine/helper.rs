//! The socket to the helper, on the side of the daemon: requests go out, answers and descriptors come in.
//!
//! Every request gets an answer: when the helper ends, or does not answer in time, the answer is that it is unavailable.
//! Starting the helper is not done here.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use zeroize::Zeroizing;

use crate::conn::deadline::{Millis, Tick};
use crate::proto::counted::counted;
use crate::proto::helper::{Answer, Ask, MAX, Reply, Request, WipedBytes};

use super::seqpacket;

/// The most requests that are not answered yet.
const MAX_OUTSTANDING: usize = 256;

/// The time limit of an answer. The limits of the helper itself are shorter, so it passes only when the helper hangs.
const ANSWER_TIMEOUT: Millis = Millis::seconds(60);

/// An answer of the helper, or [`Answer::Unavailable`] when there will be none.
#[derive(Debug)]
pub struct HelperReply {
    /// The number of the request.
    pub id: u32,
    /// The answer.
    pub answer: Answer,
    /// The descriptor, when the answer is one that brings one.
    pub descriptor: Option<OwnedFd>,
}

/// Why a request was not sent. Callers treat it as [`Answer::Unavailable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// Too many requests are not answered yet.
    Full,
    /// The request does not fit into a message.
    TooLong,
    /// There is no helper.
    Gone,
    /// It did not answer in time.
    Late,
}

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAsked::Full => "too many requests wait for the helper already",
            NotAsked::TooLong => "the request is too long",
            NotAsked::Gone => "the helper is gone",
            NotAsked::Late => "the helper does not answer",
        })
    }
}

/// The connection to the helper.
#[derive(Debug)]
pub(super) struct Helper {
    /// `None` when the helper has ended.
    socket: Option<OwnedFd>,
    next: u32,
    /// The requests that are not answered, each with the time limit of its answer; `None` when that has passed.
    outstanding: BTreeMap<u32, Option<Tick>>,
    /// Requests for which the socket had no room.
    unsent: VecDeque<WipedBytes>,
}

impl Helper {
    /// Takes the daemon's end of the socket.
    ///
    /// # Errors
    /// The error of the system, when the socket cannot be watched.
    pub(super) fn new(socket: OwnedFd, registry: &Registry, token: Token) -> io::Result<Helper> {
        let mut helper = Helper {
            socket: None,
            next: 0,
            outstanding: BTreeMap::new(),
            unsent: VecDeque::new(),
        };
        helper.replace(socket, registry, token)?;
        Ok(helper)
    }

    /// Replaces a helper that has ended. The numbers of requests go on.
    ///
    /// # Errors
    /// As [`Helper::new`].
    pub(super) fn replace(
        &mut self,
        socket: OwnedFd,
        registry: &Registry,
        token: Token,
    ) -> io::Result<()> {
        set_nonblocking(&socket)?;
        // Both interests from the start: requests are rare, so a useless wakeup costs less than to register again.
        registry.register(
            &mut SourceFd(&socket.as_raw_fd()),
            token,
            Interest::READABLE | Interest::WRITABLE,
        )?;
        self.socket = Some(socket);
        Ok(())
    }

    /// Whether there is a helper to ask.
    pub(super) fn is_alive(&self) -> bool {
        self.socket.is_some()
    }

    /// Sends a request. The answer will have the number that this returns.
    pub(super) fn ask(&mut self, ask: Ask, now: Tick) -> Result<u32, NotAsked> {
        if self.socket.is_none() {
            return Err(NotAsked::Gone);
        } else if self.outstanding.len() >= MAX_OUTSTANDING {
            return Err(NotAsked::Full);
        }
        let id = self.next;
        let packet = Request { id, ask }
            .encode()
            .map_err(|_| NotAsked::TooLong)?;
        self.next = self.next.wrapping_add(1);
        self.outstanding.insert(id, Some(now.after(ANSWER_TIMEOUT)));
        self.unsent.push_back(packet);
        // When the helper is gone, the socket becomes readable, and reading shows the end.
        self.send_unsent();
        Ok(id)
    }

    /// Sends a request and waits for the answer, at most for `timeout`. Other answers that come meanwhile are added to
    /// `replies`.
    pub(super) fn ask_and_wait(
        &mut self,
        ask: Ask,
        replies: &mut VecDeque<HelperReply>,
        timeout: Duration,
        now: Tick,
    ) -> Result<HelperReply, NotAsked> {
        let end = Instant::now() + timeout;
        let id = self.ask(ask, now)?;
        loop {
            self.ready(replies);
            let at = replies.iter().position(|reply| reply.id == id);
            if let Some(reply) = at.and_then(|at| replies.remove(at)) {
                return Ok(reply);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.socket.is_none() {
                return Err(NotAsked::Late);
            }
            self.wait(left);
        }
    }

    /// Waits until the socket can be read, or written when a request waits.
    fn wait(&self, timeout: Duration) {
        let Some(socket) = &self.socket else { return };
        let writes = if self.unsent.is_empty() {
            0
        } else {
            libc::POLLOUT
        };
        let mut polled = libc::pollfd {
            fd: socket.as_raw_fd(),
            events: libc::POLLIN | writes,
            revents: 0,
        };
        let millis = libc::c_int::try_from(timeout.as_millis() + 1).unwrap_or(libc::c_int::MAX);
        // The caller looks again, whatever ends the wait.
        // SAFETY: there is one pollfd, as the count says.
        unsafe { libc::poll(&raw mut polled, 1, millis) };
    }

    /// The socket is ready to be read or written, or the helper has ended: answers are added to `replies`.
    pub(super) fn ready(&mut self, replies: &mut VecDeque<HelperReply>) {
        self.send_unsent();
        let mut buffer = Zeroizing::new(vec![0; MAX]);
        while let Some(socket) = &self.socket {
            match seqpacket::receive_with_descriptor(socket.as_fd(), &mut buffer) {
                Ok(Some((packet, descriptor))) => match Reply::decode(packet) {
                    Ok(reply) => self.take(reply, descriptor, replies),
                    Err(malformed) => {
                        log::error!("the answer of the helper is malformed: {malformed}");
                        self.end(replies);
                    }
                },
                Ok(None) => self.end(replies),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The helper ended with unread requests. This error comes once, before answers that were sent earlier.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(error) => {
                    log::error!("cannot read from the helper: {error}");
                    self.end(replies);
                }
            }
        }
    }

    /// When to call [`Helper::on_deadline`].
    pub(super) fn deadline(&self) -> Option<Tick> {
        let waiting = self.outstanding.values().flatten().copied();
        waiting.reduce(Tick::earlier)
    }

    /// Gives up requests that are late. They still count as outstanding, because the helper may still answer them.
    pub(super) fn on_deadline(&mut self, now: Tick, replies: &mut VecDeque<HelperReply>) {
        let before = replies.len();
        for (id, until) in &mut self.outstanding {
            if until.take_if(|until| until.is_due(now)).is_some() {
                replies.push_back(unavailable(*id));
            }
        }
        log::error!(
            "the helper does not answer: {} given up",
            counted(replies.len() - before, "request")
        );
    }

    fn take(
        &mut self,
        Reply { id, answer }: Reply,
        descriptor: Option<OwnedFd>,
        replies: &mut VecDeque<HelperReply>,
    ) {
        match self.outstanding.remove(&id) {
            Some(Some(_)) => {}
            Some(None) => return,
            None => {
                log::error!("the helper answered request {id}, which was not sent");
                return;
            }
        }
        let (answer, descriptor) = match (answer.brings_descriptor(), descriptor) {
            (true, None) => {
                let why = "no descriptor came with the answer".to_owned();
                (Answer::Failed(why), None)
            }
            (true, descriptor) => (answer, descriptor),
            (false, _) => (answer, None),
        };
        replies.push_back(HelperReply {
            id,
            answer,
            descriptor,
        });
    }

    /// There will be no more answers.
    fn end(&mut self, replies: &mut VecDeque<HelperReply>) {
        self.socket = None;
        self.unsent.clear();
        let unanswered = std::mem::take(&mut self.outstanding).into_iter();
        let waited_for = unanswered.filter_map(|(id, until)| until.map(|_| id));
        replies.extend(waited_for.map(unavailable));
    }

    fn send_unsent(&mut self) {
        let Some(socket) = &self.socket else { return };
        while let Some(packet) = self.unsent.front() {
            match seqpacket::send(socket.as_fd(), packet, None) {
                Ok(()) => {
                    self.unsent.pop_front();
                }
                Err(_) => return,
            }
        }
    }
}

fn unavailable(id: u32) -> HelperReply {
    HelperReply {
        id,
        answer: Answer::Unavailable,
        descriptor: None,
    }
}

fn set_nonblocking(socket: &OwnedFd) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    // SAFETY: fcntl with these commands takes no pointers, and the descriptor is open.
    let done = unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        flags >= 0 && libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) >= 0
    };
    if done {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests;
