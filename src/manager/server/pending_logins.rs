//! Logins that the helper checks, and those that are remembered, of all servers.
//!
//! Slow checks (a hash, the system's accounts) are left to the helper; the request waits, its body unread, and goes on
//! where it stopped when the answer comes. Passwords are wiped with what holds them.

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

/// A good login is remembered for so long, for the pages and files that follow it.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The most checks of one user from one address at a time: each may fail, and is not counted before it does.
const AT_ONCE: usize = 10;

/// The most checks from one address at a time, whatever user it names.
const AT_ONCE_BY_ADDRESS: usize = 32;

/// How a request was let in.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// Its user; none where nothing is asked.
    pub user: Option<Rc<String>>,
    /// `Basic` or `URL`.
    pub auth_scheme: Option<&'static str>,
    /// The length of the part of the path that holds credentials.
    pub prefix: usize,
}

impl Entry {
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
    /// The head, to be read again. It holds the credentials.
    pub head: Zeroizing<Vec<u8>>,
    pub client: Option<ClientNetwork>,
    pub credentials: Credentials,
    pub entry: Entry,
    /// What the list says beside the hash, of a user in a list.
    pub check: Option<HashVerdict>,
    /// Of the users that it is checked against.
    pub generation: u64,
}

impl PendingLogin {
    /// The server, the address and the user that it is counted for.
    fn key(&self) -> (OwnerId, Option<ClientNetwork>, &str) {
        (self.owner, self.client, &self.credentials.username)
    }
}

/// The logins of all servers.
pub(in crate::manager) struct Logins {
    pub(super) remembered: RecentLogins,
    /// Raised when users are read again.
    pub(super) generation: u64,
    /// Limits what is logged of checks that cannot be made.
    unchecked: RateLimit,
    /// Requests that the helper was asked about, by the number of the question.
    pending: HashMap<u32, Box<PendingLogin>>,
    /// Requests that it will be asked about after the turn, in their order.
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
    /// Users have been read again: what was right may be wrong now.
    pub(super) fn forget(&mut self) {
        self.generation += 1;
        self.remembered.clear();
    }

    /// The helper is to be asked about a request after the turn.
    pub(super) fn queue(&mut self, pending: Box<PendingLogin>, ask: Ask) {
        self.unasked.push_back((pending, ask));
    }

    /// Whether the helper is to be asked about some request.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.unasked.is_empty()
    }

    /// Asks the helper about each request that waits for that; gives back one that it cannot be asked about.
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

    /// The request that an answer is for.
    pub(super) fn take(&mut self, number: u32) -> Option<Box<PendingLogin>> {
        self.pending.remove(&number)
    }

    /// Whether as many checks are under way for this address, or for this user from it, as may be.
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

/// A random key; the system has always given randomness before it comes to this.
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
