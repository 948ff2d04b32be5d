//! The floor that the daemon is compared with: a TCP echo that knows nothing but bytes.
//!
//! One thread, edge-triggered, one shared buffer as large as the daemon's, one receive and one send a wakeup: the least
//! that a server of this kind does.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::system::{self, Pid};

/// Makes the bench's own binary this server.
pub(crate) const ARGUMENT: &str = "raw-echo";

const BUFFER: usize = 256 << 10;
const LISTENER: Token = Token(usize::MAX);

/// The server in its own process.
pub(crate) struct RawEcho {
    child: Child,
    address: SocketAddr,
}

impl RawEcho {
    pub(crate) fn start() -> RawEcho {
        let this = std::env::current_exe().expect("the path of this binary");
        let mut child = Command::new(this)
            .arg(ARGUMENT)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the raw echo starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("its address");
        let address = line.trim().parse().expect("its address");
        RawEcho { child, address }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::try_from(self.child.id()).expect("a pid")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RawEcho {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A peer, and the bytes that it has not accepted yet.
struct Peer {
    socket: TcpStream,
    rest: Vec<u8>,
}

/// Serves until it is killed.
pub(crate) fn serve() {
    system::die_with_parent();
    let mut listener =
        TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a listener");
    println!("{}", listener.local_addr().expect("its address"));
    let mut poll = Poll::new().expect("a poll");
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .expect("a listener that is watched");
    let mut events = Events::with_capacity(1024);
    let mut peers: Slab<Peer> = Slab::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        poll.poll(&mut events, None).expect("events");
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &mut peers, &poll);
            } else if let Some(peer) = peers.get_mut(event.token().0)
                && echo(peer, &mut buffer).is_err()
            {
                peers.remove(event.token().0);
            }
        }
    }
}

fn accept(listener: &TcpListener, peers: &mut Slab<Peer>, poll: &Poll) {
    while let Ok((mut socket, _)) = listener.accept() {
        socket.set_nodelay(true).expect("no delay");
        let entry = peers.vacant_entry();
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut socket, Token(entry.key()), both)
            .expect("a peer that is watched");
        entry.insert(Peer {
            socket,
            rest: Vec::new(),
        });
    }
}

/// Echoes until the peer has nothing more or takes no more; an error is its end.
fn echo(peer: &mut Peer, buffer: &mut [u8]) -> std::io::Result<()> {
    loop {
        if !peer.rest.is_empty() {
            let sent = or_none(peer.socket.write(&peer.rest))?;
            peer.rest.drain(..sent);
            if !peer.rest.is_empty() {
                return Ok(());
            }
        }
        let got = match peer.socket.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            result => or_none(result)?,
        };
        let sent = match got {
            0 => return Ok(()),
            _ => or_none(peer.socket.write(&buffer[..got]))?,
        };
        peer.rest.extend_from_slice(&buffer[sent..got]);
        // A short read has emptied the socket: later bytes cause a new edge.
        if got < buffer.len() && peer.rest.is_empty() {
            return Ok(());
        }
    }
}

fn or_none(result: std::io::Result<usize>) -> std::io::Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
