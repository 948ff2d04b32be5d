//! Commands against a fake daemon: what each sends, what it prints, and its exit status.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::thread;

use serde_json::{Value, json};

use fake::{Daemon, bellwire, done, ended, run};

#[path = "commands/fake.rs"]
mod fake;

fn request(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

fn server(state: &str) -> Value {
    json!({"id": "chat", "name": "Chat room", "state": state, "bindings": ["127.0.0.1:8080", "[::1]:8080"],
        "connections": 2, "differs": false})
}

const SERVERS: &str = "\
SERVER  NAME       STATE    CONNECTIONS  BINDINGS
chat    Chat room  started            2  127.0.0.1:8080, [::1]:8080
";

fn client(state: &str) -> Value {
    json!({"id": "up", "name": "up", "state": state, "since": null, "error": "refused", "differs": true})
}

const CLIENTS: &str = "\
CLIENT  NAME  STATE                   SINCE  ERROR
up      up    waiting (by a command)         refused
";

#[test]
fn each_verb_sends_its_request_and_prints_the_result() {
    let connection = json!({"connection": "c42", "source": "chat", "peer": "[::1]:9", "user": "a\u{1b}[2J",
        "since": "2999-01-01T00:00:00.000Z", "messages_in": 1, "messages_out": 22, "bytes_in": 333, "bytes_out": 4});
    let connections = "\
CONNECTION  SOURCE  PEER     USER        AGE  MESSAGES IN  OUT  BYTES IN  OUT
c42         chat    [::1]:9  a\\u{1b}[2J  0 s            1   22       333    4
";
    let status = json!({"version": "0.1.0", "uptime": 61, "servers": [server("started")],
        "clients": [client("waiting")], "counts": {"events": 17}});
    let whole = format!("bellwire 0.1.0, up 1 min 1 s\n\n{SERVERS}\n{CLIENTS}\nevents 17\n");
    let reloaded =
        json!({"started": ["server b"], "stopped": [], "changed": [], "kept": ["server chat"]});
    for (args, method, params, result, shown) in [
        (
            ["status"].as_slice(),
            "status",
            json!({}),
            status,
            whole.as_str(),
        ),
        (
            &["reload"],
            "reload",
            json!({}),
            reloaded.clone(),
            "started server b\n",
        ),
        (
            &["reload", "--dry-run"],
            "reload",
            json!({"dry_run": true}),
            reloaded,
            "would start server b\n",
        ),
        (
            &["server", "list"],
            "server.list",
            json!({}),
            json!([server("started")]),
            SERVERS,
        ),
        (
            &["server", "start", "chat"],
            "server.start",
            json!({"id": "chat"}),
            server("started"),
            SERVERS,
        ),
        (
            &["server", "stop", "chat"],
            "server.stop",
            json!({"id": "chat"}),
            server("started"),
            SERVERS,
        ),
        (
            &["client", "list", "up"],
            "client.list",
            json!({"id": "up"}),
            json!([client("waiting")]),
            CLIENTS,
        ),
        (
            &["client", "connect", "up"],
            "client.connect",
            json!({"id": "up"}),
            client("waiting"),
            CLIENTS,
        ),
        (
            &["client", "disconnect", "up"],
            "client.disconnect",
            json!({"id": "up"}),
            client("waiting"),
            CLIENTS,
        ),
        (
            &["connections"],
            "connections",
            json!({}),
            json!([connection]),
            connections,
        ),
        (
            &["connections", "chat"],
            "connections",
            json!({"id": "chat"}),
            json!([]),
            "no connections\n",
        ),
        (
            &["send", "chat", "--to", "c42", "--", "-hello"],
            "send",
            json!({"id": "chat", "text": "-hello", "to": "c42"}),
            json!({"reached": 1}),
            "reached 1 connection\n",
        ),
        (
            &["send", "chat", "--binary", "--user", "alice", "hello"],
            "send",
            json!({"id": "chat", "base64": "aGVsbG8=", "user": "alice"}),
            json!({"reached": 2}),
            "reached 2 connections\n",
        ),
        (
            &["kick", "c42", "--reason", "too loud"],
            "kick",
            json!({"connection": "c42", "code": 1008, "reason": "too loud"}),
            json!({}),
            "",
        ),
        (
            &[
                "respond",
                "r7",
                "--status",
                "201",
                "--type",
                "text/html",
                "--text",
                "<p>",
                "--header",
                "X-A: b",
                "--cookie",
                "k=v; HttpOnly",
            ],
            "respond",
            json!({"request": "r7", "status": 201, "type": "text/html", "text": "<p>", "headers": [["X-A", "b"]],
                "cookies": ["k=v; HttpOnly"]}),
            json!({}),
            "",
        ),
        (
            &["respond", "r7", "--redirect", "/login"],
            "respond",
            json!({"request": "r7", "redirect": "/login"}),
            json!({}),
            "",
        ),
    ] {
        let (sent, ran) = Daemon::with_result(&result).run(args);
        assert_eq!(sent, request(method, &params), "{args:?}");
        assert_eq!(ran, done(shown), "{args:?}");
        let (_, quiet) = Daemon::with_result(&result).run(&[&["-q"], args].concat());
        assert_eq!(quiet, done(""), "{args:?} -q");
        let (_, raw) = Daemon::with_result(&result).run(&[&["--json"], args].concat());
        assert_eq!(raw, done(&format!("{result}\n")), "{args:?} --json");
    }
}

#[test]
fn json_is_what_the_daemon_wrote() {
    // The order of its members, and a number that no float holds.
    let result = "{\"z\":123456789012345678901,\"a\": [ ]}";
    let daemon = Daemon::answering(&format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{result}}}\n"
    ));
    let (_, ran) = daemon.run(&["status", "--json"]);
    assert_eq!(ran, done(&format!("{result}\n")));
}

#[test]
fn messages_come_from_stdin_and_files() {
    let reached = json!({"reached": 0});
    for args in [["send", "a"].as_slice(), &["send", "a", "--file", "-"]] {
        let (sent, ran) = Daemon::with_result(&reached).run_with(args, "é\n".as_bytes());
        assert_eq!(sent, request("send", &json!({"id": "a", "text": "é\n"})));
        assert_eq!(ran, done("reached 0 connections\n"));
    }
    let (sent, _) = Daemon::with_result(&reached).run_with(&["send", "a", "--binary"], &[0, 255]);
    assert_eq!(sent, request("send", &json!({"id": "a", "base64": "AP8="})));
    let html = "text/html; charset=utf-8";
    for (file, content, params) in [
        (
            "f",
            b"<p>".as_slice(),
            json!({"request": "r7", "text": "<p>"}),
        ),
        ("f", &[0, 255], json!({"request": "r7", "base64": "AP8="})),
        (
            "f.html",
            b"<p>",
            json!({"request": "r7", "type": html, "text": "<p>"}),
        ),
    ] {
        let daemon = Daemon::with_result(&json!({}));
        fs::write(daemon.folder.path().join(file), content).expect("a file");
        let (sent, ran) = daemon.run(&["respond", "r7", "--file", file]);
        assert_eq!((sent, ran), (request("respond", &params), done("")));
    }
}

#[test]
fn verbose_commands_say_where_the_daemon_is() {
    let daemon = Daemon::with_result(&json!({"reached": 1}));
    let says = format!(
        "bellwire: the daemon is at {}/s\n",
        daemon.folder.path().display()
    );
    let (_, ran) = daemon.run(&["send", "a", "t", "-v"]);
    assert_eq!(ran, ended(0, "reached 1 connection\n", &says));
}

#[test]
fn unreadable_input_is_not_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("f"), [0xff]).expect("a file");
    for (args, says) in [
        (
            ["send", "a", "--file", "none"],
            "none: No such file or directory (os error 2)",
        ),
        (
            ["send", "a", "--file", "."],
            ".: Is a directory (os error 21)",
        ),
        (
            ["send", "a", "--file", "f"],
            "f: not UTF-8; allowed: UTF-8, or any bytes with --binary",
        ),
        (
            ["send", "a", "--file", "/dev/zero"],
            "/dev/zero: too long; allowed: 64 MiB",
        ),
    ] {
        assert_eq!(
            run(&mut bellwire(&folder, &args)),
            ended(1, "", &format!("bellwire: {says}\n"))
        );
    }
}

#[test]
fn errors_have_a_status_and_say_what_to_do() {
    for (args, code, message, status, says) in [
        (
            ["server", "stop", "x"].as_slice(),
            -32001,
            "invalid WS server ID \"x\"",
            4,
            "invalid WS server ID \"x\" (bellwire server list shows all)",
        ),
        (
            &["client", "connect", "x"],
            -32001,
            "invalid WS client ID \"x\"",
            4,
            "invalid WS client ID \"x\" (bellwire client list shows all)",
        ),
        (
            &["send", "up", "t"],
            -32002,
            "up is not connected",
            3,
            "up is not connected (bellwire client list shows why)",
        ),
        (
            &["kick", "c9"],
            -32001,
            "there is no connection c9",
            4,
            "there is no connection c9 (bellwire connections shows those that are open)",
        ),
        (
            &["respond", "r9"],
            -32001,
            "gone",
            4,
            "gone (it may be answered already, or its peer have left)",
        ),
        (
            &["client", "connect", "up"],
            -32003,
            "no answer from the peer",
            5,
            "no answer from the peer",
        ),
        (
            &["send", "a", "t"],
            -32000,
            "a\u{1b}[2J\nb",
            1,
            "a\\u{1b}[2J\\nb",
        ),
        (&["status"], -32601, "method: walk", 1, "method: walk"),
        (&["status"], -32602, "x: y", 2, "x: y"),
        (&["status"], -1, "odd", 1, "odd"),
    ] {
        let (_, ran) = Daemon::with_error(code, message).run(args);
        assert_eq!(
            ran,
            ended(status, "", &format!("bellwire: {says}\n")),
            "{args:?}"
        );
    }
}

#[test]
fn a_refused_reload_lists_the_faults() {
    let faults = json!([{"file": "f.toml", "line": 3, "column": 9, "what": "first"}, {"file": "f.toml", "what": "second"}]);
    let error = json!({"code": -32004, "message": "2 faults", "data": {"faults": faults}});
    let daemon = Daemon::answering(&format!(
        "{}\n",
        json!({"jsonrpc": "2.0", "id": 1, "error": error})
    ));
    let (_, ran) = daemon.run(&["reload"]);
    assert_eq!(ran, ended(78, "", "f.toml:3:9: first\nf.toml: second\n"));
}

#[test]
fn events_are_streamed_until_the_daemon_ends() {
    let events = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"seq\":6}}\n\
        {\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"seq\":7,\"time\":\"T\",\"kind\":\"message\",\"source\":\"a\",\"text\":\"x\\ny\"}}\n\
        {\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"seq\":9,\"time\":\"T\",\"kind\":\"lost\",\"count\":1}}\n";
    let gone = "bellwire: the daemon has closed the connection; is it still running?\n";
    let (sent, ran) = Daemon::answering(events).run(&["events", "a", "--kind", "message"]);
    assert_eq!(
        sent,
        request(
            "events.subscribe",
            &json!({"ids": ["a"], "kinds": ["message"]})
        )
    );
    assert_eq!(ran, ended(3, "T message a x\\ny\nT lost 1\n", gone));
    let (_, ran) = Daemon::answering(events).run(&["events", "--json"]);
    let objects = "{\"seq\":7,\"time\":\"T\",\"kind\":\"message\",\"source\":\"a\",\"text\":\"x\\ny\"}\n\
        {\"seq\":9,\"time\":\"T\",\"kind\":\"lost\",\"count\":1}\n";
    assert_eq!(ran, ended(3, objects, gone));
}

#[test]
fn events_end_quietly_when_their_reader_has_gone() {
    let event = "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"seq\":7}}\n";
    let daemon = Daemon::answering(&format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{}}}}\n{event}"
    ));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let socket = daemon.folder.path().join("s");
    let mut command = bellwire(&daemon.folder, &["events"]);
    let ran = run(command.env("BELLWIRE_SOCKET", socket).stdout(writer));
    assert_eq!(ran, done(""));
    assert!(daemon.answers.join().is_ok());
}

#[test]
fn without_a_daemon_it_says_where_it_looked() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("none");
    let says = |path: &str| {
        ended(
            3,
            "",
            &format!("bellwire: is the daemon running? tried {path}\n"),
        )
    };
    let socket = socket.to_str().expect("UTF-8");
    assert_eq!(
        run(&mut bellwire(&folder, &["status", "--socket", socket])),
        says(socket)
    );
    assert_eq!(
        run(bellwire(&folder, &["status"]).env("BELLWIRE_SOCKET", socket)),
        says(socket)
    );
    // A socket file without a listener.
    let stale = folder.path().join("stale");
    drop(UnixListener::bind(&stale).expect("a socket"));
    let stale = stale.to_str().expect("UTF-8");
    assert_eq!(
        run(&mut bellwire(&folder, &["status", "--socket", stale])),
        says(stale)
    );
    fs::write(
        folder.path().join("b.toml"),
        "[daemon]\nsocket = \"by-file\"\nfault = 1\n",
    )
    .expect("a file");
    assert_eq!(
        run(&mut bellwire(&folder, &["status", "-c", "b.toml"])),
        says("by-file")
    );
    assert_eq!(
        run(bellwire(&folder, &["status"]).env("BELLWIRE_CONFIG", "b.toml")),
        says("by-file")
    );
    let missing = run(&mut bellwire(&folder, &["status", "-c", "none.toml"]));
    assert_eq!(
        missing,
        ended(
            78,
            "",
            "none.toml: No such file or directory (os error 2)\n"
        )
    );
}

#[test]
fn a_command_gives_up_on_a_silent_daemon() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).expect("a socket");
    let args = ["status", "--timeout", "50ms", "--socket", "s"];
    let ran = run(&mut bellwire(&folder, &args));
    assert_eq!(
        ran,
        ended(
            5,
            "",
            "bellwire: the daemon does not answer in time; --timeout gives it longer\n"
        )
    );
    drop(listener);
}

#[test]
fn an_answer_that_is_not_of_a_daemon_is_reported() {
    let (_, ran) = Daemon::answering("HTTP/1.1 400 Bad Request\r\n").run(&["status"]);
    assert_eq!(ran.status, Some(1));
    assert!(
        ran.stderr
            .starts_with("bellwire: no daemon of this version answers there: "),
        "{}",
        ran.stderr
    );
    let (_, ran) = Daemon::answering("").run(&["status"]);
    let says = "bellwire: the daemon closed the connection without an answer; its log says why\n";
    assert_eq!(ran, ended(1, "", says));
}

#[test]
fn a_long_line_is_refused_by_the_daemon_and_the_reason_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("f"), vec![b'x'; 8 << 20]).expect("a file");
    let listener = UnixListener::bind(folder.path().join("s")).expect("a socket");
    let refusing = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a command");
        let answer = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"a line too long\"}}\n";
        stream.write_all(answer.as_bytes()).expect("an answer");
        stream.shutdown(std::net::Shutdown::Both).expect("an end");
        stream
    });
    let ran = run(&mut bellwire(
        &folder,
        &["send", "a", "--file", "f", "--socket", "s"],
    ));
    assert_eq!(ran, ended(1, "", "bellwire: a line too long\n"));
    assert!(refusing.join().is_ok());
}
