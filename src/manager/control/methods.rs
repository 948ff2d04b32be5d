//! What each method of the language does, for commands and for workers.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::conn::event::ConnId;
use crate::engine::{Engine, Member};
use crate::manager::apply;
use crate::manager::host::Host;
use crate::manager::state::State;
use crate::proto::ws::frame::Kind;
use crate::rpc::{
    Call, CallResult, ConnectionName, ConnectionStatus, Data, Error, EventFilter, Kick, Reached,
    Receivers, Send, Status, Subscribe, Subscribed, Time,
};

use super::permissions::{self, Rank};

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// A connection of the control socket.
    Connection(ConnId),
    /// The process of a trigger.
    Worker,
}

impl Caller {
    fn rank(self, engine: &Engine) -> Rank {
        match self {
            Caller::Connection(conn) => Rank::of(engine.credentials(conn)),
            Caller::Worker => Rank::Worker,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Connection(id) => write!(f, "{id}"),
            Caller::Worker => f.write_str("a worker"),
        }
    }
}

/// Does what a call asks for.
pub(super) fn call(
    state: &mut State,
    engine: &mut Engine,
    host: &mut dyn Host,
    call: Call,
    caller: Caller,
) -> Result<CallResult, Error> {
    log_call(engine, &call, caller);
    permissions::check(call.method(), caller.rank(engine))?;
    if state.stopping {
        return Err(Error::failed("the daemon is stopping"));
    }
    match call {
        Call::Status => Ok(CallResult::Status(status(state, engine))),
        Call::Reload { dry_run } => {
            apply::reload(state, engine, host, dry_run).map(CallResult::Reloaded)
        }
        Call::ServerList(None) => Ok(CallResult::Servers(state.servers.status(engine))),
        Call::ServerList(Some(id)) => {
            let at = state.servers.named(&id)?;
            let server = state.servers.definitions()[at].status(engine);
            Ok(CallResult::Servers(vec![server]))
        }
        Call::ServerStart(id) => {
            apply::start_server(state, engine, host, &id).map(CallResult::Server)
        }
        Call::ServerStop(id) => apply::stop_server(state, engine, &id).map(CallResult::Server),
        Call::ClientList(None) => Ok(CallResult::Clients(state.clients.status())),
        Call::ClientList(Some(id)) => {
            let at = state.clients.named(&id)?;
            let client = state.clients.status_of(at);
            Ok(CallResult::Clients(client.into_iter().collect()))
        }
        Call::ClientConnect(id) => want_client(state, engine, &id, true),
        Call::ClientDisconnect(id) => want_client(state, engine, &id, false),
        Call::Connections(id) => connections(state, engine, id.as_deref()),
        Call::Send(message) => send(state, engine, &message),
        Call::Kick(it) => kick(engine, &it),
        Call::Respond(respond) => state
            .scripts
            .respond(engine, &respond)
            .map(|()| CallResult::Done {}),
        Call::Subscribe(it) => subscribe(state, it, caller),
    }
}

/// Logs a call: at level info when it changes something that others see.
fn log_call(engine: &Engine, call: &Call, caller: Caller) {
    let (level, params) = match call {
        Call::ServerStart(id)
        | Call::ServerStop(id)
        | Call::ClientConnect(id)
        | Call::ClientDisconnect(id) => (log::Level::Info, format!(" {id}")),
        Call::Kick(kick) => (log::Level::Info, format!(" {}", kick.connection)),
        Call::Reload { dry_run: false } => (log::Level::Info, String::new()),
        _ => (log::Level::Debug, String::new()),
    };
    if log::log_enabled!(level) {
        let credentials = match caller {
            Caller::Connection(conn) => engine.credentials(conn),
            Caller::Worker => None,
        };
        let process = credentials.map_or(String::new(), |it| format!(", {it}"));
        let (method, params) = (call.method(), params.escape_debug());
        log::log!(level, "{caller}{process}: {method}{params}");
    }
}

fn status(state: &State, engine: &Engine) -> Status {
    let totals = engine.totals();
    let context = &state.context;
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: state.born.elapsed().as_secs(),
        servers: state.servers.status(engine),
        clients: state.clients.status(),
        counts: [
            ("connections", engine.connections() as u64),
            ("memory", engine.memory().used() as u64),
            ("accepted", totals.accepted),
            ("refused", totals.refused),
            ("dropped", totals.dropped + context.dropped),
            ("shed", totals.shed),
            ("panics", totals.panics),
            ("events", context.subscribers.seq()),
        ]
        .map(|(name, count)| (name.to_owned(), count))
        .into(),
    }
}

fn want_client(
    state: &mut State,
    engine: &mut Engine,
    id: &str,
    connected: bool,
) -> Result<CallResult, Error> {
    let clients = &mut state.clients;
    let at = clients.named(id)?;
    if connected {
        clients.connect(engine, at);
    } else {
        clients.disconnect(engine, at);
    }
    let status = clients.status_of(at).map(CallResult::Client);
    status.ok_or_else(|| Error::no_such_client(id))
}

/// The open WebSockets of a server or client; without an id, of all.
fn connections(state: &State, engine: &Engine, id: Option<&str>) -> Result<CallResult, Error> {
    if let Some(id) = id {
        check_id(state, id)?;
    }
    let now = SystemTime::now();
    let mut all = Vec::new();
    for (owner, name) in state.owners() {
        if id.is_none_or(|id| id.eq_ignore_ascii_case(name)) {
            let members = engine.members(owner);
            all.extend(members.map(|member| listed(name, member, now)));
        }
    }
    all.sort_by_key(|connection| connection.connection);
    Ok(CallResult::Connections(all))
}

fn check_id(state: &State, id: &str) -> Result<(), Error> {
    if state.is_known(id) {
        Ok(())
    } else {
        Err(Error::no_such_id(id))
    }
}

fn send(state: &mut State, engine: &mut Engine, message: &Send) -> Result<CallResult, Error> {
    let Send {
        id,
        data,
        receivers,
    } = message;
    let (kind, data) = match data {
        Data::Text(text) => (Kind::Text, text.as_bytes()),
        Data::Binary(bytes) => (Kind::Binary, &bytes[..]),
    };
    let Some(at) = state.servers.find(id) else {
        return send_to_client(state, engine, id, kind, data, receivers);
    };
    let Some(owner) = state.servers.owner(at) else {
        return Err(Error::failed(format!("{id} is stopped")));
    };
    let reached = match receivers {
        Receivers::All => engine.broadcast(owner, None, kind, data),
        Receivers::Except(ConnectionName(serial)) => {
            let except = engine.find(*serial).map(|(conn, _)| conn);
            engine.broadcast(owner, except, kind, data)
        }
        Receivers::To(name) => {
            let found = engine.find(name.0).filter(|(_, of)| *of == owner);
            let (conn, _) = found.ok_or_else(|| Error::no_such_connection(*name))?;
            engine.send_each(&[conn], kind, data)
        }
        Receivers::User(user) => {
            let members = engine.members(owner);
            let theirs = members.filter(|it| it.user.as_deref() == Some(user));
            let theirs: Vec<ConnId> = theirs.map(|member| member.id).collect();
            engine.send_each(&theirs, kind, data)
        }
    };
    let reached = reached as u64;
    Ok(CallResult::Reached(Reached { reached }))
}

/// Sends a message to the one peer of a client, unless the receivers leave it out.
fn send_to_client(
    state: &mut State,
    engine: &mut Engine,
    id: &str,
    kind: Kind,
    data: &[u8],
    receivers: &Receivers,
) -> Result<CallResult, Error> {
    let at = state.clients.find(id);
    let at = at.ok_or_else(|| Error::no_such_id(id))?;
    let conn = state.clients.open_connection(at);
    let is_other = |name: &ConnectionName| conn.is_none_or(|conn| conn.serial() != name.0);
    let meant = match receivers {
        Receivers::All => true,
        Receivers::To(name) if is_other(name) => return Err(Error::no_such_connection(*name)),
        Receivers::To(_) => true,
        Receivers::Except(name) => is_other(name),
        Receivers::User(_) => false,
    };
    if !meant {
        return Ok(CallResult::Reached(Reached { reached: 0 }));
    }
    state
        .clients
        .send(engine, &mut state.context, at, kind, data)
        .map(|reached| CallResult::Reached(Reached { reached }))
        .map_err(|_| Error::not_connected(id))
}

fn kick(engine: &mut Engine, kick: &Kick) -> Result<CallResult, Error> {
    let found = engine.find(kick.connection.0);
    let (conn, _) = found.ok_or_else(|| Error::no_such_connection(kick.connection))?;
    engine.close(conn, kick.code, &kick.reason);
    Ok(CallResult::Done {})
}

fn subscribe(state: &mut State, subscribe: Subscribe, caller: Caller) -> Result<CallResult, Error> {
    let Caller::Connection(conn) = caller else {
        return Err(Error::failed("a worker has no connection for events"));
    };
    let Subscribe { ids, kinds } = subscribe;
    ids.iter().try_for_each(|id| check_id(state, id))?;
    let subscribers = &mut state.context.subscribers;
    subscribers.subscribe(conn, EventFilter::new(ids, &kinds));
    let seq = subscribers.seq();
    Ok(CallResult::Subscribed(Subscribed { seq }))
}

/// When a connection of this age began, rounded to a second, so that each call gives the same time.
fn began(now: SystemTime, age: Duration) -> Time {
    let half = Duration::from_millis(500);
    let began = now.checked_sub(age).unwrap_or(now) + half;
    Time {
        millis: 0,
        ..Time::of(began)
    }
}

fn listed(source: &str, member: Member, now: SystemTime) -> ConnectionStatus {
    let counters = member.counters;
    ConnectionStatus {
        connection: ConnectionName(member.id.serial()),
        source: source.to_owned(),
        peer: member.peer.to_string(),
        user: member.user.map(|user| user.to_string()),
        since: began(now, member.age),
        messages_in: counters.messages_in,
        messages_out: counters.messages_out,
        bytes_in: counters.bytes_in,
        bytes_out: counters.bytes_out,
    }
}
