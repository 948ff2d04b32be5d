//! `[client.trust]`: which certificates a client accepts, and which it shows. The files are not read here.

use std::path::PathBuf;

use crate::config::client::basic::warn_if_open;
use crate::config::fault::{Place, Placed};
use crate::config::table::Table;
use crate::config::tls::read_path;

/// The certificates that a client accepts, and its own. Moving it to another line changes nothing.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Authorities in PEM, instead of the system's.
    pub ca: Option<Placed<PathBuf>>,
    /// What the client shows to the server.
    pub identity: Option<ClientIdentity>,
    /// False: any certificate is accepted.
    pub verify: bool,
    /// Where `[client.trust]` begins, or the client that has no such table.
    pub place: Place,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, and after it those of its issuers, in PEM.
    pub certificate: Placed<PathBuf>,
    /// The key of the certificate, in PEM.
    pub private_key: Placed<PathBuf>,
}

impl PartialEq for Trust {
    fn eq(&self, other: &Trust) -> bool {
        (&self.ca, &self.identity, self.verify) == (&other.ca, &other.identity, other.verify)
    }
}

impl Eq for Trust {}

impl Trust {
    pub(super) fn read(mut table: Table<'_>, tls: bool) -> Trust {
        let place = table.place();
        if table.exists() && !tls {
            table.warn(
                place,
                "[client.trust] is of no use without TLS; tls = true or a wss:// URL turns that on",
            );
        }
        let ca = read_path(&mut table, "ca");
        let certificate = read_path(&mut table, "certificate");
        let private_key = read_path(&mut table, "private_key");
        for (key, other) in [
            ("certificate", "private_key"),
            ("private_key", "certificate"),
        ] {
            if table.has(other) {
                table.require(key, &format!("both {other} and {key}, or none"));
            }
        }
        let verify = table.flag_or("verify", true);
        if let (Some(ca), false) = (&ca, verify) {
            table.warn(ca.place, "ca: of no use, for verify is false");
        }
        if let Some(key) = &private_key {
            warn_if_open(&table, "private_key", &key.value, key.place);
        }
        table.finish();
        let identity = certificate.zip(private_key);
        Trust {
            ca,
            identity: identity.map(|(certificate, private_key)| ClientIdentity {
                certificate,
                private_key,
            }),
            verify,
            place,
        }
    }
}
