//! A seeded simulation of many connections on a bad network: short writes, cuts, delays, resets, closes; some of them over TLS. What one side
//! sends, the other receives once, in order and unchanged, up to an end that both know of. The limits differ as well: the
//! backlog of a slow peer, the policy when it is full, the ping interval and the pong timeout.
//!
//! And hostile peers: they send a little from time to time and never finish, or send requests and do not read. Each is
//! ended in time, whatever it sends meanwhile.
//!
//! `SEED=n cargo test --test sim` replays one run.

use std::collections::BTreeMap;

use bellwire::conn::buffer::Sent;
use bellwire::conn::deadline::{Millis, Tick};
use bellwire::conn::event::CloseReason;
use bellwire::conn::{Conf, LINGER, STALL, SlowPeer};
use bellwire::proto::ws::close::CloseCode;
use bellwire::proto::ws::frame::Kind;

use support::{Side, Told};

mod authority;
mod support;
#[path = "pair/tls.rs"]
mod tls;

/// A small generator (xorshift64*), so that a seed means the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }
}

/// The bytes on the link in one direction.
#[derive(Default)]
struct Link {
    bytes: Vec<u8>,
    sent: Vec<(Kind, Vec<u8>)>,
    ended: bool,
}

struct Run {
    random: Random,
    sides: [Side; 2],
    /// From the side of the same index.
    links: [Link; 2],
    max_message: usize,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let max_message = 300_000;
        let conf = Conf {
            max_message,
            max_backlog: [4 << 20, 100_000][random.below(2)],
            slow_peer: [SlowPeer::Close, SlowPeer::Drop][random.below(2)],
            ping_interval: Millis::seconds([0, 1, 30][random.below(3)]),
            pong_timeout: Millis::seconds([1, 20][random.below(2)]),
            ..Conf::default()
        };
        let mut sides = if random.below(3) == 0 {
            let (client, server) = tls::pair("localhost");
            [
                Side::client_over_tls(conf.clone(), client),
                Side::server_over_tls(conf, server),
            ]
        } else {
            [Side::client(conf.clone()), Side::server(conf)]
        };
        for side in &mut sides {
            side.pipe.room = 200_000;
            side.short_ways = random.below(2) == 0;
        }
        Run {
            random,
            sides,
            links: Default::default(),
            max_message,
        }
    }

    fn step(&mut self) {
        let from = self.random.below(2);
        match self.random.below(100) {
            0..40 => self.deliver(from),
            40..70 => self.send(from),
            70..85 => self.carry(from),
            85..90 => {
                let room = self.random.below(200_000);
                self.sides[from].pipe.room = room;
            }
            90..96 => self.pass_time(3000),
            96 if self.random.below(20) == 0 => self.pass_time(100_000),
            97 if self.random.below(30) == 0 => {
                self.sides[from].close(CloseCode::NORMAL, "enough");
            }
            98 if self.random.below(60) == 0 => self.reset(),
            _ => {}
        }
        for (at, side) in self.sides.iter().enumerate() {
            assert!(
                side.ends().len() <= 1,
                "an end is told once: {:?}",
                side.ends()
            );
            let bound = self.max_message + 64 * 1024;
            assert!(
                side.conn.held() <= bound,
                "side {at} holds {}",
                side.conn.held()
            );
        }
    }

    /// Nothing arrives for up to so many milliseconds.
    fn pass_time(&mut self, most: usize) {
        let time = Millis::new(self.random.below(most) as u32);
        self.sides.iter_mut().for_each(|side| side.pass_time(time));
    }

    /// Moves sent bytes onto the link.
    fn carry(&mut self, from: usize) {
        let side = &mut self.sides[from];
        let progress = side.pipe.flush();
        side.settle(progress);
        self.links[from].bytes.extend(side.take());
        // Our half ends after the last byte.
        self.links[from].ended |= side.ended && side.pipe.waits.is_empty();
    }

    /// Delivers some of the bytes on the link.
    fn deliver(&mut self, from: usize) {
        let link = &mut self.links[from];
        let to = &mut self.sides[1 - from];
        let most = to.conn.receive_limit().min(link.bytes.len());
        if most == 0 {
            if link.bytes.is_empty() && link.ended && !to.conn.is_closed() {
                to.eof();
            }
            return;
        }
        let count = match self.random.below(4) {
            0 => 1 + self.random.below(most.min(20)),
            1 => 1 + self.random.below(most),
            _ => most,
        };
        let bytes: Vec<u8> = link.bytes.drain(..count).collect();
        to.receive(&bytes);
    }

    fn send(&mut self, from: usize) {
        if !self.sides[from].conn.is_open() {
            return;
        }
        let len = match self.random.below(10) {
            0 => self.random.below(self.max_message + 1),
            1..4 => self.random.below(5000),
            _ => self.random.below(130),
        };
        let fill = self.random.next();
        let data: Vec<u8> = (0..len)
            .map(|at| b'!' + ((fill >> (at % 50)) as u8).wrapping_add(at as u8) % 90)
            .collect();
        let kind = if fill & 1 == 0 {
            Kind::Text
        } else {
            Kind::Binary
        };
        let side = &mut self.sides[from];
        let sent = if self.random.below(4) == 0 {
            let frame = 1 + self.random.below(len.max(1));
            // Many small frames of a long message only take time.
            side.send_in_frames(kind, &data, frame.max(len / 20))
        } else {
            side.send(kind, &data) == Sent::Queued
        };
        if sent {
            self.links[from].sent.push((kind, data));
        }
    }

    /// Drops the bytes on the link, and tells both sides of the reset.
    fn reset(&mut self) {
        for (side, link) in self.sides.iter_mut().zip(&mut self.links) {
            let told = side.conn.abort(CloseReason::Reset);
            side.told
                .extend(told.map(|reason| Told::Closed(reason.to_string())));
            link.bytes.clear();
        }
    }

    /// The network gets well: everything arrives, and the connection is closed if it is still open.
    fn finish(&mut self) {
        for side in &mut self.sides {
            side.pipe.room = usize::MAX;
        }
        for round in 0..40 {
            if round == 5 {
                self.sides[0].close(CloseCode::NORMAL, "");
            }
            for from in [0, 1] {
                self.carry(from);
                while !self.links[from].bytes.is_empty()
                    && self.sides[1 - from].conn.receive_limit() > 0
                {
                    self.deliver(from);
                }
                self.deliver(from);
            }
            if round > 10 {
                self.sides
                    .iter_mut()
                    .for_each(|side| side.pass_time(Millis::seconds(6)));
            }
        }
    }

    fn check(&self) {
        for from in [0, 1] {
            let told: Vec<(Kind, &[u8])> = self.sides[1 - from].messages().collect();
            let sent = &self.links[from].sent;
            assert!(told.len() <= sent.len());
            for (at, (told, sent)) in told.iter().zip(sent).enumerate() {
                assert!(
                    told.0 == sent.0 && told.1 == sent.1,
                    "message {at} of side {from} is another one"
                );
            }
            // Without a reset or a close of the receiver's own, nothing is missing.
            let receiver = &self.sides[1 - from];
            let clean = receiver
                .ends()
                .iter()
                .all(|end| end.starts_with("closed by the peer"));
            if clean {
                assert_eq!(
                    told.len(),
                    sent.len(),
                    "messages of side {from} are missing"
                );
            }
            assert!(
                receiver.conn.is_closed(),
                "side {} is still there",
                1 - from
            );
            assert_eq!(receiver.conn.held(), 0);
            assert!(
                !receiver.opened || receiver.ends().len() == 1,
                "{:?}",
                receiver.ends()
            );
            let failed = |end: &&str| end.starts_with("closed with ") && end.contains(": ");
            assert!(
                !receiver.ends().iter().any(failed),
                "nobody broke the protocol: {:?}",
                receiver.ends()
            );
        }
    }
}

/// How the two ends of a run were told, as far as it opened.
fn run(seed: u64) -> Vec<String> {
    let mut run = Run::new(seed);
    let steps = 100 + run.random.below(500);
    for _ in 0..steps {
        run.step();
    }
    run.finish();
    run.check();
    let ends = run.sides.iter().flat_map(Side::ends);
    ends.map(str::to_owned).collect()
}

/// What a peer does that means ill.
#[derive(Clone, Copy, Debug)]
enum Flood {
    SlowHead,
    SlowBody,
    NeverReads,
}

/// Milliseconds between two looks at the clock.
const STEP: u32 = 100;

/// A peer that means ill, until it is ended; how long that took, in milliseconds, and how many bytes it has said.
fn flood(kind: Flood, random: &mut Random) -> (u32, usize) {
    let mut side = Side::server(Conf::default());
    side.short_ways = random.below(2) == 0;
    if matches!(kind, Flood::NeverReads) {
        side.pipe.room = random.below(100);
    }
    side.receive(match kind {
        Flood::SlowHead => b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ".as_slice(),
        Flood::SlowBody => {
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"
        }
        Flood::NeverReads => b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    });
    let begun = side.now;
    // From a byte a minute to some two hundred a second.
    let (often, much) = (1 + random.below(60_000), 1 + random.below(200));
    let mut said = 0;
    while !side.conn.is_closed() {
        for _ in 0..=random.below(often) / STEP as usize {
            if !side.conn.is_closed() {
                side.pass_time(Millis::new(STEP));
            }
        }
        let piece = match kind {
            Flood::NeverReads => b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
            _ => vec![b'x'; 1 + random.below(much)],
        };
        if side.conn.receive_limit() >= piece.len() {
            side.receive(&piece);
            said += piece.len();
        }
        assert!(side.conn.held() <= 64 * 1024);
        assert!(side.now.since(begun) < 10_000_000, "{kind:?} lives on");
    }
    (side.now.since(begun), said)
}

#[test]
fn hostile_peers_are_ended_in_time() {
    let conf = Conf::default();
    let time = |limit: Millis| Tick(0).after(limit).since(Tick(0));
    let seeds = match std::env::var("SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..300_u64,
    };
    for seed in seeds {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let kinds = [Flood::SlowHead, Flood::SlowBody, Flood::NeverReads];
        let kind = kinds[random.below(3)];
        let (took, said) = flood(kind, &mut random);
        let most = match kind {
            Flood::SlowHead => time(conf.head_timeout),
            // RFC 9112 knows no rate; ours is 500 bytes a second.
            Flood::SlowBody => time(conf.idle_timeout) + said as u32 * 2,
            Flood::NeverReads => time(STALL),
        };
        let most = most + time(LINGER) + STEP;
        assert!(
            took <= most,
            "SEED={seed}: {kind:?} took {took} ms, said {said} bytes"
        );
    }
}

#[test]
fn messages_arrive_once_and_in_order_whatever_the_network_does() {
    if let Ok(seed) = std::env::var("SEED") {
        run(seed.parse().expect("SEED is a number"));
        return;
    }
    let mut ends = BTreeMap::new();
    for seed in 0..400 {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(told) => told
                .into_iter()
                .for_each(|end| *ends.entry(end).or_insert(0) += 1),
            Err(panic) => {
                eprintln!("replay with SEED={seed} cargo test --test sim");
                std::panic::resume_unwind(panic);
            }
        }
    }
    // Every end that there is was met, or the simulation has become too gentle.
    for end in [
        "closed by the peer with 1000",
        "closed by the peer with 1000: enough",
        "closed by the peer with 1013: too slow",
        "closed with 1000",
        "closed with 1013",
        "the connection was reset",
        "the peer did not answer a ping",
        "the peer does not read",
        "the peer left without a Close frame",
    ] {
        assert!(ends.contains_key(end), "{end} is not in {ends:#?}");
    }
    println!("{ends:#?}");
}
