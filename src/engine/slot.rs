//! What the loop keeps of one connection.

use std::rc::Rc;

use crate::conn::Connection;
use crate::conn::event::ExchangeId;
use crate::conn::tls::Tls;

use super::access_log::Access;
use super::file_body::Feed;
use super::memory::{Account, Held};
use super::outbox::Outbox;
use super::owners::OwnerId;
use super::socket::{Peer, Socket};

/// `Slot::member` of a connection that is in no owner's list.
pub(super) const NO_MEMBER: u32 = u32::MAX;

/// Whose connection it is, and whose it is at the other end; it does not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    /// The server that it belongs to.
    pub owner: OwnerId,
    pub peer: Peer,
    /// It came by a binding that only this machine reaches.
    pub loopback: bool,
    /// It speaks TLS.
    pub tls: bool,
}

/// What is left to be done to a connection at the end of the batch, where the handler can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pending {
    /// Nothing: it is not in the list of slots to be settled.
    #[default]
    Nothing,
    /// It was written to, and is to be settled.
    Settle,
    /// The first bytes of TLS are to be sent.
    Begin,
    /// Its server or client ends: see [`Connection::shut_down`].
    ShutDown,
    /// Writing to it failed.
    Broken,
    /// It held the most memory when there was too little.
    Shed,
    /// Acting on it panicked.
    Panicked,
}

/// What a handler adds to a connection.
#[derive(Debug, Default)]
pub(super) struct About {
    /// The file that is the body of the answer under way.
    pub feed: Option<Box<Feed>>,
    /// The request under way, for the access log.
    pub access: Option<Box<Access>>,
    /// Who has proved to be at the other end.
    pub user: Option<Rc<String>>,
}

/// One connection with its socket.
#[derive(Debug)]
pub(super) struct Slot {
    pub conn: Connection,
    pub socket: Socket,
    /// Boxed, for most connections of most daemons have none.
    pub tls: Option<Box<Tls>>,
    /// Bytes that the socket did not take; none while there are none.
    pub outbox: Option<Box<Outbox>>,
    pub who: Who,
    pub about: About,
    /// When it began, in seconds since the engine did.
    pub since: u32,
    /// Its place in the owner's list of open WebSockets.
    pub member: u32,
    /// Bytes of memory that it holds beyond itself and its outbox, as they were counted when it was settled.
    pub held: Held,
    /// The socket may have bytes: its edge came, and no short read has been seen since.
    pub readable: bool,
    /// The peer's end or an error was reported: its edge does not come again, so one reads until it shows.
    pub ending: bool,
    /// The socket may take bytes.
    pub writable: bool,
    /// It was asked to report when it does; see [`Socket::watch_writable`].
    pub watches_writable: bool,
    /// What is left over from the last batch was left for want of room or of an answer, not for being incomplete.
    pub interrupted: bool,
    /// Why it is in the list of slots to be settled.
    pub pending: Pending,
    /// It is in the list of slots to be served in the next turn.
    pub resumed: bool,
    /// It is in the list of slots to be freed after the batch.
    pub reaped: bool,
}

const _: () = assert!(
    size_of::<Slot>() <= 256,
    "an idle connection costs its slot and nothing else"
);

impl Slot {
    pub(super) fn new(
        conn: Connection,
        socket: Socket,
        tls: Option<Box<Tls>>,
        who: Who,
        since: u32,
    ) -> Slot {
        Slot {
            conn,
            socket,
            tls,
            outbox: None,
            who,
            about: About::default(),
            since,
            member: NO_MEMBER,
            held: Held::default(),
            readable: false,
            ending: false,
            writable: true,
            watches_writable: false,
            interrupted: false,
            pending: Pending::Nothing,
            resumed: false,
            reaped: false,
        }
    }

    /// The exchange that it is in.
    pub(super) fn exchange(&self) -> ExchangeId {
        ExchangeId {
            conn: self.conn.id(),
            number: self.conn.exchange(),
        }
    }

    /// Whether nothing of it has changed that the engine keeps track of, but for its deadline: it is an open WebSocket,
    /// all that it said has left, and all that it was told is done with.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.outbox.is_none()
            && self.writable
            && self.held.bytes() == 0
            && self.member != NO_MEMBER
            && !self.readable
            && self.tls.is_none()
            && !self.conn.tells_drained
            && self.conn.is_quiet()
    }

    /// Whether what is written to it may still leave.
    pub(super) fn may_write(&self) -> bool {
        !self.reaped && self.pending < Pending::Broken
    }

    /// Counts again what it holds.
    pub(super) fn recount(&mut self, account: &Account) {
        let tls = self.tls.as_ref().map_or(0, |tls| tls.held());
        account.hold(&mut self.held, self.conn.held() + tls);
    }

    /// Bytes of memory that are charged for it.
    pub(super) fn charged(&self) -> usize {
        self.held.bytes() + self.outbox.as_ref().map_or(0, |outbox| outbox.held())
    }

    #[inline]
    pub(super) fn backlog(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.len())
    }
}
