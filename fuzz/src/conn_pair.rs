//! A client and a server connection talk: what is sent arrives, whatever the pieces; and bytes that no peer would send
//! change nothing in that but the end.

use bellwire::conn::Conf;
use bellwire::conn::buffer::Sent;
use bellwire::proto::ws::close::CloseCode;
use bellwire::proto::ws::frame::Kind;

use support::{Side, Told};

#[path = "../../tests/support/mod.rs"]
pub(super) mod support;

/// The bytes are a list of commands of two bytes: to send a message, to close, or to put a byte between what is sent.
/// After each of them everything is let through, in pieces. Runs that differ in the pieces, or in the ways that
/// connections take to read them, must end alike.
pub fn check(data: &[u8]) {
    let whole = run(data, |_| usize::MAX, false);
    let pieces = |value: u8| usize::from(value) + 1;
    for (pieces, short_ways) in [
        (&pieces as &dyn Fn(u8) -> usize, false),
        (&pieces, true),
        (&|_| usize::MAX, true),
    ] {
        assert_eq!(run(data, pieces, short_ways), whole);
    }
}

type Messages = Vec<(Kind, Vec<u8>)>;

struct Run {
    sides: [Side; 2],
    /// By the side of the same index.
    sent: [Messages; 2],
    /// Whether what that side sends is its own.
    tampered: [bool; 2],
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

fn run(data: &[u8], piece: impl Fn(u8) -> usize, short_ways: bool) -> [Vec<Told>; 2] {
    let mut run = Run {
        sides: [Side::client(Conf::default()), Side::server(Conf::default())],
        sent: Default::default(),
        tampered: [false; 2],
    };
    for side in &mut run.sides {
        side.short_ways = short_ways;
    }
    run.pump(usize::MAX);
    for command in data.chunks(2) {
        let [what, value] = [command[0], *command.get(1).unwrap_or(&0)];
        run.act(what, value);
        run.pump(piece(value));
    }
    run.check();
    run.sides.map(|side| side.told)
}

impl Run {
    /// The low three bits say what to do; for a message, the next says in how many frames, and the rest how long it is.
    fn act(&mut self, what: u8, value: u8) {
        match what % 8 {
            kind_and_side @ 0..4 => {
                let kind = [Kind::Text, Kind::Binary][usize::from(kind_and_side & 1)];
                let from = [CLIENT, SERVER][usize::from(kind_and_side >> 1)];
                let len = usize::from(value) << (what >> 4 & 7);
                let data = (0..len).map(|at| b' ' + ((at + usize::from(value)) % 95) as u8);
                self.send(from, kind, data.collect(), what & 8 != 0);
            }
            4 => self.sides[CLIENT].close(CloseCode::NORMAL, "fuzz"),
            5 => self.sides[SERVER].close(CloseCode::GOING_AWAY, ""),
            6 => {
                let from = [CLIENT, SERVER][usize::from(what >> 3 & 1)];
                self.tampered[from] = true;
                self.sides[from].pipe.wire.push(value);
            }
            _ => self.sides[SERVER].echo = value & 1 == 0,
        }
    }

    fn send(&mut self, from: usize, kind: Kind, data: Vec<u8>, in_frames: bool) {
        let side = &mut self.sides[from];
        let sent = if in_frames {
            side.send_in_frames(kind, &data, data.len() / 3)
        } else {
            side.send(kind, &data) == Sent::Queued
        };
        if sent {
            self.sent[from].push((kind, data));
        }
    }

    /// Lets everything through in pieces, the client's bytes first.
    fn pump(&mut self, piece: usize) {
        let [client, server] = &mut self.sides;
        loop {
            let (up, down) = (client.take(), server.take());
            if up.is_empty() && down.is_empty() {
                return;
            }
            up.chunks(piece).for_each(|piece| server.receive(piece));
            down.chunks(piece).for_each(|piece| client.receive(piece));
        }
    }

    fn check(&self) {
        let [client, server] = &self.sides;
        assert!(client.ends().len() <= 1 && server.ends().len() <= 1);
        if self.tampered.contains(&true) {
            return;
        }
        assert!(client.opened && server.opened);
        let [up, down] = &self.sent;
        let told: Vec<_> = server.messages().collect();
        let mut sent = up.iter().map(|(kind, data)| (*kind, &data[..]));
        assert!(told.iter().all(|told| sent.next() == Some(*told)));
        assert!(sent.next().is_none() || !server.ends().is_empty());
        // Between the server's own messages stand those that it sends back.
        let mut told = client.messages();
        let arrived = down
            .iter()
            .take_while(|(kind, data)| told.any(|told| told == (*kind, &data[..])))
            .count();
        assert!(arrived == down.len() || !client.ends().is_empty());
    }
}
