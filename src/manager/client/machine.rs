//! One client: an outgoing WebSocket connection, its state, and the time of the next attempt.
//!
//! ```text
//! Idle -> Resolving -> Dialling -> Opening -> Open -> Closing -> Idle
//!           any failure, or the end of an open connection: Waiting -> Resolving, or Idle without `reconnect`
//! ```
//!
//! It decides what to do, and [`Clients`](super::Clients) acts on the engine.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::ClientConfig;

use crate::config;
use crate::conn::Conf;
use crate::conn::buffer::Sent;
use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::{CloseReason, ConnId, Event};
use crate::engine::{Backoff, DialId, Ops, OwnerId};
use crate::manager::context::Context;
use crate::manager::source::SourceInfo;
use crate::manager::subscribers::ConnectionFacts;
use crate::manager::trigger::rules::Rules;
use crate::proto::counted::counted;
use crate::proto::http::url::host_field;
use crate::proto::ws::frame::Kind;
use crate::rpc::{ClientState, ClientStatus, EventKind, Time};

use super::handshake_request::{self, HandshakeRequest};
use super::offline_queue::OfflineQueue;
use super::state::{Halt, Phase};

/// The same failure is logged as a warning at most this often.
const WARNED_EVERY: Duration = Duration::from_secs(60);

/// How an attempt or a connection ended.
struct End<'e> {
    /// How long the connection was open; `None`: it never was.
    lasted: Option<Duration>,
    code: u16,
    reason: &'e str,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    pub source: Rc<SourceInfo>,
    /// The number by which the engine knows it.
    pub owner: OwnerId,
    pub conf: Rc<config::Client>,
    /// Its definition is gone. It is removed when its connection has ended.
    pub leaving: bool,
    shared: Rc<Conf>,
    tls: Option<Arc<ClientConfig>>,
    /// Whether it is to be connected: as the configuration says, until a command changes it.
    wanted: bool,
    phase: Phase,
    /// Another attempt is to begin as soon as the closing connection has ended.
    again: bool,
    /// Its connection, while there is one.
    conn: Option<ConnId>,
    opened: Instant,
    /// When the state that it shows began.
    since: SystemTime,
    error: Option<String>,
    backoff: Option<Backoff>,
    /// Jitter of the next pause; drawn with each attempt.
    jitter: u32,
    /// The last warning, and when it was written.
    warned: Option<(String, Instant)>,
    offline: OfflineQueue,
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
        let shared = Rc::new(handshake_request::connection_conf(&conf));
        Client {
            source: source_of(&conf, &shared),
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
            jitter: 0,
            warned: None,
            offline: OfflineQueue::new(conf.outbox, Millis::from(conf.outbox_ttl)),
            rules: Rules::default(),
            conf: Rc::new(conf),
        }
    }

    /// Sets the triggers that its events may fire.
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
            id: self.source.id.to_string(),
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

    /// The next attempt, or the expiry of a kept message, whichever is first.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let attempt = match self.phase {
            Phase::Waiting(due) => Some(due),
            _ => None,
        };
        match (attempt, self.offline.deadline()) {
            (Some(a), Some(b)) => Some(a.earlier(b)),
            (one, other) => one.or(other),
        }
    }

    /// Replaces its definition. Its connection is not touched.
    pub(super) fn redefine(
        &mut self,
        context: &mut Context,
        conf: config::Client,
        tls: Option<Arc<ClientConfig>>,
    ) {
        if *self.conf != conf {
            self.wanted = conf.active;
            self.backoff = backoff(&conf);
            self.shared = Rc::new(handshake_request::connection_conf(&conf));
            self.source = source_of(&conf, &self.shared);
        }
        let dropped = self
            .offline
            .set_limits(conf.outbox, Millis::from(conf.outbox_ttl));
        self.publish_dropped(context, dropped);
        self.conf = Rc::new(conf);
        self.tls = tls;
    }

    /// Sets whether it is to be connected from now on.
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

    /// Whether an attempt is to begin now. While a connection is still closing, the attempt is noted for later.
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

    /// Ends its connection or attempt. Returns what the engine has to do for it.
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
    pub(super) fn begun(&mut self, phase: Phase, jitter: u32) {
        self.jitter = jitter;
        self.enter(phase);
    }

    /// The addresses of its host are known, and are being dialled.
    pub(super) fn dials(&mut self, dial: DialId) {
        self.enter(Phase::Dialling(dial));
    }

    /// Dialling has succeeded. Returns the handshake to begin with.
    ///
    /// # Errors
    /// As [`HandshakeRequest::new`].
    pub(super) fn handshake(&mut self, nonce: [u8; 16]) -> Result<HandshakeRequest, String> {
        self.enter(Phase::Opening);
        HandshakeRequest::new(&self.conf, &self.shared, self.tls.as_ref(), nonce)
    }

    /// Notes the id of the connection. It may have ended already.
    pub(super) fn named(&mut self, conn: ConnId) {
        if matches!(self.phase, Phase::Opening | Phase::Open) {
            self.conn = Some(conn);
        }
    }

    /// An attempt has failed before there was a connection.
    pub(super) fn failed(&mut self, context: &mut Context, now: Tick, reason: &str) {
        let end = End {
            lasted: None,
            code: 1006,
            reason,
        };
        self.over(context, now, &end);
    }

    /// Keeps a message for the peer until there is a connection. False: it keeps none.
    pub(super) fn keep(
        &mut self,
        context: &mut Context,
        now: Tick,
        kind: Kind,
        data: &[u8],
    ) -> bool {
        if self.offline.is_disabled() {
            return false;
        }
        let dropped = self.offline.push(kind, data, now);
        self.publish_dropped(context, dropped);
        true
    }

    /// Drops messages that have waited for too long.
    pub(super) fn expire(&mut self, context: &mut Context, now: Tick) {
        let dropped = self.offline.expire(now);
        self.publish_dropped(context, dropped);
    }

    /// Drops all kept messages.
    pub(super) fn drop_kept(&mut self, context: &mut Context) {
        let dropped = self.offline.set_limits(0, Millis::default());
        self.publish_dropped(context, dropped);
    }

    fn publish_dropped(&self, context: &mut Context, count: usize) {
        if count > 0 {
            let id = &self.source.id;
            log::debug!("{id}: {} dropped", counted(count, "kept message"));
            let count = count as u64;
            context.subscribers.publish_dropped(Some(id), count, None);
        }
    }

    #[inline]
    pub(super) fn on_message(
        &mut self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        kind: Kind,
        data: &[u8],
    ) {
        let source = &self.source;
        let Context {
            subscribers,
            triggers,
            ..
        } = context;
        if subscribers.wants(EventKind::Message, Some(&source.id)) {
            subscribers.publish_message(&source.id, ops, id, kind, data);
        }
        triggers.on_message(&self.rules, source, ops, id, kind, data);
    }

    /// Acts on an event that is no message.
    pub(super) fn on_other(
        &mut self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        event: &Event<'_>,
    ) {
        match event {
            Event::Opened { protocol } => self.on_opened(context, ops, id, *protocol),
            Event::Closed(reason) => self.on_closed(context, ops, id, reason),
            _ => {}
        }
    }

    fn on_opened(
        &mut self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        protocol: Option<&str>,
    ) {
        self.conn = Some(id);
        self.opened = Instant::now();
        self.error = None;
        self.enter(Phase::Open);
        let facts = ConnectionFacts::of(ops, id);
        let scheme = if self.conf.tls { "wss" } else { "ws" };
        let host = host_field(&self.conf.host, self.conf.port, self.conf.tls);
        let with = protocol.map_or(String::new(), |it| format!(", subprotocol {it}"));
        log::info!(
            "{}: connected to {scheme}://{host}: {id}, {}{with}",
            self.source.id,
            ops.peer()
        );
        if self.conf.tls && !self.conf.trust.verify {
            log::warn!(
                "{}: {id}: the certificate of {host} was not verified, for verify is false: the peer may be anyone",
                self.source.id
            );
        }
        for kind in [EventKind::Connect, EventKind::ClientConnected] {
            context
                .subscribers
                .publish(kind, Some(&self.source.id), |event| facts.fill(event));
        }
        for text in &self.conf.on_connect {
            ops.reply(Kind::Text, text.as_bytes());
        }
        let mut dropped = self.offline.expire(ops.now());
        while let Some(kept) = self.offline.pop() {
            let sent = ops.reply(kept.kind, &kept.data);
            dropped += usize::from(sent != Sent::Queued);
        }
        self.publish_dropped(context, dropped);
        context
            .triggers
            .on_connect(&self.rules, &self.source, ops, id);
    }

    fn on_closed(
        &mut self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        reason: &CloseReason<'_>,
    ) {
        let was_open = matches!(self.phase, Phase::Open | Phase::Closing);
        let reason = handshake_request::without_secrets(&self.conf, *reason);
        let text = reason.to_string();
        if was_open {
            let facts = ConnectionFacts::of(ops, id);
            for kind in [EventKind::Disconnect, EventKind::ClientDisconnected] {
                context
                    .subscribers
                    .publish(kind, Some(&self.source.id), |event| {
                        facts.fill(event);
                        event.code = Some(reason.code());
                        event.reason = Some(&text);
                    });
            }
            context
                .triggers
                .on_disconnect(&self.rules, &self.source, ops, id, &reason);
        }
        self.conn = None;
        let end = End {
            lasted: was_open.then(|| self.opened.elapsed()),
            code: reason.code(),
            reason: &text,
        };
        self.over(context, ops.now(), &end);
    }

    /// An attempt or a connection has ended: decides what comes next.
    fn over(&mut self, context: &mut Context, now: Tick, end: &End<'_>) {
        if self.leaving || std::mem::take(&mut self.again) {
            return self.enter(Phase::Waiting(now));
        }
        if !self.wanted {
            log::info!("{}: disconnected: {}", self.source.id, end.reason);
            return self.enter(Phase::Idle);
        }
        self.error = Some(end.reason.to_owned());
        let lasted = end.lasted.unwrap_or_default();
        let wait = self
            .backoff
            .as_mut()
            .map(|backoff| backoff.wait(lasted, self.jitter));
        self.log_end(end, wait);
        let (phase, kind, code) = match wait {
            Some(wait) => {
                let due = now.after(Millis::from(wait));
                (Phase::Waiting(due), EventKind::ClientRetrying, None)
            }
            // The end of an open connection was published when it closed.
            None if end.lasted.is_some() => return self.enter(Phase::Idle),
            None => (Phase::Idle, EventKind::ClientDisconnected, Some(end.code)),
        };
        self.enter(phase);
        context
            .subscribers
            .publish(kind, Some(&self.source.id), |event| {
                event.code = code;
                event.reason = Some(end.reason);
            });
    }

    /// Logs a failure: as a warning, but the same one at most once a minute.
    fn log_end(&mut self, end: &End<'_>, wait: Option<Duration>) {
        let is_news = self.is_news(end, Instant::now());
        let level = if is_news {
            log::Level::Warn
        } else {
            log::Level::Debug
        };
        let next = match wait {
            Some(wait) => format!("tries again in {:.1} s", wait.as_secs_f64()),
            None => "does not try again, for reconnect is not set".to_owned(),
        };
        log::log!(level, "{}: {}; {next}", self.source.id, end.reason);
    }

    /// Whether a failure is to be a warning, and if so, notes that it was written.
    fn is_news(&mut self, end: &End<'_>, now: Instant) -> bool {
        let known = self.warned.as_ref().is_some_and(|(reason, at)| {
            reason == end.reason && now.duration_since(*at) < WARNED_EVERY
        });
        if !known {
            self.warned = Some((end.reason.to_owned(), now));
        }
        !known
    }
}

fn source_of(conf: &config::Client, shared: &Conf) -> Rc<SourceInfo> {
    Rc::new(SourceInfo {
        id: Rc::from(conf.id.as_str()),
        name: conf.name.clone(),
        auth_scheme: None,
        max_message: shared.max_message,
    })
}

fn backoff(conf: &config::Client) -> Option<Backoff> {
    let reconnect = conf.reconnect.as_ref()?;
    let max = reconnect.max.unwrap_or(reconnect.every);
    Some(Backoff::new(reconnect.every, max))
}

#[cfg(test)]
mod tests;
