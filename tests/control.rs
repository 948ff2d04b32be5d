//! Commands against a daemon that runs: the real command line, the real control socket.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use serde_json::{Value, json};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use daemon::{Daemon, PATIENCE};

mod daemon;

const CHAT: &str = "[[server]]\nid = \"chat\"\nname = \"Chat room\"\nbind = [\"127.0.0.1:0\"]\nmessages = \"echo\"\n";

/// As a user of a server that asks for Basic authorization.
fn open_as(daemon: &Daemon, credentials: &str) -> WebSocket<TcpStream> {
    let authorization = format!("Basic {credentials}");
    let opened = daemon.open_with(&[("Authorization", &authorization)]);
    opened.expect("an open WebSocket")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A connection to the control socket, without the command line in between.
struct Lines(BufReader<UnixStream>);

impl Lines {
    fn to(daemon: &Daemon) -> Lines {
        let stream = UnixStream::connect(daemon.folder.path().join("control")).expect("a daemon");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Lines(BufReader::new(stream))
    }

    fn say(&mut self, line: &str) {
        let mut stream = self.0.get_ref();
        stream
            .write_all(format!("{line}\n").as_bytes())
            .expect("it reads");
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        let count = self.0.read_line(&mut line).expect("a line");
        assert!(count > 0, "it has closed");
        json(&line)
    }

    fn subscribe(daemon: &Daemon, params: &Value) -> Lines {
        let mut lines = Lines::to(daemon);
        let request =
            json!({"jsonrpc": "2.0", "id": 0, "method": "events.subscribe", "params": params});
        lines.say(&request.to_string());
        assert!(lines.hear()["result"]["seq"].is_u64());
        lines
    }

    /// The params of the next event.
    fn event(&mut self) -> Value {
        let mut heard = self.hear();
        assert_eq!(heard["method"], "event", "{heard}");
        heard["params"].take()
    }
}

#[test]
fn status_shows_what_runs() {
    let config = format!("{CHAT}[[server]]\nid = \"off\"\nactive = false\nbind = [\"unix:off\"]\n");
    let daemon = Daemon::run(&config, 1);
    let _socket = daemon.open();
    let ran = daemon.command(&["status"]);
    let shown = ran.done();
    assert!(shown.starts_with("bellwire 0."), "{shown}");
    assert!(
        shown.contains("chat    Chat room  started            1"),
        "{shown}"
    );
    let status = json(daemon.command(&["status", "--json"]).done());
    let off = format!("unix:{}", daemon.folder.path().join("off").display());
    assert_eq!(
        status["servers"],
        json!([
            {"id": "chat", "name": "Chat room", "state": "started", "bindings": [daemon.address().to_string()],
                "connections": 1, "differs": false},
            {"id": "off", "name": "off", "state": "stopped", "bindings": [off], "connections": 0, "differs": false},
        ])
    );
    assert_eq!(status["clients"], json!([]));
    assert!(status["uptime"].is_u64());
    // The WebSocket, and this command's own.
    assert_eq!(status["counts"]["connections"], 2);
}

#[test]
fn servers_start_and_stop() {
    let config = format!("{CHAT}[[server]]\nid = \"off\"\nactive = false\nbind = [\"unix:off\"]\n");
    let mut daemon = Daemon::run(&config, 1);
    let mut events = Lines::subscribe(
        &daemon,
        &json!({"kinds": ["server_started", "server_stopped"]}),
    );
    let off = daemon.folder.path().join("off");
    let started = json(daemon.command(&["server", "start", "OFF", "--json"]).done());
    assert_eq!(
        (&started["state"], &started["differs"]),
        (&json!("started"), &json!(true))
    );
    assert_eq!(events.event()["source"], "off");
    assert!(UnixStream::connect(&off).is_ok());
    daemon.wait_for_log("server.start OFF");
    // Once more is no fault, and changes nothing.
    daemon.command(&["server", "start", "off"]).done();
    daemon.command(&["server", "stop", "off"]).done();
    assert!(!off.exists());
    let stopped = events.event();
    assert_eq!(
        (&stopped["kind"], &stopped["source"]),
        (&json!("server_stopped"), &json!("off"))
    );

    let mut socket = daemon.open();
    let stopped = json(daemon.command(&["server", "stop", "chat", "--json"]).done());
    assert_eq!(stopped["state"], "stopped");
    match socket.read() {
        Ok(Message::Close(Some(frame))) => assert_eq!(frame.code, CloseCode::Away),
        other => panic!("{other:?}"),
    }
    assert!(TcpStream::connect(daemon.address()).is_err());
    assert!(
        daemon
            .command(&["send", "chat", "x"])
            .failed(1)
            .contains("chat is stopped")
    );
    let listed = json(daemon.command(&["server", "list", "--json"]).done());
    assert_eq!(
        (&listed[0]["differs"], &listed[1]["differs"]),
        (&json!(true), &json!(false))
    );
    let listed = json(daemon.command(&["server", "list", "chat", "--json"]).done());
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    // Its index is used by another server, which gets its own connections.
    daemon.command(&["server", "start", "off"]).done();
    let mut peer = UnixStream::connect(&off).expect("a server");
    peer.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("written");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let config = "[[server]]\nid = \"a\"\nactive = false\nbind = [\"unix:a\"]\n";
    let daemon = Daemon::run(&format!("{CHAT}{config}"), 1);
    fs::write(daemon.folder.path().join("a"), "in the way").expect("a file");
    let ran = daemon.command(&["server", "start", "a"]);
    assert!(
        ran.failed(1).contains("a: cannot listen on unix:"),
        "{ran:?}"
    );
    let listed = json(daemon.command(&["server", "list", "a", "--json"]).done());
    assert_eq!(listed[0]["state"], "stopped");
}

#[test]
fn connections_are_listed_and_kicked() {
    let daemon = Daemon::run(CHAT, 1);
    let (mut first, _second) = (daemon.open(), daemon.open());
    first.send(Message::text("four")).expect("sent");
    assert_eq!(first.read().expect("an echo"), Message::text("four"));
    let listed = json(daemon.command(&["connections", "chat", "--json"]).done());
    let [one, other] = listed.as_array().expect("a list").as_slice() else {
        panic!("{listed}");
    };
    let peer = first
        .get_ref()
        .local_addr()
        .expect("an address")
        .to_string();
    assert_eq!(
        (&one["source"], &one["peer"]),
        (&json!("chat"), &json!(peer))
    );
    assert_eq!(
        (&one["messages_in"], &one["messages_out"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&other["messages_in"], &other["user"]),
        (&json!(0), &Value::Null)
    );
    let name = one["connection"].as_str().expect("a name");
    assert!(daemon.command(&["connections"]).done().contains(name));
    daemon
        .command(&["kick", name, "--code", "4000", "--reason", "too loud"])
        .done();
    match first.read() {
        Ok(Message::Close(Some(frame))) => {
            assert_eq!(
                (u16::from(frame.code), frame.reason.as_str()),
                (4000, "too loud")
            );
        }
        other => panic!("{other:?}"),
    }
    let mut events = Lines::subscribe(&daemon, &json!({"kinds": ["disconnect"]}));
    let name = other["connection"].as_str().expect("a name");
    daemon.command(&["kick", name]).done();
    drop(_second);
    let event = events.event();
    assert_eq!(
        (&event["connection"], &event["code"]),
        (&json!(name), &json!(1008))
    );
    assert!(
        daemon
            .command(&["kick", name])
            .failed(4)
            .contains("there is no connection")
    );
}

#[test]
fn messages_reach_their_receivers() {
    let config = format!(
        "{CHAT}[server.auth]\nbasic = true\n[server.users]\nlist = [\"alice=a\", \"bob=b\"]\n"
    );
    let daemon = Daemon::run(&config, 1);
    // alice:a, alice:a, bob:b
    let mut sockets = ["YWxpY2U6YQ==", "YWxpY2U6YQ==", "Ym9iOmI="].map(|it| open_as(&daemon, it));
    let listed = json(daemon.command(&["connections", "--json"]).done());
    let names: Vec<&str> = (0..3)
        .filter_map(|at| listed[at]["connection"].as_str())
        .collect();
    assert_eq!(listed[2]["user"], "bob");
    let reached = |args: &[&str], stdin: &[u8]| {
        let mut all = vec!["send", "--json"];
        all.extend(args);
        json(daemon.command_with(&all, stdin).done())["reached"].clone()
    };
    fs::write(daemon.folder.path().join("bytes"), b"\xff\x00").expect("a file");
    assert_eq!(reached(&["CHAT", "to all"], b""), 3);
    assert_eq!(reached(&["chat", "--to", names[0], "to one"], b""), 1);
    assert_eq!(
        reached(&["chat", "--except", names[0], "to others"], b""),
        2
    );
    assert_eq!(reached(&["chat", "--user", "alice", "to alice"], b""), 2);
    assert_eq!(reached(&["chat", "--user", "nobody", "to nobody"], b""), 0);
    assert_eq!(reached(&["chat", "--binary", "--file", "bytes"], b""), 3);
    assert_eq!(reached(&["chat", "--file", "-"], b"from stdin"), 3);
    assert_eq!(reached(&["chat", "--", "--last"], b""), 3);
    let expected: [&[&str]; 3] = [
        &["to all", "to one", "to alice"],
        &["to all", "to others", "to alice"],
        &["to all", "to others"],
    ];
    for (socket, texts) in sockets.iter_mut().zip(expected) {
        for text in texts {
            assert_eq!(socket.read().expect("a message"), Message::text(*text));
        }
        let bytes = Message::binary(&b"\xff\x00"[..]);
        assert_eq!(socket.read().expect("a message"), bytes);
        for text in ["from stdin", "--last"] {
            assert_eq!(socket.read().expect("a message"), Message::text(text));
        }
    }
    let gone = daemon.command(&["send", "chat", "--to", "c999", "x"]);
    assert!(gone.failed(4).contains("there is no connection c999"));
}

#[test]
fn events_are_streamed_and_filtered() {
    let config = format!("{CHAT}[[server]]\nid = \"other\"\nbind = [\"127.0.0.1:0\"]\n");
    let mut daemon = Daemon::run(&config, 2);
    let mut command = daemon.spawn(&[
        "events",
        "chat",
        "--kind",
        "message",
        "--kind",
        "disconnect",
        "--json",
    ]);
    daemon.wait_for_log("events.subscribe");
    let mut all = Lines::subscribe(&daemon, &json!({}));
    let mut socket = daemon.open();
    socket.send(Message::text("a\nb")).expect("sent");
    socket.send(Message::binary(&b"\xff"[..])).expect("sent");
    socket.close(None).expect("closed");
    while socket.read().is_ok() {}
    let mut stdout = BufReader::new(command.stdout.take().expect("a pipe")).lines();
    let mut next = || json(&stdout.next().expect("an event").expect("UTF-8"));
    let text = next();
    assert_eq!(
        (&text["kind"], &text["text"]),
        (&json!("message"), &json!("a\nb"))
    );
    let binary = next();
    assert_eq!(
        (&binary["base64"], &binary["source"]),
        (&json!("/w=="), &json!("chat"))
    );
    assert_eq!(next()["kind"], "disconnect");
    // Who wants all gets all, without a gap.
    let (mut kinds, mut seqs) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let event = all.event();
        kinds.push(event["kind"].as_str().unwrap_or_default().to_owned());
        seqs.push(event["seq"].as_u64().expect("a number"));
        assert_eq!(event["connection"], text["connection"]);
    }
    assert_eq!(kinds, ["connect", "message", "message", "disconnect"]);
    assert!(
        seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{seqs:?}"
    );
    daemon.signal(libc::SIGTERM);
    assert_eq!(command.wait().expect("its end").code(), Some(3));
}

#[test]
fn subscribers_get_all_events_of_the_stop() {
    let mut daemon = Daemon::run(CHAT, 1);
    let mut all = Lines::subscribe(&daemon, &json!({}));
    let mut socket = daemon.open();
    assert_eq!(all.event()["kind"], "connect");
    daemon.signal(libc::SIGTERM);
    daemon.wait_for_log("stopping: 2 connections open");
    // A peer takes its time; nothing more is done for anybody.
    all.say(r#"{"jsonrpc":"2.0","id":7,"method":"server.list"}"#);
    assert_eq!(all.hear()["error"]["message"], "the daemon is stopping");
    while socket.read().is_ok() {}
    let gone = all.event();
    assert_eq!(
        (&gone["kind"], &gone["code"]),
        (&json!("disconnect"), &json!(1001))
    );
    let stopped = all.event();
    assert_eq!(
        (&stopped["kind"], &stopped["source"]),
        (&json!("server_stopped"), &json!("chat"))
    );
    assert_eq!(all.0.read(&mut [0]).expect("its end"), 0);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_subscriber_that_does_not_read_is_told_what_it_lost() {
    const MESSAGES: u64 = 600;
    let daemon = Daemon::run(CHAT, 1);
    let mut slow = Lines::subscribe(&daemon, &json!({"kinds": ["message"]}));
    let mut socket = daemon.open();
    let long = "x".repeat(10_000);
    for _ in 0..MESSAGES {
        socket.send(Message::text(long.as_str())).expect("sent");
        socket
            .read()
            .expect("an echo: nobody waits for the subscriber");
    }
    let (mut got, mut lost) = (0, 0);
    while got + lost < MESSAGES {
        let event = slow.event();
        match event["kind"].as_str() {
            Some("message") => got += 1,
            Some("lost") => lost += event["count"].as_u64().expect("a count"),
            other => panic!("{other:?}"),
        }
    }
    assert!(
        got > 0 && lost > 0 && got + lost == MESSAGES,
        "{got} {lost}"
    );
    // It has caught up.
    socket.send(Message::text("and on")).expect("sent");
    assert_eq!(slow.event()["text"], "and on");
}

#[test]
fn sequence_numbers_have_gaps_only_for_lost_events() {
    const MESSAGES: u64 = 600;
    let daemon = Daemon::run(CHAT, 1);
    let messages = json!({"kinds": ["message"]});
    let mut slow = Lines::subscribe(&daemon, &messages);
    let mut fast = Lines::subscribe(&daemon, &messages);
    let mut socket = daemon.open();
    let mut last = 0;
    let mut say = |text: &str| {
        socket.send(Message::text(text)).expect("sent");
        socket.read().expect("an echo");
        let event = fast.event();
        let seq = event["seq"].as_u64().expect("a number");
        assert_eq!(event["kind"], "message");
        assert!(last == 0 || seq == last + 1, "{seq} after {last}");
        last = seq;
        seq
    };
    let first = say("first");
    let long = "x".repeat(10_000);
    let end = (1..MESSAGES).map(|_| say(&long)).last();
    let end = end.expect("a number");
    let (mut seen, mut gaps) = (first - 1, 0);
    while seen < end {
        let event = slow.event();
        let count = match event["kind"].as_str() {
            Some("lost") => event["count"].as_u64().expect("a count"),
            _ => 1,
        };
        gaps += u64::from(event["kind"] == "lost");
        assert_eq!(event["seq"], seen + count, "after {seen}");
        seen += count;
    }
    assert!(gaps > 0);
    // Nobody else's numbers were used up for that.
    assert_eq!(say("last"), end + 1);
    assert_eq!(slow.event()["seq"], end + 1);
}

#[test]
fn a_caller_that_does_not_read_does_not_stall_others() {
    let daemon = Daemon::run(CHAT, 1);
    let greedy = UnixStream::connect(daemon.folder.path().join("control")).expect("a daemon");
    greedy.set_nonblocking(true).expect("a mode");
    let request = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n".repeat(1000);
    let mut socket = daemon.open();
    let mut written = 0;
    while written < 16 << 20 {
        match (&greedy).write(request.as_bytes()) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            // It was closed, for it reads nothing.
            Err(_) => break,
        }
    }
    socket.send(Message::text("still here?")).expect("sent");
    assert_eq!(
        socket.read().expect("an echo"),
        Message::text("still here?")
    );
    let status = json(daemon.command(&["status", "--json"]).done());
    let memory = status["counts"]["memory"].as_u64().expect("a number");
    assert!(memory < 16 << 20, "{memory}");
}

#[test]
fn lines_are_answered_in_their_order_until_the_last() {
    let daemon = Daemon::run(CHAT, 1);
    let mut lines = Lines::to(&daemon);
    lines.say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.list\"}");
    lines.say("nonsense");
    lines.say("");
    lines.say("{\"jsonrpc\":\"2.0\",\"method\":\"kick\",\"params\":{\"connection\":\"c99\"}}");
    lines.say(
        "[{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"connections\"},{\"jsonrpc\":\"2.0\",\"id\":\"b\",\"method\":\"no\"}]",
    );
    lines.say(
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"respond\",\"params\":{\"request\":\"r7\"}}",
    );
    let stream = lines.0.get_ref();
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("half a close");
    assert_eq!(lines.hear()["result"][0]["id"], "chat");
    assert_eq!(lines.hear()["error"]["code"], -32700);
    let batch = lines.hear();
    assert_eq!(
        (&batch[0]["result"], &batch[1]["error"]["code"]),
        (&json!([]), &json!(-32601))
    );
    assert_eq!(lines.hear()["error"]["code"], -32001);
    assert_eq!(lines.0.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn a_line_that_is_too_long_is_refused() {
    let daemon = Daemon::run(CHAT, 1);
    let mut lines = Lines::to(&daemon);
    lines.say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"connections\"}");
    // The longest message, twice, and the text around it: see rpc::max_line.
    let long = "x".repeat((2 << 20) + (64 << 10) + 1);
    let mut stream = lines.0.get_ref();
    stream.write_all(long.as_bytes()).expect("it reads");
    assert_eq!(lines.hear()["result"], json!([]));
    let refused = lines.hear();
    assert_eq!(
        (&refused["error"]["code"], &refused["id"]),
        (&json!(-32700), &Value::Null)
    );
    assert_eq!(lines.0.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn exit_codes_say_what_went_wrong() {
    let mut daemon = Daemon::run(CHAT, 1);
    for args in [
        &["server", "stop", "chta"][..],
        &["client", "connect", "up"],
        &["send", "chta", "x"],
        &["connections", "chta"],
        &["respond", "r7"],
        &["kick", "c99"],
    ] {
        daemon.command(args).failed(4);
    }
    daemon.command(&["kick", "99"]).failed(2);
    let long = "x".repeat(200);
    daemon.command(&["kick", "c1", "--reason", &long]).failed(2);
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(!daemon.folder.path().join("control").exists());
    let ran = daemon.command(&["status"]);
    assert!(ran.failed(3).contains("is the daemon running?"), "{ran:?}");
}

#[test]
fn the_socket_is_for_its_user_and_group_and_for_one_daemon() {
    let daemon = Daemon::run("[[server]]\nid = \"a\"\nbind = [\"127.0.0.1:0\"]\n", 1);
    let socket = daemon.folder.path().join("control");
    let mode = fs::metadata(&socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let second = Command::new(env!("CARGO_BIN_EXE_bellwire"))
        .args(["run", "-c", "bellwire.toml"])
        .current_dir(daemon.folder.path())
        .env_remove("JOURNAL_STREAM")
        .output()
        .expect("the binary runs");
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("already running"), "{said}");
    // And the first is none the worse.
    daemon.command(&["status"]).done();
}

#[test]
fn a_stale_socket_is_replaced_and_its_folder_made() {
    let config = "[[server]]\nbind = [\"127.0.0.1:0\"]\n[daemon]\nsocket = \"run/control\"\n";
    let daemon = Daemon::run(config, 1);
    assert!(UnixStream::connect(daemon.folder.path().join("run/control")).is_ok());
    let daemon = Daemon::run_in(config, 1, |folder| {
        fs::create_dir(folder.join("run")).expect("a folder");
        // The listener goes, and its path stays.
        drop(UnixListener::bind(folder.join("run/control")).expect("a listener"));
    });
    assert!(UnixStream::connect(daemon.folder.path().join("run/control")).is_ok());
}

/// A daemon with a client of another one's server, which is started by the client.
fn upstream_and(daemon: &Daemon, rest: &str) -> String {
    let address = daemon.address();
    format!("{CHAT}[[client]]\nid = \"Up\"\nurl = \"ws://{address}/\"\nactive = false\n{rest}")
}

#[test]
fn clients_connect_send_and_disconnect() {
    let upstream = Daemon::run(CHAT, 1);
    let daemon = Daemon::run(&upstream_and(&upstream, ""), 1);
    let kinds =
        json!({"ids": ["up"], "kinds": ["client_connected", "client_disconnected", "message"]});
    let mut events = Lines::subscribe(&daemon, &kinds);
    let listed = json(daemon.command(&["client", "list", "--json"]).done());
    assert_eq!(
        (&listed[0]["id"], &listed[0]["state"]),
        (&json!("Up"), &json!("disconnected"))
    );
    let nobody = daemon.command(&["send", "up", "hello"]);
    assert!(
        nobody.failed(3).contains("up is not connected"),
        "{nobody:?}"
    );
    let connecting = json(
        daemon
            .command(&["client", "connect", "UP", "--json"])
            .done(),
    );
    assert_eq!(connecting["differs"], true);
    let connected = events.event();
    assert_eq!(connected["kind"], "client_connected");
    let reached = json(daemon.command(&["send", "up", "hello", "--json"]).done());
    assert_eq!(reached, json!({"reached": 1}));
    assert_eq!(events.event()["text"], "hello");
    let listed = json(daemon.command(&["connections", "up", "--json"]).done());
    assert_eq!(
        (&listed[0]["source"], &listed[0]["connection"]),
        (&json!("Up"), &connected["connection"])
    );
    let name = connected["connection"].as_str().expect("a name");
    for (args, reached) in [
        (["--to", name], 1),
        (["--except", name], 0),
        (["--user", "alice"], 0),
    ] {
        let args = [&["send", "up", "x", "--json"][..], &args].concat();
        assert_eq!(
            json(daemon.command(&args).done()),
            json!({"reached": reached})
        );
    }
    daemon
        .command(&["send", "up", "x", "--to", "c999"])
        .failed(4);
    assert_eq!(events.event()["text"], "x");
    let status = json(daemon.command(&["status", "--json"]).done());
    assert_eq!(status["clients"][0]["state"], "connected");
    daemon.command(&["client", "disconnect", "up"]).done();
    assert_eq!(events.event()["kind"], "client_disconnected");
    let status = json(daemon.command(&["client", "list", "up", "--json"]).done());
    assert_eq!(
        (&status[0]["state"], &status[0]["differs"]),
        (&json!("disconnected"), &json!(false))
    );
    daemon.command(&["client", "list", "down"]).failed(4);
}

#[test]
fn a_worker_speaks_the_same_language() {
    // It sends each message to all, makes a request that is not allowed, and writes the answer to stderr.
    let script = r#"while read -r event; do
echo '{"jsonrpc":"2.0","id":1,"method":"send","params":{"id":"chat","text":"from the worker"}}'
read -r answer; echo "heard $answer" >&2
echo '{"jsonrpc":"2.0","id":2,"method":"events.subscribe"}'
read -r answer; echo "heard $answer" >&2
done"#;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("worker.sh");
    fs::write(&path, script).expect("a script");
    let config = format!(
        "{CHAT}[[trigger]]\non = \"message\"\nmode = \"worker\"\nrun = [\"sh\", {:?}]\n",
        path.display().to_string()
    );
    let mut daemon = Daemon::run(&config, 1);
    let mut socket = daemon.open();
    socket.send(Message::text("go")).expect("sent");
    assert_eq!(
        socket.read().expect("a message"),
        Message::text("from the worker")
    );
    daemon.wait_for_log("heard {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"reached\":1}}");
    daemon.wait_for_log("events.subscribe is for the control socket");
}
