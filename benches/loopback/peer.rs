//! One connection to a server, plain or by TLS: waited for while it is opened, not waited for while it is measured.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use mio::event::Source;
use mio::{Interest, Registry, Token};
use rustls::{ClientConfig, ClientConnection};

/// Nothing that is right takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A connection whose reads and writes wait.
pub(crate) struct Opened {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Opened {
    pub(crate) fn plain(address: SocketAddr) -> Opened {
        let socket = TcpStream::connect(address).expect("a connection");
        socket.set_nodelay(true).expect("no delay");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Opened { socket, tls: None }
    }

    pub(crate) fn by_tls(address: SocketAddr, config: &Arc<ClientConfig>) -> Opened {
        let name = "localhost".try_into().expect("a name");
        let tls = ClientConnection::new(Arc::clone(config), name).expect("a TLS client");
        Opened {
            tls: Some(Box::new(tls)),
            ..Opened::plain(address)
        }
    }

    /// Upgrades it to a WebSocket.
    pub(crate) fn upgrade(mut self) -> Opened {
        self.write_all(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .expect("a request");
        assert!(self.read_head().starts_with(b"HTTP/1.1 101 "));
        self
    }

    /// The head of an answer.
    pub(crate) fn read_head(&mut self) -> Vec<u8> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        head
    }

    /// From now on nothing waits.
    pub(crate) fn watched(self, registry: &Registry, token: Token) -> Peer {
        self.socket.set_nonblocking(true).expect("it does not wait");
        let mut socket = mio::net::TcpStream::from_std(self.socket);
        let both = Interest::READABLE | Interest::WRITABLE;
        socket
            .register(registry, token, both)
            .expect("a peer that is watched");
        Peer {
            socket,
            tls: self.tls,
        }
    }
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.read(buffer),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).read(buffer),
        }
    }
}

impl Write for Opened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.write(bytes),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => self.socket.flush(),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).flush(),
        }
    }
}

/// A connection whose reads and writes do not wait.
pub(crate) struct Peer {
    socket: mio::net::TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Peer {
    /// Reads all that is there, and throws it away; how much it was.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> usize {
        let mut all = 0;
        loop {
            let count = match &mut self.tls {
                None => unless_it_waits(self.socket.read(buffer)),
                Some(tls) => unless_it_waits(tls.read_tls(&mut self.socket)),
            };
            let Some(count) = count else { return all };
            assert!(count > 0, "the server ended a connection");
            match &mut self.tls {
                None => {
                    all += count;
                    // A short read has emptied the socket.
                    if count < buffer.len() {
                        return all;
                    }
                }
                Some(tls) => {
                    let state = tls.process_new_packets().expect("TLS");
                    let mut left = state.plaintext_bytes_to_read();
                    while left > 0 {
                        let count = tls.reader().read(buffer).expect("plaintext");
                        (all, left) = (all + count, left - count);
                    }
                }
            }
        }
    }

    /// Sends as much as the system accepts now; gives how much that is.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> usize {
        let Some(tls) = &mut self.tls else {
            return unless_it_waits(self.socket.write(bytes)).unwrap_or(0);
        };
        let count = tls.writer().write(bytes).expect("room for a request");
        while tls.wants_write() && unless_it_waits(tls.write_tls(&mut self.socket)).is_some() {}
        count
    }
}

fn unless_it_waits(result: io::Result<usize>) -> Option<usize> {
    match result {
        Ok(count) => Some(count),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("a connection failed: {error}"),
    }
}
