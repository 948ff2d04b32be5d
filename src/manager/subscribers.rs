//! Events for subscribers: each is encoded once and sent to every subscriber that wants it, or counted as lost.
//!
//! Only an event that some subscriber wants gets a number. So a subscriber to all events sees gaps only where it has lost
//! events. A `lost` event tells how many, and has the number of the last of them.

use std::rc::Rc;
use std::time::SystemTime;

use crate::conn::event::ConnId;
use crate::engine::{Engine, Ops, Peer};
use crate::proto::ws::frame;
use crate::rpc::{self, ConnectionName, EventFilter, EventKind, Payload, Time};

/// Bytes that may wait for one subscriber. Events that do not fit are lost.
const BACKLOG: usize = 1024 * 1024;

/// Bytes of events in one turn. Events beyond that are lost for every subscriber.
const TURN: usize = 1024 * 1024;

/// The members of an event that describe its connection.
#[derive(Debug)]
pub(super) struct ConnectionFacts {
    connection: ConnectionName,
    peer: String,
    user: Option<Rc<String>>,
}

impl ConnectionFacts {
    pub(super) fn new(id: ConnId, peer: Peer, user: Option<&Rc<String>>) -> ConnectionFacts {
        ConnectionFacts {
            connection: ConnectionName(id.serial()),
            peer: peer.to_string(),
            user: user.cloned(),
        }
    }

    /// The facts of the connection whose event is being handled.
    pub(super) fn of(ops: &Ops<'_>, id: ConnId) -> ConnectionFacts {
        ConnectionFacts::new(id, ops.peer(), ops.user())
    }

    pub(super) fn fill<'e>(&'e self, event: &mut rpc::Event<'e>) {
        event.connection = Some(self.connection);
        event.peer = Some(&self.peer);
        event.user = self.user.as_ref().map(|user| user.as_str());
    }
}

/// The message of an event: text when it is text, else base64.
pub(super) fn payload(kind: frame::Kind, data: &[u8]) -> Payload<'_> {
    match (kind, str::from_utf8(data)) {
        (frame::Kind::Text, Ok(text)) => Payload::Text(text),
        _ => Payload::Binary(data),
    }
}

struct Subscriber {
    conn: ConnId,
    filter: EventFilter,
    /// Lost events that the subscriber has not been told about.
    lost: Lost,
    /// Events of this turn that were lost because the queue is full. They come after all that is queued.
    beyond: Lost,
}

/// Events that a subscriber has lost.
#[derive(Clone, Copy, Default)]
struct Lost {
    count: u64,
    /// The number of the last of them.
    last: u64,
}

impl Lost {
    fn add(&mut self, more: Lost) {
        if more.count > 0 {
            self.count += more.count;
            self.last = more.last;
        }
    }

    fn one(seq: u64) -> Lost {
        Lost {
            count: 1,
            last: seq,
        }
    }
}

struct Queued {
    seq: u64,
    kind: EventKind,
    source: Option<Rc<str>>,
    line: Rc<[u8]>,
}

/// The subscribers, and the events that are to be sent to them.
#[derive(Default)]
pub(super) struct Subscribers {
    seq: u64,
    subscribers: Vec<Subscriber>,
    queue: Vec<Queued>,
    bytes: usize,
}

impl Subscribers {
    /// The number of the last event.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Sends events to this connection of the control socket from now on. A second subscription replaces the first.
    pub(super) fn subscribe(&mut self, conn: ConnId, filter: EventFilter) {
        self.unsubscribe(conn);
        self.subscribers.push(Subscriber {
            conn,
            filter,
            lost: Lost::default(),
            beyond: Lost::default(),
        });
    }

    /// Ends the subscription of a connection.
    pub(super) fn unsubscribe(&mut self, conn: ConnId) {
        self.subscribers.retain(|it| it.conn != conn);
    }

    /// Whether there is a subscriber.
    #[inline]
    pub(super) fn has_subscribers(&self) -> bool {
        !self.subscribers.is_empty()
    }

    /// Whether any subscriber wants an event.
    #[inline]
    pub(super) fn wants(&self, kind: EventKind, source: Option<&str>) -> bool {
        !self.subscribers.is_empty()
            && self
                .subscribers
                .iter()
                .any(|it| it.filter.wants(kind, source))
    }

    /// Publishes that a message was received.
    pub(super) fn publish_message(
        &mut self,
        source: &Rc<str>,
        ops: &Ops<'_>,
        id: ConnId,
        kind: frame::Kind,
        data: &[u8],
    ) {
        let facts = ConnectionFacts::of(ops, id);
        self.publish(EventKind::Message, Some(source), |event| {
            facts.fill(event);
            event.message = Some(payload(kind, data));
        });
    }

    /// Publishes that events or messages were dropped; `trigger` names the trigger that dropped them.
    pub(super) fn publish_dropped(
        &mut self,
        source: Option<&Rc<str>>,
        count: u64,
        trigger: Option<&str>,
    ) {
        self.publish(EventKind::Dropped, source, |event| {
            event.count = Some(count);
            event.reason = trigger;
        });
    }

    /// Publishes an event, if any subscriber wants it; `fill` sets its members.
    pub(super) fn publish<'e>(
        &mut self,
        kind: EventKind,
        source: Option<&'e Rc<str>>,
        fill: impl FnOnce(&mut rpc::Event<'e>),
    ) {
        if !self.wants(kind, source.map(|it| &**it)) {
            return;
        }
        self.seq += 1;
        let mut event = rpc::Event::new(self.seq, Time::of(SystemTime::now()), kind);
        event.source = source.map(|it| &**it);
        fill(&mut event);
        if self.bytes >= TURN {
            for subscriber in &mut self.subscribers {
                if subscriber.filter.wants(kind, source.map(|it| &**it)) {
                    subscriber.beyond.add(Lost::one(self.seq));
                }
            }
            return;
        }
        let mut line = Vec::new();
        event.encode(&mut line);
        self.bytes += line.len();
        self.queue.push(Queued {
            seq: self.seq,
            kind,
            source: source.cloned(),
            line: line.into(),
        });
    }

    /// Whether [`Subscribers::send_queued`] has something to do.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Sends the events that were published since the last call.
    pub(super) fn send_queued(&mut self, engine: &mut Engine) {
        self.bytes = 0;
        self.subscribers.retain(|it| engine.is_live(it.conn));
        for queued in std::mem::take(&mut self.queue) {
            for at in 0..self.subscribers.len() {
                let subscriber = &self.subscribers[at];
                if !subscriber
                    .filter
                    .wants(queued.kind, queued.source.as_deref())
                {
                    continue;
                }
                let room = engine.backlog(subscriber.conn) + queued.line.len() <= BACKLOG;
                if subscriber.lost.count > 0 && room {
                    self.send_lost(at, engine);
                }
                let subscriber = &mut self.subscribers[at];
                if !room || !engine.queue_line(subscriber.conn, &queued.line) {
                    subscriber.lost.add(Lost::one(queued.seq));
                }
            }
        }
        for subscriber in &mut self.subscribers {
            subscriber.lost.add(std::mem::take(&mut subscriber.beyond));
        }
    }

    /// A subscriber has read all that it was sent: tells it how many events it has lost.
    pub(super) fn on_drained(&mut self, conn: ConnId, engine: &mut Engine) {
        let at = self.subscribers.iter().position(|it| it.conn == conn);
        if let Some(at) = at.filter(|at| self.subscribers[*at].lost.count > 0) {
            self.send_lost(at, engine);
        }
    }

    /// Asks the engine for an outcome when a subscriber that has lost events has read what it was sent.
    pub(super) fn watch_slow(&self, engine: &mut Engine) {
        for slow in self.subscribers.iter().filter(|it| it.lost.count > 0) {
            engine.with(slow.conn, |ops| {
                ops.tell_drained();
            });
        }
    }

    fn send_lost(&mut self, at: usize, engine: &mut Engine) {
        let subscriber = &mut self.subscribers[at];
        let lost = std::mem::take(&mut subscriber.lost);
        let mut event = rpc::Event::new(lost.last, Time::of(SystemTime::now()), EventKind::Lost);
        event.count = Some(lost.count);
        let mut line = Vec::new();
        event.encode(&mut line);
        engine.queue_line(subscriber.conn, &Rc::from(line));
    }
}

impl std::fmt::Debug for Subscribers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscribers")
            .field("seq", &self.seq)
            .field("subscribers", &self.subscribers.len())
            .finish_non_exhaustive()
    }
}
