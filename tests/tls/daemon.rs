//! The built binary as a daemon of one server that speaks TLS.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::authority::Authority;

pub(crate) const PAGE: &str = "<!doctype html><title>hello</title>\n";

/// Long enough for a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
    pub(crate) address: SocketAddr,
    pub(crate) authority: Authority,
    pub(crate) folder: TempDir,
}

impl Daemon {
    /// Starts it; a line of the server and one of its TLS may be given.
    pub(crate) fn start(server: &str, tls: &str) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.issue(folder.path());
        fs::write(folder.path().join("page.html"), PAGE).unwrap();
        let text = format!(
            "[[server]]\nbind = [\"127.0.0.1:0\"]\n{server}\n\n[server.tls]\n\
             certificate = \"cert.pem\"\nprivate_key = \"key.pem\"\n{tls}\n"
        );
        fs::write(folder.path().join("bellwire.toml"), text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_bellwire"))
            .args(["run", "-c", "bellwire.toml"])
            .current_dir(folder.path())
            .env_remove("JOURNAL_STREAM")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut daemon = Daemon {
            child,
            lines,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            authority,
            folder,
        };
        let line = daemon.wait_for("https://");
        let (_, url) = line.split_once("https://").unwrap();
        daemon.address = url.trim_end_matches('/').parse().unwrap();
        daemon
    }

    /// The next line of its log that contains `text`.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("{text:?} was not logged: {error}"),
            }
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/", self.address)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn hang_up(&self) {
        // SAFETY: kill takes no pointers; the child has not been waited for, so its number is its own.
        let result = unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGHUP) };
        assert_eq!(result, 0);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
