//! User names and passwords in requests: Basic authentication (RFC 7617), and paths that begin with
//! `/auth/<username>/<password>`.
//!
//! They are not checked here. Passwords are wiped when they are dropped, and [`redact`] hides them in a request target
//! before it is logged or shown.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::byte::trim;
use super::head::RequestHead;
use super::percent;

/// The beginning of a path with credentials.
const PREFIX: &str = "/auth/";

/// Replaces the password in a redacted target.
const MARK: &str = "***";

/// A password. It is wiped when it is dropped, and never shown.
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes the bytes over. There must be no other copy of them, since only this one is wiped.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The password, which is UTF-8 when it came with a request.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// A user name and a password.
#[derive(Debug)]
pub struct Credentials {
    /// The name; it has no control characters, and may be empty.
    pub username: String,
    /// The password; it has no NUL, and may be empty.
    pub password: Password,
}

impl Credentials {
    fn new(username: &[u8], password: &[u8]) -> Result<Self, Error> {
        let username = str::from_utf8(username).map_err(|_| Error::Utf8)?;
        str::from_utf8(password).map_err(|_| Error::Utf8)?;
        // A NUL would end the password for C code such as PAM.
        if username.chars().any(char::is_control) || password.contains(&0) {
            return Err(Error::Control);
        }
        Ok(Self {
            username: username.to_owned(),
            password: Password::new(password.to_vec()),
        })
    }
}

/// Why the credentials of a request cannot be read. The answer is 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// There is more than one Authorization field.
    Repeated,
    /// Malformed base64 or percent-encoding.
    Encoding,
    /// There is no colon between name and password.
    Colon,
    /// The name or the password is not UTF-8.
    Utf8,
    /// The name or the password has a control character that is not allowed there.
    Control,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "there is more than one Authorization",
            Self::Encoding => "the credentials are not encoded as they should be",
            Self::Colon => "the credentials have no colon",
            Self::Utf8 => "the credentials are not UTF-8",
            Self::Control => "the credentials have a control character",
        })
    }
}

impl std::error::Error for Error {}

/// The credentials of the Authorization field; `None` without that field, or with another scheme.
///
/// ```text
/// credentials = auth-scheme [ 1*SP token68 ]        ; RFC 9110 §11.4
/// user-pass   = user-id ":" password                ; RFC 7617 §2, in base64
/// ```
///
/// # Errors
/// What is wrong with a field of the scheme Basic.
pub fn basic(head: &RequestHead<'_>) -> Result<Option<Credentials>, Error> {
    let mut values = head.field_lines("authorization");
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Error::Repeated);
    }
    let scheme_end = value.iter().position(|&byte| byte == b' ');
    let (scheme, token) = value.split_at(scheme_end.unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Ok(None);
    }
    let decoded = STANDARD.decode(trim(token)).map_err(|_| Error::Encoding)?;
    let user_pass = Zeroizing::new(decoded);
    // RFC 7617 §2: the first colon; the password may have more.
    let colon = user_pass
        .iter()
        .position(|&byte| byte == b':')
        .ok_or(Error::Colon)?;
    let (username, password) = (&user_pass[..colon], &user_pass[colon + 1..]);
    // RFC 7617 §2: neither may have control characters.
    if password.iter().any(u8::is_ascii_control) {
        return Err(Error::Control);
    }
    Credentials::new(username, password).map(Some)
}

/// A path with credentials, in its parts.
pub struct UrlCredentials<'p> {
    /// The credentials, decoded.
    pub credentials: Credentials,
    /// `/auth/<username>/<password>` as written, which redirects keep. It holds the password.
    pub prefix: &'p str,
    /// The rest as written: empty, or beginning with a slash.
    pub rest: &'p str,
}

impl fmt::Debug for UrlCredentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlCredentials")
            .field("credentials", &self.credentials)
            .field("prefix", &redact(self.prefix))
            .field("rest", &self.rest)
            .finish()
    }
}

/// The credentials of `/auth/<username>/<password>[/rest…]`, an encoded path without its query. Name and password are
/// percent-decoded, so they may have encoded slashes. Both may be empty.
///
/// `None` when the path does not begin with `/auth/`, or has only one segment after that.
///
/// # Errors
/// What is wrong with the name or the password.
pub fn url(path: &str) -> Result<Option<UrlCredentials<'_>>, Error> {
    let Some((username, password)) = segments(path) else {
        return Ok(None);
    };
    let (prefix, rest) = path.split_at(password.end);
    let username = percent_decode(&path[username])?;
    let password = percent_decode(&path[password])?;
    Ok(Some(UrlCredentials {
        credentials: Credentials::new(&username, &password)?,
        prefix,
        rest,
    }))
}

type Span = std::ops::Range<usize>;

/// The places of the name and the password in a path.
fn segments(path: &str) -> Option<(Span, Span)> {
    let name = PREFIX.len();
    let name_len = path.strip_prefix(PREFIX)?.find('/')?;
    let password = name + name_len + 1;
    let password_len = segment_len(&path[password..]);
    Some((name..name + name_len, password..password + password_len))
}

fn segment_len(text: &str) -> usize {
    text.find('/').unwrap_or(text.len())
}

/// The capacity is allocated at once: a vector that grows would leave a part of a password behind.
fn percent_decode(segment: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut out = Zeroizing::new(Vec::with_capacity(segment.len()));
    for byte in percent::decode(segment.as_bytes()) {
        out.push(byte.map_err(|percent::BadEscape| Error::Encoding)?);
    }
    Ok(out)
}

/// The challenge that asks for Basic credentials (RFC 7617 §2, §2.1), the value of a WWW-Authenticate field.
///
/// ```text
/// quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE     ; RFC 9110 §5.6.4
/// ```
#[must_use]
pub fn challenge(realm: &str) -> String {
    let mut challenge = String::from("Basic realm=\"");
    // Control characters cannot be quoted; CR and LF would split the field.
    for character in realm.chars().filter(|character| !character.is_control()) {
        if matches!(character, '"' | '\\') {
            challenge.push('\\');
        }
        challenge.push(character);
    }
    challenge.push_str("\", charset=\"UTF-8\"");
    challenge
}

/// A request target that can be shown to people: the password of `/auth/<username>/<password>` becomes `***`.
///
/// It also hides passwords in mistyped paths that [`url`] does not accept: with malformed encoding, with more slashes, with
/// dot segments, with another spelling of `auth`, or after an authority.
#[must_use]
pub fn redact(target: &str) -> Cow<'_, str> {
    match password_span(target) {
        Some(span) => Cow::Owned([&target[..span.start], MARK, &target[span.end..]].concat()),
        None => Cow::Borrowed(target),
    }
}

/// The value of a field that can be shown to others. Referer contains the whole address of the page (RFC 9110 §10.1.3),
/// perhaps with `/auth/<username>/<password>`, so it is [redacted](redact).
#[must_use]
pub fn redact_field<'v>(name: &str, value: &'v [u8]) -> Cow<'v, [u8]> {
    if !name.eq_ignore_ascii_case("Referer") {
        return Cow::Borrowed(value);
    }
    // A password in bytes that are not UTF-8 is found too.
    match redact(&String::from_utf8_lossy(value)) {
        Cow::Borrowed(_) => Cow::Borrowed(value),
        Cow::Owned(redacted) => Cow::Owned(redacted.into_bytes()),
    }
}

fn password_span(target: &str) -> Option<Span> {
    let end = target.find(['?', '#']).unwrap_or(target.len());
    let path = &target[..end];
    let mut at = path_start(path);
    // Skip empty and dot segments, since other software removes these first.
    loop {
        let len = segment_len(path.get(at..)?);
        let segment = &path[at..at + len];
        at += len + 1;
        match decoded_lossy(segment).as_slice() {
            b"" | b"." | b".." => {}
            name if name.eq_ignore_ascii_case(b"auth") => break,
            _ => return None,
        }
    }
    let name_len = path.get(at..)?.find('/')?;
    let start = at + name_len + 1;
    Some(start..start + segment_len(&path[start..]))
}

/// Where the path of a target begins, after its first slash. In absolute form that is after the authority.
fn path_start(target: &str) -> usize {
    let absolute = target.find("://").filter(|_| !target.starts_with('/'));
    let origin = absolute.map_or(0, |at| at + 3);
    let slash = target[origin..].find('/');
    slash.map_or(target.len() + 1, |at| origin + at + 1)
}

/// Decodes a segment; one with malformed encoding stays as it is.
fn decoded_lossy(segment: &str) -> Vec<u8> {
    percent_decode(segment).map_or_else(|_| segment.into(), |decoded| decoded.to_vec())
}

#[cfg(test)]
mod tests;
