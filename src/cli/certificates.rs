//! The certificates of the configuration's servers: read, and their faults put beside the keys that name them.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::certs::{self, Files, Loaded, Which};
use crate::config::{Findings, Place, Server, Tls};

/// What is wrong with the certificates of these servers, and what is to be warned of.
pub(super) fn findings(servers: &[Server]) -> Findings {
    let mut findings = Findings::default();
    for tls in servers.iter().filter_map(|server| server.tls.as_ref()) {
        match load(tls) {
            Ok(loaded) => {
                let place = tls.certificate.place;
                let warnings = warnings(&loaded).into_iter();
                findings.warned.extend(warnings.map(|what| (place, what)));
            }
            Err(faults) => findings.refused.extend(faults),
        }
    }
    findings
}

/// Reads the files of a server.
pub(super) fn load(tls: &Tls) -> Result<Loaded, Vec<(Place, String)>> {
    let files = Files {
        certificate: &tls.certificate.value,
        private_key: &tls.private_key.value,
        client_ca: tls.client_ca.as_ref().map(|file| file.value.as_path()),
    };
    certs::load(&files).map_err(|faults| {
        let place = |which| match which {
            Which::Certificate => tls.certificate.place,
            Which::PrivateKey => tls.private_key.place,
            Which::ClientCa => tls
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

/// Certificates that are out of their time.
pub(super) fn warnings(loaded: &Loaded) -> Vec<String> {
    let now = now();
    let warning = |facts: &certs::Facts| {
        let warning = facts.warning(now)?;
        Some(format!("certificate: {warning}"))
    };
    loaded.chain.iter().filter_map(warning).collect()
}

/// Each certificate in a line: subject, names and days left.
pub(super) fn describe(loaded: &Loaded) -> Vec<String> {
    let now = now();
    let line = |facts: &certs::Facts| match facts.days_left(now) {
        days if days < 0 => format!("{facts}, expired"),
        0 => format!("{facts}, less than a day left"),
        1 => format!("{facts}, 1 day left"),
        days => format!("{facts}, {days} days left"),
    };
    loaded.chain.iter().map(line).collect()
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
