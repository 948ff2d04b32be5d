//! Floor 1: one connection as a state machine without I/O. Bytes and `now` go in, events and bytes come out.
//!
//! The caller owns the socket, the clock and the buffers. Its order of calls, for each batch of received bytes:
//!
//! 1. [`Connection::take_rest`]: bytes left over from the last batch, to be put before the new ones;
//! 2. [`Connection::step`] until it returns [`Got::More`](event::Got::More), each time with what the last step did not use;
//!    every event is handled ([`Connection::send`], [`Connection::respond`], [`Connection::upgrade`], …) before the next
//!    step;
//! 3. [`Connection::keep`] with what is left: at most [`MAX_HEAD`](crate::proto::http::head::MAX_HEAD) bytes, and only before
//!    the WebSocket phase;
//! 4. [`Out::flush`](buffer::Out::flush); then [`Connection::deadline`] says when [`Connection::on_deadline`] is to be called.
//!
//! It knows no sockets, no files, no configuration file and no users.

mod answer;
pub mod buffer;
mod client_handshake;
mod conf;
mod connection;
pub mod deadline;
pub mod event;
mod lines;
mod phase;
mod request;
mod response;
mod shared_message;
mod step;
mod termination;
pub mod tls;
mod websocket;

pub use answer::{Answer, AnswerHead};
pub use conf::{Conf, SlowPeer};
pub use connection::{Answered, Aux, Connection, Counters, Tools};
pub use deadline::{LINGER, STALL};
pub use shared_message::{MessageBatch, SharedMessages};
