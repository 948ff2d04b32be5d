//! Who may call which method.
//!
//! The permissions of the socket decide who may speak at all. Methods that read or write the configuration are code that
//! runs as the daemon, and a dial by hand reaches what only the daemon reaches: these are for root and for the daemon's own
//! user. A method that is not in the table is for nobody.

use std::fmt;

use crate::engine::PeerCredentials;
use crate::rpc::Error;

/// What a caller is to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// Root, or the user that the daemon runs as.
    Administrator,
    /// Anybody else whom the permissions of the socket let in: the members of its group.
    Member,
    /// The process of a trigger, over its pipes.
    Worker,
}

/// Whom a method is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Every caller.
    All,
    /// Callers on the control socket.
    Socket,
    /// Root and the daemon's own user, on the control socket.
    Administrators,
}

use Access::{Administrators, All, Socket};

/// The methods, and those that are to come. One that ends in a dot stands for all that begin with it.
const TABLE: &[(&str, Access)] = &[
    ("status", All),
    ("reload", All),
    ("server.list", All),
    ("server.start", All),
    ("server.stop", All),
    ("client.list", All),
    ("client.connect", All),
    ("client.disconnect", All),
    ("connections", All),
    ("send", All),
    ("kick", All),
    ("respond", All),
    ("events.subscribe", Socket),
    ("config.", Administrators),
    ("client.test", Administrators),
];

impl Rank {
    /// The rank of a process on the control socket.
    pub(super) fn of(peer: Option<PeerCredentials>) -> Rank {
        match peer {
            Some(peer) if peer.user == 0 || peer.is_own_user() => Rank::Administrator,
            _ => Rank::Member,
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::All => "for every caller",
            Access::Socket => "for the control socket; a worker is sent the events of its trigger",
            Access::Administrators => {
                "for root and the user that the daemon runs as, on the control socket"
            }
        })
    }
}

fn access(method: &str) -> Option<Access> {
    let is_meant = |name: &str| {
        if name.ends_with('.') {
            method.starts_with(name)
        } else {
            method == name
        }
    };
    let found = TABLE.iter().find(|(name, _)| is_meant(name));
    found.map(|(_, access)| *access)
}

/// Checks that a caller may call a method.
///
/// # Errors
/// It may not; the error says who may.
pub(super) fn check(method: &str, rank: Rank) -> Result<(), Error> {
    let may = match access(method) {
        Some(Access::All) => return Ok(()),
        Some(may) => may,
        None => return Err(Error::failed(format!("{method} is for nobody"))),
    };
    match (may, rank) {
        (Access::Socket, Rank::Member) | (_, Rank::Administrator) => Ok(()),
        _ => Err(Error::failed(format!("{method} is {may}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::Call;

    const RANKS: [Rank; 3] = [Rank::Administrator, Rank::Member, Rank::Worker];

    /// Which of the ranks may call a method, in their order.
    fn who(method: &str) -> [bool; 3] {
        RANKS.map(|rank| check(method, rank).is_ok())
    }

    #[test]
    fn every_method_has_its_callers() {
        for (method, _) in Call::METHODS {
            assert!(
                TABLE.iter().any(|(name, _)| *name == method),
                "{method} is not in the table"
            );
            let expected = match method {
                "events.subscribe" => [true, true, false],
                "client.test" => [true, false, false],
                _ if method.starts_with("config.") => [true, false, false],
                _ => [true; 3],
            };
            assert_eq!(who(method), expected, "{method}");
        }
    }

    #[test]
    fn what_reads_or_writes_the_configuration_is_for_administrators() {
        for method in ["config.read", "config.check", "config.write", "client.test"] {
            assert_eq!(who(method), [true, false, false], "{method}");
        }
        for method in ["config", "configure", "client.tests", "no.such"] {
            assert_eq!(who(method), [false; 3], "{method}");
        }
    }

    #[test]
    fn the_user_of_a_process_decides_its_rank() {
        let of = |user| {
            Rank::of(Some(PeerCredentials {
                process: 1,
                user,
                group: 0,
            }))
        };
        assert_eq!(of(0), Rank::Administrator);
        // No user has this number, so it is not the one that runs this test.
        assert_eq!(of(u32::MAX), Rank::Member);
        assert_eq!(Rank::of(None), Rank::Member);
    }
}
