//! A daemon with triggers, its peers, and scripts for it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tungstenite::{Message, WebSocket};

use crate::daemon::Daemon;

pub(crate) type Peer = WebSocket<TcpStream>;

/// A daemon with one server on a free port; `rest` follows in its configuration.
pub(crate) fn run(rest: &str) -> Daemon {
    Daemon::run(&format!("[[server]]\nbind = [\"127.0.0.1:0\"]\n{rest}"), 1)
}

/// As [`run`], with files beside the configuration; those that end in `.sh` or `.py` are executable.
pub(crate) fn run_with(files: &[(&str, &str)], rest: &str) -> Daemon {
    let text = format!("[[server]]\nbind = [\"127.0.0.1:0\"]\n{rest}");
    Daemon::run_in(&text, 1, |folder| {
        for (name, text) in files {
            put(folder, name, text);
        }
    })
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).expect("written");
    if name.ends_with(".sh") || name.ends_with(".py") {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
}

pub(crate) fn connect(daemon: &Daemon) -> Peer {
    daemon.open()
}

pub(crate) fn say(peer: &mut Peer, text: &str) {
    peer.send(Message::text(text)).expect("sent");
}

/// The next message that is text or binary.
pub(crate) fn hear(peer: &mut Peer) -> Message {
    loop {
        let message = peer.read().expect("a message");
        if message.is_text() || message.is_binary() {
            return message;
        }
    }
}

pub(crate) fn hear_text(peer: &mut Peer) -> String {
    hear(peer).into_text().expect("text").to_string()
}

/// The code of the Close frame that comes.
pub(crate) fn hear_close(peer: &mut Peer) -> u16 {
    loop {
        match peer.read() {
            Ok(Message::Close(frame)) => return frame.map_or(1005, |frame| frame.code.into()),
            Ok(_) => {}
            Err(error) => panic!("no Close frame: {error}"),
        }
    }
}

/// The answer to one request on a connection of its own: its head and its body.
pub(crate) fn ask(daemon: &Daemon, request: &str) -> (String, Vec<u8>) {
    let mut peer = daemon.connect();
    peer.write_all(request.as_bytes()).expect("written");
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).expect("an answer");
    split(&answer)
}

/// The head of an answer, and its body, joined if it is in chunks.
pub(crate) fn split(answer: &[u8]) -> (String, Vec<u8>) {
    let at = answer.windows(4).position(|it| it == b"\r\n\r\n");
    let at = at.unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(answer)));
    let head = String::from_utf8_lossy(&answer[..at]).into_owned();
    let body = &answer[at + 4..];
    let body = if head.contains("Transfer-Encoding: chunked") {
        joined(body)
    } else {
        body.to_vec()
    };
    (head, body)
}

/// Joins chunks (RFC 9112 §7.1), as far as they have come.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|it| it == b"\r\n") {
        let length = std::str::from_utf8(&body[..end]).expect("a length");
        let length = usize::from_str_radix(length, 16).expect("a length");
        let Some(chunk) = body.get(end + 2..end + 2 + length) else {
            break;
        };
        out.extend_from_slice(chunk);
        body = body.get(end + 4 + length..).unwrap_or_default();
    }
    out
}

pub(crate) fn get(daemon: &Daemon, path: &str) -> (String, String) {
    let (head, body) = ask(
        daemon,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    );
    (head, String::from_utf8_lossy(&body).into_owned())
}

/// Whether there is a process of this id, or it is not yet reaped.
pub(crate) fn lives(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).exists()
}
