//! The limits of a connection in tests: the defaults of the configuration.

use bellwire::conn::deadline::Millis;
use bellwire::conn::{Conf, SlowPeer};

pub(crate) fn conf() -> Conf {
    Conf {
        max_message: 1 << 20,
        max_backlog: 4 << 20,
        slow_peer: SlowPeer::Close,
        max_body: 1 << 20,
        head_timeout: Millis::seconds(10),
        idle_timeout: Millis::seconds(60),
        ping_interval: Millis::seconds(30),
        pong_timeout: Millis::seconds(20),
    }
}
