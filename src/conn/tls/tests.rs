use std::io::{Read, Write};

use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::*;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A client of rustls, and the filter, in one memory.
struct Pair {
    client: ClientConnection,
    server: Tls,
    cipher: Cipher,
    plain: Vec<u8>,
}

fn pair(version: &'static SupportedProtocolVersion) -> Pair {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    client.set_buffer_limit(None);
    Pair {
        client,
        server: Tls::server(&Arc::new(server)).unwrap(),
        cipher: Cipher::default(),
        plain: Vec::new(),
    }
}

impl Pair {
    /// Gives the server what came, after what it has kept, as the engine does.
    fn receive(&mut self, bytes: &[u8]) -> Result<(), TlsError> {
        let mut wire = vec![0; 256 * 1024];
        let kept = self.server.restore(&mut wire);
        wire[kept..kept + bytes.len()].copy_from_slice(bytes);
        let input = &mut wire[..kept + bytes.len()];
        self.server.read(input, &mut self.plain, &mut self.cipher)
    }

    /// What the client has to send.
    fn sent_by_client(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    fn give_client(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            self.client.read_tls(&mut bytes).unwrap();
            let state = self.client.process_new_packets().unwrap();
            let at = plain.len();
            plain.resize(at + state.plaintext_bytes_to_read(), 0);
            self.client.reader().read_exact(&mut plain[at..]).unwrap();
        }
        plain
    }

    /// Carries bytes both ways until nobody has any, those of the client in pieces of `chunk`.
    fn settle(&mut self, chunk: usize) {
        loop {
            let bytes = self.sent_by_client();
            for piece in bytes.chunks(chunk) {
                self.receive(piece).unwrap();
            }
            let answer = self.cipher.bytes().to_vec();
            self.cipher.clear();
            self.give_client(&answer);
            if bytes.is_empty() && answer.is_empty() {
                return;
            }
        }
    }

    /// Each piece of ciphertext that the parts become.
    fn write(&mut self, parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        self.server
            .write(parts, &mut self.cipher, |bytes| pieces.push(bytes.to_vec()))
            .unwrap();
        pieces
    }
}

/// The lengths of the records in a piece of ciphertext.
fn records(mut bytes: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [_, _, _, high, low, ..] = *bytes {
        let length = usize::from(u16::from_be_bytes([high, low]));
        lengths.push(length);
        bytes = &bytes[5 + length..];
    }
    assert!(bytes.is_empty());
    lengths
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn what_is_said_arrives_however_it_is_cut() {
    for version in VERSIONS {
        for chunk in [1, 2, 5, 1000, 20_000, 200_000] {
            let mut pair = pair(version);
            pair.settle(chunk);
            assert!(pair.server.is_open() && pair.server.agreed().is_some());
            assert_eq!(pair.server.held() - STATE, 0);
            let said = noise(50_000);
            pair.client.writer().write_all(&said).unwrap();
            pair.settle(chunk);
            assert_eq!(pair.plain, said, "{chunk}");
            assert_eq!(pair.server.held() - STATE, 0);
            let sent = pair.write(&[&said[..4], &said[4..40_000], b"", &said[40_000..]]);
            assert_eq!(sent.len(), 1);
            assert_eq!(pair.give_client(&sent[0]), said);
        }
    }
}

#[test]
fn an_incomplete_record_is_kept_and_nothing_else() {
    let mut pair = pair(&TLS13);
    pair.settle(usize::MAX);
    pair.client.writer().write_all(b"hello").unwrap();
    let bytes = pair.sent_by_client();
    let (most, last) = bytes.split_at(bytes.len() - 1);
    pair.receive(most).unwrap();
    assert_eq!(
        (pair.server.held() - STATE, pair.plain.len()),
        (most.len(), 0)
    );
    // What is said meanwhile is said all the same.
    let sent = pair.write(&[b"meanwhile"]).concat();
    assert_eq!(pair.give_client(&sent), b"meanwhile");
    pair.receive(last).unwrap();
    assert_eq!(
        (pair.server.held() - STATE, &pair.plain[..]),
        (0, &b"hello"[..])
    );
}

#[test]
fn parts_are_joined_in_as_few_records_as_there_can_be() {
    let mut pair = pair(&TLS13);
    pair.settle(usize::MAX);
    let payload = noise(2 * RECORD);
    assert_eq!(records(&pair.write(&[b"head", b"body"])[0]).len(), 1);
    assert_eq!(
        records(&pair.write(&[b"head", &payload[..RECORD - 4]])[0]).len(),
        1
    );
    assert_eq!(records(&pair.write(&[b"head", &payload])[0]).len(), 3);
    assert!(pair.write(&[]).is_empty() && pair.write(&[b"", b""]).is_empty());
}

#[test]
fn what_is_long_leaves_in_pieces() {
    let mut pair = pair(&TLS13);
    pair.settle(usize::MAX);
    let said = noise(1 << 20);
    let pieces = pair.write(&[b"head", &said]);
    assert!(pieces.len() > 3);
    assert!(pieces.iter().all(|piece| piece.len() < 2 * FULL));
    let heard = pair.give_client(&pieces.concat());
    assert!(heard.strip_prefix(b"head") == Some(&said));
}

#[test]
fn the_end_is_said_and_heard() {
    for version in VERSIONS {
        let mut pair = pair(version);
        pair.settle(usize::MAX);
        pair.client.send_close_notify();
        let bytes = pair.sent_by_client();
        pair.receive(&bytes).unwrap();
        assert!(pair.server.is_peer_closed());
        // What comes after the end counts for nothing.
        pair.receive(b"GET / HTTP/1.1\r\n").unwrap();
        assert_eq!((pair.plain.len(), pair.server.held() - STATE), (0, 0));
        pair.server.close(&mut pair.cipher);
        let last = pair.cipher.bytes().to_vec();
        pair.cipher.clear();
        pair.server.close(&mut pair.cipher);
        assert!(pair.cipher.bytes().is_empty() && pair.write(&[b"late"]).is_empty());
        pair.client.read_tls(&mut &last[..]).unwrap();
        assert!(pair.client.process_new_packets().unwrap().peer_has_closed());
    }
}

#[test]
fn nothing_is_said_before_there_are_keys() {
    let mut pair = pair(&TLS13);
    assert!(pair.write(&[b"early"]).is_empty());
    let hello = pair.sent_by_client();
    pair.receive(&hello[..40]).unwrap();
    assert!(pair.write(&[b"early"]).is_empty());
    pair.server.close(&mut pair.cipher);
    assert!(pair.cipher.bytes().is_empty());
}

#[test]
fn plain_http_is_recognised() {
    let mut pair = pair(&TLS13);
    assert_eq!(
        pair.receive(b"GET / HTTP/1.1\r\n"),
        Err(TlsError::PlainHttp)
    );
    assert_eq!(pair.receive(b"Host: a\r\n\r\n"), Ok(()));
    assert!(pair.plain.is_empty() && pair.cipher.bytes().is_empty());
}

#[test]
fn what_is_no_tls_is_answered_with_an_alert() {
    for open in [false, true] {
        let mut pair = pair(&TLS13);
        if open {
            pair.settle(usize::MAX);
        }
        let result = pair.receive(&[0x16, 3, 3, 0, 4, 1, 0, 0, 0, 0x17, 3, 3, 0, 1, 0]);
        assert!(matches!(result, Err(TlsError::Failed(_))), "{result:?}");
        let alert = pair.cipher.bytes();
        assert!(!alert.is_empty() && (open || alert[0] == 21), "{alert:?}");
        pair.cipher.clear();
        assert_eq!(pair.receive(&[0; 100]), Ok(()));
        assert!(pair.cipher.bytes().is_empty() && pair.write(&[b"late"]).is_empty());
    }
}

/// The filter on both sides, in one memory.
struct Both {
    client: Tls,
    server: Tls,
    cipher: Cipher,
}

fn both(version: &'static SupportedProtocolVersion, trusted: bool) -> Both {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    if trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    Both {
        client: Tls::client(&Arc::new(client), name).unwrap(),
        server: Tls::server(&Arc::new(server)).unwrap(),
        cipher: Cipher::default(),
    }
}

/// Gives `tls` what came in pieces, and takes what it answers.
fn give(
    tls: &mut Tls,
    bytes: &[u8],
    chunk: usize,
    cipher: &mut Cipher,
) -> Result<(Vec<u8>, Vec<u8>), TlsError> {
    let mut plain = Vec::new();
    for piece in bytes.chunks(chunk) {
        let mut wire = vec![0; 256 * 1024];
        let kept = tls.restore(&mut wire);
        wire[kept..kept + piece.len()].copy_from_slice(piece);
        tls.read(&mut wire[..kept + piece.len()], &mut plain, cipher)?;
    }
    let answer = cipher.bytes().to_vec();
    cipher.clear();
    Ok((plain, answer))
}

impl Both {
    fn shake_hands(&mut self, chunk: usize) -> Result<(), TlsError> {
        self.client.start(&mut self.cipher)?;
        let mut up = self.cipher.bytes().to_vec();
        self.cipher.clear();
        while !up.is_empty() {
            let (_, down) = give(&mut self.server, &up, chunk, &mut self.cipher)?;
            (_, up) = give(&mut self.client, &down, chunk, &mut self.cipher)?;
        }
        Ok(())
    }
}

#[test]
fn a_client_shakes_hands_and_talks() {
    for version in VERSIONS {
        for chunk in [1, 100, usize::MAX] {
            let mut both = both(version, true);
            assert!(both.client.peer_certificates().is_empty());
            both.shake_hands(chunk).unwrap();
            assert!(both.client.is_open() && both.server.is_open());
            assert_eq!(both.client.peer_certificates().len(), 1);
            let (agreed, _) = both.client.agreed().unwrap();
            assert_eq!(agreed, version.version);
            let said = noise(50_000);
            let mut sent = Vec::new();
            both.client
                .write(&[&said], &mut both.cipher, |bytes| {
                    sent.extend_from_slice(bytes);
                })
                .unwrap();
            let (heard, _) = give(&mut both.server, &sent, 10_000, &mut both.cipher).unwrap();
            assert!(heard == said);
            both.client.close(&mut both.cipher);
            let last = both.cipher.bytes().to_vec();
            both.cipher.clear();
            give(&mut both.server, &last, chunk, &mut both.cipher).unwrap();
            assert!(both.server.is_peer_closed());
        }
    }
}

#[test]
fn a_client_refuses_a_certificate_that_it_does_not_trust() {
    let mut both = both(&TLS13, false);
    let error = both.shake_hands(usize::MAX).unwrap_err();
    assert!(error.is_certificate(), "{error}");
    assert!(!both.cipher.bytes().is_empty(), "the server is told");
    let mut sent = 0;
    both.client
        .write(&[b"late"], &mut Cipher::default(), |bytes| {
            sent += bytes.len();
        })
        .unwrap();
    assert_eq!(sent, 0);
}

#[test]
fn a_server_without_tls_is_told_apart() {
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH\r\n"] {
        let mut both = both(&TLS13, true);
        both.client.start(&mut both.cipher).unwrap();
        both.cipher.clear();
        let result = give(
            &mut both.client,
            answer.as_bytes(),
            usize::MAX,
            &mut both.cipher,
        );
        assert_eq!(result.unwrap_err(), TlsError::PlainAnswer);
        assert!(!TlsError::PlainAnswer.is_certificate());
    }
}
