//! The limit on wrong passwords of users of the system, kept where the process that faces the network cannot change it.
//!
//! The addresses are those that this process tells, which may lie. So failures of a user are also counted from everywhere:
//! they are far more than people need, and far fewer than guessing takes.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::Instant;

use crate::auth::{self, ClientNetwork, Throttle, UserThrottle};
use crate::config::Network;
use crate::proto::helper::WipedBytes;

/// A login that is being checked.
struct Guess {
    /// Where it is said to come from; `None` when it comes from nowhere that is counted.
    network: Option<ClientNetwork>,
    user: String,
    password: WipedBytes,
}

pub(super) struct Guesses {
    throttle: Throttle,
    users: UserThrottle,
    /// By the numbers of their requests.
    checked: HashMap<u32, Guess>,
}

impl Guesses {
    /// No failure yet.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(super) fn new() -> io::Result<Guesses> {
        Ok(Guesses {
            throttle: Throttle::new(
                &auth::random().ok_or_else(|| io::Error::other("the system has no randomness"))?,
            ),
            users: UserThrottle::default(),
            checked: HashMap::new(),
        })
    }

    /// Whether a login may be checked now.
    pub(super) fn allow(
        &mut self,
        id: u32,
        (user, password): (&str, &WipedBytes),
        remote_host: &str,
        exempt: &[Network],
        now: Instant,
    ) -> bool {
        let address = remote_host.parse::<IpAddr>().ok();
        let counted = address.filter(|ip| !exempt.iter().any(|network| network.contains(*ip)));
        let network = counted.map(ClientNetwork::of);
        let by_network =
            network.is_none_or(|network| self.throttle.check(network, user, password, now).is_ok());
        if !by_network || !self.users.allows(user, now) {
            return false;
        }
        let guess = Guess {
            network,
            user: user.to_owned(),
            password: password.clone(),
        };
        self.checked.insert(id, guess);
        true
    }

    /// A login was checked, or was not.
    pub(super) fn settle(&mut self, id: u32, right: Option<bool>, now: Instant) {
        let Some(guess) = self.checked.remove(&id) else {
            return;
        };
        let Guess {
            network,
            user,
            password,
        } = guess;
        match (right, network) {
            (Some(true), Some(network)) => self.throttle.succeeded(network, &user, &password, now),
            (Some(false), network) => {
                if let Some(network) = network {
                    self.throttle.failed(network, &user, now);
                }
                if self.users.failed(&user, now) {
                    log::warn!(
                        "too many failed logins as {user:?} from everywhere: refused for a minute"
                    );
                }
            }
            _ => {}
        }
    }
}
