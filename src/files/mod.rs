//! A folder as a web site: which file a request means, and what the answer to it is.
//!
//! The kernel resolves paths, and only below a folder that was opened at start. So nothing outside the folder can be
//! named, neither by dots, however encoded, nor by symbolic links. The folder itself is kept open: another folder that
//! takes its name is served only after the server is configured again.
//!
//! There is no socket here. An answer is a status, its fields, and either bytes or an open file with the ranges to send.
//! The engine sends it, adds Date and Content-Length, and decides whether a body is sent at all. The event loop calls
//! [`ServedFolder::answer_now`], which never waits for the disk. When that has no answer, another thread runs a
//! [`BlockingLookup`].

mod answer;
mod blocking_lookup;
mod cache;
mod coding;
mod folder;
mod listing;
mod mime;
mod open;

pub use self::answer::{FileAnswer, FileBody, Segment};
pub use self::blocking_lookup::{BlockingLookup, LookupResult};
pub use self::cache::{Cache, is_in_memory};
pub use self::folder::{ServedFolder, Settings};
pub use self::mime::of as content_type;

#[cfg(test)]
mod tests;
