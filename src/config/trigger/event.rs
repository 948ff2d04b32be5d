//! Which events a trigger waits for.

use crate::config::fault::{Faults, Placed};
use crate::config::raw::Table;
use crate::config::value::{is_token, quoted};

/// An event that triggers wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A message from a WebSocket peer.
    Message,
    /// An HTTP request that is no upgrade.
    HttpRequest,
    /// A WebSocket connection was opened.
    Connect,
    /// A WebSocket connection has ended.
    Disconnect,
}

/// Which messages match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// How the message is compared.
    pub how: How,
    /// With what; empty only for [`How::Any`].
    pub string: String,
    /// Whether letters of the other case are others.
    pub case_sensitive: bool,
}

/// How a message is compared with a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is not.
    Any,
    /// The message begins with the string.
    StartsWith,
    /// The string is in the message.
    Contains,
    /// They are the same.
    Exact,
}

/// Which decoded paths match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paths {
    /// Every one.
    Any,
    /// This one. Without the slash that it begins with.
    Exact(String),
    /// Those that begin so. Without the slash that they begin with.
    Prefix(String),
}

impl Paths {
    /// Whether a path matches, as [`path::decode`](crate::proto::http::path::decode) gives it: without the slash that it
    /// begins with.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            Paths::Any => true,
            Paths::Exact(exact) => path == exact.as_bytes(),
            Paths::Prefix(prefix) => path.starts_with(prefix.as_bytes()),
        }
    }
}

const EVENTS: [(&str, On); 4] = [
    ("message", On::Message),
    ("http_request", On::HttpRequest),
    ("connect", On::Connect),
    ("disconnect", On::Disconnect),
];

pub(super) fn read_on(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<On> {
    if !table.has("on") {
        faults.misplaced(
            table.place(),
            "on is missing in [[trigger]]; allowed: message, http_request, connect, disconnect",
        );
    }
    let choices = EVENTS.map(|(name, on)| (name, Some(on)));
    table.choice("on", None, &choices, faults)
}

pub(super) fn read_match(table: &mut Table<'_>, on: Option<On>, faults: &mut Faults<'_>) -> Match {
    let choices = [
        ("any", How::Any),
        ("starts_with", How::StartsWith),
        ("contains", How::Contains),
        ("exact", How::Exact),
    ];
    let how = table.choice("match", How::Any, &choices, faults);
    let string = table.text("string", faults);
    let case_sensitive = table.flag("case_sensitive", faults);
    match (&string, how) {
        _ if on.is_some_and(|on| on != On::Message) => table.refuse(
            &["match", "string", "case_sensitive"],
            "only a message is compared; allowed: on = \"message\"",
            faults,
        ),
        // A word that is none of the four was refused above.
        (Some(_), How::Any) if !table.has("match") || table.is_text("match", "any") => table.refuse(
            &["string"],
            "not compared, for match is \"any\"; allowed: beside match = \"starts_with\", \"contains\" or \"exact\"",
            faults,
        ),
        (Some(string), _) if string.value.is_empty() => faults.refuse(
            string.place,
            "string: \"\"; allowed: at least one character",
        ),
        (None, How::StartsWith | How::Contains | How::Exact) if !table.has("string") => {
            let place = table.where_is("match", faults).unwrap_or(table.place());
            faults.misplaced(place, "string is missing; match needs string, what to compare with");
        }
        _ => {}
    }
    Match {
        how,
        string: string.map_or("", |string| string.value).to_owned(),
        case_sensitive: case_sensitive.is_none_or(|flag| flag.value),
    }
}

pub(super) fn read_methods(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Vec<String> {
    let Some(texts) = table.texts("methods", "[\"GET\", \"POST\"]", faults) else {
        return Vec::new();
    };
    if texts.value.is_empty() {
        faults.refuse(
            texts.place,
            "methods: an empty list; allowed: methods, or no methods for all",
        );
    }
    let mut methods = Vec::new();
    for Placed { value, place } in texts.value {
        // RFC 9110 §9.1: methods are case-sensitive, and those that are registered are in upper case.
        if !is_token(value) || value.bytes().any(|byte| byte.is_ascii_lowercase()) {
            faults.refuse(
                place,
                format!(
                    "methods: {}; allowed: methods in upper case, such as \"GET\"",
                    quoted(value)
                ),
            );
        }
        methods.push(value.to_owned());
    }
    methods
}

pub(super) fn read_path(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Paths {
    let Some(Placed { value, place }) = table.text("path", faults) else {
        return Paths::Any;
    };
    let (path, is_prefix) = match value.strip_suffix('*') {
        Some(prefix) => (prefix, true),
        None => (value, false),
    };
    let Some(path) = path.strip_prefix('/') else {
        faults.refuse(
            place,
            format!(
                "path: {}; allowed: a path that begins with \"/\"",
                quoted(value)
            ),
        );
        return Paths::Any;
    };
    if path.contains('*') {
        faults.refuse(
            place,
            format!("path: {}; allowed: one \"*\", at the end", quoted(value)),
        );
    }
    if !is_decoded(path, is_prefix) {
        faults.refuse(
            place,
            format!(
                "path: {} is no path that is ever compared; allowed: decoded paths, without \"//\", \".\", \"..\", \"\\\", \"?\" or \"#\"",
                quoted(value)
            ),
        );
    }
    if is_prefix {
        Paths::Prefix(path.to_owned())
    } else {
        Paths::Exact(path.to_owned())
    }
}

/// Whether some request's path decodes to this, or to what begins so. A question mark could be in one (`%3F`), but is
/// far more likely meant for a query.
fn is_decoded(path: &str, is_prefix: bool) -> bool {
    let mut segments: Vec<&str> = path.split('/').collect();
    // The last is empty behind a slash, and may be the beginning of any name in a prefix.
    let last = segments.pop().unwrap_or_default();
    let is_dots = |segment: &str| segment == "." || segment == "..";
    let is_bad = |segment: &&str| segment.is_empty() || is_dots(segment);
    !path.contains(['\0', '\\', '?', '#'])
        && !segments.iter().any(is_bad)
        && (is_prefix || !is_dots(last))
}
