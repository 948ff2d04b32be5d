//! Clients, as commands and a reload use them.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use socket2::SockRef;
use tungstenite::Message;

use super::*;
use crate::manager::client::NotConnected;
use crate::proto::ws::frame::Kind;
use crate::rpc::ClientState;

/// An address of this machine's own, which no other test has: so that a port can be found again after a while.
fn listen(host: u8, port: u16) -> TcpListener {
    let address = SocketAddrV4::new(Ipv4Addr::new(127, 0, 7, host), port);
    let listener = TcpListener::bind(address).expect("a free port");
    // accept(2) keeps to it as well.
    SockRef::from(&listener)
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout");
    listener
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("an address")
}

impl Rig {
    fn at(&self, id: &str) -> usize {
        let found = self.manager.state.clients.find(id);
        found.expect("a client of that id")
    }

    fn status(&self, id: &str) -> rpc::ClientStatus {
        let status = self.manager.state.clients.status_of(self.at(id));
        status.expect("its status")
    }

    fn state(&self, id: &str) -> ClientState {
        self.status(id).state
    }

    fn until_state(&mut self, id: &str, state: ClientState) {
        self.turn_until("the state", |rig| rig.state(id) == state);
    }

    fn connect(&mut self, id: &str) {
        let at = self.at(id);
        self.manager.state.clients.connect(&mut self.engine, at);
    }

    fn disconnect(&mut self, id: &str) {
        let at = self.at(id);
        self.manager.state.clients.disconnect(&mut self.engine, at);
        self.engine.settle(&mut self.manager);
    }

    /// Turns until the servers have told something.
    fn told(&mut self, told: &Receiver<String>) -> String {
        let mut text = None;
        self.turn_until("something told", |_| {
            text = told.try_recv().ok();
            text.is_some()
        });
        text.expect("it was told")
    }

    fn send(&mut self, id: &str, text: &str) -> Result<u64, NotConnected> {
        let at = self.at(id);
        let State {
            clients, context, ..
        } = &mut self.manager.state;
        let sent = clients.send(&mut self.engine, context, at, Kind::Text, text.as_bytes());
        self.engine.settle(&mut self.manager);
        sent
    }

    fn changes(&mut self, config: &str) -> String {
        let did = self.reload(config);
        let lists = [&did.started, &did.stopped, &did.changed, &did.kept];
        lists.map(|list| list.join(",")).join("; ")
    }
}

/// Serves connections one after the other in a thread, and tells what comes: `open`, texts, and the code of the end.
fn serve(listener: TcpListener) -> Receiver<String> {
    let (sender, told) = channel();
    thread::spawn(move || {
        loop {
            let (stream, _) = listener.accept().expect("a client that comes");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let mut socket = tungstenite::accept(stream).expect("an opening handshake");
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
    let mut rig = Rig::new(&format!(
        "[[client]]\nid = \"Up\"\nurl = \"ws://{at}\"\nactive = false\nreconnect = \"1min\"\n"
    ));
    rig.turn();
    assert_eq!(rig.state("up"), ClientState::Disconnected);
    assert_eq!(rig.send("UP", "hi"), Err(NotConnected));
    rig.connect("UP");
    assert_eq!(rig.state("up"), ClientState::Connecting);
    assert_eq!(rig.told(&told), "open");
    rig.until_state("up", ClientState::Connected);
    assert!(rig.status("up").differs);
    assert_eq!(rig.send("up", "hi"), Ok(1));
    assert_eq!(rig.told(&told), "hi");
    // To connect what is connected changes nothing.
    rig.connect("UP");
    assert_eq!(rig.state("up"), ClientState::Connected);
    rig.disconnect("UP");
    assert_eq!(rig.state("up"), ClientState::Disconnected);
    assert_eq!(rig.send("up", "late"), Err(NotConnected));
    // While it is closing, another connection is asked for: it comes after that.
    rig.connect("UP");
    assert_eq!(rig.told(&told), "1000");
    assert_eq!(rig.told(&told), "open");
    rig.until_state("up", ClientState::Connected);
    // A command does not wait for the next attempt.
    assert_eq!(rig.send("up", "leave"), Ok(1));
    rig.until_state("up", ClientState::Waiting);
    assert_eq!(rig.told(&told), "gone");
    let status = rig.status("up");
    assert!(status.error.is_some_and(|it| it.contains("peer")));
    rig.connect("UP");
    assert_eq!(rig.told(&told), "open");
    rig.until_state("up", ClientState::Connected);
    assert_eq!(rig.status("up").error, None);
}

#[test]
fn what_is_kept_is_sent_after_the_greeting() {
    let listener = listen(22, 0);
    let at = address(&listener);
    drop(listener);
    let mut rig = Rig::new(&format!(
        "[[client]]\nurl = \"ws://{at}\"\nreconnect = \"100ms\"\non_connect = [\"hello\"]\noutbox = 2\n\
         [[client]]\nid = \"brief\"\nurl = \"ws://{at}\"\nactive = false\noutbox = 9\noutbox_ttl = \"100ms\"\n\
         on_connect = [\"empty\"]\n"
    ));
    rig.until_state("WS_CLIENT_1", ClientState::Waiting);
    for text in ["a", "b", "c"] {
        assert_eq!(rig.send("WS_CLIENT_1", text), Ok(0));
    }
    assert_eq!(rig.send("brief", "too old"), Ok(0));
    let told = serve(listen(22, at.port()));
    for text in ["open", "hello", "b", "c"] {
        assert_eq!(rig.told(&told), text);
    }
    assert_eq!(rig.send("WS_CLIENT_1", "d"), Ok(1));
    assert_eq!(rig.told(&told), "d");
    // When the time of the message is over, there is nothing left to be done.
    let end = Instant::now() + PATIENCE;
    while rig.manager.deadline().is_some() {
        assert!(Instant::now() < end);
        rig.turn();
    }
    assert_eq!(rig.send("WS_CLIENT_1", "leave"), Ok(1));
    assert_eq!(rig.told(&told), "gone");
    rig.disconnect("WS_CLIENT_1");
    rig.connect("brief");
    let mut all = Vec::new();
    while all.last().map(String::as_str) != Some("end") {
        let text = rig.told(&told);
        if text == "empty" {
            assert_eq!(rig.send("brief", "end"), Ok(1));
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
    let mut rig = Rig::new(&(one("kept", &a, "") + &one("moved", &b, "")));
    assert_eq!(rig.told(&told_a), "open");
    assert_eq!(rig.told(&told_b), "open");
    rig.until_state("kept", ClientState::Connected);
    rig.until_state("moved", ClientState::Connected);
    // Nothing has changed, but the order of the file.
    let same = one("moved", &b, "") + &one("kept", &a, "");
    assert_eq!(rig.changes(&same), "; ; ; client moved,client kept");
    let clients = rig.manager.state.clients.status();
    let ids: Vec<String> = clients.into_iter().map(|status| status.id).collect();
    assert_eq!(ids, ["moved", "kept"]);
    // What the server was not told does not close the connection.
    let renamed = one("moved", &b, "") + &one("kept", &a, "name = \"The first\"");
    assert_eq!(rig.changes(&renamed), "; ; client kept; client moved");
    assert_eq!(rig.state("kept"), ClientState::Connected);
    assert_eq!(rig.send("kept", "still here"), Ok(1));
    assert_eq!(rig.told(&told_a), "still here");
    // Another path: the same server is connected to anew.
    let moved = one("moved", &format!("{b}/x"), "") + &one("kept", &a, "name = \"The first\"");
    assert_eq!(rig.changes(&moved), "; ; client moved; client kept");
    assert_eq!(rig.told(&told_b), "1000");
    assert_eq!(rig.told(&told_b), "open");
    rig.until_state("moved", ClientState::Connected);
    // One goes, another comes.
    let gone = one("moved", &format!("{b}/x"), "") + &one("new", &a, "active = false");
    assert_eq!(
        rig.changes(&gone),
        "client new; client kept; ; client moved"
    );
    assert_eq!(rig.told(&told_a), "1000");
    assert_eq!(rig.manager.state.clients.find("kept"), None);
    assert_eq!(rig.state("new"), ClientState::Disconnected);
    assert_eq!(rig.state("moved"), ClientState::Connected);
    // A definition that is changed is as active as it says.
    let on = one("moved", &format!("{b}/x"), "active = false") + &one("new", &a, "");
    assert_eq!(rig.changes(&on), "; ; client moved,client new; ");
    assert_eq!(rig.told(&told_a), "open");
    assert_eq!(rig.told(&told_b), "1000");
    rig.until_state("new", ClientState::Connected);
    rig.until_state("moved", ClientState::Disconnected);
}

#[test]
fn a_reload_keeps_what_commands_said() {
    let listener = listen(24, 0);
    let at = address(&listener);
    let told = serve(listener);
    let config = format!("[[client]]\nurl = \"ws://{at}\"\n");
    let mut rig = Rig::new(&config);
    assert_eq!(rig.told(&told), "open");
    rig.until_state("WS_CLIENT_1", ClientState::Connected);
    rig.disconnect("WS_CLIENT_1");
    assert_eq!(rig.told(&told), "1000");
    assert_eq!(rig.changes(&config), "; ; ; client WS_CLIENT_1");
    rig.turn();
    assert_eq!(rig.state("WS_CLIENT_1"), ClientState::Disconnected);
    assert!(rig.status("WS_CLIENT_1").differs);
}
