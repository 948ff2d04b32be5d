//! Any bytes as a message of the helper's socket: what is understood is written the same way again.

use bellwire::proto::helper::{MAX, Reply, Request};

/// `data` is one packet, read in both directions.
pub fn check(data: &[u8]) {
    let request = Request::decode(data);
    let reply = Reply::decode(data);
    assert!(request.is_err() || reply.is_err());
    let again = match (request, reply) {
        (Ok(request), _) => request.encode(),
        (_, Ok(reply)) => reply.encode(),
        _ => return,
    };
    assert!(data.len() <= MAX);
    assert_eq!(again.as_ref().map(|packet| &packet[..]), Ok(data));
}
