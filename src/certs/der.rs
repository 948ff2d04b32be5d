//! The facts of a certificate (RFC 5280 §4.1) that are shown to people: names and validity. Nothing else of its DER
//! (X.690) is read.

use std::fmt;
use std::net::IpAddr;

use crate::proto::counted::counted;
use crate::proto::http::date::DateTime;

const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// The explicit tags of the version and of the extensions.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// 2.5.29.17, RFC 5280 §4.2.1.6.
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];

/// Attributes of a name: the last number of 2.5.4.*, and the short name (RFC 4514 §3).
const ATTRIBUTES: [(u8, &str); 6] = [
    (3, "CN"),
    (6, "C"),
    (7, "L"),
    (8, "ST"),
    (10, "O"),
    (11, "OU"),
];

const DAY: i64 = 86_400;

/// What a certificate says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The subject, such as `CN=example.org, O=Example`; may be empty.
    pub subject: String,
    /// The issuer, in the same form.
    pub issuer: String,
    /// The names and addresses that it is valid for (RFC 5280 §4.2.1.6).
    pub names: Vec<String>,
    /// When it becomes valid, in seconds since 1970.
    pub not_before: i64,
    /// The last second in which it is valid, in seconds since 1970.
    pub not_after: i64,
}

impl CertificateFacts {
    /// Reads a certificate; `None` when it is malformed.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<CertificateFacts> {
        let mut certificate = Der(Der(der).next_of(SEQUENCE)?);
        let mut fields = Der(certificate.next_of(SEQUENCE)?);
        fields.skip_if(VERSION);
        let (_serial, _algorithm) = (fields.next()?, fields.next()?);
        let issuer = name(Der(fields.next_of(SEQUENCE)?))?;
        let mut validity = Der(fields.next_of(SEQUENCE)?);
        let not_before = seconds(validity.next()?)?;
        let not_after = seconds(validity.next()?)?;
        let subject = name(Der(fields.next_of(SEQUENCE)?))?;
        let mut names = Vec::new();
        while let Some((tag, value)) = fields.next() {
            if tag == EXTENSIONS {
                names = alternative_names(Der(Der(value).next_of(SEQUENCE)?))?;
            }
        }
        Some(CertificateFacts {
            subject,
            issuer,
            names,
            not_before,
            not_after,
        })
    }

    /// Whole days from `now`, in seconds since 1970, to the end of its validity; negative when it has expired.
    #[must_use]
    pub fn days_left(&self, now: i64) -> i64 {
        (self.not_after - now).div_euclid(DAY)
    }

    /// A warning when it is not valid at `now`, in seconds since 1970.
    #[must_use]
    pub fn warning(&self, now: i64) -> Option<String> {
        if now > self.not_after {
            let days = (now - self.not_after) / DAY;
            Some(format!("{self} has expired {} ago", in_words(days)))
        } else if now < self.not_before {
            let days = (self.not_before - now) / DAY;
            Some(format!(
                "{self} is not valid yet, but in {}",
                in_words(days)
            ))
        } else {
            None
        }
    }
}

/// A number of days in words: `3 days`.
fn in_words(days: i64) -> String {
    match days {
        0 => "less than a day".to_owned(),
        _ => counted(days, "day").to_string(),
    }
}

impl fmt::Display for CertificateFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.subject.as_str(), self.names.is_empty()) {
            ("", true) => f.write_str("without a name"),
            ("", false) => f.write_str(&self.names.join(", ")),
            (subject, true) => f.write_str(subject),
            (subject, false) => write!(f, "{subject} ({})", self.names.join(", ")),
        }
    }
}

/// The values that are left of a constructed value.
#[derive(Clone, Copy)]
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// The next value: its tag and its content. `None` at the end, or when it is cut off.
    fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            // X.690 §8.1.3.5. No certificate needs a length of more than four bytes.
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (bytes, after) = rest.split_at_checked(count)?;
            length = bytes
                .iter()
                .fold(0, |length, byte| (length << 8) | usize::from(*byte));
            rest = after;
        }
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    fn next_of(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.next()
            .and_then(|(found, value)| (found == tag).then_some(value))
    }

    fn skip_if(&mut self, tag: u8) {
        if self.0.first() == Some(&tag) {
            self.next();
        }
    }
}

/// RFC 5280 §4.1.2.4.
fn name(mut names: Der<'_>) -> Option<String> {
    let mut parts = Vec::new();
    while !names.0.is_empty() {
        let mut set = Der(names.next_of(SET)?);
        while !set.0.is_empty() {
            let mut attribute = Der(set.next_of(SEQUENCE)?);
            let oid = attribute.next_of(OID)?;
            let (tag, value) = attribute.next()?;
            let known = match oid {
                [0x55, 0x04, last] => ATTRIBUTES.iter().find(|(number, _)| number == last),
                _ => None,
            };
            if let Some((_, name)) = known {
                parts.push(format!("{name}={}", text(tag, value)));
            }
        }
    }
    Some(parts.join(", "))
}

fn alternative_names(mut extensions: Der<'_>) -> Option<Vec<String>> {
    while !extensions.0.is_empty() {
        let mut extension = Der(extensions.next_of(SEQUENCE)?);
        let oid = extension.next_of(OID)?;
        extension.skip_if(BOOLEAN);
        let value = extension.next_of(OCTET_STRING)?;
        if oid == SUBJECT_ALT_NAME {
            let mut list = Der(Der(value).next_of(SEQUENCE)?);
            let mut names = Vec::new();
            while !list.0.is_empty() {
                let (tag, value) = list.next()?;
                names.extend(general_name(tag, value));
            }
            return Some(names);
        }
    }
    Some(Vec::new())
}

/// RFC 5280 §4.2.1.6: rfc822Name, dNSName, uniformResourceIdentifier and iPAddress.
fn general_name(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        0x81 | 0x82 | 0x86 => Some(text(tag, value)),
        0x87 => {
            let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(value).map(IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// A string of any type. Control characters are replaced, since a terminal would interpret them.
fn text(tag: u8, value: &[u8]) -> String {
    let text = if tag == BMP_STRING {
        let units: Vec<u16> = value
            .chunks_exact(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect();
        String::from_utf16_lossy(&units)
    } else {
        String::from_utf8_lossy(value).into_owned()
    };
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// RFC 5280 §4.1.2.5: `YYMMDDHHMMSSZ` up to 2049, `YYYYMMDDHHMMSSZ` from then on.
fn seconds((tag, value): (u8, &[u8])) -> Option<i64> {
    let digits = value.strip_suffix(b"Z")?;
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let pairs: Vec<u16> = digits
        .chunks_exact(2)
        .map(|pair| u16::from(pair[0] - b'0') * 10 + u16::from(pair[1] - b'0'))
        .collect();
    let (year, rest) = match (tag, pairs.as_slice()) {
        (UTC_TIME, [year @ 0..50, rest @ ..]) => (2000 + year, rest),
        (UTC_TIME, [year, rest @ ..]) => (1900 + year, rest),
        (GENERALIZED_TIME, [century, year, rest @ ..]) => (century * 100 + year, rest),
        _ => return None,
    };
    let &[month, day, hour, minute, second] = rest else {
        return None;
    };
    let (date, time) = ([year, month, day], [hour, minute, second]);
    DateTime { date, time }.to_unix()
}

#[cfg(test)]
mod tests;
