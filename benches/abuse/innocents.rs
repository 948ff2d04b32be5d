//! Innocent peers: what an attack must not do anything to. Each uses the daemon all the time and records every fault.

use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use base64::Engine as _;
use bellwire::proto::ws::frame::{OpCode, put_unmasked};
use mio::net::TcpStream as Member;
use mio::{Events, Interest, Poll, Token};

use crate::daemon::PATIENCE;
use crate::stage::{INNOCENT, Server, Stage, USERS, ask, masked};

/// Between two visits of a peer.
const PAUSE: Duration = Duration::from_millis(20);

/// What innocent peers saw.
pub(crate) struct Report {
    /// The delays of echoes, in order of length.
    delays: Vec<Duration>,
    counts: Vec<(&'static str, usize)>,
    pub(crate) faults: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.delays.len();
        write!(f, "{count} echoes")?;
        if count > 0 {
            let at = |share: usize| self.delays[(count - 1) * share / 1000];
            let (half, most, all) = (at(500), at(999), at(1000));
            write!(
                f,
                ", half within {half:.1?}, 99.9 % within {most:.1?}, all within {all:.1?}"
            )?;
        }
        for (what, count) in &self.counts {
            write!(f, ", {count} {what}")?;
        }
        write!(f, ", {} faults", self.faults.len())
    }
}

/// A peer: counts what it was given until it is told to stop, or finds a fault.
struct Peer {
    what: &'static str,
    count: Arc<AtomicUsize>,
    thread: JoinHandle<Result<(), String>>,
}

pub(crate) struct Innocents {
    stop: Arc<AtomicBool>,
    probe: JoinHandle<Result<Vec<Duration>, String>>,
    peers: Vec<Peer>,
}

impl Innocents {
    pub(crate) fn begin(stage: &Arc<Stage>) -> Innocents {
        let stop = Arc::<AtomicBool>::default();
        let (of_probe, at) = (Arc::clone(&stop), Arc::clone(stage));
        let probe = std::thread::spawn(move || probe(&at, &of_probe));
        let mut innocents = Innocents {
            stop,
            probe,
            peers: Vec::new(),
        };
        for (what, server) in [
            ("reads of broadcasts", Server::Room),
            ("reads of forwarded messages", Server::Members),
        ] {
            let members = join(stage, server);
            innocents.add(what, stage, move |_, stop, count| {
                read_all(members, stop, count)
            });
        }
        innocents.add("messages of 1 MB", stage, |stage, stop, count| {
            let mut peer = stage.open(INNOCENT, Server::Echo)?;
            let message = vec![0x5a; 1_000_000];
            again(stop, count, || echo(&mut peer, &message))
        });
        innocents.add("requests to a script", stage, |stage, stop, count| {
            again(stop, count, || {
                let form =
                    b"POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\na=b";
                expect(&mut stage.connect(INNOCENT, Server::Script)?, form, "200")
            })
        });
        innocents.add("new logins", stage, |stage, stop, count| {
            again(stop, count, || {
                let user = format!("user{}:secret", count.load(Ordering::Relaxed) % USERS);
                let mut credentials = String::new();
                base64::engine::general_purpose::STANDARD.encode_string(user, &mut credentials);
                let request = format!(
                    "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n\r\n"
                );
                let mut peer = stage.connect(INNOCENT, Server::Login)?;
                expect(&mut peer, request.as_bytes(), "200")
            })
        });
        innocents.add("answers to commands", stage, |stage, stop, count| {
            again(stop, count, || {
                let mut peer = BufReader::new(stage.control()?);
                let status = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n";
                let written = peer.get_mut().write_all(status);
                written.map_err(|error| format!("not sent: {error}"))?;
                let mut line = String::new();
                match peer.read_line(&mut line) {
                    Ok(_) if line.contains("\"result\"") => Ok(()),
                    other => Err(format!("no status: {other:?} {line}")),
                }
            })
        });
        innocents
    }

    fn add(
        &mut self,
        what: &'static str,
        stage: &Arc<Stage>,
        peer: impl FnOnce(&Stage, &AtomicBool, &AtomicUsize) -> Result<(), String> + Send + 'static,
    ) {
        let count = Arc::<AtomicUsize>::default();
        let (stage, stop, counter) = (
            Arc::clone(stage),
            Arc::clone(&self.stop),
            Arc::clone(&count),
        );
        let thread = std::thread::spawn(move || peer(&stage, &stop, &counter));
        self.peers.push(Peer {
            what,
            count,
            thread,
        });
    }

    /// Waits until each peer that asks for something has been given it a few times more.
    pub(crate) fn wait_until_served(&self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        // Members of rooms are given nothing when nobody attacks.
        let asking = self.peers.iter().filter(|it| !it.what.starts_with("reads"));
        let served = |peer: &Peer| peer.count.load(Ordering::Relaxed);
        let due: Vec<_> = asking.map(|peer| (peer, served(peer) + 3)).collect();
        for (peer, due) in due {
            while served(peer) < due && !peer.thread.is_finished() {
                if Instant::now() > end {
                    return Err(format!("no {}", peer.what));
                }
                sleep(PAUSE);
            }
        }
        Ok(())
    }

    pub(crate) fn end(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let mut faults = Vec::new();
        let mut counts = Vec::new();
        for peer in self.peers {
            let ended = peer.thread.join().expect("no panic");
            faults.extend(ended.err().map(|fault| format!("{}: {fault}", peer.what)));
            counts.push((peer.what, peer.count.load(Ordering::Relaxed)));
        }
        let mut delays = match self.probe.join().expect("no panic") {
            Ok(delays) => delays,
            Err(fault) => {
                faults.push(format!("echoes: {fault}"));
                Vec::new()
            }
        };
        delays.sort();
        Report {
            delays,
            counts,
            faults,
        }
    }
}

/// Does something until it is told to stop, or a fault is found.
fn again(
    stop: &AtomicBool,
    count: &AtomicUsize,
    mut visit: impl FnMut() -> Result<(), String>,
) -> Result<(), String> {
    while !stop.load(Ordering::Relaxed) {
        visit()?;
        count.fetch_add(1, Ordering::Relaxed);
        sleep(PAUSE);
    }
    Ok(())
}

/// Sends a request, for which the answer has to have this status.
fn expect(peer: &mut TcpStream, request: &[u8], status: &str) -> Result<(), String> {
    let head = ask(peer, request)?;
    if head.split(' ').nth(1) == Some(status) {
        Ok(())
    } else {
        Err(head)
    }
}

/// Sends a message and waits for its echo.
fn echo(peer: &mut TcpStream, payload: &[u8]) -> Result<(), String> {
    let sent = peer.write_all(&masked(OpCode::Binary, payload));
    sent.map_err(|error| format!("not sent: {error}"))?;
    let mut expected = Vec::new();
    put_unmasked(&mut expected, OpCode::Binary, true, payload);
    let mut answer = vec![0; expected.len()];
    let read = peer.read_exact(&mut answer);
    read.map_err(|error| format!("no echo: {error}"))?;
    if answer == expected {
        Ok(())
    } else {
        Err(format!(
            "not the echo: {:x?}",
            &answer[..answer.len().min(64)]
        ))
    }
}

/// Echoes one short message after the other; gives how long each took.
fn probe(stage: &Stage, stop: &AtomicBool) -> Result<Vec<Duration>, String> {
    // Else what is measured is when the kernel lets this thread run. Not allowed to everybody.
    // SAFETY: the call reads a whole sched_param.
    unsafe {
        let mut priority: libc::sched_param = std::mem::zeroed();
        priority.sched_priority = 1;
        libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority);
    }
    let mut peer = stage.open(INNOCENT, Server::Echo)?;
    let mut delays = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        echo(&mut peer, b"is anybody here?")?;
        delays.push(begun.elapsed());
        sleep(Duration::from_millis(1));
    }
    Ok(delays)
}

/// The members of a room.
fn join(stage: &Stage, server: Server) -> Vec<TcpStream> {
    (0..stage.members)
        .map(|_| {
            let member = stage.open(INNOCENT, server).expect("a member");
            member.set_nonblocking(true).expect("it does not wait");
            member
        })
        .collect()
}

/// Reads all that comes to connections, none of which may be closed.
fn read_all(members: Vec<TcpStream>, stop: &AtomicBool, count: &AtomicUsize) -> Result<(), String> {
    let mut poll = Poll::new().map_err(|error| error.to_string())?;
    let mut members: Vec<_> = members.into_iter().map(Member::from_std).collect();
    for (index, member) in members.iter_mut().enumerate() {
        let registered = poll
            .registry()
            .register(member, Token(index), Interest::READABLE);
        registered.map_err(|error| error.to_string())?;
    }
    let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 256 << 10]);
    while !stop.load(Ordering::Relaxed) {
        let polled = poll.poll(&mut events, Some(PAUSE));
        polled.map_err(|error| error.to_string())?;
        for event in &events {
            loop {
                match members[event.token().0].read(&mut buffer) {
                    Ok(0) => return Err("a member was closed".to_owned()),
                    Ok(_) => count.fetch_add(1, Ordering::Relaxed),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(format!("a member was closed: {error}")),
                };
            }
        }
    }
    Ok(())
}
