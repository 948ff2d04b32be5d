//! Commands: what each call of the one language does, whoever makes it.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::conn::event::ConnId;
use crate::engine::{Engine, Member};
use crate::proto::ws::frame::Kind;

use super::host::Host;
use super::{Manager, Source};
use crate::rpc::event::Filter;
use crate::rpc::{
    Call, ClientStatus, ConnectionName, ConnectionStatus, Data, Error, Kick, Outcome, Receivers,
    Send, Status, Subscribe, Time,
};

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// By the control socket.
    Connection(ConnId),
    /// The process of a trigger.
    Worker,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Connection(id) => write!(f, "{id}"),
            Caller::Worker => f.write_str("a worker"),
        }
    }
}

/// Whether a call changes something that others see.
fn is_worth_a_line(call: &Call) -> bool {
    matches!(
        call,
        Call::ServerStart(_)
            | Call::ServerStop(_)
            | Call::ClientConnect(_)
            | Call::ClientDisconnect(_)
            | Call::Kick(_)
            | Call::Reload { dry_run: false }
    )
}

impl Manager {
    /// Does what a call asks for.
    pub(super) fn call(
        &mut self,
        engine: &mut Engine,
        host: &mut dyn Host,
        call: Call,
        caller: Caller,
    ) -> Result<Outcome, Error> {
        log_call(engine, &call, caller);
        if self.stopping {
            return Err(Error::failed("the daemon is stopping"));
        }
        match call {
            Call::Status => Ok(Outcome::Status(self.status(engine))),
            Call::Reload { dry_run } => self.reload(engine, host, dry_run).map(Outcome::Reloaded),
            Call::ServerList(None) => {
                let all = self.servers.iter();
                Ok(Outcome::Servers(
                    all.map(|server| server.status(engine)).collect(),
                ))
            }
            Call::ServerList(Some(id)) => {
                let at = self.server_at(&id);
                let at = at.ok_or_else(|| Error::no_such_server(&id))?;
                Ok(Outcome::Servers(vec![self.servers[at].status(engine)]))
            }
            Call::ServerStart(id) => self
                .start_by_command(engine, host, &id)
                .map(Outcome::Server),
            Call::ServerStop(id) => self.stop_by_command(engine, &id).map(Outcome::Server),
            Call::ClientList(id) => self.list_clients(id.as_deref()).map(Outcome::Clients),
            Call::ClientConnect(id) => self.want_client(engine, &id, true),
            Call::ClientDisconnect(id) => self.want_client(engine, &id, false),
            Call::Connections(id) => self.list_connections(engine, id.as_deref()),
            Call::Send(send) => self.send_by_command(engine, &send),
            Call::Kick(kick) => self.kick(engine, &kick),
            Call::Respond(respond) => self.respond(engine, &respond).map(|()| Outcome::Done),
            Call::Subscribe(subscribe) => self.subscribe(subscribe, caller),
        }
    }

    fn status(&self, engine: &Engine) -> Status {
        let totals = engine.totals();
        let servers = self.servers.iter();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime: self.born.elapsed().as_secs(),
            servers: servers.map(|server| server.status(engine)).collect(),
            clients: self.clients_status(),
            counts: vec![
                ("connections", engine.connections() as u64),
                ("memory", engine.memory().used() as u64),
                ("accepted", totals.accepted),
                ("refused", totals.refused),
                ("dropped", totals.dropped + self.desk.dropped),
                ("shed", totals.shed),
                ("panics", totals.panics),
                ("events", self.desk.bus.seq()),
            ],
        }
    }

    fn list_clients(&self, id: Option<&str>) -> Result<Vec<ClientStatus>, Error> {
        let mut clients = self.clients_status();
        if let Some(id) = id {
            clients.retain(|client| client.id.eq_ignore_ascii_case(id));
            if clients.is_empty() {
                return Err(Error::no_such_client(id));
            }
        }
        Ok(clients)
    }

    /// The open WebSockets of a server or client; of all without an id.
    fn list_connections(&self, engine: &Engine, id: Option<&str>) -> Result<Outcome, Error> {
        if let Some(id) = id {
            self.check_id(id)?;
        }
        let now = SystemTime::now();
        let mut all = Vec::new();
        for (owner, source) in self.sources.iter().flatten() {
            let Some(name) = self.name_of(source) else {
                continue;
            };
            if id.is_none_or(|id| id.eq_ignore_ascii_case(name)) {
                let members = engine.members(*owner);
                all.extend(members.map(|member| listed(name, member, now)));
            }
        }
        all.sort_by_key(|connection| connection.connection);
        Ok(Outcome::Connections(all))
    }

    fn check_id(&self, id: &str) -> Result<(), Error> {
        let is_client = |client: &ClientStatus| client.id.eq_ignore_ascii_case(id);
        if self.server_at(id).is_some() || self.clients_status().iter().any(is_client) {
            Ok(())
        } else {
            Err(Error::no_such_id(id))
        }
    }

    fn send_by_command(&mut self, engine: &mut Engine, send: &Send) -> Result<Outcome, Error> {
        let Send {
            id,
            data,
            receivers,
        } = send;
        let (kind, data) = match data {
            Data::Text(text) => (Kind::Text, text.as_bytes()),
            Data::Binary(bytes) => (Kind::Binary, &bytes[..]),
        };
        let Some(at) = self.server_at(id) else {
            return self.send_by_client(engine, id, kind, data, receivers);
        };
        let Some(running) = &self.servers[at].running else {
            return Err(Error::failed(format!("{id} is stopped")));
        };
        let owner = running.owner;
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
        Ok(Outcome::Reached(reached as u64))
    }

    /// A client has one peer: whoever is meant beside it is not reached.
    fn send_by_client(
        &mut self,
        engine: &mut Engine,
        id: &str,
        kind: Kind,
        data: &[u8],
        receivers: &Receivers,
    ) -> Result<Outcome, Error> {
        let at = self.find_client(id).ok_or_else(|| Error::no_such_id(id))?;
        let conn = self.connection_of(at);
        let meant = match receivers {
            Receivers::All => true,
            Receivers::To(name) if conn.is_none_or(|conn| conn.serial() != name.0) => {
                return Err(Error::no_such_connection(*name));
            }
            Receivers::To(_) => true,
            Receivers::Except(name) => conn.is_none_or(|conn| conn.serial() != name.0),
            Receivers::User(_) => false,
        };
        if !meant {
            return Ok(Outcome::Reached(0));
        }
        self.send_to_client(engine, at, kind, data)
            .map(Outcome::Reached)
            .map_err(|_| Error::not_connected(id))
    }

    fn want_client(
        &mut self,
        engine: &mut Engine,
        id: &str,
        connected: bool,
    ) -> Result<Outcome, Error> {
        let unknown = || Error::no_such_client(id);
        let at = self.find_client(id).ok_or_else(unknown)?;
        if connected {
            self.connect_client(engine, at);
        } else {
            self.disconnect_client(engine, at);
        }
        self.client_status(at)
            .map(Outcome::Client)
            .ok_or_else(unknown)
    }

    fn kick(&mut self, engine: &mut Engine, kick: &Kick) -> Result<Outcome, Error> {
        let found = engine.find(kick.connection.0);
        let (conn, _) = found.ok_or_else(|| Error::no_such_connection(kick.connection))?;
        engine.close(conn, kick.code, &kick.reason);
        Ok(Outcome::Done)
    }

    fn subscribe(&mut self, subscribe: Subscribe, caller: Caller) -> Result<Outcome, Error> {
        let Caller::Connection(conn) = caller else {
            return Err(Error::failed(
                "events.subscribe is for the control socket; a worker is sent the events of its trigger",
            ));
        };
        let Subscribe { ids, kinds } = subscribe;
        ids.iter().try_for_each(|id| self.check_id(id))?;
        self.desk.bus.subscribe(conn, Filter::new(ids, &kinds));
        let seq = self.desk.bus.seq();
        Ok(Outcome::Subscribed { seq })
    }

    /// Subscribers that have lost events are told when they have read what they were sent.
    pub(super) fn watch_behind(&mut self, engine: &mut Engine) {
        let behind: Vec<ConnId> = self.desk.bus.behind().collect();
        for conn in behind {
            engine.with(conn, |ops| {
                ops.tell_drained();
            });
        }
    }

    /// The id of the server or client that a source is.
    fn name_of<'m>(&'m self, source: &'m Source) -> Option<&'m str> {
        match source {
            Source::Server(server) => Some(server.id()),
            Source::Client(at) => self.id_of_client(*at),
            Source::Control => None,
        }
    }
}

fn log_call(engine: &Engine, call: &Call, caller: Caller) {
    let level = if is_worth_a_line(call) {
        log::Level::Info
    } else {
        log::Level::Debug
    };
    if log::log_enabled!(level) {
        let who = match caller {
            Caller::Connection(conn) => engine.credentials(conn),
            Caller::Worker => None,
        };
        let who = who.map(|who| format!(", {who}")).unwrap_or_default();
        let of = match call {
            Call::ServerStart(id)
            | Call::ServerStop(id)
            | Call::ClientConnect(id)
            | Call::ClientDisconnect(id) => format!(" {id}"),
            Call::Kick(kick) => format!(" {}", kick.connection),
            _ => String::new(),
        };
        log::log!(
            level,
            "{caller}{who}: {}{}",
            call.method(),
            of.escape_debug()
        );
    }
}

/// When what is so old began, to the second: as such it is the same each time that it is asked for.
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
