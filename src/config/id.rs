//! The id of a server or client.

use std::fmt;
use std::hash::{Hash, Hasher};

/// The id of a server or client: letters, digits and underscores, beginning with a letter or an underscore.
///
/// Ids that differ only in case are equal. It is shown as it was written.
#[derive(Clone)]
pub struct Id(String);

impl Id {
    /// `None` if `text` is not an id.
    pub fn new(text: &str) -> Option<Id> {
        let mut bytes = text.bytes();
        let begins = bytes
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let goes_on = bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (begins && goes_on).then(|| Id(text.to_owned()))
    }

    /// The id of the `ordinal`th server (from 1) when the file gives it none.
    pub fn of_server(ordinal: usize) -> Id {
        Id(format!("WS_SERVER_{ordinal}"))
    }

    /// The id of the `ordinal`th client (from 1) when the file gives it none.
    pub fn of_client(ordinal: usize) -> Id {
        Id(format!("WS_CLIENT_{ordinal}"))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Id) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_is_an_id() {
        for text in ["a", "_", "WS_SERVER_1", "_9", "Front2"] {
            assert_eq!(Id::new(text).expect(text).as_str(), text);
        }
        for text in ["", "1a", "a-b", "a b", "é", "a.b", "c\n"] {
            assert!(Id::new(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn case_does_not_matter() {
        let mut ids = HashSet::new();
        assert!(ids.insert(Id::new("Front").expect("an id")));
        assert!(!ids.insert(Id::new("FRONT").expect("an id")));
        assert!(ids.insert(Id::new("Frontal").expect("an id")));
        assert_eq!(Id::of_server(1), Id::new("ws_server_1").expect("an id"));
    }
}
