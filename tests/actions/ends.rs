//! A daemon with two servers and two clients, one of each over TLS, and the peers at the other end of their connections.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustls::version::TLS13;
use rustls::{ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use tungstenite::{Message, WebSocket};

use crate::authority::Authority;
use crate::daemon::{Daemon, PATIENCE};
use crate::peer::{accept, address};

/// The sources whose connections every action is tried on.
pub(crate) const SOURCES: [&str; 4] = ["server", "server_tls", "client", "client_tls"];

/// A byte stream, with or without TLS.
pub(crate) trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

pub(crate) type Peer = WebSocket<Box<dyn Stream>>;

pub(crate) struct Ends {
    pub(crate) daemon: Daemon,
    authority: Authority,
    /// What the clients of the daemon connect to: plain, and over TLS.
    listeners: [TcpListener; 2],
    shown: Arc<ServerConfig>,
}

impl Ends {
    /// Starts the daemon. `server` and `client` are keys for each of the servers and clients; `triggers` follow.
    pub(crate) fn start(server: &str, client: &str, triggers: &str) -> Ends {
        let authority = Authority::new();
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [plain, secure] = listeners.each_ref().map(address);
        let config = format!(
            r#"
[[server]]
id = "server"
bind = ["127.0.0.1:0"]
{server}
[[server]]
id = "server_tls"
bind = ["127.0.0.1:0"]
tls = {{ certificate = "cert.pem", private_key = "key.pem" }}
{server}
[[client]]
id = "client"
url = "ws://{plain}"
reconnect = "100ms"
{client}
[[client]]
id = "client_tls"
url = "wss://{secure}"
trust = {{ ca = "ca.pem" }}
reconnect = "100ms"
{client}
{triggers}
"#
        );
        let daemon = Daemon::run_in(&config, 2, |folder| authority.issue(folder));
        Ends {
            shown: authority.server(&["127.0.0.1"]),
            daemon,
            authority,
            listeners,
        }
    }

    /// A new connection of a server, or the one that a client has made or makes next.
    pub(crate) fn open(&self, source: &str) -> Peer {
        match source {
            "server" => self.connected(0, |stream| Box::new(stream)),
            "server_tls" => self.connected(1, |stream| {
                let name = "localhost".try_into().expect("a name");
                let tls = ClientConnection::new(self.authority.client(&TLS13), name);
                Box::new(StreamOwned::new(tls.expect("a client"), stream))
            }),
            "client" => self.accepted(0, |stream| Box::new(stream)),
            "client_tls" => self.accepted(1, |stream| {
                let tls = ServerConnection::new(Arc::clone(&self.shown));
                Box::new(StreamOwned::new(tls.expect("a server"), stream))
            }),
            other => panic!("{other} is no source"),
        }
    }

    fn connected(&self, at: usize, layer: impl Fn(TcpStream) -> Box<dyn Stream>) -> Peer {
        let stream = self.daemon.connect_to(self.daemon.addresses[at]);
        let opened = tungstenite::client("ws://localhost/", layer(stream));
        opened
            .map_err(|error| error.to_string())
            .expect("an upgrade")
            .0
    }

    fn accepted(&self, at: usize, layer: impl Fn(TcpStream) -> Box<dyn Stream>) -> Peer {
        let opened = tungstenite::accept(layer(accept(&self.listeners[at])));
        opened
            .map_err(|error| error.to_string())
            .expect("an upgrade")
    }

    /// The name of the connection of a source, when the daemon has noticed that it is open.
    pub(crate) fn connection_of(&self, source: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let ran = self.daemon.command(&["connections", source, "--json"]);
            let listed: serde_json::Value = serde_json::from_str(ran.done()).expect("JSON");
            if let Some(name) = listed[0]["connection"].as_str() {
                return name.to_owned();
            }
            assert!(Instant::now() < end, "{source} has no connection");
        }
    }
}

/// What is heard next: messages, a Close frame as its code and reason, or an error.
pub(crate) fn hear(peer: &mut Peer) -> Heard {
    loop {
        match peer.read() {
            Ok(Message::Text(text)) => return Heard::Text(text.to_string()),
            Ok(Message::Binary(bytes)) => return Heard::Binary(bytes.to_vec()),
            Ok(Message::Close(frame)) => {
                let (code, reason) = frame.map_or((1005, String::new()), |it| {
                    (it.code.into(), it.reason.to_string())
                });
                return Heard::Close(code, reason);
            }
            Ok(_) => {}
            Err(error) => return Heard::Error(error.to_string()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Close(u16, String),
    Error(String),
}

/// A message of either kind with the same content.
pub(crate) fn message(binary: bool, content: &str) -> Message {
    if binary {
        Message::binary(content.as_bytes().to_vec())
    } else {
        Message::text(content)
    }
}

/// A message as it is heard.
pub(crate) fn heard(binary: bool, content: &str) -> Heard {
    if binary {
        Heard::Binary(content.as_bytes().to_vec())
    } else {
        Heard::Text(content.to_owned())
    }
}
