//! `[[client]]`: an outgoing WebSocket connection that the daemon keeps.

mod basic;
mod endpoint;
mod fields;
mod trust;

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::fault::{Place, Placed};
use crate::config::id::Id;
use crate::config::limits::DAY;
use crate::config::server::{read_id, read_name, read_subprotocols};
use crate::config::table::Table;
use crate::config::value::show_duration;
use crate::proto::http::url::{Host, Url, host_field};
use crate::proto::ws::handshake::UpgradeRequest;

pub use basic::Basic;
pub use trust::{ClientIdentity, Trust};

/// What is repeated is done ten times a second at most.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=DAY;

/// How long a message is kept for a client that is not connected.
const OUTBOX_TTL: Duration = Duration::from_secs(60);

/// One client.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// Unique without regard to case, over servers too.
    pub id: Id,
    /// For people; the id when the file gives none.
    pub name: String,
    /// Whether it connects when the daemon starts.
    pub active: bool,
    /// The host to connect to, which the certificate must be for.
    pub host: Host,
    /// The port to connect to.
    pub port: u16,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Path and query, sent as they are. They begin with a slash, and may hold secrets.
    pub parameters: String,
    /// The user and password that it sends (RFC 7617).
    pub basic: Option<Basic>,
    /// How long the server may be silent before it is pinged; after the same time again the connection is closed.
    pub ping: Option<Duration>,
    /// Whether and when it connects again after the connection has ended.
    pub reconnect: Option<Reconnect>,
    /// Further fields of the upgrade request, in file order. Their values may be secrets.
    pub headers: Vec<(String, String)>,
    /// The subprotocols it offers, the most preferred first.
    pub subprotocols: Vec<String>,
    /// Text messages that are sent after every connection.
    pub on_connect: Vec<String>,
    /// How many messages are kept while it is not connected.
    pub outbox: usize,
    /// How long each of them is kept.
    pub outbox_ttl: Duration,
    /// The certificates that it accepts, and its own; of use with TLS only.
    pub trust: Trust,
}

/// How often a client that has lost its connection tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// The interval between two attempts.
    pub every: Duration,
    /// If given, the interval doubles up to this; at least `every`.
    pub max: Option<Duration>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that connects to `url`, with the default of every other key.
    #[must_use]
    pub fn of_url(url: Url) -> Client {
        let id = Id::of_client(1);
        Client {
            name: id.to_string(),
            id,
            active: true,
            port: url.port_or_default(),
            parameters: url.parameters_or_default().to_owned(),
            host: url.host,
            tls: url.tls,
            basic: url.userinfo.map(Basic::from),
            ping: None,
            reconnect: None,
            headers: Vec::new(),
            subprotocols: Vec::new(),
            on_connect: Vec::new(),
            outbox: 0,
            outbox_ttl: OUTBOX_TTL,
            trust: Trust {
                ca: None,
                identity: None,
                verify: true,
                place: Place { line: 1, column: 1 },
            },
        }
    }

    /// Calls `send` with the request of the opening handshake.
    pub fn with_request<T>(&self, send: impl FnOnce(UpgradeRequest<'_>) -> T) -> T {
        let protocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let fields: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let basic = self.basic.as_ref();
        send(UpgradeRequest {
            host: &host_field(&self.host, self.port, self.tls),
            target: &self.parameters,
            protocols: &protocols,
            basic: basic.map(|basic| (basic.username.as_str(), basic.password.reveal())),
            fields: &fields,
        })
    }

    /// Reads the `ordinal`th client of the file, counted from 1. The place is that of its id.
    pub(super) fn read(mut table: Table<'_>, ordinal: usize) -> Placed<Client> {
        let (id, place) = read_id(&mut table, "client", Id::of_client(ordinal));
        let name = read_name(&mut table);
        let active = table.flag_or("active", true);
        let endpoint = endpoint::read(&mut table);
        let basic = basic::read(&mut table, endpoint.userinfo);
        let ping = read_interval(&mut table, "ping");
        let reconnect = read_reconnect(&mut table);
        let headers = fields::read(&mut table, basic.is_some());
        let subprotocols = read_subprotocols(&mut table);
        let on_connect = table.texts("on_connect", "[\"hello\"]");
        let on_connect = on_connect.into_iter().flat_map(|texts| texts.value);
        let (outbox, outbox_ttl) = read_outbox(&mut table);
        let trust = table.table("trust", "[client.trust]");
        let trust = Trust::read(trust, endpoint.tls);
        table.finish();
        let client = Client {
            name: name.unwrap_or_else(|| id.to_string()),
            id,
            active,
            host: endpoint.host,
            port: endpoint.port,
            tls: endpoint.tls,
            parameters: endpoint.parameters,
            basic,
            ping,
            reconnect,
            headers,
            subprotocols,
            on_connect: on_connect.map(|text| text.value.to_owned()).collect(),
            outbox,
            outbox_ttl,
            trust,
        };
        Placed {
            value: client,
            place,
        }
    }
}

fn read_interval(table: &mut Table<'_>, key: &'static str) -> Option<Duration> {
    let interval = table.duration(key, *INTERVAL.start(), INTERVAL);
    table.has(key).then_some(interval)
}

fn read_reconnect(table: &mut Table<'_>) -> Option<Reconnect> {
    let every = read_interval(table, "reconnect");
    let max = read_interval(table, "reconnect_max");
    let place = table.place_of("reconnect_max");
    match (every, max, place) {
        (None, Some(_), Some(place)) => table.misplaced(
            place,
            "reconnect_max: without reconnect, which it bounds; allowed: beside reconnect",
        ),
        (Some(every), Some(max), Some(place)) if max < every => {
            let (max, every) = (show_duration(max), show_duration(every));
            table.refuse(
                place,
                format!("reconnect_max: {max} is less than reconnect; allowed: {every} or more"),
            );
        }
        _ => {}
    }
    every.map(|every| Reconnect { every, max })
}

fn read_outbox(table: &mut Table<'_>) -> (usize, Duration) {
    let outbox = table.count("outbox", 0, 0..=100_000);
    let ttl = table.duration("outbox_ttl", OUTBOX_TTL, INTERVAL);
    if let (0, Some(place)) = (outbox, table.place_of("outbox_ttl")) {
        table.warn(place, "outbox_ttl: of no use, for outbox is 0");
    }
    (outbox, ttl)
}
