//! Any bytes as a server's answer to an upgrade request, and what it says after that: what the client makes of them does
//! not depend on how they are cut, and an end is told once.

use bellwire::conn::Conf;
use bellwire::proto::http::head::MAX_HEAD;

use super::conn_pair::support::{Side, Told};

/// `data` is what the server sends.
pub fn check(data: &[u8]) {
    let whole = told(data, usize::MAX);
    for piece in [1, 2, 7, 1000] {
        assert_eq!(told(data, piece), whole, "pieces of {piece}");
    }
}

fn told(data: &[u8], piece: usize) -> Vec<Told> {
    let mut client = Side::client(Conf::default());
    for piece in data.chunks(piece) {
        if client.conn.is_closed() {
            break;
        }
        client.receive(piece);
    }
    assert!(client.ends().len() <= 1);
    let waits = !client.opened && client.ends().is_empty();
    assert!(!waits || (client.conn.held() <= 2 * MAX_HEAD && client.told.is_empty()));
    client.told.into_iter().map(comparable).collect()
}

/// Of what is no HTTP, as much is told as has come.
fn comparable(told: Told) -> Told {
    match told {
        Told::Closed(why) if why.starts_with("the server's answer is no HTTP: ") => {
            let parts: Vec<&str> = why.split(": ").take(2).collect();
            Told::Closed(parts.join(": "))
        }
        told => told,
    }
}
