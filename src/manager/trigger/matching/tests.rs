use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn matches(how: How, string: &str, case_sensitive: bool, text: &str) -> bool {
    let string = string.to_owned();
    Matcher::new(&Match {
        how,
        string,
        case_sensitive,
    })
    .matches(text)
}

#[test]
fn with_case() {
    for (how, string, yes, no) in [
        (How::Any, "", vec!["", "x"], vec![]),
        (
            How::StartsWith,
            "run ",
            vec!["run ", "run it"],
            vec!["run", "Run it", " run ", ""],
        ),
        (How::Contains, "ä", vec!["ä", "xäx"], vec!["Ä", "a", ""]),
        (How::Exact, "on", vec!["on"], vec!["on ", "ON", "", "o"]),
    ] {
        for text in yes {
            assert!(
                matches(how, string, true, text),
                "{how:?} {string:?} {text:?}"
            );
        }
        for text in no {
            assert!(
                !matches(how, string, true, text),
                "{how:?} {string:?} {text:?}"
            );
        }
    }
}

#[test]
fn without_case() {
    for (how, string, yes, no) in [
        (
            How::StartsWith,
            "Run ",
            vec!["run ", "RUN it"],
            vec!["run", " run "],
        ),
        (
            How::Contains,
            "STRASSE",
            vec!["Hauptstrasse 1"],
            vec!["Hauptstraße", "strass"],
        ),
        (
            How::Contains,
            "Straße",
            vec!["HAUPTSTRAẞE 1", "straße"],
            vec!["STRASSE"],
        ),
        (
            How::Exact,
            "kelvin",
            vec!["\u{212a}elvin", "KELVIN"],
            vec!["kelvins", "kelvi"],
        ),
        (
            How::Exact,
            "Σίσυφος",
            vec!["ΣΊΣΥΦΟΣ", "σίσυφοσ"],
            vec!["Σισυφος"],
        ),
        (How::Exact, "I", vec!["i"], vec!["ı", "İ"]),
        (
            How::Contains,
            "aab",
            vec!["AaAaB", "aab"],
            vec!["aaa", "abab", ""],
        ),
    ] {
        for text in yes {
            assert!(
                matches(how, string, false, text),
                "{how:?} {string:?} {text:?}"
            );
        }
        for text in no {
            assert!(
                !matches(how, string, false, text),
                "{how:?} {string:?} {text:?}"
            );
        }
    }
}

#[test]
fn only_any_does_not_look() {
    let matcher = |how| {
        Matcher::new(&Match {
            how,
            string: "a".to_owned(),
            case_sensitive: true,
        })
    };
    assert!(matcher(How::Any).is_any());
    assert!(!matcher(How::Contains).is_any());
}

/// The mappings of the table beside this file.
fn table() -> HashMap<u32, u32> {
    let mut mappings = HashMap::new();
    for line in include_str!("folding.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let run: Vec<u32> = line
            .split(' ')
            .map(|part| u32::from_str_radix(part, 16).unwrap())
            .collect();
        for code in (run[0]..=run[1]).step_by(run[2] as usize) {
            mappings.insert(code, run[3] + (code - run[0]));
        }
    }
    mappings
}

#[test]
fn folding_is_that_of_unicode() {
    let table = table();
    assert_eq!(table.len(), 1454);
    for character in '\0'..=char::MAX {
        let expected = table.get(&u32::from(character)).copied();
        let folded = u32::from(fold(character));
        let is_newer = match u32::from(character) {
            // Letters of Unicode 15 to 17, and mappings of 15.1.
            0x1c89 | 0xa7cb..=0xa7dc | 0x10d50..=0x10d65 | 0x16ea0..=0x16eb8 => true,
            0x1fd3 | 0x1fe3 | 0xfb05 => true,
            _ => false,
        };
        if expected.is_some() || !is_newer {
            assert_eq!(
                folded,
                expected.unwrap_or(u32::from(character)),
                "U+{:04X}",
                u32::from(character)
            );
        }
        assert_eq!(
            u32::from(fold(fold(character))),
            folded,
            "U+{:04X}",
            u32::from(character)
        );
    }
}

#[test]
fn letters_that_are_one_only_by_folding() {
    for (a, b) in [
        ('ſ', 's'),
        ('\u{212a}', 'k'),
        ('\u{212b}', 'å'),
        ('ς', 'σ'),
        ('ẞ', 'ß'),
        ('µ', 'μ'),
        ('\u{345}', 'ι'),
        ('ꭰ', 'Ꭰ'),
        ('ᏸ', 'Ᏸ'),
        ('Ǆ', 'ǅ'),
        ('\u{1fd3}', '\u{390}'),
        ('\u{fb05}', '\u{fb06}'),
    ] {
        assert_eq!(fold(a), fold(b), "{a} {b}");
    }
    for (a, b) in [('ı', 'i'), ('İ', 'i'), ('ŉ', 'n'), ('é', 'e')] {
        assert_ne!(fold(a), fold(b), "{a} {b}");
    }
}

proptest! {
    #[test]
    fn folded_search_is_search_in_folded_text(needle in "[aAbBßẞé]{1,4}", text in "[aAbBßẞéÉ]{0,12}") {
        let folded = |text: &str| text.chars().map(fold).collect::<String>();
        let (n, t) = (folded(&needle), folded(&text));
        prop_assert_eq!(matches(How::Contains, &needle, false, &text), t.contains(&n));
        let ascii: String = text.chars().filter(char::is_ascii).collect();
        prop_assert_eq!(matches(How::Contains, &needle, false, &ascii), folded(&ascii).contains(&n));
        prop_assert_eq!(matches(How::StartsWith, &needle, false, &text), t.starts_with(&n));
        prop_assert_eq!(matches(How::Exact, &needle, false, &text), t == n);
        prop_assert_eq!(matches(How::Contains, &needle, true, &text), text.contains(&needle));
    }
}
