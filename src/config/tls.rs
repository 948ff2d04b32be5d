//! `[server.tls]`: the files of a server that speaks TLS. Their contents are not read here.

use std::path::PathBuf;

use crate::config::fault::Placed;
use crate::config::table::Table;

/// The files of a server that speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and after it those of its issuers, in PEM.
    pub certificate: Placed<PathBuf>,
    /// The key of the certificate, in PEM.
    pub private_key: Placed<PathBuf>,
    /// Authorities in PEM: a client has to show a certificate of one of them.
    pub client_ca: Option<Placed<PathBuf>>,
}

const FILE: &str = "the path of a PEM file";

impl Tls {
    /// Reads the table, if it exists.
    pub(super) fn read(mut table: Table<'_>) -> Option<Tls> {
        if !table.exists() {
            return None;
        }
        let certificate = read_path(&mut table, "certificate");
        let private_key = read_path(&mut table, "private_key");
        let client_ca = read_path(&mut table, "client_ca");
        table.require("certificate", FILE);
        table.require("private_key", FILE);
        table.finish();
        Some(Tls {
            certificate: certificate?,
            private_key: private_key?,
            client_ca,
        })
    }
}

/// The path of a PEM file.
pub(super) fn read_path(table: &mut Table<'_>, key: &'static str) -> Option<Placed<PathBuf>> {
    let path = table.checked(key, FILE, |path| !path.is_empty())?;
    Some(path.map(|path| table.folder().join(path)))
}
