use std::rc::Rc;

use zeroize::Zeroizing;

use super::*;
use crate::config;
use crate::engine::Peer;
use crate::manager::fired::Whose;
use crate::manager::trigger::AllRules;

fn fired(serial: u64) -> Box<Fired> {
    let text =
        "[[server]]\nbind = [\"127.0.0.1:1\"]\n[[trigger]]\non = \"http_request\"\nhold = true\n";
    let config = config::parse(text, std::path::Path::new("/tmp/bellwire.toml")).unwrap();
    let mut rules = AllRules::default();
    rules = rules.renewed(&config.triggers).unwrap();
    let conn = ConnId::new(serial, 0);
    let whose = Whose {
        source: Rc::from("s"),
        conn,
        peer: Peer::LOCAL,
        user: None,
        how: None,
        tls: false,
        max_message: 1,
    };
    let asked = Asked {
        exchange: ExchangeId { conn, number: 1 },
        head: Zeroizing::new(Vec::new()),
        path: Vec::new(),
        body: Vec::new(),
        streams: false,
        files: None,
    };
    Box::new(Fired {
        rule: rules.iter().next().unwrap().clone(),
        whose,
        what: What::Request(Box::new(asked)),
    })
}

fn body(came: Came) -> (Vec<u8>, bool) {
    let Came::Ready(mut fired) = came else {
        panic!("{came:?}");
    };
    let asked = asked(&mut fired).unwrap();
    (asked.body.clone(), asked.streams)
}

#[test]
fn a_body_is_waited_for() {
    let mut intake = Intake::default();
    let conn = ConnId::new(1, 0);
    assert!(matches!(intake.piece(conn, b"x"), Came::Unwanted));
    intake.wait_for(fired(1), 10);
    assert!(matches!(intake.piece(conn, b"ab"), Came::Kept));
    assert!(matches!(intake.piece(conn, b"c"), Came::Kept));
    assert_eq!(intake.held, 3);
    assert_eq!(body(intake.end(conn)), (b"abc".to_vec(), false));
    assert_eq!(intake.held, 0);
    assert!(matches!(intake.end(conn), Came::Unwanted));
}

#[test]
fn beyond_the_limit_it_goes_on_as_it_comes() {
    let mut intake = Intake::default();
    let conn = ConnId::new(1, 0);
    intake.wait_for(fired(1), 3);
    assert_eq!(body(intake.piece(conn, b"abcd")), (b"abcd".to_vec(), true));
    let exchange = ExchangeId { conn, number: 1 };
    intake.flow(exchange);
    assert!(matches!(intake.piece(conn, b"ef"), Came::ForScript));
    assert!(matches!(intake.piece(conn, b"g"), Came::Kept));
    let piece = intake.take(conn).unwrap();
    assert_eq!((piece.data, piece.ended), (b"efg".to_vec(), false));
    assert!(matches!(intake.end(conn), Came::ForScript));
    let piece = intake.take(conn).unwrap();
    assert_eq!((piece.data.is_empty(), piece.ended), (true, true));
    assert!(intake.take(conn).is_none());
    assert_eq!(intake.held, 0);
}

#[test]
fn bodies_together_have_a_limit_and_are_forgotten_with_their_requests() {
    let mut intake = Intake::default();
    intake.limit(5);
    let (one, two) = (ConnId::new(1, 0), ConnId::new(2, 0));
    intake.wait_for(fired(1), 100);
    intake.wait_for(fired(2), 100);
    assert!(matches!(intake.piece(one, b"abc"), Came::Kept));
    assert!(matches!(intake.piece(two, b"abc"), Came::TooMuch));
    assert!(matches!(intake.piece(two, b"a"), Came::Unwanted));
    intake.keep(|exchange| exchange.conn != one);
    assert_eq!((intake.held, intake.entries.len()), (0, 0));
}
