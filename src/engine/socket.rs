//! A stream socket of either family, and the few calls that std does not offer on it.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

/// A connected stream.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The address of a peer; none for a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    ip: Option<IpAddr>,
    port: u16,
}

impl Peer {
    /// A peer on a unix socket.
    pub const LOCAL: Peer = Peer { ip: None, port: 0 };

    /// The peer's address; `None` for a unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.ip.map(|ip| SocketAddr::new(ip, self.port))
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer {
            ip: Some(address.ip()),
            port: address.port(),
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address() {
            Some(address) => address.fmt(f),
            None => f.write_str("unix"),
        }
    }
}

/// The process at the other end of a unix socket, as it was when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    /// The process id.
    pub process: i32,
    /// Its user.
    pub user: u32,
    /// Its primary group.
    pub group: u32,
}

impl PeerCredentials {
    /// Whether its user is the one that this process runs as.
    #[must_use]
    pub fn is_own_user(&self) -> bool {
        // SAFETY: geteuid has no arguments and cannot fail.
        self.user == unsafe { libc::geteuid() }
    }
}

impl std::fmt::Display for PeerCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let PeerCredentials {
            process,
            user,
            group,
        } = self;
        write!(f, "process {process} of user {user} and group {group}")
    }
}

impl Socket {
    /// The process at the other end; `None` for TCP.
    pub(super) fn credentials(&self) -> Option<PeerCredentials> {
        let Socket::Unix(unix) = self else {
            return None;
        };
        // SAFETY: an all-zero ucred is a valid one; it is as long as it is said to be, and only written to.
        let (result, found) = unsafe {
            let mut found: libc::ucred = std::mem::zeroed();
            let mut length = size_of::<libc::ucred>() as libc::socklen_t;
            let result = libc::getsockopt(
                unix.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut found).cast(),
                &raw mut length,
            );
            (result, found)
        };
        (result == 0).then_some(PeerCredentials {
            process: found.pid,
            user: found.uid,
            group: found.gid,
        })
    }

    /// TCP watches both directions from the start. On AF_UNIX both at once would cost a spurious wakeup a message, so
    /// writability is watched after a short write only: [`Socket::watch_writable`].
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Socket::Tcp(tcp) => {
                tcp.register(registry, token, Interest::READABLE | Interest::WRITABLE)
            }
            Socket::Unix(unix) => unix.register(registry, token, Interest::READABLE),
        }
    }

    /// Whether the next chance to write is to be reported, after a short write; TCP always does.
    pub(super) fn watch_writable(
        &mut self,
        registry: &Registry,
        token: Token,
        watch: bool,
    ) -> io::Result<()> {
        match self {
            Socket::Tcp(_) => Ok(()),
            Socket::Unix(unix) if watch => {
                unix.reregister(registry, token, Interest::READABLE | Interest::WRITABLE)
            }
            Socket::Unix(unix) => unix.reregister(registry, token, Interest::READABLE),
        }
    }

    /// Receives what has come. This and [`Socket::send`] are called for every message: as system calls they cost half the
    /// instructions that they do by std.
    #[inline]
    pub(super) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (start, room) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: the buffer is ours alone and as long as it is said to be, and recv only writes to it.
        let got = unsafe { libc::recv(self.fd(), start, room, 0) };
        usize::try_from(got).map_err(|_| io::Error::last_os_error())
    }

    /// Sends as much as the socket takes.
    #[inline]
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: the bytes are as many as they are said to be, and send only reads them.
        let sent = unsafe {
            let start = bytes.as_ptr().cast();
            libc::send(self.fd(), start, bytes.len(), libc::MSG_NOSIGNAL)
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// As [`Socket::send`], of bytes that are to leave together with the next.
    pub(super) fn send_more(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = libc::MSG_MORE | libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        // SAFETY: the buffer is as long as it is said to be, and send only reads it.
        let sent = unsafe { libc::send(self.fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Sends up to `most` bytes of a file, from `offset` on; 0 at its end.
    pub(super) fn send_file(&self, file: &File, offset: u64, most: usize) -> io::Result<usize> {
        let mut offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: both descriptors are open, and the offset is a place of ours that outlives the call.
        let sent = unsafe { libc::sendfile(self.fd(), file.as_raw_fd(), &raw mut offset, most) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    pub(super) fn send_parts(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(tcp) => (&mut &*tcp).write_vectored(parts),
            Socket::Unix(unix) => (&mut &*unix).write_vectored(parts),
        }
    }

    pub(super) fn half_close(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(tcp) => tcp.shutdown(Shutdown::Write),
            Socket::Unix(unix) => unix.shutdown(Shutdown::Write),
        }
    }

    /// Our own address; `None` of a unix socket.
    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(tcp) => tcp.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    #[inline]
    fn fd(&self) -> RawFd {
        match self {
            Socket::Tcp(tcp) => tcp.as_raw_fd(),
            Socket::Unix(unix) => unix.as_raw_fd(),
        }
    }

    /// Receives into the spare capacity of `first`, up to `most` bytes, and what comes beyond into `second`. `first`
    /// has grown by what came; the answer is how many bytes went into each.
    pub(super) fn recv_into(
        &self,
        first: &mut Vec<u8>,
        most: usize,
        second: &mut [u8],
    ) -> io::Result<(usize, usize)> {
        let spare = first.spare_capacity_mut();
        let room = spare.len().min(most);
        let parts = [
            libc::iovec {
                iov_base: spare.as_mut_ptr().cast(),
                iov_len: room,
            },
            libc::iovec {
                iov_base: second.as_mut_ptr().cast(),
                iov_len: second.len(),
            },
        ];
        // SAFETY: both parts point to memory that is ours alone for the length given, and readv only writes to it.
        let count = unsafe { libc::readv(self.fd(), parts.as_ptr(), 2) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        let in_first = count.min(room);
        // SAFETY: readv fills the parts in order, so the first `in_first` spare bytes are written.
        unsafe { first.set_len(first.len() + in_first) };
        Ok((in_first, count - in_first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream as Std;

    #[test]
    fn a_unix_socket_says_who_is_at_its_other_end() {
        let (a, _b) = Std::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        let found = Socket::Unix(UnixStream::from_std(a)).credentials().unwrap();
        assert_eq!(found.process, std::process::id().cast_signed());
        let other = PeerCredentials {
            user: found.user + 1,
            ..found
        };
        assert!(found.is_own_user() && !other.is_own_user());
        let shown = found.to_string();
        // SAFETY: neither takes arguments, and neither can fail.
        let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
        let process = found.process;
        assert_eq!(
            shown,
            format!("process {process} of user {user} and group {group}")
        );
    }

    #[test]
    fn a_peer_is_shown_so_that_a_colon_can_follow() {
        let address: SocketAddr = "[::1]:80".parse().unwrap();
        assert_eq!(Peer::from(address).to_string(), "[::1]:80");
        assert_eq!(Peer { ip: None, port: 0 }.to_string(), "unix");
    }

    #[test]
    fn receives_into_two_places_in_order() {
        let (a, b) = Std::pair().unwrap();
        (&a).write_all(b"0123456789").unwrap();
        b.set_nonblocking(true).unwrap();
        let socket = Socket::Unix(UnixStream::from_std(b));
        let mut first = Vec::with_capacity(64);
        first.push(b'x');
        let mut second = [0; 4];
        assert_eq!(
            socket.recv_into(&mut first, 3, &mut second).unwrap(),
            (3, 4)
        );
        assert_eq!((&first[..], &second), (&b"x012"[..], b"3456"));
        assert_eq!(
            socket.recv_into(&mut first, 60, &mut second).unwrap(),
            (3, 0)
        );
        assert_eq!(first, b"x012789");
        assert_eq!(
            socket
                .recv_into(&mut first, 1, &mut second)
                .unwrap_err()
                .kind(),
            io::ErrorKind::WouldBlock
        );
    }
}
