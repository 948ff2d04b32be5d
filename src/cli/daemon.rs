//! The daemon: starts everything, and runs the event loop until a signal stops it.

use std::io;
use std::panic;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::engine::{Bound, Engine, Limits};
use crate::helper::supervisor::Supervisor;
use crate::manager::{Loaded, Manager};
use crate::process::config_files::Opener;
use crate::process::exit::Exit;
use crate::process::privileges::{self, Identity};
use crate::process::random::random;
use crate::process::syscall::check;
use crate::proto::counted::counted;

use super::args::Verbosity;
use super::command_socket::{self, NoSocket};
use super::host::ThisProcess;
use super::notify::Notify;
use super::script_base;
use super::signals::Signals;
use super::sockets::Sockets;

/// How long answers under way may take after a signal to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How long subscribers may then take to read the last events.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// The exit status of a daemon that ends because of an error, which is in the log.
struct Ended(Exit);

impl Ended {
    fn log(exit: Exit, what: &dyn std::fmt::Display) -> Ended {
        log::error!("{what}");
        Ended(exit)
    }

    fn failed(what: &str, error: &io::Error) -> Ended {
        Ended::log(Exit::Failed, &format_args!("{what}: {error}"))
    }
}

/// Runs until a signal to stop.
#[must_use]
pub(super) fn run(loaded: Loaded, verbosity: Verbosity) -> Exit {
    log_panics();
    match start(loaded, verbosity).and_then(Daemon::turn_until_stopped) {
        Ok(()) => Exit::Done,
        Err(Ended(exit)) => exit,
    }
}

/// A running daemon.
struct Daemon {
    engine: Engine,
    manager: Manager,
    helper: Option<Supervisor>,
    signals: Signals,
    host: ThisProcess,
}

/// Starts everything. Root's rights are given up as soon as the helper runs. What needs them later, as in a reload, is
/// done by the helper.
fn start(loaded: Loaded, verbosity: Verbosity) -> Result<Daemon, Ended> {
    let config = &loaded.config;
    // This comes first, so that a signal during the start is acted on when the loop runs.
    let signals =
        Signals::watch().map_err(|error| Ended::failed("signals cannot be taken", &error))?;
    let descriptors = raise_descriptor_limit()
        .inspect_err(|error| log::warn!("the descriptor limit stays as it is: {error}"))
        .ok();
    let identity =
        privileges::resolve(config).map_err(|fault| Ended::log(Exit::Configuration, &fault))?;
    let control = command_socket(config, identity.as_ref())?;
    let path = control.as_ref().map(|(path, _)| path.as_path());
    let helper = Supervisor::start(config, path)
        .map_err(|error| Ended::failed("the helper cannot be started", &error))?;
    privileges::drop_to(identity.as_ref())
        .map_err(|error| Ended::failed("root's rights cannot be given up", &error))?;
    match &identity {
        Some(identity) if identity.account.user == 0 => {
            log::warn!(
                "running as root, because user in [daemon] is root; a user of its own is safer"
            );
        }
        Some(identity) => log::info!("running as {} from here on", identity.name),
        None => {}
    }
    let gave_up_root = identity.is_some_and(|identity| identity.account.user != 0);
    let mut host = ThisProcess {
        file: config.file.clone(),
        sockets: if gave_up_root {
            Sockets::OwnOrHelper
        } else {
            Sockets::Own
        },
        opener: Opener::of(&config.daemon),
        verbosity,
        notify: Notify::from_env(),
    };
    let loop_failed = |error: io::Error| Ended::failed("the event loop failed", &error);
    let mut engine = Engine::new(limits(config), random).map_err(loop_failed)?;
    engine.wake_on(signals.fd()).map_err(loop_failed)?;
    let helper = match helper {
        Some((helper, socket)) => {
            engine.set_helper(socket).map_err(loop_failed)?;
            Some(helper)
        }
        None => None,
    };
    let socket = control.as_ref().map(|(path, _)| path.clone());
    let base = script_base::of(socket, descriptors);
    let mut manager = Manager::new(&engine, config.daemon.clone(), base);
    if let Err(faults) = manager.start(&mut engine, &mut host, loaded) {
        faults.iter().for_each(|fault| log::error!("{fault}"));
        return Err(Ended(Exit::Failed));
    }
    if let Some((path, bound)) = control {
        manager
            .listen_for_commands(&mut engine, bound)
            .map_err(loop_failed)?;
        log::info!("commands: unix:{}", path.display());
    }
    host.notify.ready();
    Ok(Daemon {
        engine,
        manager,
        helper,
        signals,
        host,
    })
}

fn command_socket(
    config: &Config,
    identity: Option<&Identity>,
) -> Result<Option<(PathBuf, Bound)>, Ended> {
    command_socket::make(config, identity).map_err(|error| match error {
        NoSocket::AlreadyRunning(path) => Ended::log(
            Exit::Failed,
            &format_args!("already running: a daemon listens on {}", path.display()),
        ),
        NoSocket::Failed(path, error) => {
            Ended::failed(&format!("the control socket {}", path.display()), &error)
        }
    })
}

fn limits(config: &Config) -> Limits {
    Limits {
        max_connections: config.daemon.max_connections,
        max_memory: config.daemon.max_memory as usize,
    }
}

impl Daemon {
    fn turn_until_stopped(mut self) -> Result<(), Ended> {
        self.serve()
            .and_then(|()| self.stop())
            .map_err(|error| Ended::failed("the event loop failed", &error))
    }

    fn serve(&mut self) -> io::Result<()> {
        while self.signals.stops() == 0 {
            let helper = self.helper.as_mut();
            let looks = helper.and_then(|helper| helper.look_after(&mut self.engine));
            self.turn(looks)?;
            if self.signals.take_reloads() > 0 {
                log::info!("SIGHUP: reading the configuration again");
                self.manager.reload(&mut self.engine, &mut self.host);
            }
        }
        Ok(())
    }

    fn stop(&mut self) -> io::Result<()> {
        self.host.notify.stopping();
        let open = self.engine.connections();
        log::info!("stopping: {} open", counted(open, "connection"));
        let end = Instant::now() + GRACE;
        self.manager.stop_clients(&mut self.engine);
        self.engine.shut_down(&mut self.manager);
        self.manager.stop_scripts(&mut self.engine, &mut self.host);
        self.turn_while(end, |engine| {
            engine.peers() + engine.children().running() > 0
        })?;
        self.manager.stop_commands(&mut self.engine, &mut self.host);
        let end = Instant::now() + LAST_EVENTS;
        self.turn_while(end, |engine| engine.connections() > 0)?;
        log::info!("stopped");
        Ok(())
    }

    /// Turns while `is_busy`, at most until `end` or a second signal to stop.
    fn turn_while(
        &mut self,
        end: Instant,
        is_busy: impl Fn(&mut Engine) -> bool,
    ) -> io::Result<()> {
        while is_busy(&mut self.engine) && self.signals.stops() < 2 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.turn(Some(left))?;
        }
        Ok(())
    }

    /// One turn. It waits for events, at most for `wait`, and not beyond the deadline of the manager.
    fn turn(&mut self, wait: Option<Duration>) -> io::Result<()> {
        let due = self.manager.deadline();
        let left = due.map(|due| u64::from(due.since(self.engine.now())));
        let until = wait.into_iter().chain(left.map(Duration::from_millis));
        self.engine.turn(&mut self.manager, until.min())?;
        self.manager.work(&mut self.engine, &mut self.host);
        Ok(())
    }
}

/// Raises the soft limit of descriptors to the hard one, because each connection needs one. Returns the old soft limit.
fn raise_descriptor_limit() -> io::Result<u64> {
    // SAFETY: both pointers are of an rlimit.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit))?;
        let before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))?;
        Ok(before)
    }
}

/// Logs panics with their place. A panic ends one connection only.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let payload = info.payload();
        let what = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        log::error!("panic at {place}: {what}");
    }));
}
