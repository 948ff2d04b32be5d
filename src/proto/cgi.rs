//! The answer of a script (RFC 3875 §6): its head, from the first bytes of its output.
//!
//! ```text
//! CGI-Response = *CGI-field *other-field NL [ response-body ]
//! CGI-field    = "Status:" | "Content-Type:" | "Location:"        ; and here "Set-Cookie:" and "X-Sendfile:"
//! field-line   = token ":" OWS value OWS NL
//! NL           = LF | CR LF
//! ```
//!
//! A script that knows nothing of this just prints its answer. So **output has a head** only if its first line is a field
//! line, every line after it is one too, and an empty line ends them. Output in which anything else comes first (another
//! kind of line, the end, or more than [`MAX_HEAD`] bytes) has none and is plain text as a whole: `Error: disk full` is
//! text. But when one of the field lines before that names a CGI field, a head was meant, and it is malformed.
//!
//! What may pass is what cannot confuse a client about where the answer ends: fields that are of the connection, or that
//! the server writes itself, are left out.

use std::fmt;

use memchr::memchr;

use crate::proto::http::byte::{is_field_value, is_token, trim};

#[cfg(test)]
mod tests;

/// The longest head that is read, the empty line at its end included.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most fields that a head may have.
pub const MAX_FIELDS: usize = 100;

/// Fields of the connection (RFC 9110 §7.6.1), and those that the server writes itself.
const LEFT_OUT: [&str; 7] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Date",
    "Server",
];

/// Why there is no answer in an output that looks like one. It is a script's fault: 502.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The head is longer than [`MAX_HEAD`].
    TooLong,
    /// There are more fields than [`MAX_FIELDS`].
    TooManyFields,
    /// A line of the head is not a field.
    Line,
    /// The output ends before the head does.
    Unfinished,
    /// A value has a control character, which could end it early.
    Value,
    /// A field that there can be one of only is there twice.
    Repeated,
    /// Status is not a number from 200 to 599, and words.
    Status,
    /// Location, X-Sendfile or Content-Type is empty.
    Empty,
    /// Content-Length is not a number.
    Length,
    /// The script frames its output or changes the protocol, which is not its to do.
    Framing,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "its head is too long",
            Self::TooManyFields => "its head has too many fields",
            Self::Line => "a line of its head is not a field",
            Self::Unfinished => "it ends before its head does, which an empty line would",
            Self::Value => "a field of its head has a control character",
            Self::Repeated => "its head has two of a field of which there is one at most",
            Self::Status => "its Status is not a number from 200 to 599",
            Self::Empty => "its Content-Type, Location or X-Sendfile is empty",
            Self::Length => "its Content-Length is not a number",
            Self::Framing => "its head has Transfer-Encoding or Upgrade, which are the server's",
        })
    }
}

impl std::error::Error for Error {}

/// The head of an answer. Its names are tokens, and none of its values has a control character but HTAB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// From 200 to 599: that of Status, else 302 with a Location, else 200.
    pub status: u16,
    /// The value of Content-Type.
    pub content_type: Option<Vec<u8>>,
    /// The value of Location. RFC 3875 §6.2.2 has a server answer a path by itself; here it is a redirect like a URI.
    pub location: Option<Vec<u8>>,
    /// The file to send in the place of a body: the value of X-Sendfile.
    pub send_file: Option<Vec<u8>>,
    /// The length of the body as the script says.
    pub length: Option<u64>,
    /// Set-Cookie, and all other fields that may pass, in their order.
    pub fields: Vec<(String, Vec<u8>)>,
}

/// What the beginning of an output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputHead {
    /// More is needed to tell.
    More,
    /// There is no head; all of it is text.
    Text,
    /// A head of so many bytes; the body follows.
    Head(Head, usize),
}

/// Reads the head of an output from its beginning. `ended` says that no more of it will come; then it is never
/// [`OutputHead::More`].
///
/// # Errors
/// A head was meant, and is malformed.
pub fn decode(output: &[u8], ended: bool) -> Result<OutputHead, Error> {
    let seen = &output[..output.len().min(MAX_HEAD)];
    let mut lines: Vec<(&str, &[u8])> = Vec::new();
    let mut at = 0;
    loop {
        let rest = &seen[at..];
        let Some(end) = memchr(b'\n', rest) else {
            return match (could_be_field(rest), ended, output.len() > MAX_HEAD) {
                (false, ..) => no_head(&lines, Error::Line),
                (true, _, true) => no_head(&lines, Error::TooLong),
                (true, true, false) => {
                    lines.extend(split(rest));
                    no_head(&lines, Error::Unfinished)
                }
                (true, false, false) => Ok(OutputHead::More),
            };
        };
        let line = &rest[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        at += end + 1;
        match split(line) {
            Some(field) => lines.push(field),
            None if line.is_empty() && !lines.is_empty() => {
                return read(&lines).map(|head| OutputHead::Head(head, at));
            }
            None => return no_head(&lines, Error::Line),
        }
    }
}

/// The output has no head, unless one was meant.
fn no_head(lines: &[(&str, &[u8])], error: Error) -> Result<OutputHead, Error> {
    let names = [
        "Status",
        "Content-Type",
        "Location",
        "Set-Cookie",
        "X-Sendfile",
    ];
    let is_cgi = |(name, _): &(&str, &[u8])| {
        let mut known = names.iter();
        known.any(|known| name.eq_ignore_ascii_case(known))
    };
    if lines.iter().any(is_cgi) {
        Err(error)
    } else {
        Ok(OutputHead::Text)
    }
}

/// Whether a line whose end has not come can still become a field. An empty one can: it may be a CR.
fn could_be_field(line: &[u8]) -> bool {
    match memchr(b':', line) {
        Some(colon) => is_token(&line[..colon]),
        None => is_token(line) || matches!(line, [] | [b'\r']),
    }
}

fn split(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = memchr(b':', line)?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    // A token is ASCII.
    let name = str::from_utf8(name).ok().filter(|_| is_token(name))?;
    Some((name, value))
}

fn read(lines: &[(&str, &[u8])]) -> Result<Head, Error> {
    if lines.len() > MAX_FIELDS {
        return Err(Error::TooManyFields);
    }
    let mut status = None;
    let mut head = Head {
        status: 200,
        content_type: None,
        location: None,
        send_file: None,
        length: None,
        fields: Vec::new(),
    };
    for &(name, value) in lines {
        if !is_field_value(value) {
            return Err(Error::Value);
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("Status") {
            once(&mut status, parse_status(value)?)?;
        } else if is("Content-Type") {
            once(&mut head.content_type, filled(value)?)?;
        } else if is("Location") {
            once(&mut head.location, filled(value)?)?;
        } else if is("X-Sendfile") {
            once(&mut head.send_file, filled(value)?)?;
        } else if is("Content-Length") {
            once(&mut head.length, parse_length(value)?)?;
        } else if is("Transfer-Encoding") || is("Upgrade") {
            return Err(Error::Framing);
        } else if !LEFT_OUT.iter().any(|known| is(known)) {
            head.fields.push((name.to_owned(), value.to_vec()));
        }
    }
    let default = if head.location.is_some() { 302 } else { 200 };
    head.status = status.unwrap_or(default);
    Ok(head)
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::Repeated),
    }
}

fn filled(value: &[u8]) -> Result<Vec<u8>, Error> {
    if value.is_empty() {
        Err(Error::Empty)
    } else {
        Ok(value.to_vec())
    }
}

/// ```text
/// Status = "Status:" status-code SP reason-phrase NL
/// ```
/// The reason may be absent. An interim status (1xx) is the server's to send.
fn parse_status(value: &[u8]) -> Result<u16, Error> {
    let (code, reason) = value.split_at_checked(3).ok_or(Error::Status)?;
    let code: Option<u16> = str::from_utf8(code).ok().and_then(|code| code.parse().ok());
    match (code, reason) {
        (Some(code @ 200..=599), [] | [b' ', ..]) => Ok(code),
        _ => Err(Error::Status),
    }
}

fn parse_length(value: &[u8]) -> Result<u64, Error> {
    let digits = str::from_utf8(value)
        .ok()
        .filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or(Error::Length)
}
