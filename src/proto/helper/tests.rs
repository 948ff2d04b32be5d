use super::*;

fn secret(text: &str) -> WipedBytes {
    Zeroizing::new(text.as_bytes().to_vec())
}

fn asks() -> Vec<Ask> {
    vec![
        Ask::Auth {
            server: "front".to_owned(),
            user: "ålice".to_owned(),
            password: secret("s\u{0}cret:="),
            remote_host: "2001:db8::1".to_owned(),
        },
        Ask::Auth {
            server: String::new(),
            user: String::new(),
            password: secret(""),
            remote_host: String::new(),
        },
        Ask::Hash {
            secret: secret("$6$salt$hash"),
            password: secret("pass"),
        },
        Ask::Reload,
        Ask::Open {
            path: OsString::from_vec(b"/etc/\xff.pem".to_vec()).into(),
        },
        Ask::Bind {
            address: "unix:/run/front.sock".to_owned(),
        },
    ]
}

fn answers() -> Vec<Answer> {
    vec![
        Answer::Granted {
            user: "alice".to_owned(),
        },
        Answer::Refused,
        Answer::Unavailable,
        Answer::Hash(true),
        Answer::Hash(false),
        Answer::Reloaded { accepted: true },
        Answer::Reloaded { accepted: false },
        Answer::Descriptor,
        Answer::Failed("permission denied".to_owned()),
    ]
}

#[test]
fn requests_come_back_and_every_cut_and_addition_is_refused() {
    for (id, ask) in (u32::MAX - 9..).zip(asks()) {
        let request = Request { id, ask };
        let packet = request.encode().unwrap();
        assert_eq!(Request::decode(&packet), Ok(request));
        for cut in 0..packet.len() {
            assert_eq!(Request::decode(&packet[..cut]), Err(Malformed::Cut));
        }
        let longer = [&packet[..], b"\0"].concat();
        assert_eq!(Request::decode(&longer), Err(Malformed::Trailing));
        assert!(matches!(Reply::decode(&packet), Err(Malformed::Tag(_))));
    }
}

#[test]
fn replies_come_back_and_every_cut_and_addition_is_refused() {
    for (id, answer) in (7..).zip(answers()) {
        let reply = Reply { id, answer };
        let packet = reply.encode().unwrap();
        assert_eq!(Reply::decode(&packet), Ok(reply));
        for cut in 0..packet.len() {
            assert_eq!(Reply::decode(&packet[..cut]), Err(Malformed::Cut));
        }
        let longer = [&packet[..], b"\0"].concat();
        assert_eq!(Reply::decode(&longer), Err(Malformed::Trailing));
        assert!(matches!(Request::decode(&packet), Err(Malformed::Tag(_))));
    }
}

#[test]
fn a_message_on_the_wire() {
    let request = Request {
        id: 258,
        ask: Ask::Hash {
            secret: secret("$"),
            password: secret("pw"),
        },
    };
    assert_eq!(
        request.encode().unwrap()[..],
        *b"\x02\x00\x00\x01\x02\x00\x01$\x00\x02pw"
    );
}

#[test]
fn what_is_not_listed_is_refused() {
    assert_eq!(Request::decode(b"\0\0\0\0\0"), Err(Malformed::Tag(0)));
    assert_eq!(Reply::decode(b"\x01\0\0\0\0"), Err(Malformed::Tag(1)));
    assert_eq!(
        Reply::decode(&[HASHED, 0, 0, 0, 0, 2]),
        Err(Malformed::Flag(2))
    );
    assert_eq!(
        Request::decode(&[BIND, 0, 0, 0, 0, 0, 1, 0xff]),
        Err(Malformed::Text)
    );
    assert_eq!(Request::decode(&[AUTH; MAX + 1]), Err(Malformed::TooLong));
}

#[test]
fn the_longest_message_fits_and_one_byte_more_does_not() {
    let ask = |length| Request {
        id: 0,
        ask: Ask::Hash {
            secret: secret(""),
            password: Zeroizing::new(vec![b'x'; length]),
        },
    };
    let overhead = ask(0).encode().unwrap().len();
    let longest = ask(MAX - overhead);
    let packet = longest.encode().unwrap();
    assert_eq!(packet.len(), MAX);
    assert_eq!(Request::decode(&packet), Ok(longest));
    for length in [MAX - overhead + 1, usize::from(u16::MAX) + 1] {
        assert_eq!(ask(length).encode(), Err(PacketTooLong), "{length}");
    }
}

#[test]
fn passwords_are_not_shown() {
    for ask in asks() {
        let shown = format!("{ask:?}");
        for hidden in ["cret", "115", "pass\"", "$6$", "112, 97"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}

#[test]
fn which_answers_bring_a_descriptor() {
    let bring: Vec<bool> = answers().iter().map(Answer::brings_descriptor).collect();
    let expected = [false, false, false, false, false, true, true, true, false];
    assert_eq!(bring, expected);
}
