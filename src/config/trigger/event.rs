//! The events that a trigger matches.

use crate::config::fault::Placed;
use crate::config::table::Table;
use crate::config::value::{is_token, quoted};

/// A kind of event.
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
    /// Whether upper and lower case differ.
    pub case_sensitive: bool,
}

/// How a message is compared with a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Every message matches.
    Any,
    /// The message begins with the string.
    StartsWith,
    /// The message contains the string.
    Contains,
    /// The message is the string.
    Exact,
}

/// Which decoded paths match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paths {
    /// Every one.
    Any,
    /// This path, here without its first slash.
    Exact(String),
    /// Paths that begin with this, here without its first slash.
    Prefix(String),
}

impl Paths {
    /// Whether a path matches. [`path::decode`](crate::proto::http::path::decode) gives it without its first slash.
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

pub(super) fn read_on(table: &mut Table<'_>) -> Option<On> {
    table.require("on", "message, http_request, connect, disconnect");
    let choices = EVENTS.map(|(name, on)| (name, Some(on)));
    table.choice("on", None, &choices)
}

pub(super) fn read_match(table: &mut Table<'_>, on: Option<On>) -> Match {
    let choices = [
        ("any", How::Any),
        ("starts_with", How::StartsWith),
        ("contains", How::Contains),
        ("exact", How::Exact),
    ];
    let how = table.choice("match", How::Any, &choices);
    let string = table.text("string");
    let case_sensitive = table.flag_or("case_sensitive", true);
    match (&string, how) {
        _ if on.is_some_and(|on| on != On::Message) => table.refuse_keys(
            &["match", "string", "case_sensitive"],
            "only a message is compared; allowed: on = \"message\"",
        ),
        // A word that is none of the four was refused above.
        (Some(_), How::Any) if !table.has("match") || table.is_text("match", "any") => table.refuse_keys(
            &["string"],
            "not compared, for match is \"any\"; allowed: beside match = \"starts_with\", \"contains\" or \"exact\"",
        ),
        (Some(Placed { value: "", .. }), _) => {
            table.refuse_keys(&["string"], "\"\"; allowed: at least one character");
        }
        (None, How::StartsWith | How::Contains | How::Exact) if !table.has("string") => {
            let place = table.place_of("match").unwrap_or(table.place());
            table.misplaced(place, "string is missing; match needs string, what to compare with");
        }
        _ => {}
    }
    Match {
        how,
        string: string.map_or("", |string| string.value).to_owned(),
        case_sensitive,
    }
}

pub(super) fn read_methods(table: &mut Table<'_>) -> Vec<String> {
    let methods = table.parsed_list("methods", "[\"GET\", \"POST\"]", |text| {
        // RFC 9110 §9.1: methods are case-sensitive, and those that are registered are in upper case.
        if !is_token(text) || text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            let text = quoted(text);
            return Err(format!(
                "{text}; allowed: methods in upper case, such as \"GET\""
            ));
        }
        Ok(text.to_owned())
    });
    table.refuse_empty(
        "methods",
        "; allowed: methods, or no methods for GET, HEAD and POST",
    );
    methods.into_iter().map(|method| method.value).collect()
}

pub(super) fn read_path(table: &mut Table<'_>) -> Paths {
    let paths = table.parsed("path", parse_path);
    paths.map_or(Paths::Any, |paths| paths.value)
}

fn parse_path(text: &str) -> Result<Paths, String> {
    let shown = quoted(text);
    let prefix = text.strip_suffix('*');
    let Some(path) = prefix.unwrap_or(text).strip_prefix('/') else {
        return Err(format!("{shown}; allowed: a path that begins with \"/\""));
    };
    if path.contains('*') {
        return Err(format!("{shown}; allowed: one \"*\", at the end"));
    }
    if !is_decoded(path, prefix.is_some()) {
        return Err(format!(
            "{shown} is no path that is ever compared; allowed: decoded paths, without \"//\", \".\", \"..\", \"\\\", \"?\" or \"#\""
        ));
    }
    Ok(match prefix {
        Some(_) => Paths::Prefix(path.to_owned()),
        None => Paths::Exact(path.to_owned()),
    })
}

/// Whether the path of a request can decode to this, or to a path that begins with it. A question mark is refused: it
/// could be in one (`%3F`), but is far more likely meant as the begin of a query.
fn is_decoded(path: &str, is_prefix: bool) -> bool {
    let mut segments: Vec<&str> = path.split('/').collect();
    // The last is empty after a slash, and in a prefix it may be the begin of any name.
    let last = segments.pop().unwrap_or_default();
    let is_dots = |segment: &str| segment == "." || segment == "..";
    let is_bad = |segment: &&str| segment.is_empty() || is_dots(segment);
    !path.contains(['\0', '\\', '?', '#'])
        && !segments.iter().any(is_bad)
        && (is_prefix || !is_dots(last))
}
