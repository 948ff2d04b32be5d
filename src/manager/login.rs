//! Logins that are under way, and those that are remembered, of all servers.
//!
//! What is slow (a hash, the system's accounts) is asked of the helper; the request waits, its body unread, and goes on
//! where it stopped when the answer comes. Passwords are wiped with what holds them.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::auth::{self, ClientNetwork, HashVerdict, RecentLogins};
use crate::conn::event::ExchangeId;
use crate::engine::{Engine, Warnings};
use crate::proto::helper::Ask;
use crate::proto::http::credentials::Credentials;
use crate::proto::http::head::{RequestHead, RequestTarget};

/// A success is remembered for so long, for the pages and files that follow it.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The most checks of one user from one source at a time: each may fail, and is not counted before it does.
const AT_ONCE: usize = 10;

/// The same of one source, whoever it claims to be.
const AT_ONCE_BY_SOURCE: usize = 32;

/// How a request has entered.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// Who; nobody where nothing is asked.
    pub user: Option<Rc<String>>,
    /// `Basic` or `URL`.
    pub how: Option<&'static str>,
    /// What of the path is no part of what is asked for.
    pub prefix: usize,
}

impl Entry {
    /// The path in front of what is asked for; empty, or `/auth/…/…`.
    pub(super) fn prefix<'h>(&self, head: &RequestHead<'h>) -> &'h str {
        path_of(head)
            .and_then(|path| path.get(..self.prefix))
            .unwrap_or_default()
    }
}

/// A request that waits for the helper.
pub(super) struct Pending {
    /// Filled in when it is deferred.
    pub exchange: Option<ExchangeId>,
    /// The owner whose gate it is at.
    pub owner: u32,
    /// The head, to be read again. It holds the credentials.
    pub head: Zeroizing<Vec<u8>>,
    pub(super) source: Option<ClientNetwork>,
    pub(super) credentials: Credentials,
    pub(super) entry: Entry,
    pub(super) outcome: Option<HashVerdict>,
    /// What is asked; taken when it is.
    pub(super) ask: Option<Ask>,
    /// Of the users that it was asked of.
    pub(super) generation: u64,
}

/// What all gates share.
pub(super) struct Login {
    pub(super) remember: RecentLogins,
    /// Raised when users are read again.
    pub(super) generation: u64,
    /// What is logged of checks that cannot be made.
    pub(super) unchecked: Warnings,
    /// Those that the helper was asked about, by the number of the question.
    pub(super) pending: HashMap<u32, Box<Pending>>,
    /// Those that it will be asked about after the turn, in the same order: a turn may have many of them.
    pub(super) unasked: VecDeque<Mark>,
}

/// Whose login a check is of.
pub(super) struct Mark {
    pub(super) owner: u32,
    pub(super) source: Option<ClientNetwork>,
    pub(super) user: Option<Rc<String>>,
}

impl Default for Login {
    fn default() -> Login {
        Login {
            remember: RecentLogins::new(&seed(), REMEMBERED),
            generation: 0,
            unchecked: Warnings::default(),
            pending: HashMap::new(),
            unasked: VecDeque::new(),
        }
    }
}

impl Login {
    /// Users have been read again: what was right may be no more.
    pub(super) fn forget(&mut self) {
        self.generation += 1;
        self.remember.clear();
    }

    /// Asks the helper, about each request that it has to be asked about and in their order. `Err` gives the request back:
    /// there is nobody to ask.
    pub(super) fn ask(
        &mut self,
        mut pending: Box<Pending>,
        engine: &mut Engine,
    ) -> Result<(), Box<Pending>> {
        self.unasked.pop_front();
        let Some(ask) = pending.ask.take() else {
            return Err(pending);
        };
        match engine.ask(ask) {
            Ok(number) => {
                self.pending.insert(number, pending);
                Ok(())
            }
            Err(error) => {
                self.unchecked
                    .warn(format_args!("a login cannot be checked: {error}"));
                Err(pending)
            }
        }
    }

    /// Whether users are still those that this request was held against.
    pub(super) fn is_current(&self, pending: &Pending) -> bool {
        pending.generation == self.generation
    }

    /// The request that an answer is for.
    pub(super) fn take(&mut self, number: u32) -> Option<Box<Pending>> {
        self.pending.remove(&number)
    }

    /// Whether as many checks are under way as may be.
    pub(super) fn is_busy(&self, owner: u32, source: ClientNetwork, user: &str) -> bool {
        let asked = self.pending.values().map(|it| {
            let user = it.credentials.username.as_str();
            (it.owner, it.source, user)
        });
        let unasked = self.unasked.iter().map(|it| {
            let user = it.user.as_ref().map_or("", |user| user.as_str());
            (it.owner, it.source, user)
        });
        let (mut all, mut same) = (0, 0);
        for (its_owner, its_source, its_user) in asked.chain(unasked) {
            if its_source == Some(source) {
                all += 1;
                same += usize::from((its_owner, its_user) == (owner, user));
            }
        }
        all >= AT_ONCE_BY_SOURCE || same >= AT_ONCE
    }
}

/// Keys that are nobody's; the system has always given randomness before it comes to this.
pub(super) fn seed() -> [u8; 32] {
    auth::random().expect("the system has randomness")
}

/// The path of a request, as it was written.
pub(super) fn path_of<'h>(head: &RequestHead<'h>) -> Option<&'h str> {
    match head.target() {
        RequestTarget::Origin { path, .. } | RequestTarget::Absolute { path, .. } => Some(path),
        RequestTarget::Authority(_) | RequestTarget::Asterisk => None,
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}
