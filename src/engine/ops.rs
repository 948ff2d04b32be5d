//! What a handler can do while it handles an event.

use std::collections::VecDeque;
use std::fs::File;
use std::rc::Rc;
use std::sync::Arc;

use crate::conn::buffer::{Out, Sent};
use crate::conn::deadline::Tick;
use crate::conn::event::{CloseReason, ConnId, Event, ExchangeId};
use crate::conn::{Answer, AnswerHead, Answered, Connection, MessageBatch, SharedMessages, Tools};
use crate::files::{BlockingLookup, Segment};
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::Kind;
use crate::proto::ws::handshake::Offer;

use super::access_log::{self, LogContext};
use super::blocking::Job;
use super::file_body::FileBody;
use super::outcome::Outcome;
use super::owners::OwnerId;
use super::slot::{Attachments, ConnInfo};
use super::socket::Peer;

/// Handles the events of all connections.
pub trait Handler {
    /// `event` happened on connection `id`. What `ops` does to that connection takes effect at once, what it does to others
    /// after this returns.
    fn on_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: Event<'_>);
}

/// An operation on other connections, done after the event.
#[derive(Debug)]
pub(super) enum DeferredOp {
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

/// What events leave to be done after them.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Operations on other connections.
    pub deferred: Vec<DeferredOp>,
    /// Jobs for the blocking threads.
    pub jobs: Vec<Job>,
    /// For [`Engine::poll`](super::Engine::poll).
    pub outcomes: VecDeque<Outcome>,
    /// The names of owners in the log, by their index.
    pub names: Vec<Rc<str>>,
}

/// What a handler can do: to the connection of the event, and to others by their ids.
pub struct Ops<'o> {
    pub(super) conn: &'o mut Connection,
    pub(super) out: Out<'o>,
    pub(super) tools: &'o mut Tools,
    pub(super) effects: &'o mut Effects,
    pub(super) attached: &'o mut Attachments,
    pub(super) now: Tick,
    pub(super) info: &'o ConnInfo,
}

impl Ops<'_> {
    /// This connection.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.conn.id()
    }

    /// The server or client of this connection; see [`Engine::add_owner`](super::Engine::add_owner).
    #[inline]
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        self.info.owner
    }

    /// Where the peer of this connection is.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.info.peer
    }

    /// Whether this connection was accepted on a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.info.loopback
    }

    /// Whether this connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.info.tls
    }

    /// The user at the other end; `None` while nobody is authenticated.
    #[must_use]
    pub fn user(&self) -> Option<&Rc<String>> {
        self.attached.user.as_ref()
    }

    /// Sets the user at the other end.
    pub fn set_user(&mut self, user: Option<Rc<String>>) {
        self.attached.user = user;
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

    /// Defers the answer to the current request: it comes by [`Engine::with_exchange`](super::Engine::with_exchange). With
    /// `hold_body`, the body of the request is not read until then or until [`Ops::hold_body`] says so.
    pub fn defer(&mut self, hold_body: bool) -> ExchangeId {
        self.conn.defer(hold_body, &mut self.out, self.now);
        self.exchange()
    }

    /// Defers the answer until a file was looked up where the disk may be waited for; see
    /// [`Outcome::LookedUp`](super::Outcome::LookedUp).
    pub fn look_up(&mut self, lookup: BlockingLookup) {
        let exchange = self.defer(false);
        self.effects.jobs.push(Job::LookUp(exchange, lookup));
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

    /// Stops reading the body of the request, or goes on.
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
                self.attached.file_body = Some(Box::new(FileBody::new(file, segments)));
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
        self.attached.file_body.is_none() && self.conn.body_piece(piece, &mut self.out, self.now)
    }

    /// Asks for [`Outcome::Drained`](super::Outcome::Drained) when nothing waits for this peer any more; perhaps at once.
    pub fn tell_drained(&mut self) {
        self.conn.reports_drained = true;
    }

    /// Such a body is complete. When it is shorter than announced, the connection is cut, for nothing else tells the peer.
    pub fn body_end(&mut self) {
        if self.conn.body_left() > 0 {
            return self.abort();
        }
        self.conn.body_end(&mut self.out, self.now);
    }

    /// Ends a connection of lines: everything was sent that it waits for.
    pub fn finish(&mut self) {
        self.conn.finish();
    }

    /// Ends this connection at once, without a Close frame or an answer.
    pub fn abort(&mut self) {
        // The caller knows that it ends; a WebSocket is closed instead.
        let _ = self.conn.abort(CloseReason::Reset);
    }

    /// Writes the line of the access log, when an answer is complete.
    #[inline(always)]
    pub(super) fn log_answered(&mut self) {
        if let Some(answered) = self.conn.take_answered() {
            self.log_access(answered);
        }
    }

    #[cold]
    fn log_access(&mut self, answered: Answered) {
        let request = self.attached.request.take();
        if access_log::is_wanted() {
            let context = LogContext {
                id: self.conn.id(),
                peer: self.info.peer,
                server: self
                    .effects
                    .names
                    .get(self.info.owner.index())
                    .map_or("", |name| name),
            };
            access_log::write(&context, request.as_deref(), answered, self.now);
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
        self.effects.deferred.push(DeferredOp::Send {
            to,
            message: SharedMessages::new(kind, data),
        });
    }

    /// Sends a message to all open WebSockets of an owner, but `except`. It is encoded once; short ones in a row are
    /// joined, for each receiver costs something, and one receive can bring thousands of messages.
    pub fn broadcast(&mut self, owner: OwnerId, except: Option<ConnId>, kind: Kind, data: &[u8]) {
        if let Some(DeferredOp::Broadcast {
            owner: to,
            except: but,
            messages,
        }) = self.effects.deferred.last_mut()
            && (*to, *but) == (owner, except)
            && messages.try_push(kind, data)
        {
            return;
        }
        self.effects.deferred.push(DeferredOp::Broadcast {
            owner,
            except,
            messages: MessageBatch::new(kind, data),
        });
    }

    /// Begins the closing handshake of another connection.
    pub fn close_other(&mut self, to: ConnId, code: CloseCode, reason: &str) {
        self.effects.deferred.push(DeferredOp::Close {
            to,
            code,
            reason: reason.to_owned(),
        });
    }
}
