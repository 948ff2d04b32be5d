//! `[server.limits]`: how much of everything a peer may take.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::address::Network;
use crate::config::fault::Faults;
use crate::config::raw::Table;

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

/// Connections of one server or of all; more would not find descriptors.
pub(super) const CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=DAY;

/// What is done with a peer that reads too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowPeer {
    /// The connection is closed with 1013.
    Close,
    /// The message is dropped and counted.
    Drop,
}

/// The limits of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub max_connections: usize,
    /// Bytes of one message; a longer one is closed with 1009.
    pub max_message: u64,
    /// Unsent bytes held for one slow peer.
    pub max_backlog: u64,
    /// What happens past `max_backlog`.
    pub slow_peer: SlowPeer,
    /// For the whole request head, however slowly it comes.
    pub head_timeout: Duration,
    /// For a connection that is kept alive between requests.
    pub idle_timeout: Duration,
    /// Between pings to a WebSocket peer; zero is never.
    pub ping_interval: Duration,
    /// For the pong; without one the peer is taken for dead.
    pub pong_timeout: Duration,
    /// Bytes of one request body.
    pub max_body: u64,
    /// Whether permessage-deflate (RFC 7692) is accepted. Always false so far.
    pub compression: bool,
    /// Networks whose failed logins are not counted.
    pub throttle_exempt: Vec<Network>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 1024,
            max_message: MIB,
            max_backlog: 4 * MIB,
            slow_peer: SlowPeer::Close,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(20),
            max_body: MIB,
            compression: false,
            throttle_exempt: vec![
                Network::of(IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
                Network::of(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
            ],
        }
    }
}

impl Limits {
    pub(super) fn read(mut table: Table<'_>, faults: &mut Faults<'_>) -> Limits {
        let default = Limits::default();
        let slow_peers = [("close", SlowPeer::Close), ("drop", SlowPeer::Drop)];
        let limits = Limits {
            max_connections: table.count(
                "max_connections",
                default.max_connections,
                CONNECTIONS,
                faults,
            ),
            max_message: table.size("max_message", default.max_message, 1..=GIB, faults),
            max_backlog: table.size("max_backlog", default.max_backlog, KIB..=GIB, faults),
            slow_peer: table.choice("slow_peer", default.slow_peer, &slow_peers, faults),
            head_timeout: table.duration("head_timeout", default.head_timeout, TIMEOUT, faults),
            idle_timeout: table.duration("idle_timeout", default.idle_timeout, TIMEOUT, faults),
            ping_interval: table.duration(
                "ping_interval",
                default.ping_interval,
                Duration::ZERO..=DAY,
                faults,
            ),
            pong_timeout: table.duration("pong_timeout", default.pong_timeout, TIMEOUT, faults),
            max_body: table.size("max_body", default.max_body, 0..=GIB, faults),
            compression: {
                table.later_flag("compression", faults);
                false
            },
            throttle_exempt: read_networks(&mut table, faults).unwrap_or(default.throttle_exempt),
        };
        table.finish(faults);
        limits
    }
}

fn read_networks(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<Vec<Network>> {
    let texts = table.texts("throttle_exempt", "[\"127.0.0.0/8\", \"::1\"]", faults)?;
    let mut networks = Vec::with_capacity(texts.value.len());
    for text in texts.value {
        match Network::parse(text.value) {
            Ok(network) => networks.push(network),
            Err(what) => faults.refuse(
                text.place,
                format!("throttle_exempt: {what}; allowed: an address or a network such as \"10.0.0.0/8\""),
            ),
        }
    }
    Some(networks)
}
