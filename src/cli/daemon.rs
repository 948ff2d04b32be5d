//! The main job: binds what the configuration names, and runs the loop until a signal ends it.

use std::io;
use std::os::fd::OwnedFd;
use std::panic;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::certs::{LoadedServer, SystemRoots};
use crate::config::{Address, Config, Server, open_file};
use crate::engine::{Bound, Engine, Limits};
use crate::manager::{Defined, Manager, ServerTls, bind};

use super::args::Verbosity;
use super::certificates;
use super::command_socket::{self, NoSocket};
use super::host::ThisProcess;
use super::notify::Notify;
use super::signals::Signals;
use super::world;
use crate::helper::supervisor::Helper;
use crate::process::exit::Exit;
use crate::process::privileges::{self, Identity};
use crate::process::random::random;

/// Answers in flight are finished for this long after a signal to stop.
const GRACE: Duration = Duration::from_secs(10);

/// And for this long after that, subscribers may read how it went.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs until it is told to stop.
#[must_use]
pub(super) fn run(config: &Config, verbosity: Verbosity) -> Exit {
    log_panics();
    let descriptors = raise_descriptor_limit()
        .inspect_err(|error| log::warn!("the descriptor limit stays as it is: {error}"))
        .ok();
    let identity = match privileges::resolve(config) {
        Ok(identity) => identity,
        Err(fault) => {
            log::error!("{fault}");
            return Exit::Configuration;
        }
    };
    let control = match command_socket::make(config, identity.as_ref()) {
        Ok(control) => control,
        Err(NoSocket::AlreadyRunning(path)) => {
            log::error!("already running: a daemon listens on {}", path.display());
            return Exit::Failed;
        }
        Err(NoSocket::Failed(path, error)) => {
            log::error!("the control socket {}: {error}", path.display());
            return Exit::Failed;
        }
    };
    let Some(bound) = bind_all(config) else {
        return Exit::Failed;
    };
    let Some(loaded) = load_certificates(config) else {
        return Exit::Configuration;
    };
    let Some(clients) = define_clients(config) else {
        return Exit::Configuration;
    };
    let helper = match give_up_rights(config, identity.as_ref()) {
        Ok(helper) => helper,
        Err(error) => {
            log::error!("{error}");
            return Exit::Failed;
        }
    };
    let host = ThisProcess {
        file: config.file.clone(),
        gave_up_root: identity.is_some_and(|identity| identity.account.user != 0),
        verbosity,
        notify: Notify::from_env(),
    };
    let opened = Opened {
        bound,
        loaded,
        control,
        helper,
        clients,
        descriptors,
    };
    match serve(config, host, opened) {
        Ok(()) => Exit::Done,
        Err(error) => {
            log::error!("the event loop failed: {error}");
            Exit::Failed
        }
    }
}

/// The bindings of every active server, or none when one cannot be bound: each that cannot is named.
fn bind_all(config: &Config) -> Option<Vec<Vec<Bound>>> {
    let mut failed = false;
    let mut servers = Vec::new();
    for server in active(config) {
        let mut bound = Vec::new();
        for binding in &server.bind {
            match bind(&binding.address) {
                Ok(one) => bound.push(one),
                Err(error) => {
                    failed = true;
                    let what = format!(
                        "{}: cannot listen on {}: {error}",
                        server.id, binding.address
                    );
                    log::error!("{}", config.fault(binding.place, what));
                }
            }
        }
        servers.push(bound);
    }
    (!failed).then_some(servers)
}

/// Starts the helper, which keeps the rights that this process then gives up for good.
fn give_up_rights(
    config: &Config,
    identity: Option<&Identity>,
) -> io::Result<Option<(Helper, OwnedFd)>> {
    let context = |what: &str, error: io::Error| io::Error::other(format!("{what}: {error}"));
    if let Some(identity) = identity {
        for binding in active(config).flat_map(|server| &server.bind) {
            if let Address::Unix(path) = &binding.address {
                privileges::give_socket(path, identity)
                    .map_err(|error| context(&format!("{}", binding.address), error))?;
            }
        }
    }
    let helper =
        Helper::start(config).map_err(|error| context("the helper cannot be started", error))?;
    privileges::drop_to(identity)
        .map_err(|error| context("root's rights cannot be given up", error))?;
    match identity {
        Some(identity) if identity.account.user == 0 => {
            log::warn!("running as root, as user in [daemon] says; better is a user of its own");
        }
        Some(identity) => log::info!("running as {} from here on", identity.name),
        None => {}
    }
    Ok(helper)
}

/// The servers that run, by the order in which the engine knows them.
fn active(config: &Config) -> impl Iterator<Item = &Server> {
    config.servers.iter().filter(|server| server.active)
}

/// The certificates of every active server; none when one of them has gone bad since the configuration was read.
fn load_certificates(config: &Config) -> Option<Vec<Option<LoadedServer>>> {
    let mut failed = false;
    let mut all = Vec::new();
    for server in active(config) {
        let loaded = server.tls.as_ref().map(certificates::load).transpose();
        all.push(loaded.unwrap_or_else(|faults| {
            failed = true;
            for (place, what) in faults {
                log::error!("{}", config.fault(Some(place), what));
            }
            None
        }));
    }
    (!failed).then_some(all)
}

/// The clients, each with what it speaks TLS by; none when a file of one has gone bad since the configuration was read.
fn define_clients(config: &Config) -> Option<Vec<Defined>> {
    let mut failed = false;
    let mut system = SystemRoots::new(open_file);
    let mut all = Vec::new();
    for client in &config.clients {
        let load = || certificates::load_client(client, &mut system);
        let loaded = client.tls.then(load).transpose();
        let loaded = loaded.unwrap_or_else(|faults| {
            failed = true;
            for (place, what) in faults {
                log::error!("{}", config.fault(Some(place), what));
            }
            None
        });
        all.push((client.clone(), loaded.map(|loaded| loaded.config)));
    }
    (!failed).then_some(all)
}

/// What was opened at start.
struct Opened {
    bound: Vec<Vec<Bound>>,
    loaded: Vec<Option<LoadedServer>>,
    control: Option<(PathBuf, Bound)>,
    helper: Option<(Helper, OwnedFd)>,
    clients: Vec<Defined>,
    /// The soft limit of descriptors at start.
    descriptors: Option<u64>,
}

fn serve(config: &Config, mut host: ThisProcess, opened: Opened) -> io::Result<()> {
    let limits = Limits {
        max_connections: config.daemon.max_connections,
        max_memory: config.daemon.max_memory as usize,
    };
    let signals = Signals::watch()?;
    let mut engine = Engine::new(limits, random)?;
    engine.wake_on(signals.fd())?;
    let mut helper = match opened.helper {
        Some((helper, socket)) => {
            engine.set_helper(socket)?;
            Some(helper)
        }
        None => None,
    };
    let mut manager = Manager::new(config.daemon.clone());
    let socket = opened.control.as_ref().map(|(path, _)| path.clone());
    manager.set_world(&engine, world::of(socket, opened.descriptors));
    for server in &config.servers {
        manager.define(server.clone());
    }
    manager.set_triggers(&mut engine, &config.triggers)?;
    let servers = active(config).zip(opened.bound).zip(opened.loaded);
    for ((server, bound), loaded) in servers {
        let tls = loaded.map(|loaded| ServerTls {
            config: loaded.config,
            digest: loaded.digest,
        });
        manager.start(&mut engine, &server.id, bound, tls)?;
    }
    for client in opened.clients {
        manager.add_client(&mut engine, client);
    }
    if let Some((path, bound)) = opened.control {
        manager.listen_for_commands(&mut engine, bound)?;
        log::info!("commands: unix:{}", path.display());
    }
    host.notify.ready();
    turn_until_stopped(&mut engine, &mut manager, &mut helper, &signals, &mut host)
}

fn turn_until_stopped(
    engine: &mut Engine,
    manager: &mut Manager,
    helper: &mut Option<Helper>,
    signals: &Signals,
    host: &mut ThisProcess,
) -> io::Result<()> {
    while signals.stops() == 0 {
        let helper = helper.as_mut();
        let until = [
            helper.and_then(|helper| helper.look_after(engine)),
            time_left(engine, manager),
        ];
        engine.turn(manager, until.into_iter().flatten().min())?;
        manager.work(engine, host);
        if signals.take_reloads() > 0 {
            log::info!("SIGHUP: reading the configuration anew");
            manager.reload_by_signal(engine, host);
        }
    }
    host.notify.stopping();
    log::info!("stopping: {} connections are open", engine.connections());
    let end = Instant::now() + GRACE;
    manager.stop_clients(engine);
    engine.shut_down(manager);
    manager.stop_scripts(engine, host);
    let is_busy = |engine: &mut Engine| engine.peers() + engine.children().running() > 0;
    turn_while(engine, manager, host, signals, end, is_busy)?;
    manager.stop_commands(engine, host);
    let end = Instant::now() + LAST_WORDS;
    turn_while(engine, manager, host, signals, end, |engine| {
        engine.connections() > 0
    })?;
    log::info!("stopped");
    Ok(())
}

/// Until the end, or a second signal to stop.
fn turn_while(
    engine: &mut Engine,
    manager: &mut Manager,
    host: &mut ThisProcess,
    signals: &Signals,
    end: Instant,
    is_busy: impl Fn(&mut Engine) -> bool,
) -> io::Result<()> {
    while is_busy(engine) && signals.stops() < 2 {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let until = [Some(left), time_left(engine, manager)];
        engine.turn(manager, until.into_iter().flatten().min())?;
        manager.work(engine, host);
    }
    Ok(())
}

/// Until the manager has something to do.
fn time_left(engine: &Engine, manager: &Manager) -> Option<Duration> {
    let left = manager.deadline()?.since(engine.now());
    Some(Duration::from_millis(u64::from(left)))
}

/// Each connection is a descriptor: the soft limit is raised to the hard one. What it was.
fn raise_descriptor_limit() -> io::Result<u64> {
    // SAFETY: both calls are given a whole rlimit to write to and to read from.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return Err(io::Error::last_os_error());
        }
        let before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(before)
    }
}

/// A panic ends one connection; the log says where it was.
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
