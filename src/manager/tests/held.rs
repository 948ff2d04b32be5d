//! Requests that are held, and triggers that change.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::rpc::{Content, Data, ErrorCode, RequestName, Respond};

const SERVER: &str = "[[server]]\nid = \"s\"\nbind = [\"127.0.0.1:0\"]\n";

impl Rig {
    fn with(triggers: &str) -> Rig {
        Rig::new(&format!("{SERVER}{triggers}"))
    }

    fn ask(&mut self, request: &str) -> TcpStream {
        let mut peer = TcpStream::connect(self.address()).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.write_all(request.as_bytes()).unwrap();
        peer
    }

    fn try_respond(&mut self, respond: &Respond) -> Result<(), rpc::Error> {
        let scripts = &mut self.manager.state.scripts;
        let done = scripts.respond(&mut self.engine, respond);
        self.engine.settle(&mut self.manager);
        done
    }

    /// Answers, as soon as there is such a request.
    fn respond(&mut self, respond: &Respond) {
        self.turn_until("the request", |rig| rig.try_respond(respond).is_ok());
    }

    fn code(&mut self, name: u64) -> ErrorCode {
        let answered = self.try_respond(&Respond::new(RequestName(name)));
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
    let mut rig = Rig::with(HOLD);
    assert_eq!(rig.code(1), ErrorCode::NoSuchId);
    let peer = rig.ask("GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = Respond {
        status: Some(201),
        content: Content::Body(Data::Text("made".to_owned())),
        headers: vec![("X-A".to_owned(), "b".to_owned())],
        cookies: vec!["k=v; Path=/".to_owned()],
        ..Respond::new(RequestName(1))
    };
    rig.respond(&answer);
    assert_eq!(rig.code(1), ErrorCode::NoSuchId);
    rig.turn_until("the end", |rig| rig.engine.connections() == 0);
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
    let mut rig = Rig::with(HOLD);
    let mut peer = rig.ask(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\nab",
    );
    let redirect = Respond {
        content: Content::Redirect("/there".to_owned()),
        ..Respond::new(RequestName(1))
    };
    for _ in 0..5 {
        rig.turn();
        assert_eq!(rig.code(1), ErrorCode::NoSuchId, "its body is not whole");
    }
    peer.write_all(b"cd").unwrap();
    rig.respond(&redirect);
    let answer = rest(peer);
    assert!(answer.starts_with("HTTP/1.1 302 "), "{answer}");
    assert!(answer.contains("\r\nLocation: /there\r\n"), "{answer}");
}

#[test]
fn one_whose_peer_has_left_is_nobodys() {
    let mut rig = Rig::with(&HOLD.replace("hold =", "path = \"/a\"\nhold ="));
    let peer = rig.ask("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // What comes after it has been answered: it is held.
    let mut other = rig.ask("GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n");
    other.set_nonblocking(true).unwrap();
    rig.turn_until("an answer", |_| other.read(&mut [0; 12]).is_ok());
    drop((peer, other));
    rig.turn_until("its end", |rig| rig.engine.connections() == 0);
    assert_eq!(rig.code(1), ErrorCode::NoSuchId);
}

#[test]
fn who_waits_is_told_when_the_daemon_stops() {
    let mut rig = Rig::with(&HOLD.replace("hold =", "path = \"/a\"\nhold ="));
    let peer = rig.ask("GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    // What comes after it has been answered: it is held.
    let mut other = rig.ask("GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n");
    other.set_nonblocking(true).unwrap();
    rig.turn_until("an answer", |_| other.read(&mut [0; 12]).is_ok());
    rig.engine.shut_down(&mut rig.manager);
    rig.manager.stop_scripts(&mut rig.engine, &mut rig.host);
    assert_eq!(rig.code(1), ErrorCode::NoSuchId);
    drop(other);
    rig.turn_until("the end", |rig| rig.engine.connections() <= 1);
    assert!(rest(peer).starts_with("HTTP/1.1 503 "));
}

#[test]
fn triggers_that_have_not_changed_keep_their_processes() {
    let worker = |name: &str, arg: &str| {
        format!(
            "[[trigger]]\nname = \"{name}\"\non = \"message\"\nmode = \"worker\"\nrun = [\"sleep\", \"{arg}\"]\n"
        )
    };
    let mut rig = Rig::with(&[worker("a", "100"), worker("b", "100")].concat());
    rig.turn_until("two workers", |rig| rig.engine.children().running() == 2);
    assert_eq!(rig.engine.children().spawned(), 2);
    let changed = [worker("b", "100"), worker("a", "101")].concat();
    rig.reload(&format!("{SERVER}{changed}"));
    rig.turn_until("one more", |rig| {
        rig.engine.children().spawned() == 3 && rig.engine.children().running() == 2
    });
    rig.reload(SERVER);
    rig.turn_until("none", |rig| rig.engine.children().running() == 0);
    assert_eq!(rig.engine.children().spawned(), 3);
}
