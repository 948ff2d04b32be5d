//! Whether a message matches the text that a trigger looks for.
//!
//! Case-insensitive means Unicode simple case folding, which maps one character to one: `ß` and `ẞ` are the same, but not
//! `ss`. Matching allocates nothing, and takes linear time for any message and any text.

use memchr::memchr2;
use memchr::memmem::Finder;

use crate::config::{How, Match};

#[cfg(test)]
mod tests;

/// The text to look for, prepared.
#[derive(Clone, Debug)]
pub(super) struct Matcher(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Any,
    /// Compares bytes.
    Exactly(How, Box<Finder<'static>>),
    /// Compares folded characters.
    Folded(How, Pattern),
}

impl Matcher {
    /// Prepares the keys `match`, `string` and `case_sensitive` of a trigger.
    pub(super) fn new(rule: &Match) -> Matcher {
        Matcher(match rule.how {
            How::Any => Kind::Any,
            how if rule.case_sensitive => {
                Kind::Exactly(how, Box::new(Finder::new(&rule.string).into_owned()))
            }
            how => Kind::Folded(how, Pattern::new(&rule.string)),
        })
    }

    /// Whether every message matches, also a binary one that is no text.
    pub(super) fn is_any(&self) -> bool {
        matches!(self.0, Kind::Any)
    }

    /// Whether a text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Any => true,
            Kind::Exactly(how, finder) => {
                let (text, needle) = (text.as_bytes(), finder.needle());
                match how {
                    How::StartsWith => text.starts_with(needle),
                    How::Exact => text == needle,
                    How::Contains | How::Any => finder.find(text).is_some(),
                }
            }
            Kind::Folded(how, pattern) => {
                let mut folded = text.chars().map(fold);
                match how {
                    How::StartsWith => pattern.begins(&mut folded),
                    How::Exact => pattern.begins(&mut folded) && folded.next().is_none(),
                    _ if text.is_ascii() => pattern.is_in_ascii(text.as_bytes()),
                    How::Contains | How::Any => pattern.is_in(folded),
                }
            }
        }
    }
}

/// Folded characters, found by the algorithm of Knuth, Morris and Pratt.
#[derive(Clone, Debug)]
struct Pattern {
    characters: Vec<char>,
    /// For each place: the length of the longest proper prefix of the pattern that also ends there.
    overlaps: Vec<usize>,
}

impl Pattern {
    fn new(string: &str) -> Pattern {
        let characters: Vec<char> = string.chars().map(fold).collect();
        let mut pattern = Pattern {
            overlaps: Vec::with_capacity(characters.len()),
            characters,
        };
        for at in 0..pattern.characters.len() {
            let overlap = match at {
                0 => 0,
                _ => pattern.advance(pattern.overlaps[at - 1], pattern.characters[at]),
            };
            pattern.overlaps.push(overlap);
        }
        pattern
    }

    /// How many characters of the pattern match after `next`, when `seen` matched before it.
    fn advance(&self, mut seen: usize, next: char) -> usize {
        loop {
            if self.characters.get(seen) == Some(&next) {
                return seen + 1;
            }
            match seen.checked_sub(1) {
                Some(last) => seen = self.overlaps[last],
                None => return 0,
            }
        }
    }

    fn is_in(&self, mut text: impl Iterator<Item = char>) -> bool {
        let mut seen = 0;
        while seen < self.characters.len() {
            let Some(next) = text.next() else {
                return false;
            };
            seen = self.advance(seen, next);
        }
        true
    }

    /// The same, several times as fast: it skips to the next byte that can begin the pattern.
    fn is_in_ascii(&self, text: &[u8]) -> bool {
        let Some(&first) = self.characters.first() else {
            return true;
        };
        let Ok(first) = u8::try_from(first) else {
            return false;
        };
        let (mut at, mut seen) = (0, 0);
        while seen < self.characters.len() {
            if seen == 0 {
                let rest = &text[at..];
                match memchr2(first, first.to_ascii_uppercase(), rest) {
                    Some(skipped) => at += skipped,
                    None => return false,
                }
            }
            let Some(next) = text.get(at) else {
                return false;
            };
            seen = self.advance(seen, char::from(next.to_ascii_lowercase()));
            at += 1;
        }
        true
    }

    fn begins(&self, text: &mut impl Iterator<Item = char>) -> bool {
        self.characters
            .iter()
            .all(|&wanted| text.next() == Some(wanted))
    }
}

/// Unicode simple case folding: the mappings C and S of CaseFolding.txt.
///
/// It is the lower case of the upper case, where each is one character. The exceptions are listed here: std has tables
/// for case, but not for folding.
pub(super) fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    match character {
        // The most frequent letters: std would search its tables for them.
        '×' | 'ß'..='ÿ' | 'α'..='ρ' | 'σ'..='ω' | 'а'..='я' => character,
        '\u{2e80}'..='\u{a63f}' | '가'..='힣' => character,
        'À'..='Þ' | 'Α'..='Ρ' | 'Σ'..='Ω' | 'А'..='Я' => {
            char::from_u32(u32::from(character) + 32).unwrap_or(character)
        }
        // Folds to itself, although its upper case is I.
        'ı' => character,
        // Cherokee folds to upper case, which Unicode had first.
        'Ꭰ'..='Ᏽ' => character,
        'ᏸ'..='ᏽ' | 'ꭰ'..='ꮿ' => single(character.to_uppercase(), character),
        // Since Unicode 15.1 these pairs are equal, because they differ only in their history.
        '\u{1fd3}' => '\u{390}',
        '\u{1fe3}' => '\u{3b0}',
        '\u{fb05}' => '\u{fb06}',
        _ => {
            let upper = single(character.to_uppercase(), character);
            single(upper.to_lowercase(), upper)
        }
    }
}

fn single(mut mapped: impl Iterator<Item = char>, otherwise: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => otherwise,
    }
}
