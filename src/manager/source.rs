//! What events, triggers and the log say about a server or client.

use std::rc::Rc;

/// A server or client as the source of events.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SourceInfo {
    pub id: Rc<str>,
    /// The name for people.
    pub name: String,
    /// How its users log in, when there is one way only: `Basic` or `URL`.
    pub auth_scheme: Option<&'static str>,
    /// The longest message in bytes, received from a peer or sent by a script.
    pub max_message: usize,
}
