//! `[[client]]`: an outgoing WebSocket connection that the daemon keeps.

mod basic;
mod endpoint;
mod fields;
mod trust;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use crate::config::fault::{Faults, Place, Placed};
use crate::config::id::Id;
use crate::config::raw::Table;
use crate::config::server::{read_id, read_name, read_subprotocols};
use crate::config::value::show_duration;
use crate::proto::http::url::{Host, Url, host_field};
use crate::proto::ws::handshake::UpgradeRequest;

pub use basic::Basic;
pub use trust::{Identity, Trust};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Nothing that is done again and again is done more often than ten times a second.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=DAY;

/// How long a kept message is worth sending.
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
    /// Where it connects to, and whose certificate it expects.
    pub host: Host,
    /// The port there.
    pub port: u16,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Path and query, sent as they are; they begin with a slash. They may hold secrets.
    pub parameters: String,
    /// Who connects (RFC 7617).
    pub basic: Option<Basic>,
    /// How long the server may be silent before it is pinged, and then again before it is taken for dead.
    pub ping: Option<Duration>,
    /// When it connects again after an end.
    pub reconnect: Option<Reconnect>,
    /// More fields of the upgrade request, in file order. Their values may be secrets.
    pub headers: Vec<(String, String)>,
    /// The subprotocols it offers, the most preferred first.
    pub subprotocols: Vec<String>,
    /// Text messages that are sent after every connection.
    pub on_connect: Vec<String>,
    /// Messages that are kept while it is not connected.
    pub outbox: usize,
    /// For how long each of them is.
    pub outbox_ttl: Duration,
    /// Whom it trusts, and by what it is trusted; of use with TLS only.
    pub trust: Trust,
}

/// How often a client that has lost its connection tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// Between two attempts.
    pub every: Duration,
    /// The interval doubles up to this, when it is there; at least `every`.
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

    /// Calls `send` with the request of its opening handshake, which borrows from it.
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

    /// Reads the `ordinal`th client of the file, counted from 1. Beside it, where its id is written. `exposed` says
    /// whether others can read the file, which is a warning for each secret in it.
    pub(super) fn read(
        mut table: Table<'_>,
        ordinal: usize,
        folder: &Path,
        exposed: bool,
        faults: &mut Faults<'_>,
    ) -> Placed<Client> {
        let (id, place) = read_id(&mut table, "client", Id::of_client(ordinal), faults);
        let name = read_name(&mut table, faults);
        let active = table.flag("active", faults).is_none_or(|flag| flag.value);
        let endpoint = endpoint::read(&mut table, exposed, faults);
        let basic = basic::read(&mut table, endpoint.userinfo, folder, exposed, faults);
        let ping = read_interval(&mut table, "ping", faults);
        let reconnect = read_reconnect(&mut table, faults);
        let headers = fields::read(&mut table, basic.is_some(), exposed, faults);
        let subprotocols = read_subprotocols(&mut table, faults);
        let on_connect = table
            .texts("on_connect", "[\"hello\"]", faults)
            .map(|texts| {
                texts
                    .value
                    .iter()
                    .map(|text| text.value.to_owned())
                    .collect()
            });
        let (outbox, outbox_ttl) = read_outbox(&mut table, faults);
        let trust = table.table("trust", "[client.trust]", faults);
        let trust = Trust::read(trust, endpoint.tls, folder, faults);
        table.finish(faults);
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
            on_connect: on_connect.unwrap_or_default(),
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

fn read_interval(
    table: &mut Table<'_>,
    key: &'static str,
    faults: &mut Faults<'_>,
) -> Option<Duration> {
    let is_there = table.has(key);
    let interval = table.duration(key, *INTERVAL.start(), INTERVAL, faults);
    is_there.then_some(interval)
}

fn read_reconnect(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<Reconnect> {
    let every = read_interval(table, "reconnect", faults);
    let place = table.where_is("reconnect_max", faults);
    let max = read_interval(table, "reconnect_max", faults);
    if let (Some(max), Some(place)) = (max, place) {
        match every {
            None => faults.misplaced(
                place,
                "reconnect_max: without reconnect, which it bounds; allowed: beside reconnect",
            ),
            Some(every) if max < every => faults.refuse(
                place,
                format!(
                    "reconnect_max: {} is less than reconnect; allowed: {} or more",
                    show_duration(max),
                    show_duration(every)
                ),
            ),
            Some(_) => {}
        }
    }
    every.map(|every| Reconnect { every, max })
}

fn read_outbox(table: &mut Table<'_>, faults: &mut Faults<'_>) -> (usize, Duration) {
    let outbox = table.count("outbox", 0, 0..=100_000, faults);
    let place = table.where_is("outbox_ttl", faults);
    let ttl = table.duration("outbox_ttl", OUTBOX_TTL, INTERVAL, faults);
    if let (0, Some(place)) = (outbox, place) {
        faults.warn(place, "outbox_ttl: of no use, for outbox is 0");
    }
    (outbox, ttl)
}
