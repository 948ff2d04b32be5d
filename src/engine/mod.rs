//! Floor 3: the event loop, and the only mio.
//!
//! One thread, edge-triggered. A turn waits, serves every connection that is ready once (one receive, at most 256 KiB),
//! fires deadlines, accepts, settles, frees. Everything that a connection's events lead to leaves in one write when it
//! has been served. A slot is freed only after the batch, so a token is the plain index of its slot.
//!
//! It knows connections and their owners. What a server is, what it serves and who may connect is decided by the
//! [`Handler`].

mod accept;
mod access_log;
mod api;
mod backoff;
mod blocking;
mod broadcast;
pub mod child;
mod connections;
mod dial;
mod file_body;
mod flush;
mod helper;
mod listener;
mod memory;
mod ops;
mod outbox;
mod outcome;
mod outgoing;
mod owners;
mod rate_limit;
mod receive;
pub mod seqpacket;
mod serve;
mod shared;
mod slot;
mod socket;
mod sources;
#[cfg(test)]
mod tests;
mod tls_wire;
mod turn;
mod wheel;

pub use self::connections::Totals;
pub use api::Member;
pub use backoff::Backoff;
pub use dial::{DialError, DialId, Dialled, Dials};
pub use helper::{HelperReply, NotAsked};
pub use listener::{Bound, ListenerId};
pub use memory::{Account, Charge};
pub use ops::{Handler, Ops};
pub use outcome::Outcome;
pub use outgoing::Outgoing;
pub use owners::{OwnerId, Speaks};
pub use rate_limit::RateLimit;
pub use socket::{Peer, PeerCredentials};
pub use turn::{Engine, Limits};
