//! Clients by the manager's own methods, as commands and a reload use them.

use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use bellwire::config;
use bellwire::engine::{Engine, Limits};
use bellwire::manager::{Defined, Manager, NotConnected};
use bellwire::proto::ws::frame::Kind;
use bellwire::rpc::ClientState;
use tungstenite::Message;

use crate::daemon::PATIENCE;
use crate::nobody;
use crate::peer::{address, listen, open};

/// The loop, without a daemon around it.
struct House {
    engine: Engine,
    manager: Manager,
}

/// Numbers that somebody could guess.
fn random(buffer: &mut [u8; 256]) {
    for (at, byte) in buffer.iter_mut().enumerate() {
        *byte = at as u8;
    }
}

fn defined(text: &str) -> Vec<Defined> {
    let config = config::parse(text, Path::new("f.toml")).unwrap_or_else(|faults| {
        panic!("{faults:?}");
    });
    config.clients.into_iter().map(|it| (it, None)).collect()
}

impl House {
    fn new(config: &str) -> House {
        let limits = Limits {
            max_connections: 100,
            max_memory: 64 << 20,
        };
        let mut house = House {
            engine: Engine::new(limits, random).unwrap(),
            manager: Manager::new(config::Daemon::default()),
        };
        for client in defined(config) {
            house.manager.add_client(&mut house.engine, client);
        }
        house
    }

    fn turn(&mut self) {
        let left = self.manager.deadline();
        let left = left.map_or(5, |due| due.since(self.engine.now()).min(5));
        let left = Duration::from_millis(u64::from(left));
        self.engine.turn(&mut self.manager, Some(left)).unwrap();
        self.manager.work(&mut self.engine, &mut nobody::Nobody);
    }

    fn at(&self, id: &str) -> usize {
        self.manager.find_client(id).expect("a client of that id")
    }

    fn state(&self, id: &str) -> ClientState {
        let status = self.manager.client_status(self.at(id));
        status.expect("its status").state
    }

    fn turn_until(&mut self, id: &str, state: ClientState) {
        let end = Instant::now() + PATIENCE;
        while self.state(id) != state {
            assert!(Instant::now() < end, "{:?}", self.manager.clients_status());
            self.turn();
        }
    }

    /// Turns until the servers have told something.
    fn told(&mut self, told: &Receiver<String>) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "nothing was told");
            self.turn();
            if let Ok(text) = told.try_recv() {
                return text;
            }
        }
    }

    fn send(&mut self, id: &str, text: &str) -> Result<u64, NotConnected> {
        let at = self.at(id);
        self.manager
            .send_to_client(&mut self.engine, at, Kind::Text, text.as_bytes())
    }

    fn reload(&mut self, config: &str) -> String {
        let defined = defined(config);
        let confs: Vec<_> = defined.iter().map(|(conf, _)| conf.clone()).collect();
        let would = self.manager.compare_clients(&confs);
        let did = self.manager.reload_clients(&mut self.engine, defined);
        assert_eq!(would, did, "what was said is what is done");
        let lists = [&did.started, &did.stopped, &did.changed, &did.kept];
        lists.map(|list| list.join(",")).join("; ")
    }
}

/// Serves connections one after the other in a thread, and tells what comes: `open`, texts, and the code of the end.
fn serve(listener: TcpListener) -> Receiver<String> {
    let (sender, told) = channel();
    thread::spawn(move || {
        loop {
            let mut socket = open(&listener);
            let mut end = "gone".to_owned();
            let tell = |text: String| sender.send(text).is_ok();
            if !tell("open".to_owned()) {
                return;
            }
            loop {
                match socket.read() {
                    Ok(Message::Close(frame)) => {
                        end = frame.map_or("-".to_owned(), |frame| frame.code.to_string());
                    }
                    Ok(Message::Text(text)) if text.as_str() == "leave" => break,
                    Ok(Message::Text(text)) => drop(tell(text.to_string())),
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            if !tell(end) {
                return;
            }
        }
    });
    told
}

#[test]
fn commands_connect_and_disconnect() {
    let listener = listen(21, 0);
    let at = address(&listener);
    let told = serve(listener);
    let mut house = House::new(&format!(
        "[[client]]\nid = \"Up\"\nurl = \"ws://{at}\"\nactive = false\nreconnect = \"1min\"\n"
    ));
    house.turn();
    assert_eq!(house.state("up"), ClientState::Disconnected);
    assert_eq!(house.send("UP", "hi"), Err(NotConnected));
    let client = house.at("UP");
    house.manager.connect_client(&mut house.engine, client);
    assert_eq!(house.state("up"), ClientState::Connecting);
    assert_eq!(house.told(&told), "open");
    house.turn_until("up", ClientState::Connected);
    assert!(house.manager.client_status(client).unwrap().differs);
    assert_eq!(house.send("up", "hi"), Ok(1));
    assert_eq!(house.told(&told), "hi");
    // To connect what is connected changes nothing.
    house.manager.connect_client(&mut house.engine, client);
    assert_eq!(house.state("up"), ClientState::Connected);
    house.manager.disconnect_client(&mut house.engine, client);
    assert_eq!(house.state("up"), ClientState::Disconnected);
    assert_eq!(house.send("up", "late"), Err(NotConnected));
    // While it is closing, another connection is asked for: it comes after that.
    house.manager.connect_client(&mut house.engine, client);
    assert_eq!(house.told(&told), "1000");
    assert_eq!(house.told(&told), "open");
    house.turn_until("up", ClientState::Connected);
    // A command does not wait for the next attempt.
    assert_eq!(house.send("up", "leave"), Ok(1));
    house.turn_until("up", ClientState::Waiting);
    assert_eq!(house.told(&told), "gone");
    let status = house.manager.client_status(client).unwrap();
    assert!(status.error.is_some_and(|it| it.contains("peer")));
    house.manager.connect_client(&mut house.engine, client);
    assert_eq!(house.told(&told), "open");
    house.turn_until("up", ClientState::Connected);
    assert_eq!(house.manager.client_status(client).unwrap().error, None);
}

#[test]
fn what_is_kept_is_sent_after_the_greeting() {
    let listener = listen(22, 0);
    let at = address(&listener);
    drop(listener);
    let mut house = House::new(&format!(
        "[[client]]\nurl = \"ws://{at}\"\nreconnect = \"100ms\"\non_connect = [\"hello\"]\noutbox = 2\n\
         [[client]]\nid = \"brief\"\nurl = \"ws://{at}\"\nactive = false\noutbox = 9\noutbox_ttl = \"100ms\"\n\
         on_connect = [\"empty\"]\n"
    ));
    house.turn_until("WS_CLIENT_1", ClientState::Waiting);
    for text in ["a", "b", "c"] {
        assert_eq!(house.send("WS_CLIENT_1", text), Ok(0));
    }
    assert_eq!(house.send("brief", "too old"), Ok(0));
    let told = serve(listen(22, at.port()));
    for text in ["open", "hello", "b", "c"] {
        assert_eq!(house.told(&told), text);
    }
    assert_eq!(house.send("WS_CLIENT_1", "d"), Ok(1));
    assert_eq!(house.told(&told), "d");
    // When the time of the message is over, there is nothing left to be done.
    let end = Instant::now() + PATIENCE;
    while house.manager.deadline().is_some() {
        assert!(Instant::now() < end);
        house.turn();
    }
    assert_eq!(house.send("WS_CLIENT_1", "leave"), Ok(1));
    assert_eq!(house.told(&told), "gone");
    let first = house.at("WS_CLIENT_1");
    house.manager.disconnect_client(&mut house.engine, first);
    let brief = house.at("brief");
    house.manager.connect_client(&mut house.engine, brief);
    let mut all = Vec::new();
    while all.last().map(String::as_str) != Some("end") {
        let text = house.told(&told);
        if text == "empty" {
            assert_eq!(house.send("brief", "end"), Ok(1));
        }
        all.push(text);
    }
    assert_eq!(all[all.len() - 3..], ["open", "empty", "end"]);
}

#[test]
fn a_reload_touches_what_has_changed() {
    let (first, second) = (listen(23, 0), listen(23, 0));
    let (a, b) = (address(&first), address(&second));
    let (told_a, told_b) = (serve(first), serve(second));
    let one = |id: &str, at: &dyn std::fmt::Display, more: &str| {
        format!("[[client]]\nid = \"{id}\"\nurl = \"ws://{at}\"\n{more}\n")
    };
    let mut house = House::new(&(one("kept", &a, "") + &one("moved", &b, "")));
    assert_eq!(house.told(&told_a), "open");
    assert_eq!(house.told(&told_b), "open");
    house.turn_until("kept", ClientState::Connected);
    house.turn_until("moved", ClientState::Connected);
    // Nothing has changed, but the order of the file.
    let same = one("moved", &b, "") + &one("kept", &a, "");
    assert_eq!(house.reload(&same), "; ; ; client moved,client kept");
    let ids: Vec<String> = house
        .manager
        .clients_status()
        .into_iter()
        .map(|status| status.id)
        .collect();
    assert_eq!(ids, ["moved", "kept"]);
    // What the server was not told does not close the connection.
    let renamed = one("moved", &b, "") + &one("kept", &a, "name = \"The first\"");
    assert_eq!(house.reload(&renamed), "; ; client kept; client moved");
    assert_eq!(house.state("kept"), ClientState::Connected);
    assert_eq!(house.send("kept", "still here"), Ok(1));
    assert_eq!(house.told(&told_a), "still here");
    // Another path: the same server is connected to anew.
    let moved = one("moved", &format!("{b}/x"), "") + &one("kept", &a, "name = \"The first\"");
    assert_eq!(house.reload(&moved), "; ; client moved; client kept");
    assert_eq!(house.told(&told_b), "1000");
    assert_eq!(house.told(&told_b), "open");
    house.turn_until("moved", ClientState::Connected);
    // One goes, another comes.
    let gone = one("moved", &format!("{b}/x"), "") + &one("new", &a, "active = false");
    assert_eq!(
        house.reload(&gone),
        "client new; client kept; ; client moved"
    );
    assert_eq!(house.told(&told_a), "1000");
    assert_eq!(house.manager.find_client("kept"), None);
    assert_eq!(house.state("new"), ClientState::Disconnected);
    assert_eq!(house.state("moved"), ClientState::Connected);
    // A definition that is changed is as active as it says.
    let on = one("moved", &format!("{b}/x"), "active = false") + &one("new", &a, "");
    assert_eq!(house.reload(&on), "; ; client moved,client new; ");
    assert_eq!(house.told(&told_a), "open");
    assert_eq!(house.told(&told_b), "1000");
    house.turn_until("new", ClientState::Connected);
    house.turn_until("moved", ClientState::Disconnected);
}

#[test]
fn a_reload_keeps_what_commands_said() {
    let listener = listen(24, 0);
    let at = address(&listener);
    let told = serve(listener);
    let config = format!("[[client]]\nurl = \"ws://{at}\"\n");
    let mut house = House::new(&config);
    assert_eq!(house.told(&told), "open");
    let client = house.at("WS_CLIENT_1");
    house.turn_until("WS_CLIENT_1", ClientState::Connected);
    house.manager.disconnect_client(&mut house.engine, client);
    assert_eq!(house.told(&told), "1000");
    assert_eq!(house.reload(&config), "; ; ; client WS_CLIENT_1");
    house.turn();
    assert_eq!(house.state("WS_CLIENT_1"), ClientState::Disconnected);
    assert!(house.manager.client_status(client).unwrap().differs);
}
