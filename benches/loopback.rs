//! The whole daemon over loopback, beside a raw TCP echo that is given the same bytes in the same run.
//!
//! What is measured is the server's CPU time for a message, the kernel's part included, with the server on a processor
//! of its own. Absolute figures hold for the machine and the hour; the ratio is what to compare. Both servers take turns,
//! and the ratio is the median over pairs of turns, so that a machine that slows down meanwhile slows both. Then the
//! memory of idle connections. Nothing is asserted but that what comes back is right.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use bellwire::proto::ws::frame::OpCode;

use daemon::Daemon;
use load::{Load, Shape};
use raw::RawEcho;
use system::{Memory, Pid};

#[path = "../tests/daemon/mod.rs"]
mod daemon;
#[path = "loopback/load.rs"]
mod load;
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

const CONFIG: &str = "[daemon]\nmax_connections = 20000\n\
                      [[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"echo\"\n\
                      [server.limits]\nmax_connections = 20000\nping_interval = \"0s\"\n";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == raw::ARGUMENT) {
        raw::serve();
    } else if arguments.iter().any(|argument| argument == "--bench") {
        bench();
    } else {
        println!("loopback: measures with `cargo bench --bench loopback` only");
    }
}

fn bench() {
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
    echo(server);
    idle(server, IDLE.min(descriptors.saturating_sub(100)));
}

/// The daemon, without a line of log for each connection.
fn daemon(processor: usize) -> Daemon {
    let daemon = Daemon::run_by(CONFIG, 1, |binary, file: &Path| {
        let mut command = Command::new(binary);
        command.args(["run", "-c"]).arg(file);
        command
    });
    system::pin(daemon.pid(), processor);
    daemon
}

/// One kind of server, as the load sees it.
struct Server {
    pid: Pid,
    address: SocketAddr,
    /// What a peer does before it sends messages.
    open: fn(SocketAddr) -> TcpStream,
    /// The answer to a frame.
    answer: fn(&Shape) -> Vec<u8>,
}

fn echo(processor: usize) {
    let raw = RawEcho::start();
    system::pin(raw.pid(), processor);
    let daemon = daemon(processor);
    let servers = [
        Server {
            pid: raw.pid(),
            address: raw.address(),
            open: load::connect,
            answer: |shape| shape.frame(),
        },
        Server {
            pid: daemon.pid(),
            address: daemon.address(),
            open: load::open_websocket,
            answer: |shape| shape.answer(OpCode::Binary),
        },
    ];
    println!("\nserver CPU a message, ns (medians of {REPEATS}; the ratio with its range)\n");
    println!("bytes  connections  in flight  raw echo  bellwire  ratio");
    for shape in CELLS {
        println!("{}", Row::measure(shape, &servers));
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
    fn measure(shape: Shape, servers: &[Server; 2]) -> Row {
        let mut loads = servers
            .each_ref()
            .map(|server| Load::open(shape, server.address, server.open, (server.answer)(&shape)));
        let mut turns: [Vec<f64>; 2] = Default::default();
        for _ in 0..REPEATS {
            for (at, load) in loads.iter_mut().enumerate() {
                turns[at].push(load.cpu_per_message(servers[at].pid));
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

/// The memory of a daemon that has served nobody, and of the same with idle WebSockets.
fn idle(processor: usize, count: usize) {
    let daemon = daemon(processor);
    let none = Memory::of(daemon.pid());
    let peers: Vec<TcpStream> = (0..count)
        .map(|_| load::open_websocket(daemon.address()))
        .collect();
    let many = Memory::of(daemon.pid());
    drop(peers);
    println!("\nmemory of the daemon, KiB\n");
    println!("idle WebSockets  anonymous    RSS");
    println!("{:>15}  {:>9}  {:>5}", 0, none.anonymous, none.resident);
    println!("{count:>15}  {:>9}  {:>5}", many.anonymous, many.resident);
    let each = |after: usize, before: usize| after.saturating_sub(before) * 1024 / count.max(1);
    println!(
        "   bytes of each  {:>8}  {:>5}\n",
        each(many.anonymous, none.anonymous),
        each(many.resident, none.resident)
    );
}
