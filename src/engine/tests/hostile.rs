//! What a hostile or merely unlucky peer can do to the loop and to others.

use super::*;

/// A connection's slot, by the order of accepting.
fn slot(house: &House, serial: u64) -> &Slot {
    let mut slots = house.engine.core.slots.iter().map(|(_, slot)| slot);
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
