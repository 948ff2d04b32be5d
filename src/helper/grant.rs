//! What the helper does with root's rights: it reads the configuration and binds addresses.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use crate::config::{self, Address, Config};
use crate::engine::Bound;
use crate::process::privileges::{self, Identity};
use crate::process::syscall::check;

/// The name of the file in memory; only /proc shows it.
const NAME: &CStr = c"bellwire.toml";

/// A configuration that was read.
pub(super) struct ReadConfig {
    /// The text that was read; nobody can change it any more.
    pub text: OwnedFd,
    /// What it says; absent when it has a fault.
    pub config: Option<Config>,
}

/// Reads the configuration once, so that the daemon gets the same text that the helper takes its permissions from.
pub(super) fn read(file: &Path) -> io::Result<ReadConfig> {
    let bytes = fs::read(file)?;
    let config = str::from_utf8(&bytes)
        .ok()
        .and_then(|text| config::parse(text, file).ok());
    let text = sealed(&bytes)?;
    Ok(ReadConfig { text, config })
}

/// A read-only file in memory.
fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name ends in NUL.
    let fd = check(unsafe { libc::memfd_create(NAME.as_ptr(), flags) })?;
    // SAFETY: the descriptor was just made and is nobody else's.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;
    // SAFETY: fcntl takes no pointer for this command.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
    Ok(file.into())
}

/// Listens on an address. A unix socket is given to the user that the daemon runs as.
pub(super) fn bind(address: &Address, identity: Option<&Identity>) -> io::Result<OwnedFd> {
    match address {
        Address::Tcp(address) => Ok(Bound::tcp(*address)?.into_fd()),
        Address::Unix(path) => {
            let bound = Bound::unix(path)?;
            if let Some(identity) = identity {
                privileges::give_socket(path, identity)?;
            }
            Ok(bound.into_fd())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn text(file: OwnedFd) -> String {
        let mut text = String::new();
        File::from(file).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_text_that_was_read_is_given_with_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bellwire.toml");
        let good = "[[server]]\nbind = [\"127.0.0.1:0\"]\n";
        fs::write(&path, good).unwrap();
        let found = read(&path).unwrap();
        assert_eq!(found.config.unwrap().servers.len(), 1);
        fs::write(&path, "[[server]]\n").unwrap();
        assert_eq!(text(found.text), good);

        let found = read(&path).unwrap();
        assert!(found.config.is_none());
        let mut file = File::from(found.text);
        assert!(file.write_all(b"x").is_err(), "it can be written to");
        assert_eq!(text(file.into()), "[[server]]\n");

        fs::write(&path, b"\xff").unwrap();
        assert!(read(&path).unwrap().config.is_none());
        assert!(read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn listeners_outlive_their_giving_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let unix = bind(&Address::Unix(path.clone()), None).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        let again = bind(&Address::Unix(path.clone()), None).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        let bound = Bound::unix_from(unix, &path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        drop(bound);
        assert!(!path.exists());

        let tcp = bind(&Address::Tcp("127.0.0.1:0".parse().unwrap()), None).unwrap();
        let bound = Bound::tcp_from(tcp);
        let address = bound.address().unwrap();
        assert!(std::net::TcpStream::connect(address).is_ok());
    }
}
