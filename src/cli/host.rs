//! The host of the manager: reads the configuration and keys, and binds addresses. It uses the rights of this process, or
//! those of the helper after this process has given up root's.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::cli::args::Verbosity;
use crate::cli::certificates::{self, Certificates};
use crate::cli::notify::Notify;
use crate::cli::sockets::{Sockets, ask_helper};
use crate::cli::source;
use crate::config::{self, Address, Daemon, Fault, MAX_FILE, Open, Purpose, Tls};
use crate::engine::{Bound, Engine};
use crate::manager::{Host, Loaded, ServerTls, TlsFaults};
use crate::process::config_files::{self, ConfigText, Opener};
use crate::process::{identity, logging};
use crate::proto::helper::Ask;

/// This process, as the host of the manager.
#[derive(Debug)]
pub(super) struct ThisProcess {
    /// The configuration file; `None` for the built-in default.
    pub file: Option<PathBuf>,
    /// Where sockets come from: here, or by the helper.
    pub sockets: Sockets,
    /// How files are opened that the helper does not open.
    pub opener: Opener,
    /// The log level of the command line.
    pub verbosity: Verbosity,
    /// Reports to the service manager.
    pub notify: Notify,
}

impl ThisProcess {
    /// Whether root's rights were given up, so that only the helper has them.
    fn gave_up_root(&self) -> bool {
        self.sockets == Sockets::OwnOrHelper
    }

    /// Runs `work` with a function that opens what the configuration names: secrets by the helper, if root's rights were
    /// given up.
    fn opening<T>(&self, engine: &mut Engine, work: impl FnOnce(Open<'_>) -> T) -> T {
        let engine = RefCell::new(engine);
        work(&|path, purpose| {
            if purpose == Purpose::Secret && self.gave_up_root() {
                let path = path.to_owned();
                ask_helper(&mut engine.borrow_mut(), Ask::Open { path }).map(File::from)
            } else {
                self.opener.open(path, purpose)
            }
        })
    }

    /// Reads the text of the configuration. When the helper reads it, the helper permits from then on what that text names.
    fn read(&self, engine: &mut Engine, file: &Path) -> io::Result<ConfigText> {
        if !self.gave_up_root() {
            return config_files::read(file);
        }
        let text = ask_helper(engine, Ask::Reload)?;
        let mut bytes = Vec::new();
        File::from(text).take(MAX_FILE).read_to_end(&mut bytes)?;
        Ok(ConfigText {
            bytes,
            warning: None,
        })
    }
}

impl Host for ThisProcess {
    fn load(&mut self, engine: &mut Engine) -> Result<Loaded, Vec<Fault>> {
        let Some(file) = &self.file else {
            return Ok(Loaded::from(config::built_in()));
        };
        let text = self
            .read(engine, file)
            .map_err(|error| vec![source::fault_of(file, &error)])?;
        let has_rights = !self.gave_up_root();
        let mut read = Certificates::default();
        let mut config = self.opening(engine, |open| {
            config::read_with(&text.bytes, file, open, |daemon, servers, clients| {
                let (certificates, mut findings) =
                    source::system_findings(servers, clients, open, has_rights);
                read = certificates;
                // The user in [daemon] is applied at start only, so this process need not be able to become that user.
                if has_rights {
                    findings.refused.extend(identity::faults(daemon));
                }
                findings
            })
        })?;
        config.warnings.splice(0..0, text.warning);
        let loaded = read.with(config);
        for (server, tls) in loaded.config.servers.iter().zip(&loaded.server_tls) {
            if let (Some(conf), Some(tls)) = (&server.tls, tls) {
                certificates::log_read(conf, tls);
            }
        }
        Ok(loaded)
    }

    fn bind(&mut self, engine: &mut Engine, address: &Address) -> io::Result<Bound> {
        self.sockets.bind(engine, address)
    }

    fn server_tls(&mut self, engine: &mut Engine, tls: &Tls) -> Result<ServerTls, TlsFaults> {
        let loaded = self.opening(engine, |open| certificates::load_by(tls, open))?;
        certificates::log_read(tls, &loaded);
        for warning in certificates::warnings(&loaded) {
            log::warn!("{}: {warning}", tls.certificate.value.display());
        }
        Ok(loaded)
    }

    fn is_member(&self, user: &str, groups: &[String]) -> bool {
        identity::is_member(user, groups)
    }

    fn reloading(&mut self) {
        self.notify.reloading();
    }

    fn reloaded(&mut self, daemon: Option<&Daemon>) {
        if let Some(daemon) = daemon {
            logging::set(self.verbosity.level(daemon.log));
        }
        self.notify.ready();
    }
}
