//! Events of clients, as a subscriber gets them.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;

use serde_json::Value;
use tungstenite::Message;

use super::*;
use crate::proto::ws::frame::Kind;
use crate::rpc::{ClientState, EventFilter};

/// A manager whose events somebody reads.
struct Watched {
    rig: Rig,
    events: BufReader<UnixStream>,
    _folder: tempfile::TempDir,
}

impl Watched {
    fn new(client: &str) -> Watched {
        let mut rig = Rig::new(&format!("[[client]]\n{client}"));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let bound = Bound::unix(&path).expect("a socket");
        rig.manager
            .listen_for_commands(&mut rig.engine, bound)
            .expect("a listener");
        let stream = UnixStream::connect(&path).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        rig.turn_until("a subscriber", |rig| rig.engine.connections() > 0);
        // It is the first connection of all, in the first slot.
        let subscribers = &mut rig.manager.state.context.subscribers;
        subscribers.subscribe(ConnId::new(1, 0), EventFilter::default());
        Watched {
            rig,
            events: BufReader::new(stream),
            _folder: folder,
        }
    }

    fn connect(&mut self) {
        let clients = &mut self.rig.manager.state.clients;
        clients.connect(&mut self.rig.engine, 0);
    }

    fn until_state(&mut self, state: ClientState) {
        self.rig.turn_until("the state", |rig| {
            let status = rig.manager.state.clients.status_of(0);
            status.expect("a client").state == state
        });
    }

    /// The next event, without what is another each time.
    fn event(&mut self) -> Value {
        self.rig.turn();
        let mut line = String::new();
        self.events.read_line(&mut line).expect("an event");
        let mut event: Value = serde_json::from_str(&line).expect("JSON");
        let params = event["params"].as_object_mut().expect("an object");
        for name in ["seq", "time"] {
            assert!(params.remove(name).is_some());
        }
        event["params"].take()
    }
}

/// A server that sends two messages, waits for one and leaves with 4000.
fn serve(listener: TcpListener) {
    let serve = move || {
        let (stream, _) = listener.accept().expect("a connection");
        drop(listener);
        let mut socket = tungstenite::accept(stream).expect("a WebSocket");
        socket.send(Message::text("hi")).expect("sent");
        socket.send(Message::binary(&b"\xff"[..])).expect("sent");
        assert!(socket.read().expect("a message").is_text());
        let frame = tungstenite::protocol::CloseFrame {
            code: 4000.into(),
            reason: "enough".into(),
        };
        socket.close(Some(frame)).expect("closed");
        while socket.read().is_ok() {}
    };
    std::thread::spawn(serve);
}

#[test]
fn subscribers_are_told_of_it() {
    let listener = TcpListener::bind("127.0.7.99:0").expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let mut watched = Watched::new(&format!(
        "id = \"up\"\nurl = \"ws://{address}\"\nactive = false\nreconnect = \"1min\"\noutbox = 1"
    ));
    let mut send = |text: &str| {
        let State {
            clients, context, ..
        } = &mut watched.rig.manager.state;
        clients.send(
            &mut watched.rig.engine,
            context,
            0,
            Kind::Text,
            text.as_bytes(),
        )
    };
    assert_eq!(send("first"), Ok(0));
    assert_eq!(send("second"), Ok(0));
    let dropped = serde_json::json!({ "kind": "dropped", "source": "up", "count": 1 });
    assert_eq!(watched.event(), dropped);

    serve(listener);
    watched.connect();
    watched.until_state(ClientState::Connected);
    let of = |kind: &str| {
        serde_json::json!({
            "kind": kind, "source": "up", "connection": "c2", "peer": address.to_string(),
        })
    };
    assert_eq!(watched.event(), of("connect"));
    assert_eq!(watched.event(), of("client_connected"));
    watched.until_state(ClientState::Waiting);
    for (name, value) in [("text", "hi"), ("base64", "/w==")] {
        let mut message = of("message");
        message[name] = value.into();
        assert_eq!(watched.event(), message);
    }
    for kind in ["disconnect", "client_disconnected"] {
        let mut closed = of(kind);
        closed["code"] = 4000.into();
        closed["reason"] = "closed by the peer with 4000: enough".into();
        assert_eq!(watched.event(), closed);
    }
    let mut retrying = serde_json::json!({ "kind": "client_retrying", "source": "up" });
    retrying["reason"] = "closed by the peer with 4000: enough".into();
    assert_eq!(watched.event(), retrying);
}

#[test]
fn an_attempt_that_is_the_last_is_told_too() {
    let listener = TcpListener::bind("127.0.7.98:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let mut watched = Watched::new(&format!("url = \"ws://{address}\"\nactive = false"));
    watched.connect();
    watched.until_state(ClientState::Disconnected);
    let event = watched.event();
    assert_eq!(
        (&event["kind"], &event["code"]),
        (&"client_disconnected".into(), &1006.into())
    );
    let reason = event["reason"].as_str().expect("a reason");
    assert!(reason.starts_with(&format!("cannot connect: {address}: ")));
}
