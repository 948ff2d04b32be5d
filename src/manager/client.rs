//! A client: one outgoing WebSocket connection, where it stands with it, and when it tries again.
//!
//! ```text
//! Idle -> Resolving -> Dialling -> Opening -> Open -> Closing -> Idle
//!           any failure, or the end of an open connection: Waiting -> Resolving, or Idle without `reconnect`
//! ```
//!
//! It knows what it wants of the engine, and [`Manager`](super::Manager) does it: of all that a client does, only what
//! answers an event is done here.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::ClientConfig;

use crate::config;
use crate::conn::Conf;
use crate::conn::buffer::Sent;
use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::{CloseReason, ConnId, Event};
use crate::engine::{DialId, Ops, OwnerId};
use crate::proto::http::url::host_field;
use crate::proto::ws::frame::Kind;

use super::approach::{self, Approach};
use super::backoff::{Backoff, Cause, STABLE};
use super::desk::Desk;
use super::outbox::Outbox;
use super::standing::{Halt, Phase};
use super::trigger::Rules;
use super::{fire, fired};
use crate::rpc::event::{Event as Told, Kind as EventKind};
use crate::rpc::{ClientState, ClientStatus, ConnectionName, Payload, Time};

/// How an attempt or a connection ended.
struct End<'e> {
    cause: Cause,
    /// For how long it was open; `None`: it never was.
    lasted: Option<Duration>,
    code: u16,
    reason: &'e str,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    pub id: Rc<str>,
    /// The number by which the engine knows it.
    pub owner: OwnerId,
    pub conf: Rc<config::Client>,
    /// Its definition is gone, and it goes when its connection has.
    pub leaving: bool,
    shared: Rc<Conf>,
    tls: Option<Arc<ClientConfig>>,
    /// Whether it is to be connected: as the configuration says, until a command says otherwise.
    wanted: bool,
    phase: Phase,
    /// As soon as the connection that is closing has ended, another is to be begun.
    again: bool,
    /// While there is one.
    conn: Option<ConnId>,
    opened: Instant,
    /// When it came into the state that it shows.
    since: SystemTime,
    error: Option<String>,
    backoff: Option<Backoff>,
    /// Moves the next wait; drawn with each attempt.
    luck: u32,
    /// What was warned of last: the same is not warned of again.
    warned: Option<String>,
    outbox: Outbox,
    /// What triggers are told of it.
    fires_as: fired::Source,
    rules: Rules,
}

impl Client {
    /// A client that does not connect yet; its first attempt is due `now` when it is active.
    pub(super) fn new(
        conf: config::Client,
        tls: Option<Arc<ClientConfig>>,
        owner: OwnerId,
        now: Tick,
    ) -> Client {
        let phase = if conf.active {
            Phase::Waiting(now)
        } else {
            Phase::Idle
        };
        let shared = Rc::new(approach::connections(&conf));
        let max_message = shared.max_message;
        Client {
            id: Rc::from(conf.id.as_str()),
            owner,
            leaving: false,
            shared,
            tls,
            wanted: conf.active,
            phase,
            again: false,
            conn: None,
            opened: Instant::now(),
            since: SystemTime::now(),
            error: None,
            backoff: backoff(&conf),
            luck: 0,
            warned: None,
            outbox: Outbox::new(conf.outbox, Millis::from(conf.outbox_ttl)),
            fires_as: fired::Source {
                id: Rc::from(conf.id.as_str()),
                how: None,
                max_message,
            },
            rules: Rules::default(),
            conf: Rc::new(conf),
        }
    }

    /// From now on these are the triggers that its events may fire.
    pub(super) fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// The connection, when messages can be sent on it.
    pub(super) fn open_connection(&self) -> Option<ConnId> {
        self.conn.filter(|_| self.phase == Phase::Open)
    }

    pub(super) fn status(&self) -> ClientStatus {
        ClientStatus {
            id: self.id.to_string(),
            name: self.conf.name.clone(),
            state: self.state(),
            since: Some(Time::of(self.since)),
            error: self.error.clone(),
            differs: self.wanted != self.conf.active,
        }
    }

    fn state(&self) -> ClientState {
        match self.phase {
            Phase::Idle | Phase::Closing => ClientState::Disconnected,
            Phase::Resolving(_) | Phase::Dialling(_) | Phase::Opening => ClientState::Connecting,
            Phase::Open => ClientState::Connected,
            Phase::Waiting(_) => ClientState::Waiting,
        }
    }

    fn enter(&mut self, phase: Phase) {
        let before = self.state();
        self.phase = phase;
        if self.state() != before {
            self.since = SystemTime::now();
        }
    }

    /// When something of it is due.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let attempt = match self.phase {
            Phase::Waiting(due) => Some(due),
            _ => None,
        };
        match (attempt, self.outbox.deadline()) {
            (Some(a), Some(b)) => Some(a.earlier(b)),
            (one, other) => one.or(other),
        }
    }

    /// Another definition under the same id. Its connection is not touched.
    pub(super) fn redefine(
        &mut self,
        desk: &mut Desk,
        conf: config::Client,
        tls: Option<Arc<ClientConfig>>,
    ) {
        if *self.conf != conf {
            self.wanted = conf.active;
            self.backoff = backoff(&conf);
            self.shared = Rc::new(approach::connections(&conf));
            self.id = Rc::from(conf.id.as_str());
        }
        let dropped = self
            .outbox
            .rebound(conf.outbox, Millis::from(conf.outbox_ttl));
        self.tell_dropped(desk, dropped);
        self.conf = Rc::new(conf);
        self.tls = tls;
    }

    /// It is to be connected, or not, from now on.
    pub(super) fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
        self.warned = None;
        if let Some(backoff) = &mut self.backoff {
            backoff.reset();
        }
        if !wanted {
            self.error = None;
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Whether an attempt is to be begun now. When a connection is still closing, it is begun after that.
    pub(super) fn starts(&mut self) -> bool {
        match self.phase {
            Phase::Idle | Phase::Waiting(_) => true,
            Phase::Closing => {
                self.again = true;
                false
            }
            Phase::Resolving(_) | Phase::Dialling(_) | Phase::Opening | Phase::Open => false,
        }
    }

    /// It is to have no connection; what that takes.
    pub(super) fn halt(&mut self) -> Halt {
        self.again = false;
        let (phase, halt) = match (self.phase, self.conn) {
            (Phase::Dialling(dial), _) => (Phase::Idle, Halt::Cancel(dial)),
            (Phase::Opening, Some(conn)) => (Phase::Idle, Halt::Abort(conn)),
            (Phase::Open, Some(conn)) => (Phase::Closing, Halt::Close(conn)),
            (Phase::Closing, _) => (Phase::Closing, Halt::Nothing),
            _ => (Phase::Idle, Halt::Nothing),
        };
        self.enter(phase);
        if phase == Phase::Idle {
            self.conn = None;
        }
        halt
    }

    /// An attempt has begun.
    pub(super) fn begun(&mut self, phase: Phase, luck: u32) {
        self.luck = luck;
        self.enter(phase);
    }

    /// The addresses of its host are known, and being connected to.
    pub(super) fn dials(&mut self, dial: DialId) {
        self.enter(Phase::Dialling(dial));
    }

    /// Its host is connected to: what the connection is to be begun with.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(super) fn approach(&mut self, nonce: [u8; 16]) -> Result<Approach, String> {
        self.enter(Phase::Opening);
        Approach::new(&self.conf, &self.shared, self.tls.as_ref(), nonce)
    }

    /// The connection has a name now; it may have ended already.
    pub(super) fn named(&mut self, conn: ConnId) {
        if matches!(self.phase, Phase::Opening | Phase::Open) {
            self.conn = Some(conn);
        }
    }

    /// An attempt has failed before there was a connection.
    pub(super) fn failed(&mut self, desk: &mut Desk, now: Tick, cause: Cause, reason: &str) {
        let end = End {
            cause,
            lasted: None,
            code: 1006,
            reason,
        };
        self.over(desk, now, &end);
    }

    /// A message for the peer, while there is no connection. False: none is kept.
    pub(super) fn keep(&mut self, desk: &mut Desk, now: Tick, kind: Kind, data: &[u8]) -> bool {
        if self.outbox.is_for_nothing() {
            return false;
        }
        let dropped = self.outbox.push(kind, data, now);
        self.tell_dropped(desk, dropped);
        true
    }

    /// Drops the messages that have waited for too long.
    pub(super) fn expire(&mut self, desk: &mut Desk, now: Tick) {
        let dropped = self.outbox.expire(now);
        self.tell_dropped(desk, dropped);
    }

    /// It is gone: so are its messages.
    pub(super) fn give_up_outbox(&mut self, desk: &mut Desk) {
        let dropped = self.outbox.rebound(0, Millis::default());
        self.tell_dropped(desk, dropped);
    }

    fn tell_dropped(&self, desk: &mut Desk, count: usize) {
        if count == 0 {
            return;
        }
        log::debug!("{}: {count} kept messages were dropped", self.id);
        desk.bus.publish(EventKind::Dropped, Some(&self.id), |it| {
            it.count = Some(count as u64);
        });
    }

    #[inline]
    pub(super) fn on_message(
        &mut self,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        id: ConnId,
        kind: Kind,
        data: &[u8],
    ) {
        if desk.bus.wants(EventKind::Message, Some(&self.id)) {
            let payload = match (kind, str::from_utf8(data)) {
                (Kind::Text, Ok(text)) => Payload::Text(text),
                _ => Payload::Binary(data),
            };
            let peer = ops.peer().to_string();
            self.publish(desk, EventKind::Message, id, &peer, |it| {
                it.message = Some(payload);
            });
        }
        fire::message(&self.rules, &self.fires_as, desk, ops, id, kind, data);
    }

    /// Everything but messages.
    pub(super) fn on_other(
        &mut self,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        id: ConnId,
        event: &Event<'_>,
    ) {
        match event {
            Event::Opened { protocol } => self.on_opened(desk, ops, id, *protocol),
            Event::Closed(reason) => self.on_closed(desk, ops, id, reason),
            _ => {}
        }
    }

    fn on_opened(
        &mut self,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        id: ConnId,
        protocol: Option<&str>,
    ) {
        self.conn = Some(id);
        self.opened = Instant::now();
        self.error = None;
        self.enter(Phase::Open);
        let peer = ops.peer().to_string();
        let scheme = if self.conf.tls { "wss" } else { "ws" };
        let host = host_field(&self.conf.host, self.conf.port, self.conf.tls);
        let with = protocol.map_or(String::new(), |it| format!(", subprotocol {it}"));
        log::info!(
            "{}: connected to {scheme}://{host}: {id}, {peer}{with}",
            self.id
        );
        if self.conf.tls && !self.conf.trust.verify {
            log::warn!(
                "{}: {id}: the certificate of {host} was not verified, for verify is false: it may be anybody's",
                self.id
            );
        }
        for kind in [EventKind::Connect, EventKind::ClientConnected] {
            self.publish(desk, kind, id, &peer, |_| ());
        }
        for text in &self.conf.on_connect {
            ops.reply(Kind::Text, text.as_bytes());
        }
        let mut dropped = self.outbox.expire(ops.now());
        while let Some(kept) = self.outbox.pop() {
            let sent = ops.reply(kept.kind, &kept.data);
            dropped += usize::from(sent != Sent::Queued);
        }
        self.tell_dropped(desk, dropped);
        fire::connect(&self.rules, &self.fires_as, desk, ops, id);
    }

    fn on_closed(
        &mut self,
        desk: &mut Desk,
        ops: &mut Ops<'_>,
        id: ConnId,
        reason: &CloseReason<'_>,
    ) {
        let was_open = matches!(self.phase, Phase::Open | Phase::Closing);
        let reason = approach::without_secrets(&self.conf, *reason);
        let text = reason.to_string();
        if was_open {
            let peer = ops.peer().to_string();
            for kind in [EventKind::Disconnect, EventKind::ClientDisconnected] {
                self.publish(desk, kind, id, &peer, |it| {
                    it.code = Some(reason.code());
                    it.reason = Some(&text);
                });
            }
            fire::disconnect(&self.rules, &self.fires_as, desk, ops, id, &reason);
        }
        let cause = match reason {
            CloseReason::Refused(refusal) if refusal.is_lasting() => Cause::Lasting,
            _ => Cause::Passing,
        };
        self.conn = None;
        let end = End {
            cause,
            lasted: was_open.then(|| self.opened.elapsed()),
            code: reason.code(),
            reason: &text,
        };
        self.over(desk, ops.now(), &end);
    }

    /// An attempt or a connection has ended: what comes next.
    fn over(&mut self, desk: &mut Desk, now: Tick, end: &End<'_>) {
        if self.leaving || std::mem::take(&mut self.again) {
            return self.enter(Phase::Waiting(now));
        }
        if !self.wanted {
            log::info!("{}: disconnected: {}", self.id, end.reason);
            return self.enter(Phase::Idle);
        }
        self.error = Some(end.reason.to_owned());
        let lasted = end.lasted.unwrap_or_default();
        let wait = self
            .backoff
            .as_mut()
            .map(|backoff| backoff.wait(end.cause, lasted, self.luck));
        self.complain(end, wait);
        let (phase, kind, code) = match wait {
            Some(wait) => {
                let due = now.after(Millis::from(wait));
                (Phase::Waiting(due), EventKind::ClientRetrying, None)
            }
            // The end of an open connection has been told.
            None if end.lasted.is_some() => return self.enter(Phase::Idle),
            None => (Phase::Idle, EventKind::ClientDisconnected, Some(end.code)),
        };
        self.enter(phase);
        desk.bus.publish(kind, Some(&self.id), |it| {
            it.code = code;
            it.reason = Some(end.reason);
        });
    }

    /// The first failure of its kind is a warning; the same again is not worth one until the connection was good.
    fn complain(&mut self, end: &End<'_>, wait: Option<Duration>) {
        let level = if self.is_news(end) {
            log::Level::Warn
        } else {
            log::Level::Debug
        };
        let next = match wait {
            Some(wait) => format!("tries again in {:.1} s", wait.as_secs_f64()),
            None => "does not try again, for there is no reconnect".to_owned(),
        };
        log::log!(level, "{}: {}; {next}", self.id, end.reason);
        self.warned = Some(end.reason.to_owned());
    }

    fn is_news(&self, end: &End<'_>) -> bool {
        let is_the_same = self.warned.as_deref() == Some(end.reason);
        !is_the_same || end.lasted.is_some_and(|lasted| lasted >= STABLE)
    }

    fn publish<'e>(
        &'e self,
        desk: &mut Desk,
        kind: EventKind,
        id: ConnId,
        peer: &'e str,
        fill: impl FnOnce(&mut Told<'e>),
    ) {
        desk.bus.publish(kind, Some(&self.id), |it| {
            it.connection = Some(ConnectionName(id.serial()));
            it.peer = Some(peer);
            fill(it);
        });
    }
}

fn backoff(conf: &config::Client) -> Option<Backoff> {
    let reconnect = conf.reconnect.as_ref()?;
    Some(Backoff::new(reconnect.every, reconnect.max))
}

#[cfg(test)]
mod tests;
