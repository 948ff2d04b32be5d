//! The command line as values: a verb with all that it needs, or one line that says what is allowed.
//!
//! Left to right: help, scan, command, calls.

mod calls;
mod command;
mod help;
mod scan;

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};

pub(super) use command::{Command, Control, Form, Input, Options, Source, Target, Verbosity};

use scan::Words;

/// A verb: its words, its help, its options, and how it is made of what is left.
struct Verb {
    words: &'static [&'static str],
    help: &'static str,
    /// Options of its own, and those that it has with others.
    options: [&'static [&'static str]; 2],
    read: fn(&mut Words) -> Result<Command, String>,
}

const fn verb(
    words: &'static [&'static str],
    help: &'static str,
    options: [&'static [&'static str]; 2],
    read: fn(&mut Words) -> Result<Command, String>,
) -> Verb {
    Verb {
        words,
        help,
        options,
        read,
    }
}

/// Options of what needs no daemon.
const LOCAL: &[&str] = &["--config", "-q", "-v"];
/// Options of what asks a daemon.
const CALL: &[&str] = &["--config", "--socket", "--timeout", "-q", "-v", "--json"];

const SEND: &[&str] = &["--to", "--except", "--user", "--binary", "--file"];
const RESPOND: &[&str] = &[
    "--status",
    "--type",
    "--text",
    "--file",
    "--redirect",
    "--header",
    "--cookie",
];

#[rustfmt::skip] // It is a table.
static VERBS: [Verb; 19] = [
    verb(&["run"], help::RUN, [&[], LOCAL], calls::run),
    verb(&["check"], help::CHECK, [&["--json"], LOCAL], calls::check),
    verb(&["status"], help::STATUS, [&[], CALL], calls::status),
    verb(&["reload"], help::RELOAD, [&["--dry-run"], CALL], calls::reload),
    verb(&["server", "list"], help::SERVER, [&[], CALL], calls::server_list),
    verb(&["server", "start"], help::SERVER, [&[], CALL], calls::server_start),
    verb(&["server", "stop"], help::SERVER, [&[], CALL], calls::server_stop),
    verb(&["client", "list"], help::CLIENT, [&[], CALL], calls::client_list),
    verb(&["client", "connect"], help::CLIENT, [&[], CALL], calls::client_connect),
    verb(&["client", "disconnect"], help::CLIENT, [&[], CALL], calls::client_disconnect),
    verb(&["client", "test"], help::CLIENT_TEST, [&["--timeout", "--json"], LOCAL], calls::client_test),
    verb(&["client", "new"], help::CLIENT_NEW, [&["--id"], &[]], calls::client_new),
    verb(&["send"], help::SEND, [SEND, CALL], calls::send),
    verb(&["connections"], help::CONNECTIONS, [&[], CALL], calls::connections),
    verb(&["kick"], help::KICK, [&["--code", "--reason"], CALL], calls::kick),
    verb(&["respond"], help::RESPOND, [RESPOND, CALL], calls::respond),
    verb(&["events"], help::EVENTS, [&["--kind"], CALL], calls::events),
    verb(&["hash-password"], help::HASH_PASSWORD, [&[], &[]], calls::hash_password),
    // What is meant when there is no verb at all.
    verb(&[], help::RUN, [&[], LOCAL], calls::run),
];

/// Reads the arguments after the program's name. The error is one line for whoever typed them.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut words = Words::scan(args)?;
    if words.flag("--version") {
        return Ok(Command::Print(help::VERSION));
    }
    let help = words.flag("--help");
    let verb = match find(&mut words, help)? {
        Found::Verb(verb) => verb,
        Found::Help(text) => return Ok(Command::Print(text)),
    };
    let [own, common] = verb.options;
    words.allow(&[own, common, &["--help", "--version"]].concat())?;
    if help {
        return Ok(Command::Print(verb.help));
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
    Help(&'static str),
}

/// Takes the words of the verb.
fn find(words: &mut Words, help: bool) -> Result<Found, String> {
    let Some(first) = words.next() else {
        return Ok(match VERBS.last() {
            Some(run) if !help => Found::Verb(run),
            _ => Found::Help(help::ALL),
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
                .filter(|verb| !verb.help.is_empty())
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
        return Ok(Found::Help(verb.help));
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
    let usage = verb.help.lines().next().unwrap_or_default();
    format!("unexpected argument {word:?}; allowed: {usage}")
}
