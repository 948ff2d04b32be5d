//! Servers for one connection, each in its own thread: tungstenite, and servers that break the protocol.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bellwire::proto::ws::handshake::accept_value;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::Message;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// What it tells at its end.
    thread: JoinHandle<String>,
}

impl Server {
    /// Takes one connection and leaves it to `serve`.
    pub(crate) fn start(serve: impl FnOnce(TcpStream) -> String + Send + 'static) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            serve(stream)
        });
        Server { address, thread }
    }

    /// tungstenite, which answers pings by itself. It speaks the subprotocol `chat.v1`, if asked; and tells the
    /// Authorization, target and X-Site of the request, and how the connection ended.
    pub(crate) fn tungstenite() -> Server {
        Server::start(serve)
    }

    /// The same behind TLS.
    pub(crate) fn tungstenite_over_tls(config: Arc<ServerConfig>) -> Server {
        Server::start(move |stream| {
            let tls = ServerConnection::new(config).unwrap();
            serve(StreamOwned::new(tls, stream))
        })
    }

    /// Reads a request, answers with these bytes, where `{accept}` is what proves an upgrade, and ends the connection.
    pub(crate) fn answering(answer: &str) -> Server {
        let answer = answer.to_owned();
        Server::start(move |mut stream| {
            let head = read_head(&mut stream);
            let key = head
                .lines()
                .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
            let accept = accept_value(key.unwrap().as_bytes());
            let accept = String::from_utf8(accept.to_vec()).unwrap();
            // A peer that has left before all of it was sent has read enough.
            let _ = stream.write_all(answer.replace("{accept}", &accept).as_bytes());
            let _ = stream.shutdown(Shutdown::Write);
            // Unread bytes would end the connection with a reset.
            let _ = stream.read_to_end(&mut Vec::new());
            head
        })
    }

    pub(crate) fn end(self) -> String {
        self.thread.join().unwrap()
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn serve<S: Read + Write>(stream: S) -> String {
    let mut told = String::new();
    #[allow(clippy::result_large_err)]
    let answer = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let field = |name| {
            request
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        told = format!(
            "{} {} {}",
            request.uri(),
            field("Authorization").unwrap_or("-"),
            field("X-Site").unwrap_or("-")
        );
        if let Some(protocols) = field("Sec-WebSocket-Protocol") {
            assert!(protocols.contains("chat.v1"));
            let value = "chat.v1".parse().unwrap();
            response
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", value);
        }
        Ok(response)
    };
    let Ok(mut socket) = tungstenite::accept_hdr(stream, answer) else {
        return "no upgrade".to_owned();
    };
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => {
                let code = frame.map_or(0, |frame| u16::from(frame.code));
                // Until the client has ended it too.
                while socket.read().is_ok() {}
                return format!("{told} {code}");
            }
            Ok(_) => {}
            Err(error) => return format!("{told} {error}"),
        }
    }
}
