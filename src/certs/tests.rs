use std::fs;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;

const RSA: &str = include_str!("tests/rsa.pem");

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// What is wrong with these files, without their folder.
    fn faults(&self, certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Vec<String> {
        let files = ServerFiles {
            certificate,
            private_key: key,
            client_ca,
            open: &open_file,
        };
        let folder = format!("{}/", self.0.path().display());
        let Err(faults) = load(&files) else {
            return Vec::new();
        };
        let short = |fault: CertificateFault| {
            let what = fault.what.replace(&folder, "");
            let end = what.find("; allowed: ").unwrap();
            what[..end].to_owned()
        };
        faults.into_iter().map(short).collect()
    }
}

fn open_file(path: &Path) -> std::io::Result<std::fs::File> {
    crate::config::open_file(path, crate::config::Purpose::Secret)
}

fn pem(title: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    format!("-----BEGIN {title}-----\n{text}\n-----END {title}-----\n")
}

fn signed(key: &KeyPair) -> String {
    let params = CertificateParams::new(["example.org".to_owned()]).unwrap();
    params.self_signed(key).unwrap().pem()
}

/// The key of its own format inside of a PKCS#8 key (RFC 5208 §5): the last value of three.
fn inner(pkcs8: &[u8]) -> Vec<u8> {
    let at = pkcs8
        .windows(2)
        .position(|bytes| bytes == [0x04, 0x82] || bytes == [0x04, 0x6d])
        .unwrap();
    let header = if pkcs8[at + 1] == 0x82 { 4 } else { 2 };
    pkcs8[at + header..].to_vec()
}

#[test]
fn keys_of_every_format_are_read_whatever_the_extension() {
    let folder = Folder::new();
    let ecdsa = KeyPair::generate().unwrap();
    let rsa = KeyPair::from_pem(RSA).unwrap();
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let sec1 = pem("EC PRIVATE KEY", &inner(ecdsa.serialized_der()));
    let pkcs1 = pem("RSA PRIVATE KEY", &inner(rsa.serialized_der()));
    for (key, text) in [
        (&ecdsa, ecdsa.serialize_pem()),
        (&ecdsa, format!("curves and comments before it\n{sec1}")),
        (&rsa, RSA.to_owned()),
        (&rsa, pkcs1),
        (&ed25519, ed25519.serialize_pem()),
    ] {
        let certificate = folder.file("certificate.txt", signed(key));
        let key = folder.file("key.secret", &text);
        assert_eq!(folder.faults(&certificate, &key, None), [""; 0], "{text}");
    }
}

#[test]
fn a_file_may_hold_the_chain_and_the_key() {
    let folder = Folder::new();
    let (leaf, issuer) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let text = signed(&leaf) + &signed(&issuer) + &leaf.serialize_pem();
    let path = folder.file("all.pem", text);
    let loaded = load(&ServerFiles {
        certificate: &path,
        private_key: &path,
        client_ca: None,
        open: &open_file,
    })
    .unwrap();
    assert_eq!(loaded.chain.len(), 2);
    assert_eq!(loaded.config.alpn_protocols, [b"http/1.1"]);
}

#[test]
fn every_fault_of_a_certificate_has_its_words() {
    let folder = Folder::new();
    let pair = KeyPair::generate().unwrap();
    let key = folder.file("k", pair.serialize_pem());
    let good = signed(&pair);
    let der = pem::certificates(good.as_bytes()).unwrap()[0].to_vec();
    for (text, expected) in [
        (Vec::new(), "an empty file"),
        (b"hello\n".to_vec(), "no certificate in it"),
        (
            der.clone(),
            "no certificate in it, for it is DER and not PEM; openssl x509 or pkey with -inform der converts it",
        ),
        (
            pair.serialize_pem().into_bytes(),
            "no certificate in it, but a key",
        ),
        (
            good[..good.len() - 40].into(),
            "cut off: a section of it has no end",
        ),
        (
            good.replace('M', "*").into_bytes(),
            "a section of it is not base64",
        ),
        (
            pem("CERTIFICATE", &der[..der.len() / 2]).into_bytes(),
            "certificate 1 of it cannot be read",
        ),
        (vec![b' '; (1 << 20) + 1], "longer than 1MiB"),
    ] {
        let certificate = folder.file("c", text);
        assert_eq!(
            folder.faults(&certificate, &key, None),
            [format!("certificate: c: {expected}")]
        );
    }
    let absent = folder.0.path().join("absent");
    assert_eq!(
        folder.faults(&absent, &key, None),
        ["certificate: absent: No such file or directory (os error 2)"]
    );
    assert_eq!(
        load(&ServerFiles {
            certificate: folder.0.path(),
            private_key: &key,
            client_ca: None,
            open: &open_file,
        })
        .unwrap_err()[0]
            .which,
        Which::Certificate
    );
}

#[test]
fn every_fault_of_a_key_has_its_words() {
    let folder = Folder::new();
    let pair = KeyPair::generate().unwrap();
    let certificate = folder.file("c", signed(&pair));
    let other = KeyPair::generate().unwrap().serialize_pem();
    for (text, expected) in [
        ("", "an empty file"),
        ("hello", "no private key in it"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "an encrypted key; openssl pkey -in KEY -out NEW decrypts it",
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIB\n-----END RSA PRIVATE KEY-----\n",
            "an encrypted key; openssl pkey -in KEY -out NEW decrypts it",
        ),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nMIIB\n-----END OPENSSH PRIVATE KEY-----\n",
            "a key of OpenSSH's own format",
        ),
        (&signed(&pair), "no private key in it, but a certificate"),
        (
            &pem("PRIVATE KEY", b"nothing of the kind"),
            "a key of a kind or length that is not used in TLS; RSA of 2048 bits or more, ECDSA P-256, P-384 or Ed25519 are",
        ),
        (&other, "not the key of the first certificate in c"),
    ] {
        let key = folder.file("k", text);
        assert_eq!(
            folder.faults(&certificate, &key, None),
            [format!("private_key: k: {expected}")]
        );
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let folder = Folder::new();
    let absent = folder.0.path().join("absent");
    let what = "absent: No such file or directory (os error 2)";
    assert_eq!(
        folder.faults(&absent, &absent, Some(&absent)),
        [
            format!("certificate: {what}"),
            format!("private_key: {what}"),
            format!("client_ca: {what}")
        ]
    );
}

#[test]
fn authorities_for_clients_are_certificates() {
    let folder = Folder::new();
    let pair = KeyPair::generate().unwrap();
    let certificate = folder.file("c", signed(&pair));
    let key = folder.file("k", pair.serialize_pem());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = folder.file("ca", params.self_signed(&pair).unwrap().pem());
    assert_eq!(folder.faults(&certificate, &key, Some(&ca)), [""; 0]);
    assert_eq!(
        folder.faults(&certificate, &key, Some(&key)),
        ["client_ca: k: no certificate in it, but a key"]
    );
}
