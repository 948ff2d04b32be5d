//! `[server.limits]`: how much memory and time a peer may take.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::address::Network;
use crate::config::table::Table;
use crate::conn::deadline::Millis;
use crate::conn::{Conf, SlowPeer};

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

/// Connections of one server or of all. There are no descriptors for more.
pub(super) const CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The timeouts that may be configured.
pub(super) const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=DAY;

/// The limits of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub max_connections: usize,
    /// The limits of each connection.
    pub connection: Conf,
    /// Networks whose failed logins are not counted.
    pub throttle_exempt: Vec<Network>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 1024,
            connection: Conf::default(),
            throttle_exempt: vec![
                Network::of(IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
                Network::of(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
            ],
        }
    }
}

impl Limits {
    pub(super) fn read(mut table: Table<'_>) -> Limits {
        let mut limits = Limits::default();
        let slow_peers = [("close", SlowPeer::Close), ("drop", SlowPeer::Drop)];
        limits.max_connections =
            table.count("max_connections", limits.max_connections, CONNECTIONS);
        let it = &mut limits.connection;
        let mut bytes = |key, value: &mut usize, range| {
            *value = table.size(key, *value as u64, range) as usize;
        };
        bytes("max_message", &mut it.max_message, 1..=GIB);
        bytes("max_backlog", &mut it.max_backlog, KIB..=GIB);
        it.slow_peer = table.choice("slow_peer", it.slow_peer, &slow_peers);
        let mut time = |key, value: &mut Millis, range| {
            *value = table.duration(key, (*value).into(), range).into();
        };
        time("head_timeout", &mut it.head_timeout, TIMEOUT);
        time("idle_timeout", &mut it.idle_timeout, TIMEOUT);
        time("ping_interval", &mut it.ping_interval, Duration::ZERO..=DAY);
        time("pong_timeout", &mut it.pong_timeout, TIMEOUT);
        it.max_body = table.size("max_body", it.max_body, 0..=GIB);
        table.unavailable_flag("compression");
        let example = "[\"127.0.0.0/8\", \"::1\"]";
        let exempt = table.parsed_list("throttle_exempt", example, |text| {
            let allowed = "an address or a network such as \"10.0.0.0/8\"";
            Network::parse(text).map_err(|what| format!("{what}; allowed: {allowed}"))
        });
        if table.has("throttle_exempt") {
            let networks = exempt.into_iter();
            limits.throttle_exempt = networks.map(|network| network.value).collect();
        }
        table.finish();
        limits
    }
}
