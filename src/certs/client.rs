//! The TLS configuration of a client: the authorities that it trusts, and its own certificate.
//!
//! The authorities of the system are read from `$SSL_CERT_FILE` and `$SSL_CERT_DIR` when these are set, else from the
//! first bundle that exists of a list of usual paths. The crate rustls-native-certs does the same on Linux, the only system
//! that is supported, but needs four more crates.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::proto::http::url::Host;

use super::der::CertificateFacts;
use super::files::{self, CertificateFault, Which, read_chain, read_key, read_roots};
use super::pem::{self, Open};

/// Files in which distributions keep all authorities: Debian, Arch and Alpine; Fedora; openSUSE; others.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Sessions that are kept for resumption. A client has one server, which gives two tickets at a time.
const SESSIONS: usize = 8;

/// The files of one client.
#[derive(Clone, Copy)]
pub struct ClientFiles<'f> {
    /// Authorities that it trusts; `None`: those of the system.
    pub ca: Option<&'f Path>,
    /// The file of its certificate and those of its issuers, and the file of its key.
    pub identity: Option<(&'f Path, &'f Path)>,
    /// Whether it verifies the certificate of the server; if not, it accepts any.
    pub verify: bool,
    /// Opens these files. Those of the system are opened by [`SystemRoots`].
    pub open: Open<'f>,
}

/// The TLS configuration of a client, and its certificates.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// For its connections.
    pub config: Arc<ClientConfig>,
    /// The facts of its own certificates, in the order of the file.
    pub chain: Vec<CertificateFacts>,
}

/// The authorities of the system: read when they are first needed, and shared by all clients.
#[derive(Debug)]
pub struct SystemRoots {
    open: OpenHere,
    read: Option<Result<Arc<RootCertStore>, String>>,
}

/// Opens a file with the rights of this process.
type OpenHere = fn(&Path) -> std::io::Result<File>;

impl SystemRoots {
    /// Authorities whose files `open` opens.
    #[must_use]
    pub fn new(open: OpenHere) -> SystemRoots {
        SystemRoots { open, read: None }
    }

    fn get(&mut self) -> Result<Arc<RootCertStore>, CertificateFault> {
        let read = || {
            let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
            let (file, folders) = (variable("SSL_CERT_FILE"), variable("SSL_CERT_DIR"));
            read_system(self.open, file.as_deref(), folders.as_deref())
        };
        let roots = self.read.get_or_insert_with(|| read().map(Arc::new));
        roots
            .clone()
            .map_err(|what| CertificateFault::without_path(Which::System, &what))
    }
}

/// Reads the files of a client.
///
/// # Errors
/// Everything that is wrong with them.
pub fn load_client(
    files: &ClientFiles<'_>,
    system: &mut SystemRoots,
) -> Result<ClientTls, Vec<CertificateFault>> {
    let provider = Arc::new(ring::default_provider());
    let roots = match (files.verify, files.ca) {
        (false, _) => Ok(None),
        (true, Some(ca)) => {
            read_roots(ca, Which::Ca, files.open).map(|roots| Some(Arc::new(roots)))
        }
        (true, None) => system.get().map(Some),
    };
    let identity = files
        .identity
        .map(|paths| read_identity(paths, files.open, &provider))
        .transpose();
    match (roots, identity) {
        (Ok(roots), Ok(identity)) => {
            let (identity, chain) = identity.unzip();
            let config = configure(roots, identity, provider).map_err(|error| {
                let which = if files.ca.is_some() {
                    Which::Ca
                } else {
                    Which::System
                };
                vec![CertificateFault::without_path(which, &error)]
            })?;
            Ok(ClientTls {
                config: Arc::new(config),
                chain: chain.unwrap_or_default(),
            })
        }
        (roots, identity) => {
            let roots = roots.err().into_iter();
            Err(roots.chain(identity.err().unwrap_or_default()).collect())
        }
    }
}

/// The name that the certificate of a server must be valid for. The server is told this name too (RFC 6066 §3).
///
/// # Errors
/// No certificate can be valid for this host.
pub fn server_name(host: &Host) -> Result<ServerName<'static>, InvalidDnsNameError> {
    match host {
        Host::Name(name) => ServerName::try_from(name.clone()),
        Host::Ip(address) => Ok(ServerName::from(*address)),
    }
}

fn read_identity(
    paths: (&Path, &Path),
    open: Open<'_>,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, Vec<CertificateFacts>), Vec<CertificateFault>> {
    match (
        read_chain(paths.0, Which::Certificate, open),
        read_key(paths.1, open),
    ) {
        (Ok((chain, facts)), Ok(key)) => {
            let identity = files::identity(chain, key, paths, provider);
            let identity = identity.map_err(|fault| vec![fault])?;
            Ok((identity, facts))
        }
        (chain, key) => Err(chain.err().into_iter().chain(key.err()).collect()),
    }
}

fn configure(
    roots: Option<Arc<RootCertStore>>,
    identity: Option<CertifiedKey>,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, String> {
    let verifier: Arc<dyn ServerCertVerifier> = match roots {
        Some(roots) => WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| error.to_string())?,
        None => Arc::new(AnyCertificate(Arc::clone(&provider))),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
        None => builder.with_no_client_auth(),
    };
    // RFC 7301: a WebSocket begins in HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(config)
}

/// Accepts any certificate of any issuer, for any name. It still checks that the server has the key of the certificate.
/// So the connection is encrypted, but may be with anybody.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Reads the files that the variables name, when either is set; else the first bundle that exists.
fn read_system(
    open: OpenHere,
    file: Option<&OsStr>,
    folders: Option<&OsStr>,
) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if file.is_some() || folders.is_some() {
        if let Some(file) = file {
            let path = Path::new(file);
            add_file(open, path, &mut roots)
                .map_err(|what| format!("{}: {what}", path.display()))?;
        }
        for folder in folders.iter().flat_map(|list| std::env::split_paths(list)) {
            add_folder(open, &folder, &mut roots)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
        }
    } else if let Some(path) = BUNDLES.iter().map(Path::new).find(|path| path.exists()) {
        add_file(open, path, &mut roots).map_err(|what| format!("{}: {what}", path.display()))?;
    }
    if roots.is_empty() {
        return Err("there are no certificates of authorities on this system".to_owned());
    }
    Ok(roots)
}

/// Certificates of the system in a format that rustls cannot parse are left out.
fn add_file(open: OpenHere, path: &Path, roots: &mut RootCertStore) -> Result<(), String> {
    let certificates = pem::certificates(&pem::read(path, &open)?)?;
    roots.add_parsable_certificates(certificates);
    Ok(())
}

/// Reads all files of a folder, as OpenSSL does, and skips those without certificates. A certificate that has two names,
/// such as a link named by its hash, is added once.
fn add_folder(open: OpenHere, folder: &Path, roots: &mut RootCertStore) -> std::io::Result<()> {
    let mut certificates = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let found = pem::read(&path, &open).and_then(|text| pem::certificates(&text));
        certificates.extend(found.unwrap_or_default());
    }
    certificates.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
    certificates.dedup();
    roots.add_parsable_certificates(certificates);
    Ok(())
}

#[cfg(test)]
mod tests;
