//! The fields of a head (RFC 9110 §5).
//!
//! A table holds their positions instead of slices, so that all heads can share it and none costs an allocation.

use httparse::{EMPTY_HEADER, Header};

use super::byte::{is_field_value, is_token, trim};
use super::error::Error;

/// The longest head that is read, its first line and the empty line at its end included.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most fields that a head may have.
pub const MAX_FIELDS: usize = 100;

/// Heads with no more lines than this are split in an array that is cheap to clear.
const FEW: usize = 16;

const _: () = assert!(
    MAX_HEAD <= u16::MAX as usize,
    "a position in a head is a u16"
);

/// The position of a field in its head.
#[derive(Debug, Clone, Copy, Default)]
pub struct FieldPos {
    name: u16,
    name_len: u16,
    value: u16,
    value_len: u16,
}

impl FieldPos {
    pub(super) fn name(self, head: &[u8]) -> &[u8] {
        slice(head, self.name, self.name_len)
    }

    pub(super) fn value(self, head: &[u8]) -> &[u8] {
        slice(head, self.value, self.value_len)
    }
}

fn slice(head: &[u8], at: u16, len: u16) -> &[u8] {
    &head[usize::from(at)..][..usize::from(len)]
}

/// The positions of a head's fields. The same table is used again for the next head.
#[derive(Debug, Clone)]
pub struct FieldTable([FieldPos; MAX_FIELDS]);

impl Default for FieldTable {
    fn default() -> Self {
        Self::new()
    }
}

impl FieldTable {
    /// An empty table, of 800 bytes.
    pub const fn new() -> Self {
        Self(
            [FieldPos {
                name: 0,
                name_len: 0,
                value: 0,
                value_len: 0,
            }; MAX_FIELDS],
        )
    }

    /// Splits the field lines from `at` to the end of the head, in which every LF follows a CR. There are at most `lines`.
    pub(super) fn fill(
        &mut self,
        head: &[u8],
        at: usize,
        lines: usize,
    ) -> Result<&[FieldPos], Error> {
        if lines <= FEW {
            self.fill_by::<FEW>(head, at)
        } else {
            self.fill_by::<MAX_FIELDS>(head, at)
        }
    }

    fn fill_by<const N: usize>(&mut self, head: &[u8], at: usize) -> Result<&[FieldPos], Error> {
        let mut headers = [EMPTY_HEADER; N];
        let count = match httparse::parse_headers(&head[at..], &mut headers) {
            Ok(httparse::Status::Complete((used, headers))) if at + used == head.len() => {
                headers.len()
            }
            Err(httparse::Error::TooManyHeaders) => return Err(Error::TooManyFields),
            _ => return Err(diagnose(&head[at..])),
        };
        for (pos, Header { name, value }) in self.0.iter_mut().zip(&headers[..count]) {
            *pos = FieldPos {
                name: offset(head, name.as_bytes()),
                name_len: name.len() as u16,
                value: offset(head, value),
                value_len: value.len() as u16,
            };
        }
        Ok(&self.0[..count])
    }
}

/// The position of a part of the head.
fn offset(head: &[u8], part: &[u8]) -> u16 {
    (part.as_ptr() as usize - head.as_ptr() as usize) as u16
}

/// What is wrong with field lines that httparse refused, since it does not say.
fn diagnose(lines: &[u8]) -> Error {
    lines
        .split_inclusive(|&byte| byte == b'\n')
        .find_map(|line| fault(line.strip_suffix(b"\r\n").unwrap_or(line)))
        .unwrap_or(Error::FieldName)
}

/// ```text
/// field-line  = field-name ":" OWS field-value OWS
/// field-name  = token
/// field-value = *( VCHAR / obs-text / SP / HTAB )   ; white space only between others
/// ```
fn fault(line: &[u8]) -> Option<Error> {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    if line.first().is_some_and(blank) {
        // RFC 9112 §5.2: obs-fold, and §2.2: whitespace before the first field.
        return Some(Error::FoldedField);
    }
    let (name, value) = match line.iter().position(|&byte| byte == b':') {
        Some(colon) => (&line[..colon], &line[colon + 1..]),
        None if line.is_empty() => return None,
        None => return Some(Error::FieldName),
    };
    if name.last().is_some_and(blank) {
        // RFC 9112 §5.1
        Some(Error::SpaceBeforeColon)
    } else if !is_token(name) {
        Some(Error::FieldName)
    } else if value.contains(&b'\r') {
        Some(Error::BareCarriageReturn)
    } else if !is_field_value(value) {
        Some(Error::FieldValue)
    } else {
        None
    }
}

/// The fields of one head in their order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) head: &'a [u8],
    pub(super) positions: &'a [FieldPos],
}

impl<'a> Fields<'a> {
    pub(super) fn iter(self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.positions.iter().map(move |pos| {
            // A field name is a token, so it is always UTF-8.
            let name = str::from_utf8(pos.name(self.head)).unwrap_or_default();
            (name, pos.value(self.head))
        })
    }

    pub(super) fn first(self, name: &str) -> Option<&'a [u8]> {
        self.lines(name).next()
    }

    pub(super) fn lines<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.positions
            .iter()
            .filter(move |pos| pos.name(self.head).eq_ignore_ascii_case(name.as_bytes()))
            .map(move |pos| pos.value(self.head))
    }

    pub(super) fn list<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.lines(name).flat_map(members)
    }

    pub(super) fn contains_token(self, name: &str, token: &str) -> bool {
        self.list(name)
            .any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// The members of a comma-separated list. Recipients ignore empty ones (RFC 9110 §5.6.1.2). A comma
/// in a quoted string separates too: no list that is read here has quoted strings.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|member| !member.is_empty())
}
