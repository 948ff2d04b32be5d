//! The built binary as a daemon of one server that speaks TLS.

use std::fs;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::Command;

use crate::authority::Authority;
use crate::daemon;

pub(crate) const PAGE: &str = "<!doctype html><title>hello</title>\n";

pub(crate) struct Daemon {
    daemon: daemon::Daemon,
    pub(crate) address: SocketAddr,
    pub(crate) authority: Authority,
}

impl Daemon {
    /// Starts it, with a line for the server and one for its TLS.
    pub(crate) fn start(server: &str, tls: &str) -> Daemon {
        let authority = Authority::new();
        let text = format!(
            "[[server]]\nbind = [\"127.0.0.1:0\"]\n{server}\n\n[server.tls]\n\
             certificate = \"cert.pem\"\nprivate_key = \"key.pem\"\n{tls}\n"
        );
        let daemon = daemon::Daemon::run_by(&text, 1, |binary, file| {
            let folder = file.parent().unwrap();
            authority.issue(folder);
            fs::write(folder.join("page.html"), PAGE).unwrap();
            fs::create_dir(folder.join("site")).unwrap();
            let mut command = Command::new(binary);
            command
                .args(["run", "-v", "-c", "bellwire.toml"])
                .current_dir(folder)
                .env_remove("JOURNAL_STREAM");
            command
        });
        Daemon {
            address: daemon.address(),
            daemon,
            authority,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}/", self.address)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Deref for Daemon {
    type Target = daemon::Daemon;

    fn deref(&self) -> &daemon::Daemon {
        &self.daemon
    }
}

impl DerefMut for Daemon {
    fn deref_mut(&mut self) -> &mut daemon::Daemon {
        &mut self.daemon
    }
}
