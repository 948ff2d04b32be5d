//! The parameters of a form: those of a query or a body of type application/x-www-form-urlencoded (URL Standard §5.1),
//! and the text fields of a body of type multipart/form-data (RFC 7578, in the framing of RFC 2046 §5.1).
//!
//! Parameters are text: bytes that are not UTF-8 become U+FFFD, as in the URL Standard. Files in a form are skipped.
//! Parameters keep their order and may repeat.

use std::fmt;

use memchr::memmem;

use super::byte::{is_token, trim};
use super::percent;

#[cfg(test)]
mod tests;

/// The most parameters that a form may have, files included.
pub const MAX_PARAMETERS: usize = 128;

/// The longest head of a part in bytes, without the empty line at its end.
pub const MAX_PART_HEAD: usize = 4 * 1024;

/// Content-Transfer-Encodings that leave the content as it is (RFC 2045 §6.2).
const IDENTITIES: [&[u8]; 3] = [b"7bit", b"8bit", b"binary"];

/// A parameter: its name and its value, decoded, without NUL.
pub type Parameter = (String, String);

/// Why a form cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// There is a NUL, which no environment variable can hold.
    Nul,
    /// There are more than [`MAX_PARAMETERS`].
    TooMany,
    /// The boundary is missing or malformed.
    Boundary,
    /// The parts are not framed by the boundary.
    Framing,
    /// The head of a part is malformed or incomplete.
    Part,
}

impl Error {
    /// The status code that answers it.
    pub fn status(self) -> u16 {
        match self {
            Self::TooMany => 413,
            Self::Nul | Self::Boundary | Self::Framing | Self::Part => 400,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nul => "a parameter has a NUL",
            Self::TooMany => "there are too many parameters",
            Self::Boundary => "the boundary of the form's parts is missing or malformed",
            Self::Framing => "the parts of the form are not framed by its boundary",
            Self::Part => "the head of a part of the form is malformed",
        })
    }
}

impl std::error::Error for Error {}

/// The format of a form, from the value of Content-Type (RFC 9110 §8.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormKind {
    /// application/x-www-form-urlencoded
    Urlencoded,
    /// multipart/form-data, with its boundary if it has a valid one.
    Multipart(Option<Vec<u8>>),
}

impl FormKind {
    /// The format of a body with this Content-Type; `None` when it is not a form.
    pub fn of(content_type: &[u8]) -> Option<FormKind> {
        let (media_type, parameters) = split_at(content_type, b';');
        let media_type = trim(media_type);
        if media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            Some(FormKind::Urlencoded)
        } else if media_type.eq_ignore_ascii_case(b"multipart/form-data") {
            let boundary = parameter(parameters, b"boundary").ok().flatten();
            Some(FormKind::Multipart(boundary.filter(|it| is_boundary(it))))
        } else {
            None
        }
    }

    /// The parameters of a body in this format.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn decode(&self, body: &[u8]) -> Result<Vec<Parameter>, Error> {
        match self {
            FormKind::Urlencoded => decode_urlencoded(body),
            FormKind::Multipart(Some(boundary)) => decode_multipart(body, boundary),
            FormKind::Multipart(None) => Err(Error::Boundary),
        }
    }
}

/// The parameters of a query or an urlencoded body. Text without `=` is a name with an empty value, and a malformed percent
/// sign stands for itself.
///
/// # Errors
/// There are too many parameters, or there is a NUL.
pub fn decode_urlencoded(input: &[u8]) -> Result<Vec<Parameter>, Error> {
    let mut parameters = Vec::new();
    for sequence in input.split(|&byte| byte == b'&') {
        if sequence.is_empty() {
            continue;
        }
        let (name, value) = split_at(sequence, b'=');
        push(
            &mut parameters,
            &percent_decode(name),
            &percent_decode(value),
        )?;
    }
    Ok(parameters)
}

fn push(parameters: &mut Vec<Parameter>, name: &[u8], value: &[u8]) -> Result<(), Error> {
    if parameters.len() == MAX_PARAMETERS {
        return Err(Error::TooMany);
    }
    if name.contains(&0) || value.contains(&0) {
        return Err(Error::Nul);
    }
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    parameters.push((text(name), text(value)));
    Ok(())
}

/// The text before and after the first `mark`.
fn split_at(input: &[u8], mark: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(mark, input) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, b""),
    }
}

/// URL Standard §5.1: a plus sign is a space, and a malformed escape stands for itself.
fn percent_decode(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len());
    for (at, word) in input.split(|&byte| byte == b'+').enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend(percent::decode(word).map(|byte| byte.unwrap_or(b'%')));
    }
    out
}

/// ```text
/// boundary      = 0*69<bchars> bcharsnospace
/// bcharsnospace = DIGIT / ALPHA / "'" / "(" / ")" / "+" / "_" / "," / "-" / "." / "/" / ":" / "=" / "?"
/// ```
fn is_boundary(text: &[u8]) -> bool {
    let bchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    (1..=70).contains(&text.len()) && text.iter().all(bchar) && !text.ends_with(b" ")
}

/// The text fields of a multipart body. `boundary` is that of its Content-Type.
///
/// # Errors
/// The body is malformed, or has too many parts.
pub fn decode_multipart(body: &[u8], boundary: &[u8]) -> Result<Vec<Parameter>, Error> {
    // RFC 2046 §5.1.1: the CRLF before a delimiter belongs to it. Only a delimiter at the very beginning has none.
    let delimiter = [b"\r\n--", boundary].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut rest = if body.starts_with(&delimiter[2..]) {
        &body[delimiter.len() - 2..]
    } else {
        let preamble = finder.find(body).ok_or(Error::Framing)?;
        &body[preamble + delimiter.len()..]
    };
    let (mut parameters, mut parts) = (Vec::new(), 0);
    while !rest.starts_with(b"--") {
        if parts == MAX_PARAMETERS {
            return Err(Error::TooMany);
        }
        parts += 1;
        rest = skip_padding(rest)?;
        let (part, after) = match finder.find(rest) {
            Some(end) => (&rest[..end], &rest[end + delimiter.len()..]),
            None => return Err(Error::Framing),
        };
        if let Some(field) = decode_part(part)? {
            push(&mut parameters, &field.name, field.value)?;
        }
        rest = after;
    }
    Ok(parameters)
}

/// ```text
/// transport-padding := *LWSP-char
/// ```
fn skip_padding(input: &[u8]) -> Result<&[u8], Error> {
    let padding = input.iter().take_while(|byte| b" \t".contains(byte));
    input[padding.count()..]
        .strip_prefix(b"\r\n")
        .ok_or(Error::Framing)
}

/// A text field of a multipart body.
struct Field<'b> {
    name: Vec<u8>,
    value: &'b [u8],
}

/// `None` for a file.
fn decode_part(part: &[u8]) -> Result<Option<Field<'_>>, Error> {
    let head_len = memmem::find(part, b"\r\n\r\n").ok_or(Error::Part)?;
    let (head, value) = (&part[..head_len], &part[head_len + 4..]);
    // RFC 7578 §4.2
    let (kind, parameters) = split_at(disposition(head)?, b';');
    if !trim(kind).eq_ignore_ascii_case(b"form-data") {
        return Err(Error::Part);
    }
    let name = parameter(parameters, b"name")?.ok_or(Error::Part)?;
    let is_file = parameter(parameters, b"filename")?.is_some()
        || parameter(parameters, b"filename*")?.is_some();
    Ok((!is_file).then_some(Field { name, value }))
}

/// The value of Content-Disposition, which must occur once.
fn disposition(head: &[u8]) -> Result<&[u8], Error> {
    if head.len() > MAX_PART_HEAD {
        return Err(Error::Part);
    }
    let mut found = None;
    let mut rest = Some(head);
    while let Some(lines) = rest {
        let end = memmem::find(lines, b"\r\n");
        let line = &lines[..end.unwrap_or(lines.len())];
        rest = end.map(|end| &lines[end + 2..]);
        let colon = memchr::memchr(b':', line).ok_or(Error::Part)?;
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        if !is_token(name) {
            return Err(Error::Part);
        }
        if name.eq_ignore_ascii_case(b"Content-Disposition") && found.replace(value).is_some() {
            return Err(Error::Part);
        }
        // RFC 7578 §4.7 deprecates this field. Encoded content is refused, since it is not decoded here.
        let is = |known: &&[u8]| value.eq_ignore_ascii_case(known);
        if name.eq_ignore_ascii_case(b"Content-Transfer-Encoding") && !IDENTITIES.iter().any(is) {
            return Err(Error::Part);
        }
    }
    found.ok_or(Error::Part)
}

/// ```text
/// parameters      = *( OWS ";" OWS [ parameter ] )
/// parameter       = parameter-name "=" parameter-value
/// parameter-value = ( token / quoted-string )
/// ```
/// The value of the first parameter of that name. `parameters` is without its first semicolon.
fn parameter(mut parameters: &[u8], wanted: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut found = None;
    loop {
        parameters = trim(parameters);
        match parameters {
            [] => return Ok(found),
            [b';', rest @ ..] => {
                parameters = rest;
                continue;
            }
            _ => {}
        }
        let equals = memchr::memchr(b'=', parameters).ok_or(Error::Part)?;
        let name = &parameters[..equals];
        if !is_token(name) {
            return Err(Error::Part);
        }
        let (value, rest) = parameter_value(&parameters[equals + 1..])?;
        if found.is_none() && name.eq_ignore_ascii_case(wanted) {
            found = Some(value);
        }
        parameters = trim(rest);
        if !matches!(parameters, [] | [b';', ..]) {
            return Err(Error::Part);
        }
    }
}

/// The value, and what follows it. A backslash escapes only quotation marks and backslashes, since browsers send Windows
/// paths of files without escapes.
fn parameter_value(input: &[u8]) -> Result<(Vec<u8>, &[u8]), Error> {
    let [b'"', quoted @ ..] = input else {
        let end = memchr::memchr(b';', input).unwrap_or(input.len());
        return Ok((trim(&input[..end]).to_vec(), &input[end..]));
    };
    let mut value = Vec::new();
    let mut rest = quoted;
    loop {
        match rest {
            [b'"', after @ ..] => return Ok((value, after)),
            [b'\\', escaped @ (b'"' | b'\\'), after @ ..] => {
                value.push(*escaped);
                rest = after;
            }
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [] => return Err(Error::Part),
        }
    }
}
