//! Floor 3: the event loop, and the only mio.
//!
//! One thread, edge-triggered. A turn waits, serves every connection that is ready once (one receive, at most 256 KiB),
//! fires deadlines, accepts, settles, frees. Everything that a connection's events lead to leaves in one write when it
//! has been served. A slot is freed only after the batch, so a token is the plain index of its slot.
//!
//! It knows connections and owners; what a server is, what is served and who may enter is the [`Handler`]'s.

mod accept;
mod access;
mod beside;
pub mod child;
mod core;
mod deliver;
mod dial;
mod effects;
mod enter;
mod feed;
mod lane;
mod listener;
mod monitor;
mod ops;
mod outbox;
mod outcome;
mod outgoing;
pub mod packet;
mod reach;
mod receive;
mod sealed;
mod shared;
mod slot;
mod socket;
#[cfg(test)]
mod tests;
mod turn;
mod warnings;
mod wheel;

pub use self::core::{Speaks, Totals};
pub use accept::ListenerId;
pub use dial::{DialError, DialId, Dialled, Dials};
pub use listener::Bound;
pub use monitor::{MonitorReply, NotAsked};
pub use ops::{Handler, Ops};
pub use outcome::Outcome;
pub use outgoing::Outgoing;
pub use reach::Member;
pub use socket::{Peer, PeerCredentials};
pub use turn::{Engine, Limits};
pub use warnings::Warnings;
