//! The daemon under attack, with a server for each thing that can be attacked, and how to connect to it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwire::proto::ws::frame::{OpCode, put_masked};
use socket2::{Domain, Socket, Type};

use crate::daemon::{self, Daemon, PATIENCE};

/// Where innocent peers come from.
pub(crate) const INNOCENT: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Where attacks come from.
pub(crate) const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// Users of the server that asks for a login, `user0` and so on, all with the password "secret".
pub(crate) const USERS: usize = 2000;

/// After how long without progress an attack looks whether it is over.
const GLANCE: Duration = Duration::from_millis(20);

/// The servers, in the order of the configuration.
#[derive(Clone, Copy)]
pub(crate) enum Server {
    /// Echoes messages.
    Echo,
    /// Broadcasts messages.
    Room,
    /// Forwards messages to `Members`.
    Fan,
    Members,
    /// Gives messages and requests to scripts.
    Script,
    /// Asks for a login.
    Login,
    Tls,
}

pub(crate) struct Stage {
    /// How many members each room has.
    pub(crate) members: usize,
    /// Ends with the stage.
    _daemon: Mutex<Daemon>,
    pid: libc::pid_t,
    addresses: Vec<SocketAddr>,
    socket: PathBuf,
    /// Nobody reads the log while this is locked.
    pub(crate) unread: Arc<Mutex<()>>,
}

fn config() -> String {
    let server = |id: &str, rest: &str| {
        format!("[[server]]\nid = \"{id}\"\nbind = [\"127.0.0.1:0\"]\n{rest}")
    };
    let trigger =
        |on: &str, rest: &str| format!("[[trigger]]\non = \"{on}\"\nfrom = [\"SCRIPT\"]\n{rest}");
    [
        "[daemon]\nmax_memory = \"8MiB\"\n".to_owned(),
        server("ECHO", "messages = \"echo\"\n"),
        server("ROOM", "messages = \"broadcast\"\n"),
        server("FAN", ""),
        server("MEMBERS", ""),
        server("SCRIPT", ""),
        server(
            "LOGIN",
            "[server.auth]\nbasic = true\n[server.users]\nfile = \"users\"\n",
        ),
        server(
            "TLS",
            "[server.tls]\ncertificate = \"cert.pem\"\nprivate_key = \"key.pem\"\n",
        ),
        "[[trigger]]\non = \"message\"\nfrom = [\"FAN\"]\nforward = \"MEMBERS\"\n".to_owned(),
        trigger("message", "match = \"exact\"\nstring = \"o\"\nrun = [\"/bin/cat\"]\n"),
        trigger(
            "message",
            "match = \"exact\"\nstring = \"c\"\nmode = \"connection\"\nrun = [\"/bin/cat\"]\n",
        ),
        trigger(
            "message",
            "match = \"exact\"\nstring = \"w\"\nmode = \"worker\"\nrun = [\"/bin/sh\", \"-c\", \"cat >/dev/null\"]\n",
        ),
        trigger("http_request", "path = \"/form\"\nrun = [\"/bin/cat\"]\n"),
    ]
    .concat()
}

/// The files that the configuration names.
fn fill(folder: &Path, binary: &str) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a certificate");
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a key");
    let mut hashing = Command::new(binary)
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = hashing.stdin.take().expect("a pipe");
    stdin.write_all(b"secret\n").expect("it reads");
    drop(stdin);
    let hash = hashing.wait_with_output().expect("it ends").stdout;
    let hash = String::from_utf8(hash).expect("a hash");
    let users: String = (0..USERS).map(|it| format!("user{it}={hash}")).collect();
    fs::write(folder.join("users"), users).expect("users");
}

impl Stage {
    /// A daemon that may have so many descriptors.
    pub(crate) fn new(descriptors: Option<u32>) -> Arc<Stage> {
        daemon::raise_descriptor_limit();
        let daemon = Daemon::run_by(&config(), 7, |binary, file| {
            fill(file.parent().expect("a folder"), binary);
            let limit = descriptors.map_or("true".to_owned(), |it| format!("ulimit -n {it}"));
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &format!("{limit}; exec \"$@\""), "sh"]);
            command.arg(binary).args(["run", "-c"]).arg(file);
            command
        });
        Arc::new(Stage {
            members: if descriptors.is_some() { 20 } else { 300 },
            pid: daemon.pid(),
            addresses: daemon.addresses.clone(),
            socket: daemon.folder.path().join("control"),
            unread: Arc::clone(&daemon.unread),
            _daemon: Mutex::new(daemon),
        })
    }

    /// The memory of the daemon that is its own, in KiB.
    pub(crate) fn anonymous_kib(&self) -> usize {
        let path = format!("/proc/{}/smaps_rollup", self.pid);
        let text = fs::read_to_string(path).expect("its memory");
        let line = text.lines().find(|line| line.starts_with("Anonymous:"));
        let figure = line.and_then(|line| line.split_whitespace().nth(1));
        figure.and_then(|it| it.parse().ok()).expect("a figure")
    }

    pub(crate) fn address(&self, server: Server) -> SocketAddr {
        self.addresses[server as usize]
    }

    /// A connection to a server.
    pub(crate) fn connect(&self, from: Ipv4Addr, server: Server) -> Result<TcpStream, String> {
        self.connect_with(from, server, None)
    }

    /// The same, with a receive buffer of this size.
    pub(crate) fn connect_with(
        &self,
        from: Ipv4Addr,
        server: Server,
        buffer: Option<usize>,
    ) -> Result<TcpStream, String> {
        let connect = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            if let Some(size) = buffer {
                socket.set_recv_buffer_size(size)?;
            }
            socket.bind(&SocketAddrV4::new(from, 0).into())?;
            socket.connect_timeout(&self.address(server).into(), PATIENCE)?;
            socket.set_tcp_nodelay(true)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(TcpStream::from(socket))
        };
        connect().map_err(|error: std::io::Error| format!("no connection: {error}"))
    }

    /// A WebSocket to a server.
    pub(crate) fn open(&self, from: Ipv4Addr, server: Server) -> Result<TcpStream, String> {
        upgrade(self.connect(from, server)?)
    }

    /// A connection to the control socket.
    pub(crate) fn control(&self) -> Result<UnixStream, String> {
        let stream = UnixStream::connect(&self.socket)
            .map_err(|error| format!("no control socket: {error}"))?;
        let timeout = stream.set_read_timeout(Some(PATIENCE));
        timeout.map_err(|error| error.to_string())?;
        Ok(stream)
    }
}

/// Makes a connection a WebSocket.
pub(crate) fn upgrade(mut peer: TcpStream) -> Result<TcpStream, String> {
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let answer = ask(&mut peer, request)?;
    if answer.starts_with("HTTP/1.1 101 ") {
        Ok(peer)
    } else {
        Err(answer)
    }
}

/// Sends a request; gives the head of the answer.
pub(crate) fn ask(peer: &mut TcpStream, request: &[u8]) -> Result<String, String> {
    let asked = peer.write_all(request);
    asked.map_err(|error| format!("request not sent: {error}"))?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        let read = peer.read_exact(&mut byte);
        read.map_err(|error| format!("no answer: {error}"))?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

pub(crate) fn masked(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    put_masked(&mut frame, [1, 2, 3, 4], opcode, true, payload);
    frame
}

/// Sends bytes for as long as the attack lasts; tells whether all of them were sent.
pub(crate) fn pour(peer: &mut TcpStream, mut bytes: &[u8], stop: &AtomicBool) -> bool {
    if peer.set_write_timeout(Some(GLANCE)).is_err() {
        return false;
    }
    while !bytes.is_empty() && !stop.load(Ordering::Relaxed) {
        match peer.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
    }
    bytes.is_empty()
}
