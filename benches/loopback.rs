//! The whole daemon over loopback, compared with a raw TCP echo that gets the same bytes in the same run.
//!
//! What is measured is the server's CPU time for a message, the kernel's part included, with the server on a processor
//! of its own. Absolute figures hold for the machine and the hour; the ratio is what to compare. Both servers take turns,
//! and the ratio is the median over pairs of turns, so that a machine that slows down meanwhile slows both. Then files,
//! beside nginx when that is installed, and the memory of idle connections. Nothing is asserted but that what comes back
//! is right.
//!
//! `cargo bench --bench loopback` does it all, `-- echo`, `-- files` or `-- idle` a part.

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use daemon::Daemon;
use files::Site;
use load::{Exchange, Load, Shape};
use peer::Opened;
use raw::RawEcho;
use system::{Memory, Pid};

#[path = "../tests/daemon/mod.rs"]
mod daemon;
#[path = "loopback/files.rs"]
mod files;
#[path = "loopback/load.rs"]
mod load;
#[path = "loopback/nginx.rs"]
mod nginx;
#[path = "loopback/peer.rs"]
mod peer;
#[path = "loopback/raw.rs"]
mod raw;
#[path = "loopback/system.rs"]
mod system;

const CELLS: [Shape; 4] = [
    Shape::new(16, 100, 1),
    Shape::new(1 << 10, 100, 1),
    Shape::new(1 << 16, 100, 1),
    Shape::new(16, 100, 16),
];

/// Turns of each server at a cell.
const REPEATS: usize = 5;

/// Idle connections, when the descriptor limit allows.
const IDLE: usize = 10_000;

/// Idle WebSockets by TLS.
const IDLE_TLS: usize = 2000;

/// Limits that idle connections do not reach.
const PATIENT: &str = "max_connections = 20000\nping_interval = \"0s\"\nidle_timeout = \"10min\"\n";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if has(raw::ARGUMENT) {
        raw::serve();
    } else if has("--bench") {
        let parts = ["echo", "files", "idle"];
        let all = !parts.iter().any(|part| has(part));
        bench(parts.map(|part| all || has(part)));
    } else {
        println!(
            "loopback: measures with `cargo bench --bench loopback [-- echo|files|idle]` only"
        );
    }
}

fn bench([echoes, files, idles]: [bool; 3]) {
    let descriptors = usize::try_from(daemon::raise_descriptor_limit()).unwrap_or(usize::MAX);
    let processors = system::processors();
    let (server, generator) = match processors[..] {
        [first, second, ..] => (first, second),
        _ => {
            println!("one processor for all: the ratios are worth little");
            (processors[0], processors[0])
        }
    };
    system::pin(0, generator);
    if echoes {
        echo(server);
    }
    if files {
        files::compare(server);
    }
    if idles {
        idle(server, descriptors.saturating_sub(100));
    }
}

/// A daemon that logs warnings only.
fn quiet_daemon(config: &str) -> Daemon {
    let config = format!("[daemon]\nlog = \"warn\"\nmax_connections = 20000\n{config}");
    // It does not say where it listens then, so its addresses are ours.
    Daemon::run_by(&config, 0, |binary, file: &Path| {
        let mut command = Command::new(binary);
        command.args(["run", "-c"]).arg(file);
        command
    })
}

/// One kind of server, as the load sees it.
struct Server {
    pid: Pid,
    /// A connection that may send messages.
    open: Box<dyn Fn() -> Opened>,
    exchange: fn(&Shape) -> Exchange,
}

fn echo(processor: usize) {
    let raw = RawEcho::start();
    system::pin(raw.pid(), processor);
    let address = raw.address();
    let raw_echo = Server {
        pid: raw.pid(),
        open: Box::new(move || Opened::plain(address)),
        exchange: Exchange::raw_echo,
    };
    let [address] = files::free();
    let daemon = quiet_daemon(&format!(
        "[[server]]\nbind = [\"{address}\"]\nmessages = \"echo\"\n[server.limits]\n{PATIENT}"
    ));
    nginx::wait_for(address);
    system::pin(daemon.pid(), processor);
    let ours = Server {
        pid: daemon.pid(),
        open: Box::new(move || Opened::plain(address).upgrade()),
        exchange: Exchange::echo,
    };
    println!("\nserver CPU a message, ns (medians of {REPEATS}; the ratio with its range)\n");
    println!("bytes  connections  in flight  raw echo  bellwire  ratio");
    for shape in CELLS {
        println!("{}", Row::measure(shape, &[&raw_echo, &ours]));
    }
}

/// The figures of a cell.
struct Row {
    shape: Shape,
    raw: f64,
    ours: f64,
    /// Least, median, greatest.
    ratio: [f64; 3],
}

impl Row {
    fn measure(shape: Shape, servers: &[&Server; 2]) -> Row {
        let mut loads = servers
            .each_ref()
            .map(|server| Load::open(shape, &*server.open, &(server.exchange)(&shape)));
        let mut turns: [Vec<f64>; 2] = Default::default();
        for _ in 0..REPEATS {
            for (at, load) in loads.iter_mut().enumerate() {
                turns[at].push(load.cpu_per_answer(servers[at].pid));
            }
        }
        let [raw, ours] = turns;
        let mut ratios: Vec<f64> = ours
            .iter()
            .zip(&raw)
            .map(|(ours, raw)| ours / raw)
            .collect();
        ratios.sort_by(f64::total_cmp);
        Row {
            shape,
            raw: median(raw),
            ours: median(ours),
            ratio: [ratios[0], ratios[REPEATS / 2], ratios[REPEATS - 1]],
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape {
            bytes,
            connections,
            in_flight,
        } = self.shape;
        let [least, middle, most] = self.ratio;
        write!(
            f,
            "{bytes:>5}  {connections:>11}  {in_flight:>9}  {:>8.0}  {:>8.0}  {middle:.3} ({least:.3}..{most:.3})",
            self.raw, self.ours
        )
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What idle connections cost of the daemon's memory: one daemon for each kind, before any and with many.
fn idle(processor: usize, most: usize) {
    let site = Site::new();
    let client = Arc::clone(&site.client);
    type Kind<'k> = (&'k str, usize, &'k dyn Fn([SocketAddr; 2]) -> Opened);
    let kinds: [Kind<'_>; 4] = [
        ("HTTP, kept alive", IDLE, &|[plain, _]| {
            let mut peer = Opened::plain(plain);
            peer.write_all(b"HEAD /1024 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .expect("a request");
            peer.read_head();
            peer
        }),
        ("WebSocket", IDLE, &|[plain, _]| {
            Opened::plain(plain).upgrade()
        }),
        ("HTTP by TLS", IDLE_TLS, &|[_, tls]| {
            let mut peer = Opened::by_tls(tls, &client);
            peer.write_all(b"HEAD /1024 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .expect("a request");
            peer.read_head();
            peer
        }),
        ("WebSocket by TLS", IDLE_TLS, &|[_, tls]| {
            Opened::by_tls(tls, &client).upgrade()
        }),
    ];
    println!(
        "\nmemory of the daemon: with nobody, with idle connections (KiB), and bytes of each\n"
    );
    println!("idle connections         number  anonymous          bytes  RSS                bytes");
    for (name, count, open) in kinds {
        let count = count.min(most);
        let [plain, tls] = files::free();
        let daemon = site.daemon(plain, tls, PATIENT);
        system::pin(daemon.pid(), processor);
        let none = Memory::of(daemon.pid());
        let peers: Vec<Opened> = (0..count).map(|_| open([plain, tls])).collect();
        let many = Memory::of(daemon.pid());
        drop(peers);
        let each = |after: usize, before: usize| after.saturating_sub(before) * 1024 / count.max(1);
        let [anonymous, resident] = [
            (none.anonymous, many.anonymous),
            (none.resident, many.resident),
        ]
        .map(|(none, many)| format!("{none:>6} -> {many:>6}  {:>5}", each(many, none)));
        println!("{name:<20}  {count:>9}  {anonymous}  {resident}");
    }
    println!();
}
