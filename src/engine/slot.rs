//! What the loop keeps of one connection.

use std::rc::Rc;

use crate::conn::Connection;
use crate::conn::event::ExchangeId;
use crate::conn::tls::Tls;

use super::access_log::LoggedRequest;
use super::file_body::FileBody;
use super::memory::{Account, Held};
use super::outbox::Outbox;
use super::owners::OwnerId;
use super::socket::{Peer, Socket};

/// Above this backlog a connection is not read from: what it asks cannot be answered anyway.
pub(super) const HIGH_WATER: usize = 64 * 1024;

/// `Slot::member` of a connection that is in no owner's list.
pub(super) const NO_MEMBER: u32 = u32::MAX;

/// What is known of a connection from its beginning; it does not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnInfo {
    /// The server or client that it belongs to.
    pub owner: OwnerId,
    pub peer: Peer,
    /// It was accepted on an address that only this machine reaches.
    pub loopback: bool,
    /// It speaks TLS.
    pub tls: bool,
}

/// What is to be done to a connection at the end of the batch, where the handler can be told.
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
    /// It has ended, and is freed after the batch.
    Free,
}

/// What handlers attach to a connection.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    /// The file that is being sent as the body of the answer.
    pub file_body: Option<Box<FileBody>>,
    /// The current request, for the access log.
    pub request: Option<Box<LoggedRequest>>,
    /// The user at the other end, once authenticated.
    pub user: Option<Rc<String>>,
}

/// One connection with its socket.
#[derive(Debug)]
pub(super) struct Slot {
    pub conn: Connection,
    pub socket: Socket,
    /// Boxed, for most connections have none.
    pub tls: Option<Box<Tls>>,
    /// Bytes that the socket did not take; `None` while there are none.
    pub outbox: Option<Box<Outbox>>,
    pub info: ConnInfo,
    pub attached: Attachments,
    /// When it began, in seconds since the engine did.
    pub since: u32,
    /// Its place in the owner's list of open WebSockets.
    pub member: u32,
    /// Bytes of memory that it holds beyond itself and its outbox, as they were counted when it was settled.
    pub held: Held,
    /// The socket may have bytes: its edge came, and no short read was seen since.
    pub readable: bool,
    /// The end of the stream or an error was reported. That edge does not come again, so the socket is read until it shows.
    pub read_closed: bool,
    /// The socket may take bytes.
    pub writable: bool,
    /// The system is asked to report when it does; see [`Socket::watch_writable`].
    pub watches_writable: bool,
    /// Bytes were left over from the last batch because the connection had to wait, not because they were incomplete.
    pub interrupted: bool,
    /// Why it is in the list of slots to be settled.
    pub pending: Pending,
    /// It is in the list of slots to be served in the next turn.
    pub resumed: bool,
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
        info: ConnInfo,
        since: u32,
    ) -> Slot {
        Slot {
            conn,
            socket,
            tls,
            outbox: None,
            info,
            attached: Attachments::default(),
            since,
            member: NO_MEMBER,
            held: Held::default(),
            readable: false,
            read_closed: false,
            writable: true,
            watches_writable: false,
            interrupted: false,
            pending: Pending::Nothing,
            resumed: false,
        }
    }

    /// Its current exchange.
    pub(super) fn exchange(&self) -> ExchangeId {
        ExchangeId {
            conn: self.conn.id(),
            number: self.conn.exchange(),
        }
    }

    /// Whether there is nothing to settle but its deadline: it is an open WebSocket, everything was sent, and everything that
    /// was received is processed.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.outbox.is_none()
            && self.writable
            && self.held.bytes() == 0
            && self.member != NO_MEMBER
            && !self.readable
            && self.tls.is_none()
            && !self.conn.reports_drained
            && self.conn.is_quiet()
    }

    /// Whether what is written to it may still leave.
    pub(super) fn may_write(&self) -> bool {
        self.pending < Pending::Broken
    }

    /// Whether it is to be served in the next turn, whatever the system reports.
    pub(super) fn has_work(&self) -> bool {
        let file_body = self.attached.file_body.as_ref();
        let sends = self.outbox.is_none()
            && self.writable
            && file_body.is_some_and(|file_body| !file_body.is_awaited());
        let more = self.readable || (self.interrupted && self.conn.has_rest());
        sends || (more && self.conn.receive_limit() > 0 && self.backlog() <= HIGH_WATER)
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
