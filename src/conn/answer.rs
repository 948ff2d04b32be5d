//! Answers to requests (RFC 9110 §15): what a handler gives, and how it is written.

use crate::proto::http::response::ResponseWriter;

use super::buffer::{CORK_FULL, Out, THROUGH_FROM};
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

/// The head of an answer whose body is written past the connection.
#[derive(Clone, Copy, Debug)]
pub struct AnswerHead<'a> {
    /// A final status that has a body: neither 204 nor 304.
    pub status: u16,
    /// Fields in their order.
    pub fields: &'a [(&'a str, &'a [u8])],
    /// Bytes of the body.
    pub length: u64,
}

/// Writes an answer whole. The connection ends after it unless it is `persistent`.
pub(super) fn write(answer: &Answer<'_>, exchange: Exchange, persistent: bool, out: &mut Out<'_>) {
    let head = AnswerHead {
        status: answer.status,
        fields: answer.fields,
        length: answer.body.len() as u64,
    };
    write_head(&head, exchange, persistent, out);
    if exchange.head_only || is_bodiless(answer.status) {
        return;
    }
    if answer.body.len() >= THROUGH_FROM {
        out.pass(answer.body);
    } else {
        out.cork.extend_from_slice(answer.body);
        if out.cork.len() >= CORK_FULL {
            out.flush();
        }
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
        head.field(name, value);
    }
    if !is_bodiless(answer.status) {
        head.length(answer.length);
    }
    if !persistent {
        head.field("Connection", b"close");
    } else if exchange.http10 {
        head.field("Connection", b"keep-alive");
    }
    head.end();
}
