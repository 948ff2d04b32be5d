//! A client and a server connection joined in memory, with a clock that the test moves.

use bellwire::conn::buffer::Sent;
use bellwire::conn::deadline::Millis;
use bellwire::conn::{Conf, LINGER, STALL};
use bellwire::proto::ws::close::CloseCode;
use bellwire::proto::ws::frame::Kind;

use support::{Side, Told};

mod authority;
#[path = "pair/opening.rs"]
mod opening;
mod support;
#[path = "pair/tls.rs"]
mod tls;

/// Both ends of one connection.
struct Pair {
    client: Side,
    server: Side,
}

impl Pair {
    fn new(conf: Conf) -> Pair {
        Pair::of(Side::client(conf.clone()), Side::server(conf))
    }

    /// The same over TLS.
    fn over_tls(conf: Conf) -> Pair {
        let (client, server) = tls::pair("localhost");
        let client = Side::client_over_tls(conf.clone(), client);
        Pair::of(client, Side::server_over_tls(conf, server))
    }

    fn of(client: Side, server: Side) -> Pair {
        let mut pair = Pair { client, server };
        pair.exchange();
        assert_eq!(pair.client.told, [Told::Opened]);
        assert!(pair.client.conn.is_open() && pair.server.conn.is_open());
        pair
    }

    /// Delivers until both have nothing more to say.
    fn exchange(&mut self) {
        loop {
            let (up, down) = (self.client.take(), self.server.take());
            if up.is_empty() && down.is_empty() {
                return;
            }
            self.server.receive(&up);
            self.client.receive(&down);
        }
    }

    fn pass_time(&mut self, time: Millis) {
        self.client.pass_time(time);
        self.server.pass_time(time);
    }
}

#[test]
fn messages_of_all_sizes_go_there_and_back() {
    for pair in [Pair::new(Conf::default()), Pair::over_tls(Conf::default())] {
        go_there_and_back(pair);
    }
}

fn go_there_and_back(mut pair: Pair) {
    pair.server.echo = true;
    pair.server.short_ways = true;
    for len in [0, 1, 125, 126, 16_383, 16_384, 65_535, 65_536, 1 << 20] {
        let data: Vec<u8> = (0..len).map(|at| (at * 13) as u8).collect();
        assert_eq!(pair.client.send(Kind::Binary, &data), Sent::Queued);
        pair.exchange();
        for side in [&pair.client, &pair.server] {
            assert!(
                side.messages().last() == Some((Kind::Binary, &data[..])),
                "{len} bytes"
            );
        }
    }
    assert_eq!((pair.client.conn.held(), pair.server.conn.held()), (0, 0));
    assert_eq!(pair.client.conn.counters.messages_in, 9);
    assert_eq!(pair.server.conn.counters.messages_out, 9);
}

#[test]
fn either_side_closes_and_both_know_why() {
    for make in [Pair::new, Pair::over_tls] {
        close_from_either_side(make);
    }
}

fn close_from_either_side(make: fn(Conf) -> Pair) {
    let mut pair = make(Conf::default());
    pair.client.close(CloseCode::NORMAL, "enough");
    assert_eq!(pair.client.send(Kind::Text, b"too late"), Sent::Closed);
    pair.exchange();
    assert_eq!(pair.server.ends(), ["closed by the peer with 1000: enough"]);
    assert_eq!(pair.client.ends(), ["closed with 1000"]);
    pair.server.eof();
    pair.client.eof();
    assert!(pair.server.conn.is_closed() && pair.client.conn.is_closed());

    let mut pair = make(Conf::default());
    pair.server.shut_down();
    pair.exchange();
    assert_eq!(pair.server.ends(), ["closed with 1001"]);
    assert_eq!(pair.client.ends(), ["closed by the peer with 1001"]);
}

#[test]
fn both_close_at_once() {
    let mut pair = Pair::new(Conf::default());
    pair.client.close(CloseCode::NORMAL, "");
    pair.server.close(CloseCode::GOING_AWAY, "");
    pair.exchange();
    assert_eq!(pair.client.ends(), ["closed with 1000"]);
    assert_eq!(pair.server.ends(), ["closed with 1001"]);
}

#[test]
fn an_unanswered_close_ends_in_time() {
    let mut pair = Pair::new(Conf::default());
    pair.server.close(CloseCode::NORMAL, "");
    pair.server.pass_time(LINGER);
    assert_eq!(pair.server.ends(), ["closed with 1000"]);
    assert!(pair.server.conn.is_closed());
}

#[test]
fn the_server_may_speak_with_its_first_flight() {
    let (mut client, mut server) = (Side::client(Conf::default()), Side::server(Conf::default()));
    server.receive(&client.take());
    server.send(Kind::Text, b"welcome");
    server.close(CloseCode::NORMAL, "");
    let flight = server.take();
    flight.chunks(1).for_each(|byte| client.receive(byte));
    let expected = [
        Told::Opened,
        Told::Message(Kind::Text, b"welcome".to_vec()),
        Told::Closed("closed by the peer with 1000".to_owned()),
    ];
    assert_eq!(client.told, expected);
}

#[test]
fn the_client_ends_the_stream_if_the_server_does_not() {
    let mut pair = Pair::new(Conf::default());
    pair.client.close(CloseCode::NORMAL, "");
    pair.exchange();
    // RFC 6455 §7.1.1: the server ends it first, and the client when that takes too long.
    assert!(pair.server.ended && !pair.client.ended);
    pair.client.pass_time(LINGER);
    for side in [&mut pair.client, &mut pair.server] {
        assert!(side.ended && !side.conn.is_closed());
        side.pass_time(LINGER);
        assert!(side.conn.is_closed() && side.ends().len() == 1);
    }
}

#[test]
fn a_client_ends_the_stream_after_the_server() {
    for server_begins in [false, true] {
        let mut pair = Pair::new(Conf::default());
        let begins = if server_begins {
            &mut pair.server
        } else {
            &mut pair.client
        };
        begins.close(CloseCode::NORMAL, "");
        pair.exchange();
        assert!(pair.server.ended && !pair.client.ended);
        pair.client.eof();
        assert!(pair.client.ended && pair.client.conn.is_closed());
        pair.server.eof();
        assert!(pair.server.conn.is_closed());
        assert_eq!((pair.client.ends().len(), pair.server.ends().len()), (1, 1));
    }
    // Who breaks the protocol is not waited for.
    let mut pair = Pair::new(Conf::default());
    pair.client.receive(b"\xff");
    assert!(pair.client.ended && !pair.client.conn.is_closed());
}

#[test]
fn pings_may_follow_each_other_faster_than_pongs_are_overdue() {
    let mut pair = Pair::new(Conf {
        ping_interval: Millis::seconds(1),
        pong_timeout: Millis::seconds(10),
        ..Conf::default()
    });
    for _ in 0..100 {
        pair.pass_time(Millis::new(500));
        pair.exchange();
    }
    assert!(pair.client.conn.is_open() && pair.server.conn.is_open());
}

#[test]
fn an_ended_connection_holds_no_memory() {
    let mut client = Side::client(Conf::default());
    client.receive(b"HTTP/1.1 101 ");
    assert!(client.conn.held() > 0);
    client.shut_down();
    assert!(client.conn.is_closed());
    assert_eq!(client.conn.held(), 0);
    assert_eq!(client.conn.deadline(), None);

    let mut pair = Pair::new(Conf::default());
    pair.client.receive(b"\x02\x05half");
    assert_eq!(pair.client.conn.held(), 5, "room for all that is announced");
    pair.client.close(CloseCode::NORMAL, "");
    assert_eq!(pair.client.conn.held(), 0, "it will not be told");
}

#[test]
fn a_quiet_peer_is_pinged_and_lives() {
    let mut pair = Pair::new(Conf::default());
    for _ in 0..5 {
        pair.pass_time(Millis::seconds(35));
        pair.exchange();
    }
    assert!(pair.client.conn.is_open() && pair.server.conn.is_open());
    assert!(pair.client.told.contains(&Told::Ping) && pair.server.told.contains(&Told::Pong));
}

#[test]
fn a_busy_peer_is_not_pinged() {
    let mut pair = Pair::new(Conf::default());
    for _ in 0..20 {
        pair.pass_time(Millis::seconds(20));
        pair.client.send(Kind::Text, b"busy");
        pair.exchange();
        pair.client.receive(&[]);
    }
    assert!(!pair.client.told.contains(&Told::Ping));
}

#[test]
fn a_dead_peer_is_dropped_when_the_pong_is_overdue() {
    let mut pair = Pair::new(Conf::default());
    pair.server.pass_time(Millis::seconds(49));
    assert!(pair.server.conn.is_open());
    assert_eq!(pair.server.take(), [0x89, 0], "one ping");
    pair.server.pass_time(Millis::seconds(2));
    assert_eq!(pair.server.ends(), ["the peer did not answer a ping"]);
    assert!(pair.server.conn.is_closed());
}

#[test]
fn without_an_interval_there_is_no_ping() {
    let mut pair = Pair::new(Conf {
        ping_interval: Millis::new(0),
        ..Conf::default()
    });
    pair.pass_time(Millis::seconds(100_000));
    assert!(pair.client.conn.is_open() && pair.server.take().is_empty());
}

#[test]
fn the_end_of_the_stream_without_a_close_is_told() {
    let mut pair = Pair::new(Conf::default());
    pair.server.eof();
    assert_eq!(pair.server.ends(), ["the peer left without a Close frame"]);
    assert!(pair.server.conn.is_closed());
}

#[test]
fn heads_and_idle_connections_have_time_limits() {
    let mut slow = Side::server(Conf::default());
    slow.receive(b"GET / HT");
    slow.pass_time(Millis::seconds(9));
    slow.receive(b"TP/1.1\r\n");
    assert!(slow.take().is_empty());
    slow.pass_time(Millis::seconds(1));
    assert!(
        slow.take().starts_with(b"HTTP/1.1 408 "),
        "however slowly it comes"
    );
    slow.pass_time(LINGER);
    assert!(slow.conn.is_closed());

    let mut silent = Side::server(Conf::default());
    silent.pass_time(Millis::seconds(10));
    silent.pass_time(LINGER);
    assert!(silent.take().is_empty() && silent.conn.is_closed());

    let mut kept = Side::server(Conf::default());
    kept.receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    kept.take();
    kept.pass_time(Millis::seconds(59));
    assert!(!kept.conn.is_closed() && !kept.conn.wants_half_close());
    kept.receive(b"GET / HTTP/1.1\r\n");
    kept.pass_time(Millis::seconds(9));
    kept.receive(b"Host: h\r\n\r\n");
    assert!(
        kept.take().starts_with(b"HTTP/1.1 200 "),
        "the head's time begins with its first byte"
    );
    kept.pass_time(Millis::seconds(60));
    kept.pass_time(LINGER);
    assert!(kept.take().is_empty() && kept.conn.is_closed());
}

#[test]
fn a_body_that_keeps_coming_is_awaited() {
    let mut side = Side::server(Conf::default());
    side.receive(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
    for _ in 0..9 {
        side.pass_time(Millis::seconds(59));
        side.receive(&[b'x'; 30_000]);
    }
    assert!(side.take().is_empty());
    // What came fast has earned no longer pause.
    side.pass_time(Millis::seconds(60));
    assert!(side.take().starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn a_body_that_comes_too_slowly_is_ended() {
    const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    // Bytes every second, and the second in which they have not earned the next one. The first minute is given.
    for (bytes, ends) in [(1, 61), (250, 119), (400, 296)] {
        let mut side = Side::server(Conf::default());
        side.receive(CHUNKED);
        side.receive(b"fffff\r\n");
        let mut lived = 0;
        while side.take().is_empty() && lived < 1000 {
            side.pass_time(Millis::seconds(1));
            side.receive(&vec![b'x'; bytes]);
            lived += 1;
        }
        assert_eq!(lived, ends, "{bytes} bytes a second");
    }
    // As fast as it must be, and with pauses.
    let mut side = Side::server(Conf::default());
    side.receive(CHUNKED);
    side.receive(b"fffff\r\n");
    for _ in 0..40 {
        side.pass_time(Millis::seconds(50));
        side.receive(&[b'x'; 10_000]);
        side.pass_time(Millis::seconds(1));
        side.receive(&[b'x'; 15_500]);
    }
    assert!(side.take().is_empty() && !side.conn.wants_half_close());
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn nothing_is_read_while_an_answer_is_awaited() {
    let mut side = Side::server(Conf::default());
    side.late = true;
    side.receive(&GET.repeat(3));
    assert_eq!((side.told.len(), side.conn.receive_limit()), (1, 0));
    assert_eq!(side.conn.deadline(), None, "the time is ours");
    side.respond(b"first");
    assert_eq!(side.told.len(), 2);
    assert!(side.take().ends_with(b"\r\n\r\nfirst"));
    side.respond(b"second");
    // The peer has no more to ask, and still gets its answer.
    side.eof();
    assert!(!side.ended);
    side.respond(b"third");
    let sent = side.take();
    assert!(sent.ends_with(b"\r\nConnection: close\r\n\r\nthird") && side.conn.is_closed());
}

#[test]
fn a_body_that_goes_past_the_connection_is_counted() {
    let mut side = Side::server(Conf::default());
    side.late = true;
    side.receive(GET);
    assert_eq!(side.respond_head(1000), Some(true));
    assert!(side.take().ends_with(b"\r\nContent-Length: 1000\r\n\r\n"));
    side.conn.body_sent(999, side.now);
    side.receive(GET);
    assert_eq!(
        (side.conn.body_left(), side.told.len()),
        (1, 1),
        "the next request waits"
    );
    side.conn.body_sent(1, side.now);
    side.receive(&[]);
    assert_eq!((side.conn.body_left(), side.told.len()), (0, 2));
    assert_eq!(side.respond_head(0), Some(false));
    assert_eq!(side.respond_head(0), None, "no request waits");
    side.receive(b"HEAD / HTTP/1.0\r\n\r\n");
    assert_eq!(side.respond_head(5), Some(false));
    assert!(side.ended, "HTTP/1.0 ends");
}

#[test]
fn an_answer_before_the_body_discards_it() {
    let mut side = Side::server(Conf::default());
    side.late = true;
    side.receive(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
    side.respond(b"enough");
    side.receive(&[b"cd", GET].concat());
    assert_eq!(side.told.len(), 3, "{:?}", side.told);
    assert!(matches!(side.told[2], Told::Request(_)));
}

#[test]
fn unsent_bytes_end_the_connection_in_time() {
    let mut pair = Pair::new(Conf {
        ping_interval: Millis::new(0),
        ..Conf::default()
    });
    pair.server.pipe.room = 1000;
    pair.server.send(Kind::Binary, &[1; 5000]);
    for _ in 0..3 {
        pair.server.pass_time(Millis::seconds(59));
        pair.server.pipe.wire.clear();
        pair.server.pipe.flush();
        pair.server.settle(true);
    }
    assert!(pair.server.conn.is_open(), "slow is not stalled");
    pair.server.pass_time(STALL);
    assert_eq!(pair.server.ends(), ["the peer does not read"]);
}

#[test]
fn a_slow_peer_is_closed_with_1013_or_loses_messages() {
    let tight = Conf {
        max_backlog: 1000,
        ..Conf::default()
    };
    let mut pair = Pair::new(tight.clone());
    pair.server.pipe.room = 0;
    assert_eq!(
        pair.server.send(Kind::Text, &[b'a'; 5000]),
        Sent::Queued,
        "nothing waits yet"
    );
    assert_eq!(pair.server.send(Kind::Text, b"b"), Sent::Closed);
    pair.server.pipe.room = usize::MAX;
    pair.server.pipe.flush();
    pair.exchange();
    assert_eq!(
        pair.client.ends(),
        ["closed by the peer with 1013: too slow"]
    );

    let mut pair = Pair::new(Conf {
        slow_peer: bellwire::conn::SlowPeer::Drop,
        ..tight
    });
    pair.server.pipe.room = 0;
    pair.server.send(Kind::Text, &[b'a'; 990]);
    assert_eq!(pair.server.send(Kind::Text, b"lost to it"), Sent::Dropped);
    pair.server.pipe.room = usize::MAX;
    pair.server.pipe.flush();
    assert_eq!(pair.server.send(Kind::Text, b"found"), Sent::Queued);
    pair.exchange();
    let texts: Vec<_> = pair.client.messages().map(|(_, data)| data.len()).collect();
    assert_eq!(texts, [990, 5]);
}

#[test]
fn a_slow_reader_of_answers_is_not_idle() {
    let mut side = Side::server(Conf::default());
    side.pipe.room = 0;
    side.receive(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    for _ in 0..3 {
        side.pass_time(Millis::seconds(50));
        side.settle(true);
    }
    side.pipe.room = usize::MAX;
    side.pipe.flush();
    side.settle(true);
    side.receive(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    let sent = String::from_utf8(side.take()).unwrap();
    assert_eq!(sent.matches("HTTP/1.1 200 ").count(), 2, "{sent}");
    // And once everything has left, it is.
    side.pass_time(Millis::seconds(120));
    side.pass_time(LINGER);
    assert!(side.conn.is_closed());
}
