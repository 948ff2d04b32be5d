//! What the helper does with root's rights: it reads the configuration and binds addresses.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use crate::config::{self, Address, Config};
use crate::engine::Bound;
use crate::process::config_files::{self, Opener};
use crate::process::identity;
use crate::process::privileges::{self, Identity};
use crate::process::socket_folder::{Leftover, SocketPlace};
use crate::process::syscall::check;
use crate::process::trusted_path::Trusted;

/// The name of the file in memory; only /proc shows it.
const NAME: &CStr = c"bellwire.toml";

/// A configuration that was read.
pub(super) struct ReadConfig {
    /// The text that was read; nobody can change it any more.
    pub text: OwnedFd,
    /// What it says, as far as it can be read.
    pub config: Config,
    /// Whether it has no faults.
    pub is_faultless: bool,
}

/// Reads the configuration once, so that the daemon gets the same text that the helper takes its permissions from.
pub(super) fn read(file: &Path) -> io::Result<ReadConfig> {
    let bytes = config_files::read(file)?.bytes;
    let opener = Opener::of(&config::read_daemon(&bytes, file));
    let (config, is_faultless) =
        config::survey(&bytes, file, &|path, purpose| opener.open(path, purpose));
    Ok(ReadConfig {
        text: sealed(&bytes)?,
        config,
        is_faultless,
    })
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

/// Listens on an address. A unix socket is made only where root and the user that the daemon runs as alone can change
/// something; it is given to that user, and removed when the leftover is dropped.
pub(super) fn bind(
    address: &Address,
    identity: Option<&Identity>,
) -> io::Result<(OwnedFd, Option<Leftover>)> {
    match address {
        Address::Tcp(address) => Ok((Bound::tcp(*address)?.into_fd(), None)),
        Address::Unix(path) => {
            let place = SocketPlace::find(path, trusted(identity))?;
            let bound = Bound::unix_at(&place.path(), path)?;
            if let Some(identity) = identity {
                privileges::give_socket(&place.path(), identity)?;
            }
            Ok((bound.into_fd(), Some(Leftover::of(place))))
        }
    }
}

/// Who may be able to change the folder of a socket.
pub(super) fn trusted(identity: Option<&Identity>) -> Trusted {
    let user = identity.map_or(identity::effective_user(), |user| user.account.user);
    Trusted::RootAnd(user)
}

#[cfg(test)]
mod tests {
    use std::fs;
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
        assert_eq!(found.config.servers.len(), 1);
        fs::write(&path, "[[server]]\n").unwrap();
        assert_eq!(text(found.text), good);

        let found = read(&path).unwrap();
        assert!(!found.is_faultless);
        let mut file = File::from(found.text);
        assert!(file.write_all(b"x").is_err(), "it can be written to");
        assert_eq!(text(file.into()), "[[server]]\n");

        fs::write(&path, b"\xff").unwrap();
        assert!(!read(&path).unwrap().is_faultless);
        assert!(read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn listeners_outlive_their_giving_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (unix, leftover) = bind(&Address::Unix(path.clone()), None).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        let again = bind(&Address::Unix(path.clone()), None).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        let bound = Bound::unix_from(unix, &path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        drop(bound);
        assert!(!path.exists());
        let again = bind(&Address::Unix(path.clone()), None).unwrap();
        drop(leftover);
        assert!(path.exists(), "it is another socket");
        drop(again);
        assert!(!path.exists());

        let (tcp, _) = bind(&Address::Tcp("127.0.0.1:0".parse().unwrap()), None).unwrap();
        let bound = Bound::tcp_from(tcp);
        let address = bound.address().unwrap();
        assert!(std::net::TcpStream::connect(address).is_ok());
    }
}
