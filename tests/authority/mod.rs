//! A certificate authority for tests: the certificates that it issues, servers that show them, and clients that trust it.

// Each test file uses what it needs of it.
#![allow(dead_code)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, DEFAULT_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

type Time = time::OffsetDateTime;

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

fn params(name: &str, names: &[&str], days: i64) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = Time::now_utc() - time::Duration::days(1);
    // Half a day more, so that whole days do not depend on the second.
    params.not_after = Time::now_utc() + time::Duration::hours(days * 24 + 12);
    params
}

impl Authority {
    pub(crate) fn new() -> Authority {
        Authority::named("authority")
    }

    pub(crate) fn named(name: &str) -> Authority {
        let mut params = params(name, &[], 30);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// Writes `ca.pem`, and a new `cert.pem` and `key.pem` for localhost.
    pub(crate) fn issue(&self, folder: &Path) {
        self.write(folder, &params("server", &["localhost", "127.0.0.1"], 30));
    }

    /// The same, for these times.
    pub(crate) fn issue_for(&self, folder: &Path, (from, to): (Time, Time)) {
        let mut params = params("server", &["localhost", "127.0.0.1"], 30);
        (params.not_before, params.not_after) = (from, to);
        self.write(folder, &params);
    }

    /// A key that belongs to no certificate.
    pub(crate) fn issue_key(&self, folder: &Path) {
        let key = KeyPair::generate().unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    }

    /// Writes `ca.pem`, for clients that shall trust this authority.
    pub(crate) fn publish(&self, folder: &Path) {
        fs::write(folder.join("ca.pem"), self.certificate.pem()).unwrap();
    }

    fn write(&self, folder: &Path, params: &CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let chain = certificate + &self.certificate.pem();
        fs::write(folder.join("cert.pem"), chain).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        self.publish(folder);
    }

    /// A server that shows a certificate for these names.
    pub(crate) fn server(&self, names: &[&str]) -> Arc<ServerConfig> {
        let (chain, key) = self.signed(&params("server", names, 30));
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(DEFAULT_VERSIONS)
            .unwrap()
            .with_no_client_auth();
        Arc::new(builder.with_single_cert(chain, key).unwrap())
    }

    /// A client that trusts this authority.
    pub(crate) fn client(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        Arc::new(self.builder(version).with_no_client_auth())
    }

    /// The same, with a certificate of this authority.
    pub(crate) fn client_with_certificate(
        &self,
        version: &'static SupportedProtocolVersion,
    ) -> Arc<ClientConfig> {
        self.client_signed_by(version, self)
    }

    /// The same, with a certificate of `other`.
    pub(crate) fn client_signed_by(
        &self,
        version: &'static SupportedProtocolVersion,
        other: &Authority,
    ) -> Arc<ClientConfig> {
        let (chain, key) = other.signed(&params("client", &["client"], 30));
        let builder = self.builder(version);
        Arc::new(builder.with_client_auth_cert(chain, key).unwrap())
    }

    fn signed(
        &self,
        params: &CertificateParams,
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![certificate.der().clone()], key)
    }

    fn builder(
        &self,
        version: &'static SupportedProtocolVersion,
    ) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
    }
}
