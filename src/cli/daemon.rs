//! The main job: binds what the configuration names, and runs the loop until a signal ends it.

use std::io;
use std::panic;
use std::time::{Duration, Instant};

use crate::config::{Address, Config};
use crate::engine::{Bound, Engine, Limits};
use crate::manager::{Manager, bind};

use super::exit::Exit;
use super::signals::Signals;

/// Answers in flight are finished for this long after a signal to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Runs until it is told to stop.
#[must_use]
pub fn run(config: &Config) -> Exit {
    log_panics();
    if let Err(error) = raise_descriptor_limit() {
        log::warn!("the descriptor limit stays as it is: {error}");
    }
    let Some(bound) = bind_all(config) else {
        return Exit::Failed;
    };
    match serve(config, bound) {
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
    for server in config.servers.iter().filter(|server| server.active) {
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

fn serve(config: &Config, bound: Vec<Vec<Bound>>) -> io::Result<()> {
    let limits = Limits {
        max_connections: config.daemon.max_connections,
        max_memory: config.daemon.max_memory as usize,
    };
    let signals = Signals::watch()?;
    let mut engine = Engine::new(limits, random)?;
    engine.wake_on(signals.fd())?;
    let mut manager = Manager::default();
    for (server, bound) in config
        .servers
        .iter()
        .filter(|server| server.active)
        .zip(bound)
    {
        for (binding, bound) in server.bind.iter().zip(&bound) {
            match (&binding.address, bound.address()) {
                (Address::Tcp(_), Some(address)) => log::info!("{}: http://{address}/", server.id),
                (address, _) => log::info!("{}: {address}", server.id),
            }
        }
        manager.start(&mut engine, server, bound)?;
    }
    turn_until_stopped(&mut engine, &mut manager, &signals)
}

fn turn_until_stopped(
    engine: &mut Engine,
    manager: &mut Manager,
    signals: &Signals,
) -> io::Result<()> {
    while signals.stops() == 0 {
        engine.turn(manager, None)?;
        if signals.take_reloads() > 0 {
            log::warn!("SIGHUP: reload is not available yet; nothing has changed");
        }
    }
    log::info!("stopping: {} connections are open", engine.connections());
    let end = Instant::now() + GRACE;
    engine.shut_down(manager);
    while engine.connections() > 0 && signals.stops() < 2 {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        engine.turn(manager, Some(left))?;
    }
    log::info!("stopped");
    Ok(())
}

/// Masking keys and handshake nonces want bytes that nobody can guess; the system has them.
fn random(buffer: &mut [u8; 256]) {
    // SAFETY: the buffer is as long as it is said to be. Up to 256 bytes come whole (getrandom(2)).
    let count = unsafe { libc::getrandom(buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    assert_eq!(count, 256, "the system has no randomness");
}

/// Each connection is a descriptor: the soft limit is raised to the hard one.
fn raise_descriptor_limit() -> io::Result<()> {
    // SAFETY: both calls are given a whole rlimit to write to and to read from.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return Err(io::Error::last_os_error());
        }
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
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
