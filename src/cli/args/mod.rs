//! The parser of the command line: a command with all that it needs, or one line that says what is allowed.
//!
//! A verb or option is declared in `verbs`, from which the parser and `--help` read it; its effect is in `calls`. Left to
//! right: page, scan, command, calls, verbs.

mod calls;
mod command;
mod page;
mod scan;
#[rustfmt::skip] // It is a table.
mod verbs;

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};

pub(super) use command::{
    CallInput, ClientNew, ClientTest, Command, CommonOptions, DaemonCall, Form, InputSource,
    Verbosity,
};

use page::Opt;
use scan::Words;
use verbs::{EVERYWHERE, VERBS, Verb};

/// What `bellwire --version` prints.
const VERSION: &str = concat!("bellwire ", env!("CARGO_PKG_VERSION"), "\n");

/// Reads the arguments after the program's name. The error is one line for whoever typed them.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut words = Words::scan(args, verbs::known)?;
    if words.flag("--version") {
        return Ok(Command::Print(VERSION.to_owned()));
    }
    let help = words.flag("--help");
    let verb = match find(&mut words, help)? {
        Found::Verb(verb) => verb,
        Found::Help(text) => return Ok(Command::Print(text)),
    };
    let (common, own): (Vec<&Opt>, Vec<&Opt>) = verb
        .page
        .all_options()
        .partition(|option| verb.page.shares(option));
    words.allow(&[common, EVERYWHERE.iter().collect(), own].concat())?;
    if help {
        return Ok(Command::Print(verb.page.text()));
    }
    let command = (verb.read)(&mut words)?;
    match words.next() {
        None => Ok(command),
        Some(word) => Err(surplus(&word, verb)),
    }
}

enum Found {
    Verb(&'static Verb),
    /// The help of more than one verb.
    Help(String),
}

/// Takes the words of the verb, and finds it.
fn find(words: &mut Words, help: bool) -> Result<Found, String> {
    let Some(first) = words.next() else {
        return Ok(match VERBS.last() {
            Some(run) if !help => Found::Verb(run),
            _ => Found::Help(verbs::help()),
        });
    };
    let first = first.to_str().unwrap_or_default().to_owned();
    let group: Vec<&'static Verb> = VERBS
        .iter()
        .filter(|verb| verb.words.first() == Some(&first.as_str()))
        .collect();
    match group.as_slice() {
        [] => {
            let mut names: Vec<&str> = VERBS
                .iter()
                .filter_map(|verb| verb.words.first().copied())
                .collect();
            names.dedup();
            Err(format!(
                "unknown verb {first:?}; allowed: {}",
                names.join(", ")
            ))
        }
        [verb] if verb.words.len() == 1 => Ok(Found::Verb(verb)),
        group => find_second(&first, group, words, help),
    }
}

fn find_second(
    first: &str,
    group: &[&'static Verb],
    words: &mut Words,
    help: bool,
) -> Result<Found, String> {
    let second = words.next();
    let meant = second.as_ref().and_then(|word| word.to_str());
    let second_of = |verb: &&'static Verb| verb.words.get(1).copied();
    if let Some(verb) = group
        .iter()
        .find(|verb| meant.is_some() && second_of(verb) == meant)
    {
        return Ok(Found::Verb(verb));
    }
    if let (None, true, Some(verb)) = (&second, help, group.first()) {
        return Ok(Found::Help(verb.page.text()));
    }
    let names: Vec<&str> = group.iter().filter_map(second_of).collect();
    let names = names.join(", ");
    Err(match second {
        None => format!("{first} wants to know what; allowed: {names}"),
        Some(word) => format!("unknown verb {first} {word:?}; allowed: {names}"),
    })
}

fn surplus(word: &OsStr, verb: &Verb) -> String {
    if matches!(verb.words, [] | ["run" | "check"]) {
        return format!("unexpected argument {word:?}; a file is named with -c FILE");
    }
    let usage = verb.page.usage();
    format!("unexpected argument {word:?}; allowed: {usage}")
}
