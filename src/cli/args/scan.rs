//! The scanner of arguments: words and options, of whichever verb.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::time::Duration;

use lexopt::Arg;

use crate::config::parse_duration;

use super::page::Opt;

/// The arguments, taken apart.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The verb and its arguments.
    values: VecDeque<OsString>,
    options: Vec<(&'static str, OsString)>,
    /// An option that no verb has. The arguments after it were not read.
    unknown: Option<String>,
}

/// The times that can be waited for.
const TIMES: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

impl Words {
    /// Takes the arguments apart. `known` finds an option by one of its names.
    pub(super) fn scan(
        args: impl IntoIterator<Item = OsString>,
        known: impl Fn(&str) -> Option<&'static Opt>,
    ) -> Result<Words, String> {
        let mut parser = lexopt::Parser::from_args(args);
        let mut words = Words::default();
        while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
            let spelled = match arg {
                Arg::Value(value) => {
                    words.values.push_back(value);
                    continue;
                }
                Arg::Short(letter) => format!("-{letter}"),
                Arg::Long(name) => format!("--{name}"),
            };
            let Some(option) = known(&spelled) else {
                words.unknown = Some(spelled);
                break;
            };
            let value = if option.value.is_empty() {
                OsString::new()
            } else {
                parser.value().map_err(|error| error.to_string())?
            };
            words.options.push((option.key(), value));
        }
        Ok(words)
    }

    /// Refuses every option that is not among `allowed`.
    pub(super) fn allow(&self, allowed: &[&Opt]) -> Result<(), String> {
        let is_allowed = |key| allowed.iter().any(|option| option.key() == key);
        let mut given = self.options.iter();
        let wrong = match (&self.unknown, given.find(|(key, _)| !is_allowed(*key))) {
            (Some(unknown), _) => format!("unknown option {unknown}"),
            (None, Some((key, _))) => format!("{key} is no option here"),
            (None, None) => return Ok(()),
        };
        let names: Vec<String> = allowed.iter().map(|option| option.spelled()).collect();
        Err(format!("{wrong}; allowed: {}", names.join(", ")))
    }

    /// Takes the next word.
    pub(super) fn next(&mut self) -> Option<OsString> {
        self.values.pop_front()
    }

    /// Takes the next word; it has to be text.
    pub(super) fn next_text(&mut self) -> Result<Option<String>, String> {
        self.next().map(text).transpose()
    }

    /// How often a flag is given.
    pub(super) fn count(&self, key: &str) -> usize {
        self.options.iter().filter(|(name, _)| *name == key).count()
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.count(key) > 0
    }

    /// Takes the value of an option that is given once at most.
    pub(super) fn value(&mut self, key: &str) -> Result<Option<OsString>, String> {
        if self.count(key) > 1 {
            return Err(format!("{key} is given more than once; allowed: once"));
        }
        let at = self.options.iter().position(|(name, _)| *name == key);
        Ok(at.map(|at| self.options.remove(at).1))
    }

    /// The same, where it has to be text.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        self.value(key)?.map(text).transpose()
    }

    /// Takes all values of an option in order; they have to be text.
    pub(super) fn texts(&mut self, key: &str) -> Result<Vec<String>, String> {
        let (these, others) = std::mem::take(&mut self.options)
            .into_iter()
            .partition(|(name, _)| *name == key);
        self.options = others;
        let these: Vec<(&str, OsString)> = these;
        these.into_iter().map(|(_, value)| text(value)).collect()
    }

    /// Takes an option that is a whole number.
    pub(super) fn number(&mut self, key: &str) -> Result<Option<u16>, String> {
        let Some(value) = self.text(key)? else {
            return Ok(None);
        };
        let wrong = |_| format!("{key}: {value:?}; allowed: a whole number");
        value.parse().map(Some).map_err(wrong)
    }

    /// Takes an option that is a time, such as `500ms`, `10s` or `1min`. The unit of a mere number is the second.
    pub(super) fn duration(&mut self, key: &str) -> Result<Option<Duration>, String> {
        let Some(value) = self.text(key)? else {
            return Ok(None);
        };
        let seconds = value.bytes().all(|byte| byte.is_ascii_digit());
        let unit = if seconds { "s" } else { "" };
        match parse_duration(&format!("{value}{unit}")) {
            Some(duration) if TIMES.contains(&duration) => Ok(Some(duration)),
            _ => Err(format!(
                "{key}: {value:?}; allowed: 1ms to 24h, such as 500ms, 10s, 1min"
            )),
        }
    }
}

fn text(value: OsString) -> Result<String, String> {
    value
        .into_string()
        .map_err(|value| format!("{value:?} is not UTF-8; allowed: text in UTF-8"))
}
