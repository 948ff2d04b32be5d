//! HTTP/1.1 messages (RFC 9110, RFC 9112), and 1.0 as far as RFC 9112 carries it along.
//!
//! What is read is read strictly: whatever two readers could understand differently is an
//! [`Error`], not a guess. What is written cannot be split by a value that somebody else chose.
//! There is no connection here, no clock and no policy: bytes become values, and values bytes.

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
