//! The language of commands, workers and events: [JSON-RPC 2.0](https://www.jsonrpc.org/specification), one object a line.
//!
//! Bytes to values and back, and nothing else: the manager knows who sent a line, and what a call does. The daemon
//! [`decode`]s a line to [`Incoming`], does the calls, and encodes each [`Response`] to a line, or those of a batch to
//! one by [`encode_batch`]. An [`Event`] is encoded once for all subscribers whose [`EventFilter`] wants it. A command
//! [`encode`]s its call, and reads the answer with [`FromDaemon`] and [`CallResult::decode`].
//!
//! Each file imports only from those before it: text, time, name, error, data, params, event, respond, method, result,
//! message.
//!
#![doc = include_str!("methods.md")]

mod data;
mod error;
mod event;
mod message;
mod method;
mod name;
mod params;
mod respond;
mod result;
mod text;
mod time;

#[cfg(test)]
mod tests;

pub use data::{Data, Payload};
pub use error::{Error, ErrorCode, ErrorData, FaultData};
pub use event::{Event, EventFilter, EventKind};
pub use message::{
    FromDaemon, Incoming, MAX_BATCH, Request, RequestId, Response, decode, encode, encode_batch,
};
pub use method::{Call, Kick, Receivers, Send, Subscribe};
pub use name::{ConnectionName, RequestName};
pub use respond::{Content, Respond};
pub use result::{
    CallResult, ClientState, ClientStatus, ConnectionStatus, Reached, Reloaded, ServerState,
    ServerStatus, Status, Subscribed,
};
pub use time::Time;

/// The longest line in bytes, where messages may be of `max_message` bytes: twice that, and 64 KiB for the rest of the
/// line. A longer line is refused with [`Error::line_too_long`].
///
/// So base64, which is a third longer than its bytes, always fits, and so does text unless nearly every byte is escaped.
pub const fn max_line(max_message: usize) -> usize {
    max_message.saturating_mul(2).saturating_add(64 * 1024)
}
