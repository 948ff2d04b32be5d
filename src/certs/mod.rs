//! Floor 2: certificates and keys from PEM files, for servers that speak TLS.
//!
//! What is wrong with a file is told in words that say what to do about it, and beside the key of the configuration
//! that names it. What a certificate says about itself is for people; whether a peer believes it is for the peer.
//!
//! It knows neither the configuration nor connections.

mod der;
mod pem;

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};

pub use der::Facts;

/// The files of one server.
#[derive(Clone, Copy, Debug)]
pub struct Files<'f> {
    /// The certificate, and after it those of its issuers.
    pub certificate: &'f Path,
    /// The key of the first certificate.
    pub private_key: &'f Path,
    /// Of these authorities a client has to show a certificate.
    pub client_ca: Option<&'f Path>,
}

/// Which of them is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// [`Files::certificate`].
    Certificate,
    /// [`Files::private_key`].
    PrivateKey,
    /// [`Files::client_ca`].
    ClientCa,
}

/// What is wrong with one of the files; one line, with its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub which: Which,
    /// What is wrong, and what is allowed.
    pub what: String,
}

impl Fault {
    fn new(which: Which, path: &Path, what: &str) -> Fault {
        let path = path.display();
        let allowed = match which {
            Which::Certificate => {
                "certificate: a PEM file with the certificate and then those of its issuers"
            }
            Which::PrivateKey => {
                "private_key: a PEM file with the key of the certificate, not encrypted, as PKCS#8, PKCS#1 or SEC1"
            }
            Which::ClientCa => {
                "client_ca: a PEM file with the certificates of authorities for clients"
            }
        };
        let (key, allowed) = allowed.split_once(": ").unwrap_or((allowed, ""));
        Fault {
            which,
            what: format!("{key}: {path}: {what}; allowed: {allowed}"),
        }
    }
}

/// What a server speaks TLS by.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// For its connections.
    pub config: Arc<ServerConfig>,
    /// What its certificates say, in the order of the file.
    pub chain: Vec<Facts>,
}

/// Reads the files of a server.
///
/// # Errors
/// Everything that is wrong with them.
pub fn load(files: &Files<'_>) -> Result<Loaded, Vec<Fault>> {
    let provider = Arc::new(ring::default_provider());
    let chain = read_chain(files.certificate, Which::Certificate);
    let key = pem::read(files.private_key)
        .and_then(|text| pem::key(&text))
        .map_err(|what| Fault::new(Which::PrivateKey, files.private_key, &what));
    let verifier = files
        .client_ca
        .map(|path| read_verifier(path, &provider))
        .transpose();
    match (chain, key, verifier) {
        (Ok((chain, facts)), Ok(key), Ok(verifier)) => {
            let key = provider.key_provider.load_private_key(key).map_err(|_| {
                "a key of a kind or length that is not used in TLS; RSA of 2048 bits or more, ECDSA P-256, P-384 or Ed25519 are".to_owned()
            });
            let fault =
                |what: String| vec![Fault::new(Which::PrivateKey, files.private_key, &what)];
            let identity = CertifiedKey::new(chain, key.map_err(fault)?);
            check_pair(&identity, files).map_err(|fault| vec![fault])?;
            let config = configure(identity, verifier, provider)
                .map_err(|error| fault(error.to_string()))?;
            Ok(Loaded {
                config: Arc::new(config),
                chain: facts,
            })
        }
        (chain, key, verifier) => Err([chain.err(), key.err(), verifier.err()]
            .into_iter()
            .flatten()
            .collect()),
    }
}

type Chain = (Vec<CertificateDer<'static>>, Vec<Facts>);

fn read_chain(path: &Path, which: Which) -> Result<Chain, Fault> {
    let fault = |what: String| Fault::new(which, path, &what);
    let chain = pem::read(path)
        .and_then(|text| pem::certificates(&text))
        .map_err(fault)?;
    let facts = chain.iter().enumerate().map(|(at, certificate)| {
        Facts::read(certificate)
            .ok_or_else(|| fault(format!("certificate {} of it cannot be read", at + 1)))
    });
    let facts = facts.collect::<Result<_, _>>()?;
    Ok((chain, facts))
}

fn read_verifier(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Fault> {
    let fault = |what: String| Fault::new(Which::ClientCa, path, &what);
    let (certificates, _) = read_chain(path, Which::ClientCa)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| fault(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| fault(error.to_string()))
}

fn check_pair(identity: &CertifiedKey, files: &Files<'_>) -> Result<(), Fault> {
    match identity.keys_match() {
        // Not every kind of key can be compared.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(Fault::new(
            Which::PrivateKey,
            files.private_key,
            &format!(
                "not the key of the first certificate in {}",
                files.certificate.display()
            ),
        )),
        Err(error) => Err(Fault::new(
            Which::Certificate,
            files.certificate,
            &error.to_string(),
        )),
    }
}

fn configure(
    identity: CertifiedKey,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, rustls::Error> {
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    // RFC 7301; a client that offers none is taken as well.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Tickets (RFC 8446 §4.6.1) cost no memory. Their key is this configuration's own: none of them outlives a change of
    // `client_ca`, nor opens another server.
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

#[cfg(test)]
mod tests;
