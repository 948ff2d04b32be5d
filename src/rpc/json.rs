//! JSON (RFC 8259) written member by member, in the order of the calls and without a tree in between.

/// The member `jsonrpc` of every request and answer.
pub(super) const VERSION: &str = "2.0";

/// The method of the notifications that are events.
pub(super) const EVENT: &str = "event";

/// An object under way at the end of a buffer.
#[derive(Debug)]
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    before: u8,
}

impl<'o> Object<'o> {
    /// Begins one. It wants to be [ended](Self::end).
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        Object { out, before: b'{' }
    }

    /// A member whose value `write` writes.
    pub(super) fn with(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.out.push(self.before);
        self.before = b',';
        string(self.out, name);
        self.out.push(b':');
        write(self.out);
        self
    }

    /// A string.
    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.with(name, |out| string(out, value))
    }

    /// A string, or null.
    pub(super) fn text_or_null(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        self.with(name, |out| match value {
            Some(value) => string(out, value),
            None => out.extend_from_slice(b"null"),
        })
    }

    /// What is shown as a string.
    pub(super) fn shown(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        self.text(name, &value.to_string())
    }

    /// A whole number.
    pub(super) fn number(&mut self, name: &str, value: impl Into<i128>) -> &mut Self {
        let value = value.into().to_string();
        self.with(name, |out| out.extend_from_slice(value.as_bytes()))
    }

    /// True or false.
    pub(super) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.with(name, |out| {
            out.extend_from_slice(if value { b"true" } else { b"false" });
        })
    }

    /// An array of strings.
    pub(super) fn texts<T: AsRef<str>>(&mut self, name: &str, values: &[T]) -> &mut Self {
        self.with(name, |out| {
            array(out, values, |out, value| string(out, value.as_ref()));
        })
    }

    /// The end of the object.
    pub(super) fn end(self) {
        if self.before == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }
}

/// An array whose items `write` writes.
pub(super) fn array<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// A string in quotes, escaped by RFC 8259 §7.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    // Writing a string to a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_the_order_of_the_calls() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object
            .text("z", "a \"b\"\n")
            .number("n", 7_u32)
            .flag("f", false)
            .text_or_null("u", None)
            .texts("l", &["x", "y"]);
        object.end();
        assert_eq!(
            String::from_utf8_lossy(&out),
            r#"{"z":"a \"b\"\n","n":7,"f":false,"u":null,"l":["x","y"]}"#
        );
    }

    #[test]
    fn nothing_is_an_object_too() {
        let mut out = Vec::new();
        Object::begin(&mut out).end();
        array(&mut out, [0; 0], |_, _| {});
        assert_eq!(out, b"{}[]");
    }
}
