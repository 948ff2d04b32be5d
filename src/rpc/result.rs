//! The results: what a call that was done says.

use super::json::{Object, array};
use super::name::ConnectionName;
use super::time::Time;

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// Of `kick` and `respond`: `{}`.
    Done,
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
    /// Of `send`: how many connections the message was sent to.
    Reached(u64),
    /// Of `events.subscribe`: the number of the event that happened last. Those after it follow.
    Subscribed {
        /// Zero before the first.
        seq: u64,
    },
}

/// The daemon as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Seconds since it was started.
    pub uptime: u64,
    /// In the order of the file.
    pub servers: Vec<ServerStatus>,
    /// In the order of the file.
    pub clients: Vec<ClientStatus>,
    /// What was counted since the start, by name.
    pub counts: Vec<(&'static str, u64)>,
}

/// What a reload did, or would do; each a list of what was meant, such as `server chat`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// New.
    pub started: Vec<String>,
    /// Gone.
    pub stopped: Vec<String>,
    /// Another definition under the same id.
    pub changed: Vec<String>,
    /// Untouched.
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

/// Whether a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// It listens.
    Started,
    /// It does not.
    Stopped,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// Its id.
    pub id: String,
    /// Its name; the id when it has none.
    pub name: String,
    /// Whether it runs.
    pub state: ServerState,
    /// The addresses that it listens on, or would.
    pub bindings: Vec<String>,
    /// How many connections it has.
    pub connections: u64,
    /// Whether a command made it another state than the file says.
    pub differs: bool,
}

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// It is.
    Connected,
    /// An attempt is under way.
    Connecting,
    /// The last attempt failed, the next one is due.
    Waiting,
    /// It is not, and does not try.
    Disconnected,
}

/// One client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientStatus {
    /// Its id.
    pub id: String,
    /// Its name; the id when it has none.
    pub name: String,
    /// How it is connected.
    pub state: ClientState,
    /// Since when it is so.
    pub since: Option<Time>,
    /// Why it is not connected.
    pub error: Option<String>,
    /// Whether a command made it another state than the file says.
    pub differs: bool,
}

/// One live connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Its name.
    pub connection: ConnectionName,
    /// The server or client that it is of.
    pub source: String,
    /// The address of the peer.
    pub peer: String,
    /// Who the peer is, when it had to say so.
    pub user: Option<String>,
    /// Since when it is open.
    pub since: Time,
    /// Messages that came.
    pub messages_in: u64,
    /// Messages that were sent.
    pub messages_out: u64,
    /// Bytes that came.
    pub bytes_in: u64,
    /// Bytes that were sent.
    pub bytes_out: u64,
}

impl ServerState {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            ServerState::Started => "started",
            ServerState::Stopped => "stopped",
        }
    }
}

impl ClientState {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            ClientState::Connected => "connected",
            ClientState::Connecting => "connecting",
            ClientState::Waiting => "waiting",
            ClientState::Disconnected => "disconnected",
        }
    }
}

impl CallResult {
    /// The value of the member `result`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            CallResult::Done => Object::begin(out).end(),
            CallResult::Status(status) => status.encode(out),
            CallResult::Reloaded(reloaded) => reloaded.encode(out),
            CallResult::Server(server) => server.encode(out),
            CallResult::Servers(servers) => array(out, servers, |out, server| server.encode(out)),
            CallResult::Client(client) => client.encode(out),
            CallResult::Clients(clients) => array(out, clients, |out, client| client.encode(out)),
            CallResult::Connections(all) => array(out, all, |out, one| one.encode(out)),
            CallResult::Reached(count) => one_number(out, "reached", *count),
            CallResult::Subscribed { seq } => one_number(out, "seq", *seq),
        }
    }
}

fn one_number(out: &mut Vec<u8>, name: &str, number: u64) {
    let mut object = Object::begin(out);
    object.number(name, number);
    object.end();
}

impl Status {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut status = Object::begin(out);
        status
            .text("version", &self.version)
            .number("uptime", self.uptime)
            .with("servers", |out| {
                array(out, &self.servers, |out, server| server.encode(out));
            })
            .with("clients", |out| {
                array(out, &self.clients, |out, client| client.encode(out));
            })
            .with("counts", |out| {
                let mut counts = Object::begin(out);
                for (name, count) in &self.counts {
                    counts.number(name, *count);
                }
                counts.end();
            });
        status.end();
    }
}

impl Reloaded {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut reloaded = Object::begin(out);
        reloaded
            .texts("started", &self.started)
            .texts("stopped", &self.stopped)
            .texts("changed", &self.changed)
            .texts("kept", &self.kept);
        reloaded.end();
    }
}

impl ServerStatus {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut server = Object::begin(out);
        server
            .text("id", &self.id)
            .text("name", &self.name)
            .text("state", self.state.name())
            .texts("bindings", &self.bindings)
            .number("connections", self.connections)
            .flag("differs", self.differs);
        server.end();
    }
}

impl ClientStatus {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut client = Object::begin(out);
        let since = self.since.map(|since| since.to_string());
        client
            .text("id", &self.id)
            .text("name", &self.name)
            .text("state", self.state.name())
            .text_or_null("since", since.as_deref())
            .text_or_null("error", self.error.as_deref())
            .flag("differs", self.differs);
        client.end();
    }
}

impl ConnectionStatus {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut connection = Object::begin(out);
        connection
            .shown("connection", self.connection)
            .text("source", &self.source)
            .text("peer", &self.peer)
            .text_or_null("user", self.user.as_deref())
            .shown("since", self.since)
            .number("messages_in", self.messages_in)
            .number("messages_out", self.messages_out)
            .number("bytes_in", self.bytes_in)
            .number("bytes_out", self.bytes_out);
        connection.end();
    }
}
