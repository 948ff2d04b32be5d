//! Peers of the daemon that others wrote: clients for its servers, servers for its clients. Each gives up in time.

// Each test file uses what it needs of it.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};

use bellwire::proto::ws::handshake::accept_value;
use socket2::SockRef;
use tungstenite::{Message, WebSocket};

use crate::daemon::PATIENCE;

/// A port on an address of this machine's own. Where a port has to be found again after a while, an address that no
/// other test has keeps others from taking it.
pub(crate) fn listen(host: u8, port: u16) -> TcpListener {
    let address = SocketAddrV4::new(Ipv4Addr::new(127, 0, 7, host), port);
    let listener = TcpListener::bind(address).expect("a free port");
    // accept(2) keeps to it as well.
    SockRef::from(&listener)
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout");
    listener
}

pub(crate) fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("an address")
}

/// The next connection.
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a client that comes");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    // What it sends in two parts does not wait for an acknowledgement of the first.
    stream.set_nodelay(true).expect("an option");
    stream
}

/// The next connection, as a WebSocket.
pub(crate) fn open(listener: &TcpListener) -> WebSocket<TcpStream> {
    tungstenite::accept(accept(listener)).expect("an opening handshake")
}

/// The next message, which is a text.
pub(crate) fn text<S: Read + Write>(socket: &mut WebSocket<S>) -> String {
    match socket.read() {
        Ok(Message::Text(text)) => text.to_string(),
        other => panic!("no text: {other:?}"),
    }
}

/// Reads a request head to its end.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a whole head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

/// Reads a request and answers it, where `{accept}` is what proves an upgrade.
pub(crate) fn answer(stream: &mut TcpStream, answer: &str) {
    let head = read_head(stream);
    let mut lines = head.lines();
    let key = lines.find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = accept_value(key.expect("a key").as_bytes());
    let accept = str::from_utf8(&accept).expect("base64");
    stream
        .write_all(answer.replace("{accept}", accept).as_bytes())
        .expect("written");
}

/// An upgrade.
pub(crate) const UPGRADE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                                  Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";
