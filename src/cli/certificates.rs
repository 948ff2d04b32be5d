//! Reads the certificates of servers and clients, and reports their faults at the configuration keys that name them.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::ClientConfig;

use crate::certs::{self, ClientFiles, ClientTls, ServerFiles, ServerTls, SystemRoots, Which};
use crate::config::{
    Client, Config, Daemon, Findings, Open, Place, Purpose, Server, Tls, open_file,
};
use crate::manager;
use crate::process::config_files::Opener;
use crate::proto::counted::counted;

/// The TLS configurations of servers and clients, in the order of the file.
#[derive(Default)]
pub(super) struct Certificates {
    servers: Vec<Option<ServerTls>>,
    clients: Vec<Option<Arc<ClientConfig>>>,
}

impl Certificates {
    /// Reads the certificates that these servers and clients name, by files that `open` opens. Also returns their faults
    /// and warnings.
    pub(super) fn read(
        servers: &[Server],
        clients: &[Client],
        open: Open<'_>,
    ) -> (Certificates, Findings) {
        let (mut read, mut findings) = (Certificates::default(), Findings::default());
        for server in servers {
            let loaded = server.tls.as_ref().map(|tls| (tls, load_by(tls, open)));
            read.servers.push(match loaded {
                None => None,
                Some((tls, Ok(loaded))) => {
                    let place = tls.certificate.place;
                    let warnings = warnings(&loaded).into_iter();
                    findings.warned.extend(warnings.map(|what| (place, what)));
                    Some(loaded)
                }
                Some((_, Err(faults))) => {
                    findings.refused.extend(faults);
                    None
                }
            });
        }
        let mut system = SystemRoots::new(open_authorities);
        for client in clients {
            let load = || load_client_by(client, &mut system, open);
            read.clients.push(match client.tls.then(load) {
                None => None,
                Some(Ok(loaded)) => {
                    let identity = client.trust.identity.as_ref();
                    let place = identity.map_or(client.trust.place, |own| own.certificate.place);
                    let warnings = loaded.chain.iter().filter_map(warning);
                    findings.warned.extend(warnings.map(|what| (place, what)));
                    Some(loaded.config)
                }
                Some(Err(faults)) => {
                    findings.refused.extend(faults);
                    None
                }
            });
        }
        (read, findings)
    }

    /// Joins them with the configuration that names them.
    pub(super) fn with(self, config: Config) -> manager::Loaded {
        manager::Loaded {
            config,
            server_tls: self.servers,
            client_tls: self.clients,
        }
    }
}

/// Reads the files of a client that speaks TLS.
pub(super) fn load_client(
    client: &Client,
    system: &mut SystemRoots,
) -> Result<ClientTls, Vec<(Place, String)>> {
    let opener = Opener::of(&Daemon::default());
    load_client_by(client, system, &|path, purpose| opener.open(path, purpose))
}

/// Opens a file of the system's own authorities.
pub(super) fn open_authorities(path: &Path) -> io::Result<File> {
    open_file(path, Purpose::Secret)
}

/// The same, by files that `open` opens.
pub(super) fn load_client_by(
    client: &Client,
    system: &mut SystemRoots,
    open: Open<'_>,
) -> Result<ClientTls, Vec<(Place, String)>> {
    let trust = &client.trust;
    let identity = trust.identity.as_ref();
    let files = ClientFiles {
        ca: trust.ca.as_ref().map(|file| file.value.as_path()),
        identity: identity.map(|identity| {
            (
                identity.certificate.value.as_path(),
                identity.private_key.value.as_path(),
            )
        }),
        verify: trust.verify,
        open: &|path| open(path, Purpose::Secret),
    };
    certs::load_client(&files, system).map_err(|faults| {
        let place = |which| match (which, identity) {
            (Which::Certificate, Some(identity)) => identity.certificate.place,
            (Which::PrivateKey, Some(identity)) => identity.private_key.place,
            _ => trust.ca.as_ref().map_or(trust.place, |file| file.place),
        };
        faults
            .into_iter()
            .map(|fault| (place(fault.which), fault.what))
            .collect()
    })
}

/// Reads the files of a server that speaks TLS.
pub(super) fn load_by(tls: &Tls, open: Open<'_>) -> Result<ServerTls, Vec<(Place, String)>> {
    let files = ServerFiles {
        certificate: &tls.certificate.value,
        private_key: &tls.private_key.value,
        client_ca: tls.client_ca.as_ref().map(|file| file.value.as_path()),
        open: &|path| open(path, Purpose::Secret),
    };
    certs::load(&files).map_err(|faults| {
        let place = |which| match which {
            Which::Certificate => tls.certificate.place,
            Which::PrivateKey => tls.private_key.place,
            Which::ClientCa | Which::Ca | Which::System => tls
                .client_ca
                .as_ref()
                .map_or(tls.certificate.place, |file| file.place),
        };
        faults
            .into_iter()
            .map(|fault| (place(fault.which), fault.what))
            .collect()
    })
}

/// Warnings about certificates that have expired or are not valid yet.
pub(super) fn warnings(loaded: &ServerTls) -> Vec<String> {
    loaded.chain.iter().filter_map(warning).collect()
}

fn warning(facts: &certs::CertificateFacts) -> Option<String> {
    let warning = facts.warning(now())?;
    Some(format!("certificate: {warning}"))
}

/// Logs the certificates that were read.
pub(super) fn log_read(tls: &Tls, loaded: &ServerTls) {
    let file = tls.certificate.value.display();
    for line in describe(loaded) {
        log::info!("{file}: certificate read: {line}");
    }
}

/// A line for each certificate: subject, names and days left.
pub(super) fn describe(loaded: &ServerTls) -> Vec<String> {
    let line = |facts: &certs::CertificateFacts| format!("{facts}, {}", time_left(facts));
    loaded.chain.iter().map(line).collect()
}

/// `60 days left`.
pub(super) fn time_left(facts: &certs::CertificateFacts) -> String {
    match facts.days_left(now()) {
        days if days < 0 => "expired".to_owned(),
        0 => "less than a day left".to_owned(),
        days => format!("{} left", counted(days, "day")),
    }
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
