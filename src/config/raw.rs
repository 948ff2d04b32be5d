//! The file as written: a walk over TOML tables that knows where everything stands.
//!
//! A [`Table`] remembers which keys it was asked for; [`Table::finish`] refuses the others, so the list of allowed keys
//! that a person is shown is the list of keys that the code reads. Values come out checked or as their default with a
//! fault noted, so that reading goes on to the next fault. Deriving the same with serde would end at the first one.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::fault::{Faults, Place, Placed};
use crate::config::value::{nearest, parse_duration, parse_size, quoted, show_duration, show_size};

/// The title of the table that is the whole file.
const TOP: &str = "the file";

/// A value as the parser gives it.
pub(super) type Value<'d> = Spanned<DeValue<'d>>;

/// One table of the file, or the absence of one, which is an empty table.
pub(super) struct Table<'d> {
    /// As a person would write it: `[daemon]`, `[[server]]`.
    title: &'static str,
    entries: Option<&'d DeTable<'d>>,
    /// Where it begins; for the absence of a table, where its parent does.
    place: Place,
    allowed: Vec<&'static str>,
}

impl<'d> Table<'d> {
    /// The whole file.
    pub(super) fn top(entries: &'d DeTable<'d>) -> Self {
        Table::new(TOP, Some(entries), Place { line: 1, column: 1 })
    }

    fn new(title: &'static str, entries: Option<&'d DeTable<'d>>, place: Place) -> Self {
        Table {
            title,
            entries,
            place,
            allowed: Vec::new(),
        }
    }

    /// Where the table begins.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Whether there is such a table, be it empty.
    pub(super) fn is_there(&self) -> bool {
        self.entries.is_some()
    }

    /// Whether the file gives the key any value, be it wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries
            .is_some_and(|entries| entries.contains_key(key))
    }

    /// Where the value of a key stands, be it wrong; absent when there is none.
    pub(super) fn where_is(&self, key: &str, faults: &Faults<'_>) -> Option<Place> {
        let value = self.entries?.get(key)?;
        Some(place_of(value, faults))
    }

    /// Whether the value of a key is this text.
    pub(super) fn is_text(&self, key: &str, text: &str) -> bool {
        let value = self.entries.and_then(|entries| entries.get(key));
        value.is_some_and(|value| value.get_ref().as_str() == Some(text))
    }

    /// Refuses those of the keys that the file gives: they are known, but not here.
    pub(super) fn refuse(&self, keys: &[&'static str], what: &str, faults: &mut Faults<'_>) {
        for key in keys {
            if let Some(place) = self.where_is(key, faults) {
                faults.refuse(place, format!("{key}: {what}"));
            }
        }
    }

    /// The value of a key, which is thereby allowed. A value that takes no room in the text was made up by the parser,
    /// which has told the fault already.
    fn get(&mut self, key: &'static str) -> Option<&'d Value<'d>> {
        self.allowed.push(key);
        let value = self.entries?.get(key)?;
        let is_written = value.get_ref().is_table() || !value.span().is_empty();
        is_written.then_some(value)
    }

    /// The table below `key`.
    pub(super) fn table(
        &mut self,
        key: &'static str,
        title: &'static str,
        faults: &mut Faults<'_>,
    ) -> Table<'d> {
        let absent = Table::new(title, None, self.place);
        let Some(value) = self.get(key) else {
            return absent;
        };
        let place = place_of(value, faults);
        match value.get_ref() {
            DeValue::Table(entries) => Table::new(title, Some(entries), place),
            other => {
                faults.refuse(
                    place,
                    format!("{key}: {}; allowed: one table, {title}", kind(other)),
                );
                absent
            }
        }
    }

    /// Each table of the array of tables below `key`, in file order.
    pub(super) fn tables(
        &mut self,
        key: &'static str,
        title: &'static str,
        faults: &mut Faults<'_>,
    ) -> Vec<Table<'d>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            let found = kind(value.get_ref());
            faults.refuse(
                place_of(value, faults),
                format!("{key}: {found}; allowed: any number of tables, each begun with {title}"),
            );
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(items.len());
        for item in items.iter() {
            let place = place_of(item, faults);
            match item.get_ref() {
                DeValue::Table(entries) => tables.push(Table::new(title, Some(entries), place)),
                other => faults.refuse(
                    place,
                    format!(
                        "{key}: {}; allowed: tables, each begun with {title}",
                        kind(other)
                    ),
                ),
            }
        }
        tables
    }

    /// A string.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<Placed<&'d str>> {
        let value = self.get(key)?;
        let place = place_of(value, faults);
        match value.get_ref() {
            DeValue::String(text) => Some(Placed { value: text, place }),
            other => {
                faults.refuse(
                    place,
                    format!("{key}: {}; allowed: a string in quotes", kind(other)),
                );
                None
            }
        }
    }

    /// A list of strings. `example` is shown to whoever wrote something else.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        example: &str,
        faults: &mut Faults<'_>,
    ) -> Option<Placed<Vec<Placed<&'d str>>>> {
        let value = self.get(key)?;
        let place = place_of(value, faults);
        let allowed = format!("allowed: a list of strings, such as {example}");
        let DeValue::Array(items) = value.get_ref() else {
            let found = kind(value.get_ref());
            faults.refuse(place, format!("{key}: {found}; {allowed}"));
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items.iter() {
            let place = place_of(item, faults);
            match item.get_ref() {
                DeValue::String(text) => texts.push(Placed {
                    value: &**text,
                    place,
                }),
                other => faults.refuse(
                    place,
                    format!("{key}: {} in the list; {allowed}", kind(other)),
                ),
            }
        }
        Some(Placed {
            value: texts,
            place,
        })
    }

    /// The same, or one string in the place of a list of one.
    pub(super) fn text_or_texts(
        &mut self,
        key: &'static str,
        example: &str,
        faults: &mut Faults<'_>,
    ) -> Option<Placed<Vec<Placed<&'d str>>>> {
        let alone = self
            .entries
            .and_then(|entries| entries.get(key))
            .is_some_and(|value| value.get_ref().is_str());
        if alone {
            let text = self.text(key, faults)?;
            let place = text.place;
            return Some(Placed {
                value: vec![text],
                place,
            });
        }
        self.texts(key, example, faults)
    }

    /// A table of strings by names that people choose, in file order.
    pub(super) fn pairs(
        &mut self,
        key: &'static str,
        example: &str,
        faults: &mut Faults<'_>,
    ) -> Vec<(Placed<&'d str>, Placed<&'d str>)> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let allowed = format!("allowed: a table of strings, such as {example}");
        let DeValue::Table(entries) = value.get_ref() else {
            let found = kind(value.get_ref());
            faults.refuse(
                place_of(value, faults),
                format!("{key}: {found}; {allowed}"),
            );
            return Vec::new();
        };
        let mut pairs = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let name = Placed {
                value: &**name.get_ref(),
                place: faults.place(name.span().start),
            };
            let place = place_of(value, faults);
            match value.get_ref() {
                DeValue::String(text) => pairs.push((
                    name,
                    Placed {
                        value: &**text,
                        place,
                    },
                )),
                other => faults.refuse(
                    place,
                    format!("{key}: {} in the table; {allowed}", kind(other)),
                ),
            }
        }
        pairs.sort_by_key(|(name, _)| name.place);
        pairs
    }

    /// `true` or `false`, with its place when it is written out.
    pub(super) fn flag(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<Placed<bool>> {
        let value = self.get(key)?;
        let place = place_of(value, faults);
        match value.get_ref() {
            DeValue::Boolean(value) => Some(Placed {
                value: *value,
                place,
            }),
            other => {
                faults.refuse(
                    place,
                    format!("{key}: {}; allowed: true, false", kind(other)),
                );
                None
            }
        }
    }

    /// A flag whose feature is not built: only `false` is accepted.
    pub(super) fn later_flag(&mut self, key: &'static str, faults: &mut Faults<'_>) {
        if let Some(Placed { value: true, place }) = self.flag(key, faults) {
            faults.refuse(
                place,
                format!("{key}: true is not available yet; allowed: false"),
            );
        }
    }

    /// A whole number.
    pub(super) fn count(
        &mut self,
        key: &'static str,
        default: usize,
        range: RangeInclusive<usize>,
        faults: &mut Faults<'_>,
    ) -> usize {
        let Some(value) = self.get(key) else {
            return default;
        };
        let found = match integer(value.get_ref()) {
            Some(number) => match usize::try_from(number) {
                Ok(number) if range.contains(&number) => return number,
                _ => format!("{number} is out of range"),
            },
            None => kind(value.get_ref()).to_owned(),
        };
        let (least, most) = (range.start(), range.end());
        faults.refuse(
            place_of(value, faults),
            format!("{key}: {found}; allowed: a whole number from {least} to {most}"),
        );
        default
    }

    /// A number of bytes: `"1MiB"`, or a plain whole number.
    pub(super) fn size(
        &mut self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        faults: &mut Faults<'_>,
    ) -> u64 {
        let Some(value) = self.get(key) else {
            return default;
        };
        let size = match value.get_ref() {
            DeValue::String(text) => parse_size(text),
            // What is negative is as much out of range as what is too large.
            other => integer(other).map(|number| u64::try_from(number).unwrap_or(u64::MAX)),
        };
        let found = match size {
            Some(size) if range.contains(&size) => return size,
            Some(_) => format!("{} is out of range", shown(value.get_ref())),
            None => format!("{} is not a size", shown(value.get_ref())),
        };
        let (least, most) = (show_size(*range.start()), show_size(*range.end()));
        faults.refuse(
            place_of(value, faults),
            format!(
                "{key}: {found}; allowed: \"{least}\" to \"{most}\" (units B, KiB, MiB, GiB, kB, MB, GB), or a number of bytes"
            ),
        );
        default
    }

    /// A duration: `"10s"`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
        faults: &mut Faults<'_>,
    ) -> Duration {
        let Some(value) = self.get(key) else {
            return default;
        };
        let duration = match value.get_ref() {
            DeValue::String(text) => parse_duration(text),
            _ => None,
        };
        let found = match duration {
            Some(duration) if range.contains(&duration) => return duration,
            Some(_) => format!("{} is out of range", shown(value.get_ref())),
            None => format!("{} is not a duration", shown(value.get_ref())),
        };
        let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
        faults.refuse(
            place_of(value, faults),
            format!("{key}: {found}; allowed: \"{least}\" to \"{most}\" (units ms, s, min, h)"),
        );
        default
    }

    /// One word of a table of words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        default: T,
        choices: &[(&str, T)],
        faults: &mut Faults<'_>,
    ) -> T {
        let Some(Placed { value: word, place }) = self.text(key, faults) else {
            return default;
        };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word) {
            return *choice;
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        faults.refuse(
            place,
            format!("{key}: {}; allowed: {}", quoted(word), names.join(", ")),
        );
        default
    }

    /// Refuses every key that was not asked for.
    pub(super) fn finish(self, faults: &mut Faults<'_>) {
        for (key, _) in self.entries.into_iter().flatten() {
            let name: &str = key.get_ref();
            if self.allowed.contains(&name) {
                continue;
            }
            let guess = match nearest(name, &self.allowed) {
                Some(guess) => format!(", did you mean {guess}?"),
                None => ";".to_owned(),
            };
            let place = faults.place(key.span().start);
            let allowed = self.allowed.join(", ");
            let what = format!(
                "unknown key {} in {}{guess} allowed: {allowed}",
                quoted(name),
                self.title
            );
            if self.title == TOP {
                // The keys below a broken table header end up here.
                faults.misplaced(place, what);
            } else {
                faults.refuse(place, what);
            }
        }
    }
}

fn place_of(value: &Value<'_>, faults: &Faults<'_>) -> Place {
    faults.place(value.span().start)
}

fn integer(value: &DeValue<'_>) -> Option<i128> {
    let number = value.as_integer()?;
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

/// What a value is, where another kind was expected.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The value itself when it is a string or a number, else what it is.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        other => kind(other).to_owned(),
    }
}
