//! Percent-encoding (RFC 3986 §2.1), the one implementation of it: which bytes are encoded is up to the caller.
//!
//! ```text
//! pct-encoded = "%" HEXDIG HEXDIG
//! ```

/// A percent sign that is not followed by two hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadEscape;

/// The decoded bytes. After a malformed percent sign, which is an error, it goes on with the byte behind it.
pub(crate) fn decode(text: &[u8]) -> impl Iterator<Item = Result<u8, BadEscape>> + use<'_> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        if byte != b'%' {
            return Some(Ok(byte));
        }
        let &[high, low, ..] = tail else {
            return Some(Err(BadEscape));
        };
        let (Some(high), Some(low)) = (hex(high), hex(low)) else {
            return Some(Err(BadEscape));
        };
        rest = &tail[2..];
        Some(Ok(high << 4 | low))
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Encodes every byte that `keep` does not keep. Bytes beyond ASCII are always encoded.
pub(crate) fn encode(bytes: &[u8], keep: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii() && keep(byte) {
            out.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn malformed_escapes() {
        for text in ["%", "%2", "%2g", "%+1", "%-1", "%u0020", "%%20"] {
            assert_eq!(
                decode(text.as_bytes()).next(),
                Some(Err(BadEscape)),
                "{text}"
            );
        }
        let lenient =
            |text: &[u8]| -> Vec<u8> { decode(text).map(|byte| byte.unwrap_or(b'%')).collect() };
        assert_eq!(lenient(b"100%, %zz %41%4"), b"100%, %zz A%4");
    }

    proptest! {
        #[test]
        fn round_trip(bytes: Vec<u8>) {
            let encoded = encode(&bytes, |byte| byte.is_ascii_alphanumeric());
            let decoded: Result<Vec<u8>, BadEscape> = decode(encoded.as_bytes()).collect();
            prop_assert_eq!(decoded, Ok(bytes));
        }
    }
}
