//! Classes of bytes, and checks of text by class. Some are tables, since every byte of a head is looked up.

/// ```text
/// tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~"
///         / DIGIT / ALPHA
/// ```
static TCHAR: [bool; 256] = alphanumeric_or(b"!#$%&'*+-.^_`|~");

/// `unreserved / sub-delims` of RFC 3986 §2.
static REG_NAME: [bool; 256] = alphanumeric_or(b"-._~!$&'()*+,;=");

const fn alphanumeric_or(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
}

/// Whether it may be in a token (RFC 9110 §5.6.2).
pub(super) fn is_tchar(byte: u8) -> bool {
    TCHAR[usize::from(byte)]
}

/// Whether it is a token (RFC 9110 §5.6.2), as methods, field names and subprotocols are.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_tchar(byte))
}

/// Whether it may be in a registered name (RFC 3986 §3.2.2), percent-encoding aside.
pub(super) fn is_reg_name(byte: u8) -> bool {
    REG_NAME[usize::from(byte)]
}

/// Whether it may be in a field value or a reason: anything but control characters, HTAB excepted.
pub(super) fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// Whether a field value can be written as it is: it has no control character but HTAB.
pub fn is_field_value(value: &[u8]) -> bool {
    value.iter().fold(true, |ok, &byte| ok & is_text(byte))
}

/// Whether it may be in a request target: visible ASCII but for `#`. That is more than RFC 3986 allows: browsers send
/// `|`, `"`, `{` and the like as they are.
pub(crate) fn is_target(byte: u8) -> bool {
    (0x21..=0x7e).contains(&byte) & (byte != b'#')
}

/// Takes away the optional whitespace (OWS) around a value.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(class: fn(u8) -> bool) -> Vec<u8> {
        (0..=255).filter(|&byte| class(byte)).collect()
    }

    #[test]
    fn classes() {
        let alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for (class, others) in [
            (is_tchar as fn(u8) -> bool, "!#$%&'*+-.^_`|~"),
            (is_reg_name, "-._~!$&'()*+,;="),
        ] {
            let mut expected = [alphanumeric.as_bytes(), others.as_bytes()].concat();
            expected.sort_unstable();
            assert_eq!(all(class), expected);
        }
        assert_eq!(all(is_text).len(), 256 - 32 - 1 + 1);
        assert_eq!(all(is_target).len(), 0x7e - 0x21);
    }
}
