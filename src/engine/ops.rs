//! What a handler can do while it handles an event.

use std::fs::File;
use std::rc::Rc;

use crate::conn::buffer::{Out, Sent, SharedFrame};
use crate::conn::deadline::Tick;
use crate::conn::event::{ConnId, Event};
use crate::conn::{Answer, AnswerHead, Connection, Tools};
use crate::files::Segment;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::{self, Kind};
use crate::proto::ws::handshake::Offer;

use super::feed::Feed;
use super::slot::Who;
use super::socket::Peer;

/// Decides what happens on events.
pub trait Handler {
    /// `event` happened on connection `id`. What is done to that connection by `ops` takes effect at once, what is done
    /// to others after this returns.
    fn on_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: Event<'_>);
}

/// Something to be done to other connections, after the event.
#[derive(Debug)]
pub(super) enum Later {
    Send {
        to: ConnId,
        frame: SharedFrame,
    },
    Broadcast {
        owner: u32,
        except: Option<ConnId>,
        frames: Frames,
    },
    Close {
        to: ConnId,
        code: CloseCode,
        reason: String,
    },
}

/// Messages of one kind in the making of a [`SharedFrame`].
#[derive(Debug)]
pub(super) struct Frames {
    kind: Kind,
    messages: u32,
    bytes: Vec<u8>,
}

impl Frames {
    /// Messages are joined up to so many bytes.
    const JOINED: usize = 64 * 1024;

    fn new(kind: Kind, data: &[u8]) -> Frames {
        let mut frames = Frames {
            kind,
            messages: 0,
            bytes: Vec::with_capacity(data.len() + frame::MAX_HEADER),
        };
        frames.put(data);
        frames
    }

    fn put(&mut self, data: &[u8]) {
        frame::put_unmasked(&mut self.bytes, self.kind.into(), true, data);
        self.messages += 1;
    }

    /// Whether one more may be put behind the others.
    fn takes(&self, kind: Kind, data: &[u8]) -> bool {
        self.kind == kind && self.bytes.len() + data.len() + frame::MAX_HEADER <= Frames::JOINED
    }

    pub(super) fn share(self) -> SharedFrame {
        SharedFrame {
            kind: self.kind,
            messages: self.messages,
            bytes: Rc::from(self.bytes),
        }
    }
}

/// The means of a handler: the connection that the event is of, and the others by their ids.
pub struct Ops<'o> {
    pub(super) conn: &'o mut Connection,
    pub(super) out: Out<'o>,
    pub(super) tools: &'o mut Tools,
    pub(super) later: &'o mut Vec<Later>,
    pub(super) feed: &'o mut Option<Box<Feed>>,
    pub(super) now: Tick,
    pub(super) who: &'o Who,
}

impl Ops<'_> {
    /// The number that [`Engine::add_owner`](super::Engine::add_owner) gave to the server of this connection.
    #[inline]
    #[must_use]
    pub fn owner(&self) -> u32 {
        self.who.owner
    }

    /// Where the peer of this connection is.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.who.peer
    }

    /// Whether this connection came by a binding on a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.who.loopback
    }

    /// Whether this connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.who.tls
    }

    /// Sends a message to the peer of this connection. Nothing is allocated while the peer keeps up.
    #[inline(always)]
    pub fn reply(&mut self, kind: Kind, data: &[u8]) -> Sent {
        self.conn
            .send(kind, data, self.tools, &mut self.out, self.now)
    }

    /// Answers the request of this connection. False: none waits for an answer.
    pub fn respond(&mut self, answer: &Answer<'_>) -> bool {
        self.conn.respond(answer, &mut self.out, self.now)
    }

    /// Answers the request of this connection with a file: `head.length` bytes of it, as the segments say. It is sent as
    /// the peer takes it; one that turns out shorter ends the connection. False: no request waits for an answer.
    pub fn respond_file(
        &mut self,
        head: &AnswerHead<'_>,
        file: File,
        segments: Vec<Segment>,
    ) -> bool {
        match self.conn.respond_head(head, &mut self.out, self.now) {
            None => false,
            Some(false) => true,
            Some(true) => {
                *self.feed = Some(Box::new(Feed::new(file, segments)));
                true
            }
        }
    }

    /// Accepts the upgrade that the request of this connection offers. False: none waits for an answer.
    pub fn upgrade(&mut self, offer: &Offer<'_>, protocol: Option<&str>) -> bool {
        self.conn.upgrade(offer, protocol, &mut self.out, self.now)
    }

    /// Begins the closing handshake of this connection.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        self.conn
            .start_closing(code, reason, self.tools, &mut self.out, self.now);
    }

    /// Sends a message to another connection. One that has ended meanwhile gets nothing.
    pub fn send(&mut self, to: ConnId, kind: Kind, data: &[u8]) {
        self.later.push(Later::Send {
            to,
            frame: Frames::new(kind, data).share(),
        });
    }

    /// Sends a message to all open WebSockets of an owner, but `except`. It is encoded once; short ones in a row are
    /// joined, for each receiver has a price, and the messages of one receive can be many thousands.
    pub fn broadcast(&mut self, owner: u32, except: Option<ConnId>, kind: Kind, data: &[u8]) {
        if let Some(Later::Broadcast {
            owner: to,
            except: but,
            frames,
        }) = self.later.last_mut()
            && (*to, *but) == (owner, except)
            && frames.takes(kind, data)
        {
            frames.put(data);
            return;
        }
        self.later.push(Later::Broadcast {
            owner,
            except,
            frames: Frames::new(kind, data),
        });
    }

    /// Begins the closing handshake of another connection.
    pub fn close_other(&mut self, to: ConnId, code: CloseCode, reason: &str) {
        self.later.push(Later::Close {
            to,
            code,
            reason: reason.to_owned(),
        });
    }
}
