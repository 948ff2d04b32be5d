//! What a session sends, and two of them back to back.

use proptest::prelude::*;

use super::*;

#[test]
fn a_server_can_send_the_header_alone() {
    let server = Peer::server();
    for len in [0, 125, 126, 65_536] {
        let mut whole = Peer::server();
        whole.put(Kind::Binary, &vec![1; len]);
        let header = server.session.header(Kind::Binary, len).expect("open");
        assert_eq!([&header[..], &vec![1; len]].concat(), whole.out);
    }
    assert!(
        Peer::new(Role::Client)
            .session
            .header(Kind::Binary, 1)
            .is_none(),
        "it must mask"
    );
}

#[test]
fn a_long_ping_is_cut() {
    let mut peer = Peer::server();
    peer.ping(&[b'p'; 200]);
    assert_eq!(
        read_back(Role::Server, &peer.out),
        [Seen::Ping(vec![b'p'; 125])]
    );
}

#[test]
fn a_client_takes_a_key_for_each_frame() {
    let mut client = Peer::new(Role::Client);
    client.put(Kind::Text, b"aaaa");
    client.put(Kind::Text, b"aaaa");
    let (first, second) = client.out.split_at(10);
    assert_ne!(first[2..6], second[2..6]);
    assert_eq!(
        read_back(Role::Client, &client.out),
        [text("aaaa"), text("aaaa")]
    );
}

/// Something that either end may do.
#[derive(Clone, Debug)]
enum Deed {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        "\\PC{0,200}".prop_map(Deed::Text),
        prop::collection::vec(any::<u8>(), 0..400).prop_map(Deed::Binary),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(Deed::Ping),
    ]
}

proptest! {
    #[test]
    fn what_one_end_sends_the_other_sees(
        from_client: bool,
        deeds in prop::collection::vec(any_deed(), 0..20),
        chops in prop::collection::vec(1..300usize, 1..50),
    ) {
        let (from, to) = if from_client { (Role::Client, Role::Server) } else { (Role::Server, Role::Client) };
        let (mut from, mut to) = (Peer::new(from), Peer::new(to));
        let mut expected = Vec::new();
        for deed in deeds {
            expected.push(match deed {
                Deed::Text(data) => {
                    prop_assert!(from.put(Kind::Text, data.as_bytes()));
                    text(data)
                }
                Deed::Binary(data) => {
                    prop_assert!(from.put(Kind::Binary, &data));
                    binary(data)
                }
                Deed::Ping(payload) => {
                    from.ping(&payload);
                    Seen::Ping(payload)
                }
            });
        }
        from.close(CloseCode::NORMAL, "done");
        expected.push(closed(1000, "done"));

        let sent = std::mem::take(&mut from.out);
        let mut rest = &sent[..];
        for chop in chops.iter().cycle() {
            let (piece, later) = rest.split_at(rest.len().min(*chop));
            to.feed(piece);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&to.seen, &expected);

        // The answers: a Pong for each Ping, then the Close.
        from.feed(&to.out);
        let mut answers: Vec<Seen> = expected
            .into_iter()
            .filter_map(|seen| if let Seen::Ping(payload) = seen { Some(Seen::Pong(payload)) } else { None })
            .collect();
        answers.push(closed(1000, ""));
        prop_assert_eq!(from.seen, answers);
        prop_assert!(from.session.is_done() && to.session.is_done());
    }

    #[test]
    fn no_input_makes_a_difference_by_its_cuts(
        input in prop::collection::vec(any::<u8>(), 0..60),
        cut in 0..60usize,
    ) {
        let cut = cut.min(input.len());
        let (mut whole, mut split) = (Peer::server(), Peer::server());
        whole.feed(&input);
        split.feed(&input[..cut]);
        split.feed(&input[cut..]);
        prop_assert_eq!(whole.seen, split.seen);
        prop_assert_eq!(whole.out, split.out);
    }
}
