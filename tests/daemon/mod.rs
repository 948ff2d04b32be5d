//! A running daemon for tests: the built binary, a configuration of its own, ports that the system picks.

// Each test file uses what it needs of it.
#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tungstenite::WebSocket;
use tungstenite::client::IntoClientRequest;

/// How long to wait for anything before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a command printed, and its exit status.
#[derive(Debug, PartialEq)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Its output, if it succeeded.
    pub(crate) fn done(&self) -> &str {
        assert_eq!(self.status, Some(0), "{self:?}");
        &self.stdout
    }

    /// Its stderr, if it failed with this status.
    pub(crate) fn failed(&self, status: i32) -> &str {
        assert_eq!(self.status, Some(status), "{self:?}");
        &self.stderr
    }
}

/// A daemon that ends with the test.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
    /// Nobody reads its log while this is locked.
    pub(crate) unread: Arc<Mutex<()>>,
    /// What it has logged so far.
    pub(crate) log: Vec<String>,
    /// The addresses of its TCP bindings, in their order.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Where its configuration is, and its unix sockets.
    pub(crate) folder: TempDir,
}

impl Daemon {
    /// Runs a configuration; `bindings` is the number of TCP bindings in it.
    pub(crate) fn run(config: &str, bindings: usize) -> Daemon {
        Daemon::run_in(config, bindings, |_| ())
    }

    /// As [`Daemon::run`], when `prepare` has put other files into the folder of the configuration.
    pub(crate) fn run_in(config: &str, bindings: usize, prepare: impl FnOnce(&Path)) -> Daemon {
        Daemon::run_by(config, bindings, |binary, file| {
            prepare(file.parent().expect("a folder"));
            let mut command = Command::new(binary);
            command.args(["run", "-v", "-c"]).arg(file);
            command
        })
    }

    /// As [`Daemon::run`], by another command: it gets the binary and the configuration file.
    pub(crate) fn run_by(
        config: &str,
        bindings: usize,
        command: impl FnOnce(&str, &Path) -> Command,
    ) -> Daemon {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bellwire.toml");
        fs::write(&file, in_its_folder(config)).expect("a configuration");
        let mut child = command(env!("CARGO_BIN_EXE_bellwire"), &file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let stderr = child.stderr.take().expect("its log");
        let (sender, lines) = channel();
        let unread = Arc::<Mutex<()>>::default();
        let pause = Arc::clone(&unread);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                drop(pause.lock());
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut daemon = Daemon {
            child,
            lines,
            unread,
            log: Vec::new(),
            addresses: Vec::new(),
            folder,
        };
        while daemon.addresses.len() < bindings {
            let line = daemon.wait_for_log("://");
            let url = ["http://", "https://"]
                .into_iter()
                .find_map(|it| line.split_once(it));
            let Some((_, address)) = url else { continue };
            let address = address.split('/').next().and_then(|it| it.parse().ok());
            daemon.addresses.push(address.expect("an address"));
        }
        daemon
    }

    /// The address of its first binding.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Waits for a line of its log that has `text` in it.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("no {text:?} in the log: {:#?}", self.log),
            }
        }
    }

    /// Runs a command against it.
    pub(crate) fn command(&self, args: &[&str]) -> Ran {
        self.command_with(args, b"")
    }

    /// The same, of a command that reads its input.
    pub(crate) fn command_with(&self, args: &[&str], stdin: &[u8]) -> Ran {
        let mut child = self.spawn(args);
        // One that needs no input may be gone already.
        let _ = child.stdin.take().expect("a pipe").write_all(stdin);
        let output = child.wait_with_output().expect("it ends");
        Ran {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Begins a command against it.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_bellwire"))
            .args(args)
            .current_dir(self.folder.path())
            .env("BELLWIRE_SOCKET", self.folder.path().join("control"))
            .env_remove("BELLWIRE_CONFIG")
            .env_remove("JOURNAL_STREAM")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs")
    }

    /// Replaces its configuration file. The daemon does not read it until it is told to.
    pub(crate) fn configure(&self, config: &str) {
        let file = self.folder.path().join("bellwire.toml");
        fs::write(file, in_its_folder(config)).expect("a configuration");
    }

    /// Its process.
    pub(crate) fn pid(&self) -> libc::pid_t {
        libc::pid_t::try_from(self.child.id()).expect("a pid")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child has not been waited for, so the pid is still its own.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0);
    }

    /// Waits for its end; the log is whole then.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            // The log ends when the process does.
            match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => self.log.push(line),
                Err(_) => {
                    if let Some(status) = self.child.try_wait().expect("its status") {
                        self.log.extend(self.lines.try_iter());
                        return status;
                    }
                }
            }
        }
        panic!("it does not end: {:#?}", self.log);
    }

    /// A connection to its first binding that gives up in time.
    pub(crate) fn connect(&self) -> TcpStream {
        self.connect_to(self.address())
    }

    /// The same, to another address.
    pub(crate) fn connect_to(&self, address: SocketAddr) -> TcpStream {
        let peer = TcpStream::connect(address).expect("a connection");
        peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        peer.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        peer
    }

    /// A WebSocket to its first binding.
    pub(crate) fn open(&self) -> WebSocket<TcpStream> {
        self.open_with(&[]).expect("an open WebSocket")
    }

    /// The same, with these fields in the request.
    pub(crate) fn open_with(
        &self,
        fields: &[(&'static str, &str)],
    ) -> Result<WebSocket<TcpStream>, String> {
        let url = format!("ws://{}/", self.address());
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in fields {
            let value = value.parse().expect("a value");
            request.headers_mut().insert(*name, value);
        }
        let opened = tungstenite::client(request, self.connect());
        opened
            .map(|(socket, _)| socket)
            .map_err(|error| error.to_string())
    }

    /// What it answers to these bytes until it closes.
    pub(crate) fn ask(&self, request: &[u8]) -> String {
        let mut peer = self.connect();
        peer.write_all(request).expect("written");
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer)
            .expect("an answer and its end");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The log ends with the process.
        self.log.extend(self.lines.iter());
        if std::thread::panicking() {
            eprintln!("the daemon's log: {:#?}", self.log);
        } else {
            // The daemon survives a panic and logs it: no test may cause one.
            let panics = self.log.iter().any(|line| line.contains("panic at "));
            assert!(!panics, "the daemon's log: {:#?}", self.log);
        }
    }
}

/// Waits until something is so that no event tells of.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Raises the descriptor limit of this process, and of daemons that it starts, to the maximum; gives that number.
pub(crate) fn raise_descriptor_limit() -> u64 {
    // SAFETY: both calls are given a whole rlimit, to write to and to read from.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
        limit.rlim_cur
    }
}

/// The same for root, which would otherwise change to a user that may not exist and cannot read the folders of tests.
pub(crate) fn for_whoever_runs(config: &str) -> String {
    // SAFETY: geteuid has no arguments and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    if root {
        with_daemon(config, "user", "root")
    } else {
        config.to_owned()
    }
}

/// The same with its own control socket, since many daemons of one user run at the same time.
fn in_its_folder(config: &str) -> String {
    with_daemon(&for_whoever_runs(config), "socket", "control")
}

/// The same with another key in the table of the daemon, unless it is there.
fn with_daemon(config: &str, key: &str, value: &str) -> String {
    let is_key = |line: &str| line.starts_with(&format!("{key} = "));
    if config.lines().any(is_key) {
        return config.to_owned();
    }
    match config.split_once("[daemon]\n") {
        Some((before, after)) => format!("{before}[daemon]\n{key} = \"{value}\"\n{after}"),
        None => format!("{config}\n[daemon]\n{key} = \"{value}\"\n"),
    }
}
