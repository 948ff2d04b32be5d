//! The access log: a line at level info for each answer, also to what was no request.
//!
//! ```text
//! c7: 192.0.2.4:50112: WS_SERVER_1: GET /index.html 200, 5120 bytes in 3 ms
//! ```
//!
//! The path is without its query and without credentials. Bytes are those of the body; the time is from the head's
//! arrival to the last byte that was written, as finely as the loop's clock.

use std::fmt;

use crate::conn::Answered;
use crate::conn::deadline::Tick;
use crate::conn::event::ConnId;
use crate::proto::counted::counted;
use crate::proto::http::credentials::redact;
use crate::proto::http::head::{RequestHead, RequestTarget};

use super::socket::Peer;

/// A request, kept until its answer is complete.
#[derive(Debug)]
pub(super) struct LoggedRequest {
    request: String,
    begun: Tick,
}

/// Whether the log has such lines.
pub(super) fn is_wanted() -> bool {
    log::log_enabled!(log::Level::Info)
}

impl LoggedRequest {
    pub(super) fn new(head: &RequestHead<'_>, begun: Tick) -> Box<LoggedRequest> {
        let path = match head.target() {
            RequestTarget::Origin { path, .. } | RequestTarget::Absolute { path, .. } => path,
            RequestTarget::Authority(_) => "-",
            RequestTarget::Asterisk => "*",
        };
        Box::new(LoggedRequest {
            request: format!("{} {}", head.method().as_str(), redact(path)),
            begun,
        })
    }
}

/// The connection that a line is about.
pub(super) struct LogContext<'c> {
    pub id: ConnId,
    pub peer: Peer,
    pub server: &'c str,
}

impl fmt::Display for LogContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.id, self.peer, self.server)
    }
}

/// Writes the line of an answer; without a request, what was answered was none.
pub(super) fn write(
    context: &LogContext<'_>,
    request: Option<&LoggedRequest>,
    answered: Answered,
    now: Tick,
) {
    let Answered { status, bytes } = answered;
    let bytes = counted(bytes, "byte");
    match request {
        Some(LoggedRequest { request, begun }) => {
            let time = now.since(*begun);
            log::info!("{context}: {request} {status}, {bytes} in {time} ms");
        }
        None => log::info!("{context}: no request {status}, {bytes}"),
    }
}

/// Writes the line of a request whose connection ended before it was answered.
pub(super) fn write_unanswered(context: &LogContext<'_>, request: &LoggedRequest, now: Tick) {
    let time = now.since(request.begun);
    log::info!(
        "{context}: {} unanswered, gone after {time} ms",
        request.request
    );
}
