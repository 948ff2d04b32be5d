//! HTTP/1.1 messages (RFC 9110, RFC 9112), and those of HTTP/1.0 as far as RFC 9112 covers them.
//!
//! Messages are read strictly: what two readers could understand differently is an [`Error`], not a guess. No value that
//! a peer chose can split a message that is written here. There is no connection, no clock and no policy here.

mod authority;
mod error;
mod field;
mod line;
pub(super) mod percent;

pub mod body;
pub mod byte;
pub mod conditional;
pub mod credentials;
pub mod date;
pub mod form;
pub mod head;
pub mod origin;
pub mod path;
pub mod range;
pub mod response;
pub mod url;

pub use error::Error;
