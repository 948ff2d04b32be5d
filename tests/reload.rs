//! Reloads: what another configuration closes, and what it does not touch.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;

use serde_json::{Value, json};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket, client};

use authority::Authority;
use daemon::{Daemon, PATIENCE};

mod authority;
mod daemon;

fn open_unix(daemon: &Daemon, name: &str) -> WebSocket<UnixStream> {
    let stream = UnixStream::connect(daemon.folder.path().join(name)).expect("a server");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    client("ws://localhost/", stream)
        .expect("an open WebSocket")
        .0
}

fn echoes<S: Read + Write>(socket: &mut WebSocket<S>) {
    socket.send(Message::text("still here?")).expect("sent");
    assert_eq!(
        socket.read().expect("an echo"),
        Message::text("still here?")
    );
}

fn closed_with<S: Read + Write>(socket: &mut WebSocket<S>) -> CloseCode {
    match socket.read() {
        Ok(Message::Close(Some(frame))) => frame.code,
        other => panic!("{other:?}"),
    }
}

fn server(id: &str, rest: &str) -> String {
    format!("[[server]]\nid = \"{id}\"\nmessages = \"echo\"\n{rest}\n")
}

fn asked(daemon: &Daemon, args: &[&str]) -> Value {
    let ran = daemon.command(args);
    serde_json::from_str(ran.done()).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn reloaded(daemon: &Daemon) -> Value {
    asked(daemon, &["reload", "--json"])
}

/// The state of each server, and whether it differs from the file.
fn states(daemon: &Daemon) -> Vec<(String, String, bool)> {
    let listed = asked(daemon, &["server", "list", "--json"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = |it: &Value| (text(&it["id"]), text(&it["state"]), it["differs"] == true);
    listed
        .as_array()
        .expect("a list")
        .iter()
        .map(state)
        .collect()
}

fn state(id: &str, state: &str, differs: bool) -> (String, String, bool) {
    (id.to_owned(), state.to_owned(), differs)
}

/// A port that is free now. It was a daemon's, for what this process has open lives on for a moment in each process that
/// another test starts.
fn free_port() -> u16 {
    Daemon::run(&server("s", "bind = [\"127.0.0.1:0\"]"), 1)
        .address()
        .port()
}

#[test]
fn unchanged_definitions_are_not_touched() {
    let [kept, gone, new] = [
        server("kept", "bind = [\"127.0.0.1:0\", \"unix:kept\"]"),
        server("gone", "bind = [\"unix:gone\"]"),
        server("new", "bind = [\"unix:new\"]"),
    ];
    let daemon = Daemon::run(&format!("{kept}{gone}"), 1);
    let mut sockets = (daemon.open(), open_unix(&daemon, "kept"));
    let mut leaver = open_unix(&daemon, "gone");
    // Moved to other lines, and in another order.
    daemon.configure(&format!("# A comment.\n{new}{kept}"));
    assert_eq!(
        reloaded(&daemon),
        json!({"started": ["server new"], "stopped": ["server gone"], "changed": [], "kept": ["server kept"]})
    );
    echoes(&mut sockets.0);
    echoes(&mut sockets.1);
    echoes(&mut daemon.open());
    echoes(&mut open_unix(&daemon, "new"));
    assert_eq!(closed_with(&mut leaver), CloseCode::Away);
    assert!(!daemon.folder.path().join("gone").exists());
    let expected = [
        state("new", "started", false),
        state("kept", "started", false),
    ];
    assert_eq!(states(&daemon), expected);
}

#[test]
fn settings_change_without_closing_anything() {
    let mut daemon = Daemon::run(&server("s", "bind = [\"127.0.0.1:0\", \"unix:s\"]"), 1);
    let mut old = daemon.open();
    let socket = daemon.folder.path().join("s");
    let inode = || fs::metadata(&socket).expect("a socket").ino();
    let before = inode();
    fs::write(daemon.folder.path().join("page.html"), "changed").expect("a page");
    let rest = "bind = [\"127.0.0.1:0\", \"unix:s\"]\n[server.http]\nserve = \"page\"\npage = \"page.html\"\n\
                [server.limits]\nmax_connections = 2\nmax_message = 1024\n";
    daemon.configure(&server("s", rest));
    assert_eq!(reloaded(&daemon)["changed"], json!(["server s"]));
    assert_eq!(inode(), before);
    daemon.wait_for_log(": freed");
    assert!(daemon.ask(b"GET / HTTP/1.0\r\n\r\n").ends_with("changed"));
    // There is room for one more when both this connection and that of the command are gone.
    daemon.wait_for_log(": freed");
    // The old one keeps the limits that it began with.
    let long = "x".repeat(2000);
    old.send(Message::text(long.as_str())).expect("sent");
    assert_eq!(old.read().expect("an echo"), Message::text(long.as_str()));
    let mut new = open_unix(&daemon, "s");
    assert_eq!(daemon.ask(b""), "");
    new.send(Message::text(long)).expect("sent");
    assert_eq!(closed_with(&mut new), CloseCode::Size);
}

#[test]
fn a_binding_that_moves_is_handed_over() {
    let first = server("one", "bind = [\"127.0.0.1:0\", \"unix:x\"]")
        + &server("two", "bind = [\"unix:y\"]");
    let daemon = Daemon::run(&first, 1);
    let inodes = || {
        ["x", "y"].map(|name| {
            fs::metadata(daemon.folder.path().join(name))
                .expect("a socket")
                .ino()
        })
    };
    let before = inodes();
    let mut old = open_unix(&daemon, "x");
    let second = server("one", "bind = [\"127.0.0.1:0\", \"unix:y\"]")
        + &server("three", "bind = [\"unix:x\"]");
    daemon.configure(&second);
    assert_eq!(
        reloaded(&daemon),
        json!({"started": ["server three"], "stopped": ["server two"], "changed": ["server one"], "kept": []})
    );
    assert_eq!(inodes(), before, "bound once, and never again");
    let _sockets = (open_unix(&daemon, "x"), open_unix(&daemon, "y"));
    echoes(&mut old);
    let listed = asked(&daemon, &["connections", "--json"]);
    let listed = listed.as_array().expect("a list").iter();
    let sources: Vec<&str> = listed.filter_map(|it| it["source"].as_str()).collect();
    assert_eq!(sources, ["one", "three", "one"]);
    // A port that the system picked is the same binding still.
    assert!(
        daemon
            .ask(b"GET / HTTP/1.0\r\n\r\n")
            .starts_with("HTTP/1.1 200 ")
    );
}

#[test]
fn an_address_that_includes_another_replaces_it() {
    let port = free_port();
    let daemon = Daemon::run(&server("s", &format!("bind = [\"127.0.0.1:{port}\"]")), 1);
    let mut old = daemon.open();
    // Somebody else is in the way of all addresses: nothing changes.
    let taken = Daemon::run(&server("t", &format!("bind = [\"127.0.0.2:{port}\"]")), 1);
    daemon.configure(&server("s", &format!("bind = [\"0.0.0.0:{port}\"]")));
    let ran = daemon.command(&["reload"]);
    let expected = format!("bellwire.toml:4:9: s: cannot listen on 0.0.0.0:{port}: ");
    assert!(ran.failed(78).contains(&expected), "{ran:?}");
    echoes(&mut daemon.open());
    drop(taken);
    assert_eq!(reloaded(&daemon)["changed"], json!(["server s"]));
    echoes(&mut old);
    echoes(&mut daemon.open());
    let listed = asked(&daemon, &["server", "list", "--json"]);
    assert_eq!(listed[0]["bindings"], json!([format!("0.0.0.0:{port}")]));
}

#[test]
#[allow(clippy::result_large_err, reason = "it is tungstenite's")]
fn users_who_are_gone_are_closed() {
    let config = server(
        "s",
        "bind = [\"127.0.0.1:0\"]\nauth.basic = true\nusers.file = \"users\"",
    );
    // The file of users has to be there before the daemon is.
    let mut daemon = Daemon::run_in(&config, 1, |folder| {
        fs::write(folder.join("users"), "alice=a\nbob=b\n").expect("users");
    });
    let open_as = |daemon: &Daemon, credentials: &str| {
        let authorization = format!("Basic {credentials}");
        daemon.open_with(&[("Authorization", &authorization)])
    };
    let (alice, bob) = ("YWxpY2U6YQ==", "Ym9iOmI=");
    let mut one = open_as(&daemon, alice).expect("a user");
    let mut other = open_as(&daemon, bob).expect("a user");
    fs::write(daemon.folder.path().join("users"), "alice=a\n").expect("users");
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log("reloaded: changed server s");
    assert_eq!(closed_with(&mut other), CloseCode::Policy);
    echoes(&mut one);
    assert!(open_as(&daemon, bob).is_err());
    echoes(&mut open_as(&daemon, alice).expect("a user"));
}

#[test]
fn a_faulty_file_is_refused_whole() {
    let kept = server("kept", "bind = [\"127.0.0.1:0\"]");
    let mut daemon = Daemon::run(&kept, 1);
    let mut socket = daemon.open();
    let new = server(
        "new",
        "bind = [\"unix:new\"]\ncolour = \"red\"\norigins = [\"x\"]",
    );
    daemon.configure(&format!("{kept}{new}"));
    let ran = daemon.command(&["reload"]);
    let said = ran.failed(78);
    assert!(
        said.contains("bellwire.toml:9:1: ") && said.contains("bellwire.toml:10:12: "),
        "{said}"
    );
    daemon.wait_for_log("the configuration is refused; everything runs on unchanged");
    // A fault that only the system can find refuses the file, too, and sockets that were opened before it are closed again.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let new = server("new", &format!("bind = [\"unix:new\", \"{address}\"]"));
    daemon.configure(&format!("{kept}{new}"));
    let ran = daemon.command(&["reload"]);
    let expected = format!("bellwire.toml:8:21: new: cannot listen on {address}: ");
    assert!(ran.failed(78).contains(&expected), "{ran:?}");
    assert!(!daemon.folder.path().join("new").exists());
    echoes(&mut socket);
    assert_eq!(states(&daemon), [state("kept", "started", false)]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let [a, b] = ["a", "b"].map(|id| server(id, &format!("bind = [\"unix:{id}\"]")));
    let first = server("first", "bind = [\"127.0.0.1:0\"]");
    let daemon = Daemon::run(&format!("{first}{a}"), 1);
    daemon.configure(&format!("{first}{b}"));
    let ran = daemon.command(&["reload", "--dry-run"]);
    let said = ran.done();
    assert!(
        said.contains("would start server b") && said.contains("would stop server a"),
        "{said}"
    );
    assert!(daemon.folder.path().join("a").exists() && !daemon.folder.path().join("b").exists());
    daemon.configure("[[server]]\n");
    daemon.command(&["reload", "--dry-run"]).failed(78);
    // A dry run refuses the same files as a reload.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let new = server("new", &format!("bind = [\"{address}\"]"));
    daemon.configure(&format!("{first}{new}"));
    let ran = daemon.command(&["reload", "--dry-run"]);
    let expected = format!("new: cannot listen on {address}: ");
    assert!(ran.failed(78).contains(&expected), "{ran:?}");
}

#[test]
fn commands_hold_until_the_definition_changes() {
    let config = |name: &str| {
        server(
            "on",
            &format!("bind = [\"127.0.0.1:0\"]\nname = \"{name}\""),
        ) + &server(
            "off",
            &format!("active = false\nbind = [\"unix:off\"]\nname = \"{name}\""),
        ) + &server("third", "bind = [\"unix:third\"]")
    };
    let daemon = Daemon::run(&config("first"), 1);
    daemon.command(&["server", "stop", "on"]).done();
    daemon.command(&["server", "start", "off"]).done();
    let by_command = [
        state("on", "stopped", true),
        state("off", "started", true),
        state("third", "started", false),
    ];
    assert_eq!(states(&daemon), by_command);
    assert_eq!(
        reloaded(&daemon)["kept"],
        json!(["server on", "server off", "server third"])
    );
    assert_eq!(states(&daemon), by_command);
    daemon.configure(&config("second"));
    assert_eq!(
        reloaded(&daemon),
        json!({"started": ["server on"], "stopped": ["server off"], "changed": [], "kept": ["server third"]})
    );
    let by_file = [
        state("on", "started", false),
        state("off", "stopped", false),
        state("third", "started", false),
    ];
    assert_eq!(states(&daemon), by_file);
}

#[test]
fn settings_that_need_a_restart_are_reported() {
    let config = server("s", "bind = [\"127.0.0.1:0\"]");
    let mut daemon = Daemon::run(&config, 1);
    daemon.configure(&format!(
        "{config}[daemon]\nsocket = \"elsewhere\"\nmax_connections = 1\n"
    ));
    assert_eq!(reloaded(&daemon)["kept"], json!(["server s"]));
    daemon.wait_for_log("changes of socket, user and group in [daemon] take effect");
    // The limit is another, and there is room when the command has gone.
    daemon.wait_for_log(": freed");
    let _socket = daemon.open();
    assert_eq!(daemon.ask(b""), "");
}

#[test]
fn the_service_manager_is_notified() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let heard = UnixDatagram::bind(&path).expect("a socket");
    heard.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut daemon = Daemon::run_by(
        &server("s", "bind = [\"127.0.0.1:0\"]"),
        1,
        |binary, file| {
            let mut command = Command::new(binary);
            command
                .args(["run", "-c"])
                .arg(file)
                .env("NOTIFY_SOCKET", &path);
            command
        },
    );
    let hear = || {
        let mut buffer = [0; 256];
        let length = heard.recv(&mut buffer).expect("a datagram");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert_eq!(hear(), "READY=1");
    daemon.signal(libc::SIGHUP);
    assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(hear(), "READY=1");
    daemon.signal(libc::SIGTERM);
    assert_eq!(hear(), "STOPPING=1");
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn clients_and_triggers_are_reloaded_too() {
    let upstream = Daemon::run(&server("up", "bind = [\"127.0.0.1:0\"]"), 1);
    let client = |id: &str, name: &str| {
        format!(
            "[[client]]\nid = \"{id}\"\nname = \"{name}\"\nurl = \"ws://{}/\"\n",
            upstream.address()
        )
    };
    let trigger = |name: &str, text: &str| {
        format!(
            "[[trigger]]\nname = \"{name}\"\non = \"message\"\nfrom = [\"s\"]\nmatch = \"exact\"\nstring = \"{name}\"\nsend = \"{text}\"\n"
        )
    };
    let server = server("s", "bind = [\"127.0.0.1:0\"]");
    let first = server.clone()
        + &client("kept", "a")
        + &client("changed", "a")
        + &client("gone", "a")
        + &trigger("same", "1")
        + &trigger("other", "1")
        + &trigger("gone", "1");
    let mut daemon = Daemon::run(&first, 1);
    let mut socket = daemon.open();
    let mut answer = |text: &str| {
        socket.send(Message::text(text)).expect("sent");
        socket
            .read()
            .expect("an answer")
            .into_text()
            .expect("text")
            .to_string()
    };
    assert_eq!(
        [
            answer("same"),
            answer("other"),
            answer("gone"),
            answer("new")
        ],
        ["1", "1", "1", "new"]
    );
    let second = server
        + &trigger("new", "2")
        + &trigger("same", "1")
        + &trigger("other", "2")
        + &client("new", "a")
        + &client("kept", "a")
        + &client("changed", "b");
    daemon.configure(&second);
    assert_eq!(
        reloaded(&daemon),
        json!({
            "started": ["client new", "trigger new"],
            "stopped": ["client gone", "trigger gone"],
            "changed": ["client changed", "trigger other"],
            "kept": ["server s", "client kept", "trigger same"],
        })
    );
    assert_eq!(
        [
            answer("same"),
            answer("other"),
            answer("gone"),
            answer("new")
        ],
        ["1", "2", "gone", "2"]
    );
    let listed = asked(&daemon, &["client", "list", "--json"]);
    let ids: Vec<&str> = (0..3).filter_map(|at| listed[at]["id"].as_str()).collect();
    assert_eq!(ids, ["new", "kept", "changed"]);
    // What is wrong with a client's files is a fault like any other.
    let broken = format!(
        "[[client]]\nid = \"tls\"\nurl = \"wss://{}/\"\n[client.trust]\nca = \"none\"\n",
        upstream.address()
    );
    daemon.configure(&format!("{second}{broken}"));
    assert!(daemon.command(&["reload"]).failed(78).contains(": ca: "));
    daemon.wait_for_log("everything runs on unchanged");
}

/// Free ports below 1024.
fn low_ports() -> impl Iterator<Item = u16> {
    (600..1024).filter(|port| TcpStream::connect(("127.0.0.1", *port)).is_err())
}

#[test]
fn a_reload_works_after_root_is_given_up() {
    // SAFETY: geteuid has no arguments and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        println!("skipped: not root");
        return;
    }
    let mut ports = low_ports();
    let (Some(first), Some(second)) = (ports.next(), ports.next()) else {
        println!("skipped: no port below 1024 is free");
        return;
    };
    // The folder is root's alone: whoever is not root reaches neither the keys nor a place for a socket in it.
    let tls = "[server.tls]\ncertificate = \"cert.pem\"\nprivate_key = \"key.pem\"";
    let users = "auth.basic = true\nusers.file = \"users\"";
    let daemon_table = "[daemon]\nuser = \"nobody\"\n";
    let config = server("plain", &format!("bind = [\"127.0.0.1:{first}\"]\n{users}"))
        + &server("tls", &format!("bind = [\"unix:tls\"]\n{tls}"));
    let authority = Authority::new();
    let mut daemon = Daemon::run_in(&format!("{config}{daemon_table}"), 1, |folder| {
        authority.issue(folder);
        fs::write(folder.join("users"), "alice=a\n").expect("users");
        for secret in ["key.pem", "users"] {
            let only_root = fs::Permissions::from_mode(0o600);
            fs::set_permissions(folder.join(secret), only_root).expect("a mode");
        }
    });
    assert_eq!(daemon.address().port(), first);
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("a process");
    let users = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .expect("its users");
    assert!(users.split_whitespace().all(|user| user != "0"), "{users}");
    let old = fs::read(daemon.folder.path().join("cert.pem")).expect("a certificate");

    let more = server(
        "new",
        &format!("bind = [\"127.0.0.1:{second}\", \"unix:new\"]"),
    );
    authority.issue(daemon.folder.path());
    assert_ne!(
        fs::read(daemon.folder.path().join("cert.pem")).expect("a certificate"),
        old
    );
    fs::write(daemon.folder.path().join("users"), "bob=b\n").expect("users");
    daemon.configure(&format!("{config}{more}{daemon_table}"));
    assert_eq!(
        reloaded(&daemon),
        json!({"started": ["server new"], "stopped": [], "changed": ["server plain", "server tls"], "kept": []})
    );
    daemon.wait_for_log("cert.pem: certificate read: ");
    assert!(TcpStream::connect(("127.0.0.1", second)).is_ok());
    echoes(&mut open_unix(&daemon, "new"));
    let asked = |credentials: &str| {
        let request = format!("GET / HTTP/1.0\r\nAuthorization: Basic {credentials}\r\n\r\n");
        daemon.ask(request.as_bytes())
    };
    assert!(asked("Ym9iOmI=").starts_with("HTTP/1.1 200 "));
    assert!(asked("YWxpY2U6YQ==").starts_with("HTTP/1.1 401 "));
    // A server that a command starts is bound by the helper too.
    daemon.command(&["server", "stop", "new"]).done();
    daemon.command(&["server", "start", "new"]).done();
    assert!(TcpStream::connect(("127.0.0.1", second)).is_ok());
    // A faulty file is refused with its faults, which the daemon finds in the text that the helper has read.
    daemon.configure(&format!("{config}{daemon_table}colour = 1\n"));
    assert!(
        daemon
            .command(&["reload"])
            .failed(78)
            .contains("unknown key \"colour\"")
    );
}
