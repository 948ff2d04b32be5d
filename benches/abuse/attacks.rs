//! The attacks. Each lasts until it is told to stop, and takes whatever the daemon does to it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use bellwire::proto::ws::frame::OpCode;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::stage::{ATTACKER, Server, Stage, ask, masked, pour};

/// An attack on a daemon, until it is told to stop.
pub(crate) type Attack = fn(&Stage, &AtomicBool);

/// Between two bytes of a peer that is slow on purpose.
const DRIP: Duration = Duration::from_millis(20);

fn is_over(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}

/// Holds on to what it has until the attack is over.
fn wait(stop: &AtomicBool) {
    while !is_over(stop) {
        sleep(DRIP);
    }
}

/// Sends small messages to a server, 2 MB at a time, and reads what comes back.
fn small_messages(stage: &Stage, stop: &AtomicBool, server: Server, text: &[u8]) {
    let many = masked(OpCode::Text, text).repeat(2_000_000 / 7);
    while !is_over(stop) {
        let Ok(mut peer) = stage.open(ATTACKER, server) else {
            continue;
        };
        let mut reader = peer.try_clone().expect("another descriptor");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut buffer = vec![0; 64 << 10];
                while reader.read(&mut buffer).is_ok_and(|count| count > 0) {}
            });
            while !is_over(stop) && pour(&mut peer, &many, stop) {}
            let _ = peer.shutdown(Shutdown::Both);
        });
    }
}

pub(crate) fn small_messages_forwarded_to_many(stage: &Stage, stop: &AtomicBool) {
    small_messages(stage, stop, Server::Fan, b"x");
}

pub(crate) fn small_messages_broadcast_to_many(stage: &Stage, stop: &AtomicBool) {
    small_messages(stage, stop, Server::Room, b"x");
}

pub(crate) fn small_messages_that_are_echoed(stage: &Stage, stop: &AtomicBool) {
    small_messages(stage, stop, Server::Echo, b"x");
}

pub(crate) fn small_messages_to_scripts(stage: &Stage, stop: &AtomicBool) {
    std::thread::scope(|scope| {
        for text in [b"o", b"c", b"w"] {
            scope.spawn(move || small_messages(stage, stop, Server::Script, text));
        }
    });
}

pub(crate) fn small_chunks_of_a_body(stage: &Stage, stop: &AtomicBool) {
    let head = b"POST /form HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = b"1\r\nx\r\n".repeat(300_000);
    while !is_over(stop) {
        let Ok(mut peer) = stage.connect(ATTACKER, Server::Script) else {
            continue;
        };
        let _ = pour(&mut peer, head, stop) && pour(&mut peer, &chunks, stop);
    }
}

/// Keeps so many connections, makes those anew that were closed, and has each say a byte from time to time.
fn hold(stop: &AtomicBool, count: usize, begin: impl Fn() -> Option<TcpStream>) {
    let mut held: Vec<TcpStream> = Vec::new();
    while !is_over(stop) {
        while held.len() < count && !is_over(stop) {
            let Some(peer) = begin() else { break };
            peer.set_nonblocking(true).expect("it does not wait");
            held.push(peer);
        }
        sleep(DRIP);
        held.retain_mut(|peer| {
            let mut buffer = [0; 512];
            let open = |done: std::io::Result<usize>| match done {
                Ok(count) => count > 0,
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
            open(peer.write(b"x")) && open(peer.read(&mut buffer))
        });
    }
}

/// Forms of which no part comes, with heads that are as long as they may be.
pub(crate) fn unfinished_forms(stage: &Stage, stop: &AtomicBool) {
    let head = format!(
        "POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 60000\r\nX-Long: {}\r\n\r\n",
        "x".repeat(15_500)
    );
    hold(stop, 2000, || {
        let mut peer = stage.connect(ATTACKER, Server::Script).ok()?;
        peer.write_all(head.as_bytes()).ok()?;
        Some(peer)
    });
}

/// Frames of which little more than the announced length comes.
pub(crate) fn announced_lengths(stage: &Stage, stop: &AtomicBool) {
    let frame = masked(OpCode::Binary, &vec![0; 1 << 20]);
    hold(stop, 140, || {
        let mut peer = stage.open(ATTACKER, Server::Echo).ok()?;
        peer.write_all(&frame[..70]).ok()?;
        Some(peer)
    });
}

/// Peers that ask for much and read nothing.
pub(crate) fn peers_that_never_read(stage: &Stage, stop: &AtomicBool) {
    let message = masked(OpCode::Binary, &vec![0; 256 << 10]);
    let mut held: Vec<TcpStream> = Vec::new();
    while !is_over(stop) {
        let peer = stage.connect_with(ATTACKER, Server::Echo, Some(4096));
        let Some(peer) = peer.ok().and_then(|it| crate::stage::upgrade(it).ok()) else {
            continue;
        };
        peer.set_nonblocking(true).expect("it does not wait");
        held.push(peer);
        for peer in &mut held {
            let _ = peer.write(&message);
        }
        if held.len() > 400 {
            held.clear();
        }
    }
}

/// Long batches of calls on the control socket, whose answers are read late.
pub(crate) fn batches_of_calls(stage: &Stage, stop: &AtomicBool) {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"connections"}"#;
    let calls = vec![call; 48_000 / call.len()].join(",");
    let batch = format!("[{calls}]\n");
    while !is_over(stop) {
        let Ok(mut peer) = stage.control() else {
            continue;
        };
        let _ = peer.write_all(batch.as_bytes());
        sleep(DRIP * 5);
        let mut buffer = vec![0; 64 << 10];
        for _ in 0..100 {
            if !peer.read(&mut buffer).is_ok_and(|count| count > 0) {
                break;
            }
        }
    }
}

/// Subscribers that read nothing while there is much to tell.
pub(crate) fn subscribers_that_never_read(stage: &Stage, stop: &AtomicBool) {
    let subscribe =
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.subscribe\",\"params\":{}}\n";
    let subscribers: Vec<_> = (0..50)
        .filter_map(|_| {
            let mut peer = stage.control().ok()?;
            peer.write_all(subscribe).ok()?;
            Some(peer)
        })
        .collect();
    let message = masked(OpCode::Text, &[b'x'; 8 << 10]).repeat(16);
    while !is_over(stop) {
        let Ok(mut peer) = stage.open(ATTACKER, Server::Members) else {
            continue;
        };
        while !is_over(stop) && pour(&mut peer, &message, stop) {}
    }
    drop(subscribers);
}

/// Requests, each of which is a line of the log, while nobody reads it.
pub(crate) fn a_log_that_nobody_reads(stage: &Stage, stop: &AtomicBool) {
    let paused = stage.unread.lock().expect("a lock");
    while !is_over(stop) {
        let Ok(mut peer) = stage.connect(ATTACKER, Server::Echo) else {
            continue;
        };
        while !is_over(stop) && ask(&mut peer, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").is_ok()
        {
        }
    }
    drop(paused);
}

/// Requests and WebSockets that have a process for themselves and let it wait.
pub(crate) fn slow_peers_of_scripts(stage: &Stage, stop: &AtomicBool) {
    let form =
        b"POST /form HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            hold(stop, 40, || {
                let mut peer = stage.connect(ATTACKER, Server::Script).ok()?;
                peer.write_all(form).ok()?;
                Some(peer)
            });
        });
        let mut held = Vec::new();
        for _ in 0..120 {
            let Ok(mut peer) = stage.open(ATTACKER, Server::Script) else {
                continue;
            };
            let _ = peer.write_all(&masked(OpCode::Text, b"c"));
            held.push(peer);
        }
        wait(stop);
    });
}

/// Connections that guess passwords, all at the same time.
pub(crate) fn guesses_of_passwords(stage: &Stage, stop: &AtomicBool) {
    // "nobody:wrong"
    let guess =
        b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic bm9ib2R5Ondyb25n\r\n\r\n";
    let mut held: Vec<TcpStream> = Vec::new();
    while !is_over(stop) {
        while held.len() < 120 && !is_over(stop) {
            let Ok(mut peer) = stage.connect(ATTACKER, Server::Login) else {
                break;
            };
            let _ = peer.write_all(guess);
            peer.set_nonblocking(true).expect("it does not wait");
            held.push(peer);
        }
        held.retain_mut(|peer| {
            let mut buffer = [0; 1024];
            match peer.read(&mut buffer) {
                Ok(0) => false,
                Ok(_) => peer.write(guess).is_ok(),
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            }
        });
        sleep(Duration::from_millis(1));
    }
}

/// The first message of handshakes, which costs the daemon a signature, and no second one.
pub(crate) fn handshakes_of_tls(stage: &Stage, stop: &AtomicBool) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let config = Arc::new(config);
    while !is_over(stop) {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut client = ClientConnection::new(Arc::clone(&config), name).expect("a client");
        let mut hello = Vec::new();
        client.write_tls(&mut hello).expect("its hello");
        let Ok(mut peer) = stage.connect(ATTACKER, Server::Tls) else {
            continue;
        };
        let _ = peer.write_all(&hello);
        // The answer shows that the work is done.
        let _ = peer.read(&mut [0; 64]);
    }
}

/// As many connections as the daemon takes.
pub(crate) fn all_descriptors(stage: &Stage, stop: &AtomicBool) {
    let mut held = Vec::new();
    while !is_over(stop) {
        if held.len() < 400 {
            held.extend(stage.connect(ATTACKER, Server::Echo));
        } else {
            sleep(DRIP);
        }
    }
}
