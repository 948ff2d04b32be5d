//! The helper of a daemon that runs: started before privileges are dropped, and again where that is of use.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::auth::StoredPassword;
use crate::config::{Config, Server, Users};
use crate::engine::Engine;

use crate::process::identity;

use super::backoff::Backoff;

/// A helper whose socket has closed is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The helper, as whoever turns the loop keeps it.
#[derive(Debug)]
pub(crate) struct Helper {
    config: Option<PathBuf>,
    child: Option<Child>,
    born: Instant,
    backoff: Backoff,
    /// It has ended: when the next is to be started.
    again: Option<Instant>,
    /// Started from here it would have no more rights than the daemon, which as root has given up its own.
    restarts: bool,
}

impl Helper {
    /// Starts one where it is needed: as root always, for what is opened and bound later; else where logins take long.
    /// Beside it, the daemon's end of its socket.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn start(config: &Config) -> io::Result<Option<(Helper, OwnedFd)>> {
        let root = identity::is_root();
        if !root && !config.servers.iter().any(takes_long) {
            return Ok(None);
        }
        let (socket, child) = super::spawn(config.file.as_deref())?;
        let helper = Helper {
            config: config.file.clone(),
            child: Some(child),
            born: Instant::now(),
            backoff: Backoff::default(),
            again: None,
            restarts: !root,
        };
        Ok(Some((helper, socket)))
    }

    /// Sees to a helper that has ended. How long until there is something to do again.
    pub(crate) fn look_after(&mut self, engine: &mut Engine) -> Option<Duration> {
        if engine.has_helper() {
            return None;
        }
        let now = Instant::now();
        if let Some(child) = &mut self.child {
            // Its socket has closed, so it has ended or is about to; the loop does not wait for that.
            let status = match child.try_wait() {
                Ok(None) => return Some(LOOK_AGAIN),
                Ok(Some(status)) => status.to_string(),
                Err(error) => error.to_string(),
            };
            self.child = None;
            if self.restarts {
                let pause = self.backoff.after(now.duration_since(self.born));
                log::error!("the helper has ended ({status}); another is started in {pause:?}");
                self.again = Some(now + pause);
            } else {
                log::error!(
                    "the helper has ended ({status}): logins are answered with 503 until the service manager starts the daemon again"
                );
            }
        }
        let again = self.again?;
        if again > now {
            return Some(again - now);
        }
        self.again = None;
        self.born = now;
        let started = super::spawn(self.config.as_deref())
            .and_then(|(socket, child)| engine.set_helper(socket).map(|()| child));
        match started {
            Ok(child) => self.child = Some(child),
            Err(error) => {
                let pause = self.backoff.after(Duration::ZERO);
                log::error!("no helper can be started: {error}");
                self.again = Some(now + pause);
                return Some(pause);
            }
        }
        None
    }
}

/// Whether a login at this server is nothing for the loop.
fn takes_long(server: &Server) -> bool {
    match &server.users {
        Some(Users::System { .. }) => true,
        Some(Users::List(entries)) => entries
            .iter()
            .any(|entry| StoredPassword::parse(entry.secret.reveal()).is_ok_and(|it| it.is_hash())),
        None => false,
    }
}
