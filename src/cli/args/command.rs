//! Commands: a verb with all that it needs, as values.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Id, LogLevel};
use crate::manager::rpc::Call;

/// What one call of the program is to do.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum Command {
    /// Run the daemon.
    Run(Options),
    /// Validate the configuration.
    Check(Options),
    /// Print this text.
    Print(&'static str),
    /// Ask a daemon that runs.
    Control(Control),
    /// Dial by hand.
    ClientTest(ClientTest),
    /// Print a URL as a block of the configuration.
    ClientNew(ClientNew),
    /// Hash a password.
    HashPassword,
}

/// The flags of `run` and `check`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Options {
    /// The configuration file that was named.
    pub(in crate::cli) config: Option<PathBuf>,
    /// How much to say.
    pub(in crate::cli) verbosity: Verbosity,
    /// For programs, not for people.
    pub(in crate::cli) json: bool,
}

/// A call, and how it is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Control {
    /// What is asked for.
    pub(in crate::cli) call: Call,
    /// Where the message or body comes from, when it does not stand in the call.
    pub(in crate::cli) input: Option<Input>,
    /// The socket that was named.
    pub(in crate::cli) socket: Option<PathBuf>,
    /// The configuration file that was named; it may name the socket.
    pub(in crate::cli) config: Option<PathBuf>,
    /// For programs, not for people.
    pub(in crate::cli) json: bool,
    /// How much to say.
    pub(in crate::cli) verbosity: Verbosity,
    /// How long an answer is waited for.
    pub(in crate::cli) timeout: Duration,
}

/// What is still to be read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Input {
    /// From where.
    pub(in crate::cli) source: Source,
    /// What it has to be.
    pub(in crate::cli) form: Form,
}

/// Where something is read from.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum Source {
    /// A file.
    File(PathBuf),
    /// What somebody pipes in or types.
    Stdin,
}

/// What a message or body is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Form {
    /// UTF-8, or else it is refused.
    Text,
    /// Bytes.
    Binary,
    /// Text when it is UTF-8.
    Either,
}

/// A client or URL that is named, or comes on stdin.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum Target {
    /// As it was named.
    Named(String),
    /// `-`: a URL on stdin.
    Stdin,
}

/// `client test`.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct ClientTest {
    /// What to dial: a client's id, or a URL.
    pub(in crate::cli) target: Target,
    /// The configuration file that was named.
    pub(in crate::cli) config: Option<PathBuf>,
    /// For programs, not for people.
    pub(in crate::cli) json: bool,
    /// How much to say.
    pub(in crate::cli) verbosity: Verbosity,
    /// For the whole of it.
    pub(in crate::cli) timeout: Duration,
}

/// `client new`.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct ClientNew {
    /// The URL.
    pub(in crate::cli) url: Target,
    /// The id to give it.
    pub(in crate::cli) id: Option<Id>,
}

/// How much to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Verbosity {
    /// What is wrong.
    Quiet,
    /// What the configuration says.
    #[default]
    AsConfigured,
    /// More.
    Verbose,
    /// Everything.
    Everything,
}

impl Verbosity {
    /// The log level, where the configuration has `configured`.
    pub(in crate::cli) fn level(self, configured: LogLevel) -> LogLevel {
        match self {
            Verbosity::Quiet => LogLevel::Error,
            Verbosity::AsConfigured => configured,
            Verbosity::Verbose => LogLevel::Debug.max(configured),
            Verbosity::Everything => LogLevel::Trace,
        }
    }
}
