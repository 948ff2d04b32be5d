//! The one language of commands, workers and events: [JSON-RPC 2.0](https://www.jsonrpc.org/specification), one object
//! a line.
//!
//! Bytes to values and back, and nothing else: who a line came from, what a call does and when it is answered is the
//! manager's business. A line is [`decode`]d to [`Incoming`], its calls are done, and each [`Response`] is encoded to a
//! line, or those of a batch to one by [`encode_batch`]. An [`Event`] is encoded once for all subscribers whose
//! [`EventFilter`] wants it. The command line [`encode`]s and reads with [`FromDaemon`].
//!
//! Left to right, each file imports from those before it: time, json, name, error, data, params, event, respond, call,
//! outcome, message.
//!
#![doc = include_str!("methods.md")]

mod data;
mod error;
mod event;
mod json;
mod message;
mod method;
mod name;
mod params;
mod respond;
mod result;
mod time;

#[cfg(test)]
mod tests;

pub use data::{Data, Payload};
pub use error::{Error, ErrorCode, ErrorData};
pub use event::{Event, EventFilter, EventKind};
pub use message::{
    FromDaemon, Incoming, MAX_BATCH, Request, RequestId, Response, decode, encode, encode_batch,
};
pub use method::{Call, Kick, Receivers, Send, Subscribe};
pub use name::{ConnectionName, RequestName};
pub use respond::{Content, Respond};
pub use result::{
    CallResult, ClientState, ClientStatus, ConnectionStatus, Reloaded, ServerState, ServerStatus,
    Status,
};
pub use time::Time;

/// The bytes of a line that are read before it is refused with [`Error::line_too_long`], where messages may be of
/// `max_message` bytes: twice that, and 64 KiB for what stands around it.
///
/// So base64, which is a third longer than its bytes, fits always, and text as long as not every byte of it is escaped.
pub const fn max_line(max_message: usize) -> usize {
    max_message.saturating_mul(2).saturating_add(64 * 1024)
}
