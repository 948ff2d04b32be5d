//! Notifications to the service manager (sd_notify(3)): datagrams to the socket that `$NOTIFY_SOCKET` names.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The variable that names the socket.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// The socket of the service manager, if there is one.
#[derive(Debug)]
pub(super) struct Notify(Option<OsString>);

impl Notify {
    /// The socket that the environment names.
    pub(super) fn from_env() -> Notify {
        Notify(std::env::var_os(VARIABLE).filter(|value| !value.is_empty()))
    }

    /// The daemon is ready.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The daemon reads its configuration again; [`Notify::ready`] follows.
    pub(super) fn reloading(&self) {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the pointer is of a timespec.
        let failed = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) } != 0;
        // Type=notify-reload needs the time, to distinguish this reload from the previous one.
        let micros = if failed {
            0
        } else {
            now.tv_sec * 1_000_000 + now.tv_nsec / 1000
        };
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The daemon is about to end.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, what: &str) {
        if let Some(socket) = &self.0
            && let Err(error) = send(socket, what)
        {
            log::warn!("the service manager cannot be told {what:?}: {error}");
        }
    }
}

fn send(to: &OsStr, what: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    let address = match to.as_bytes() {
        // unix(7): an abstract name.
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(to)?,
    };
    socket.send_to_addr(what.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_is_told_by_a_datagram() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let heard = UnixDatagram::bind(&path).unwrap();
        let notify = Notify(Some(path.into()));
        let mut buffer = [0; 256];
        let mut hear = || {
            let length = heard.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        notify.ready();
        assert_eq!(hear(), "READY=1");
        notify.reloading();
        let told = hear();
        let micros = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(micros.parse::<u64>().is_ok_and(|micros| micros > 0));
        notify.stopping();
        assert_eq!(hear(), "STOPPING=1");
        Notify(None).ready();
    }

    #[test]
    fn a_name_that_is_no_path() {
        let name = format!("bellwire-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let heard = UnixDatagram::bind_addr(&address).unwrap();
        Notify(Some(format!("@{name}").into())).ready();
        let mut buffer = [0; 16];
        assert_eq!(heard.recv(&mut buffer).unwrap(), 7);
    }
}
