//! Authentication: the credentials of a request are checked against the users of a server.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::auth::{Check, ClientNetwork, LoginKey, StoredPassword, Throttle, UserList};
use crate::config::{self, Auth, Network, Users, Ways};
use crate::engine::Ops;
use crate::manager::content::{path_of, respond_error};
use crate::proto::helper::{Answer, Ask};
use crate::proto::http::credentials::{self, Credentials};
use crate::proto::http::head::RequestHead;

use super::pending_logins::{Login, Logins, PendingLogin, seed};

/// The decision about a request.
pub(super) enum Decision {
    /// It is allowed.
    Allowed(Login),
    /// It was refused, and answered.
    Refused,
    /// It waits until the helper has checked its login.
    Pending,
}

enum UserSource {
    List(Box<UserList>),
    /// The helper knows the rest.
    System {
        server: String,
    },
}

/// Authenticates the users of one server.
pub(super) struct Authenticator {
    ways: Ways,
    challenge: String,
    users: UserSource,
    exempt: Vec<Network>,
    throttle: Throttle,
}

impl Authenticator {
    /// The authenticator of a server; `None` when it needs no login.
    pub(super) fn of(server: &config::Server) -> Option<Authenticator> {
        let Auth::Required { ways, realm } = &server.auth else {
            return None;
        };
        let users = match server.users.as_ref()? {
            Users::List(entries) => {
                let entries = entries.iter().filter_map(|entry| {
                    let secret = StoredPassword::parse(entry.secret.reveal()).ok()?;
                    Some((entry.name.as_str(), secret))
                });
                UserSource::List(Box::new(UserList::new(&seed(), entries)))
            }
            Users::System { .. } => UserSource::System {
                server: server.id.as_str().to_owned(),
            },
        };
        Some(Authenticator {
            ways: *ways,
            challenge: credentials::challenge(realm),
            users,
            exempt: server.limits.throttle_exempt.clone(),
            throttle: Throttle::new(&seed()),
        })
    }

    /// How users of a server log in, when there is one way only.
    pub(super) fn only_scheme(server: &config::Server) -> Option<&'static str> {
        let Auth::Required { ways, .. } = &server.auth else {
            return None;
        };
        match (ways.basic(), ways.url()) {
            (true, false) => Some("Basic"),
            (false, true) => Some("URL"),
            _ => None,
        }
    }

    /// Decides about a request. It answers one that is refused, and defers one that is pending.
    pub(super) fn authenticate(
        &mut self,
        ops: &mut Ops<'_>,
        head: &RequestHead<'_>,
        logins: &mut Logins,
    ) -> Decision {
        let (credentials, entry) = match self.credentials(ops, head) {
            Ok(Some(found)) => found,
            Ok(None) => return self.refuse(ops),
            Err(error) => {
                log::debug!("{}: malformed credentials: {error}", ops.peer());
                respond_error(ops, 400, &[]);
                return Decision::Refused;
            }
        };
        let now = Instant::now();
        let client = ops.peer().address().map(|address| address.ip());
        let client = client
            .filter(|ip| !self.is_exempt(*ip))
            .map(ClientNetwork::of);
        if let Some(client) = client
            && let Some(refused) = self.throttled(ops, client, &credentials, now)
        {
            return refused;
        }
        let login = self.login(ops, logins, &credentials);
        if logins.remembered.holds(&login, now) {
            self.succeeded(client, &credentials, now);
            return Decision::Allowed(entry);
        }
        let (ask, check) = match &self.users {
            UserSource::List(list) => {
                match list.check(&credentials.username, credentials.password.as_bytes()) {
                    Check::Done(true) => {
                        self.succeeded(client, &credentials, now);
                        return Decision::Allowed(entry);
                    }
                    Check::Done(false) => {
                        self.failed(ops, client, &credentials, now);
                        return self.refuse(ops);
                    }
                    Check::Hash {
                        hash,
                        outcome: check,
                    } => {
                        let ask = Ask::Hash {
                            secret: Zeroizing::new(hash.as_bytes().to_vec()),
                            password: secret(&credentials),
                        };
                        (ask, Some(check))
                    }
                }
            }
            UserSource::System { server } => {
                let remote_host = ops.peer().address().map(|address| address.ip().to_string());
                let ask = Ask::Auth {
                    server: server.clone(),
                    user: credentials.username.clone(),
                    password: secret(&credentials),
                    remote_host: remote_host.unwrap_or_default(),
                };
                (ask, None)
            }
        };
        // Only checked here: a login that needs no helper must not be refused because of others that do.
        if let Some(client) = client
            && logins.is_busy(ops.owner(), client, &credentials.username)
        {
            return too_many(ops, 1);
        }
        let pending = PendingLogin {
            exchange: ops.defer(true),
            owner: ops.owner(),
            head: Zeroizing::new(head.bytes().to_vec()),
            client,
            credentials,
            entry,
            check,
            generation: logins.generation,
        };
        logins.queue(Box::new(pending), ask);
        Decision::Pending
    }

    /// Acts on the answer of the helper. `None`: the request is refused, and answered.
    pub(super) fn settle(
        &mut self,
        ops: &mut Ops<'_>,
        pending: PendingLogin,
        answer: &Answer,
        logins: &mut Logins,
    ) -> Option<Login> {
        let PendingLogin {
            client,
            credentials,
            mut entry,
            check,
            ..
        } = pending;
        let now = Instant::now();
        let right = match (answer, check) {
            (Answer::Granted { user }, None) => {
                entry.user = Some(Rc::new(user.clone()));
                true
            }
            (Answer::Hash(verified), Some(check)) => check.settle(*verified),
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
            self.failed(ops, client, &credentials, now);
            self.refuse(ops);
            return None;
        }
        // The system may spell the name in another way. Only logins in its spelling are remembered.
        if entry.user.as_deref() == Some(&credentials.username) {
            let login = self.login(ops, logins, &credentials);
            logins.remembered.add(&login, now);
        }
        self.succeeded(client, &credentials, now);
        Some(entry)
    }

    /// The credentials of a request, and the entry that it gets if they are right.
    fn credentials(
        &self,
        ops: &mut Ops<'_>,
        head: &RequestHead<'_>,
    ) -> Result<Option<(Credentials, Login)>, credentials::Error> {
        if self.ways.url()
            && let Some(path) = path_of(head)
        {
            let found = credentials::url(path);
            if !matches!(found, Ok(None)) {
                ops.set_private();
            }
            if let Some(found) = found? {
                let entry = Login {
                    user: Some(Rc::new(found.credentials.username.clone())),
                    auth_scheme: Some("URL"),
                    prefix: found.prefix.len(),
                };
                return Ok(Some((found.credentials, entry)));
            }
        }
        if !self.ways.basic() {
            return Ok(None);
        }
        Ok(credentials::basic(head)?.map(|credentials| {
            let entry = Login {
                user: Some(Rc::new(credentials.username.clone())),
                auth_scheme: Some("Basic"),
                prefix: 0,
            };
            (credentials, entry)
        }))
    }

    fn throttled(
        &mut self,
        ops: &mut Ops<'_>,
        client: ClientNetwork,
        credentials: &Credentials,
        now: Instant,
    ) -> Option<Decision> {
        let (user, password) = (&credentials.username, credentials.password.as_bytes());
        let refused = self.throttle.check(client, user, password, now).err()?;
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
        client: Option<ClientNetwork>,
        credentials: &Credentials,
        now: Instant,
    ) {
        if let Some(client) = client {
            let (user, password) = (&credentials.username, credentials.password.as_bytes());
            self.throttle.succeeded(client, user, password, now);
        }
    }

    fn failed(
        &mut self,
        ops: &Ops<'_>,
        client: Option<ClientNetwork>,
        credentials: &Credentials,
        now: Instant,
    ) {
        let user = &credentials.username;
        log::info!("{}: login as {user:?} failed", ops.peer());
        if let Some(client) = client {
            self.throttle.failed(client, user, now);
        }
    }

    /// The key by which a login is remembered. That of a user of the system is remembered for its connection only: nothing
    /// tells when a password of the system changes.
    fn login<'c>(
        &self,
        ops: &Ops<'_>,
        logins: &Logins,
        credentials: &'c Credentials,
    ) -> LoginKey<'c> {
        let connection = match self.users {
            UserSource::List(_) => 0,
            UserSource::System { .. } => ops.id().serial(),
        };
        LoginKey {
            owner: u64::from(ops.owner()),
            connection,
            generation: logins.generation,
            user: &credentials.username,
            password: credentials.password.as_bytes(),
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

/// Answers that there were too many attempts (RFC 6585 §4). `retry_after` is in seconds.
fn too_many(ops: &mut Ops<'_>, retry_after: u32) -> Decision {
    let retry_after = retry_after.to_string();
    respond_error(ops, 429, &[("Retry-After", retry_after.as_bytes())]);
    Decision::Refused
}

fn secret(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(credentials.password.as_bytes().to_vec())
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("ways", &self.ways)
            .finish_non_exhaustive()
    }
}
