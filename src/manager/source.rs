//! What everything knows of a server or client that events come from.

use std::rc::Rc;

/// A server or client, as its events, its triggers and the log know it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SourceInfo {
    pub id: Rc<str>,
    /// The name for people.
    pub name: String,
    /// How its users prove who they are, when there is one way only: `Basic` or `URL`.
    pub auth_scheme: Option<&'static str>,
    /// The longest message in bytes, which is the longest that a script may send there.
    pub max_message: usize,
}
