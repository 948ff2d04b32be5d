//! The closing handshake, and the ways to fail (RFC 6455 §7).

use super::*;

/// Lets the peer of both roles close, in the middle of a message, which is lost, and with more behind it, which is not
/// read. Demands one event and one frame as the answer.
fn assert_close(payload: &[u8], event: &Seen, answer: &Seen) {
    for role in [Role::Server, Role::Client] {
        let transcript = [
            frame_to(role, Text, false, b"unfinished"),
            frame_to(role, OpCode::Close, true, payload),
            frame_to(role, Ping, true, b"anybody?"),
            b"\xff\xff\xff".to_vec(),
        ]
        .concat();
        let (seen, out) = assert_any_split(|| Peer::new(role), &transcript);
        assert_eq!(&seen[..], std::slice::from_ref(event));
        assert_eq!(&read_back(role, &out)[..], std::slice::from_ref(answer));
    }
}

#[test]
fn the_peer_closes() {
    assert_close(b"", &closed(None, ""), &closed(None, ""));
    assert_close(b"\x03\xe8", &closed(1000, ""), &closed(1000, ""));
    assert_close(b"\x03\xe9bye", &closed(1001, "bye"), &closed(1001, ""));
    assert_close(
        &[b"\x0f\xa0", &[b'x'; 123][..]].concat(),
        &closed(4000, &"x".repeat(123)),
        &closed(4000, ""),
    );
}

#[test]
fn the_peer_closes_wrongly() {
    let cases: [(&[u8], Error); 4] = [
        (b"\x03", Error::ShortClose),
        (b"\x03\xed", Error::InvalidCloseCode(1005)),
        (b"\x13\x88x", Error::InvalidCloseCode(5000)),
        (b"\x03\xe8\xff", Error::InvalidUtf8),
    ];
    for (payload, error) in cases {
        assert_close(payload, &Seen::Failed(error), &closed_for(error));
    }
}

#[test]
fn we_close() {
    for role in [Role::Server, Role::Client] {
        let closing = || {
            let mut peer = Peer::new(role);
            peer.close(CloseCode::GOING_AWAY, "night");
            peer.close(CloseCode::NORMAL, "again");
            peer
        };
        assert!(closing().session.is_closing());
        let transcript = [
            frame_to(role, Text, true, b"on its way"),
            frame_to(role, Binary, false, &[7; 200]),
            frame_to(role, Ping, true, b"p"),
            frame_to(role, Continuation, true, b""),
            frame_to(role, Pong, true, b"q"),
            frame_to(role, OpCode::Close, true, b"\x03\xe9"),
        ]
        .concat();
        let (seen, out) = assert_any_split(closing, &transcript);
        let expected = [
            Seen::Ping(b"p".to_vec()),
            Seen::Pong(b"q".to_vec()),
            closed(1001, ""),
        ];
        assert_eq!(seen, expected, "messages are dropped");
        assert_eq!(
            read_back(role, &out),
            [closed(1001, "night")],
            "one Close, and nothing else"
        );
    }
}

#[test]
fn what_comes_while_we_close_is_still_checked() {
    let cases: [(&[Frame<'_>], Error); 3] = [
        (&[(Text, true, b"\xff")], Error::InvalidUtf8),
        (&[(Continuation, true, b"")], Error::UnexpectedContinuation),
        (
            &[(Text, false, b"a"), (Binary, true, b"b")],
            Error::ExpectedContinuation,
        ),
    ];
    for (frames, error) in cases {
        let closing = || {
            let mut peer = Peer::server();
            peer.close(CloseCode::NORMAL, "");
            peer
        };
        let transcript: Vec<u8> = frames
            .iter()
            .flat_map(|&(opcode, fin, payload)| frame_to(Role::Server, opcode, fin, payload))
            .collect();
        let (seen, out) = assert_any_split(closing, &transcript);
        assert_eq!(seen, [Seen::Failed(error)]);
        assert_eq!(
            read_back(Role::Server, &out),
            [closed(1000, "")],
            "no second Close"
        );
    }
}

#[test]
fn a_message_cut_by_our_close_is_dropped() {
    let message = [
        frame_to(Role::Server, Text, false, b"begun before "),
        frame_to(Role::Server, Continuation, true, b"ended after"),
    ]
    .concat();
    for cut in 1..message.len() {
        let mut peer = Peer::server();
        peer.feed(&message[..cut]);
        peer.close(CloseCode::NORMAL, "");
        peer.feed(&message[cut..]);
        peer.feed(&frame_to(Role::Server, OpCode::Close, true, b""));
        assert_eq!(peer.seen, [closed(None, "")], "cut at {cut}");
    }
}

#[test]
fn nothing_is_sent_after_our_close() {
    let mut peer = Peer::server();
    assert!(peer.put(Kind::Text, b"one"));
    peer.ping(b"two");
    peer.close(CloseCode::NORMAL, "");
    let len = peer.out.len();
    assert!(!peer.put(Kind::Text, b"three"));
    assert!(peer.session.header(Kind::Text, 5).is_none());
    peer.ping(b"four");
    assert_eq!(peer.out.len(), len);
    let expected = [text("one"), Seen::Ping(b"two".to_vec()), closed(1000, "")];
    assert_eq!(read_back(Role::Server, &peer.out), expected);
}

#[test]
fn a_failed_session_reads_no_more() {
    let mut peer = Peer::server();
    peer.feed(&frame_to(Role::Server, Text, true, b"\xff"));
    let len = peer.out.len();
    peer.feed(&frame_to(Role::Server, Text, true, b"more"));
    peer.feed(&frame_to(Role::Server, OpCode::Close, true, b""));
    assert_eq!(peer.seen, [Seen::Failed(Error::InvalidUtf8)]);
    assert_eq!(peer.out.len(), len);
    assert!(peer.session.is_done() && peer.session.is_closing());
}
