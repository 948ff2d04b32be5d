//! bellwire: a WebSocket connection manager for small machines. This page is the map of the house.
//!
//! # Floors
//!
//! A floor imports from those below it and never from above; within a folder a file imports what stands left of it in
//! the list that `tests/layers.rs` holds and enforces.
//!
//! | floor | module | what it is |
//! | --- | --- | --- |
//! | 5 | [`cli`] | the command: its verbs, the daemon, signals |
//! | 5 | [`helper`] | the privileged process beside the daemon: PAM, and reading and binding for reloads |
//! | 5 | [`process`] | what every process needs: identity, privileges, logging, output, exit statuses |
//! | 4 | [`manager`] | what happens: servers, clients, triggers, commands, and what they do on events |
//! | 3 | [`engine`] | the event loop on mio: sockets, listeners, timers, backlogs, processes, connects |
//! | 2 | [`rpc`] | the one language of commands and events: requests, results and events as types |
//! | 2 | [`config`] | the configuration file, checked, every fault with its place |
//! | 2 | [`certs`] | certificates and keys from PEM files, for servers and clients |
//! | 2 | [`auth`] | checks of passwords: user lists, hashes, recent logins, and the limit on failed ones |
//! | 2 | [`files`] | files of a folder that is served: which one a request gets, and the answer |
//! | 1 | [`conn`] | one connection as a machine: bytes and time in, events and bytes out |
//! | 0 | [`proto`] | bytes to values and back: HTTP/1.1, the WebSocket protocol, CGI, the helper's messages |
//!
//! # The way of the data
//!
//! ```text
//! socket -> receive buffer (one, shared)
//!   -> Connection::step -> Event, which borrows the buffer
//!   -> Handler::on_event, whose replies go to the cork (one, shared)
//!   -> settle: one write; the timer; the end
//! after the turn
//!   -> Manager::work: what the engine has to tell besides (processes, logins, files from the disk, connects), and what events
//!      have left to be done with the whole engine at hand
//! ```
//!
//! # What holds everywhere
//!
//! - `proto` and `conn` do no I/O, read no clock and know no randomness: all three are arguments. So they can be fuzzed,
//!   benchmarked and simulated by themselves.
//! - The loop is one thread and never waits but for events. What may take long is done elsewhere: cold files and names by a
//!   thread each, which know nothing but their job; hashes and PAM by the helper.
//! - An answer that comes late carries the number of its request, and finds that one or none.
//! - A message that lies whole in the receive buffer is unmasked, checked and handed on where it lies; nothing is
//!   allocated for it while its receiver keeps up.
//! - An idle connection owns its slot of at most 256 bytes and nothing else; one over TLS has its keys beside it.
//! - All that is buffered for connections is counted, and the one that holds most is closed when it is too much.
//! - An event never re-enters the handler: what it does to other connections is done after it.
//! - What a peer, a file or a person can cause is a value of an error type, never a panic. Should one happen all the
//!   same, it ends the connection it happened on.
//!
//! # Absent on purpose
//!
//! No async runtime, no shared state between threads, no `Rc<RefCell>`, no trait for the transport in the protocol types, no `util`, no
//! prelude.

pub mod auth;
pub mod certs;
pub mod cli;
pub mod config;
pub mod conn;
pub mod engine;
pub mod files;
pub mod helper;
pub mod manager;
pub mod process;
pub mod proto;
pub mod rpc;
