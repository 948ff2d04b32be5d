//! Whether a message is one that a trigger waits for.
//!
//! Without regard to case means Unicode simple case folding: one character for one, so `ß` and `ẞ` are the same and `ss`
//! is another. Nothing is allocated for a message, and the time for one is linear in its length, whatever is in it and
//! whatever is looked for.

use memchr::memchr2;
use memchr::memmem::Finder;

use crate::config::{How, Match};

#[cfg(test)]
mod tests;

/// What is looked for, prepared.
#[derive(Clone, Debug)]
pub(super) struct Matcher(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Any,
    /// Byte by byte.
    Exactly(How, Box<Finder<'static>>),
    /// Character by character, folded.
    Folded(How, Pattern),
}

impl Matcher {
    /// Prepares what the configuration says.
    pub(super) fn new(rule: &Match) -> Matcher {
        Matcher(match rule.how {
            How::Any => Kind::Any,
            how if rule.case_sensitive => {
                Kind::Exactly(how, Box::new(Finder::new(&rule.string).into_owned()))
            }
            how => Kind::Folded(how, Pattern::new(&rule.string)),
        })
    }

    /// Whether it looks at the text at all: a binary message that is no text then matches too.
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

/// Folded characters, to be found by the algorithm of Knuth, Morris and Pratt.
#[derive(Clone, Debug)]
struct Pattern {
    characters: Vec<char>,
    /// At each place, how many characters before and at it are also those that the pattern begins with.
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

    /// How much of the pattern has been seen after `next`, when it was `seen` before.
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

    /// The same at several times the speed: where nothing of the pattern has been seen, what cannot begin it is skipped.
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
/// It is the lower case of the upper case, where each is one character, but for what is named here: std knows case, and
/// these are what folding has otherwise.
pub(super) fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    match character {
        // What is written most, for std has to search its tables.
        '×' | 'ß'..='ÿ' | 'α'..='ρ' | 'σ'..='ω' | 'а'..='я' => character,
        '\u{2e80}'..='\u{a63f}' | '가'..='힣' => character,
        'À'..='Þ' | 'Α'..='Ρ' | 'Σ'..='Ω' | 'А'..='Я' => {
            char::from_u32(u32::from(character) + 32).unwrap_or(character)
        }
        // Of its own, although its upper case is I.
        'ı' => character,
        // Cherokee is folded to upper case, which was there first.
        'Ꭰ'..='Ᏽ' => character,
        'ᏸ'..='ᏽ' | 'ꭰ'..='ꮿ' => single(character.to_uppercase(), character),
        // Mapped since Unicode 15.1, for they differ in nothing but their history.
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
