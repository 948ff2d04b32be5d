//! The command line as values.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg;

use crate::config::LogLevel;

/// `bellwire --version`.
pub(super) const VERSION: &str = concat!("bellwire ", env!("CARGO_PKG_VERSION"), "\n");

const HELP: &str = "\
bellwire: a WebSocket connection manager for small machines

  bellwire [run] [-c FILE]    run the servers in the foreground
  bellwire check [-c FILE]    validate the configuration and print every fault
  bellwire client test ID|URL|-         dial by hand, and say how each step went
  bellwire client new URL|- [--id ID]   a URL filled into a [[client]] block

Options:
  -c, --config FILE    the configuration file; else $BELLWIRE_CONFIG, ./bellwire.toml (not as root),
                       /etc/bellwire/bellwire.toml; when there is none at all, the built-in default
  -q                   say only what is wrong
  -v                   say more; -vv says everything
      --json           check: one JSON object a line
  -h, --help           this, or the help of a verb: bellwire check --help
  -V, --version        the version

Exit status: 0 done, 1 failed, 2 wrong usage, 78 configuration fault.
";

const RUN_HELP: &str = "\
bellwire [run] [-c FILE] [-q | -v | -vv]

Runs the servers of the configuration in the foreground and logs to stderr. Without any configuration file, the built-in
default runs: an echo server on 127.0.0.1:8080 with a page to try it. SIGTERM and SIGINT end it gracefully.

  -c, --config FILE    the configuration file
  -q                   log errors only; overrides log in [daemon]
  -v                   log debug messages; -vv traces
";

const CHECK_HELP: &str = "\
bellwire check [-c FILE] [-q] [--json]

Validates the configuration, opens every file it names, and prints every fault to stderr, each as
file:line:column: what is wrong, and what is allowed. Exits with 78 on any fault.

  -c, --config FILE    the configuration file
  -q                   faults only: no warnings, no summary
      --json           faults and warnings to stdout, one JSON object a line:
                       {\"kind\": \"fault\" or \"warning\", \"file\", \"line\", \"column\", \"what\"}; line and column are null
                       when the file cannot be read
";

const CLIENT_HELP: &str = "\
bellwire client test ID|URL|- [-c FILE] [--json] [--timeout SECONDS]
bellwire client new URL|- [--id ID]

test dials by hand, without the daemon: DNS, TCP, TLS, upgrade, ping, each with its time, or the cause of the failure and
what to try. - reads the URL from stdin, so that a password in it is not in the process list. new prints a [[client]] block
for the configuration.

  -c, --config FILE    the configuration file, where ID is one of its clients
      --json           one JSON object for each step, one a line
      --timeout 10     for each step, in seconds
      --id ID          the id in the block

Exit status: 0 it works, 1 it does not, 4 no such client, 5 timed out, 78 configuration fault.
";

/// Verbs of the contract whose features are not built.
const LATER_VERBS: [&str; 9] = [
    "status",
    "reload",
    "server",
    "send",
    "connections",
    "kick",
    "respond",
    "events",
    "hash-password",
];

/// What one call of the program is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Run the daemon.
    Run(Options),
    /// Validate the configuration.
    Check(Options),
    /// Dial by hand; see `client_test`.
    ClientTest {
        target: String,
        config: Option<PathBuf>,
        json: bool,
        timeout: Duration,
    },
    /// Fill a URL into a block; see `client_new`.
    ClientNew { url: String, id: Option<String> },
    /// Print this text.
    Print(&'static str),
}

/// The flags of `run` and `check`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// The configuration file that was named.
    pub(super) config: Option<PathBuf>,
    /// How much to say.
    pub(super) verbosity: Verbosity,
    /// For programs, not for people.
    pub(super) json: bool,
}

/// How much to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Verbosity {
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
    pub(super) fn level(self, configured: LogLevel) -> LogLevel {
        match self {
            Verbosity::Quiet => LogLevel::Error,
            Verbosity::AsConfigured => configured,
            Verbosity::Verbose => LogLevel::Debug.max(configured),
            Verbosity::Everything => LogLevel::Trace,
        }
    }
}

#[derive(Clone, Copy)]
enum Verb {
    Run,
    Check,
}

/// Reads the arguments after the program's name. The error is one line for whoever typed them.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let args: Vec<OsString> = args.into_iter().collect();
    if let [verb, rest @ ..] = &args[..]
        && verb == "client"
    {
        return parse_client(rest);
    }
    let mut parser = lexopt::Parser::from_args(args);
    let mut options = Options::default();
    let mut verb = None;
    let (mut help, mut quiet, mut verbose) = (false, false, 0u32);
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => help = true,
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Print(VERSION)),
            Arg::Short('q') => quiet = true,
            Arg::Short('v') => verbose = verbose.saturating_add(1),
            Arg::Long("json") => options.json = true,
            Arg::Short('c') | Arg::Long("config") => {
                let file = parser.value().map_err(|error| error.to_string())?;
                options.config = Some(file.into());
            }
            Arg::Value(word) if verb.is_none() => verb = Some(parse_verb(&word)?),
            Arg::Value(word) => return Err(surplus(&word)),
            Arg::Long("socket") => return Err("--socket is not available yet".to_owned()),
            Arg::Short(letter) => return Err(unknown_option(&format!("-{letter}"))),
            Arg::Long(name) => return Err(unknown_option(&format!("--{name}"))),
        }
    }
    options.verbosity = match (quiet, verbose) {
        (false, 0) => Verbosity::AsConfigured,
        (false, 1) => Verbosity::Verbose,
        (false, _) => Verbosity::Everything,
        (true, 0) => Verbosity::Quiet,
        (true, _) => return Err("-q and -v exclude each other".to_owned()),
    };
    match (verb, help) {
        (None, true) => Ok(Command::Print(HELP)),
        (Some(Verb::Run), true) => Ok(Command::Print(RUN_HELP)),
        (Some(Verb::Check), true) => Ok(Command::Print(CHECK_HELP)),
        (Some(Verb::Check), false) => Ok(Command::Check(options)),
        (None | Some(Verb::Run), false) if options.json => {
            Err("--json is an option of check".to_owned())
        }
        (None | Some(Verb::Run), false) => Ok(Command::Run(options)),
    }
}

/// `client test` and `client new`.
fn parse_client(args: &[OsString]) -> Result<Command, String> {
    let mut parser = lexopt::Parser::from_args(args);
    let (mut words, mut config, mut json, mut id) = (Vec::new(), None, false, None);
    let mut timeout = Duration::from_secs(10);
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Print(CLIENT_HELP)),
            Arg::Long("json") => json = true,
            Arg::Long("id") => id = Some(text(parser.value())?),
            Arg::Long("timeout") => {
                let text = text(parser.value())?;
                timeout = parse_seconds(&text).ok_or_else(|| {
                    format!("--timeout: {text:?}; allowed: seconds, from 0.1 to 3600")
                })?;
            }
            Arg::Short('c') | Arg::Long("config") => {
                let file = parser.value().map_err(|error| error.to_string())?;
                config = Some(file.into());
            }
            Arg::Value(word) => {
                words.push(text(Ok(word))?);
            }
            Arg::Short(letter) => return Err(format!("unknown option -{letter}")),
            Arg::Long(name) => return Err(format!("unknown option --{name}")),
        }
    }
    let mut words = words.into_iter();
    match (words.next().as_deref(), words.next(), words.next()) {
        (Some("test"), Some(target), None) => Ok(Command::ClientTest {
            target,
            config,
            json,
            timeout,
        }),
        (Some("new"), Some(url), None) => Ok(Command::ClientNew { url, id }),
        (Some(verb @ ("list" | "connect" | "disconnect")), ..) => {
            Err(format!("client {verb} is not available yet"))
        }
        _ => Err("client test takes an ID, a URL or -; client new takes a URL or -".to_owned()),
    }
}

/// An argument as text.
fn text(value: Result<OsString, lexopt::Error>) -> Result<String, String> {
    let value = value.map_err(|error| error.to_string())?;
    value
        .into_string()
        .map_err(|value| format!("{value:?} is not UTF-8"))
}

/// Seconds, perhaps with a fraction.
fn parse_seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    (0.1..=3600.0)
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds))
}

fn parse_verb(word: &OsStr) -> Result<Verb, String> {
    match word.to_str() {
        Some("run") => Ok(Verb::Run),
        Some("check") => Ok(Verb::Check),
        Some(later) if LATER_VERBS.contains(&later) => Err(format!("{later} is not available yet")),
        _ => Err(format!("unknown verb {word:?}; allowed: run, check")),
    }
}

fn surplus(word: &OsStr) -> String {
    format!("unexpected argument {word:?}; a file is named with -c FILE")
}

fn unknown_option(option: &str) -> String {
    format!(
        "unknown option {option}; allowed: -c/--config FILE, -q, -v, --json, -h/--help, -V/--version"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn options(config: Option<&str>, verbosity: Verbosity) -> Options {
        Options {
            config: config.map(PathBuf::from),
            verbosity,
            json: false,
        }
    }

    #[test]
    fn verbs_and_options() {
        for (line, command) in [
            ("", Command::Run(options(None, Verbosity::AsConfigured))),
            ("run", Command::Run(options(None, Verbosity::AsConfigured))),
            (
                "-c a.toml",
                Command::Run(options(Some("a.toml"), Verbosity::AsConfigured)),
            ),
            ("run -q", Command::Run(options(None, Verbosity::Quiet))),
            ("run -v", Command::Run(options(None, Verbosity::Verbose))),
            (
                "run -v -v",
                Command::Run(options(None, Verbosity::Everything)),
            ),
            (
                "-vvv run",
                Command::Run(options(None, Verbosity::Everything)),
            ),
            (
                "check -qcb.toml",
                Command::Check(options(Some("b.toml"), Verbosity::Quiet)),
            ),
            (
                "--config=b check",
                Command::Check(options(Some("b"), Verbosity::AsConfigured)),
            ),
            (
                "check -c b --json",
                Command::Check(Options {
                    json: true,
                    ..options(Some("b"), Verbosity::AsConfigured)
                }),
            ),
            ("--help", Command::Print(HELP)),
            ("run -h", Command::Print(RUN_HELP)),
            ("-h check", Command::Print(CHECK_HELP)),
            ("-V", Command::Print(VERSION)),
        ] {
            assert_eq!(parsed(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn wrong_usage_says_what_is_allowed() {
        for (line, error) in [
            ("walk", "unknown verb \"walk\"; allowed: run, check"),
            (
                "check a.toml",
                "unexpected argument \"a.toml\"; a file is named with -c FILE",
            ),
            (
                "-x",
                "unknown option -x; allowed: -c/--config FILE, -q, -v, --json, -h/--help, -V/--version",
            ),
            (
                "--loud",
                "unknown option --loud; allowed: -c/--config FILE, -q, -v, --json, -h/--help, -V/--version",
            ),
            ("-c", "missing argument for option '-c'"),
            ("-q -v", "-q and -v exclude each other"),
            ("run --json", "--json is an option of check"),
            ("--socket /s", "--socket is not available yet"),
            ("send WS_SERVER_1 --binary", "send is not available yet"),
            ("-- -c", "unknown verb \"-c\"; allowed: run, check"),
        ] {
            assert_eq!(parsed(line), Err(error.to_owned()), "{line}");
        }
    }

    #[test]
    fn clients_have_verbs_of_their_own() {
        let new = |url: &str, id: Option<&str>| Command::ClientNew {
            url: url.to_owned(),
            id: id.map(str::to_owned),
        };
        assert_eq!(parsed("client new ws://h"), Ok(new("ws://h", None)));
        assert_eq!(parsed("client new --id a -"), Ok(new("-", Some("a"))));
        assert_eq!(
            parsed("client test up -c f --json --timeout 0.5s"),
            Ok(Command::ClientTest {
                target: "up".to_owned(),
                config: Some(PathBuf::from("f")),
                json: true,
                timeout: Duration::from_millis(500),
            })
        );
        for (line, error) in [
            (
                "client",
                "client test takes an ID, a URL or -; client new takes a URL or -",
            ),
            (
                "client test a b",
                "client test takes an ID, a URL or -; client new takes a URL or -",
            ),
            ("client list", "client list is not available yet"),
            (
                "client test a --timeout 0",
                "--timeout: \"0\"; allowed: seconds, from 0.1 to 3600",
            ),
        ] {
            assert_eq!(parsed(line), Err(error.to_owned()), "{line}");
        }
    }

    #[test]
    fn help_names_no_verb_that_is_not_available() {
        for verb in LATER_VERBS {
            assert_eq!(parsed(verb), Err(format!("{verb} is not available yet")));
            assert!(!HELP.contains(&format!("bellwire {verb}")), "{verb}");
        }
    }

    #[test]
    fn flags_override_the_configured_level() {
        assert_eq!(Verbosity::Quiet.level(LogLevel::Trace), LogLevel::Error);
        assert_eq!(
            Verbosity::AsConfigured.level(LogLevel::Warn),
            LogLevel::Warn
        );
        assert_eq!(Verbosity::Verbose.level(LogLevel::Warn), LogLevel::Debug);
        assert_eq!(Verbosity::Verbose.level(LogLevel::Trace), LogLevel::Trace);
        assert_eq!(
            Verbosity::Everything.level(LogLevel::Error),
            LogLevel::Trace
        );
    }
}
