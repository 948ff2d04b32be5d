//! Floor 5: the helper, a small process that keeps the rights which the daemon gives up. Only it calls PAM.
//!
//! The model is OpenSSH's monitor. The requests are a table ([`Ask`](crate::proto::helper::Ask)); any other ends the
//! helper. It is this binary, started again before privileges are dropped, with its end of a socket as standard input.
//! Children, four at a time, do what may block or crash. It reads the configuration itself, and opens and binds only what
//! that names: the process that faces the network can ask for nothing else. It ends when the daemon closes its end, and
//! its children end with it; signals for the daemon do not reach it.
//!
//! Left to right, each file imports from those before it: confine, queue, permitted, guesses, pam, attempt, grant,
//! serve, supervisor.

mod attempt;
mod confine;
mod grant;
mod guesses;
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
use crate::process::capabilities;
use crate::process::config_files::Opener;
use crate::process::exit::Exit;
use crate::process::identity;
use crate::process::privileges;
use crate::process::socket_folder::{Leftover, SocketPlace};
use crate::process::syscall::check;
use crate::process::{logging, output};

use attempt::VerifySecret;
use permitted::Permitted;
use serve::{InvalidRequest, Setup, serve};

/// The verb by which the binary runs itself. No help shows it: it is not for people.
pub(crate) const VERB: &str = "helper";

/// How long an attempt may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The descriptor that the socket is passed as.
const SOCKET: libc::c_int = libc::STDIN_FILENO;

/// Beginnings of the names of environment variables that the helper keeps. Tests need those of the wrappers of PAM and of
/// the user database.
const KEPT: [&str; 4] = ["LD_PRELOAD", "PAM_WRAPPER", "NSS_WRAPPER", "JOURNAL_STREAM"];

/// What it keeps of root's rights: what PAM modules need to check an account, what a reload needs to open keys and bind
/// addresses, and what leaves all files behind.
const KEPT_CAPABILITIES: [u32; 10] = [
    capabilities::CHOWN,
    capabilities::DAC_OVERRIDE,
    capabilities::DAC_READ_SEARCH,
    capabilities::FOWNER,
    capabilities::KILL,
    capabilities::SETGID,
    capabilities::SETUID,
    capabilities::NET_BIND_SERVICE,
    capabilities::SYS_CHROOT,
    capabilities::AUDIT_WRITE,
];

/// The PATH of the helper, in which PAM modules find programs.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts the helper, and returns the daemon's end of the socket and the process. Call it before privileges are dropped.
/// `control` is a socket that is removed when the daemon has ended.
///
/// # Errors
/// The system's.
pub(crate) fn spawn(config: Option<&Path>, control: Option<&Path>) -> io::Result<(OwnedFd, Child)> {
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
    if let Some(path) = control {
        command.arg("--remove").arg(path);
    }
    Ok((near, command.spawn()?))
}

fn is_kept(name: &OsString) -> bool {
    let name = name.as_encoded_bytes();
    KEPT.iter().any(|kept| name.starts_with(kept.as_bytes()))
}

/// The options of the helper's command line.
#[derive(Debug, PartialEq, Eq)]
struct HelperOptions {
    config: Option<PathBuf>,
    /// A socket to remove at the end.
    remove: Option<PathBuf>,
    log: LevelFilter,
    limit: Duration,
}

impl HelperOptions {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<HelperOptions, lexopt::Error> {
        let mut options = HelperOptions {
            config: None,
            remove: None,
            log: LevelFilter::Info,
            limit: LIMIT,
        };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            use lexopt::ValueExt as _;
            match arg {
                Arg::Long("config") => options.config = Some(parser.value()?.into()),
                Arg::Long("remove") => options.remove = Some(parser.value()?.into()),
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

/// Runs the helper, with its arguments after [`VERB`].
pub(crate) fn main(args: impl IntoIterator<Item = OsString>, verify: VerifySecret) -> Exit {
    let options = match HelperOptions::parse(args) {
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
    if let Err(error) = capabilities::keep_only(&KEPT_CAPABILITIES) {
        log::warn!(
            "the helper keeps more rights than it needs, because the system does not take them: {error}"
        );
    }
    let control = options.remove.clone();
    let setup = setup(options, socket, verify);
    let place =
        control.map(|path| SocketPlace::find(&path, grant::trusted(setup.identity.as_ref())));
    let leftovers = place.into_iter().flatten().map(Leftover::of).collect();
    let served = serve(setup, leftovers);
    let exit = match served {
        Ok(()) => Exit::Done,
        Err(InvalidRequest(what)) => {
            log::error!("the helper ends because of an invalid request of the daemon: {what}");
            Exit::Failed
        }
    };
    logging::finish();
    exit
}

fn setup(options: HelperOptions, socket: OwnedFd, verify: VerifySecret) -> Setup {
    let config = match &options.config {
        Some(file) => match grant::read(file) {
            Ok(read) if read.is_faultless => Ok(read.config),
            Ok(_) => Err(io::Error::other("it has a fault")),
            Err(error) => Err(error),
        },
        None => Ok(config::built_in()),
    };
    let config = config.inspect_err(|error| {
        log::error!("the helper permits nothing, for it cannot read the configuration: {error}");
    });
    let config = config.ok();
    let mut permitted = Permitted::default();
    config.iter().for_each(|config| permitted.add(config));
    let daemon = config.as_ref().map(|config| &config.daemon);
    let opener = Opener::of(daemon.unwrap_or(&config::Daemon::default()));
    let identity = config.as_ref().map(privileges::resolve);
    Setup {
        socket,
        config: options.config,
        // Without a valid user the daemon itself does not start.
        identity: identity.and_then(Result::ok).flatten(),
        opener,
        permitted,
        limit: options.limit,
        verify,
    }
}

/// Takes the socket, and protects the process from being read by other processes and from signals for the daemon.
fn settle() -> io::Result<OwnedFd> {
    if !seqpacket::keeps_packets(io::stdin().as_fd()) {
        return Err(io::Error::other("its standard input is not the daemon"));
    }
    // SAFETY: the only pointers are of names that end in NUL. Nobody uses the descriptors that are closed: the process has
    // just begun. Standard input is replaced while nobody reads it.
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
        privileges::write_no_core()?;
        // Who is not root checks passwords by a program of PAM's that gains rights.
        if identity::is_root() {
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        }
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

    fn parsed(line: &str) -> Result<HelperOptions, String> {
        HelperOptions::parse(line.split_whitespace().map(OsString::from))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_says_what_to_serve() {
        let plain = HelperOptions {
            config: None,
            remove: None,
            log: LevelFilter::Info,
            limit: Duration::from_secs(30),
        };
        assert_eq!(parsed(""), Ok(plain));
        let told = HelperOptions {
            config: Some(PathBuf::from("-odd.toml")),
            remove: Some(PathBuf::from("s")),
            log: LevelFilter::Debug,
            limit: Duration::from_millis(250),
        };
        assert_eq!(
            parsed("--config -odd.toml --remove s --log DEBUG --attempt-limit-ms 250"),
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
