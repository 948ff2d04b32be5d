//! `[server.tls]`: which files a server speaks TLS by. What is in them is not read here.

use std::path::{Path, PathBuf};

use crate::config::fault::{Faults, Placed};
use crate::config::raw::Table;

/// The files of a server that speaks TLS, and where they are named. Moved to other lines they are still the same.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, and after it those of its issuers, in PEM.
    pub certificate: Placed<PathBuf>,
    /// The key of the certificate, in PEM.
    pub private_key: Placed<PathBuf>,
    /// Of these authorities a client has to show a certificate.
    pub client_ca: Option<Placed<PathBuf>>,
}

impl PartialEq for Tls {
    fn eq(&self, other: &Tls) -> bool {
        let values = |tls: &Tls| {
            let client_ca = tls.client_ca.as_ref().map(|file| file.value.clone());
            [
                Some(tls.certificate.value.clone()),
                Some(tls.private_key.value.clone()),
                client_ca,
            ]
        };
        values(self) == values(other)
    }
}

impl Eq for Tls {}

impl Tls {
    /// Reads the table, which is there.
    pub(super) fn read(
        mut table: Table<'_>,
        folder: &Path,
        faults: &mut Faults<'_>,
    ) -> Option<Tls> {
        let mut file = |key: &'static str, faults: &mut Faults<'_>| {
            let Placed { value, place } = table.text(key, faults)?;
            if value.is_empty() {
                faults.refuse(
                    place,
                    format!("{key}: \"\"; allowed: the path of a PEM file"),
                );
                return None;
            }
            Some(Placed {
                value: folder.join(value),
                place,
            })
        };
        let certificate = file("certificate", faults);
        let private_key = file("private_key", faults);
        let client_ca = file("client_ca", faults);
        for key in ["certificate", "private_key"] {
            if !table.has(key) {
                faults.misplaced(
                    table.place(),
                    format!("{key} is missing in [server.tls]; allowed: the path of a PEM file"),
                );
            }
        }
        table.finish(faults);
        Some(Tls {
            certificate: certificate?,
            private_key: private_key?,
            client_ca,
        })
    }
}
