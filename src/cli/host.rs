//! What the manager asks of whoever runs it: the configuration, addresses and keys, with the rights of this process, or
//! after root's were given up, by the helper, which has kept them.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::certs::SystemRoots;
use crate::cli::args::Verbosity;
use crate::cli::notify::Notify;
use crate::cli::{certificates, source};
use crate::config::{self, Address, Client, Config, Daemon, Fault, Tls};
use crate::engine::{Bound, Engine, HelperReply};
use crate::manager::{Host, ServerTls, TlsFaults, bind};
use crate::process::{identity, logging};
use crate::proto::helper::{Answer, Ask};

/// The longest configuration that is taken from the helper.
const MAX_TEXT: u64 = 16 * 1024 * 1024;

/// The process as it runs.
#[derive(Debug)]
pub(super) struct ThisProcess {
    /// The configuration file that was read at start; none for the built-in default.
    pub file: Option<PathBuf>,
    /// Root's rights were given up, so that the helper has to be asked for what needs them.
    pub gave_up_root: bool,
    /// What the command line says of the log.
    pub verbosity: Verbosity,
    /// The way to the service manager.
    pub notify: Notify,
}

impl ThisProcess {
    /// Runs `work` with a way to open files: as this process, and where that is not allowed, by the helper.
    fn opening<T>(
        &self,
        engine: &mut Engine,
        work: impl FnOnce(&dyn Fn(&Path) -> io::Result<File>) -> T,
    ) -> T {
        let engine = RefCell::new(engine);
        work(&|path| match config::open_file(path) {
            Err(error) if self.gave_up_root && error.kind() == ErrorKind::PermissionDenied => {
                let path = path.to_owned();
                ask(&mut engine.borrow_mut(), Ask::Open { path }).map(File::from)
            }
            done => done,
        })
    }

    /// The text of the configuration: what the helper has read is what it grants from then on.
    fn read(&self, engine: &mut Engine, file: &Path) -> io::Result<Vec<u8>> {
        if !self.gave_up_root {
            return std::fs::read(file);
        }
        let text = ask(engine, Ask::Reload)?;
        let mut bytes = Vec::new();
        File::from(text).take(MAX_TEXT).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Host for ThisProcess {
    fn load(&mut self, engine: &mut Engine) -> Result<Config, Vec<Fault>> {
        let Some(file) = &self.file else {
            return Ok(config::built_in());
        };
        let fault = |error: io::Error| {
            vec![Fault {
                file: file.clone(),
                place: None,
                what: error.to_string(),
            }]
        };
        let bytes = self.read(engine, file).map_err(fault)?;
        self.opening(engine, |open| {
            config::read_with(&bytes, file, open, |daemon, servers, clients| {
                let mut findings = source::findings(servers, clients, open, !self.gave_up_root);
                // Whom root becomes is said at start only, and who this process is by now is nobody's fault.
                if !self.gave_up_root {
                    findings.refused.extend(identity::faults(daemon));
                }
                findings
            })
        })
    }

    fn bind(&mut self, engine: &mut Engine, address: &Address) -> io::Result<Bound> {
        match bind(address) {
            Err(error) if self.gave_up_root && error.kind() == ErrorKind::PermissionDenied => {
                let listener = ask(
                    engine,
                    Ask::Bind {
                        address: address.to_string(),
                    },
                )?;
                match address {
                    Address::Tcp(_) => Ok(Bound::tcp_from(listener)),
                    Address::Unix(path) => Bound::unix_from(listener, path),
                }
            }
            done => done,
        }
    }

    fn server_tls(&mut self, engine: &mut Engine, tls: &Tls) -> Result<ServerTls, TlsFaults> {
        let loaded = self.opening(engine, |open| certificates::load_by(tls, open))?;
        let file = tls.certificate.value.display();
        for line in certificates::describe(&loaded) {
            log::info!("{file}: certificate read: {line}");
        }
        for warning in certificates::warnings(&loaded) {
            log::warn!("{file}: {warning}");
        }
        Ok(ServerTls {
            config: loaded.config,
            digest: loaded.digest,
        })
    }

    fn client_tls(
        &mut self,
        engine: &mut Engine,
        client: &Client,
    ) -> Result<Option<Arc<ClientConfig>>, TlsFaults> {
        if !client.tls {
            return Ok(None);
        }
        let mut system = SystemRoots::new(config::open_file);
        let loaded = self.opening(engine, |open| {
            certificates::load_client_by(client, &mut system, open)
        })?;
        Ok(Some(loaded.config))
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

/// Asks the helper for a descriptor.
fn ask(engine: &mut Engine, ask: Ask) -> io::Result<OwnedFd> {
    let HelperReply {
        answer, descriptor, ..
    } = engine
        .ask_now(ask)
        .map_err(|error| io::Error::other(error.to_string()))?;
    match (answer, descriptor) {
        // Of a configuration at fault the text comes too: whoever reads it finds the faults.
        (Answer::Descriptor | Answer::Reloaded { .. }, Some(descriptor)) => Ok(descriptor),
        (Answer::Failed(why), _) => Err(io::Error::other(why)),
        _ => Err(io::Error::other("the helper cannot do it now")),
    }
}
