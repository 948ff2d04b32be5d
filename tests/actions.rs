//! Every action on every kind of connection: of a server and of a client, plain and over TLS, text and binary. The daemon
//! runs, and its peers are tungstenite in both roles, which refuses frames that are masked for the wrong role.
//!
//! A test collects what goes wrong in all its cases, and opens a new connection for the next case where one has failed.

use ends::{Ends, Heard, Peer, SOURCES, hear, heard, message};
use tungstenite::Message;

mod authority;
mod daemon;
#[path = "actions/ends.rs"]
mod ends;
mod peer;

/// Says a message to the daemon and compares what each listener hears.
struct Cases {
    ends: Ends,
    peers: Vec<(&'static str, Option<Peer>)>,
    faults: Vec<String>,
}

impl Cases {
    fn new(ends: Ends) -> Cases {
        let peers = SOURCES.map(|source| (source, Some(ends.open(source))));
        Cases {
            peers: peers.into(),
            ends,
            faults: Vec::new(),
        }
    }

    /// The peer of a source; a new one, if the last case has ended its connection.
    fn peer(&mut self, source: &str) -> &mut Peer {
        let (_, peer) = self
            .peers
            .iter_mut()
            .find(|(name, _)| *name == source)
            .expect("a source");
        peer.get_or_insert_with(|| self.ends.open(source))
    }

    fn say(&mut self, source: &str, message: Message) {
        let said = self.peer(source).send(message);
        self.check(source, source, said.map_err(|error| error.to_string()));
    }

    /// The peer of `source` hears this next.
    fn expect(&mut self, case: &str, source: &str, expected: &[Heard]) {
        for expected in expected {
            let heard = hear(self.peer(source));
            let same = heard == *expected;
            let result = same
                .then_some(())
                .ok_or_else(|| format!("{heard:?}, not {expected:?}"));
            if !self.check(case, source, result) {
                break;
            }
        }
    }

    fn check(&mut self, case: &str, source: &str, result: Result<(), String>) -> bool {
        let Err(fault) = result else { return true };
        self.faults
            .push(format!("{case}: the peer of {source} heard {fault}"));
        self.drop_peer(source);
        false
    }

    /// Answers the Close frame that was heard, and leaves.
    fn close(&mut self, source: &str) {
        let peer = self.peer(source);
        while peer.read().is_ok() {}
        self.drop_peer(source);
    }

    fn drop_peer(&mut self, source: &str) {
        let peer = self.peers.iter_mut().find(|(name, _)| *name == source);
        peer.expect("a source").1 = None;
    }

    fn end(self) {
        assert!(
            self.faults.is_empty(),
            "{} faults: {:#?}",
            self.faults.len(),
            self.faults
        );
    }
}

/// What is said for each kind of message, and what is heard for it on the same connection.
type Reply = (&'static str, [&'static [Expected]; 2]);

enum Expected {
    Text(&'static str),
    Binary(&'static [u8]),
    End(u16),
}

use Expected::{Binary, End, Text};

impl Expected {
    fn heard(&self) -> Heard {
        match *self {
            Text(text) => Heard::Text(text.to_owned()),
            Binary(bytes) => Heard::Binary(bytes.to_vec()),
            End(code) => Heard::Close(code, String::new()),
        }
    }
}

/// What a script says is binary where it is not UTF-8: hence the byte 0xff behind an answer to a binary message.
const REPLIES: &[Reply] = &[
    (
        "whole\nof it",
        [&[Text("whole\nof it")], &[Binary(b"whole\nof it\xff")]],
    ),
    (
        "lines\nof it",
        [
            &[Text("lines"), Text("of it")],
            &[Text("lines"), Binary(b"of it\xff")],
        ],
    ),
    // A process of a connection gets binary messages in base64.
    (
        "per connection",
        [
            &[Text("per connection")],
            &[Binary(b"cGVyIGNvbm5lY3Rpb24=\xff")],
        ],
    ),
    ("worker", [&[Text("from the worker")], &[Binary(b"\xff\0")]]),
    ("send", [&[Text("sent")], &[Text("sent")]]),
    // The process ends, and so does its connection. Of binary messages it hears no such order.
    (
        "per connection, end",
        [&[End(1000)], &[Binary(b"cGVyIGNvbm5lY3Rpb24sIGVuZA==\xff")]],
    ),
];

const REPLY_TRIGGERS: &str = r#"
[[trigger]]
on = "message"
match = "starts_with"
string = "whole"
run = ["sh", "-c", '''cat; [ $BELLWIRE_TYPE = text ] || printf '\377' ''']
reply = "whole"
[[trigger]]
on = "message"
match = "starts_with"
string = "lines"
run = ["sh", "-c", '''cat; [ $BELLWIRE_TYPE = text ] || printf '\377' ''']
reply = "lines"
[[trigger]]
on = "message"
match = "starts_with"
string = "per connection"
mode = "connection"
run = ["sh", "-c", '''
    while read -r line; do
        case $line in
            *end) exit 0;;
            per*) echo "$line";;
            *) printf '%s\377\n' "$line";;
        esac
    done''']
[[trigger]]
on = "message"
match = "exact"
string = "worker"
mode = "worker"
run = ["sh", "-c", '''
    while read -r line; do
        case $line in
            *'"base64":'*) data='"base64":"/wA="';;
            *'"text":'*) data='"text":"from the worker"';;
            *) continue;;
        esac
        source=${line#*'"source":"'}
        connection=${line#*'"connection":"'}
        echo "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"send\",\"params\":{\"id\":\"${source%%\"*}\",\"to\":\"${connection%%\"*}\",$data}}"
    done''']
[[trigger]]
on = "message"
match = "exact"
string = "send"
send = "sent"
"#;

#[test]
fn scripts_and_triggers_reply_to_the_connection_that_spoke() {
    let mut cases = Cases::new(Ends::start("", "", REPLY_TRIGGERS));
    for source in SOURCES {
        for (said, replies) in REPLIES {
            for (binary, expected) in [false, true].into_iter().zip(replies) {
                let expected: Vec<Heard> = expected.iter().map(Expected::heard).collect();
                let case = format!("reply to {said:?}, binary: {binary}");
                cases.say(source, message(binary, said));
                cases.expect(&case, source, &expected);
                if matches!(expected[..], [Heard::Close(..)]) {
                    cases.close(source);
                }
            }
        }
    }
    cases.end();
}

#[test]
fn messages_are_forwarded_between_all_kinds_of_connections() {
    let triggers = SOURCES.map(|to| {
        format!("[[trigger]]\non = \"message\"\nmatch = \"exact\"\nstring = \"to {to}\"\nforward = \"{to}\"\n")
    });
    let mut cases = Cases::new(Ends::start("", "", &triggers.concat()));
    for from in SOURCES {
        for to in SOURCES {
            for binary in [false, true] {
                let said = format!("to {to}");
                cases.say(from, message(binary, &said));
                let case = format!("forward from {from}, binary: {binary}");
                cases.expect(&case, to, &[heard(binary, &said)]);
            }
        }
    }
    cases.end();
}

#[test]
fn commands_send_to_all_kinds_of_connections() {
    let mut cases = Cases::new(Ends::start("", "", ""));
    for source in SOURCES {
        let name = cases.ends.connection_of(source);
        for to in [&[][..], &["--to", &name]] {
            for (binary, kind) in [(false, &[][..]), (true, &["--binary"])] {
                let args = [&["send", source, "--file", "-"], to, kind].concat();
                cases
                    .ends
                    .daemon
                    .command_with(&args, b"from a command")
                    .done();
                cases.expect(&args.join(" "), source, &[heard(binary, "from a command")]);
            }
        }
    }
    cases.end();
}

#[test]
fn a_broadcast_reaches_the_other_connections_of_the_server() {
    let mut cases = Cases::new(Ends::start("messages = \"broadcast\"", "", ""));
    for source in ["server", "server_tls"] {
        let mut speaker = cases.ends.open(source);
        for binary in [false, true] {
            speaker.send(message(binary, "to all")).expect("sent");
            cases.expect("broadcast", source, &[heard(binary, "to all")]);
        }
        // The speaker has heard nothing of it before this.
        cases.say(source, Message::text("of another"));
        assert_eq!(hear(&mut speaker), heard(false, "of another"));
    }
    cases.end();
}

#[test]
fn a_new_connection_is_greeted() {
    let triggers = r#"
[[trigger]]
on = "connect"
send = "from a trigger"
continue = true
[[trigger]]
on = "connect"
run = ["printf", "from a script"]
reply = "whole"
continue = true
[[trigger]]
on = "connect"
run = ["printf", '\377']
reply = "lines"
continue = true
[[trigger]]
on = "connect"
mode = "connection"
run = ["sh", "-c", "echo from its process; exec cat"]
"#;
    let mut cases = Cases::new(Ends::start("", "on_connect = [\"hello\"]", triggers));
    for source in SOURCES {
        let greeting = ["hello"]
            .into_iter()
            .filter(|_| source.starts_with("client"));
        let texts = ["from a trigger", "from a script", "from its process"];
        let texts = greeting.chain(texts).map(|text| heard(false, text));
        let mut expected: Vec<Heard> = texts.chain([Heard::Binary(vec![0xff])]).collect();
        expected.sort();
        // The scripts run side by side.
        let peer = cases.peer(source);
        let mut all: Vec<Heard> = expected.iter().map(|_| hear(peer)).collect();
        all.sort();
        let same = all == expected;
        cases.check(
            "connect",
            source,
            same.then_some(()).ok_or_else(|| format!("{all:?}")),
        );
    }
    cases.end();
}

#[test]
fn a_kick_closes_all_kinds_of_connections() {
    let mut cases = Cases::new(Ends::start("", "", ""));
    for source in SOURCES {
        let name = cases.ends.connection_of(source);
        let args = ["kick", &name, "--code", "4000", "--reason", "too loud"];
        cases.ends.daemon.command(&args).done();
        cases.expect("kick", source, &[Heard::Close(4000, "too loud".to_owned())]);
    }
    cases.end();
}
