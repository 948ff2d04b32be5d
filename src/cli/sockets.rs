//! The origin of the sockets that servers listen on: this process, or the helper.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use crate::config::Address;
use crate::engine::{Bound, Engine, HelperReply};
use crate::process::identity;
use crate::process::socket_folder::SocketPlace;
use crate::process::trusted_path::Trusted;
use crate::proto::helper::{Answer, Ask};

/// Where sockets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sockets {
    /// This process binds them, with the rights that it was started with.
    Own,
    /// The same, but root's rights were given up: the helper binds what this process may not.
    OwnOrHelper,
}

impl Sockets {
    /// Listens on an address of the configuration.
    ///
    /// # Errors
    /// The system's, the helper's, or that others could replace the unix socket.
    pub(super) fn bind(self, engine: &mut Engine, address: &Address) -> io::Result<Bound> {
        let bound = match address {
            Address::Tcp(address) => Bound::tcp(*address),
            Address::Unix(path) => SocketPlace::find(path, self.trusted())
                .and_then(|place| Bound::unix_at(&place.path(), path)),
        };
        match (bound, self) {
            (Err(error), Sockets::OwnOrHelper) if error.kind() == ErrorKind::PermissionDenied => {
                bind_by_helper(engine, address)
            }
            (bound, _) => bound,
        }
    }

    /// Who may be able to change the folders of unix sockets.
    fn trusted(self) -> Trusted {
        let user = identity::effective_user();
        if self == Sockets::OwnOrHelper || identity::is_root() {
            Trusted::RootAnd(user)
        } else {
            Trusted::RootAndGroup(user, identity::effective_group())
        }
    }
}

fn bind_by_helper(engine: &mut Engine, address: &Address) -> io::Result<Bound> {
    let ask = Ask::Bind {
        address: address.to_string(),
    };
    let listener = ask_helper(engine, ask)?;
    match address {
        Address::Tcp(_) => Ok(Bound::tcp_from(listener)),
        Address::Unix(path) => Bound::unix_from(listener, path),
    }
}

/// Asks the helper for a descriptor, and waits for it.
pub(super) fn ask_helper(engine: &mut Engine, ask: Ask) -> io::Result<OwnedFd> {
    let HelperReply {
        answer, descriptor, ..
    } = engine
        .ask_now(ask)
        .map_err(|error| io::Error::other(error.to_string()))?;
    match (answer, descriptor) {
        // A faulty configuration is returned too: its reader reports the faults.
        (Answer::Descriptor | Answer::Reloaded { .. }, Some(descriptor)) => Ok(descriptor),
        (Answer::Failed(why), _) => Err(io::Error::other(why)),
        _ => Err(io::Error::other("the helper cannot do it now")),
    }
}
