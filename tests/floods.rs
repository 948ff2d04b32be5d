//! Floods against the whole daemon, all at once: heads and bodies that trickle, handshakes of TLS that do not go on,
//! messages that do not end, readers that never read. Each is ended on time, all of them together take no more memory than they may, and meanwhile
//! somebody else is served as if nothing happened.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bellwire::proto::ws::frame::{OpCode, put_masked, put_unmasked};
use socket2::{Domain, Socket, Type};

use daemon::{Daemon, PATIENCE};

mod daemon;

/// Connections of each kind.
const EACH: usize = 100;

/// `max_memory` of the daemon, in KiB.
const MEMORY: usize = 8 << 10;

/// The memory that it may use in addition: slots, the buffers of the peer that is served, and what the allocator keeps.
const BESIDE: usize = 4 << 10;

/// A trickle: far below the required rate of a body.
const TRICKLE: Duration = Duration::from_millis(50);

fn config(folder: &Path) -> String {
    let here = folder.display();
    let limits = "[server.limits]\nhead_timeout = \"1s\"\nidle_timeout = \"1s\"\nping_interval = \"1s\"\n\
                  pong_timeout = \"1s\"\nmax_backlog = \"128KiB\"\n";
    format!(
        "[daemon]\nmax_memory = \"{MEMORY}KiB\"\n\
         [[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"echo\"\n{limits}\
         [server.http]\nserve = \"folder\"\nfolder = \"{here}\"\n\
         [[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"broadcast\"\n{limits}\
         [[server]]\nbind = [\"127.0.0.1:0\"]\n{limits}\
         [server.tls]\ncertificate = \"{here}/cert.pem\"\nprivate_key = \"{here}/key.pem\"\n"
    )
}

fn fill(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a certificate");
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a key");
    let large = File::create(folder.join("large")).expect("a file");
    large.set_len(64 << 20).expect("its length");
}

fn connect(address: SocketAddr) -> TcpStream {
    let peer = TcpStream::connect(address).expect("a connection");
    peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    peer.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    peer
}

/// A peer with a small receive buffer.
fn connect_narrow(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("its buffer");
    socket.connect(&address.into()).expect("a connection");
    let peer = TcpStream::from(socket);
    peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    peer
}

fn upgrade(mut peer: TcpStream) -> TcpStream {
    peer.write_all(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    .expect("a request");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        peer.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    peer
}

/// A message without its last byte.
fn begin_message(mut peer: TcpStream) -> TcpStream {
    let message = masked(OpCode::Binary, &vec![0; 1 << 20]);
    // All of them together are too much, so it may be ended before it has said that.
    let _ = peer.write_all(&message[..1 << 20]);
    peer
}

fn masked(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    put_masked(&mut frame, [1, 2, 3, 4], opcode, true, payload);
    frame
}

/// Sends a frame and waits for the answer.
fn round_trip(peer: &mut TcpStream, asked: OpCode, answered: OpCode, payload: &[u8]) {
    peer.write_all(&masked(asked, payload)).expect("a frame");
    let mut expected = Vec::new();
    put_unmasked(&mut expected, answered, true, payload);
    let mut answer = vec![0; expected.len()];
    peer.read_exact(&mut answer).expect("its answer");
    assert_eq!(answer, expected);
}

/// An unaffected peer: echoes until told to stop; gives the number of echoes, and the longest time that one took.
fn bystander(address: SocketAddr, stop: &Arc<AtomicBool>) -> JoinHandle<(usize, Duration)> {
    let stop = Arc::clone(stop);
    let mut peer = upgrade(connect(address));
    std::thread::spawn(move || {
        let (mut count, mut longest) = (0, Duration::ZERO);
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            round_trip(&mut peer, OpCode::Text, OpCode::Text, b"is anybody here?");
            (count, longest) = (count + 1, longest.max(begun.elapsed()));
        }
        (count, longest)
    })
}

/// One that says a byte from time to time.
struct Trickler {
    peer: TcpStream,
    heard: Vec<u8>,
    /// How long it lived.
    ended: Option<Duration>,
}

impl Trickler {
    fn new(address: SocketAddr, begin: &[u8]) -> Trickler {
        let mut peer = connect(address);
        peer.write_all(begin).expect("a beginning");
        peer.set_nonblocking(true).expect("it does not wait");
        Trickler {
            peer,
            heard: Vec::new(),
            ended: None,
        }
    }

    fn trickle(&mut self, age: Duration) {
        if self.ended.is_some() {
            return;
        }
        let said = self.peer.write(b"x").map(|_| ());
        let mut buffer = [0; 1024];
        let heard = self.peer.read(&mut buffer);
        match heard {
            Ok(0) => self.ended = Some(age),
            Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock && said.is_ok() => {}
            Err(_) => self.ended = Some(age),
        }
    }
}

fn anonymous_kib(daemon: &Daemon) -> usize {
    let path = format!("/proc/{}/smaps_rollup", daemon.pid());
    let text = fs::read_to_string(path).expect("its memory");
    let line = text.lines().find(|line| line.starts_with("Anonymous:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    figure.and_then(|it| it.parse().ok()).expect("a figure")
}

fn descriptors(daemon: &Daemon) -> usize {
    let path = format!("/proc/{}/fd", daemon.pid());
    fs::read_dir(path).expect("its descriptors").count()
}

#[test]
fn floods_end_in_time_stay_within_memory_and_do_not_affect_others() {
    // SAFETY: geteuid takes nothing and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        println!(
            "skipped: only root may look at the memory of the daemon, which lets nobody else do so"
        );
        return;
    }
    daemon::raise_descriptor_limit();
    let files = tempfile::tempdir().expect("a folder");
    fill(files.path());
    let mut daemon = Daemon::run_by(&config(files.path()), 2, |binary, file| {
        let mut command = std::process::Command::new(binary);
        command.args(["run", "-c"]).arg(file);
        command
    });
    let line = daemon.wait_for_log("https://");
    let tls = line.split("https://").nth(1).expect("an address");
    let tls: SocketAddr = tls.trim_end_matches('/').parse().expect("an address");
    let (echo, broadcast) = (daemon.addresses[0], daemon.addresses[1]);
    let stop = Arc::new(AtomicBool::new(false));
    let served = bystander(echo, &stop);
    let mut speaker = upgrade(connect(broadcast));
    let before = anonymous_kib(&daemon);

    let begun = Instant::now();
    let large: Vec<TcpStream> = (0..EACH)
        .map(|_| {
            let mut peer = connect_narrow(echo);
            peer.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .expect("a request");
            let mut begin = [0; 13];
            peer.read_exact(&mut begin)
                .expect("the beginning of a head");
            assert_eq!(&begin, b"HTTP/1.1 200 ");
            peer
        })
        .collect();
    // Who reads nothing more of a file has a minute to do so, and costs no memory: the others are to end.
    let staying = descriptors(&daemon);
    let deaf: Vec<TcpStream> = (0..EACH)
        .map(|_| upgrade(connect_narrow(broadcast)))
        .collect();
    let unfinished: Vec<TcpStream> = (0..EACH)
        .map(|_| begin_message(upgrade(connect(echo))))
        .collect();
    let begins: [(SocketAddr, &[u8]); 3] = [
        (echo, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
        (
            echo,
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n",
        ),
        // A handshake record whose rest comes just as slowly (RFC 8446 §5.1).
        (tls, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ];
    let mut tricklers: Vec<Vec<Trickler>> = begins
        .iter()
        .map(|(address, begin)| (0..EACH).map(|_| Trickler::new(*address, begin)).collect())
        .collect();

    let (mut most, mut trickled) = (0, Instant::now());
    let message = masked(OpCode::Binary, &[0x5a; 16 << 10]);
    loop {
        // The pong shows that the message before it has been given to everybody.
        speaker.write_all(&message).expect("a message");
        round_trip(&mut speaker, OpCode::Ping, OpCode::Pong, b"heard?");
        if trickled.elapsed() >= TRICKLE {
            trickled = Instant::now();
            let all = tricklers.iter_mut().flatten();
            all.for_each(|it| it.trickle(begun.elapsed()));
        }
        most = most.max(anonymous_kib(&daemon));
        let over = tricklers.iter().flatten().all(|it| it.ended.is_some());
        if over && descriptors(&daemon) <= staying {
            break;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{} descriptors are left of the floods",
            descriptors(&daemon) - staying
        );
    }
    stop.store(true, Ordering::Relaxed);
    let (echoes, longest) = served.join().expect("echoes without an error");

    let [heads, bodies, handshakes] = &tricklers[..] else {
        panic!("three kinds")
    };
    // The POST is refused at once; the rest of its body is read and discarded, and still has to come in time.
    for (kind, status) in [(heads, "HTTP/1.1 408 "), (bodies, "HTTP/1.1 405 ")] {
        for it in kind {
            let heard = String::from_utf8_lossy(&it.heard);
            assert!(heard.starts_with(status), "{heard:?}");
        }
    }
    assert!(handshakes.iter().all(|it| it.heard.is_empty()));
    let took = tricklers.iter().flatten().filter_map(|it| it.ended);
    let (least, longest_lived) = took.fold((Duration::MAX, Duration::ZERO), |(a, b), it| {
        (a.min(it), b.max(it))
    });
    assert!(least >= Duration::from_millis(900), "{least:?}");
    println!(
        "{echoes} echoes meanwhile, the longest in {longest:?}; tricklers lived for {least:?} to {longest_lived:?}; \
         {before} KiB before, {most} KiB at most"
    );
    assert!(echoes >= 100, "{echoes} echoes, the longest in {longest:?}");
    assert!(most >= MEMORY / 2, "{most} KiB: the floods were too gentle");
    assert!(
        most <= before + MEMORY + BESIDE,
        "{before} KiB before, {most} KiB"
    );
    drop((large, deaf, unfinished));
}
