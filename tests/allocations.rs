//! Plain echo allocates nothing for a message once the loop is warm: an allocator that counts says so.
//!
//! One thread runs the engine and its peer, so that only their allocations are counted. The peer works
//! with buffers that were made before.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use bellwire::conn::Conf;
use bellwire::conn::event::{ConnId, Event};
use bellwire::engine::{Bound, Engine, Handler, Limits, Ops, Speaks};
use bellwire::proto::ws::frame::{OpCode, put_masked, put_unmasked};
use bellwire::proto::ws::handshake;

/// Counts the requests of this thread to the system's allocator.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    COUNT.with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes on to the system's allocator as it came; the counter is a constant-initialised thread local
// without a destructor, so it allocates nothing itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: likewise.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: likewise.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The allocations of `work`.
fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

/// Echoes messages, or broadcasts them without a receiver.
struct Echo {
    broadcast: bool,
}

impl Handler for Echo {
    fn on_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: Event<'_>) {
        match event {
            Event::Request(head) => {
                let offer = handshake::read_request(&head).expect("an upgrade");
                assert!(ops.upgrade(&offer, None));
            }
            Event::Message { kind, data } => {
                if self.broadcast {
                    ops.broadcast(ops.owner(), Some(id), kind, data);
                }
                ops.reply(kind, data);
            }
            _ => {}
        }
    }
}

/// An engine and one WebSocket peer of it.
struct Pair {
    engine: Engine,
    handler: Echo,
    peer: TcpStream,
    buffer: Vec<u8>,
}

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

impl Pair {
    fn open(broadcast: bool) -> Pair {
        let limits = Limits {
            max_connections: 10,
            max_memory: 64 << 20,
        };
        let mut engine = Engine::new(limits, |buffer| buffer.fill(7)).expect("an engine");
        let owner = engine.add_owner("s", 10, Speaks::Http);
        let bound = Bound::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a listener");
        let address = bound.address().expect("its address");
        engine
            .listen(bound, owner, Rc::new(Conf::default()))
            .expect("watched");
        let peer = TcpStream::connect(address).expect("a connection");
        peer.set_nonblocking(true).expect("it does not wait");
        peer.set_nodelay(true).expect("it does not delay");
        let mut pair = Pair {
            engine,
            handler: Echo { broadcast },
            peer,
            buffer: vec![0; 1 << 20],
        };
        pair.exchange(REQUEST, |got| got.ends_with(b"\r\n\r\n"));
        pair
    }

    /// Sends `bytes` and turns the loop until the expected answer has come back.
    fn exchange(&mut self, bytes: &[u8], done: impl Fn(&[u8]) -> bool) {
        let (mut sent, mut got) = (0, 0);
        loop {
            if sent < bytes.len() {
                sent += or_none(self.peer.write(&bytes[sent..]));
            }
            // Waiting ends with the first event: the limit only matters if one is lost.
            self.engine
                .turn(&mut self.handler, Some(Duration::from_secs(5)))
                .expect("a turn");
            loop {
                match or_none(self.peer.read(&mut self.buffer[got..])) {
                    0 => break,
                    count => got += count,
                }
            }
            if done(&self.buffer[..got]) {
                return;
            }
        }
    }

    /// The allocations of `rounds` rounds of `together` messages of `len` bytes each.
    fn echo(&mut self, opcode: OpCode, len: usize, together: usize, rounds: usize) -> usize {
        let payload = vec![b'a'; len];
        let (mut request, mut answer) = (Vec::new(), Vec::new());
        for _ in 0..together {
            put_masked(&mut request, [1, 2, 3, 4], opcode, true, &payload);
            put_unmasked(&mut answer, opcode, true, &payload);
        }
        allocations(|| {
            for _ in 0..rounds {
                self.exchange(&request, |got| got.len() >= answer.len());
                assert!(self.buffer.starts_with(&answer));
            }
        })
    }
}

fn or_none(result: std::io::Result<usize>) -> usize {
    match result {
        Ok(count) => count,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => panic!("the peer: {error}"),
    }
}

/// How often a cell warms up.
const WARM: usize = 200;

#[test]
fn the_echo_of_a_message_allocates_nothing() {
    let mut pair = Pair::open(false);
    for opcode in [OpCode::Text, OpCode::Binary] {
        for (len, together) in [(16, 1), (1024, 1), (16, 16), (65_536, 1)] {
            pair.echo(opcode, len, together, WARM);
            let rounds = 10_000 / together;
            assert_eq!(
                pair.echo(opcode, len, together, rounds),
                0,
                "{opcode:?}, {len} bytes, {together} at a time"
            );
        }
    }
}

/// The counter sees allocations that are intended: a broadcast is encoded once, into new memory.
#[test]
fn the_counter_counts() {
    let mut pair = Pair::open(true);
    pair.echo(OpCode::Text, 16, 1, WARM);
    assert!(pair.echo(OpCode::Text, 16, 1, 100) >= 100);
}
