//! The loop with a peer that speaks TLS, which runs in a thread of its own.

use std::fs::File;
use std::thread::{self, JoinHandle};

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use super::*;
use crate::conn::AnswerHead;
use crate::files::Segment;

/// Long enough to fill what the system holds for a peer, many times.
const LENGTH: usize = 12_000_000;

/// Answers every request with a file: whole for `/`, beyond its end for `/short`, its beginning for others. It panics
/// at `/boom`, after it has begun to answer.
struct Files(File);

impl Handler for Files {
    fn on_event(&mut self, ops: &mut Ops<'_>, _: ConnId, event: Event<'_>) {
        let Event::Request(head) = event else { return };
        assert!(ops.is_tls());
        let path = match head.target() {
            crate::proto::http::head::RequestTarget::Origin { path, .. } => path,
            _ => "",
        };
        let len = match path {
            "/" => LENGTH,
            "/short" => LENGTH + 1,
            _ => 1000,
        } as u64;
        let head = AnswerHead {
            status: 200,
            fields: &[],
            length: Some(len),
        };
        if path == "/boom" {
            assert!(ops.respond(&Answer {
                status: 200,
                fields: &[],
                body: b"half said",
            }));
            panic!("by the test's wish");
        }
        let file = self.0.try_clone().unwrap();
        assert!(ops.respond_file(
            &head,
            Arc::new(file),
            vec![Segment::Range { start: 0, len }]
        ));
    }
}

struct TlsWire {
    engine: Engine,
    files: Files,
    address: SocketAddr,
    client: Arc<ClientConfig>,
    bytes: Vec<u8>,
    most: usize,
}

impl TlsWire {
    fn new() -> TlsWire {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let bytes: Vec<u8> = (0..LENGTH).map(|at| (at * 31 / 7) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let House {
            mut engine,
            owner,
            address,
            ..
        } = House::new(Does::Nothing);
        engine.secure(owner, Some(Arc::new(server)));
        TlsWire {
            engine,
            files: Files(file),
            address,
            client: Arc::new(client),
            bytes,
            most: 0,
        }
    }

    /// Says `request` and hears the answers to their end, or to what ends them too early.
    fn ask(&self, request: &'static str) -> JoinHandle<io::Result<Vec<u8>>> {
        let (address, config) = (self.address, Arc::clone(&self.client));
        thread::spawn(move || {
            let name = "localhost".try_into().unwrap();
            let client = ClientConnection::new(config, name).unwrap();
            let socket = TcpStream::connect(address)?;
            socket.set_read_timeout(Some(Duration::from_secs(20)))?;
            let mut stream = StreamOwned::new(client, socket);
            stream.write_all(request.as_bytes())?;
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard)?;
            Ok(heard)
        })
    }

    fn answer(&mut self, request: &'static str) -> io::Result<Vec<u8>> {
        let peer = self.ask(request);
        let end = Instant::now() + Duration::from_secs(20);
        while !peer.is_finished() {
            assert!(Instant::now() < end, "{request} is not answered");
            let wait = Some(Duration::from_millis(1));
            self.engine.turn(&mut self.files, wait).unwrap();
            self.most = self.most.max(self.engine.memory().used());
        }
        peer.join().unwrap()
    }
}

#[test]
fn files_are_sent_whole_and_in_order() {
    let mut house = TlsWire::new();
    let heard = house
        .answer(
            "GET /part HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\
             GET /part HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .expect("an end that TLS tells");
    let bodies = [&house.bytes[..1000], &house.bytes[..], &house.bytes[..1000]];
    let mut rest = &heard[..];
    for body in bodies {
        let at = memchr::memmem::find(rest, b"\r\n\r\n").unwrap() + 4;
        assert!(rest.starts_with(b"HTTP/1.1 200 "));
        assert!(rest[at..].starts_with(body));
        rest = &rest[at + body.len()..];
    }
    assert!(rest.is_empty());
    // It was read no further ahead than a little, however long the file.
    assert!(house.most < 200_000, "{}", house.most);
}

#[test]
fn a_file_that_ends_too_early_ends_the_connection_untold() {
    let mut house = TlsWire::new();
    let error = house
        .answer("GET /short HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect_err("a truncation");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_panic_leaves_nothing_to_the_next_connection() {
    let mut house = TlsWire::new();
    let error = house
        .answer("GET /boom HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect_err("an end that TLS does not tell");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let heard = house
        .answer("GET /part HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .expect("an answer");
    assert!(heard.starts_with(b"HTTP/1.1 200 ") && heard.ends_with(&house.bytes[..1000]));
    assert_eq!(house.engine.totals().panics, 1);
}
