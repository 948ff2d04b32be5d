//! Text of other people, made safe for terminals and for the log.

use std::fmt::Write;

/// Escapes each character that could move the cursor, end the line or reverse the order of what follows.
pub(crate) fn escape(text: &str) -> String {
    escape_by(text, |escaped, character| {
        escaped.extend(character.escape_default());
    })
}

/// The same in JSON (RFC 8259 §7) of one line, where these characters stand in strings only.
pub(crate) fn escape_json(text: &str) -> String {
    escape_by(text, |escaped, character| {
        // Writing to a String cannot fail. None of them needs two UTF-16 code units.
        let _ = write!(escaped, "\\u{:04x}", u32::from(character));
    })
}

fn escape_by(text: &str, escape: impl Fn(&mut String, char)) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            escape(&mut escaped, character);
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Control characters; line and paragraph separators; the marks, embeddings and isolates of the bidirectional algorithm
/// (Unicode UAX #9 §2), which can make a line look like another.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_speaks_to_the_terminal() {
        assert_eq!(escape("plain, ünï \"q\""), "plain, ünï \"q\"");
        assert_eq!(
            escape("a\nb\r\t\u{1b}[31m\u{9b}\u{202e}\u{2066}\u{7f}\0"),
            "a\\nb\\r\\t\\u{1b}[31m\\u{9b}\\u{202e}\\u{2066}\\u{7f}\\u{0}"
        );
    }

    #[test]
    fn json_stays_json_and_says_the_same() {
        let text = "{\"text\":\"ü\u{7f}\u{9b}\u{202e}\u{2028}\u{2069}\"}";
        let escaped = escape_json(text);
        assert_eq!(
            escaped,
            "{\"text\":\"ü\\u007f\\u009b\\u202e\\u2028\\u2069\"}"
        );
        let value = |text| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value(&escaped), value(text));
    }
}
