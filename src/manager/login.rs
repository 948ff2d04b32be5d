//! Who may enter a server: credentials of a request, held against its users.
//!
//! What is slow (a hash, the system's accounts) is asked of the helper; the request waits, its body unread, and goes on
//! where it stopped when the answer comes. Passwords are wiped with what holds them.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::auth::{
    self, Check, Login as Known, Outcome, Remember, Secret, Source, Throttle, UserList,
};
use crate::config::{self, Auth, Network, Users, Ways};
use crate::conn::event::ExchangeId;
use crate::engine::{Engine, Ops};
use crate::proto::http::credentials::{self, Credentials};
use crate::proto::http::head::{RequestHead, RequestTarget};
use crate::proto::monitor_wire::{Answer, Ask};

use super::pages::respond_error;

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

/// What became of a request at the gate.
pub(super) enum Decision {
    /// It may enter.
    Enter(Entry),
    /// It was answered.
    Refused,
    /// The helper has to be asked.
    Ask(Box<Pending>),
}

/// A request that waits for the helper.
pub(super) struct Pending {
    /// Filled in when it is deferred.
    pub exchange: Option<ExchangeId>,
    /// The owner whose gate it is at.
    pub owner: u32,
    /// The head, to be read again. It holds the credentials.
    pub head: Zeroizing<Vec<u8>>,
    source: Option<Source>,
    credentials: Credentials,
    entry: Entry,
    outcome: Option<Outcome>,
    /// What is asked; taken when it is.
    ask: Option<Ask>,
    /// Of the users that it was asked of.
    generation: u64,
}

/// What all gates share.
pub(super) struct Login {
    remember: Remember,
    /// Raised when users are read again.
    generation: u64,
    /// Those that the helper was asked about, by the number of the question.
    pending: HashMap<u32, Box<Pending>>,
    /// Those that it will be asked about after the turn, in the same order: a turn may have many of them.
    unasked: VecDeque<Mark>,
}

/// Whose login a check is of.
struct Mark {
    owner: u32,
    source: Option<Source>,
    user: Option<Rc<String>>,
}

impl Default for Login {
    fn default() -> Login {
        Login {
            remember: Remember::new(&seed(), REMEMBERED),
            generation: 0,
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
                log::warn!("a login cannot be checked: {error}");
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
    fn is_busy(&self, owner: u32, source: Source, user: &str) -> bool {
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

enum Who {
    List(UserList),
    System {
        service: String,
        groups: Vec<String>,
    },
}

/// The gate of a server that lets only its users in.
pub(super) struct Gate {
    ways: Ways,
    challenge: String,
    who: Who,
    exempt: Vec<Network>,
    throttle: Throttle,
}

impl Gate {
    /// The gate of a server; none where nothing is asked.
    pub(super) fn of(server: &config::Server) -> Option<Gate> {
        let Auth::Required { ways, realm } = &server.auth else {
            return None;
        };
        let who = match server.users.as_ref()? {
            Users::List(entries) => {
                let entries = entries.iter().filter_map(|entry| {
                    let secret = Secret::parse(entry.secret.expose()).ok()?;
                    Some((entry.name.as_str(), secret))
                });
                Who::List(UserList::new(&seed(), entries))
            }
            Users::System { groups, service } => Who::System {
                service: service.value.clone(),
                groups: groups.iter().map(|group| group.value.clone()).collect(),
            },
        };
        Some(Gate {
            ways: *ways,
            challenge: credentials::challenge(realm),
            who,
            exempt: server.limits.throttle_exempt.clone(),
            throttle: Throttle::new(&seed()),
        })
    }

    /// How users of a server prove who they are, when there is one way only.
    pub(super) fn only_way(server: &config::Server) -> Option<&'static str> {
        let Auth::Required { ways, .. } = &server.auth else {
            return None;
        };
        match (ways.basic(), ways.url()) {
            (true, false) => Some("Basic"),
            (false, true) => Some("URL"),
            _ => None,
        }
    }

    /// Whether a user may enter still, as far as can be told without a password.
    pub(super) fn knows(&self, user: &str) -> bool {
        match &self.who {
            Who::List(list) => list.contains(user),
            // Whether the system does is seen at the next login.
            Who::System { .. } => true,
        }
    }

    /// Decides about a request; one that is refused has been answered.
    pub(super) fn decide(
        &mut self,
        ops: &mut Ops<'_>,
        head: &RequestHead<'_>,
        login: &mut Login,
    ) -> Decision {
        let (credentials, entry) = match self.credentials(ops, head) {
            Ok(Some(found)) => found,
            Ok(None) => return self.refuse(ops),
            Err(error) => {
                log::debug!("{}: credentials: {error}", ops.peer());
                respond_error(ops, 400, &[]);
                return Decision::Refused;
            }
        };
        let now = Instant::now();
        let source = ops.peer().address().map(|address| address.ip());
        let source = source.filter(|ip| !self.is_exempt(*ip)).map(Source::of);
        if let Some(source) = source
            && let Some(refused) = self.throttled(ops, source, &credentials, now)
        {
            return refused;
        }
        let known = Known {
            owner: u64::from(ops.owner()),
            generation: login.generation,
            user: &credentials.username,
            password: credentials.password.as_bytes(),
        };
        if login.remember.holds(&known, now) {
            self.succeeded(source, &credentials, now);
            return Decision::Enter(entry);
        }
        let (ask, outcome) = match &self.who {
            Who::List(list) => {
                match list.check(&credentials.username, credentials.password.as_bytes()) {
                    Check::Done(true) => {
                        self.succeeded(source, &credentials, now);
                        return Decision::Enter(entry);
                    }
                    Check::Done(false) => {
                        self.failed(ops, source, &credentials, now);
                        return self.refuse(ops);
                    }
                    Check::Hash { hash, outcome } => {
                        let ask = Ask::Hash {
                            secret: Zeroizing::new(hash.as_bytes().to_vec()),
                            password: secret(&credentials),
                        };
                        (ask, Some(outcome))
                    }
                }
            }
            Who::System { service, groups } => {
                let remote_host = ops.peer().address().map(|address| address.ip().to_string());
                let ask = Ask::Auth {
                    service: service.clone(),
                    user: credentials.username.clone(),
                    password: secret(&credentials),
                    remote_host: remote_host.unwrap_or_default(),
                    groups: groups.clone(),
                };
                (ask, None)
            }
        };
        // Only now: whom nobody has to be asked about is not kept out by those who wait.
        if let Some(source) = source
            && login.is_busy(ops.owner(), source, &credentials.username)
        {
            return too_many(ops, 1);
        }
        login.unasked.push_back(Mark {
            owner: ops.owner(),
            source,
            user: entry.user.clone(),
        });
        Decision::Ask(Box::new(Pending {
            exchange: None,
            owner: ops.owner(),
            head: Zeroizing::new(head.bytes().to_vec()),
            source,
            credentials,
            entry,
            outcome,
            ask: Some(ask),
            generation: login.generation,
        }))
    }

    /// The helper's answer to a request; one that is refused has been answered.
    pub(super) fn settle(
        &mut self,
        ops: &mut Ops<'_>,
        pending: Pending,
        answer: &Answer,
        login: &mut Login,
    ) -> Option<Entry> {
        let Pending {
            source,
            credentials,
            mut entry,
            outcome,
            ..
        } = pending;
        let now = Instant::now();
        let right = match (answer, outcome) {
            (Answer::Granted { user }, None) => {
                entry.user = Some(Rc::new(user.clone()));
                true
            }
            (Answer::Hash(verified), Some(outcome)) => outcome.settle(*verified),
            (Answer::Refused, None) => false,
            (answer, _) => {
                if let Answer::Failed(why) = answer {
                    log::error!("{}: a login cannot be checked: {why}", ops.peer());
                }
                respond_error(ops, 503, &[("Retry-After", b"10")]);
                return None;
            }
        };
        if !right {
            self.failed(ops, source, &credentials, now);
            self.refuse(ops);
            return None;
        }
        login.remember.add(
            &Known {
                owner: u64::from(ops.owner()),
                generation: login.generation,
                user: &credentials.username,
                password: credentials.password.as_bytes(),
            },
            now,
        );
        self.succeeded(source, &credentials, now);
        Some(entry)
    }

    /// What the request says who it is from, and how; `None`: nothing.
    fn credentials(
        &self,
        ops: &mut Ops<'_>,
        head: &RequestHead<'_>,
    ) -> Result<Option<(Credentials, Entry)>, credentials::Error> {
        if self.ways.url()
            && let Some(path) = path_of(head)
        {
            let found = credentials::url(path);
            if !matches!(found, Ok(None)) {
                ops.set_private();
            }
            if let Some(found) = found? {
                let entry = Entry {
                    user: Some(Rc::new(found.credentials.username.clone())),
                    how: Some("URL"),
                    prefix: found.prefix.len(),
                };
                return Ok(Some((found.credentials, entry)));
            }
        }
        if !self.ways.basic() {
            return Ok(None);
        }
        Ok(credentials::basic(head)?.map(|credentials| {
            let entry = Entry {
                user: Some(Rc::new(credentials.username.clone())),
                how: Some("Basic"),
                prefix: 0,
            };
            (credentials, entry)
        }))
    }

    fn throttled(
        &mut self,
        ops: &mut Ops<'_>,
        source: Source,
        credentials: &Credentials,
        now: Instant,
    ) -> Option<Decision> {
        let (user, password) = (&credentials.username, credentials.password.as_bytes());
        let refused = self.throttle.check(source, user, password, now).err()?;
        if refused.first {
            log::warn!(
                "{}: too many failed logins, the last as {:?}: refused for a minute",
                ops.peer(),
                user
            );
        }
        Some(too_many(ops, refused.retry_after))
    }

    fn is_exempt(&self, ip: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(ip))
    }

    fn succeeded(&mut self, source: Option<Source>, credentials: &Credentials, now: Instant) {
        if let Some(source) = source {
            let (user, password) = (&credentials.username, credentials.password.as_bytes());
            self.throttle.succeeded(source, user, password, now);
        }
    }

    fn failed(
        &mut self,
        ops: &Ops<'_>,
        source: Option<Source>,
        credentials: &Credentials,
        now: Instant,
    ) {
        let user = &credentials.username;
        log::info!("{}: login as {user:?} failed", ops.peer());
        if let Some(source) = source {
            self.throttle.failed(source, user, now);
        }
    }

    /// 401 with the challenge where Basic could bring what is missing, else 403 (RFC 9110 §11.6.1).
    fn refuse(&self, ops: &mut Ops<'_>) -> Decision {
        if self.ways.basic() {
            let challenge = ("WWW-Authenticate", self.challenge.as_bytes());
            respond_error(ops, 401, &[challenge]);
        } else {
            respond_error(ops, 403, &[]);
        }
        Decision::Refused
    }
}

/// Too many attempts (RFC 6585 §4); the next makes sense after so many seconds.
fn too_many(ops: &mut Ops<'_>, retry_after: u32) -> Decision {
    let retry_after = retry_after.to_string();
    respond_error(ops, 429, &[("Retry-After", retry_after.as_bytes())]);
    Decision::Refused
}

fn secret(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(credentials.password.as_bytes().to_vec())
}

/// Keys that are nobody's; the system has always given randomness before it comes to this.
fn seed() -> [u8; 32] {
    auth::random().expect("the system has randomness")
}

/// The path of a request, as it was written.
pub(super) fn path_of<'h>(head: &RequestHead<'h>) -> Option<&'h str> {
    match head.target() {
        RequestTarget::Origin { path, .. } | RequestTarget::Absolute { path, .. } => Some(path),
        RequestTarget::Authority(_) | RequestTarget::Asterisk => None,
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("ways", &self.ways)
            .finish_non_exhaustive()
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
