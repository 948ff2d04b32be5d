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
    let mut bodies = RequestBodies::new(&memory);
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
    let mut bodies = RequestBodies::new(&memory);
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
fn bodies_together_have_a_limit_and_are_forgotten_with_their_requests() {
    let memory = Account::root(10_000);
    let mut bodies = RequestBodies::new(&memory);
    let (one, two) = (ConnId::new(1, 0), ConnId::new(2, 0));
    bodies.collect(event(&memory, 1), 100);
    bodies.collect(event(&memory, 2), 100);
    memory.set_max(memory.used() + 5);
    assert!(matches!(bodies.receive(one, b"abc"), Received::Kept));
    assert!(matches!(bodies.receive(two, b"abcdef"), Received::TooMuch));
    assert!(matches!(bodies.receive(two, b"a"), Received::Unwanted));
    bodies.retain(|exchange| exchange.conn != one);
    assert_eq!((memory.used(), bodies.bodies.len()), (0, 0));
}
