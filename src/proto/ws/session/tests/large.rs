//! Messages that come in many pieces, limits and memory.

use super::*;

#[test]
fn the_limit_acts_on_what_is_announced() {
    let limited = |max| {
        move || Peer {
            max,
            ..Peer::server()
        }
    };
    let too_big = [Seen::Failed(Error::TooBig)];
    for (len, max, fits) in [
        (10, 10, true),
        (11, 10, false),
        (300, 300, true),
        (301, 300, false),
        (0, 0, true),
    ] {
        let data = vec![b'x'; len];
        let (seen, out) =
            assert_any_split(limited(max), &frame_to(Role::Server, Text, true, &data));
        if fits {
            assert_eq!(seen, [text(&data)]);
        } else {
            assert_eq!(seen, too_big);
            assert_eq!(read_back(Role::Server, &out), [closed_for(Error::TooBig)]);
        }
    }
    // From the header alone.
    let header = frame_to(Role::Server, Binary, true, &[0; 11])[..6].to_vec();
    assert_eq!(assert_any_split(limited(10), &header).0, too_big);
    let huge = [
        0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4,
    ];
    assert_eq!(
        assert_any_split(limited(usize::MAX), &huge).0,
        too_big,
        "no memory for it either"
    );
    // The sum of the fragments counts.
    let sum = [
        frame_to(Role::Server, Binary, false, &[0; 6]),
        frame_to(Role::Server, Ping, true, b"between"),
        frame_to(Role::Server, Continuation, true, &[0; 5]),
    ]
    .concat();
    let (seen, _) = assert_any_split(limited(10), &sum);
    assert_eq!(
        seen,
        [Seen::Ping(b"between".to_vec()), Seen::Failed(Error::TooBig)]
    );
    assert_eq!(assert_any_split(limited(11), &sum).0[1], binary([0; 11]));
}

#[test]
fn many_tiny_fragments_make_a_message() {
    let mut transcript = frame_to(Role::Server, Text, false, b"x");
    for _ in 0..65_534 {
        transcript.extend(frame_to(Role::Server, Continuation, false, b"x"));
    }
    transcript.extend(frame_to(Role::Server, Continuation, true, b"x"));
    for piece in [usize::MAX, 7, 1] {
        let mut peer = Peer::server();
        for piece in transcript.chunks(piece.min(transcript.len())) {
            peer.feed(piece);
        }
        assert_eq!(peer.seen, [text(vec![b'x'; 65_536])]);
    }
}

#[test]
fn large_messages_in_chops_of_any_size() {
    let data: Vec<u8> = "Grüße, 世界! "
        .bytes()
        .cycle()
        .take(120 * 1024 - 3)
        .collect();
    let data = String::from_utf8(data).unwrap_or_else(|cut| {
        let valid = cut.utf8_error().valid_up_to();
        String::from_utf8_lossy(&cut.as_bytes()[..valid]).into_owned()
    });
    for role in [Role::Server, Role::Client] {
        let frame = frame_to(role, Text, true, data.as_bytes());
        for chop in [1, 64, 1021, 65_536] {
            let mut peer = Peer::new(role);
            for piece in frame.chunks(chop) {
                peer.feed(piece);
            }
            assert_eq!(peer.seen, [text(&data)], "chops of {chop}");
        }
    }
}

#[test]
fn reading_into_the_message_is_the_same() {
    let data = "Grüße, 世界! ".repeat(6000);
    let (first, second) = data.as_bytes().split_at(50_001);
    for role in [Role::Server, Role::Client] {
        let transcript = [
            frame_to(role, Text, false, first),
            frame_to(role, Ping, true, b"between"),
            frame_to(role, Continuation, true, second),
            frame_to(role, Binary, true, b"next"),
        ]
        .concat();
        for chop in [1500, 20_000, 65_536, transcript.len()] {
            let mut peer = Peer::new(role);
            for piece in transcript.chunks(chop) {
                peer.feed_into_spare(piece);
            }
            let expected = [Seen::Ping(b"between".to_vec()), text(&data), binary("next")];
            assert_eq!(peer.seen, expected, "chops of {chop}");
        }
    }
}

#[test]
fn a_bad_byte_read_into_the_message_fails() {
    let mut data = vec![b'a'; 100_000];
    data[60_000] = 0xff;
    let frame = frame_to(Role::Server, Text, true, &data);
    let mut peer = Peer::server();
    peer.feed_into_spare(&frame[..60_014]);
    assert_eq!(peer.seen, []);
    peer.feed_into_spare(&frame[60_014..60_015]);
    assert_eq!(peer.seen, [Seen::Failed(Error::InvalidUtf8)]);
    assert_eq!(peer.session.held(), 0, "the buffer is back in the pool");
    assert!(peer.pool.kept() >= 100_000);
}

#[test]
fn spare_room_is_for_long_frames_only() {
    let spare_after = |len: usize, came: usize| {
        let mut peer = Peer::server();
        let frame = frame_to(Role::Server, Binary, true, &vec![0; len]);
        peer.feed(&frame[..frame.len() - len + came]);
        peer.session
            .spare()
            .map(|(buffer, wanted)| (buffer.len(), wanted))
    };
    assert_eq!(spare_after(20_000, 10), Some((10, 19_990)));
    assert_eq!(spare_after(20_000, 10_000), None);
    assert_eq!(spare_after(1000, 10), None);
    assert!(Peer::server().session.spare().is_none());
}

#[test]
fn what_is_held_is_counted() {
    let mut peer = Peer::server();
    assert_eq!(peer.session.held(), 0);
    peer.feed(&frame_to(Role::Server, Binary, false, &[0; 1000]));
    assert_eq!(peer.session.held(), 1000);
    peer.feed(&frame_to(Role::Server, Ping, true, &[0; 100])[..50]);
    let control = peer.session.held() - 1000;
    assert!((125..200).contains(&control), "{control}");
    peer.close(CloseCode::NORMAL, "");
    assert_eq!(peer.session.held(), control);
}

#[test]
fn a_buffer_that_was_used_before_is_counted_whole() {
    let mut peer = Peer::server();
    let frame = frame_to(Role::Server, Binary, true, &[0; 5000]);
    peer.feed(&frame[..100]);
    peer.feed(&frame[100..]);
    peer.feed(&frame_to(Role::Server, Binary, false, b"x"));
    assert!(peer.session.held() >= 5000);
}

#[test]
fn buffers_go_round() {
    let mut peer = Peer::server();
    for _ in 0..3 {
        let frame = frame_to(Role::Server, Binary, true, &[0; 5000]);
        peer.feed(&frame[..100]);
        assert_eq!(peer.pool.kept(), 0, "in use");
        peer.feed(&frame[100..]);
        assert!((5000..6000).contains(&peer.pool.kept()), "and back");
    }
}
