//! What a connection that was begun from here sends: a client masks every frame with a new key (RFC 6455 §5.1, §5.3), by
//! whatever way its message comes.

use std::net::TcpListener;

use super::*;
use crate::proto::ws::frame::{FrameHeader, Role};
use crate::proto::ws::mask;

/// Forwards what the peer of a server says to a client, by both ways that an event has.
struct Forward {
    client: Option<ConnId>,
    owner: OwnerId,
}

impl Handler for Forward {
    fn on_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: Event<'_>) {
        match event {
            Event::Request(head) => {
                let offer = handshake::read_request(&head).unwrap();
                assert!(ops.upgrade(&offer, None));
            }
            Event::Opened { .. } => self.client = Some(id),
            Event::Message { kind, data } => {
                ops.send(self.client.unwrap(), kind, data);
                ops.broadcast(self.owner, None, kind, data);
                ops.broadcast(self.owner, None, kind, data);
            }
            _ => {}
        }
    }
}

fn varied(buffer: &mut [u8; 256]) {
    for (at, byte) in buffer.iter_mut().enumerate() {
        *byte = at as u8;
    }
}

/// Turns until `done` has something.
fn turn_until<T>(
    engine: &mut Engine,
    forward: &mut Forward,
    mut done: impl FnMut(&mut Engine, &Forward) -> Option<T>,
) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(done) = done(engine, forward) {
            return done;
        }
        assert!(Instant::now() < end, "it did not happen");
        engine
            .turn(forward, Some(Duration::from_millis(1)))
            .unwrap();
    }
}

/// The next bytes of a peer that are enough for `whole`.
fn read(
    engine: &mut Engine,
    forward: &mut Forward,
    peer: &mut TcpStream,
    whole: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let (mut got, mut buffer) = (Vec::new(), vec![0; 4096]);
    turn_until(engine, forward, |_, _| {
        match peer.read(&mut buffer) {
            Ok(count) => got.extend_from_slice(&buffer[..count]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        whole(&got).then(|| got.clone())
    })
}

/// The frames of a client: their keys, and their payloads as they were before they were masked.
fn frames(mut bytes: &[u8]) -> Vec<(mask::MaskingKey, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((header, length)) = FrameHeader::decode(bytes, Role::Server).unwrap() {
        let end = length + header.len as usize;
        if bytes.len() < end {
            break;
        }
        let (key, mut payload) = (header.mask.unwrap(), bytes[length..end].to_vec());
        mask::apply(key, 0, &mut payload);
        frames.push((key, payload));
        bytes = &bytes[end..];
    }
    frames
}

/// An engine with a client that is connected to `TcpStream`.
fn connected() -> (Engine, Forward, TcpStream) {
    let limits = Limits {
        max_connections: 10,
        max_memory: 64 << 20,
    };
    let mut engine = Engine::new(limits, varied).unwrap();
    let owner = engine.add_owner("client", 10, Speaks::Http);
    let mut forward = Forward {
        client: None,
        owner,
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    let outgoing = Outgoing {
        owner,
        conf: &Rc::new(conf()),
        request: handshake::UpgradeRequest {
            host: "localhost",
            target: "/",
            protocols: &[],
            basic: None,
            fields: &[],
        },
        nonce: [9; 16],
        tls: None,
    };
    let stream = mio::net::TcpStream::from_std(stream);
    engine.adopt(stream, &outgoing).unwrap();
    let whole = |got: &[u8]| got.ends_with(b"\r\n\r\n");
    let request = read(&mut engine, &mut forward, &mut peer, whole);
    let request = String::from_utf8(request).unwrap();
    let mut lines = request.lines();
    let key = lines
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    let accept = handshake::accept_value(key.as_bytes());
    let accept = str::from_utf8(&accept).unwrap();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    peer.write_all(answer.as_bytes()).unwrap();
    turn_until(&mut engine, &mut forward, |_, forward| forward.client);
    (engine, forward, peer)
}

#[test]
fn every_frame_of_a_client_is_masked_with_a_new_key() {
    let (mut engine, mut forward, mut peer) = connected();
    let (owner, client) = (forward.owner, forward.client.unwrap());
    let listener = Bound::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.address().unwrap();
    let server = engine.add_owner("server", 10, Speaks::Http);
    engine.listen(listener, server, Rc::new(conf())).unwrap();
    let mut sender = TcpStream::connect(address).unwrap();
    sender
        .write_all(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .unwrap();
    sender.write_all(&masked(b"forwarded")).unwrap();
    assert!(engine.queue(client, Kind::Text, b"queued"));
    assert_eq!(engine.send_each(&[client], Kind::Text, b"to each"), 1);
    assert_eq!(engine.broadcast(owner, None, Kind::Text, b"to all"), 1);
    assert!(engine.send(client, Kind::Text, b"sent"));
    let whole = |got: &[u8]| frames(got).len() == 7;
    let got = frames(&read(&mut engine, &mut forward, &mut peer, whole));
    let payloads: Vec<&[u8]> = got.iter().map(|(_, payload)| &payload[..]).collect();
    let expected: [&[u8]; 7] = [
        b"queued",
        b"to each",
        b"to all",
        b"sent",
        b"forwarded",
        b"forwarded",
        b"forwarded",
    ];
    assert_eq!(payloads, expected);
    let mut keys: Vec<_> = got.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 7, "{got:?}");
}
