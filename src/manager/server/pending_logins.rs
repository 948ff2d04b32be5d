//! The logins of all servers: those that the helper checks, and those that are remembered.
//!
//! The helper does slow checks: hashes, and accounts of the system. Meanwhile the request waits, and its body is not read.
//! Passwords are wiped from memory when they are dropped.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::auth::{self, ClientNetwork, HashVerdict, RecentLogins};
use crate::conn::event::ExchangeId;
use crate::engine::{Engine, OwnerId, RateLimit};
use crate::manager::content::path_of;
use crate::proto::helper::Ask;
use crate::proto::http::credentials::Credentials;
use crate::proto::http::head::RequestHead;

/// How long a login is remembered, for the requests that follow it.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The most checks of one user from one address at a time. Each may be a wrong guess that is not counted as failed yet.
const AT_ONCE: usize = 10;

/// The most checks from one address at a time, of all users together.
const AT_ONCE_BY_ADDRESS: usize = 32;

/// How a request was allowed.
#[derive(Clone, Debug, Default)]
pub(super) struct Login {
    /// Its user; `None` when no login is needed.
    pub user: Option<Rc<String>>,
    /// `Basic` or `URL`.
    pub auth_scheme: Option<&'static str>,
    /// The length in bytes of the part of the path that holds credentials.
    pub prefix: usize,
}

impl Login {
    /// The part of the path that holds credentials: `/auth/…/…`, or nothing.
    pub(super) fn prefix<'h>(&self, head: &RequestHead<'h>) -> &'h str {
        path_of(head)
            .and_then(|path| path.get(..self.prefix))
            .unwrap_or_default()
    }
}

/// A request whose login the helper checks.
pub(super) struct PendingLogin {
    pub exchange: ExchangeId,
    /// The server that it came to.
    pub owner: OwnerId,
    /// Its head, which is read again later. It holds the credentials.
    pub head: Zeroizing<Vec<u8>>,
    pub client: Option<ClientNetwork>,
    pub credentials: Credentials,
    pub entry: Login,
    /// For a user of a list: how to judge the result of the hash.
    pub check: Option<HashVerdict>,
    /// The generation of the users that it is checked against.
    pub generation: u64,
}

impl PendingLogin {
    /// The server, address and user whose checks are counted together.
    fn key(&self) -> (OwnerId, Option<ClientNetwork>, &str) {
        (self.owner, self.client, &self.credentials.username)
    }
}

/// The logins of all servers.
pub(in crate::manager) struct Logins {
    pub(super) remembered: RecentLogins,
    /// Grows each time the users are read again.
    pub(super) generation: u64,
    /// Limits the warnings about checks that cannot be made.
    unchecked: RateLimit,
    /// Requests that the helper was asked about, by the number that was sent to it.
    pending: HashMap<u32, Box<PendingLogin>>,
    /// Requests that the helper is to be asked about after the turn, in their order.
    unasked: VecDeque<(Box<PendingLogin>, Ask)>,
}

impl Default for Logins {
    fn default() -> Logins {
        Logins {
            remembered: RecentLogins::new(&seed(), REMEMBERED),
            generation: 0,
            unchecked: RateLimit::default(),
            pending: HashMap::new(),
            unasked: VecDeque::new(),
        }
    }
}

impl Logins {
    /// The users were read again: passwords that were right may be wrong now.
    pub(super) fn forget(&mut self) {
        self.generation += 1;
        self.remembered.clear();
    }

    /// Queues a request, so that the helper is asked about it after the turn.
    pub(super) fn queue(&mut self, pending: Box<PendingLogin>, ask: Ask) {
        self.unasked.push_back((pending, ask));
    }

    /// Whether there is nothing to ask the helper.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.unasked.is_empty()
    }

    /// Asks the helper about queued requests. Returns one that it cannot be asked about; then others may still be queued.
    pub(super) fn ask_all(&mut self, engine: &mut Engine) -> Option<Box<PendingLogin>> {
        while let Some((pending, ask)) = self.unasked.pop_front() {
            match engine.ask(ask) {
                Ok(number) => {
                    self.pending.insert(number, pending);
                }
                Err(error) => {
                    self.unchecked
                        .warn(format_args!("a login cannot be checked: {error}"));
                    return Some(pending);
                }
            }
        }
        None
    }

    /// Whether the users are still those that this request was checked against.
    pub(super) fn is_current(&self, pending: &PendingLogin) -> bool {
        pending.generation == self.generation
    }

    /// Takes the request that an answer is for.
    pub(super) fn take(&mut self, number: u32) -> Option<Box<PendingLogin>> {
        self.pending.remove(&number)
    }

    /// Whether this address, or this user from it, has the most checks under way already.
    pub(super) fn is_busy(&self, owner: OwnerId, client: ClientNetwork, user: &str) -> bool {
        let unasked = self.unasked.iter().map(|(pending, _)| pending);
        let (mut all, mut same) = (0, 0);
        for pending in self.pending.values().chain(unasked) {
            let key = pending.key();
            all += usize::from(key.1 == Some(client));
            same += usize::from(key == (owner, Some(client), user));
        }
        all >= AT_ONCE_BY_ADDRESS || same >= AT_ONCE
    }
}

/// A random key. The system has given random bytes before, so it does not fail here.
pub(super) fn seed() -> [u8; 32] {
    auth::random().expect("the system has randomness")
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logins")
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PendingLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingLogin")
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}
