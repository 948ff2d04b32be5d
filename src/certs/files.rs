//! Certificates and keys in files, and the faults of these files.

use std::path::Path;

use rustls::InconsistentKeys;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::der::CertificateFacts;
use super::pem::{self, Open};

/// Which file has a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The certificate of a server or a client.
    Certificate,
    /// Its key.
    PrivateKey,
    /// The authorities that a server trusts for clients.
    ClientCa,
    /// The authorities that a client trusts for servers.
    Ca,
    /// The authorities that the system trusts.
    System,
}

impl Which {
    /// The key of the configuration that names the file, and what is allowed there.
    fn key_and_allowed(self) -> (&'static str, &'static str) {
        match self {
            Which::Certificate => (
                "certificate",
                "a PEM file with the certificate and then those of its issuers",
            ),
            Which::PrivateKey => (
                "private_key",
                "a PEM file with the key of the certificate, not encrypted, as PKCS#8, PKCS#1 or SEC1",
            ),
            Which::ClientCa => (
                "client_ca",
                "a PEM file with the certificates of authorities for clients",
            ),
            Which::Ca => (
                "ca",
                "a PEM file with the certificates of authorities for servers",
            ),
            Which::System => (
                "tls",
                "a system with the certificates of authorities (the package ca-certificates), or ca in [client.trust]",
            ),
        }
    }
}

/// The fault of a file, in one line with the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFault {
    /// The file.
    pub which: Which,
    /// What is wrong, and what is allowed.
    pub what: String,
}

impl CertificateFault {
    pub(super) fn new(which: Which, path: &Path, what: &str) -> CertificateFault {
        CertificateFault::without_path(which, &format!("{}: {what}", path.display()))
    }

    pub(super) fn without_path(which: Which, what: &str) -> CertificateFault {
        let (key, allowed) = which.key_and_allowed();
        CertificateFault {
            which,
            what: format!("{key}: {what}; allowed: {allowed}"),
        }
    }
}

pub(super) type Chain = (Vec<CertificateDer<'static>>, Vec<CertificateFacts>);

pub(super) fn read_chain(
    path: &Path,
    which: Which,
    open: Open<'_>,
) -> Result<Chain, CertificateFault> {
    let fault = |what: String| CertificateFault::new(which, path, &what);
    let chain = pem::read(path, open)
        .and_then(|text| pem::certificates(&text))
        .map_err(fault)?;
    let facts = chain.iter().enumerate().map(|(at, certificate)| {
        CertificateFacts::read(certificate)
            .ok_or_else(|| fault(format!("certificate {} of it cannot be read", at + 1)))
    });
    let facts = facts.collect::<Result<_, _>>()?;
    Ok((chain, facts))
}

pub(super) fn read_key(
    path: &Path,
    open: Open<'_>,
) -> Result<PrivateKeyDer<'static>, CertificateFault> {
    pem::read(path, open)
        .and_then(|text| pem::key(&text))
        .map_err(|what| CertificateFault::new(Which::PrivateKey, path, &what))
}

/// Reads the certificates of authorities.
pub(super) fn read_roots(
    path: &Path,
    which: Which,
    open: Open<'_>,
) -> Result<RootCertStore, CertificateFault> {
    let (certificates, _) = read_chain(path, which, open)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| CertificateFault::new(which, path, &error.to_string()))?;
    }
    Ok(roots)
}

/// Joins a certificate and its key, if they belong together.
pub(super) fn identity(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    (certificate, private_key): (&Path, &Path),
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateFault> {
    let key = provider.key_provider.load_private_key(key).map_err(|_| {
        CertificateFault::new(
            Which::PrivateKey,
            private_key,
            "a key of a kind or length that is not used in TLS; RSA of 2048 bits or more, ECDSA P-256, P-384 or Ed25519 are",
        )
    })?;
    let identity = CertifiedKey::new(chain, key);
    match identity.keys_match() {
        // Not every kind of key can be compared.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
        Err(rustls::Error::InconsistentKeys(_)) => Err(CertificateFault::new(
            Which::PrivateKey,
            private_key,
            &format!(
                "not the key of the first certificate in {}",
                certificate.display()
            ),
        )),
        Err(error) => Err(CertificateFault::new(
            Which::Certificate,
            certificate,
            &error.to_string(),
        )),
    }
}
