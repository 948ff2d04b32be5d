//! Commands: a verb with all its options, as values.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Id, LogLevel};
use crate::rpc::Call;

/// The command that a call of the program gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run the daemon.
    Run(CommonOptions),
    /// Validate the configuration.
    Check(CommonOptions),
    /// Print this text.
    Print(String),
    /// Ask a running daemon.
    Control(DaemonCall),
    /// Dial a client or a URL.
    ClientTest(ClientTest),
    /// Print a URL as a block of the configuration.
    ClientNew(ClientNew),
    /// Hash a password.
    HashPassword,
}

/// The options that most verbs have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CommonOptions {
    /// The configuration file that was named.
    pub(crate) config: Option<PathBuf>,
    /// How much to print and log.
    pub(crate) verbosity: Verbosity,
    /// Print JSON.
    pub(crate) json: bool,
}

/// A call to the daemon, and the options of its making.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DaemonCall {
    /// The call.
    pub(crate) call: Call,
    /// Where the message or body comes from, if it is not in the call.
    pub(crate) input: Option<CallInput>,
    /// The socket that was named.
    pub(crate) socket: Option<PathBuf>,
    /// How long to wait for the answer.
    pub(crate) timeout: Duration,
    /// The file may name the socket.
    pub(crate) common: CommonOptions,
}

/// A message or body that is still to be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CallInput {
    /// Where to read it from.
    pub(crate) source: InputSource,
    /// How to read it.
    pub(crate) form: Form,
}

/// Where a message or body is read from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InputSource {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// How a message or body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text; refused if it is not UTF-8.
    Text,
    /// Bytes.
    Binary,
    /// Text when it is UTF-8.
    Either,
}

/// `client test`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientTest {
    /// The client's id or the URL to dial; `-` reads a URL from stdin.
    pub(crate) target: String,
    /// How long each step may take.
    pub(crate) timeout: Duration,
    pub(crate) common: CommonOptions,
}

/// `client new`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientNew {
    /// The URL; `-` reads it from stdin.
    pub(crate) url: String,
    /// The id to give it.
    pub(crate) id: Option<Id>,
}

/// How much a command prints and logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Only errors.
    Quiet,
    /// As the configuration says.
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
