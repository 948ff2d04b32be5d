//! Peers that do not read, or too slowly.

use super::*;

#[test]
fn a_peer_that_does_not_read_is_not_read_from() {
    let mut house = House::new(Does::Echo);
    let mut deaf = house.websocket();
    deaf.set_nonblocking(true).unwrap();
    let frame = masked(&[1; 60_000]);
    let mut stuck = 0;
    while stuck < 50 {
        match deaf.write(&frame) {
            Ok(_) => stuck = 0,
            Err(_) => stuck += 1,
        }
        house
            .engine
            .turn(&mut house.script, Some(Duration::from_millis(1)))
            .unwrap();
    }
    // A receive's worth of replies, and what was above the mark already.
    assert!(
        house.engine.memory().used() < 600_000,
        "{}",
        house.engine.memory().used()
    );
    let mut other = house.websocket();
    other.write_all(&masked(b"served")).unwrap();
    let expected = unmasked(b"served");
    assert_eq!(house.read(&mut other, expected.len()), expected);
}

#[test]
fn a_slow_receiver_is_closed() {
    let conf = Conf {
        max_backlog: 1 << 20,
        ..conf()
    };
    let mut house = House::with(
        Does::Broadcast,
        conf,
        Limits {
            max_connections: 100,
            max_memory: 64 << 20,
        },
    );
    let mut slow = house.websocket();
    let mut sender = house.websocket();
    let started = |house: &House| house.engine.memory().used() > 900_000;
    flood(&mut house, &mut sender, started);
    for _ in 0..5 {
        let seen = house.script.messages;
        sender.write_all(&masked(&[2; 60_000])).unwrap();
        house.turn_until("a message", |house| house.script.messages > seen);
    }
    assert!(house.engine.memory().used() <= (1 << 20) + 65_536);
    // What was taken arrives, and then the Close frame: 1013.
    let got = house.read_to_end(&mut slow);
    let close = [&[0x88, 10, 0x03, 0xF5][..], b"too slow"].concat();
    assert!(got.ends_with(&close));
}

#[test]
fn or_only_loses_messages() {
    let conf = Conf {
        max_backlog: 1 << 20,
        slow_peer: SlowPeer::Drop,
        ..conf()
    };
    let mut house = House::with(
        Does::Broadcast,
        conf,
        Limits {
            max_connections: 100,
            max_memory: 64 << 20,
        },
    );
    let mut slow = house.websocket();
    let mut sender = house.websocket();
    flood(&mut house, &mut sender, |house| {
        house.engine.totals().dropped >= 3
    });
    assert!(house.engine.memory().used() <= (1 << 20) + 65_536);
    let messages = house.script.messages - house.engine.totals().dropped as usize;
    let expected = unmasked(&[2; 60_000]);
    let got = house.read(&mut slow, expected.len() * messages);
    assert!(got.chunks(expected.len()).all(|frame| frame == expected));
}

#[test]
fn a_peer_that_stalls_is_freed_with_all_that_waits_for_it() {
    let mut house = House::new(Does::Broadcast);
    let deaf = house.websocket();
    let mut sender = house.websocket();
    flood(&mut house, &mut sender, |house| {
        house.engine.memory().used() > 200_000
    });
    // The clock of the test: the stall's time has passed.
    let index = house
        .engine
        .connections
        .slots
        .iter()
        .find(|(_, slot)| slot.outbox.is_some())
        .unwrap()
        .0;
    house.engine.connections.shared.now = house
        .engine
        .connections
        .shared
        .now
        .after(crate::conn::STALL)
        .after(Millis::new(1));
    let House { engine, script, .. } = &mut house;
    engine.driver(script).expire(index);
    engine.settle(script);
    assert_eq!(house.script.closed, ["the peer does not read"]);
    assert_eq!(
        (house.engine.connections(), house.engine.memory().used()),
        (1, 0)
    );
    deaf.set_nonblocking(true).unwrap();
}
