//! Conditional requests (RFC 9110 §13): whether the representation is still the one that the client knows.

use super::date;
use super::head::{Method, RequestHead};

/// Identifies one state of a representation (RFC 9110 §8.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validator<'a> {
    /// The entity tag with its quotes, after `W/` if it is weak.
    pub etag: &'a str,
    /// When it was last modified, in seconds since 1970.
    pub modified: u64,
}

impl Validator<'_> {
    fn tag(&self) -> Tag<'_> {
        Tag::of(self.etag.as_bytes())
    }
}

/// What the preconditions of a request result in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreconditionResult {
    /// Perform the method.
    Proceed,
    /// Answer 304: the client has this representation.
    NotModified,
    /// Answer 412: the representation is not the one that the client expects.
    PreconditionFailed,
}

/// Evaluates the preconditions of a request for an existing representation, in the order of RFC 9110 §13.2.2. Invalid and
/// repeated dates are ignored.
pub fn evaluate(head: &RequestHead<'_>, validator: Validator<'_>) -> PreconditionResult {
    if head.field("If-Match").is_some() {
        // §13.1.1: the strong comparison.
        if !lists(head, "If-Match", |tag| tag.is_same(validator.tag())) {
            return PreconditionResult::PreconditionFailed;
        }
    } else if let Some(date) = moment(head, "If-Unmodified-Since")
        && validator.modified > date
    {
        return PreconditionResult::PreconditionFailed;
    }

    let reads = matches!(head.method(), Method::Get | Method::Head);
    if head.field("If-None-Match").is_some() {
        // §13.1.2: the weak comparison.
        if !lists(head, "If-None-Match", |tag| tag.is_like(validator.tag())) {
            return PreconditionResult::Proceed;
        }
        return if reads {
            PreconditionResult::NotModified
        } else {
            PreconditionResult::PreconditionFailed
        };
    }
    match moment(head, "If-Modified-Since") {
        // §13.1.3: only for GET and HEAD.
        Some(date) if reads && validator.modified <= date => PreconditionResult::NotModified,
        _ => PreconditionResult::Proceed,
    }
}

/// Whether Range applies (RFC 9110 §13.1.5): there is no If-Range, or it names this representation by its strong entity
/// tag or its exact date.
pub fn if_range_matches(head: &RequestHead<'_>, validator: Validator<'_>) -> bool {
    if head.field("If-Range").is_none() {
        return true;
    }
    match single(head, "If-Range") {
        Some(tag @ ([b'"', ..] | [b'W', b'/', ..])) => Tag::of(tag).is_same(validator.tag()),
        Some(date) => date::parse(date) == Some(validator.modified),
        None => false,
    }
}

/// The date in a field that occurs once.
fn moment(head: &RequestHead<'_>, name: &str) -> Option<u64> {
    single(head, name).and_then(date::parse)
}

/// The value of a field that occurs once.
fn single<'a>(head: &RequestHead<'a>, name: &str) -> Option<&'a [u8]> {
    let mut lines = head.field_lines(name);
    lines.next().filter(|_| lines.next().is_none())
}

/// ```text
/// If-Match = "*" / #entity-tag
/// ```
fn lists(head: &RequestHead<'_>, name: &str, accept: impl Fn(Tag<'_>) -> bool) -> bool {
    head.field_lines(name)
        .any(|line| line == b"*" || Tags(line).any(&accept))
}

/// An entity tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    /// With its quotes.
    opaque: &'a [u8],
}

impl<'a> Tag<'a> {
    fn of(text: &'a [u8]) -> Self {
        match text.strip_prefix(b"W/") {
            Some(opaque) => Self { weak: true, opaque },
            None => Self {
                weak: false,
                opaque: text,
            },
        }
    }

    /// The strong comparison (RFC 9110 §8.8.3.2).
    fn is_same(self, other: Tag<'_>) -> bool {
        !self.weak && !other.weak && self.is_like(other)
    }

    /// The weak comparison.
    fn is_like(self, other: Tag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

/// The entity tags of a list, up to the first malformed one. A tag may contain commas, so other lists are split in another
/// way.
///
/// ```text
/// entity-tag = [ weak ] opaque-tag
/// weak       = %s"W/"
/// opaque-tag = DQUOTE *etagc DQUOTE
/// etagc      = %x21 / %x23-7E / obs-text
/// ```
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        // A malformed tag ends the list.
        let text = std::mem::take(&mut self.0);
        let text = &text[separator(text).len()..];
        let quote = if text.starts_with(b"W/") { 2 } else { 0 };
        let opaque = text[quote..].strip_prefix(b"\"")?;
        let len = opaque.iter().position(|&byte| !is_etagc(byte))?;
        if opaque[len] != b'"' {
            return None;
        }
        let (tag, rest) = text.split_at(quote + 1 + len + 1);
        if separator(rest).contains(&b',') {
            self.0 = rest;
        }
        Some(Tag::of(tag))
    }
}

fn is_etagc(byte: u8) -> bool {
    byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80
}

/// The white space and commas before the next member.
fn separator(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !b" \t,".contains(byte));
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests;
