//! The names of connections and requests: `c42`, `r7`.

use std::fmt;

use super::text::serde_as_text;

/// A connection by its number, written `c42`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionName(pub u64);

/// A held HTTP request by its number, written `r7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestName(pub u64);

serde_as_text!(ConnectionName);
serde_as_text!(RequestName);

impl ConnectionName {
    /// What a name looks like, for messages.
    pub const ALLOWED: &str = "a connection, such as c42";

    /// Reads `c42`.
    pub fn parse(text: &str) -> Option<ConnectionName> {
        number(text.strip_prefix('c')?).map(ConnectionName)
    }
}

impl RequestName {
    /// What a name looks like, for messages.
    pub const ALLOWED: &str = "a request, such as r7";

    /// Reads `r7`.
    pub fn parse(text: &str) -> Option<RequestName> {
        number(text.strip_prefix('r')?).map(RequestName)
    }
}

/// A number has one spelling: no sign, no leading zero.
fn number(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = !digits.starts_with('0') || digits == "0";
    (plain && shortest).then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl fmt::Display for RequestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        assert_eq!(ConnectionName::parse("c42"), Some(ConnectionName(42)));
        assert_eq!(RequestName::parse("r0"), Some(RequestName(0)));
        for text in [
            "",
            "c",
            "42",
            "C42",
            "c+4",
            "c-4",
            "c04",
            "c4 ",
            "c99999999999999999999",
            "r7",
        ] {
            assert_eq!(ConnectionName::parse(text), None, "{text}");
        }
    }
}
