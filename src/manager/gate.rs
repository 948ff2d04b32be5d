//! The gate of a server: credentials of a request, held against those who may enter.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::auth::{Check, ClientNetwork, LoginKey, StoredPassword, Throttle, UserList};
use crate::config::{self, Auth, Network, Users, Ways};
use crate::engine::Ops;
use crate::proto::helper::{Answer, Ask};
use crate::proto::http::credentials::{self, Credentials};
use crate::proto::http::head::RequestHead;

use super::login::{Entry, Login, Mark, Pending, path_of, seed};
use super::pages::respond_error;

/// What became of a request at the gate.
pub(super) enum Decision {
    /// It may enter.
    Enter(Entry),
    /// It was answered.
    Refused,
    /// The helper has to be asked.
    Ask(Box<Pending>),
}

enum Who {
    List(Box<UserList>),
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
                    let secret = StoredPassword::parse(entry.secret.reveal()).ok()?;
                    Some((entry.name.as_str(), secret))
                });
                Who::List(Box::new(UserList::new(&seed(), entries)))
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
        let source = source
            .filter(|ip| !self.is_exempt(*ip))
            .map(ClientNetwork::of);
        if let Some(source) = source
            && let Some(refused) = self.throttled(ops, source, &credentials, now)
        {
            return refused;
        }
        let known = LoginKey {
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
        // What is remembered is what was typed; a name that the system spells otherwise is asked for again.
        if entry.user.as_deref() == Some(&credentials.username) {
            login.remember.add(
                &LoginKey {
                    owner: u64::from(ops.owner()),
                    generation: login.generation,
                    user: &credentials.username,
                    password: credentials.password.as_bytes(),
                },
                now,
            );
        }
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
        source: ClientNetwork,
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

    fn succeeded(
        &mut self,
        source: Option<ClientNetwork>,
        credentials: &Credentials,
        now: Instant,
    ) {
        if let Some(source) = source {
            let (user, password) = (&credentials.username, credentials.password.as_bytes());
            self.throttle.succeeded(source, user, password, now);
        }
    }

    fn failed(
        &mut self,
        ops: &Ops<'_>,
        source: Option<ClientNetwork>,
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

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("ways", &self.ways)
            .finish_non_exhaustive()
    }
}
