//! The supervisor of the helper, in the daemon: starts the helper before privileges are dropped, and again when it has
//! ended, unless it would come back without root's rights.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::auth::StoredPassword;
use crate::config::{Config, Server, Users};
use crate::engine::{Backoff, Engine};
use crate::process::identity;

/// Between starts of a helper that keeps ending.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How soon to check again whether a helper has ended whose socket has closed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The helper, as the daemon's loop sees it.
#[derive(Debug)]
pub(crate) struct Supervisor {
    config: Option<PathBuf>,
    child: Option<Child>,
    started: Instant,
    backoff: Backoff,
    /// When to start the next, if this one has ended.
    start_again: Option<Instant>,
    /// False as root: the daemon has given up root's rights, and a helper that it starts now would not have them.
    restarts: bool,
}

impl Supervisor {
    /// Starts one, if one is needed: as root always, for later reloads; otherwise if logins take long. Returns the
    /// daemon's end of the socket too. `control` is the control socket, which root's helper removes at the end.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn start(
        config: &Config,
        control: Option<&Path>,
    ) -> io::Result<Option<(Supervisor, OwnedFd)>> {
        let root = identity::is_root();
        if !root && !config.servers.iter().any(takes_long) {
            return Ok(None);
        }
        let (socket, child) = super::spawn(config.file.as_deref(), control.filter(|_| root))?;
        let helper = Supervisor {
            config: config.file.clone(),
            child: Some(child),
            started: Instant::now(),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            start_again: None,
            restarts: !root,
        };
        Ok(Some((helper, socket)))
    }

    /// Starts another helper when this one has ended. Returns how long until this must be called again.
    pub(crate) fn look_after(&mut self, engine: &mut Engine) -> Option<Duration> {
        if engine.has_helper() {
            return None;
        }
        let now = Instant::now();
        if let Some(child) = &mut self.child {
            // Its socket has closed, so it has ended or is about to. The loop must not wait for that.
            let status = match child.try_wait() {
                Ok(None) => return Some(LOOK_AGAIN),
                Ok(Some(status)) => status.to_string(),
                Err(error) => error.to_string(),
            };
            self.child = None;
            if self.restarts {
                let pause = self
                    .backoff
                    .wait(now.duration_since(self.started), Backoff::MIDDLE);
                log::error!("the helper has ended ({status}); another is started in {pause:.0?}");
                self.start_again = Some(now + pause);
            } else {
                log::error!(
                    "the helper has ended ({status}): logins are answered with 503 until the service manager starts the daemon again"
                );
            }
        }
        let due = self.start_again?;
        if due > now {
            return Some(due - now);
        }
        self.start_again = None;
        self.started = now;
        let started = super::spawn(self.config.as_deref(), None)
            .and_then(|(socket, child)| engine.set_helper(socket).map(|()| child));
        match started {
            Ok(child) => self.child = Some(child),
            Err(error) => {
                let pause = self.backoff.wait(Duration::ZERO, Backoff::MIDDLE);
                log::error!("no helper can be started: {error}");
                self.start_again = Some(now + pause);
                return Some(pause);
            }
        }
        None
    }
}

/// Whether checking a login at this server takes too long for the loop.
fn takes_long(server: &Server) -> bool {
    match &server.users {
        Some(Users::System { .. }) => true,
        Some(Users::List(entries)) => entries
            .iter()
            .any(|entry| StoredPassword::parse(entry.secret.reveal()).is_ok_and(|it| it.is_hash())),
        None => false,
    }
}
