use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use mio::{Events, Poll};
use socket2::{Domain, Socket, Type};

use super::*;
use crate::conn::deadline::Millis;

const BASE: Token = Token(1 << 35);

struct House {
    poll: Poll,
    dials: Dials,
    told: VecDeque<Dialled>,
    now: Tick,
}

impl House {
    fn new() -> House {
        House {
            poll: Poll::new().unwrap(),
            dials: Dials::new(BASE),
            told: VecDeque::new(),
            now: Tick(u32::MAX - 200),
        }
    }

    fn start(&mut self, addresses: &[SocketAddr]) -> DialId {
        let registry = self.poll.registry();
        self.dials
            .start(addresses.to_vec(), self.now, registry, &mut self.told)
    }

    /// Waits until something is told.
    fn wait(&mut self) -> Dialled {
        let mut events = Events::with_capacity(8);
        loop {
            if let Some(told) = self.told.pop_front() {
                return told;
            }
            let limit = Some(Duration::from_secs(10));
            self.poll.poll(&mut events, limit).unwrap();
            assert!(!events.is_empty(), "nothing happens: {:?}", self.dials);
            for event in &events {
                let registry = self.poll.registry();
                self.dials
                    .ready(event.token(), self.now, registry, &mut self.told);
            }
        }
    }

    fn pass_time(&mut self, time: Millis) {
        self.now = self.now.after(time);
        let registry = self.poll.registry();
        self.dials.on_deadline(self.now, registry, &mut self.told);
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address of this machine that is bound and does not listen: it refuses.
fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// An address that never answers: its queue of connections is full.
fn silent() -> (Socket, std::net::TcpStream, SocketAddr) {
    let (socket, address) = refusing();
    socket.listen(0).unwrap();
    let first = std::net::TcpStream::connect(address).unwrap();
    (socket, first, address)
}

#[test]
fn a_connection_is_handed_over() {
    let (listener, address) = listener();
    let mut house = House::new();
    let id = house.start(&[address]);
    assert!(house.dials.deadline().is_some());
    let told = house.wait();
    assert_eq!(told.id, id);
    let mut stream = told.result.unwrap();
    assert!(stream.nodelay().unwrap());
    assert!(house.dials.is_empty() && house.dials.deadline().is_none());
    // It is registered nowhere, so its next owner may.
    let interest = Interest::READABLE;
    house
        .poll
        .registry()
        .register(&mut stream, Token(1), interest)
        .unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    stream.write_all(b"hello").unwrap();
    let mut heard = [0; 5];
    peer.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
}

#[test]
fn the_next_address_follows_at_once_when_one_refuses() {
    let (_bound, refused) = refusing();
    let (_listener, address) = listener();
    let mut house = House::new();
    // No time passes.
    house.start(&[refused, address]);
    let stream = house.wait().result.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
}

#[test]
fn the_next_address_follows_after_a_while_when_one_is_silent() {
    let (_full, _first, silent) = silent();
    let (_listener, address) = listener();
    let mut house = House::new();
    house.start(&[silent, address]);
    house.pass_time(Millis::new(249));
    assert_eq!(house.dials.attempts.len(), 1);
    house.pass_time(Millis::new(1));
    assert_eq!(house.dials.attempts.len(), 2);
    let stream = house.wait().result.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
    assert!(house.dials.attempts.is_empty(), "the other is dropped");
}

#[test]
fn every_address_is_told_with_its_fault() {
    let (_bound, refused) = refusing();
    let (_full, _first, silent) = silent();
    let mut house = House::new();
    let id = house.start(&[silent, refused]);
    house.pass_time(Millis::new(250));
    while house.dials.dials[0].failed.attempts.is_empty() {
        let mut events = Events::with_capacity(8);
        house
            .poll
            .poll(&mut events, Some(Duration::from_secs(10)))
            .unwrap();
        for event in &events {
            let registry = house.poll.registry();
            house
                .dials
                .ready(event.token(), house.now, registry, &mut house.told);
        }
    }
    assert!(house.told.is_empty(), "one may still answer");
    house.pass_time(Millis::new(9749));
    assert!(house.told.is_empty());
    house.pass_time(Millis::new(1));
    let told = house.told.pop_front().unwrap();
    assert_eq!(told.id, id);
    let error = told.result.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(
        error.to_string(),
        format!("{refused}: Connection refused (os error 111); {silent}: no answer in time")
    );
    assert!(house.dials.is_empty() && house.dials.attempts.is_empty());
}

#[test]
fn a_host_without_addresses_is_told_at_once() {
    let mut house = House::new();
    house.start(&[]);
    let error = house.told.pop_front().unwrap().result.unwrap_err();
    assert_eq!(error.to_string(), "the host has no address");
    assert!(!error.is_timeout());
}

#[test]
fn what_is_cancelled_is_not_told() {
    let (_listener, address) = listener();
    let mut house = House::new();
    let id = house.start(&[address]);
    let other = house.start(&[address]);
    assert_ne!(id, other);
    house.dials.cancel(id);
    assert_eq!(house.wait().id, other);
    assert!(house.told.is_empty() && house.dials.is_empty());
    // An event that came too late means nothing.
    let registry = house.poll.registry();
    house
        .dials
        .ready(BASE, house.now, registry, &mut house.told);
    house.dials.cancel(id);
    assert!(house.told.is_empty());
}
