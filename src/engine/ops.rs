//! What a handler can do while it handles an event.

use std::collections::VecDeque;
use std::fs::File;
use std::rc::Rc;
use std::sync::Arc;

use crate::conn::buffer::{Out, Sent};
use crate::conn::deadline::Tick;
use crate::conn::event::{CloseReason, ConnId, Event, ExchangeId};
use crate::conn::{Answer, AnswerHead, Connection, MessageBatch, Said, SharedMessages, Tools};
use crate::files::{BlockingLookup, Segment};
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::Kind;
use crate::proto::ws::handshake::Offer;

use super::access_log::{self, Whose};
use super::blocking::Job;
use super::file_body::Feed;
use super::outcome::Outcome;
use super::owners::OwnerId;
use super::slot::{About, Who};
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
        message: SharedMessages,
    },
    Broadcast {
        owner: OwnerId,
        except: Option<ConnId>,
        messages: MessageBatch,
    },
    Close {
        to: ConnId,
        code: CloseCode,
        reason: String,
    },
}

/// What events leave for after them, and for others.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// What is to be done to other connections.
    pub later: Vec<Later>,
    /// What is to be done where it may take its time.
    pub jobs: Vec<Job>,
    /// What is to be told to whoever turns the engine.
    pub outcomes: VecDeque<Outcome>,
    /// What owners are called in the log, by their numbers.
    pub names: Vec<Rc<str>>,
}

/// The means of a handler: the connection that the event is of, and the others by their ids.
pub struct Ops<'o> {
    pub(super) conn: &'o mut Connection,
    pub(super) out: Out<'o>,
    pub(super) tools: &'o mut Tools,
    pub(super) aside: &'o mut Aside,
    pub(super) about: &'o mut About,
    pub(super) now: Tick,
    pub(super) who: &'o Who,
}

impl Ops<'_> {
    /// The server or client of this connection; see [`Engine::add_owner`](super::Engine::add_owner).
    #[inline]
    #[must_use]
    pub fn owner(&self) -> OwnerId {
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

    /// Who has proved to be at the other end; nobody while nothing was asked.
    #[must_use]
    pub fn user(&self) -> Option<&Rc<String>> {
        self.about.user.as_ref()
    }

    /// From now on this is the user at the other end.
    pub fn set_user(&mut self, user: Option<Rc<String>>) {
        self.about.user = user;
    }

    /// The clock of this turn.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.now
    }

    /// Bytes that wait for this peer to take them.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.out.backlog()
    }

    /// The request that waits for an answer on this connection will get it later, by
    /// [`Engine::with_exchange`](super::Engine::with_exchange). With `hold_body`, its body is not read until then or until
    /// [`Ops::hold_body`] says so.
    pub fn defer(&mut self, hold_body: bool) -> ExchangeId {
        self.conn.defer(hold_body, &mut self.out, self.now);
        self.exchange()
    }

    /// Defers the answer until a file was looked up where the disk may be waited for; see
    /// [`Outcome::Visited`](super::Outcome::Visited).
    pub fn look_up(&mut self, visit: BlockingLookup) {
        let exchange = self.defer(false);
        self.aside.jobs.push(Job::Visit(exchange, visit));
    }

    /// The current request of this connection.
    #[must_use]
    pub fn exchange(&self) -> ExchangeId {
        ExchangeId {
            conn: self.conn.id(),
            number: self.conn.exchange(),
        }
    }

    /// The target of the request holds a password; see [`Connection::set_private`].
    pub fn set_private(&mut self) {
        self.conn.set_private();
    }

    /// Whether the body of the request is held back.
    pub fn hold_body(&mut self, hold: bool) {
        self.conn.hold_body(hold, &mut self.out, self.now);
    }

    /// Sends a message to the peer of this connection. Nothing is allocated while the peer keeps up.
    #[inline(always)]
    pub fn reply(&mut self, kind: Kind, data: &[u8]) -> Sent {
        self.conn
            .send(kind, data, self.tools, &mut self.out, self.now)
    }

    pub(super) fn send_shared(&mut self, messages: &SharedMessages) -> Sent {
        self.conn
            .send_shared(messages, self.tools, &mut self.out, self.now)
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
        file: Arc<File>,
        segments: Vec<Segment>,
    ) -> bool {
        match self.conn.respond_head(head, &mut self.out, self.now) {
            None => false,
            Some(false) => true,
            Some(true) => {
                self.about.feed = Some(Box::new(Feed::new(file, segments)));
                true
            }
        }
    }

    /// Begins an answer whose body comes piece by piece; its length may be known. False: no request waits for an answer.
    pub fn respond_pieces(&mut self, head: &AnswerHead<'_>) -> bool {
        self.conn
            .respond_head(head, &mut self.out, self.now)
            .is_some()
    }

    /// Writes a piece of such a body; what is beyond its length is left out. False: there is none under way.
    pub fn body_piece(&mut self, piece: &[u8]) -> bool {
        self.about.feed.is_none() && self.conn.body_piece(piece, &mut self.out, self.now)
    }

    /// What waits for this peer is told when it has left: [`Outcome::Drained`](super::Outcome::Drained), also at once.
    pub fn tell_drained(&mut self) {
        self.conn.tells_drained = true;
    }

    /// Such a body is complete. When it is shorter than was said, the connection is cut, for nothing else tells the peer.
    pub fn body_end(&mut self) {
        if self.conn.body_left() > 0 {
            return self.abort();
        }
        self.conn.body_end(&mut self.out, self.now);
    }

    /// A connection of lines has been sent all that it is owed, and ends.
    pub fn finish(&mut self) {
        self.conn.finish();
    }

    /// Ends this connection at once, without a word: its answer cannot be completed.
    pub fn abort(&mut self) {
        // Who does this knows; a WebSocket is closed instead.
        let _ = self.conn.abort(CloseReason::Reset);
    }

    /// Writes the line of the access log, when an answer is complete.
    #[inline(always)]
    pub(super) fn log_said(&mut self) {
        if let Some(said) = self.conn.take_said() {
            self.log_access(said);
        }
    }

    #[cold]
    fn log_access(&mut self, said: Said) {
        let access = self.about.access.take();
        if access_log::is_wanted() {
            let whose = Whose {
                id: self.conn.id(),
                peer: self.who.peer,
                server: self
                    .aside
                    .names
                    .get(self.who.owner.index())
                    .map_or("", |name| name),
            };
            access_log::write(&whose, access.as_deref(), said, self.now);
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
        self.aside.later.push(Later::Send {
            to,
            message: SharedMessages::new(kind, data),
        });
    }

    /// Sends a message to all open WebSockets of an owner, but `except`. It is encoded once; short ones in a row are
    /// joined, for each receiver has a price, and the messages of one receive can be many thousands.
    pub fn broadcast(&mut self, owner: OwnerId, except: Option<ConnId>, kind: Kind, data: &[u8]) {
        if let Some(Later::Broadcast {
            owner: to,
            except: but,
            messages,
        }) = self.aside.later.last_mut()
            && (*to, *but) == (owner, except)
            && messages.try_push(kind, data)
        {
            return;
        }
        self.aside.later.push(Later::Broadcast {
            owner,
            except,
            messages: MessageBatch::new(kind, data),
        });
    }

    /// Begins the closing handshake of another connection.
    pub fn close_other(&mut self, to: ConnId, code: CloseCode, reason: &str) {
        self.aside.later.push(Later::Close {
            to,
            code,
            reason: reason.to_owned(),
        });
    }
}
