//! A table of the file as it is written, and the typed readers of its values.
//!
//! A [`Table`] remembers which keys were read; [`Table::finish`] refuses the others, so the keys that a fault lists as
//! allowed are those that the code reads. A wrong value is a fault, and reads as absent or as its default, so that
//! reading goes on to the next fault. Deserializing by serde would end at the first one.

use std::fs::File;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::document::{Document, Purpose};
use crate::config::fault::{Place, Placed};
use crate::config::value::{nearest, parse_duration, parse_size, quoted, show_duration, show_size};

/// The title of the table that is the whole file.
const TOP: &str = "the file";

/// A value as the parser gives it.
type Value<'d> = Spanned<DeValue<'d>>;

/// A string and its place.
pub(super) type Text<'d> = Placed<&'d str>;

/// A list of strings, and the place of each.
pub(super) type Texts<'d> = Placed<Vec<Text<'d>>>;

/// One table of the file. A table that is absent reads as an empty one.
pub(super) struct Table<'d> {
    document: &'d Document<'d>,
    /// As a person would write it: `[daemon]`, `[[server]]`.
    title: &'static str,
    entries: Option<&'d DeTable<'d>>,
    /// Where it begins, or where its parent does when it is absent.
    place: Place,
    allowed: Vec<&'static str>,
}

impl<'d> Table<'d> {
    /// The whole file.
    pub(super) fn top(document: &'d Document<'d>, entries: &'d DeTable<'d>) -> Self {
        let place = Place { line: 1, column: 1 };
        Table::new(document, TOP, Some(entries), place)
    }

    fn new(
        document: &'d Document<'d>,
        title: &'static str,
        entries: Option<&'d DeTable<'d>>,
        place: Place,
    ) -> Self {
        Table {
            document,
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

    /// Whether the file has the table, be it empty.
    pub(super) fn exists(&self) -> bool {
        self.entries.is_some()
    }

    /// Whether the file gives the key any value, be it wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Where the value of a key stands, be it wrong.
    pub(super) fn place_of(&self, key: &str) -> Option<Place> {
        self.find(key).map(|value| self.place_of_value(value))
    }

    /// Whether the value of a key is this text.
    pub(super) fn is_text(&self, key: &str, text: &str) -> bool {
        self.find(key)
            .is_some_and(|value| value.get_ref().as_str() == Some(text))
    }

    /// The document that the table is part of.
    pub(super) fn document(&self) -> &'d Document<'d> {
        self.document
    }

    /// The folder that relative paths begin in.
    pub(super) fn folder(&self) -> &'d Path {
        self.document.folder()
    }

    /// Opens what the table names.
    pub(super) fn open(&self, path: &Path, purpose: Purpose) -> Result<File, String> {
        self.document.open(path, purpose)
    }

    /// Refuses a value.
    pub(super) fn refuse(&self, place: Place, what: impl Into<String>) {
        self.document.refuse(place, what);
    }

    /// Warns of a value.
    pub(super) fn warn(&self, place: Place, what: impl Into<String>) {
        self.document.warn(place, what);
    }

    /// Refuses a table in which something is missing. `place` is the table's, or that of the key that needs it.
    pub(super) fn misplaced(&self, place: Place, what: impl Into<String>) {
        self.document.misplaced(place, what);
    }

    /// Refuses a table without this key.
    pub(super) fn require(&self, key: &str, allowed: &str) {
        if !self.has(key) {
            let title = self.title;
            self.misplaced(
                self.place,
                format!("{key} is missing in {title}; allowed: {allowed}"),
            );
        }
    }

    /// Refuses a list without items.
    pub(super) fn refuse_empty(&self, key: &str, rest: &str) {
        let list = self.find(key).and_then(|value| value.get_ref().as_array());
        if list.is_some_and(|list| list.is_empty()) {
            self.refuse_keys(&[key], &format!("an empty list{rest}"));
        }
    }

    /// Refuses those of the keys that the file gives: they are known, but not allowed here.
    pub(super) fn refuse_keys(&self, keys: &[&str], what: &str) {
        for key in keys {
            if let Some(place) = self.place_of(key) {
                self.refuse(place, format!("{key}: {what}"));
            }
        }
    }

    fn find(&self, key: &str) -> Option<&'d Value<'d>> {
        self.entries?.get(key)
    }

    fn place_of_value(&self, value: &Value<'_>) -> Place {
        self.document.place(value.span().start)
    }

    /// The value of a key, which is allowed from now on. A value of no length was made up by the parser, which has
    /// reported the fault already.
    fn get(&mut self, key: &'static str) -> Option<&'d Value<'d>> {
        self.allowed.push(key);
        let value = self.find(key)?;
        let is_written = value.get_ref().is_table() || !value.span().is_empty();
        is_written.then_some(value)
    }

    /// The value of a key when it is of the kind that `read` reads.
    fn typed<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        read: impl FnOnce(&'d DeValue<'d>) -> Option<T>,
    ) -> Option<Placed<T>> {
        let value = self.get(key)?;
        self.item(key, "", value, allowed, read)
    }

    /// The same of a value `within` that of the key.
    fn item<T>(
        &self,
        key: &str,
        within: &str,
        value: &'d Value<'d>,
        allowed: &str,
        read: impl FnOnce(&'d DeValue<'d>) -> Option<T>,
    ) -> Option<Placed<T>> {
        let place = self.place_of_value(value);
        let found = kind(value.get_ref());
        let read = read(value.get_ref());
        if read.is_none() {
            let what = format!("{key}: {found}{within}; allowed: {allowed}");
            self.refuse(place, what);
        }
        read.map(|value| Placed { value, place })
    }

    /// The table below `key`.
    pub(super) fn table(&mut self, key: &'static str, title: &'static str) -> Table<'d> {
        let table = self.typed(key, &format!("one table, {title}"), DeValue::as_table);
        let place = table.as_ref().map_or(self.place, |table| table.place);
        let entries = table.map(|table| table.value);
        Table::new(self.document, title, entries, place)
    }

    /// Each table of the array of tables below `key`, in file order.
    pub(super) fn tables(&mut self, key: &'static str, title: &'static str) -> Vec<Table<'d>> {
        let allowed = format!("any number of tables, each begun with {title}");
        let array = self.typed(key, &allowed, DeValue::as_array);
        let allowed = format!("tables, each begun with {title}");
        let items = array.into_iter().flat_map(|array| array.value.iter());
        items
            .filter_map(|item| self.item(key, "", item, &allowed, DeValue::as_table))
            .map(|table| Table::new(self.document, title, Some(table.value), table.place))
            .collect()
    }

    /// A string.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Text<'d>> {
        self.typed(key, "a string in quotes", DeValue::as_str)
    }

    /// A string that passes `is_allowed`.
    pub(super) fn checked(
        &mut self,
        key: &'static str,
        allowed: &str,
        is_allowed: impl FnOnce(&str) -> bool,
    ) -> Option<Text<'d>> {
        self.parsed(key, |text| {
            if is_allowed(text) {
                Ok(text)
            } else {
                Err(format!("{}; allowed: {allowed}", quoted(text)))
            }
        })
    }

    /// A string as `parse` reads it. Its error says what is wrong and what is allowed.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&'d str) -> Result<T, String>,
    ) -> Option<Placed<T>> {
        let text = self.text(key)?;
        self.parse(key, text, parse)
    }

    fn parse<T>(
        &self,
        key: &str,
        text: Text<'d>,
        parse: impl FnOnce(&'d str) -> Result<T, String>,
    ) -> Option<Placed<T>> {
        match parse(text.value) {
            Ok(value) => Some(text.map(|_| value)),
            Err(what) => {
                self.refuse(text.place, format!("{key}: {what}"));
                None
            }
        }
    }

    /// A list of strings. A fault shows `example`.
    pub(super) fn texts(&mut self, key: &'static str, example: &str) -> Option<Texts<'d>> {
        let allowed = format!("a list of strings, such as {example}");
        let array = self.typed(key, &allowed, DeValue::as_array)?;
        let read = |item| self.item(key, " in the list", item, &allowed, DeValue::as_str);
        Some(array.map(|items| items.iter().filter_map(read).collect()))
    }

    /// The same, or one string instead of a list of one.
    pub(super) fn text_or_texts(&mut self, key: &'static str, example: &str) -> Option<Texts<'d>> {
        if self.find(key).is_some_and(|value| value.get_ref().is_str()) {
            let text = self.text(key)?;
            return Some(text.map(|_| vec![text]));
        }
        self.texts(key, example)
    }

    /// A list of strings as `parse` reads each; those with a fault are left out.
    pub(super) fn parsed_list<T>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl FnMut(&'d str) -> Result<T, String>,
    ) -> Vec<Placed<T>> {
        let texts = self.texts(key, example);
        self.parse_each(key, texts, parse)
    }

    /// The same of strings that were read already.
    pub(super) fn parse_each<T>(
        &self,
        key: &str,
        texts: Option<Texts<'d>>,
        mut parse: impl FnMut(&'d str) -> Result<T, String>,
    ) -> Vec<Placed<T>> {
        let texts = texts.into_iter().flat_map(|texts| texts.value);
        texts
            .filter_map(|text| self.parse(key, text, &mut parse))
            .collect()
    }

    /// A table of strings by names that people choose, in file order.
    pub(super) fn pairs(&mut self, key: &'static str, example: &str) -> Vec<(Text<'d>, Text<'d>)> {
        let allowed = format!("a table of strings, such as {example}");
        let table = self.typed(key, &allowed, DeValue::as_table);
        let mut pairs = Vec::new();
        for (name, value) in table.into_iter().flat_map(|table| table.value) {
            let text = self.item(key, " in the table", value, &allowed, DeValue::as_str);
            let name = Placed {
                value: &**name.get_ref(),
                place: self.document.place(name.span().start),
            };
            pairs.extend(text.map(|text| (name, text)));
        }
        pairs.sort_by_key(|(name, _)| name.place);
        pairs
    }

    /// `true` or `false`, with its place when it is written.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<Placed<bool>> {
        self.typed(key, "true, false", DeValue::as_bool)
    }

    /// `true` or `false`.
    pub(super) fn flag_or(&mut self, key: &'static str, default: bool) -> bool {
        self.flag(key).map_or(default, |flag| flag.value)
    }

    /// A flag of a feature that is not built: only `false` is accepted.
    pub(super) fn unavailable_flag(&mut self, key: &'static str) {
        if let Some(Placed { value: true, place }) = self.flag(key) {
            self.refuse(
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
    ) -> usize {
        let (least, most) = (range.start(), range.end());
        let allowed = format!("a whole number from {least} to {most}");
        self.quantity(key, default, &range, &allowed, |value| match value {
            // What is negative is out of range, as what is too large.
            DeValue::Integer(_) => integer(value)
                .map(|number| usize::try_from(number).unwrap_or(usize::MAX))
                .ok_or_else(|| shown(value)),
            other => Err(kind(other).to_owned()),
        })
    }

    /// A number of bytes: `"1MiB"`, or a plain whole number.
    pub(super) fn size(
        &mut self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let (least, most) = (show_size(*range.start()), show_size(*range.end()));
        let allowed = format!(
            "\"{least}\" to \"{most}\" (units B, KiB, MiB, GiB, kB, MB, GB), or a number of bytes"
        );
        self.quantity(key, default, &range, &allowed, |value| {
            let size = match value {
                DeValue::String(text) => parse_size(text),
                other => integer(other).map(|number| u64::try_from(number).unwrap_or(u64::MAX)),
            };
            size.ok_or_else(|| format!("{} is not a size", shown(value)))
        })
    }

    /// A duration: `"10s"`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
        let allowed = format!("\"{least}\" to \"{most}\" (units ms, s, min, h)");
        self.quantity(key, default, &range, &allowed, |value| {
            let duration = value.as_str().and_then(parse_duration);
            duration.ok_or_else(|| format!("{} is not a duration", shown(value)))
        })
    }

    /// A value in a range. The error of `read` says what the value is instead.
    fn quantity<T: PartialOrd>(
        &mut self,
        key: &'static str,
        default: T,
        range: &RangeInclusive<T>,
        allowed: &str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> T {
        let Some(value) = self.get(key) else {
            return default;
        };
        let found = match read(value.get_ref()) {
            Ok(read) if range.contains(&read) => return read,
            Ok(_) => format!("{} is out of range", shown(value.get_ref())),
            Err(found) => found,
        };
        let place = self.place_of_value(value);
        self.refuse(place, format!("{key}: {found}; allowed: {allowed}"));
        default
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        default: T,
        choices: &[(&str, T)],
    ) -> T {
        let chosen = self.parsed(key, |word| {
            let choice = choices.iter().find(|(name, _)| *name == word);
            choice.map(|(_, choice)| *choice).ok_or_else(|| {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                format!("{}; allowed: {}", quoted(word), names.join(", "))
            })
        });
        chosen.map_or(default, |choice| choice.value)
    }

    /// Refuses every key that was not read.
    pub(super) fn finish(self) {
        for (key, _) in self.entries.into_iter().flatten() {
            let name: &str = key.get_ref();
            if self.allowed.contains(&name) {
                continue;
            }
            let guess = match nearest(name, &self.allowed) {
                Some(guess) => format!(", did you mean {guess}?"),
                None => ";".to_owned(),
            };
            let place = self.document.place(key.span().start);
            let allowed = self.allowed.join(", ");
            let what = format!(
                "unknown key {} in {}{guess} allowed: {allowed}",
                quoted(name),
                self.title
            );
            if self.title == TOP {
                // The keys below a broken table header end up here.
                self.misplaced(place, what);
            } else {
                self.refuse(place, what);
            }
        }
    }
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
