//! User names and passwords as requests carry them: Basic authentication (RFC 7617), and paths that begin with
//! `/auth/<username>/<password>`.
//!
//! Whether they are right is not known here. Passwords are wiped when they are dropped, and [`redact`] cuts them out of
//! a request target before anybody else sees it.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::byte::trim;
use super::head::RequestHead;
use super::percent;

/// What a path with credentials begins with.
const PREFIX: &str = "/auth/";

/// What stands for a password in a redacted target.
const MARK: &str = "***";

/// A password; wiped when it is dropped, and never shown.
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes the bytes over. They must not have been moved about before, for only this place is wiped.
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

/// Who somebody says they are, and the proof.
#[derive(Debug)]
pub struct Credentials {
    /// The name, without control characters; it may be empty.
    pub username: String,
    /// The password; it may be empty, and has no NUL.
    pub password: Password,
}

impl Credentials {
    fn new(username: &[u8], password: &[u8]) -> Result<Self, Error> {
        let username = str::from_utf8(username).map_err(|_| Error::Utf8)?;
        str::from_utf8(password).map_err(|_| Error::Utf8)?;
        // A NUL would end the password for whoever reads it in C.
        if username.chars().any(char::is_control) || password.contains(&0) {
            return Err(Error::Control);
        }
        Ok(Self {
            username: username.to_owned(),
            password: Password::new(password.to_vec()),
        })
    }
}

/// Why credentials that are there cannot be read. Each is answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// There is more than one Authorization field.
    Repeated,
    /// What follows `Basic` is not base64, or a percent sign is not followed by two hexadecimal digits.
    Encoding,
    /// There is no colon between name and password.
    Colon,
    /// The name or the password is not UTF-8.
    Utf8,
    /// The name has a control character, or the password one that it must not have.
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

/// The credentials of the Authorization field; none when there is no such field, or one of another scheme.
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
    // RFC 7617 §2: the first colon, so that a password may have others.
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

/// A path that carries credentials, in its parts.
pub struct UrlCredentials<'p> {
    /// What it carries, decoded.
    pub credentials: Credentials,
    /// `/auth/<username>/<password>` as it is written: what a redirect has to keep. It holds the password.
    pub prefix: &'p str,
    /// What follows as it is written: empty, or beginning with a slash.
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

/// The credentials of `/auth/<username>/<password>[/rest…]`, a path that is still encoded, without its query. Name and
/// password are percent-decoded, so that either may have an encoded slash, and either may be empty.
///
/// None when the path does not begin with `/auth/`, or has no second segment after that, not even an empty one.
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

/// Where the name and the password stand in a path.
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
    // A control character cannot be quoted, and would split the field.
    for character in realm.chars().filter(|character| !character.is_control()) {
        if matches!(character, '"' | '\\') {
            challenge.push('\\');
        }
        challenge.push(character);
    }
    challenge.push_str("\", charset=\"UTF-8\"");
    challenge
}

/// A request target for people's eyes: the password of `/auth/<username>/<password>` is `***`.
///
/// It cuts more than [`url`] reads: also what is wrongly encoded, what begins with several slashes, dot segments or
/// another spelling of `auth`, and what follows an authority, for a password is one however it was mistyped.
#[must_use]
pub fn redact(target: &str) -> Cow<'_, str> {
    match password_span(target) {
        Some(span) => Cow::Owned([&target[..span.start], MARK, &target[span.end..]].concat()),
        None => Cow::Borrowed(target),
    }
}

/// The value of a field that is shown to others: a page that was reached by `/auth/<username>/<password>` is named by its
/// whole address in Referer (RFC 9110 §10.1.3), which is then [redacted](redact).
#[must_use]
pub fn redact_field<'v>(name: &str, value: &'v [u8]) -> Cow<'v, [u8]> {
    if !name.eq_ignore_ascii_case("Referer") {
        return Cow::Borrowed(value);
    }
    // What is no UTF-8 hides no password.
    match redact(&String::from_utf8_lossy(value)) {
        Cow::Borrowed(_) => Cow::Borrowed(value),
        Cow::Owned(redacted) => Cow::Owned(redacted.into_bytes()),
    }
}

fn password_span(target: &str) -> Option<Span> {
    let end = target.find(['?', '#']).unwrap_or(target.len());
    let path = &target[..end];
    let mut at = path_start(path);
    // Empty and dot segments are what others take away before they look.
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

/// Where the path of a target begins, behind its first slash: in absolute form that is behind the authority.
fn path_start(target: &str) -> usize {
    let absolute = target.find("://").filter(|_| !target.starts_with('/'));
    let origin = absolute.map_or(0, |at| at + 3);
    let slash = target[origin..].find('/');
    slash.map_or(target.len() + 1, |at| origin + at + 1)
}

/// What is wrongly encoded stays as it is.
fn decoded_lossy(segment: &str) -> Vec<u8> {
    percent_decode(segment).map_or_else(|_| segment.into(), |decoded| decoded.to_vec())
}

#[cfg(test)]
mod tests;
