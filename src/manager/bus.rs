//! Events for subscribers: encoded once, queued for each that wants them, and counted where they are lost.
//!
//! An event is numbered when somebody wants it: so whoever wants all of them sees no gap but those that `lost` tells of,
//! which has the number of the last that it stands for.

use std::rc::Rc;
use std::time::SystemTime;

use crate::conn::event::ConnId;
use crate::engine::Engine;

use crate::rpc::Time;
use crate::rpc::event::{Event, Filter, Kind};

/// Bytes that wait for one subscriber; events beyond are lost to it, and counted.
const BACKLOG: usize = 1024 * 1024;

/// Bytes of events of one turn; those beyond are lost to everybody.
const TURN: usize = 1024 * 1024;

struct Subscriber {
    conn: ConnId,
    filter: Filter,
    /// Events that it has not been sent and not been told of.
    lost: Lost,
    /// Those of this turn that come after all that is queued.
    beyond: Lost,
}

/// Events that a subscriber was not sent.
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
    kind: Kind,
    source: Option<Rc<str>>,
    line: Rc<[u8]>,
}

/// Who wants events, and those that have not been handed on.
#[derive(Default)]
pub(super) struct Bus {
    seq: u64,
    subscribers: Vec<Subscriber>,
    queue: Vec<Queued>,
    bytes: usize,
}

impl Bus {
    /// The number of the last event.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// From now on events go to this connection of lines. A second subscription takes the place of the first.
    pub(super) fn subscribe(&mut self, conn: ConnId, filter: Filter) {
        self.unsubscribe(conn);
        self.subscribers.push(Subscriber {
            conn,
            filter,
            lost: Lost::default(),
            beyond: Lost::default(),
        });
    }

    /// No more of them.
    pub(super) fn unsubscribe(&mut self, conn: ConnId) {
        self.subscribers.retain(|it| it.conn != conn);
    }

    /// Whether there is anybody who may want an event.
    #[inline]
    pub(super) fn has_subscribers(&self) -> bool {
        !self.subscribers.is_empty()
    }

    /// Whether anybody wants an event.
    #[inline]
    pub(super) fn wants(&self, kind: Kind, source: Option<&str>) -> bool {
        !self.subscribers.is_empty()
            && self
                .subscribers
                .iter()
                .any(|it| it.filter.wants(kind, source))
    }

    /// Publishes an event, if anybody wants it; `fill` adds what is known of it.
    pub(super) fn publish<'e>(
        &mut self,
        kind: Kind,
        source: Option<&'e Rc<str>>,
        fill: impl FnOnce(&mut Event<'e>),
    ) {
        if !self.wants(kind, source.map(|it| &**it)) {
            return;
        }
        self.seq += 1;
        let mut event = Event::new(self.seq, Time::of(SystemTime::now()), kind);
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

    /// Whether [`Bus::hand_on`] has something to do.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Hands on what was published.
    pub(super) fn hand_on(&mut self, engine: &mut Engine) {
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
                    self.tell_lost(at, engine);
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

    /// What a subscriber has not been sent it is told of, when it has read what it was sent.
    pub(super) fn caught_up(&mut self, conn: ConnId, engine: &mut Engine) {
        let at = self.subscribers.iter().position(|it| it.conn == conn);
        if let Some(at) = at.filter(|at| self.subscribers[*at].lost.count > 0) {
            self.tell_lost(at, engine);
        }
    }

    /// Subscribers that have lost events, so that whoever can see it tells when they have room.
    pub(super) fn behind(&self) -> impl Iterator<Item = ConnId> + '_ {
        let behind = self.subscribers.iter().filter(|it| it.lost.count > 0);
        behind.map(|it| it.conn)
    }

    fn tell_lost(&mut self, at: usize, engine: &mut Engine) {
        let subscriber = &mut self.subscribers[at];
        let lost = std::mem::take(&mut subscriber.lost);
        let mut event = Event::new(lost.last, Time::of(SystemTime::now()), Kind::Lost);
        event.count = Some(lost.count);
        let mut line = Vec::new();
        event.encode(&mut line);
        engine.queue_line(subscriber.conn, &Rc::from(line));
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus")
            .field("seq", &self.seq)
            .field("subscribers", &self.subscribers.len())
            .finish_non_exhaustive()
    }
}
