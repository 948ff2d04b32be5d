//! The daemon from its start to its end, and conditions that must not end it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use daemon::{Daemon, PATIENCE};

mod daemon;

fn echoes(socket: &mut WebSocket<TcpStream>) {
    socket.send(Message::text("still here?")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("still here?"));
}

#[test]
fn a_signal_ends_it_gracefully() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut daemon = Daemon::run("[[server]]\nbind = [\"127.0.0.1:0\", \"unix:s\"]\n", 1);
        let mut socket = daemon.open();
        let mut idle = daemon.connect();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut answer = [0; 12];
        idle.read_exact(&mut answer).unwrap();
        daemon.signal(signal);
        match socket.read() {
            Ok(Message::Close(Some(frame))) => assert_eq!(frame.code, CloseCode::Away),
            other => panic!("{other:?}"),
        }
        // The answer to the Close frame is written by tungstenite as it reads on.
        assert!(socket.read().is_err());
        drop(socket);
        idle.read_to_end(&mut Vec::new()).unwrap();
        drop(idle);
        assert_eq!(daemon.wait().code(), Some(0));
        assert!(!daemon.folder.path().join("s").exists());
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut daemon = Daemon::run("[[server]]\nbind = [\"127.0.0.1:0\"]\n", 1);
    // It never answers a Close frame.
    let _silent = daemon.open();
    daemon.signal(libc::SIGTERM);
    daemon.wait_for_log("stopping: 1 connection open");
    let start = Instant::now();
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
    // Such a peer is dropped after 5 s only.
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    let mut daemon = Daemon::run(
        "[[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"echo\"\n",
        1,
    );
    let mut socket = daemon.open();
    let unread = Arc::clone(&daemon.unread);
    let not_reading = unread.lock().unwrap();
    // Each is a line: far more than a pipe takes.
    let mut peer = daemon.connect();
    for _ in 0..30 {
        let requests = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
        peer.write_all(requests.as_bytes()).unwrap();
        let mut answers = 0;
        while answers < 100 {
            let mut buffer = [0; 4096];
            let read = peer.read(&mut buffer).unwrap();
            assert_ne!(read, 0);
            answers += buffer[..read]
                .windows(4)
                .filter(|it| it == b"\r\n\r\n")
                .count();
        }
        echoes(&mut socket);
    }
    daemon.signal(libc::SIGTERM);
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
    drop(not_reading);
    daemon.wait_for_log("log lines dropped: nobody read the log");
}

#[test]
fn a_reload_without_changes_touches_nothing() {
    let mut daemon = Daemon::run(
        "[[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"echo\"\n",
        1,
    );
    let mut socket = daemon.open();
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log("reloaded: nothing has changed");
    echoes(&mut socket);
}

#[test]
fn an_address_in_use_is_told_with_its_place() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = format!("[[server]]\nbind = [\"127.0.0.1:0\", \"127.0.0.1:{port}\"]\n");
    let mut daemon = Daemon::run(&config, 0);
    assert_eq!(daemon.wait().code(), Some(1));
    let expected = format!("bellwire.toml:2:24: WS_SERVER_1: cannot listen on 127.0.0.1:{port}");
    assert!(
        daemon.log.iter().any(|line| line.contains(&expected)),
        "{:#?}",
        daemon.log
    );
}

#[test]
fn an_inactive_server_does_not_listen() {
    let config = "[[server]]\nid = \"off\"\nactive = false\nbind = [\"unix:off\"]\n\
                  [[server]]\nid = \"on\"\nbind = [\"127.0.0.1:0\"]\n";
    let daemon = Daemon::run(config, 1);
    assert!(!daemon.folder.path().join("off").exists());
    assert!(
        daemon
            .ask(b"GET / HTTP/1.0\r\n\r\n")
            .starts_with("HTTP/1.1 200 ")
    );
}

#[test]
fn running_out_of_descriptors_only_pauses_accepting() {
    let config = "[[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"echo\"\n";
    let mut daemon = Daemon::run_by(config, 1, |binary, file| {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n 24 && exec \"$0\" run -v -c \"$1\"", binary])
            .arg(file);
        command
    });
    let mut first = daemon.open();
    let mut crowd: Vec<TcpStream> = (0..40).map(|_| daemon.connect()).collect();
    daemon.wait_for_log("accepting pauses");
    echoes(&mut first);
    // The last in line is served when the others leave.
    let mut last = crowd.pop().unwrap();
    drop(crowd);
    last.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    echoes(&mut first);
}

#[test]
fn one_connection_too_many_is_closed_at_once() {
    let config = "[[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"echo\"\n[server.limits]\nmax_connections = 2\n";
    let daemon = Daemon::run(config, 1);
    let (mut first, second) = (daemon.open(), daemon.open());
    assert_eq!(daemon.ask(b""), "");
    echoes(&mut first);
    drop(second);
    // A connection that closes makes room, once the daemon has noticed it.
    let end = Instant::now() + PATIENCE;
    while daemon.open_with(&[]).is_err() {
        assert!(Instant::now() < end, "no room was made");
    }
}

#[test]
fn deadlines_end_slow_peers_only() {
    let config = "[[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"echo\"\n[server.limits]\n\
                  head_timeout = \"300ms\"\nidle_timeout = \"300ms\"\nping_interval = \"0s\"\n";
    let daemon = Daemon::run(config, 1);
    let mut socket = daemon.open();
    // A head that never ends is answered, one that never begins is not.
    assert!(
        daemon
            .ask(b"GET / HTTP/1.1\r\nHost:")
            .starts_with("HTTP/1.1 408 ")
    );
    assert_eq!(daemon.ask(b""), "");
    // Nor is the silence after an answer.
    let answer = daemon.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
    // A body that stops coming ends a discarded request too.
    let answer = daemon.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nonly");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
    echoes(&mut socket);
}

#[test]
fn a_peer_that_does_not_answer_a_ping_is_dropped() {
    let config = "[[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"echo\"\n[server.limits]\n\
                  ping_interval = \"200ms\"\npong_timeout = \"200ms\"\n";
    let mut daemon = Daemon::run(config, 1);
    // A client that reads and never writes.
    let mut dead = daemon.connect();
    dead.write_all(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    .unwrap();
    let mut received = Vec::new();
    dead.read_to_end(&mut received).unwrap();
    assert!(
        received.ends_with(b"\r\n\r\n\x89\x00"),
        "one ping and the end"
    );
    daemon.wait_for_log("did not answer a ping");
    // One that answers lives on: tungstenite does as it reads.
    let mut alive = daemon.open();
    for _ in 0..3 {
        assert!(matches!(alive.read(), Ok(Message::Ping(_))));
    }
    echoes(&mut alive);
}
