//! What the loop watches in addition to connections: processes, dials, and the helper.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use mio::{Registry, Token};

use crate::conn::deadline::Tick;
use crate::proto::helper::Ask;

use super::child::{ChildEvents, Children, Command};
use super::dial::{Dialled, Dials};
use super::helper::{Helper, HelperReply, NotAsked};
use super::outcome::Outcome;

/// Tokens from here on are those of processes.
pub(super) const CHILDREN: usize = 1 << 33;
/// The token of the helper.
const HELPER: usize = 1 << 34;
/// Tokens from here on are those of dials.
const DIALS: usize = 1 << 35;
/// The first token that is none of these.
pub(super) const END: usize = 1 << 36;

/// Processes, dials and the helper, with the outcomes that are not polled yet.
#[derive(Debug)]
pub(super) struct Sources {
    pub children: Children,
    pub dials: Dials,
    helper: Option<Helper>,
    child_events: ChildEvents,
    dialled: VecDeque<Dialled>,
    replies: VecDeque<HelperReply>,
}

impl Sources {
    pub(super) fn new() -> Sources {
        Sources {
            children: Children::new(Token(CHILDREN)),
            dials: Dials::new(Token(DIALS)),
            helper: None,
            child_events: VecDeque::new(),
            dialled: VecDeque::new(),
            replies: VecDeque::new(),
        }
    }

    /// The system reported that one of the tokens is ready.
    pub(super) fn on_ready(&mut self, token: Token, now: Tick, registry: &Registry) {
        match token.0 {
            HELPER => {
                if let Some(helper) = &mut self.helper {
                    helper.ready(&mut self.replies);
                }
            }
            at if at < HELPER => {
                self.children
                    .ready(at - CHILDREN, registry, now, &mut self.child_events);
            }
            _ => self.dials.ready(token, now, registry, &mut self.dialled),
        }
    }

    /// Acts on what is due, and reads on from processes that have more.
    pub(super) fn turn(&mut self, now: Tick, registry: &Registry) {
        if self.children.has_unread() {
            self.children.resume(now, &mut self.child_events);
        }
        if self.children.deadline().is_some_and(|due| due.is_due(now)) {
            self.children.on_deadline(now, &mut self.child_events);
        }
        if self.dials.deadline().is_some_and(|due| due.is_due(now)) {
            self.dials.on_deadline(now, registry, &mut self.dialled);
        }
        if let Some(helper) = &mut self.helper
            && helper.deadline().is_some_and(|due| due.is_due(now))
        {
            helper.on_deadline(now, &mut self.replies);
        }
    }

    /// When there is something to do next; `now` when there is already.
    pub(super) fn deadline(&self, now: Tick) -> Option<Tick> {
        if self.children.has_unread() {
            return Some(now);
        }
        let (children, dials) = (self.children.deadline(), self.dials.deadline());
        let helper = self.helper.as_ref().and_then(Helper::deadline);
        [children, dials, helper]
            .into_iter()
            .flatten()
            .reduce(Tick::earlier)
    }

    pub(super) fn spawn(
        &mut self,
        command: &Command<'_>,
        registry: &Registry,
        now: Tick,
    ) -> io::Result<super::child::ChildId> {
        self.children.spawn(command, registry, now)
    }

    pub(super) fn dial(
        &mut self,
        addresses: Vec<std::net::SocketAddr>,
        now: Tick,
        registry: &Registry,
    ) -> super::dial::DialId {
        self.dials
            .start(addresses, now, registry, &mut self.dialled)
    }

    /// Sets the helper, in place of one that has ended.
    pub(super) fn set_helper(&mut self, socket: OwnedFd, registry: &Registry) -> io::Result<()> {
        let token = Token(HELPER);
        match &mut self.helper {
            Some(helper) => helper.replace(socket, registry, token),
            None => {
                self.helper = Some(Helper::new(socket, registry, token)?);
                Ok(())
            }
        }
    }

    pub(super) fn has_helper(&self) -> bool {
        self.helper.as_ref().is_some_and(Helper::is_alive)
    }

    pub(super) fn ask(&mut self, ask: Ask, now: Tick) -> Result<u32, NotAsked> {
        match &mut self.helper {
            Some(helper) => helper.ask(ask, now),
            None => Err(NotAsked::Gone),
        }
    }

    pub(super) fn ask_now(
        &mut self,
        ask: Ask,
        timeout: Duration,
        now: Tick,
    ) -> Result<HelperReply, NotAsked> {
        match &mut self.helper {
            Some(helper) => helper.ask_and_wait(ask, &mut self.replies, timeout, now),
            None => Err(NotAsked::Gone),
        }
    }

    /// Whether there is an outcome.
    pub(super) fn has_outcomes(&self) -> bool {
        !self.child_events.is_empty() || !self.dialled.is_empty() || !self.replies.is_empty()
    }

    /// The next outcome.
    pub(super) fn poll(&mut self) -> Option<Outcome> {
        if let Some(reply) = self.replies.pop_front() {
            return Some(Outcome::Helper(reply));
        }
        if let Some(dialled) = self.dialled.pop_front() {
            return Some(Outcome::Dialled(dialled));
        }
        let (id, event) = self.child_events.pop_front()?;
        Some(Outcome::Child(id, event))
    }
}
