//! A client and a server connection talk: what is sent arrives, whatever the pieces; and bytes that no client would
//! send change nothing in that but the end.

use bellwire::conn::buffer::Sent;
use bellwire::proto::ws::close::CloseCode;
use bellwire::proto::ws::frame::Kind;

use support::{Side, conf};

#[path = "../../tests/support/mod.rs"]
mod support;

/// The bytes are a list of commands: to send a message, to close, to let bytes through in pieces, or to put a byte
/// between them. Two runs that differ in the pieces only must end alike.
pub fn check(data: &[u8]) {
    let cut = run(data, |command| usize::from(command) + 1);
    let whole = run(data, |_| usize::MAX);
    assert_eq!(cut, whole);
}

type Seen = (Vec<String>, Vec<String>);

fn run(data: &[u8], piece: impl Fn(u8) -> usize) -> Seen {
    let (mut client, mut server) = (Side::client(conf()), Side::server(conf()));
    let mut sent: Vec<(Kind, Vec<u8>)> = Vec::new();
    let mut tampered = false;
    pump(&mut client, &mut server, usize::MAX);
    for command in data.chunks(2) {
        let [what, value] = [command[0], *command.get(1).unwrap_or(&0)];
        match what % 8 {
            0..4 => {
                let kind = if what & 1 == 0 {
                    Kind::Text
                } else {
                    Kind::Binary
                };
                let data = vec![b'a' + value % 26; usize::from(value) << (what >> 4 & 7)];
                if client.send(kind, &data) == Sent::Queued {
                    sent.push((kind, data));
                }
            }
            4 => client.close(CloseCode::NORMAL, "fuzz"),
            5 => server.close(CloseCode::GOING_AWAY, ""),
            6 => {
                tampered = true;
                client.pipe.wire.push(value);
            }
            _ => {
                server.echo = value & 1 == 0;
            }
        }
        pump(&mut client, &mut server, piece(value));
    }
    let received: Vec<(Kind, Vec<u8>)> = server
        .messages()
        .map(|(kind, data)| (kind, data.to_vec()))
        .collect();
    if !tampered {
        let closed = !server.ends().is_empty();
        assert!(received.len() <= sent.len() && (closed || received.len() == sent.len()));
        assert!(
            received
                .iter()
                .zip(&sent)
                .all(|(received, sent)| received == sent)
        );
    }
    assert!(client.ends().len() <= 1 && server.ends().len() <= 1);
    let told = |side: &Side| side.told.iter().map(|told| format!("{told:?}")).collect();
    (told(&client), told(&server))
}

/// Lets everything through in pieces, the client's bytes first.
fn pump(client: &mut Side, server: &mut Side, piece: usize) {
    loop {
        let (up, down) = (client.take(), server.take());
        if up.is_empty() && down.is_empty() {
            return;
        }
        up.chunks(piece).for_each(|piece| server.receive(piece));
        down.chunks(piece).for_each(|piece| client.receive(piece));
    }
}
