//! Floor 2: certificates and keys from PEM files, for servers and clients that speak TLS.
//!
//! Each fault of a file says what to do about it, and belongs to the key of the configuration that names the file. What
//! certificates say about themselves is shown to people; whether to trust them is up to the peer.
//!
//! There is neither configuration nor connection here.

mod client;
mod der;
mod files;
mod pem;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};

pub use client::{ClientFiles, ClientTls, SystemRoots, load_client, server_name};
pub use der::CertificateFacts;
pub use files::{CertificateFault, Which};
pub use pem::Open;

use files::{read_chain, read_key, read_roots};

/// The files of one server.
#[derive(Clone, Copy)]
pub struct ServerFiles<'f> {
    /// The certificate, followed by those of its issuers.
    pub certificate: &'f Path,
    /// The key of the first certificate.
    pub private_key: &'f Path,
    /// Authorities: each client must show a certificate of one of them.
    pub client_ca: Option<&'f Path>,
    /// Opens the files, perhaps by a process with more rights.
    pub open: Open<'f>,
}

/// The TLS configuration of a server, and its certificates.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// For its connections.
    pub config: Arc<ServerConfig>,
    /// The facts of its certificates, in the order of the file.
    pub chain: Vec<CertificateFacts>,
    /// Changes when the certificates change, its own or those of `client_ca`. Comparable only within this process.
    pub digest: u64,
}

/// Reads the files of a server.
///
/// # Errors
/// Everything that is wrong with them.
pub fn load(files: &ServerFiles<'_>) -> Result<ServerTls, Vec<CertificateFault>> {
    let provider = Arc::new(ring::default_provider());
    let chain = read_chain(files.certificate, Which::Certificate, files.open);
    let key = read_key(files.private_key, files.open);
    let verifier = files
        .client_ca
        .map(|path| read_verifier(path, files.open, &provider))
        .transpose();
    match (chain, key, verifier) {
        (Ok((chain, facts)), Ok(key), Ok(verifier)) => {
            let (verifier, trusted) = verifier.unzip();
            let digest = digest(&chain, trusted.as_deref());
            let paths = (files.certificate, files.private_key);
            let identity = files::identity(chain, key, paths, &provider);
            let config = configure(identity.map_err(|fault| vec![fault])?, verifier, provider)
                .map_err(|error| {
                    let what = error.to_string();
                    vec![CertificateFault::new(
                        Which::PrivateKey,
                        files.private_key,
                        &what,
                    )]
                })?;
            Ok(ServerTls {
                config: Arc::new(config),
                chain: facts,
                digest,
            })
        }
        (chain, key, verifier) => Err([chain.err(), key.err(), verifier.err()]
            .into_iter()
            .flatten()
            .collect()),
    }
}

fn read_verifier(
    path: &Path,
    open: Open<'_>,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, Arc<RootCertStore>), CertificateFault> {
    let roots = Arc::new(read_roots(path, Which::ClientCa, open)?);
    WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
        .build()
        .map(|verifier| (verifier, roots))
        .map_err(|error| CertificateFault::new(Which::ClientCa, path, &error.to_string()))
}

fn digest(chain: &[CertificateDer<'_>], trusted: Option<&RootCertStore>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for certificate in chain {
        certificate.as_ref().hash(&mut hasher);
    }
    for anchor in trusted.iter().flat_map(|trusted| &trusted.roots) {
        anchor.subject.as_ref().hash(&mut hasher);
        anchor.subject_public_key_info.as_ref().hash(&mut hasher);
    }
    hasher.finish()
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
    // RFC 7301. A client that offers no protocol is accepted too.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Tickets (RFC 8446 §4.6.1) cost no memory. Each configuration has its own key for them, so that no ticket is valid
    // after a change of `client_ca`, or for another server.
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

#[cfg(test)]
mod tests;
