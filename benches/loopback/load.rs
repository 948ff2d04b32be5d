//! Many connections, each with a number of messages or requests in flight; counts the answers.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use bellwire::proto::ws::frame::{OpCode, put_masked, put_unmasked};
use mio::{Events, Poll, Token};

use super::peer::{Opened, PATIENCE, Peer};
use super::system::{self, Pid};

/// Before each measurement, until caches and buffers are as they will stay.
const WARM: Duration = Duration::from_millis(150);

/// Of each measurement.
const MEASURED: Duration = Duration::from_millis(700);

/// One cell of a table.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Payload of a message, or body of an answer.
    pub(crate) bytes: usize,
    pub(crate) connections: usize,
    /// Messages or requests of a connection that are under way.
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

    pub(crate) fn payload(&self) -> Vec<u8> {
        (0..self.bytes).map(|at| at as u8).collect()
    }
}

/// The request that a peer repeats, and its answer.
pub(crate) struct Exchange {
    ask: Vec<u8>,
    /// The length of the whole answer, which is the same each time.
    length: usize,
    /// The end of the answer: all of it, or its body.
    ends_in: Vec<u8>,
}

impl Exchange {
    /// A message, and its echo.
    pub(crate) fn echo(shape: &Shape) -> Exchange {
        let mut answer = Vec::new();
        put_unmasked(&mut answer, OpCode::Binary, true, &shape.payload());
        Exchange {
            ask: frame(shape),
            length: answer.len(),
            ends_in: answer,
        }
    }

    /// The same, for a server that echoes bytes without knowing the protocol.
    pub(crate) fn raw_echo(shape: &Shape) -> Exchange {
        Exchange {
            ask: frame(shape),
            length: frame(shape).len(),
            ends_in: frame(shape),
        }
    }

    /// A request for a file, and the file behind a head whose length the server decides: so it is asked once.
    pub(crate) fn file(shape: &Shape, path: &str, mut peer: Opened) -> Exchange {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        peer.write_all(ask.as_bytes()).expect("a request");
        let head = peer.read_head();
        assert!(head.starts_with(b"HTTP/1.1 200 "), "{path} is not served");
        Exchange {
            ask: ask.into_bytes(),
            length: head.len() + shape.bytes,
            ends_in: shape.payload(),
        }
    }

    /// The first exchange of a connection is compared, the others are counted.
    fn try_one(&self, peer: &mut Opened) {
        peer.write_all(&self.ask).expect("a request");
        let mut answer = vec![0; self.length];
        peer.read_exact(&mut answer).expect("its answer");
        assert!(answer.ends_with(&self.ends_in), "the answer differs");
    }
}

fn frame(shape: &Shape) -> Vec<u8> {
    let mut frame = Vec::new();
    let key = [0x37, 0xfa, 0x21, 0x3d];
    put_masked(&mut frame, key, OpCode::Binary, true, &shape.payload());
    frame
}

/// A connection of a load.
struct Asker {
    peer: Peer,
    /// Bytes that are still to be sent.
    owed: usize,
    /// Where in a request the next of them is.
    at: usize,
    /// Bytes of an answer that is not whole yet.
    got: usize,
}

/// The connections of a cell to one server.
pub(crate) struct Load {
    in_flight_each: usize,
    poll: Poll,
    events: Events,
    askers: Vec<Asker>,
    buffer: Vec<u8>,
    /// As many requests as are in flight, one behind the other.
    requests: Vec<u8>,
    request: usize,
    answer: usize,
    in_flight: usize,
    answers: u64,
}

impl Load {
    pub(crate) fn open(shape: Shape, open: &dyn Fn() -> Opened, exchange: &Exchange) -> Load {
        let poll = Poll::new().expect("a poll");
        let asker = |token| {
            let mut peer = open();
            exchange.try_one(&mut peer);
            Asker {
                peer: peer.watched(poll.registry(), Token(token)),
                owed: 0,
                at: 0,
                got: 0,
            }
        };
        Load {
            askers: (0..shape.connections).map(asker).collect(),
            poll,
            in_flight_each: shape.in_flight,
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 << 10],
            requests: exchange.ask.repeat(shape.in_flight),
            request: exchange.ask.len(),
            answer: exchange.length,
            in_flight: 0,
            answers: 0,
        }
    }

    /// Nanoseconds of the server's CPU for an answer.
    pub(crate) fn cpu_per_answer(&mut self, server: Pid) -> f64 {
        for at in 0..self.askers.len() {
            self.owe(at, self.in_flight_each);
        }
        self.run_for(WARM);
        let (answers, cpu) = (self.answers, system::cpu_time(server));
        self.run_for(MEASURED);
        let (answers, cpu) = (self.answers - answers, system::cpu_time(server) - cpu);
        self.finish();
        cpu.as_nanos() as f64 / answers as f64
    }

    fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn(true);
        }
    }

    /// Waits for the answers in flight, so that the other server then runs alone.
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
        assert!(self.askers.iter().all(|it| it.got == 0 && it.owed == 0));
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

    /// Reads the bytes that have come for a peer; gives the number of whole answers.
    fn receive(&mut self, at: usize) -> usize {
        let asker = &mut self.askers[at];
        asker.got += asker.peer.receive(&mut self.buffer);
        let answers = asker.got / self.answer;
        asker.got %= self.answer;
        self.answers += answers as u64;
        self.in_flight -= answers;
        answers
    }

    /// Has `requests` more of them to send to a server, and sends what it takes now.
    fn owe(&mut self, at: usize, requests: usize) {
        self.in_flight += requests;
        let asker = &mut self.askers[at];
        asker.owed += requests * self.request;
        while asker.owed > 0 {
            let room = asker.owed.min(self.requests.len() - asker.at);
            let sent = asker.peer.send(&self.requests[asker.at..asker.at + room]);
            if sent == 0 {
                break;
            }
            asker.owed -= sent;
            asker.at = (asker.at + sent) % self.request;
        }
    }
}
