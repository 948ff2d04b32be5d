//! bellwire: a WebSocket connection manager for small machines. This page is the map of the crate.
//!
//! # Floors
//!
//! A floor imports from those below it and never from above. `tests/layers.rs` holds the order and enforces it; it also
//! sees that no files import each other in a circle, that the inherent methods of a type stand in one file, and that no
//! file is long.
//!
//! | floor | module | what it is |
//! | --- | --- | --- |
//! | 5 | [`cli`] | the command: its verbs, the daemon, signals |
//! | 5 | [`helper`] | the privileged process beside the daemon: PAM, and reading and binding for reloads |
//! | 5 | [`process`] | what both processes need: identity, privileges, logging, output, exit statuses |
//! | 4 | [`manager`] | servers, clients, triggers, scripts and commands, and what they do on events |
//! | 3 | [`engine`] | the event loop on mio: sockets, listeners, timers, backlogs, memory, processes, dialling |
//! | 2 | [`rpc`] | the one language of commands and events: requests, results and events as types |
//! | 2 | [`config`] | the configuration file, checked, every fault with its place |
//! | 2 | [`certs`] | certificates and keys from PEM files, for servers and clients |
//! | 2 | [`auth`] | checks of passwords: user lists, hashes, recent logins, and the limit on failed ones |
//! | 2 | [`files`] | files of a folder that is served: which one a request gets, and the answer |
//! | 1 | [`conn`] | one connection as a state machine: bytes and time in, events and bytes out |
//! | 0 | [`proto`] | bytes to values and back: HTTP/1.1, the WebSocket protocol, CGI, the helper's messages |
//!
//! # The way of the data
//!
//! ```text
//! socket -> receive buffer (one, shared)
//!   -> Connection::step -> Event, which borrows the buffer
//!   -> Handler::on_event, whose replies go to the cork (one, shared)
//!   -> settle: one write, the timer, the end of the connection
//! after the turn
//!   -> Manager::work: the engine's outcomes (processes, logins, files from the disk, connects), and what events have left
//!      to be done with the whole engine at hand
//! ```
//!
//! # Where to change what
//!
//! | task | files, in the order of the work |
//! | --- | --- |
//! | add a key of the configuration | `config/` (the file of its table), then the one file that uses it, `bellwire.example.toml`, README |
//! | add a limit of connections | `conn/conf.rs` (the value and its default), `config/limits.rs`, the phase in `conn/` that enforces it |
//! | add a verb or an option of the command line | `cli/args/verbs.rs` (its declaration), `cli/args/calls.rs` (its effect), then `cli/control/` for a verb that asks the daemon, or a file in `cli/` for one that does not |
//! | add a method of the language | `rpc/method.rs`, `rpc/result.rs`, `rpc/methods.md`, `manager/control/methods.rs` |
//! | add a kind of event | `rpc/event.rs`, and the place in `manager/` where it happens, by `Subscribers::publish` |
//! | add an action of triggers | `config/trigger.rs`, `manager/trigger/mod.rs` when it is done at once, else `manager/scripts/` |
//! | add a variable for scripts | `manager/scripts/environment.rs`, `manager/scripts/job.rs` |
//! | add a phase of a connection | `conn/phase.rs`, `conn/step.rs`, a file for its methods; its deadline in `conn/deadline.rs` |
//! | add something to HTTP or WebSocket | `proto/http/` or `proto/ws/` with a transcript in its tests, then the phase in `conn/` |
//! | add a request to the helper | `proto/helper.rs`, `helper/permitted.rs`, `helper/serve.rs`, `engine/helper.rs` |
//! | add a way to get sockets | `cli/sockets.rs` |
//! | add a kind of outgoing connection | `engine/outgoing.rs`, and an owner beside `manager/client/`; dialling and backoff are the engine's |
//!
//! # What holds everywhere
//!
//! - `proto` and `conn` do no I/O, read no clock and know no randomness: all three are arguments. So they can be fuzzed,
//!   benchmarked and simulated by themselves.
//! - The loop is one thread and waits for events only. What may take long is done elsewhere: cold files and names by a
//!   thread each, hashes and PAM by the helper.
//! - Owners, connections, requests, processes and listeners have numbers that are never used again. A late answer carries
//!   the number of its request, and finds that one or none.
//! - Only a connection encodes frames, for its role: those of a client are masked. A broadcast is encoded once.
//! - A message that lies whole in the receive buffer is unmasked, checked and handed on where it lies; nothing is
//!   allocated for it while its receiver keeps up.
//! - An idle connection owns its slot of at most 256 bytes and nothing else; one over TLS has its keys beside it.
//! - Memory that is spent on behalf of peers and scripts is charged to an account when it is allocated or queued. When
//!   the limit is passed, the connection that holds the most memory is closed.
//! - A configuration is run in one way: prepared, which may fail and changes nothing, and committed, which does not fail.
//! - An event never re-enters the handler: what it does to other connections is done after it. The handler hears of the
//!   end of a connection when the engine settles.
//! - What a peer, a file or a person can cause is a value of an error type, never a panic. If one happens all the same,
//!   it ends the connection that it happened on.
//!
//! # Absent on purpose
//!
//! No async runtime, no shared state between threads, no `Rc<RefCell>`, no trait for the transport in the protocol types,
//! no type parameter with one value, no `util`, no prelude.

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
