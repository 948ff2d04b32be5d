//! Commands: a verb with all that it needs, as values.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Id, LogLevel};
use crate::rpc::Call;

/// What one call of the program is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run the daemon.
    Run(Options),
    /// Validate the configuration.
    Check(Options),
    /// Print this text.
    Print(String),
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
pub(crate) struct Options {
    /// The configuration file that was named.
    pub(crate) config: Option<PathBuf>,
    /// How much to say.
    pub(crate) verbosity: Verbosity,
    /// For programs, not for people.
    pub(crate) json: bool,
}

/// A call, and how it is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Control {
    /// What is asked for.
    pub(crate) call: Call,
    /// Where the message or body comes from, when it does not stand in the call.
    pub(crate) input: Option<Input>,
    /// The socket that was named.
    pub(crate) socket: Option<PathBuf>,
    /// The configuration file that was named; it may name the socket.
    pub(crate) config: Option<PathBuf>,
    /// For programs, not for people.
    pub(crate) json: bool,
    /// How much to say.
    pub(crate) verbosity: Verbosity,
    /// How long an answer is waited for.
    pub(crate) timeout: Duration,
}

/// What is still to be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Input {
    /// From where.
    pub(crate) source: Source,
    /// What it has to be.
    pub(crate) form: Form,
}

/// Where something is read from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file.
    File(PathBuf),
    /// What somebody pipes in or types.
    Stdin,
}

/// What a message or body is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// UTF-8, or else it is refused.
    Text,
    /// Bytes.
    Binary,
    /// Text when it is UTF-8.
    Either,
}

/// A client or URL that is named, or comes on stdin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// As it was named.
    Named(String),
    /// `-`: a URL on stdin.
    Stdin,
}

/// `client test`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientTest {
    /// What to dial: a client's id, or a URL.
    pub(crate) target: Target,
    /// The configuration file that was named.
    pub(crate) config: Option<PathBuf>,
    /// For programs, not for people.
    pub(crate) json: bool,
    /// How much to say.
    pub(crate) verbosity: Verbosity,
    /// For the whole of it.
    pub(crate) timeout: Duration,
}

/// `client new`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientNew {
    /// The URL.
    pub(crate) url: Target,
    /// The id to give it.
    pub(crate) id: Option<Id>,
}

/// How much to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verbosity {
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
    pub(crate) fn level(self, configured: LogLevel) -> LogLevel {
        match self {
            Verbosity::Quiet => LogLevel::Error,
            Verbosity::AsConfigured => configured,
            Verbosity::Verbose => LogLevel::Debug.max(configured),
            Verbosity::Everything => LogLevel::Trace,
        }
    }
}
