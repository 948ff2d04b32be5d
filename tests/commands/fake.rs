//! A fake daemon, and commands that are run against it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a control socket, where one command gets a prepared answer.
pub(crate) struct Daemon {
    pub(crate) folder: TempDir,
    pub(crate) answers: JoinHandle<String>,
}

impl Daemon {
    /// Answers the first line with these lines, and returns it.
    pub(crate) fn answering(lines: &str) -> Daemon {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("s")).expect("a socket");
        let lines = lines.to_owned();
        let answers = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a command");
            let request = read_line(&stream);
            stream.write_all(lines.as_bytes()).expect("an answer");
            // Open until the command has had enough, as a daemon leaves it.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            request
        });
        Daemon { folder, answers }
    }

    pub(crate) fn with_result(result: &Value) -> Daemon {
        Daemon::answering(&format!(
            "{}\n",
            json!({"jsonrpc": "2.0", "id": 1, "result": result})
        ))
    }

    pub(crate) fn with_error(code: i32, message: &str) -> Daemon {
        let error = json!({"code": code, "message": message});
        Daemon::answering(&format!(
            "{}\n",
            json!({"jsonrpc": "2.0", "id": 1, "error": error})
        ))
    }

    /// Runs a command against it; gives the request that it sent, and its output and exit status.
    pub(crate) fn run(self, args: &[&str]) -> (Value, Ran) {
        self.run_with(args, b"")
    }

    pub(crate) fn run_with(self, args: &[&str], stdin: &[u8]) -> (Value, Ran) {
        let socket = self.folder.path().join("s");
        let mut child = bellwire(&self.folder, args)
            .env("BELLWIRE_SOCKET", socket)
            .spawn()
            .expect("the binary runs");
        feed(&mut child, stdin);
        let ran = ran(child);
        let request = self.answers.join().expect("a request");
        (serde_json::from_str(&request).expect("JSON"), ran)
    }
}

pub(crate) fn read_line(stream: &UnixStream) -> String {
    let mut line = String::new();
    let count = BufReader::new(stream).read_line(&mut line).expect("a line");
    assert!(count > 0 && line.ends_with('\n'), "{line}");
    line
}

pub(crate) fn feed(child: &mut Child, stdin: &[u8]) {
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(stdin).expect("stdin is read");
}

/// What a run printed, and its exit status.
#[derive(Debug, PartialEq)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn ran(child: Child) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("it ends");
    Ran {
        status: status.code(),
        stdout: String::from_utf8(stdout).expect("UTF-8"),
        stderr: String::from_utf8(stderr).expect("UTF-8"),
    }
}

/// The binary in its own folder, without environment variables that would change its behaviour.
pub(crate) fn bellwire(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwire"));
    command
        .args(args)
        .current_dir(folder.path())
        .env_remove("BELLWIRE_CONFIG")
        .env_remove("BELLWIRE_SOCKET")
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("JOURNAL_STREAM")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A command that needs no input.
pub(crate) fn run(command: &mut Command) -> Ran {
    let mut child = command.spawn().expect("the binary runs");
    feed(&mut child, b"");
    ran(child)
}

pub(crate) fn done(stdout: &str) -> Ran {
    ended(0, stdout, "")
}

pub(crate) fn ended(status: i32, stdout: &str, stderr: &str) -> Ran {
    Ran {
        status: Some(status),
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
    }
}
