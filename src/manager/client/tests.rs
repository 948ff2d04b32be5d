use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;
use tungstenite::Message;

use super::super::Manager;
use super::*;
use crate::engine::{Bound, Engine, Limits, OwnerId, Speaks};
use crate::rpc::event::Filter;

const PATIENCE: Duration = Duration::from_secs(20);

fn conf(text: &str) -> config::Client {
    let config = config::parse(&format!("[[client]]\n{text}"), Path::new("f.toml"));
    config.expect("no faults").clients.remove(0)
}

fn end(reason: &str, cause: Cause, lasted: Option<u64>) -> End<'_> {
    End {
        cause,
        lasted: lasted.map(Duration::from_secs),
        code: 1006,
        reason,
    }
}

/// When the next attempt is due, in milliseconds from `now`.
fn waits(client: &Client, now: Tick) -> u32 {
    match client.phase() {
        Phase::Waiting(due) => due.since(now),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_will_not_change_is_said_once_and_tried_slowly() {
    let conf = conf("url = \"ws://h\"\nreconnect = \"100ms\"\nreconnect_max = \"1s\"");
    let mut client = Client::new(conf, None, OwnerId::NONE, Tick(0));
    let mut desk = Desk::default();
    for time in 0..5 {
        let unauthorized = end("401", Cause::Lasting, None);
        assert_eq!(client.is_news(&unauthorized), time == 0);
        client.over(&mut desk, Tick(7), &unauthorized);
        assert!((54_000..=66_000).contains(&waits(&client, Tick(7))));
        assert_eq!(client.status().error.as_deref(), Some("401"));
    }
    // Until something else happens.
    let refused = end("refused", Cause::Passing, None);
    assert!(client.is_news(&refused));
    client.over(&mut desk, Tick(7), &refused);
    assert!(waits(&client, Tick(7)) <= 1100);
    assert!(client.is_news(&end("401", Cause::Lasting, None)));
    // Or somebody asks for it.
    client.want(true);
    assert!(client.is_news(&refused));
}

#[test]
fn a_connection_that_is_lost_again_and_again_is_no_news() {
    let conf = conf("url = \"ws://h\"\nreconnect = \"1s\"\nreconnect_max = \"8s\"");
    let mut client = Client::new(conf, None, OwnerId::NONE, Tick(0));
    let mut desk = Desk::default();
    let mut seen = Vec::new();
    for lasted in [1, 1, 1, 60, 1] {
        let lost = end("lost", Cause::Passing, Some(lasted));
        let news = client.is_news(&lost);
        client.over(&mut desk, Tick(0), &lost);
        let wait = f64::from(waits(&client, Tick(0))) / 1000.0;
        seen.push((news, wait.round() as u32));
    }
    assert_eq!(
        seen.iter().map(|it| it.0).collect::<Vec<_>>(),
        [true, false, false, true, false]
    );
    // It doubles, and starts again after a stable minute; a tenth less for each, as no luck was drawn.
    assert_eq!(
        seen.iter().map(|it| it.1).collect::<Vec<_>>(),
        [1, 2, 4, 1, 2]
    );
}

#[test]
fn what_was_to_be_secret_is_not_sent_in_the_clear() {
    let conf = conf("url = \"wss://h\"");
    let mut client = Client::new(conf, None, OwnerId::NONE, Tick(0));
    assert!(client.approach([0; 16]).is_err());
}

/// A manager whose events somebody reads.
struct House {
    engine: Engine,
    manager: Manager,
    events: BufReader<UnixStream>,
    _folder: tempfile::TempDir,
}

/// A host that is asked for nothing.
struct Nobody;

impl crate::manager::Host for Nobody {
    fn load(&mut self, _: &mut Engine) -> Result<config::Config, Vec<config::Fault>> {
        unreachable!("nothing is reloaded")
    }

    fn bind(&mut self, _: &mut Engine, _: &config::Address) -> std::io::Result<Bound> {
        unreachable!("nothing is bound")
    }

    fn server_tls(
        &mut self,
        _: &mut Engine,
        _: &config::Tls,
    ) -> Result<crate::manager::ServerTls, crate::manager::TlsFaults> {
        unreachable!("no server speaks TLS")
    }

    fn client_tls(
        &mut self,
        _: &mut Engine,
        _: &config::Client,
    ) -> Result<Option<Arc<rustls::ClientConfig>>, crate::manager::TlsFaults> {
        unreachable!("no client speaks TLS")
    }

    fn reloading(&mut self) {}

    fn reloaded(&mut self, _: Option<&config::Daemon>) {}
}

impl House {
    fn new(client: &str) -> House {
        let limits = Limits {
            max_connections: 10,
            max_memory: 1 << 24,
        };
        let mut engine = Engine::new(limits, |bytes| bytes.fill(3)).expect("an engine");
        let mut manager = Manager::new(config::Daemon::default());
        manager.add_client(&mut engine, (conf(client), None));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let owner = engine.add_owner("lines", 1, Speaks::Lines);
        let shared = Rc::new(approach::connections(&conf("url = \"ws://h\"")));
        let bound = Bound::unix(&path).expect("a socket");
        engine.listen(bound, owner, shared).expect("a listener");
        let stream = UnixStream::connect(&path).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut house = House {
            engine,
            manager,
            events: BufReader::new(stream),
            _folder: folder,
        };
        while house.engine.connections() == 0 {
            house.turn();
        }
        // It is the first connection of all, in the first slot.
        let subscriber = ConnId::new(1, 0);
        house
            .manager
            .desk
            .bus
            .subscribe(subscriber, Filter::default());
        house
    }

    fn turn(&mut self) {
        self.engine
            .turn(&mut self.manager, Some(Duration::from_millis(5)))
            .expect("a turn");
        self.manager.work(&mut self.engine, &mut Nobody);
    }

    /// Turns until something is so.
    fn turn_until(&mut self, what: impl Fn(&mut House) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !what(self) {
            assert!(
                Instant::now() < end,
                "it does not happen: {:?}",
                self.manager
            );
            self.turn();
        }
    }

    fn state(&self) -> ClientState {
        self.manager.client_status(0).expect("a client").state
    }

    /// The next event, without what is another each time.
    fn event(&mut self) -> Value {
        self.turn();
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
    let mut house = House::new(&format!(
        "id = \"up\"\nurl = \"ws://{address}\"\nactive = false\nreconnect = \"1min\"\noutbox = 1"
    ));
    let send = |house: &mut House, text: &str| {
        let House {
            engine, manager, ..
        } = house;
        manager.send_to_client(engine, 0, Kind::Text, text.as_bytes())
    };
    assert_eq!(send(&mut house, "first"), Ok(0));
    assert_eq!(send(&mut house, "second"), Ok(0));
    let dropped = serde_json::json!({ "kind": "dropped", "source": "up", "count": 1 });
    assert_eq!(house.event(), dropped);

    serve(listener);
    house.manager.connect_client(&mut house.engine, 0);
    house.turn_until(|house| house.state() == ClientState::Connected);
    let of = |kind: &str| {
        serde_json::json!({
            "kind": kind, "source": "up", "connection": "c2", "peer": address.to_string(),
        })
    };
    assert_eq!(house.event(), of("connect"));
    assert_eq!(house.event(), of("client_connected"));
    house.turn_until(|house| house.state() == ClientState::Waiting);
    for (name, value) in [("text", "hi"), ("base64", "/w==")] {
        let mut message = of("message");
        message[name] = value.into();
        assert_eq!(house.event(), message);
    }
    for kind in ["disconnect", "client_disconnected"] {
        let mut closed = of(kind);
        closed["code"] = 4000.into();
        closed["reason"] = "closed by the peer with 4000: enough".into();
        assert_eq!(house.event(), closed);
    }
    let mut retrying = serde_json::json!({ "kind": "client_retrying", "source": "up" });
    retrying["reason"] = "closed by the peer with 4000: enough".into();
    assert_eq!(house.event(), retrying);
}

#[test]
fn an_attempt_that_is_the_last_is_told_too() {
    let listener = TcpListener::bind("127.0.7.98:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let mut house = House::new(&format!("url = \"ws://{address}\"\nactive = false"));
    house.manager.connect_client(&mut house.engine, 0);
    house.turn_until(|house| house.state() == ClientState::Disconnected);
    let event = house.event();
    assert_eq!(
        (&event["kind"], &event["code"]),
        (&"client_disconnected".into(), &1006.into())
    );
    let reason = event["reason"].as_str().expect("a reason");
    assert!(reason.starts_with(&format!("cannot connect: {address}: ")));
}
