//! What a hostile or merely unlucky peer can do to the loop and to others.

use super::*;

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
