//! A folder as a web site: which file a request means, and what the answer to it is.
//!
//! Paths are resolved by the kernel, beneath a folder that was opened at start, so that nothing outside it can be
//! named: neither by dots, however encoded, nor by symbolic links. The folder is held, not its name: one that takes its
//! place under the same name is seen when the server is configured anew.
//!
//! There is no socket here. An answer is a status, its fields and either bytes or an open file with the ranges of it
//! that are to be sent; to send them is the engine's part, and so are Date, Content-Length and whether a body goes out
//! at all. Who must not wait for the disk asks [`ServedFolder::answer_now`], and where that has no answer has a [`BlockingLookup`] made
//! elsewhere.

mod answer;
mod blocking_lookup;
mod cache;
mod coding;
mod folder;
mod listing;
mod mime;
mod open;

pub use self::answer::{Body, FileAnswer, Segment};
pub use self::blocking_lookup::{BlockingLookup, LookupResult};
pub use self::cache::{Cache, is_in_memory};
pub use self::folder::{ServedFolder, Settings};
pub use self::mime::of as content_type;

#[cfg(test)]
mod tests;
