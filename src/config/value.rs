//! Sizes, durations and names as people write them: `"1MiB"`, `"500ms"`, a token of RFC 9110.

use std::time::Duration;

use crate::proto::http::byte;

/// The units of sizes, the largest first.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// The units of durations in milliseconds, the largest first.
const DURATION_UNITS: [(&str, u64); 4] =
    [("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

/// Bytes from `"64MiB"`. A size beyond u64 is u64::MAX, so that a range check sees it.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    parse_quantity(text, &SIZE_UNITS)
}

/// A duration from `"10s"`. One that is too long to count is the longest, so that a range check sees it.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    parse_quantity(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// A size in the largest unit that divides it.
pub(super) fn show_size(bytes: u64) -> String {
    show_quantity(bytes, &SIZE_UNITS, "B")
}

/// A duration in the largest unit that divides it, to the millisecond.
pub(super) fn show_duration(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    show_quantity(milliseconds, &DURATION_UNITS, "s")
}

/// `quantity = 1*DIGIT [ SP ] unit`
fn parse_quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return None;
    }
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    // Only digits are left, so what does not fit is too large.
    let number: u64 = number.parse().unwrap_or(u64::MAX);
    Some(number.saturating_mul(*factor))
}

fn show_quantity(amount: u64, units: &[(&str, u64)], zero_unit: &str) -> String {
    match units
        .iter()
        .find(|(_, factor)| amount != 0 && amount.is_multiple_of(*factor))
    {
        Some((unit, factor)) => format!("{}{unit}", amount / factor),
        None => format!("{amount}{zero_unit}"),
    }
}

/// What a token may hold, in words.
pub(super) const TOKEN: &str = "letters, digits and !#$%&'*+-.^_`|~";

/// RFC 9110 §5.6.2: `token = 1*tchar`.
pub(super) fn is_token(text: &str) -> bool {
    byte::is_token(text.as_bytes())
}

/// RFC 9110 §5.5: whether a field value is valid. The obsolete bytes beyond ASCII are not.
pub(super) fn is_field_value(text: &str) -> bool {
    text.trim_matches([' ', '\t']).len() == text.len()
        && text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

/// Text in quotes for a message: one line, cut after 60 characters.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or(text)),
        None => format!("{text:?}"),
    }
}

/// The word among `known` that is probably meant.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase();
    let (distance, best) = known
        .iter()
        .map(|name| (distance(&word, name), *name))
        .min()?;
    // At most a third of the letters may be wrong.
    (distance <= best.len().max(3) / 3).then_some(best)
}

/// How many letters must be replaced, added, left out or swapped with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let differ = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j - 1] + differ).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0B", 0),
            ("17B", 17),
            ("1KiB", 1024),
            ("1 MiB", 1 << 20),
            ("3GiB", 3 << 30),
            ("2kB", 2_000),
            ("2MB", 2_000_000),
            ("2GB", 2_000_000_000),
            ("99999999999999999999B", u64::MAX),
            ("99999999999GiB", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in [
            "", "1", "MiB", "-1B", "1.5MiB", "1mib", "1  B", "1KB", "1B ",
        ] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("5min", 300_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "10", "s", "-1s", "1.5s", "1m", "1 day"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn quantities_are_shown_in_their_largest_unit() {
        for (bytes, text) in [
            (0, "0B"),
            (1000, "1kB"),
            (1024, "1KiB"),
            (1 << 30, "1GiB"),
            (1025, "1025B"),
        ] {
            assert_eq!(show_size(bytes), text);
            assert_eq!(parse_size(text), Some(bytes));
        }
        for (milliseconds, text) in [
            (0, "0s"),
            (1, "1ms"),
            (60_000, "1min"),
            (90_000, "90s"),
            (86_400_000, "24h"),
        ] {
            assert_eq!(show_duration(Duration::from_millis(milliseconds)), text);
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(milliseconds))
            );
        }
    }

    #[test]
    fn tokens_and_field_values() {
        assert!(is_token("chat.v1"));
        assert!(is_token("!#$%&'*+-.^_`|~"));
        for text in ["", "a b", "a,b", "a/b", "é", "a\u{7f}"] {
            assert!(!is_token(text), "{text}");
        }
        assert!(is_field_value("public, max-age=60"));
        for text in [" a", "a ", "a\r\nb", "a\0", "é"] {
            assert!(!is_field_value(text), "{text}");
        }
    }

    #[test]
    fn quoted_text_is_one_short_line() {
        assert_eq!(quoted("a\n\"é\""), "\"a\\n\\\"é\\\"\"");
        assert_eq!(quoted(&"é".repeat(60)), format!("\"{}\"", "é".repeat(60)));
        assert_eq!(quoted(&"é".repeat(61)), format!("\"{}\"…", "é".repeat(60)));
    }

    #[test]
    fn the_nearest_word() {
        let known = ["max_message", "max_backlog", "log", "id"];
        assert_eq!(nearest("max_mesage", &known), Some("max_message"));
        assert_eq!(nearest("Max_Backlog", &known), Some("max_backlog"));
        assert_eq!(nearest("lgo", &known), Some("log"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("x", &[]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("abcd", "badc"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}
