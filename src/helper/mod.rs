//! The helper: a small process beside the daemon that keeps the rights the daemon gives up, and the only one that calls
//! PAM. Its requests are a table ([`Ask`](crate::proto::helper::Ask)); whatever else comes ends it.
//!
//! It is this binary itself, run again before privileges are dropped, with its end of a socket as its standard input.
//! What may take long or crash is done by children of its own, four at a time. It opens and binds what the
//! configuration names, which it reads itself; the process that faces the network can only ask for that again. It ends
//! when the daemon closes its end, and its children end with it; signals that are meant for the daemon do not reach it.
//!
//! Left to right, each file imports from those before it: capabilities, queue, permitted, pam, attempt, grant, serve.

mod attempt;
mod capabilities;
mod grant;
mod pam;
mod permitted;
mod queue;
mod serve;
pub(crate) mod supervisor;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lexopt::Arg;
use log::LevelFilter;

use crate::config::{self, LogLevel};
use crate::engine::seqpacket;
use crate::process::exit::Exit;
use crate::process::privileges;
use crate::process::syscall::check;
use crate::process::{logging, output};

use attempt::VerifySecret;
use permitted::Permitted;
use serve::{Setup, Strange, serve};

/// The verb by which the binary runs itself. Not for people, so no help names it.
pub(crate) const VERB: &str = "helper";

/// An attempt that takes longer is given up.
const LIMIT: Duration = Duration::from_secs(30);

/// Where the socket comes from: the one descriptor that is handed over without a copy or a race.
const SOCKET: libc::c_int = libc::STDIN_FILENO;

/// What of the environment the helper keeps. Wrappers of PAM and of the user database, which tests run under, are told
/// by it where to look.
const KEPT: [&str; 4] = ["LD_PRELOAD", "PAM_WRAPPER", "NSS_WRAPPER", "JOURNAL_STREAM"];

/// Where modules find their programs.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts the helper; the daemon's end of the socket, and the process. To be done before privileges are dropped.
///
/// # Errors
/// The system's.
pub(crate) fn spawn(config: Option<&Path>) -> io::Result<(OwnedFd, Child)> {
    let (near, far) = seqpacket::pair()?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("bellwire")
        .arg(VERB)
        .args(["--log", &log::max_level().to_string()])
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| is_kept(name)))
        .env("PATH", PATH)
        .stdin(Stdio::from(far))
        .stdout(Stdio::null());
    if let Some(file) = config {
        command.arg("--config").arg(file);
    }
    Ok((near, command.spawn()?))
}

fn is_kept(name: &OsString) -> bool {
    let name = name.as_encoded_bytes();
    KEPT.iter().any(|kept| name.starts_with(kept.as_bytes()))
}

/// What the helper is told by its command line.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    config: Option<PathBuf>,
    log: LevelFilter,
    limit: Duration,
}

impl Options {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Options, lexopt::Error> {
        let mut options = Options {
            config: None,
            log: LevelFilter::Info,
            limit: LIMIT,
        };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            use lexopt::ValueExt as _;
            match arg {
                Arg::Long("config") => options.config = Some(parser.value()?.into()),
                Arg::Long("log") => options.log = parser.value()?.parse()?,
                Arg::Long("attempt-limit-ms") => {
                    options.limit = Duration::from_millis(parser.value()?.parse()?);
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(options)
    }
}

/// The helper's life, from its arguments after [`VERB`] on.
pub(crate) fn main(args: impl IntoIterator<Item = OsString>, verify: VerifySecret) -> Exit {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(error) => {
            output::complain(&format!("bellwire: {VERB}: {error}"));
            return Exit::Usage;
        }
    };
    let socket = match settle() {
        Ok(socket) => socket,
        Err(error) => {
            output::complain(&format!(
                "bellwire: {VERB} is run by the daemon and not by hand: {error}"
            ));
            return Exit::Usage;
        }
    };
    if let Some(level) = level(options.log) {
        logging::init(level);
    }
    if let Err(error) = capabilities::reduce() {
        log::warn!(
            "the helper has more rights than it needs, for the system does not take them: {error}"
        );
    }
    let served = serve(setup(options, socket, verify));
    match served {
        Ok(()) => Exit::Done,
        Err(Strange(what)) => {
            log::error!("the helper ends, for the daemon's request cannot be: {what}");
            Exit::Failed
        }
    }
}

fn setup(options: Options, socket: OwnedFd, verify: VerifySecret) -> Setup {
    let config = match &options.config {
        Some(file) => grant::read(file).ok().and_then(|read| read.config),
        None => Some(config::built_in()),
    };
    let mut permitted = Permitted::default();
    match &config {
        Some(config) => permitted.add(config),
        None => log::error!("the helper cannot read the configuration: nothing is granted"),
    }
    let identity = config.as_ref().map(privileges::resolve);
    Setup {
        socket,
        config: options.config,
        // Where there is none to give sockets to, the daemon itself has not started.
        identity: identity.and_then(Result::ok).flatten(),
        permitted,
        limit: options.limit,
        verify,
    }
}

/// Takes the socket, and makes the process one that other processes cannot look into and signals cannot end.
fn settle() -> io::Result<OwnedFd> {
    if !seqpacket::keeps_packets(io::stdin().as_fd()) {
        return Err(io::Error::other("its standard input is not the daemon"));
    }
    // SAFETY: none of these takes a pointer but for names that end in NUL. The descriptors that are closed are nobody's:
    // the process has just begun. Standard input is replaced while nobody reads it.
    unsafe {
        let closes = libc::STDERR_FILENO as libc::c_uint + 1;
        check(libc::close_range(closes, libc::c_uint::MAX, 0))?;
        let socket = check(libc::fcntl(SOCKET, libc::F_DUPFD_CLOEXEC, closes))?;
        let socket = OwnedFd::from_raw_fd(socket);
        let null = check(libc::open(
            c"/dev/null".as_ptr(),
            libc::O_RDWR | libc::O_CLOEXEC,
        ))?;
        let null = OwnedFd::from_raw_fd(null);
        check(libc::dup2(null.as_raw_fd(), SOCKET))?;
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::prctl(libc::PR_SET_NAME, c"bellwire-helper".as_ptr());
        check(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0))?;
        Ok(socket)
    }
}

fn level(filter: LevelFilter) -> Option<LogLevel> {
    match filter {
        LevelFilter::Off => None,
        LevelFilter::Error => Some(LogLevel::Error),
        LevelFilter::Warn => Some(LogLevel::Warn),
        LevelFilter::Info => Some(LogLevel::Info),
        LevelFilter::Debug => Some(LogLevel::Debug),
        LevelFilter::Trace => Some(LogLevel::Trace),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(OsString::from))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_says_what_to_serve() {
        let plain = Options {
            config: None,
            log: LevelFilter::Info,
            limit: Duration::from_secs(30),
        };
        assert_eq!(parsed(""), Ok(plain));
        let told = Options {
            config: Some(PathBuf::from("-odd.toml")),
            log: LevelFilter::Debug,
            limit: Duration::from_millis(250),
        };
        assert_eq!(
            parsed("--config -odd.toml --log DEBUG --attempt-limit-ms 250"),
            Ok(told)
        );
        for wrong in [
            "x",
            "--config",
            "--log loud",
            "--attempt-limit-ms -1",
            "-c f",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_the_environment_only_what_wrappers_and_the_journal_need_is_kept() {
        let kept = |name: &str| is_kept(&OsString::from(name));
        assert!(
            kept("LD_PRELOAD") && kept("PAM_WRAPPER_SERVICE_DIR") && kept("NSS_WRAPPER_PASSWD")
        );
        assert!(
            !kept("LD_LIBRARY_PATH") && !kept("HOME") && !kept("PATH") && !kept("BELLWIRE_CONFIG")
        );
    }
}
