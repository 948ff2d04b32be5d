//! Listening sockets: bound before the loop starts, accepted from within it.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket as Socket2, Type};

use crate::conn::Conf;

use super::owners::OwnerId;
use super::socket::{Peer, Socket};

/// Connections that the kernel queues until they are accepted.
const BACKLOG: i32 = 4096;

/// A socket that listens, from which nothing is accepted yet.
#[derive(Debug)]
pub struct Bound(Inner);

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener),
    Unix(
        UnixListener,
        #[allow(dead_code, reason = "it acts when it is dropped")] UnixPath,
    ),
}

/// The path of a unix socket, removed together with the listener.
#[derive(Debug)]
struct UnixPath(PathBuf);

impl Drop for UnixPath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Bound {
    /// Binds a TCP address. IPv6 takes no IPv4 connections. TCP_NODELAY is set here and inherited by what is accepted.
    ///
    /// # Errors
    /// What the system says.
    pub fn tcp(address: SocketAddr) -> io::Result<Bound> {
        let socket = Socket2::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Bound(Inner::Tcp(TcpListener::from_std(socket.into()))))
    }

    /// Binds a unix socket. One that a dead process left behind is replaced; a live one is "address in use".
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::AlreadyExists`] when the path is something else than a socket.
    pub fn unix(path: &Path) -> io::Result<Bound> {
        Bound::unix_at(path, path)
    }

    /// The same by another path that leads to the same place now, but need not later.
    ///
    /// # Errors
    /// As [`Bound::unix`].
    pub fn unix_at(place: &Path, path: &Path) -> io::Result<Bound> {
        match fs::symlink_metadata(place) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "the path exists and is no socket",
                ));
            }
            Ok(_) => match StdUnixStream::connect(place) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(place)?;
                }
                // Whether it is stale is seen by who may connect to it.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
                _ => return Err(io::Error::from(io::ErrorKind::AddrInUse)),
            },
            Err(_) => {}
        }
        let listener = UnixListener::bind(place)?;
        Ok(Bound(Inner::Unix(listener, UnixPath(path.to_owned()))))
    }

    /// A TCP socket that another process has bound.
    #[must_use]
    pub fn tcp_from(listener: OwnedFd) -> Bound {
        Bound(Inner::Tcp(TcpListener::from_std(listener.into())))
    }

    /// A unix socket that another process has bound to this path.
    ///
    /// # Errors
    /// The system's, if it cannot be made not to block.
    pub fn unix_from(listener: OwnedFd, path: &Path) -> io::Result<Bound> {
        let listener = StdUnixListener::from(listener);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener);
        Ok(Bound(Inner::Unix(listener, UnixPath(path.to_owned()))))
    }

    /// The socket, to be given to another process. The path of a unix socket stays.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        match self.0 {
            Inner::Tcp(tcp) => tcp.into(),
            Inner::Unix(unix, path) => {
                std::mem::forget(path);
                unix.into()
            }
        }
    }

    /// The address that it is bound to; `None` for a unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Inner::Tcp(tcp) => tcp.local_addr().ok(),
            Inner::Unix(..) => None,
        }
    }
}

/// A listener of the engine: never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(pub(super) u64);

/// A listener in the loop.
#[derive(Debug)]
pub(super) struct Listener {
    pub id: ListenerId,
    bound: Bound,
    /// The owner of accepted connections.
    pub owner: OwnerId,
    pub conf: Rc<Conf>,
    /// Whether only this machine can reach it by TCP.
    pub loopback: bool,
    /// There may be connections to accept: the edge of the listener has come, and accepting has not failed since.
    pub ready: bool,
}

impl Listener {
    pub(super) fn new(
        id: ListenerId,
        mut bound: Bound,
        owner: OwnerId,
        conf: Rc<Conf>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Listener> {
        match &mut bound.0 {
            Inner::Tcp(tcp) => tcp.register(registry, token, Interest::READABLE)?,
            Inner::Unix(unix, _) => unix.register(registry, token, Interest::READABLE)?,
        }
        let loopback = bound
            .address()
            .is_some_and(|address| address.ip().is_loopback());
        Ok(Listener {
            id,
            bound,
            owner,
            conf,
            loopback,
            ready: false,
        })
    }

    pub(super) fn accept(&self) -> io::Result<(Socket, Peer)> {
        match &self.bound.0 {
            Inner::Tcp(tcp) => tcp
                .accept()
                .map(|(socket, peer)| (Socket::Tcp(socket), Peer::from(peer))),
            Inner::Unix(unix, _) => unix
                .accept()
                .map(|(socket, _)| (Socket::Unix(socket), Peer::LOCAL)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let live = Bound::unix(&path).unwrap();
        assert_eq!(
            Bound::unix(&path).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        drop(live);
        assert!(!path.exists());
        fs::write(&path, "a file").unwrap();
        assert_eq!(
            Bound::unix(&path).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read(&path).unwrap(), b"a file");
    }

    #[test]
    fn ipv6_does_not_take_the_ipv4_port() {
        let Ok(six) = Bound::tcp("[::1]:0".parse().unwrap()) else {
            println!("skipped: no IPv6 on this machine");
            return;
        };
        let port = six.address().unwrap().port();
        assert!(Bound::tcp(SocketAddr::from(([127, 0, 0, 1], port))).is_ok());
    }
}
