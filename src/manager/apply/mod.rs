//! Applies a configuration. [`prepare`] does what may fail, and changes nothing: it opens folders, reads triggers and binds
//! new addresses. [`commit`] then runs the result and cannot fail. The start of the daemon is a reload from nothing, and a
//! command that starts one server prepares and runs it in the same way.
//!
//! A server whose definition has not changed stays as commands have left it. A listener is kept as long as its address is
//! in the configuration; when the address moves to another server, the listener does too.

mod diff;
mod sockets;

use crate::config::{self, Daemon, Fault, Placed};
use crate::engine::{Engine, Limits};
use crate::rpc::{self, Reloaded, ServerStatus};

use super::host::{Host, Loaded};
use super::server::{Listener, PreparedServer, Servers};
use super::state::State;
use super::tls::TlsFaults;
use super::trigger::rules::AllRules;

use sockets::Sockets;

/// Everything that a configuration needs, opened.
struct Prepared {
    loaded: Loaded,
    /// In the order of the file; `None` for a server that is not to run.
    servers: Vec<Option<PreparedServer>>,
    rules: AllRules,
    /// Listeners that are to be closed.
    unused: Vec<Listener>,
    difference: Reloaded,
}

/// Replaces what runs by a configuration, or changes nothing. Returns the difference, and the `[daemon]` table if it has
/// changed.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn apply(
    state: &mut State,
    engine: &mut Engine,
    host: &mut dyn Host,
    loaded: Loaded,
) -> Result<(Reloaded, Option<Daemon>), Vec<Fault>> {
    let prepared = prepare(state, engine, host, loaded, false)?;
    let difference = prepared.difference.clone();
    Ok((difference, commit(state, engine, host, prepared)))
}

/// Reads the configuration again and applies it; with `dry_run`, only tells what would change.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn reload(
    state: &mut State,
    engine: &mut Engine,
    host: &mut dyn Host,
    dry_run: bool,
) -> Result<Reloaded, rpc::Error> {
    if dry_run {
        let loaded = host.load(engine);
        let prepared = loaded.and_then(|loaded| prepare(state, engine, host, loaded, true));
        let prepared = prepared.map_err(rpc::Error::configuration)?;
        return Ok(prepared.difference);
    }
    host.reloading();
    let applied = host.load(engine).and_then(|loaded| {
        for warning in &loaded.config.warnings {
            log::warn!("{warning}");
        }
        apply(state, engine, host, loaded)
    });
    match applied {
        Ok((difference, daemon)) => {
            host.reloaded(daemon.as_ref());
            log_difference(&difference);
            Ok(difference)
        }
        Err(faults) => {
            host.reloaded(None);
            for fault in &faults {
                log::error!("{fault}");
            }
            log::error!("the configuration is refused; everything runs on unchanged");
            Err(rpc::Error::configuration(faults))
        }
    }
}

/// `server.start`. A server that runs is left as it is.
///
/// # Errors
/// There is no such server, or it cannot run.
pub(super) fn start_server(
    state: &mut State,
    engine: &mut Engine,
    host: &mut dyn Host,
    id: &str,
) -> Result<ServerStatus, rpc::Error> {
    let at = state.servers.named(id)?;
    let definition = &state.servers.definitions()[at];
    if definition.running.is_none() {
        let conf = &definition.conf;
        let prepared = prepare_one(engine, host, conf)
            .map_err(|what| rpc::Error::failed(format!("{}: {what}", conf.id)))?;
        let State {
            servers, context, ..
        } = state;
        servers.run(engine, context, host, at, prepared, None);
        servers.set_rules(&state.rules);
    }
    Ok(state.servers.definitions()[at].status(engine))
}

/// `server.stop`. A server that does not run is left as it is.
///
/// # Errors
/// There is no such server.
pub(super) fn stop_server(
    state: &mut State,
    engine: &mut Engine,
    id: &str,
) -> Result<ServerStatus, rpc::Error> {
    let at = state.servers.named(id)?;
    state.servers.stop(engine, &mut state.context, at);
    Ok(state.servers.definitions()[at].status(engine))
}

/// Opens everything that a configuration needs. With `dry_run`, an address is not bound that needs another listener to be
/// closed first.
fn prepare(
    state: &mut State,
    engine: &mut Engine,
    host: &mut dyn Host,
    loaded: Loaded,
    dry_run: bool,
) -> Result<Prepared, Vec<Fault>> {
    let config = &loaded.config;
    let mut faults = Vec::new();
    let known = state.servers.definitions();
    let plans = diff::plan(known, &config.servers);
    let mut sockets = Sockets::open(known, &plans, config, engine, host, &mut faults);
    let mut servers = Vec::with_capacity(plans.len());
    for (plan, (conf, tls)) in plans
        .iter()
        .zip(config.servers.iter().zip(&loaded.server_tls))
    {
        let opened = plan.runs.then(|| PreparedServer::open(conf, tls.clone()));
        servers.push(opened.transpose().unwrap_or_else(|error| {
            let what = format!("{}: cannot be served: {error}", conf.id);
            faults.push(config.fault(None, what));
            None
        }));
    }
    let rules = state.rules.renewed(&config.triggers).map_err(|error| {
        let what = format!("send_file_root: {error}; allowed: a folder that can be read");
        faults.push(config.fault(None, what));
    });
    let (Ok(rules), true) = (rules, faults.is_empty()) else {
        return Err(faults);
    };
    let mut difference = diff::of_servers(known, &plans, &loaded);
    difference.extend(state.clients.compare(&config.clients));
    difference.extend(diff::of_triggers(&state.rules, &config.triggers));
    if !dry_run {
        sockets.make_room(&mut state.servers, config, engine, host)?;
    }
    let (sockets, unused) = sockets.finish();
    for (server, sockets) in servers.iter_mut().zip(sockets) {
        if let Some(server) = server {
            server.sockets = sockets;
        }
    }
    Ok(Prepared {
        loaded,
        servers,
        rules,
        unused,
        difference,
    })
}

/// Opens everything that one server needs.
///
/// # Errors
/// Everything that is wrong with it, as one text.
fn prepare_one(
    engine: &mut Engine,
    host: &mut dyn Host,
    conf: &config::Server,
) -> Result<PreparedServer, String> {
    let tls = conf.tls.as_ref().map(|tls| host.server_tls(engine, tls));
    let joined = |faults: TlsFaults| {
        let faults: Vec<String> = faults.into_iter().map(|(_, what)| what).collect();
        faults.join("; ")
    };
    let tls = tls.transpose().map_err(joined)?;
    let mut prepared =
        PreparedServer::open(conf, tls).map_err(|error| format!("cannot be served: {error}"))?;
    for bind in &conf.bind {
        let socket = sockets::bind_one(bind, engine, host)?;
        prepared.sockets.push(socket);
    }
    Ok(prepared)
}

/// Replaces what runs by what was prepared. Returns the `[daemon]` table if it has changed.
fn commit(
    state: &mut State,
    engine: &mut Engine,
    host: &dyn Host,
    prepared: Prepared,
) -> Option<Daemon> {
    let Prepared {
        loaded,
        servers: prepared,
        rules,
        unused,
        ..
    } = prepared;
    let config = loaded.config;
    let State {
        servers,
        clients,
        context,
        ..
    } = state;
    for listener in unused {
        engine.unlisten(listener.id);
    }
    servers.forget_logins();
    let (earlier, gone) = servers.replace(config.servers);
    for (at, (earlier, prepared)) in earlier.iter().zip(prepared).enumerate() {
        match prepared {
            Some(it) => servers.run(engine, context, host, at, it, earlier.as_ref()),
            None => servers.leave(engine, context, at),
        }
    }
    for gone in &gone {
        Servers::end(engine, context, gone);
    }
    let defined = config.clients.into_iter().zip(loaded.client_tls);
    clients.replace(engine, context, defined.collect());
    servers.set_rules(&rules);
    clients.set_rules(&rules);
    state.rules = rules;
    let max_line = state.max_line();
    state.scripts.set_rules(engine, &state.rules, max_line);
    adopt_daemon(state, engine, config.daemon)
}

/// Applies the `[daemon]` table, and returns it if it has changed.
fn adopt_daemon(state: &mut State, engine: &mut Engine, daemon: Daemon) -> Option<Daemon> {
    let value = |named: &Option<Placed<String>>| named.as_ref().map(|named| named.value.clone());
    let fixed = |it: &Daemon| (it.socket.clone(), value(&it.user), value(&it.group));
    if fixed(&daemon) != fixed(&state.daemon) {
        log::warn!(
            "changes of socket, user and group in [daemon] take effect when the daemon is started again"
        );
    }
    let max_memory = daemon.max_memory as usize;
    engine.set_limits(Limits {
        max_connections: daemon.max_connections,
        max_memory,
    });
    state.context.triggers.set_max_memory(max_memory);
    let changed = daemon != state.daemon;
    state.daemon = daemon;
    changed.then(|| state.daemon.clone())
}

fn log_difference(difference: &Reloaded) {
    let lists = [
        ("started", &difference.started),
        ("stopped", &difference.stopped),
        ("changed", &difference.changed),
    ];
    let lists = lists.iter().filter(|(_, list)| !list.is_empty());
    let told: Vec<String> = lists
        .map(|(what, list)| format!("{what} {}", list.join(", ")))
        .collect();
    if told.is_empty() {
        log::info!("reloaded: nothing has changed");
    } else {
        log::info!("reloaded: {}", told.join("; "));
    }
}
