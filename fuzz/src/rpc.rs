//! Any line of JSON-RPC: what decodes to calls encodes to lines that decode to the same calls, and what does not has an
//! error that a command can read.

use bellwire::rpc::{FromDaemon, Incoming, MAX_BATCH, Request, Response, decode, encode};

/// `data` is the line.
pub fn check(data: &[u8]) {
    match decode(data) {
        Incoming::Nothing => assert!(data.iter().all(u8::is_ascii_whitespace)),
        Incoming::One(request) => check_request(request),
        Incoming::Batch(requests) => {
            assert!((1..=MAX_BATCH).contains(&requests.len()));
            requests.into_iter().for_each(check_request);
        }
    }
}

fn check_request(request: Request) {
    let mut line = Vec::new();
    match (request.call, request.id) {
        (Ok(call), id) => {
            encode(id.as_ref(), &call, &mut line);
            let call = Ok(call);
            assert_eq!(decode(&line), Incoming::One(Request { id, call }));
        }
        (Err(error), Some(id)) => {
            let outcome = Err(error.clone());
            Response {
                id: id.clone(),
                outcome,
            }
            .encode(&mut line);
            let Ok(FromDaemon::Answer {
                id: echoed,
                result: Err(read),
            }) = FromDaemon::decode(&line)
            else {
                panic!("no error: {}", String::from_utf8_lossy(&line));
            };
            assert_eq!((echoed, read), (id, error));
        }
        (Err(_), None) => {}
    }
    let newline = line.iter().position(|&byte| byte == b'\n');
    assert!(line.is_empty() || newline.is_some());
}
