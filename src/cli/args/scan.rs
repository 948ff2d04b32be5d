//! Arguments to words and options, whichever verb they are for.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::time::Duration;

use lexopt::Arg;

/// The options of all verbs: how each is spelled, and what it wants; flags want nothing. An option is known by the last
/// of its spellings.
const KNOWN: [(&str, &str); 24] = [
    ("-c/--config", "FILE"),
    ("--socket", "PATH"),
    ("--timeout", "TIME"),
    ("-q", ""),
    ("-v", ""),
    ("--json", ""),
    ("-h/--help", ""),
    ("-V/--version", ""),
    ("--dry-run", ""),
    ("--id", "ID"),
    ("--to", "CONN"),
    ("--except", "CONN"),
    ("--user", "NAME"),
    ("--binary", ""),
    ("--file", "F|-"),
    ("--code", "N"),
    ("--reason", "TEXT"),
    ("--status", "N"),
    ("--type", "T"),
    ("--text", "T"),
    ("--redirect", "URL"),
    ("--header", "'K: V'"),
    ("--cookie", "C"),
    ("--kind", "K"),
];

/// The arguments, taken apart.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// What is no option: the verb, and what it is about.
    values: VecDeque<OsString>,
    options: Vec<(&'static str, OsString)>,
    /// An option that no verb has. What follows it was not read.
    unknown: Option<String>,
}

/// The longest time that can be waited for.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Words {
    pub(super) fn scan(args: impl IntoIterator<Item = OsString>) -> Result<Words, String> {
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
            let Some((key, wants)) = known(&spelled) else {
                words.unknown = Some(spelled);
                break;
            };
            let value = if wants.is_empty() {
                OsString::new()
            } else {
                parser.value().map_err(|error| error.to_string())?
            };
            words.options.push((key, value));
        }
        Ok(words)
    }

    /// Refuses every option that is not among `allowed`, which has help and version besides.
    pub(super) fn allow(&self, allowed: &[&str]) -> Result<(), String> {
        let beside = |(key, _): &&(&'static str, OsString)| !allowed.contains(key);
        let wrong = match (&self.unknown, self.options.iter().find(beside)) {
            (Some(unknown), _) => format!("unknown option {unknown}"),
            (None, Some((key, _))) => format!("{key} is no option here"),
            (None, None) => return Ok(()),
        };
        let names: Vec<String> = KNOWN
            .iter()
            .filter(|(spelled, _)| allowed.contains(&key_of(spelled)))
            .map(|(spelled, wants)| format!("{spelled} {wants}").trim_end().to_owned())
            .collect();
        Err(format!("{wrong}; allowed: {}", names.join(", ")))
    }

    /// Takes the next word.
    pub(super) fn next(&mut self) -> Option<OsString> {
        self.values.pop_front()
    }

    /// Takes the next word, which has to be text.
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

    /// Takes all values of an option, in their order, which have to be text.
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

    /// Takes an option that is a time, such as `500ms`, `10s` or `1min`; a number alone is of seconds.
    pub(super) fn duration(&mut self, key: &str) -> Result<Option<Duration>, String> {
        let Some(value) = self.text(key)? else {
            return Ok(None);
        };
        match parse_duration(&value) {
            Some(duration) => Ok(Some(duration)),
            None => Err(format!(
                "{key}: {value:?}; allowed: 1ms to 24h, such as 500ms, 10s, 1min"
            )),
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let duration = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(milliseconds)?);
    (Duration::from_millis(1)..=LONGEST)
        .contains(&duration)
        .then_some(duration)
}

fn known(spelled: &str) -> Option<(&'static str, &'static str)> {
    KNOWN
        .iter()
        .find(|(spellings, _)| spellings.split('/').any(|one| one == spelled))
        .map(|(spellings, wants)| (key_of(spellings), *wants))
}

fn key_of(spellings: &'static str) -> &'static str {
    spellings.rsplit('/').next().unwrap_or(spellings)
}

fn text(value: OsString) -> Result<String, String> {
    value
        .into_string()
        .map_err(|value| format!("{value:?} is not UTF-8; allowed: text in UTF-8"))
}
