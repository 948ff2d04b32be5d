//! The session fed with transcripts of frames, each at all cuts.

mod closing;
mod large;
mod sending;

use super::super::frame::{put_masked, put_unmasked};
use super::*;
use OpCode::{Binary, Continuation, Ping, Pong, Text};

const KEY: crate::proto::ws::mask::MaskingKey = [0x37, 0xfa, 0x21, 0x3d];
const MAX: usize = 1 << 20;

/// An event that owns what it tells.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Closed(Option<u16>, String),
    Failed(Error),
}

/// A session with what it needs around it.
struct Peer {
    session: Session,
    pool: Pool,
    keys: MaskingKeys,
    out: Vec<u8>,
    max: usize,
    seen: Vec<Seen>,
}

fn refill(buffer: &mut [u8; 256]) {
    for (i, byte) in buffer.iter_mut().enumerate() {
        *byte = byte.wrapping_mul(5).wrapping_add(i as u8 | 1);
    }
}

impl Peer {
    fn new(role: Role) -> Peer {
        let (pool, keys) = (Pool::default(), MaskingKeys::new(refill));
        Peer {
            session: Session::new(role),
            pool,
            keys,
            out: Vec::new(),
            max: MAX,
            seen: Vec::new(),
        }
    }

    fn server() -> Peer {
        Peer::new(Role::Server)
    }

    /// Feeds one piece of input, as it would come from a socket.
    fn feed(&mut self, piece: &[u8]) {
        let mut input = piece.to_vec();
        let mut at = 0;
        loop {
            let Peer {
                session,
                pool,
                keys,
                out,
                ..
            } = self;
            let mut control = [0; 125];
            let SessionStep { used, got } =
                session.step(&mut input[at..], &mut control, pool, keys, out, self.max);
            at += used;
            match see(got) {
                Some((seen, buffer)) => {
                    self.seen.push(seen);
                    self.pool.give_back(buffer);
                }
                None => break,
            }
        }
        assert_eq!(at, input.len(), "More means that all is used");
    }

    /// Feeds like a reader that puts what it can into the unfinished message itself.
    fn feed_into_spare(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let Some((buffer, wanted)) = self.session.spare() else {
                let (now, later) = piece.split_at(piece.len().min(1000));
                self.feed(now);
                piece = later;
                continue;
            };
            let (now, later) = piece.split_at(piece.len().min(wanted));
            assert!(buffer.capacity() - buffer.len() >= now.len());
            buffer.extend_from_slice(now);
            piece = later;
            let got = self
                .session
                .filled(now.len(), &mut self.pool, &mut self.keys, &mut self.out);
            self.seen.extend(see(got).map(|(seen, _)| seen));
        }
    }

    fn close(&mut self, code: CloseCode, reason: &str) {
        self.session
            .start_closing(code, reason, &mut self.keys, &mut self.out);
    }

    fn put(&mut self, kind: Kind, data: &[u8]) -> bool {
        self.session
            .put_message(kind, data, &mut self.keys, &mut self.out)
    }

    fn ping(&mut self, payload: &[u8]) {
        self.session.ping(payload, &mut self.keys, &mut self.out);
    }
}

fn see(got: SessionEvent<'_>) -> Option<(Seen, Buffer)> {
    let seen = match got {
        SessionEvent::More => return None,
        SessionEvent::Message { kind, data } => Seen::Message(kind, data.to_vec()),
        SessionEvent::Whole { kind, data } => {
            return Some((Seen::Message(kind, data.to_vec()), data));
        }
        SessionEvent::Ping(payload) => Seen::Ping(payload.to_vec()),
        SessionEvent::Pong(payload) => Seen::Pong(payload.to_vec()),
        SessionEvent::Closed { code, reason } => {
            Seen::Closed(code.map(CloseCode::get), reason.to_owned())
        }
        SessionEvent::Failed(error) => Seen::Failed(error),
    };
    Some((seen, Buffer::default()))
}

/// A frame from the peer of `role`.
fn frame_to(role: Role, opcode: OpCode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match role {
        Role::Server => put_masked(&mut out, KEY, opcode, fin, payload),
        Role::Client => put_unmasked(&mut out, opcode, fin, payload),
    }
    out
}

fn text(data: impl AsRef<[u8]>) -> Seen {
    Seen::Message(Kind::Text, data.as_ref().to_vec())
}

fn binary(data: impl AsRef<[u8]>) -> Seen {
    Seen::Message(Kind::Binary, data.as_ref().to_vec())
}

fn closed(code: impl Into<Option<u16>>, reason: &str) -> Seen {
    Seen::Closed(code.into(), reason.to_owned())
}

/// The Close frame that answers a fault.
fn closed_for(error: Error) -> Seen {
    closed(error.close_code().get(), &error.to_string())
}

/// Feeds `transcript` whole, byte by byte and cut at every place to a session made by `peer`. Demands the same events
/// and the same answers of all, and returns them.
fn assert_any_split(peer: impl Fn() -> Peer, transcript: &[u8]) -> (Vec<Seen>, Vec<u8>) {
    let mut whole = peer();
    whole.feed(transcript);
    let check = |split: Peer, how: &str| {
        assert_eq!(split.seen, whole.seen, "{how}");
        assert_eq!(split.out, whole.out, "{how}");
        assert_eq!(split.session.held(), whole.session.held(), "{how}");
        assert_eq!(split.session.is_done(), whole.session.is_done(), "{how}");
    };
    let mut bytewise = peer();
    for byte in transcript.chunks(1) {
        bytewise.feed(byte);
    }
    check(bytewise, "byte by byte");
    for cut in 1..transcript.len() {
        let mut split = peer();
        split.feed(&transcript[..cut]);
        split.feed(&transcript[cut..]);
        check(split, &format!("cut at {cut}"));
    }
    let mut empty_pieces = peer();
    for piece in transcript.chunks(3) {
        empty_pieces.feed(b"");
        empty_pieces.feed(piece);
    }
    check(empty_pieces, "threes with nothing between");
    (whole.seen, whole.out)
}

/// Opcode, fin, payload.
type Frame<'a> = (OpCode, bool, &'a [u8]);

/// `assert_any_split` of frames, for both roles.
fn events_of(frames: &[Frame<'_>]) -> Vec<Seen> {
    let [server, client] = [Role::Server, Role::Client].map(|role| {
        let transcript: Vec<u8> = frames
            .iter()
            .flat_map(|&(opcode, fin, payload)| frame_to(role, opcode, fin, payload))
            .collect();
        assert_any_split(|| Peer::new(role), &transcript).0
    });
    assert_eq!(server, client);
    server
}

/// What a peer of `role` has written, as its receiver sees it.
fn read_back(role: Role, out: &[u8]) -> Vec<Seen> {
    let other = match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    };
    let mut peer = Peer::new(other);
    peer.feed(out);
    assert_eq!(peer.session.held(), 0, "whole frames only");
    peer.seen
}

#[test]
fn whole_messages() {
    for len in [0, 1, 5, 125, 126, 200] {
        let data = vec![b'x'; len];
        assert_eq!(events_of(&[(Text, true, &data)]), [text(&data)]);
        assert_eq!(events_of(&[(Binary, true, &data)]), [binary(&data)]);
    }
    assert_eq!(
        events_of(&[
            (Text, true, "Grüße".as_bytes()),
            (Binary, true, &[0xff]),
            (Text, true, b"")
        ]),
        [text("Grüße"), binary([0xff]), text("")]
    );
}

#[test]
fn a_whole_message_is_lent_out_of_the_input() {
    for len in [5, 500, 70_000] {
        let mut input = frame_to(Role::Server, Text, true, &vec![b'a'; len]);
        let mut peer = Peer::server();
        let Peer {
            session,
            pool,
            keys,
            out,
            ..
        } = &mut peer;
        let all = input.len();
        let mut control = [0; 125];
        let SessionStep { used, got } =
            session.step(&mut input, &mut control, pool, keys, out, MAX);
        assert_eq!(used, all);
        assert!(
            matches!(got, SessionEvent::Message { kind: Kind::Text, data } if data.len() == len)
        );
    }
}

#[test]
fn fragments_with_control_frames_between() {
    let seen = events_of(&[
        (Text, false, "Gr".as_bytes()),
        (Ping, true, b"still there?"),
        (Continuation, false, &"ü".as_bytes()[..1]),
        (Pong, true, b""),
        (Continuation, false, b""),
        (Continuation, false, &"ü".as_bytes()[1..]),
        (Continuation, true, "ße".as_bytes()),
        (Binary, false, b""),
        (Continuation, true, b""),
        (Binary, true, b"next"),
    ]);
    let expected = [
        Seen::Ping(b"still there?".to_vec()),
        Seen::Pong(Vec::new()),
        text("Grüße"),
        binary(""),
        binary("next"),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn fragments_of_one_message_stay_together() {
    // RFC 6455 §5.4.
    let unexpected = [Seen::Failed(Error::UnexpectedContinuation)];
    assert_eq!(events_of(&[(Continuation, true, b"x")]), unexpected);
    assert_eq!(events_of(&[(Continuation, false, b"")]), unexpected);
    for opcode in [Text, Binary] {
        let seen = events_of(&[(Text, false, b"a"), (opcode, true, b"b")]);
        assert_eq!(seen, [Seen::Failed(Error::ExpectedContinuation)]);
    }
    let seen = events_of(&[
        (Text, false, b"a"),
        (Continuation, true, b"b"),
        (Continuation, true, b"c"),
    ]);
    assert_eq!(
        seen,
        [text("ab"), Seen::Failed(Error::UnexpectedContinuation)]
    );
}

#[test]
fn faults_of_headers_fail_the_connection() {
    let cases: [(Role, &[u8], Error); 9] = [
        (Role::Server, &[0xc1, 0x80], Error::ReservedBits),
        (Role::Server, &[0x83, 0x80], Error::UnknownOpCode(3)),
        (Role::Server, &[0x09, 0x80], Error::FragmentedControl),
        (Role::Server, &[0x89, 0xfe], Error::LongControl),
        (Role::Server, &[0x81, 0x05], Error::Unmasked),
        (Role::Client, &[0x81, 0x85], Error::Masked),
        (Role::Server, &[0x82, 0xfe, 0, 5], Error::LengthNotMinimal),
        (Role::Client, &[0x82, 0x7f, 0x80], Error::LengthTooLarge),
        (
            Role::Client,
            &[0x82, 0x7f, 0, 0, 0, 0, 0, 0],
            Error::LengthNotMinimal,
        ),
    ];
    for (role, fault, error) in cases {
        let before = frame_to(role, Text, true, b"fine");
        let after = frame_to(role, Text, true, b"too late");
        let transcript = [&before, fault, &after].concat();
        let (seen, out) = assert_any_split(|| Peer::new(role), &transcript);
        assert_eq!(seen, [text("fine"), Seen::Failed(error)]);
        assert_eq!(read_back(role, &out), [closed_for(error)]);
    }
}

#[test]
fn pings_are_answered_in_order() {
    for role in [Role::Server, Role::Client] {
        let payloads: [&[u8]; 4] = [b"one", b"", &[0xff; 125], b"four"];
        let transcript = payloads
            .map(|payload| frame_to(role, Ping, true, payload))
            .concat();
        let (seen, out) = assert_any_split(|| Peer::new(role), &transcript);
        assert_eq!(seen, payloads.map(|payload| Seen::Ping(payload.to_vec())));
        assert_eq!(
            read_back(role, &out),
            payloads.map(|payload| Seen::Pong(payload.to_vec()))
        );
    }
}

#[test]
fn text_fails_at_its_first_bad_byte() {
    // κόσμε, then a code point beyond U+10FFFF, whose second byte tells (Autobahn 6.4).
    let bad = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited";
    let frame = frame_to(Role::Server, Text, true, bad);
    let until = frame.len() - bad.len() + 12;
    let mut peer = Peer::server();
    peer.feed(&frame[..until]);
    assert_eq!(peer.seen, []);
    peer.feed(&frame[until..=until]);
    assert_eq!(
        peer.seen,
        [Seen::Failed(Error::InvalidUtf8)],
        "in the middle of the frame"
    );
    assert!(matches!(
        &read_back(Role::Server, &peer.out)[..],
        [Seen::Closed(Some(1007), _)]
    ));

    let failed = [Seen::Failed(Error::InvalidUtf8)];
    assert_eq!(events_of(&[(Text, true, bad)]), failed);
    assert_eq!(events_of(&[(Text, false, bad)]), failed);
    assert_eq!(
        events_of(&[(Text, false, &bad[..12]), (Continuation, false, &bad[12..])]),
        failed
    );
    let ends_early = &"Grü".as_bytes()[..3];
    assert_eq!(events_of(&[(Text, true, ends_early)]), failed);
    assert_eq!(
        events_of(&[(Text, false, ends_early), (Continuation, true, b"")]),
        failed
    );
    assert_eq!(
        events_of(&[(
            Text,
            true,
            &[b"long enough for another way ".repeat(9), vec![0xff]].concat()
        )]),
        failed
    );
}
