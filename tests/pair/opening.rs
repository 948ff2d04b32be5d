//! What a client makes of the answers to its upgrade request, and of none.

use bellwire::conn::Conf;
use bellwire::conn::deadline::Millis;

use super::support::{Side, Told};
use super::tls;

const ACCEPT: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: CdXSYUsvsaMthlEXWDNURGWA/1o=\r\n";

#[test]
fn an_answer_without_the_right_accept_value_fails_the_upgrade() {
    let accept = ACCEPT.replace("CdX", "s3p");
    for (answer, why) in [
        (
            format!("{accept}\r\n"),
            "the server's upgrade is no good: Sec-WebSocket-Accept is wrong",
        ),
        (
            format!("{ACCEPT}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
            "the server's upgrade is no good: the server uses an extension that was not offered",
        ),
        (
            format!("{ACCEPT}Sec-WebSocket-Protocol: chat.v2\r\n\r\n"),
            "the server's upgrade is no good: the server chose a subprotocol that was not offered",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "the server did not upgrade: HTTP/1.1 200 OK",
        ),
        (
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n\r\n".to_owned(),
            "the server wants a user name and password, or others: HTTP/1.1 401 No",
        ),
        (
            "HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n".to_owned(),
            "the server redirects to /x, which is not followed: HTTP/1.1 301 Moved",
        ),
        (
            "SSH-2.0-OpenSSH\r\n".to_owned(),
            "the server's answer is no HTTP: the status line is malformed: SSH-2.0-OpenSSH",
        ),
        (
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nX: {}",
                "a".repeat(20_000)
            ),
            "the server's answer is no HTTP: the head is too long: HTTP/1.1 101 Switching Protocols",
        ),
    ] {
        for piece in [1, 7, usize::MAX] {
            let mut client = Side::client(Conf::default());
            answer
                .as_bytes()
                .chunks(piece)
                .take_while(|piece| {
                    client.receive(piece);
                    !client.conn.is_closed()
                })
                .count();
            let [end] = client.ends()[..] else {
                panic!("{answer}: {:?}", client.told);
            };
            if piece < usize::MAX && why.contains("no HTTP") {
                // An answer that is not HTTP is reported as soon as it is recognised.
                assert!(end.starts_with("the server's answer is no HTTP: "), "{end}");
            } else {
                assert_eq!(end, why);
            }
            assert!(client.conn.is_closed());
        }
    }
}

#[test]
fn a_missing_answer_fails_the_upgrade() {
    let mut late = Side::client(Conf::default());
    late.pass_time(Millis::seconds(10));
    assert_eq!(late.ends(), ["the server did not answer in time"]);

    let mut ended = Side::client(Conf::default());
    ended.receive(ACCEPT.as_bytes());
    ended.eof();
    assert_eq!(
        ended.ends(),
        ["the server closed the connection before it answered"]
    );

    let mut given_up = Side::client(Conf::default());
    given_up.shut_down();
    assert_eq!(given_up.ends(), ["given up before the server answered"]);
    assert!(given_up.conn.is_closed());
}

#[test]
fn interim_answers_are_skipped_but_not_for_ever() {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let answer = format!("{ACCEPT}Sec-WebSocket-Protocol: chat.v1\r\n\r\n");
    for count in [1, 8] {
        for piece in [1, 5, usize::MAX] {
            let mut client = Side::client(Conf::default());
            let flight = hint.repeat(count) + &answer + "\x01\x00";
            let mut flight = flight.into_bytes();
            *flight.last_mut().unwrap() = 0;
            for piece in flight.chunks(piece) {
                client.receive(piece);
            }
            assert_eq!(client.told, [Told::Opened], "{count} in pieces of {piece}");
            assert!(client.conn.is_open());
        }
    }
    let mut client = Side::client(Conf::default());
    client.receive((hint.repeat(9) + &answer).as_bytes());
    assert_eq!(
        client.ends(),
        ["the server did not upgrade: HTTP/1.1 103 Early Hints"]
    );
}

#[test]
fn tls_and_the_upgrade_share_one_time_limit() {
    let (client, server) = tls::pair("localhost");
    let mut client = Side::client_over_tls(Conf::default(), client);
    let mut server = Side::server_over_tls(Conf::default(), server);
    client.pass_time(Millis::seconds(6));
    server.receive(&client.take());
    client.receive(&server.take());
    assert!(!client.take().is_empty() && client.told.is_empty());
    client.pass_time(Millis::seconds(4));
    assert_eq!(client.ends(), ["the server did not answer in time"]);

    let (client, _) = tls::pair("localhost");
    let mut client = Side::client_over_tls(Conf::default(), client);
    client.pass_time(Millis::seconds(10));
    assert_eq!(
        client.ends(),
        ["the server did not finish the TLS handshake in time"]
    );
}

#[test]
fn a_certificate_for_another_name_ends_it() {
    let (client, server) = tls::pair("elsewhere.example");
    let mut client = Side::client_over_tls(Conf::default(), client);
    let mut server = Side::server_over_tls(Conf::default(), server);
    server.receive(&client.take());
    client.receive(&server.take());
    let [end] = client.ends()[..] else {
        panic!("{:?}", client.told);
    };
    assert!(
        end.starts_with("TLS failed: invalid peer certificate: "),
        "{end}"
    );
    server.receive(&client.take());
    assert!(server.told.is_empty() && !server.conn.is_websocket());
}
