use std::rc::Rc;

use zeroize::Zeroizing;

use super::*;
use crate::config;
use crate::engine::Peer;
use crate::manager::source::SourceInfo;
use crate::manager::trigger::rules::AllRules;
use crate::manager::trigger::trigger_event::Origin;

fn event(memory: &Account, serial: u64) -> Box<TriggerEvent> {
    let text =
        "[[server]]\nbind = [\"127.0.0.1:1\"]\n[[trigger]]\non = \"http_request\"\nhold = true\n";
    let config = config::parse(text, std::path::Path::new("/tmp/bellwire.toml")).unwrap();
    let rules = AllRules::new(memory).renewed(&config.triggers).unwrap();
    let conn = ConnId::new(serial, 0);
    let origin = Origin {
        source: Rc::new(SourceInfo {
            id: Rc::from("s"),
            name: String::new(),
            auth_scheme: None,
            max_message: 1,
        }),
        conn,
        peer: Peer::LOCAL,
        user: None,
        auth_scheme: None,
        tls: false,
    };
    let request = HttpRequest {
        exchange: ExchangeId { conn, number: 1 },
        head: Zeroizing::new(Vec::new()),
        path: Vec::new(),
        body: Vec::new(),
        streams: false,
        files: None,
    };
    let what = What::Request(Box::new(request));
    Box::new(TriggerEvent::new(
        rules.iter().next().unwrap(),
        origin,
        what,
    ))
}

fn body(received: Received) -> (Vec<u8>, bool) {
    let Received::Ready(event) = received else {
        panic!("{received:?}");
    };
    let request = event.request().unwrap();
    (request.body.clone(), request.streams)
}

#[test]
fn a_body_is_waited_for() {
    let memory = Account::root(10_000);
    let mut bodies = RequestBodies::new(memory.clone());
    let conn = ConnId::new(1, 0);
    assert!(matches!(bodies.receive(conn, b"x"), Received::Unwanted));
    bodies.collect(event(&memory, 1), 10);
    let before = memory.used();
    assert!(matches!(bodies.receive(conn, b"ab"), Received::Kept));
    assert!(matches!(bodies.receive(conn, b"c"), Received::Kept));
    assert!(memory.used() >= before + 3);
    assert_eq!(body(bodies.end(conn)), (b"abc".to_vec(), false));
    assert_eq!(memory.used(), 0);
    assert!(matches!(bodies.end(conn), Received::Unwanted));
}

#[test]
fn beyond_the_limit_it_goes_on_as_it_comes() {
    let memory = Account::root(10_000);
    let mut bodies = RequestBodies::new(memory.clone());
    let conn = ConnId::new(1, 0);
    bodies.collect(event(&memory, 1), 3);
    assert_eq!(
        body(bodies.receive(conn, b"abcd")),
        (b"abcd".to_vec(), true)
    );
    let exchange = ExchangeId { conn, number: 1 };
    bodies.stream(exchange);
    assert!(matches!(bodies.receive(conn, b"ef"), Received::ForScript));
    assert!(matches!(bodies.receive(conn, b"g"), Received::Kept));
    assert_eq!(memory.used(), 3);
    let piece = bodies.take(conn).unwrap();
    assert_eq!((piece.data, piece.ended), (b"efg".to_vec(), false));
    assert!(matches!(bodies.end(conn), Received::ForScript));
    let piece = bodies.take(conn).unwrap();
    assert_eq!((piece.data.is_empty(), piece.ended), (true, true));
    assert!(bodies.take(conn).is_none());
    assert_eq!(memory.used(), 0);
}

#[test]
fn the_request_that_has_waited_longest_is_given_up_when_memory_is_short() {
    let rules = Account::root(usize::MAX);
    let mut bodies = RequestBodies::new(Account::root(10_000));
    let conns = [1, 2, 3].map(|serial| ConnId::new(serial, 0));
    for serial in [1, 2, 3] {
        bodies.collect(event(&rules, serial), 100);
    }
    assert_eq!(
        rules.used(),
        0,
        "a body that is not whole costs its rule nothing"
    );
    assert_eq!(bodies.give_up_one(), None);
    bodies.memory.set_max(bodies.memory.used() + 5);
    assert!(matches!(
        bodies.receive(conns[2], b"abcdefgh"),
        Received::Kept
    ));
    let given_up = ExchangeId {
        conn: conns[0],
        number: 1,
    };
    assert_eq!(bodies.give_up_one(), Some(given_up));
    assert_eq!(bodies.give_up_one(), None);
    assert!(matches!(bodies.receive(conns[0], b"a"), Received::Unwanted));
    assert!(matches!(bodies.end(conns[2]), Received::Ready(_)));
    bodies.retain(|exchange| exchange.conn != conns[1]);
    assert_eq!((bodies.memory.used(), bodies.bodies.len()), (0, 0));
    assert!(bodies.collected.is_empty());
}
