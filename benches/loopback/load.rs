//! Many connections that keep a number of messages in flight each, and count what comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bellwire::proto::ws::frame::{OpCode, put_masked, put_unmasked};
use mio::{Events, Interest, Poll, Token};

use super::system::{self, Pid};

/// Before each measurement, until caches and buffers are as they will stay.
const WARM: Duration = Duration::from_millis(150);

/// Of each measurement.
const MEASURED: Duration = Duration::from_millis(700);

/// Nothing that is right takes this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// One cell of the table.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Payload of a message.
    pub(crate) bytes: usize,
    pub(crate) connections: usize,
    /// Messages of a connection that are under way.
    pub(crate) in_flight: usize,
}

impl Shape {
    pub(crate) const fn new(bytes: usize, connections: usize, in_flight: usize) -> Shape {
        Shape {
            bytes,
            connections,
            in_flight,
        }
    }

    /// The frame that is sent.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        let key = [0x37, 0xfa, 0x21, 0x3d];
        put_masked(&mut frame, key, OpCode::Binary, true, &self.payload());
        frame
    }

    /// Its payload as a server sends it back.
    pub(crate) fn answer(&self, opcode: OpCode) -> Vec<u8> {
        let mut frame = Vec::new();
        put_unmasked(&mut frame, opcode, true, &self.payload());
        frame
    }

    fn payload(&self) -> Vec<u8> {
        (0..self.bytes).map(|at| at as u8).collect()
    }
}

/// A plain connection.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let peer = TcpStream::connect(address).expect("a connection");
    peer.set_nodelay(true).expect("no delay");
    peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    peer
}

/// A connection that has become a WebSocket.
pub(crate) fn open_websocket(address: SocketAddr) -> TcpStream {
    let mut peer = connect(address);
    peer.write_all(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    .expect("a request");
    let (mut answer, mut count) = ([0; 512], 0);
    while !answer[..count].ends_with(b"\r\n\r\n") {
        match peer.read(&mut answer[count..]) {
            Ok(got) if got > 0 => count += got,
            other => panic!("no answer: {other:?}"),
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    peer
}

struct Peer {
    socket: mio::net::TcpStream,
    /// Bytes that are still to be sent.
    owed: usize,
    /// Where in a frame the next of them is.
    at: usize,
    /// Bytes of an answer that is not whole yet.
    got: usize,
}

/// The connections of a cell to one server.
pub(crate) struct Load {
    shape: Shape,
    poll: Poll,
    events: Events,
    peers: Vec<Peer>,
    buffer: Vec<u8>,
    /// As many frames as are in flight, one behind the other.
    frames: Vec<u8>,
    frame: usize,
    answer: Vec<u8>,
    in_flight: usize,
    messages: u64,
}

impl Load {
    pub(crate) fn open(
        shape: Shape,
        address: SocketAddr,
        open: fn(SocketAddr) -> TcpStream,
        answer: Vec<u8>,
    ) -> Load {
        let frame = shape.frame();
        let poll = Poll::new().expect("a poll");
        let peer = |token| {
            let mut stream = open(address);
            try_one(&mut stream, &frame, &answer);
            stream.set_nonblocking(true).expect("it does not wait");
            let mut socket = mio::net::TcpStream::from_std(stream);
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut socket, Token(token), both)
                .expect("a peer that is watched");
            Peer {
                socket,
                owed: 0,
                at: 0,
                got: 0,
            }
        };
        Load {
            peers: (0..shape.connections).map(peer).collect(),
            poll,
            shape,
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 << 10],
            frames: frame.repeat(shape.in_flight),
            frame: frame.len(),
            answer,
            in_flight: 0,
            messages: 0,
        }
    }

    /// Nanoseconds of the server's CPU for a message.
    pub(crate) fn cpu_per_message(&mut self, server: Pid) -> f64 {
        for at in 0..self.peers.len() {
            self.owe(at, self.shape.in_flight);
        }
        self.run_for(WARM);
        let (messages, cpu) = (self.messages, system::cpu_time(server));
        self.run_for(MEASURED);
        let (messages, cpu) = (self.messages - messages, system::cpu_time(server) - cpu);
        self.finish();
        cpu.as_nanos() as f64 / messages as f64
    }

    fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn(true);
        }
    }

    /// Waits for what is in flight, so that the other server has the machine to itself.
    fn finish(&mut self) {
        let end = Instant::now() + PATIENCE;
        while self.in_flight > 0 {
            assert!(
                Instant::now() < end,
                "{} answers are missing",
                self.in_flight
            );
            self.turn(false);
        }
        assert!(
            self.peers
                .iter()
                .all(|peer| peer.got == 0 && peer.owed == 0)
        );
    }

    fn turn(&mut self, go_on: bool) {
        self.poll
            .poll(&mut self.events, Some(Duration::from_millis(50)))
            .expect("events");
        let ready: Vec<(usize, bool)> = self
            .events
            .iter()
            .map(|event| (event.token().0, event.is_readable()))
            .collect();
        for (at, readable) in ready {
            let answers = if readable { self.receive(at) } else { 0 };
            self.owe(at, if go_on { answers } else { 0 });
        }
    }

    /// Reads what is there of a peer: the number of whole answers.
    fn receive(&mut self, at: usize) -> usize {
        let peer = &mut self.peers[at];
        loop {
            let count = match peer.socket.read(&mut self.buffer) {
                Ok(0) => panic!("the server ended a connection"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => panic!("receiving: {error}"),
            };
            peer.got += count;
            // A short read has emptied the socket.
            if count < self.buffer.len() {
                break;
            }
        }
        let answers = peer.got / self.answer.len();
        peer.got %= self.answer.len();
        self.messages += answers as u64;
        self.in_flight -= answers;
        answers
    }

    /// Has `messages` more of them to send to a peer, and sends what it takes now.
    fn owe(&mut self, at: usize, messages: usize) {
        self.in_flight += messages;
        let peer = &mut self.peers[at];
        peer.owed += messages * self.frame;
        while peer.owed > 0 {
            let room = peer.owed.min(self.frames.len() - peer.at);
            match peer.socket.write(&self.frames[peer.at..peer.at + room]) {
                Ok(count) => {
                    peer.owed -= count;
                    peer.at = (peer.at + count) % self.frame;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("sending: {error}"),
            }
        }
    }
}

/// The first message of a connection is compared, the others are counted.
fn try_one(peer: &mut TcpStream, frame: &[u8], answer: &[u8]) {
    peer.write_all(frame).expect("a frame");
    let mut got = vec![0; answer.len()];
    peer.read_exact(&mut got).expect("its echo");
    assert!(got == answer, "the echo differs");
}
