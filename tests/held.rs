//! Triggers in a manager without a daemon: requests that are held, and triggers that change.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use bellwire::config;
use bellwire::engine::{Bound, Engine, Limits};
use bellwire::manager::{Manager, World};
use bellwire::rpc::{Code, Content, Data, RequestName, Respond};

mod nobody;

struct House {
    engine: Engine,
    manager: Manager,
    address: SocketAddr,
}

const SERVER: &str = "[[server]]\nid = \"s\"\nbind = [\"127.0.0.1:1\"]\n";

fn read(triggers: &str) -> config::Config {
    config::parse(
        &format!("{SERVER}{triggers}"),
        Path::new("/tmp/bellwire.toml"),
    )
    .unwrap()
}

impl House {
    fn new(triggers: &str) -> House {
        let limits = Limits {
            max_connections: 100,
            max_memory: 64 << 20,
        };
        let mut engine = Engine::new(limits, |buffer| buffer.fill(7)).unwrap();
        let mut manager = Manager::new(config::Daemon::default());
        let world = World {
            path: "/usr/bin:/bin".into(),
            home: "/".into(),
            lang: "C".into(),
            ..World::default()
        };
        manager.set_world(&engine, world);
        let config = read(triggers);
        manager.set_triggers(&mut engine, &config.triggers).unwrap();
        let bound = Bound::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = bound.address().unwrap();
        let server = &config.servers[0];
        manager.define(server.clone());
        manager
            .start(&mut engine, &server.id, vec![bound], None)
            .unwrap();
        House {
            engine,
            manager,
            address,
        }
    }

    fn turn_until(&mut self, what: &str, mut done: impl FnMut(&mut House) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            assert!(Instant::now() < end, "{what} did not happen");
            let wait = Some(Duration::from_millis(5));
            self.engine.turn(&mut self.manager, wait).unwrap();
            self.manager.work(&mut self.engine, &mut nobody::Nobody);
        }
    }

    fn ask(&mut self, request: &str) -> TcpStream {
        let mut peer = TcpStream::connect(self.address).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        peer.write_all(request.as_bytes()).unwrap();
        peer
    }

    /// Answers, as soon as there is such a request.
    fn respond(&mut self, respond: &Respond) {
        self.turn_until("the request", |house| {
            house.manager.respond(&mut house.engine, respond).is_ok()
        });
        self.engine.settle(&mut self.manager);
    }

    fn code(&mut self, name: u64) -> Code {
        let respond = Respond::new(RequestName(name));
        let answered = self.manager.respond(&mut self.engine, &respond);
        answered.expect_err("no such request").code
    }
}

fn rest(mut peer: TcpStream) -> String {
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    answer
}

const HOLD: &str = "[[trigger]]\nname = \"h\"\non = \"http_request\"\nhold = true\n";

#[test]
fn a_held_request_is_answered_once_by_its_name() {
    let mut house = House::new(HOLD);
    assert_eq!(house.code(1), Code::NoSuchId);
    let peer = house.ask("GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = Respond {
        status: Some(201),
        content: Content::Body(Data::Text("made".to_owned())),
        headers: vec![("X-A".to_owned(), "b".to_owned())],
        cookies: vec!["k=v; Path=/".to_owned()],
        ..Respond::new(RequestName(1))
    };
    house.respond(&answer);
    assert_eq!(house.code(1), Code::NoSuchId);
    house.turn_until("the end", |house| house.engine.connections() == 1);
    let answer = rest(peer);
    for part in [
        "HTTP/1.1 201 Created\r\n",
        "\r\nContent-Type: text/plain; charset=utf-8\r\n",
        "\r\nX-A: b\r\n",
        "\r\nSet-Cookie: k=v; Path=/\r\n",
        "\r\n\r\nmade",
    ] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
}

#[test]
fn a_body_is_awaited_and_a_redirect_is_an_answer() {
    let mut house = House::new(HOLD);
    let mut peer = house.ask(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\nab",
    );
    let redirect = Respond {
        content: Content::Redirect("/there".to_owned()),
        ..Respond::new(RequestName(1))
    };
    for _ in 0..5 {
        let wait = Some(Duration::from_millis(1));
        house.engine.turn(&mut house.manager, wait).unwrap();
        house.manager.work(&mut house.engine, &mut nobody::Nobody);
        assert_eq!(house.code(1), Code::NoSuchId, "its body is not whole");
    }
    peer.write_all(b"cd").unwrap();
    house.respond(&redirect);
    let answer = rest(peer);
    assert!(answer.starts_with("HTTP/1.1 302 "), "{answer}");
    assert!(answer.contains("\r\nLocation: /there\r\n"), "{answer}");
}

#[test]
fn one_whose_peer_has_left_is_nobodys() {
    let mut house = House::new(&HOLD.replace("hold =", "path = \"/a\"\nhold ="));
    let peer = house.ask("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // What comes after it has been answered: it is held.
    let mut other = house.ask("GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n");
    other.set_nonblocking(true).unwrap();
    house.turn_until("an answer", |_| other.read(&mut [0; 12]).is_ok());
    drop((peer, other));
    house.turn_until("its end", |house| house.engine.connections() == 0);
    assert_eq!(house.code(1), Code::NoSuchId);
}

#[test]
fn who_waits_is_told_when_the_daemon_stops() {
    let mut house = House::new(&HOLD.replace("hold =", "path = \"/a\"\nhold ="));
    let peer = house.ask("GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    // What comes after it has been answered: it is held.
    let mut other = house.ask("GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n");
    other.set_nonblocking(true).unwrap();
    house.turn_until("an answer", |_| other.read(&mut [0; 12]).is_ok());
    house.engine.shut_down(&mut house.manager);
    house
        .manager
        .stop_scripts(&mut house.engine, &mut nobody::Nobody);
    assert_eq!(house.code(1), Code::NoSuchId);
    drop(other);
    house.turn_until("the end", |house| house.engine.connections() <= 1);
    assert!(rest(peer).starts_with("HTTP/1.1 503 "));
}

#[test]
fn triggers_that_have_not_changed_keep_their_processes() {
    let worker = |name: &str, arg: &str| {
        format!(
            "[[trigger]]\nname = \"{name}\"\non = \"message\"\nmode = \"worker\"\nrun = [\"sleep\", \"{arg}\"]\n"
        )
    };
    let mut house = House::new(&[worker("a", "100"), worker("b", "100")].concat());
    house.turn_until("two workers", |house| {
        house.engine.children().running() == 2
    });
    assert_eq!(house.engine.children().spawned(), 2);
    let changed = read(&[worker("b", "100"), worker("a", "101")].concat());
    let House {
        engine, manager, ..
    } = &mut house;
    manager.set_triggers(engine, &changed.triggers).unwrap();
    house.turn_until("one more", |house| {
        house.engine.children().spawned() == 3 && house.engine.children().running() == 2
    });
    let none = read("");
    let House {
        engine, manager, ..
    } = &mut house;
    manager.set_triggers(engine, &none.triggers).unwrap();
    house.turn_until("none", |house| house.engine.children().running() == 0);
    assert_eq!(house.engine.children().spawned(), 3);
}
