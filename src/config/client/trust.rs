//! `[client.trust]`: whose certificates a client believes, and which it shows. What is in the files is not read here.

use std::path::{Path, PathBuf};

use crate::config::client::basic::warn_if_open;
use crate::config::fault::{Faults, Place, Placed};
use crate::config::raw::Table;

/// Whom a client trusts, and by what it is trusted. Moved to other lines it is still the same.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Authorities in PEM, instead of the system's.
    pub ca: Option<Placed<PathBuf>>,
    /// What the client shows of itself.
    pub identity: Option<Identity>,
    /// False: any certificate is accepted.
    pub verify: bool,
    /// Where this is written, or the client that has nothing of it.
    pub place: Place,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, and after it those of its issuers, in PEM.
    pub certificate: Placed<PathBuf>,
    /// The key of the certificate, in PEM.
    pub private_key: Placed<PathBuf>,
}

impl PartialEq for Trust {
    fn eq(&self, other: &Trust) -> bool {
        let values = |trust: &Trust| {
            let path = |file: &Placed<PathBuf>| file.value.clone();
            let identity = trust.identity.as_ref();
            (
                trust.ca.as_ref().map(path),
                identity.map(|identity| (path(&identity.certificate), path(&identity.private_key))),
                trust.verify,
            )
        };
        values(self) == values(other)
    }
}

impl Eq for Trust {}

impl Trust {
    pub(super) fn read(
        mut table: Table<'_>,
        tls: bool,
        folder: &Path,
        faults: &mut Faults<'_>,
    ) -> Trust {
        let place = table.place();
        if table.is_there() && !tls {
            faults.warn(
                place,
                "[client.trust] is of no use without TLS; tls = true or a wss:// URL turns that on",
            );
        }
        let ca = read_path(&mut table, "ca", folder, faults);
        let certificate = read_path(&mut table, "certificate", folder, faults);
        let private_key = read_path(&mut table, "private_key", folder, faults);
        for (key, other) in [
            ("certificate", "private_key"),
            ("private_key", "certificate"),
        ] {
            if table.has(other) && !table.has(key) {
                faults.misplaced(
                    place,
                    format!("{key} is missing in [client.trust]; allowed: both {other} and {key}, or none"),
                );
            }
        }
        let verify = table.flag("verify", faults).is_none_or(|flag| flag.value);
        if let (Some(ca), false) = (&ca, verify) {
            faults.warn(ca.place, "ca: of no use, for verify is false");
        }
        if let Some(key) = &private_key {
            warn_if_open(&key.value, "private_key", key.place, faults);
        }
        table.finish(faults);
        let identity = certificate
            .zip(private_key)
            .map(|(certificate, private_key)| Identity {
                certificate,
                private_key,
            });
        Trust {
            ca,
            identity,
            verify,
            place,
        }
    }
}

fn read_path(
    table: &mut Table<'_>,
    key: &'static str,
    folder: &Path,
    faults: &mut Faults<'_>,
) -> Option<Placed<PathBuf>> {
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
}
