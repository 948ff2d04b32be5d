//! Answers to requests (RFC 9110 §15): what a handler provides, and how it is written.

use crate::proto::http::response::ResponseWriter;

use super::buffer::{CORK_FULL, NO_COPY_FROM, Out};
use super::phase::Exchange;

/// An answer to a request. Date, Content-Length and Connection are written by the connection.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// A final status, 200 to 599.
    pub status: u16,
    /// Fields in their order; a value with CR, LF or NUL is left out.
    pub fields: &'a [(&'a str, &'a [u8])],
    /// The body; left out, but counted, in the answer to HEAD.
    pub body: &'a [u8],
}

/// The head of an answer whose body is sent separately.
#[derive(Clone, Copy, Debug)]
pub struct AnswerHead<'a> {
    /// A final status that has a body: neither 204 nor 304.
    pub status: u16,
    /// Fields in their order.
    pub fields: &'a [(&'a str, &'a [u8])],
    /// Bytes of the body; `None`: the length is not known, and the body is written in pieces.
    pub length: Option<u64>,
}

/// Fields of an answer to a target that holds a password: no cache stores the answer (RFC 9111 §5.2.2.5), and no other site
/// learns the target as a referrer.
const PRIVATE: [(&str, &[u8]); 2] = [
    ("Referrer-Policy", b"no-referrer"),
    ("Cache-Control", b"no-store"),
];

/// Writes a whole answer. The connection ends after it unless it is `persistent`.
pub(super) fn write(answer: &Answer<'_>, exchange: Exchange, persistent: bool, out: &mut Out<'_>) {
    let head = AnswerHead {
        status: answer.status,
        fields: answer.fields,
        length: Some(answer.body.len() as u64),
    };
    write_head(&head, exchange, persistent, out);
    if exchange.head_only || is_bodiless(answer.status) {
        return;
    }
    if answer.body.len() >= NO_COPY_FROM {
        out.pass(answer.body);
    } else {
        out.cork.extend_from_slice(answer.body);
        if out.cork.len() >= CORK_FULL {
            out.flush();
        }
    }
}

/// Bytes of the body that are written.
pub(super) fn body_length(answer: &Answer<'_>, head_only: bool) -> u64 {
    if head_only || is_bodiless(answer.status) {
        0
    } else {
        answer.body.len() as u64
    }
}

/// RFC 9110 §8.6: no Content-Length in 1xx and 204; 304 may have one, and need not.
fn is_bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

/// Writes the head of an answer.
pub(super) fn write_head(
    answer: &AnswerHead<'_>,
    exchange: Exchange,
    persistent: bool,
    out: &mut Out<'_>,
) {
    let mut head = ResponseWriter::start(out.cork, answer.status);
    head.date(out.date);
    for (name, value) in answer.fields {
        let ours = PRIVATE
            .iter()
            .any(|(ours, _)| ours.eq_ignore_ascii_case(name));
        if !(exchange.private && ours) {
            head.field(name, value);
        }
    }
    if exchange.private {
        for (name, value) in PRIVATE {
            head.field(name, value);
        }
    }
    match answer.length {
        _ if is_bodiless(answer.status) => {}
        Some(length) => {
            head.length(length);
        }
        // RFC 9112 §6.3: without a length the body ends with the connection, or in chunks, which HTTP/1.0 does not know.
        None if exchange.http10 => {}
        None => {
            head.field("Transfer-Encoding", b"chunked");
        }
    }
    if !persistent {
        head.field("Connection", b"close");
    } else if exchange.http10 {
        head.field("Connection", b"keep-alive");
    }
    head.end();
}
