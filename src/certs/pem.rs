//! PEM files (RFC 7468): reading them up to a limit, and the certificates and keys in them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_pemfile::{Error, Item, read_one_from_slice};

/// The most bytes of one file. The bundle of all public authorities has about a quarter of that.
const MAX_FILE: u64 = 1 << 20;

/// Opens a file to read.
pub type Open<'o> = &'o dyn Fn(&Path) -> io::Result<File>;

/// The content of a file.
pub(super) fn read(path: &Path, open: Open<'_>) -> Result<Vec<u8>, String> {
    let found = |error: io::Error| error.to_string();
    let mut text = Vec::new();
    let file = open(path).map_err(found)?;
    file.take(MAX_FILE + 1)
        .read_to_end(&mut text)
        .map_err(found)?;
    match text.len() as u64 {
        0 => Err("an empty file".to_owned()),
        length if length > MAX_FILE => Err("longer than 1MiB".to_owned()),
        _ => Ok(text),
    }
}

/// The certificates in their order, at least one.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut certificates = Vec::new();
    let mut holds_key = false;
    for item in items(text)? {
        match item {
            Item::X509Certificate(certificate) => certificates.push(certificate),
            Item::Pkcs1Key(_) | Item::Pkcs8Key(_) | Item::Sec1Key(_) => holds_key = true,
            _ => {}
        }
    }
    match (certificates.is_empty(), holds_key) {
        (false, _) => Ok(certificates),
        (true, true) => Err("no certificate in it, but a key".to_owned()),
        (true, false) => Err(format!("no certificate in it{}", hint(text))),
    }
}

/// The first private key.
pub(super) fn key(text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    // OpenSSL writes the header of RFC 1421 §4.6.1.1 into encrypted keys in PKCS#1 and SEC1.
    let encrypted = [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----",
        "Proc-Type: 4,ENCRYPTED",
    ];
    if encrypted.iter().any(|line| holds(text, line)) {
        return Err("an encrypted key; openssl pkey -in KEY -out NEW decrypts it".to_owned());
    }
    let mut holds_certificate = false;
    for item in items(text)? {
        match item {
            Item::Pkcs1Key(key) => return Ok(key.into()),
            Item::Pkcs8Key(key) => return Ok(key.into()),
            Item::Sec1Key(key) => return Ok(key.into()),
            Item::X509Certificate(_) => holds_certificate = true,
            _ => {}
        }
    }
    if holds(text, "-----BEGIN OPENSSH PRIVATE KEY-----") {
        Err("a key of OpenSSH's own format".to_owned())
    } else if holds_certificate {
        Err("no private key in it, but a certificate".to_owned())
    } else {
        Err(format!("no private key in it{}", hint(text)))
    }
}

fn items(mut text: &[u8]) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    loop {
        match read_one_from_slice(text) {
            Ok(Some((item, rest))) => {
                items.push(item);
                text = rest;
            }
            Ok(None) => return Ok(items),
            Err(Error::MissingSectionEnd { .. }) => {
                return Err("cut off: a section of it has no end".to_owned());
            }
            Err(Error::IllegalSectionStart { .. }) => {
                return Err("a malformed BEGIN line".to_owned());
            }
            Err(Error::Base64Decode(_)) => {
                return Err("a section of it is not base64".to_owned());
            }
        }
    }
}

fn holds(text: &[u8], line: &str) -> bool {
    memchr::memmem::find(text, line.as_bytes()).is_some()
}

/// A DER file begins with a SEQUENCE whose length has two bytes.
fn hint(text: &[u8]) -> &'static str {
    if text.starts_with(&[0x30, 0x82]) {
        ", for it is DER and not PEM; openssl x509 or pkey with -inform der converts it"
    } else {
        ""
    }
}
