//! The results: what a call returns. The daemon writes these types, and the commands read them.
//!
//! A member that is added later needs a default, so that the commands still read what an older daemon writes.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::method::Call;
use super::name::ConnectionName;
use super::time::Time;

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CallResult {
    /// Of `kick` and `respond`: `{}`.
    Done {},
    /// Of `status`.
    Status(Status),
    /// Of `reload`.
    Reloaded(Reloaded),
    /// Of `server.start` and `server.stop`.
    Server(ServerStatus),
    /// Of `server.list`.
    Servers(Vec<ServerStatus>),
    /// Of `client.connect` and `client.disconnect`.
    Client(ClientStatus),
    /// Of `client.list`.
    Clients(Vec<ClientStatus>),
    /// Of `connections`.
    Connections(Vec<ConnectionStatus>),
    /// Of `send`.
    Reached(Reached),
    /// Of `events.subscribe`.
    Subscribed(Subscribed),
}

impl CallResult {
    /// Reads the result of `call`.
    ///
    /// # Errors
    /// It is not a result of this call; the error says why.
    pub fn decode(call: &Call, text: &str) -> Result<CallResult, serde_json::Error> {
        let value: Value = serde_json::from_str(text)?;
        Ok(match call {
            Call::Status => CallResult::Status(read(value)?),
            Call::Reload { .. } => CallResult::Reloaded(read(value)?),
            Call::ServerList(_) => CallResult::Servers(read(value)?),
            Call::ServerStart(_) | Call::ServerStop(_) => CallResult::Server(read(value)?),
            Call::ClientList(_) => CallResult::Clients(read(value)?),
            Call::ClientConnect(_) | Call::ClientDisconnect(_) => CallResult::Client(read(value)?),
            Call::Connections(_) => CallResult::Connections(read(value)?),
            Call::Send(_) => CallResult::Reached(read(value)?),
            Call::Subscribe(_) => CallResult::Subscribed(read(value)?),
            Call::Kick(_) | Call::Respond(_) => CallResult::Done {},
        })
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    T::deserialize(value)
}

/// Reads structs member by member. The code that `Deserialize` would derive is 25 KB longer.
macro_rules! read_members {
    ($($name:ident { $($member:ident),* })*) => {$(
        impl TryFrom<Value> for $name {
            type Error = serde_json::Error;

            fn try_from(value: Value) -> Result<$name, serde_json::Error> {
                let mut members: Map<String, Value> = read(value)?;
                Ok($name { $($member: read_member(&mut members, stringify!($member))?),* })
            }
        }
    )*};
}

fn read_member<T>(members: &mut Map<String, Value>, name: &str) -> Result<T, serde_json::Error>
where
    T: DeserializeOwned,
{
    let value = members.remove(name).unwrap_or_default();
    read(value).map_err(|error| Error::custom(format_args!("{name}: {error}")))
}

read_members! {
    Reached { reached }
    Subscribed { seq }
    Status { version, uptime, servers, clients, counts }
    Reloaded { started, stopped, changed, kept }
    ServerStatus { id, name, state, bindings, connections, differs }
    ClientStatus { id, name, state, since, error, differs }
    ConnectionStatus {
        connection, source, peer, user, since, messages_in, messages_out, bytes_in, bytes_out
    }
}

/// How many connections a message was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Reached {
    /// How many.
    pub reached: u64,
}

/// From where a subscriber is sent events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Subscribed {
    /// The number of the event that happened last, zero before the first. Later events are sent.
    pub seq: u64,
}

/// The state of the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Seconds since it was started.
    pub uptime: u64,
    /// The servers, in the order of the file.
    pub servers: Vec<ServerStatus>,
    /// The clients, in the order of the file.
    pub clients: Vec<ClientStatus>,
    /// What was counted since the start, by name.
    pub counts: BTreeMap<String, u64>,
}

/// What a reload did, or would do. Each list holds servers, clients and triggers, such as `server chat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Reloaded {
    /// New.
    pub started: Vec<String>,
    /// No longer defined.
    pub stopped: Vec<String>,
    /// Another definition under the same id.
    pub changed: Vec<String>,
    /// The same definition.
    pub kept: Vec<String>,
}

impl Reloaded {
    /// Adds what another part of the configuration would do.
    pub fn extend(&mut self, more: Reloaded) {
        self.started.extend(more.started);
        self.stopped.extend(more.stopped);
        self.changed.extend(more.changed);
        self.kept.extend(more.kept);
    }
}

/// Whether a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerState {
    /// It listens.
    Started,
    /// It does not listen.
    Stopped,
}

/// The state of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct ServerStatus {
    /// Its id.
    pub id: String,
    /// Its name; the id when it has none.
    pub name: String,
    /// Whether it listens.
    pub state: ServerState,
    /// The addresses that it listens on, or would.
    pub bindings: Vec<String>,
    /// How many connections it has.
    pub connections: u64,
    /// Whether a command has put it into another state than the file says.
    pub differs: bool,
}

/// Whether a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientState {
    /// It is connected.
    Connected,
    /// It tries to connect.
    Connecting,
    /// The last attempt failed, and it waits for the next one.
    Waiting,
    /// It is not connected, and does not try.
    Disconnected,
}

/// The state of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct ClientStatus {
    /// Its id.
    pub id: String,
    /// Its name; the id when it has none.
    pub name: String,
    /// Whether it is connected.
    pub state: ClientState,
    /// When this state began.
    pub since: Option<Time>,
    /// Why it is not connected.
    pub error: Option<String>,
    /// Whether a command has put it into another state than the file says.
    pub differs: bool,
}

/// One open connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct ConnectionStatus {
    /// Its name.
    pub connection: ConnectionName,
    /// The server or client that it belongs to.
    pub source: String,
    /// The address of the peer.
    pub peer: String,
    /// The user that the peer logged in as.
    pub user: Option<String>,
    /// When it was opened.
    pub since: Time,
    /// Messages received.
    pub messages_in: u64,
    /// Messages sent.
    pub messages_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for ClientState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
