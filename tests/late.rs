//! Answers that come after the event, whole and in pieces, and connections that speak lines.

#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of Ops is not general enough"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bellwire::conn::deadline::Millis;
use bellwire::conn::event::{ConnId, Event, ExchangeId};
use bellwire::conn::{Answer, AnswerHead, Conf};
use bellwire::engine::{Bound, Engine, Handler, Limits, Ops, Outcome, Speaks};
use bellwire::proto::ws::frame::Kind;

/// Defers every request, keeps every line.
#[derive(Default)]
struct Keeps {
    requests: Vec<ExchangeId>,
    bodies: HashMap<ConnId, Vec<u8>>,
    lines: Vec<(ConnId, String)>,
    ended: Vec<ConnId>,
    holds: bool,
}

impl Handler for Keeps {
    fn on_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: Event<'_>) {
        match event {
            Event::Request(_) => {
                let exchange = ops.defer(self.holds);
                self.requests.push(exchange);
            }
            Event::Body(data) => self.bodies.entry(id).or_default().extend_from_slice(data),
            Event::Message { data, .. } => {
                let line = String::from_utf8_lossy(data).into_owned();
                self.lines.push((id, line));
            }
            Event::Closed(_) => self.ended.push(id),
            _ => {}
        }
    }
}

struct House {
    engine: Engine,
    keeps: Keeps,
    address: SocketAddr,
    outcomes: Vec<Outcome>,
}

impl House {
    fn new() -> House {
        House::of(Conf::default())
    }

    fn of(conf: Conf) -> House {
        let limits = Limits {
            max_connections: 100,
            max_memory: 64 << 20,
        };
        let mut engine = Engine::new(limits, |buffer| buffer.fill(7)).unwrap();
        let owner = engine.add_owner("s", 100, Speaks::Http);
        let bound = Bound::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = bound.address().unwrap();
        engine.listen(bound, owner, Rc::new(conf)).unwrap();
        House {
            engine,
            keeps: Keeps::default(),
            address,
            outcomes: Vec::new(),
        }
    }

    fn lines(&mut self, path: &Path, max_message: usize) {
        let owner = self.engine.add_owner("lines", 100, Speaks::Lines);
        let bound = Bound::unix(path).unwrap();
        let conf = Conf {
            max_message,
            ..Conf::default()
        };
        self.engine.listen(bound, owner, Rc::new(conf)).unwrap();
    }

    fn turn_until(&mut self, what: &str, mut done: impl FnMut(&mut House) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            assert!(Instant::now() < end, "{what} did not happen");
            self.engine
                .turn(&mut self.keeps, Some(Duration::from_millis(5)))
                .unwrap();
            while let Some(outcome) = self.engine.poll() {
                self.outcomes.push(outcome);
            }
        }
    }

    /// Sends a request and turns until it is deferred.
    fn ask(&mut self, request: &str) -> (TcpStream, ExchangeId) {
        let mut peer = TcpStream::connect(self.address).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        peer.write_all(request.as_bytes()).unwrap();
        self.turn_until("a request", |house| !house.keeps.requests.is_empty());
        (peer, self.keeps.requests.remove(0))
    }

    fn with<T>(&mut self, exchange: ExchangeId, act: impl FnOnce(&mut Ops<'_>) -> T) -> Option<T> {
        let result = self.engine.with_exchange(exchange, act);
        self.engine.settle(&mut self.keeps);
        result
    }
}

fn ok(body: &[u8]) -> Answer<'_> {
    Answer {
        status: 200,
        fields: &[],
        body,
    }
}

const PIECES: AnswerHead<'_> = AnswerHead {
    status: 200,
    fields: &[],
    length: None,
};

fn read_until(peer: &mut TcpStream, end: &str) -> String {
    let mut got = Vec::new();
    while !got.ends_with(end.as_bytes()) {
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        got.push(byte[0]);
    }
    String::from_utf8(got).unwrap()
}

#[test]
fn a_late_answer_reaches_only_its_request() {
    let mut house = House::new();
    let (mut peer, first) = house.ask("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    peer.write_all(b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    assert_eq!(
        house.with(first, |ops| ops.respond(&ok(b"one"))),
        Some(true)
    );
    assert!(read_until(&mut peer, "one").starts_with("HTTP/1.1 200 "));
    house.turn_until("the second", |house| !house.keeps.requests.is_empty());
    let second = house.keeps.requests.remove(0);
    assert_eq!(house.with(first, |ops| ops.respond(&ok(b"stale"))), None);
    assert_eq!(
        house.with(second, |ops| ops.respond(&ok(b"two"))),
        Some(true)
    );
    assert!(!read_until(&mut peer, "two").contains("stale"));
}

#[test]
fn pieces_are_chunks_or_end_with_the_connection() {
    let mut house = House::new();
    let (mut peer, exchange) = house.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    house.with(exchange, |ops| {
        assert!(ops.respond_pieces(&PIECES));
        assert!(ops.body_piece(b"first ") && ops.body_piece(b""));
    });
    house.with(exchange, |ops| {
        assert!(ops.body_piece(&[b'x'; 20]));
        ops.body_end();
    });
    let answer = read_until(&mut peer, "0\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nTransfer-Encoding: chunked"), "{head}");
    assert!(!head.contains("Content-Length"), "{head}");
    assert_eq!(
        body,
        "6\r\nfirst \r\n14\r\nxxxxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n"
    );
    // The connection goes on.
    peer.write_all(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    house.turn_until("the next", |house| !house.keeps.requests.is_empty());
    let next = house.keeps.requests.remove(0);
    house.with(next, |ops| assert!(ops.respond_pieces(&PIECES)));
    assert!(read_until(&mut peer, "\r\n\r\n").contains("chunked"));
    assert_eq!(house.with(next, |ops| ops.body_piece(b"x")), None);

    let (mut peer, exchange) =
        house.ask("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
    house.with(exchange, |ops| {
        ops.respond_pieces(&PIECES);
        ops.body_piece(b"plain");
        ops.body_end();
    });
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nplain"), "{answer}");
}

#[test]
fn an_answer_that_cannot_be_completed_is_cut() {
    let mut house = House::new();
    let (mut peer, exchange) = house.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    house.with(exchange, |ops| {
        ops.respond_pieces(&PIECES);
        ops.body_piece(b"half");
    });
    house.with(exchange, |ops| ops.abort());
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = peer.read_to_end(&mut answer);
    assert!(!answer.ends_with(b"0\r\n\r\n"));
    house.turn_until("its end", |house| house.engine.connections() == 0);
}

#[test]
fn a_slow_reader_of_pieces_is_told_when_it_has_read() {
    let mut house = House::new();
    let (mut peer, exchange) = house.ask("GET / HTTP/1.0\r\n\r\n");
    let piece = vec![b'p'; 1 << 20];
    let mut sent = 0;
    house.with(exchange, |ops| {
        ops.respond_pieces(&PIECES);
        while ops.backlog() == 0 {
            ops.body_piece(&piece);
            sent += piece.len();
        }
        ops.tell_drained();
    });
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    });
    house.turn_until(
        "drained",
        |house| matches!(house.outcomes[..], [Outcome::Drained(drained)] if drained == exchange),
    );
    house.with(exchange, |ops| {
        assert_eq!(ops.backlog(), 0);
        ops.body_end();
    });
    house.turn_until("its end", |house| house.engine.connections() == 0);
    let answer = reader.join().unwrap();
    assert_eq!(answer.iter().filter(|byte| **byte == b'p').count(), sent);
}

#[test]
fn the_end_of_a_peer_is_reported_and_its_answer_is_dropped() {
    let mut house = House::new();
    let (peer, exchange) = house.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    drop(peer);
    house.turn_until(
        "that it left",
        |house| matches!(house.outcomes[..], [Outcome::Left(left)] if left == exchange),
    );
    // It may have closed one half only: an answer is still taken.
    assert_eq!(
        house.with(exchange, |ops| ops.respond(&ok(b"late"))),
        Some(true)
    );
    house.turn_until("its end", |house| house.engine.connections() == 0);
    let (_peer, exchange) = house.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    house.with(exchange, |ops| ops.abort());
    let orphaned = |outcome: &Outcome| matches!(outcome, Outcome::Orphaned(it) if *it == exchange);
    house.turn_until("that nobody waits", |house| {
        house.outcomes.iter().any(orphaned)
    });
    assert_eq!(house.with(exchange, |_| ()), None);
}

#[test]
fn a_body_is_read_only_when_it_is_wanted() {
    let mut house = House::new();
    house.keeps.holds = true;
    let (mut peer, exchange) = house
        .ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let id = exchange.conn;
    assert!(!house.keeps.bodies.contains_key(&id));
    house.with(exchange, |ops| ops.hold_body(false));
    house.turn_until("100", |house| {
        let mut head = [0; 25];
        peer.set_nonblocking(true).unwrap();
        let came = peer.peek(&mut head).unwrap_or(0);
        peer.set_nonblocking(false).unwrap();
        house.engine.connections() == 1 && came == 25
    });
    assert_eq!(
        read_until(&mut peer, "\r\n\r\n"),
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    peer.write_all(b"hello").unwrap();
    house.turn_until("the body", |house| {
        house.keeps.bodies.get(&id).is_some_and(|it| it == b"hello")
    });
    house.with(exchange, |ops| ops.respond(&ok(b"taken")));
    read_until(&mut peer, "taken");
}

#[test]
fn a_body_gets_its_time_limit_back_when_it_is_read() {
    let mut house = House::of(Conf {
        idle_timeout: Millis::new(300),
        ..Conf::default()
    });
    house.keeps.holds = true;
    let (mut peer, exchange) = house.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    // Deferred again, and no longer held back, as after a login that is followed by a read from disk.
    let again = house.with(exchange, |ops| ops.defer(false));
    assert_eq!(again, Some(exchange));
    assert_eq!(
        house.with(exchange, |ops| ops.respond(&ok(b"late"))),
        Some(true)
    );
    assert!(read_until(&mut peer, "late").starts_with("HTTP/1.1 200 "));
    // The body never comes, and is not awaited for ever.
    peer.set_nonblocking(true).unwrap();
    house.turn_until("the end", |_| matches!(peer.read(&mut [0; 16]), Ok(0)));
}

#[test]
fn lines_are_messages_and_answers_are_sent_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut house = House::new();
    house.lines(&path, 300_000);
    let mut peer = UnixStream::connect(&path).unwrap();
    let long = "y".repeat(300_000);
    let written = std::thread::spawn(move || {
        peer.write_all(format!("one\n\n{long}\nlast").as_bytes())
            .unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        peer
    });
    house.turn_until("the end", |house| !house.keeps.ended.is_empty());
    let lengths: Vec<usize> = house.keeps.lines.iter().map(|(_, l)| l.len()).collect();
    assert_eq!(lengths, [3, 0, 300_000]);
    let id = house.keeps.lines[0].0;
    house.engine.with(id, |ops| {
        ops.reply(Kind::Text, b"answered");
        ops.finish();
    });
    house.engine.settle(&mut house.keeps);
    let mut answers = String::new();
    written
        .join()
        .unwrap()
        .read_to_string(&mut answers)
        .unwrap();
    assert_eq!(answers, "answered\n");
    house.turn_until("its end", |house| house.engine.connections() == 0);
    assert_eq!(house.engine.memory().used(), 0);
}

#[test]
fn a_line_without_end_ends_its_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut house = House::new();
    house.lines(&path, 1000);
    let mut peer = UnixStream::connect(&path).unwrap();
    peer.write_all(&[b'z'; 1001]).unwrap();
    house.turn_until("its end", |house| house.keeps.ended.len() == 1);
    assert!(house.keeps.lines.is_empty());
    // Bytes after it are not read, and pending answers can still be sent.
    peer.write_all(b"z\nanother\n").unwrap();
    let id = house.keeps.ended[0];
    house.engine.with(id, |ops| {
        ops.reply(Kind::Text, b"too long");
        ops.finish();
    });
    house.engine.settle(&mut house.keeps);
    let mut rest = BufReader::new(peer);
    let mut said = String::new();
    assert_eq!(rest.read_line(&mut said).unwrap(), 9);
    assert_eq!(said, "too long\n");
    assert_eq!(rest.read_line(&mut said).unwrap(), 0);
    drop(rest);
    assert!(house.keeps.lines.is_empty());
    house.turn_until("nothing left", |house| house.engine.connections() == 0);
}
