//! The loop with real sockets on loopback: one thread, turned by hand until what is waited for has come.

mod client;
mod hostile;
mod slow;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

mod tls;

use super::slot::Slot;
use super::*;
use crate::conn::Conf;
use crate::conn::deadline::Millis;
use crate::conn::event::ConnId;
use crate::conn::event::Event;
use crate::conn::{Answer, SlowPeer};
use crate::proto::ws::frame::Kind;
use crate::proto::ws::handshake;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the handler of these tests does with messages.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Echo,
    Broadcast,
    Panic,
    Nothing,
}

struct Script {
    does: Does,
    messages: usize,
    closed: Vec<String>,
}

impl Handler for Script {
    fn on_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: Event<'_>) {
        match event {
            Event::Request(head) => match handshake::read_request(&head) {
                Ok(offer) => assert!(ops.upgrade(&offer, None)),
                Err(_) => assert!(ops.respond(&Answer {
                    status: 200,
                    fields: &[],
                    body: &[b'x'; 30_000]
                })),
            },
            Event::Message { kind, data } => {
                self.messages += 1;
                match self.does {
                    Does::Echo => {
                        ops.reply(kind, data);
                    }
                    Does::Broadcast => ops.broadcast(ops.owner(), Some(id), kind, data),
                    Does::Panic => panic!("by the test's wish"),
                    Does::Nothing => {}
                }
            }
            Event::Closed(reason) => self.closed.push(reason.to_string()),
            _ => {}
        }
    }
}

struct House {
    engine: Engine,
    script: Script,
    owner: OwnerId,
    address: SocketAddr,
}

fn fixed(buffer: &mut [u8; 256]) {
    buffer.fill(7);
}

fn conf() -> Conf {
    Conf {
        max_message: 1 << 20,
        max_backlog: 4 << 20,
        slow_peer: SlowPeer::Close,
        max_body: 1 << 20,
        head_timeout: Millis::seconds(10),
        idle_timeout: Millis::seconds(60),
        ping_interval: Millis::seconds(30),
        pong_timeout: Millis::seconds(20),
    }
}

impl House {
    fn with(does: Does, conf: Conf, limits: Limits) -> House {
        let mut engine = Engine::new(limits, fixed).unwrap();
        let owner = engine.add_owner("s", limits.max_connections, Speaks::Http);
        let bound = Bound::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = bound.address().unwrap();
        engine.listen(bound, owner, Rc::new(conf)).unwrap();
        House {
            engine,
            script: Script {
                does,
                messages: 0,
                closed: Vec::new(),
            },
            owner,
            address,
        }
    }

    fn new(does: Does) -> House {
        House::with(
            does,
            conf(),
            Limits {
                max_connections: 100,
                max_memory: 64 << 20,
            },
        )
    }

    fn turn(&mut self) {
        self.engine
            .turn(&mut self.script, Some(Duration::from_millis(1)))
            .unwrap();
    }

    /// Turns until `done`; a test that waits for what never comes fails.
    fn turn_until(&mut self, what: &str, mut done: impl FnMut(&mut House) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            assert!(Instant::now() < end, "{what} did not happen");
            self.turn();
        }
    }

    /// Reads exactly `count` bytes of a peer while the loop turns.
    fn read(&mut self, peer: &mut TcpStream, count: usize) -> Vec<u8> {
        peer.set_nonblocking(true).unwrap();
        let mut got = Vec::new();
        let mut buffer = vec![0; 65536];
        self.turn_until("reading", |_| {
            let room = buffer.len().min(count - got.len());
            match peer.read(&mut buffer[..room]) {
                Ok(0) => panic!("end of stream after {} of {count} bytes", got.len()),
                Ok(n) => got.extend_from_slice(&buffer[..n]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            got.len() == count
        });
        got
    }

    /// Reads a peer to its end; an error is an end.
    fn read_to_end(&mut self, peer: &mut TcpStream) -> Vec<u8> {
        peer.set_nonblocking(true).unwrap();
        let mut got = Vec::new();
        let mut buffer = vec![0; 65536];
        self.turn_until("the end of the stream", |_| {
            loop {
                match peer.read(&mut buffer) {
                    Ok(0) => return true,
                    Ok(n) => got.extend_from_slice(&buffer[..n]),
                    Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
                }
            }
        });
        got
    }

    fn websocket(&mut self) -> TcpStream {
        let mut peer = TcpStream::connect(self.address).unwrap();
        peer.write_all(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.read(&mut peer, 1));
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "));
        peer
    }
}

/// A binary message of a client, with a masking key of zeros.
fn masked(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82];
    match payload.len() {
        0..=125 => frame.push(0x80 | payload.len() as u8),
        126..=65535 => {
            frame.push(0xFE);
            frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        _ => {
            frame.push(0xFF);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// The same as a server sends it.
fn unmasked(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    crate::proto::ws::frame::put_unmasked(&mut frame, Kind::Binary.into(), true, payload);
    frame
}

/// Broadcasts to a peer that does not read until `done`.
fn flood(house: &mut House, sender: &mut TcpStream, done: impl Fn(&House) -> bool) {
    let frame = masked(&[2; 60_000]);
    let mut rounds = 0;
    while !done(house) {
        rounds += 1;
        assert!(rounds < 5000, "the backlog has no bound");
        sender.set_nonblocking(false).unwrap();
        sender.write_all(&frame).unwrap();
        let seen = house.script.messages;
        house.turn_until("a message", |house| house.script.messages > seen);
    }
}

#[test]
fn echoes_messages_of_every_size() {
    let mut house = House::new(Does::Echo);
    let mut peer = house.websocket();
    for size in [
        0,
        1,
        125,
        126,
        16_383,
        16_384,
        65_535,
        65_536,
        300_000,
        1 << 20,
    ] {
        let payload: Vec<u8> = (0..size).map(|i| (i * 7) as u8).collect();
        let writer = std::thread::spawn({
            let mut peer = peer.try_clone().unwrap();
            let frame = masked(&payload);
            move || {
                peer.set_nonblocking(false).unwrap();
                peer.write_all(&frame).unwrap();
            }
        });
        let expected = unmasked(&payload);
        writer.join().unwrap_or_else(|_| panic!("writing {size}"));
        assert!(
            house.read(&mut peer, expected.len()) == expected,
            "echo of {size} bytes"
        );
    }
    assert_eq!(house.engine.memory().used(), 0);
}

#[test]
fn many_messages_of_one_receive_leave_together() {
    let mut house = House::new(Does::Echo);
    let mut peer = house.websocket();
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    for i in 0..1000_u32 {
        sent.extend(masked(&i.to_be_bytes()));
        expected.extend(unmasked(&i.to_be_bytes()));
    }
    peer.set_nonblocking(false).unwrap();
    peer.write_all(&sent).unwrap();
    assert!(house.read(&mut peer, expected.len()) == expected);
}

#[test]
fn a_broadcast_reaches_all_but_its_sender() {
    let mut house = House::new(Does::Broadcast);
    let mut peers: Vec<TcpStream> = (0..5).map(|_| house.websocket()).collect();
    house.turn_until("joining", |house| house.engine.websockets(house.owner) == 5);
    peers[2].write_all(&masked(b"to all")).unwrap();
    let expected = unmasked(b"to all");
    for at in [0, 1, 3, 4] {
        assert_eq!(house.read(&mut peers[at], expected.len()), expected);
    }
    peers[0].write_all(&masked(b"again")).unwrap();
    let expected = unmasked(b"again");
    assert_eq!(
        house.read(&mut peers[2], expected.len()),
        expected,
        "nothing of its own came before"
    );
}

#[test]
fn a_panic_ends_one_connection_alone() {
    let mut house = House::new(Does::Panic);
    let mut bystander = house.websocket();
    let mut victim = house.websocket();
    victim.write_all(&masked(b"boom")).unwrap();
    house.read_to_end(&mut victim);
    assert_eq!(
        (house.script.closed.len(), house.engine.totals().panics),
        (1, 1)
    );
    house.script.does = Does::Echo;
    bystander.write_all(&masked(b"still here")).unwrap();
    let expected = unmasked(b"still here");
    assert_eq!(house.read(&mut bystander, expected.len()), expected);
    house.turn_until("freeing", |house| house.engine.connections() == 1);
}

#[test]
fn one_connection_too_many_is_closed_at_once() {
    let mut house = House::with(
        Does::Echo,
        conf(),
        Limits {
            max_connections: 2,
            max_memory: 1 << 20,
        },
    );
    let _first = house.websocket();
    let second = house.websocket();
    let mut third = TcpStream::connect(house.address).unwrap();
    assert!(house.read_to_end(&mut third).is_empty());
    assert_eq!(house.engine.totals().refused, 1);
    drop(second);
    house.turn_until("room", |house| house.engine.connections() == 1);
    house.websocket();
}

#[test]
fn memory_is_kept_to_its_limit_by_closing_who_holds_most() {
    let limits = Limits {
        max_connections: 100,
        max_memory: 1 << 20,
    };
    let mut house = House::with(Does::Nothing, conf(), limits);
    let mut small = house.websocket();
    let mut large = house.websocket();
    large.write_all(&masked(&[0; 700_000])[..1000]).unwrap();
    house.turn_until("holding", |house| house.engine.memory().used() >= 700_000);
    let message = masked(&[0; 400_000]);
    small.write_all(&message[..1000]).unwrap();
    house.turn_until("shedding", |house| house.engine.totals().shed == 1);
    assert!(house.engine.memory().used() <= 1 << 20);
    let got = house.read_to_end(&mut large);
    assert_eq!(got, [0x88, 2, 0x03, 0xF5], "closed with 1013");
    small.write_all(&message[1000..]).unwrap();
    house.turn_until("the other's message", |house| house.script.messages == 1);
}

#[test]
fn pipelined_requests_are_answered_in_order_and_bounded() {
    let mut house = House::new(Does::Echo);
    let mut peer = TcpStream::connect(house.address).unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for _ in 0..400 {
        peer.write_all(request).unwrap();
    }
    for _ in 0..100 {
        house
            .engine
            .turn(&mut house.script, Some(Duration::from_millis(1)))
            .unwrap();
        assert!(
            house.engine.memory().used() < 400_000,
            "{}",
            house.engine.memory().used()
        );
    }
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    let got = house.read_to_end(&mut peer);
    let heads = got
        .windows(12)
        .filter(|window| window == b"HTTP/1.1 200")
        .count();
    assert_eq!(heads, 400);
    assert!(got.len() > 400 * 30_000);
}

#[test]
fn shutting_down_closes_with_1001_and_ends() {
    let mut house = House::new(Does::Echo);
    let mut peer = house.websocket();
    let mut idle = TcpStream::connect(house.address).unwrap();
    house.turn_until("accepting", |house| house.engine.connections() == 2);
    house.engine.shut_down(&mut house.script);
    assert_eq!(house.read(&mut peer, 4), [0x88, 2, 0x03, 0xE9]);
    peer.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE9])
        .unwrap();
    assert!(house.read_to_end(&mut peer).is_empty());
    assert!(house.read_to_end(&mut idle).is_empty());
    drop((peer, idle));
    house.turn_until("the end", |house| house.engine.connections() == 0);
    assert_eq!(house.script.closed, ["closed with 1001"]);
    assert!(TcpStream::connect(house.address).is_err());
}

#[test]
fn the_last_answer_may_take_longer_than_the_linger_when_it_progresses() {
    let mut house = House::new(Does::Echo);
    let mut peer = TcpStream::connect(house.address).unwrap();
    let mut asked = Vec::new();
    for _ in 0..199 {
        asked.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    asked.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    peer.write_all(&asked).unwrap();
    house.turn_until("a backlog", |house| house.engine.memory().used() > 0);
    let conn = &house.engine.connections.slots[0].conn;
    assert!(
        conn.deadline().is_some(),
        "a peer that reads nothing is not kept for ever"
    );
    let got = house.read_to_end(&mut peer);
    let heads = got
        .windows(12)
        .filter(|window| window == b"HTTP/1.1 200")
        .count();
    assert_eq!(heads, 200);
}
