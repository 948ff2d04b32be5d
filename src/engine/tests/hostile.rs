//! What a hostile or merely unlucky peer can do to the loop and to others.

use super::*;

/// A connection's slot, by the order of accepting.
fn slot(house: &House, serial: u64) -> &Slot {
    let mut slots = house.engine.connections.slots.iter().map(|(_, slot)| slot);
    slots
        .find(|slot| slot.conn.id().serial() == serial)
        .expect("it is connected")
}

/// A ping of a client, without payload.
const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];

#[test]
fn a_reply_behind_a_broadcast_of_the_same_turn_leaves() {
    let mut house = House::new(Does::Broadcast);
    let mut sender = house.websocket();
    let mut receiver = house.websocket();
    sender.write_all(&masked(b"news")).unwrap();
    receiver.write_all(&PING).unwrap();
    let expected = [&unmasked(b"news")[..], &[0x8A, 0]].concat();
    assert_eq!(house.read(&mut receiver, expected.len()), expected);
}

#[test]
fn one_turn_serves_a_connection_once() {
    let mut house = House::new(Does::Nothing);
    let mut peer = TcpStream::connect(house.address).unwrap();
    house.turn_until("accepting", |house| house.engine.connections() == 1);
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
    peer.write_all(head).unwrap();
    peer.write_all(&[0; 60_000]).unwrap();
    let mut before = 0;
    for _ in 0..4 {
        // New bytes beside those that are left over from the last turn.
        peer.write_all(b"more").unwrap();
        house.turn();
        let now = slot(&house, 1).conn.counters.bytes_in;
        assert!(now - before <= 16 * 1024, "{} bytes", now - before);
        assert!(now > before);
        before = now;
    }
}

#[test]
fn a_burst_of_one_turn_does_not_close_a_peer_that_keeps_up() {
    let conf = Conf {
        max_backlog: 100_000,
        ..conf()
    };
    let limits = Limits {
        max_connections: 100,
        max_memory: 64 << 20,
    };
    let mut house = House::with(Does::Broadcast, conf, limits);
    let mut senders: Vec<TcpStream> = (0..4).map(|_| house.websocket()).collect();
    let mut receiver = house.websocket();
    for sender in &mut senders {
        sender.write_all(&masked(&[3; 50_000])).unwrap();
    }
    let expected = unmasked(&[3; 50_000]).repeat(4);
    assert!(house.read(&mut receiver, expected.len()) == expected);
    assert_eq!(house.engine.totals().dropped, 0);
}

#[test]
fn thousands_of_short_messages_cost_their_receivers_what_is_counted() {
    let mut house = House::new(Does::Broadcast);
    let mut deaf = house.websocket();
    let mut sender = house.websocket();
    flood(&mut house, &mut sender, |house| {
        house.engine.memory().used() > 100_000
    });
    let (before, seen) = (house.engine.memory().used(), house.script.messages);
    sender.write_all(&masked(b"").repeat(5000)).unwrap();
    house.turn_until("the messages", |house| house.script.messages == seen + 5000);
    let outbox = slot(&house, 1).outbox.as_ref().unwrap();
    assert!(outbox.chunks() < 50, "{} chunks", outbox.chunks());
    assert!(house.engine.memory().used() - before < 5000 * 2 + 70_000);
    let length = unmasked(&[2; 60_000]).len() * seen + 2 * 5000;
    let got = house.read(&mut deaf, length);
    assert!(got.ends_with(&unmasked(b"").repeat(5000)));
}

#[test]
fn memory_that_an_unfinished_message_has_reserved_is_counted() {
    let mut house = House::new(Does::Nothing);
    let mut peer = house.websocket();
    let frame = masked(&[1; 1 << 20]);
    // However little of it comes: its buffer may have been another's before, and full.
    peer.write_all(&frame[..15]).unwrap();
    house.turn_until("counting", |house| house.engine.memory().used() >= 1 << 20);
    drop(peer);
    house.turn_until("the end", |house| house.engine.connections() == 0);
    assert_eq!(house.engine.memory().used(), 0);
}

#[test]
fn the_memory_limit_stops_a_broadcast() {
    let limits = Limits {
        max_connections: 100,
        max_memory: 1 << 20,
    };
    let mut house = House::with(Does::Nothing, conf(), limits);
    let deaf: Vec<TcpStream> = (0..5).map(|_| house.websocket()).collect();
    let (owner, message) = (house.owner, vec![3; 300_000]);
    house.turn_until("joining", |house| house.engine.websockets(owner) == 5);
    let mut reached = 5;
    while reached > 0 {
        reached = house.engine.broadcast(owner, None, Kind::Binary, &message);
        // Nothing is settled yet.
        assert!(house.engine.memory().used() <= 1 << 20);
    }
    assert_eq!(house.engine.totals().shed, 5);
    house.engine.settle(&mut house.script);
    assert_eq!(house.script.closed, ["closed with 1013"; 5]);
    assert_eq!(house.engine.memory().used(), 0);
    drop(deaf);
}

#[test]
fn a_broadcast_beyond_the_memory_limit_reaches_peers_that_keep_up() {
    let limits = Limits {
        max_connections: 100,
        max_memory: 1 << 20,
    };
    let mut house = House::with(Does::Nothing, conf(), limits);
    let mut peers: Vec<TcpStream> = (0..10).map(|_| house.websocket()).collect();
    let (owner, message) = (house.owner, vec![3; 300_000]);
    house.turn_until("joining", |house| house.engine.websockets(owner) == 10);
    let reached = house.engine.broadcast(owner, None, Kind::Binary, &message);
    assert_eq!((reached, house.engine.totals().shed), (10, 0));
    house.engine.settle(&mut house.script);
    let expected = unmasked(&message);
    for peer in &mut peers {
        assert!(house.read(peer, expected.len()) == expected);
    }
}

#[test]
fn the_memory_limit_holds_within_a_turn() {
    let limits = Limits {
        max_connections: 100,
        max_memory: 3 << 20,
    };
    let mut house = House::with(Does::Nothing, conf(), limits);
    let mut peers: Vec<TcpStream> = (0..8).map(|_| house.websocket()).collect();
    let frame = masked(&[1; 1 << 20]);
    for peer in &mut peers {
        peer.write_all(&frame[..1000]).unwrap();
    }
    let House { engine, script, .. } = &mut house;
    for index in 0..8 {
        engine.connections.slots[index].readable = true;
        engine.driver(script).serve(index);
        assert!(
            engine.memory().used() <= 3 << 20,
            "{}",
            engine.memory().used()
        );
    }
    assert_eq!(engine.totals().shed, 5);
}

#[test]
fn a_slow_reader_is_not_taken_for_dead() {
    let mut house = House::new(Does::Broadcast);
    let _slow = house.websocket();
    let mut sender = house.websocket();
    flood(&mut house, &mut sender, |house| {
        house.engine.memory().used() > 200_000
    });
    let House { engine, script, .. } = &mut house;
    let start = engine.connections.shared.now;
    // Pinged, and unanswered; but what waits for it, its own pong behind it, has made progress in the last minute.
    for seconds in [30, 51] {
        engine.connections.shared.now = start.after(Millis::seconds(seconds));
        engine.driver(script).expire(0);
        engine.settle(script);
        assert!(engine.connections.slots[0].conn.is_open());
    }
    // No progress at all is another thing.
    engine.connections.shared.now = start.after(Millis::seconds(62));
    engine.driver(script).expire(0);
    engine.settle(script);
    assert_eq!(script.closed, ["the peer does not read"]);
}

#[test]
fn the_clock_is_read_long_before_it_wraps() {
    let house = House::new(Does::Nothing);
    let timeout = house.engine.timeout(None);
    assert!(timeout < Duration::from_millis(1 << 31), "{timeout:?}");
}
