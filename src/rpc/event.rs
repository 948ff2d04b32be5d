//! Events: what happened, as a notification on one line, and which of them a subscriber wants.

use super::data::{Payload, encode_base64};
use super::json::{EVENT, Object, VERSION, array, string};
use super::name::{ConnectionName, RequestName};
use super::time::Time;
use crate::proto::http::credentials::redact_field;

/// Fields of a request that no event shows: they are secrets.
const SECRET_FIELDS: [&str; 3] = ["Authorization", "Cookie", "Proxy-Authorization"];

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A server listens.
    ServerStarted,
    /// A server listens no more.
    ServerStopped,
    /// A WebSocket connection of a server was opened.
    Connect,
    /// A WebSocket connection of a server ended.
    Disconnect,
    /// A message came, from a peer of a server or of a client.
    Message,
    /// A request came that something may answer.
    HttpRequest,
    /// A client's connection was opened.
    ClientConnected,
    /// A client's connection ended.
    ClientDisconnected,
    /// A client will try again.
    ClientRetrying,
    /// Messages or events were dropped, for a peer or a trigger that is too slow.
    Dropped,
    /// This subscriber was too slow: as many events as are counted were not sent to it.
    Lost,
}

impl EventKind {
    /// All of them.
    pub const ALL: [EventKind; 11] = [
        EventKind::ServerStarted,
        EventKind::ServerStopped,
        EventKind::Connect,
        EventKind::Disconnect,
        EventKind::Message,
        EventKind::HttpRequest,
        EventKind::ClientConnected,
        EventKind::ClientDisconnected,
        EventKind::ClientRetrying,
        EventKind::Dropped,
        EventKind::Lost,
    ];

    /// As it is written in events and commands.
    pub const fn name(self) -> &'static str {
        match self {
            EventKind::ServerStarted => "server_started",
            EventKind::ServerStopped => "server_stopped",
            EventKind::Connect => "connect",
            EventKind::Disconnect => "disconnect",
            EventKind::Message => "message",
            EventKind::HttpRequest => "http_request",
            EventKind::ClientConnected => "client_connected",
            EventKind::ClientDisconnected => "client_disconnected",
            EventKind::ClientRetrying => "client_retrying",
            EventKind::Dropped => "dropped",
            EventKind::Lost => "lost",
        }
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<EventKind> {
        EventKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// All names, for whoever wrote another one.
    pub fn allowed() -> String {
        EventKind::ALL.map(EventKind::name).join(", ")
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// One event, borrowed from wherever it happens. What is absent or empty is left out of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Counts the events of one run of the daemon, without a gap.
    pub seq: u64,
    /// When.
    pub time: Time,
    /// What.
    pub kind: EventKind,
    /// The server or client that it happened to.
    pub source: Option<&'a str>,
    /// The connection that it happened on.
    pub connection: Option<ConnectionName>,
    /// The address of the peer.
    pub peer: Option<&'a str>,
    /// Who the peer is, when it had to say so.
    pub user: Option<&'a str>,
    /// The message.
    pub message: Option<Payload<'a>>,
    /// The close code.
    pub code: Option<u16>,
    /// The reason of a close, or why a client is not connected.
    pub reason: Option<&'a str>,
    /// The method of a request.
    pub method: Option<&'a str>,
    /// The decoded path of a request.
    pub path: Option<&'a str>,
    /// The query of a request, as it came.
    pub query: Option<&'a str>,
    /// The fields of a request; those that are secret are left out of the line.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body of a request: `body` when it is UTF-8, `body_base64` otherwise.
    pub body: Option<&'a [u8]>,
    /// The name by which a held request is answered.
    pub request: Option<RequestName>,
    /// How many, of what was dropped or lost.
    pub count: Option<u64>,
}

impl<'a> Event<'a> {
    /// An event of which no more is known.
    pub fn new(seq: u64, time: Time, kind: EventKind) -> Event<'a> {
        Event {
            seq,
            time,
            kind,
            source: None,
            connection: None,
            peer: None,
            user: None,
            message: None,
            code: None,
            reason: None,
            method: None,
            path: None,
            query: None,
            headers: &[],
            body: None,
            request: None,
            count: None,
        }
    }

    /// The notification, with its newline.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut line = Object::begin(out);
        line.text("jsonrpc", VERSION)
            .text("method", EVENT)
            .with("params", |out| self.encode_params(out));
        line.end();
        out.push(b'\n');
    }

    fn encode_params(&self, out: &mut Vec<u8>) {
        let mut event = Object::begin(out);
        event
            .number("seq", self.seq)
            .shown("time", self.time)
            .text("kind", self.kind.name());
        put(&mut event, "source", self.source);
        if let Some(connection) = self.connection {
            event.shown("connection", connection);
        }
        put(&mut event, "peer", self.peer);
        put(&mut event, "user", self.user);
        if let Some(message) = self.message {
            message.encode(&mut event);
        }
        if let Some(code) = self.code {
            event.number("code", code);
        }
        put(&mut event, "reason", self.reason);
        self.encode_request(&mut event);
        if let Some(count) = self.count {
            event.number("count", count);
        }
        event.end();
    }

    fn encode_request(&self, event: &mut Object<'_>) {
        put(event, "method", self.method);
        put(event, "path", self.path);
        put(event, "query", self.query);
        if !self.headers.is_empty() {
            let shown = self.headers.iter().filter(|(name, _)| !is_secret(name));
            event.with("headers", |out| {
                array(out, shown, |out, (name, value)| {
                    let value = redact_field(name, value);
                    let value = String::from_utf8_lossy(&value);
                    array(out, [*name, &value], string);
                });
            });
        }
        match self.body.map(|body| (str::from_utf8(body), body)) {
            None => {}
            Some((Ok(text), _)) => {
                event.text("body", text);
            }
            Some((Err(_), bytes)) => {
                event.with("body_base64", |out| encode_base64(bytes, out));
            }
        }
        if let Some(request) = self.request {
            event.shown("request", request);
        }
    }
}

fn put(event: &mut Object<'_>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        event.text(name, value);
    }
}

fn is_secret(name: &str) -> bool {
    SECRET_FIELDS
        .iter()
        .any(|secret| secret.eq_ignore_ascii_case(name))
}

/// Which events a subscriber wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    ids: Vec<String>,
    kinds: u16,
}

impl EventFilter {
    /// Those of these servers and clients and of these kinds. None of either is all of them.
    pub fn new(ids: Vec<String>, kinds: &[EventKind]) -> EventFilter {
        let kinds = kinds.iter().fold(0, |bits, kind| bits | kind.bit());
        EventFilter { ids, kinds }
    }

    /// Whether an event of `kind` that happened to `source` is wanted. That something was lost, every subscriber is told.
    pub fn wants(&self, kind: EventKind, source: Option<&str>) -> bool {
        let of_id = |id: &String| source.is_some_and(|source| source.eq_ignore_ascii_case(id));
        kind == EventKind::Lost
            || (self.kinds == 0 || self.kinds & kind.bit() != 0)
                && (self.ids.is_empty() || self.ids.iter().any(of_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &Event<'_>) -> String {
        let mut out = Vec::new();
        event.encode(&mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["method"], "event");
        assert_eq!(text.find('\n'), Some(text.len() - 1), "one line");
        text
    }

    fn event(kind: EventKind) -> Event<'static> {
        let time = Time {
            secs: 784_111_777,
            millis: 5,
        };
        Event::new(9, time, kind)
    }

    #[test]
    fn a_message() {
        let message = Event {
            source: Some("chat"),
            connection: Some(ConnectionName(42)),
            peer: Some("[::1]:9"),
            user: Some("al\"ice"),
            message: Some(Payload::Text("a\nb")),
            ..event(EventKind::Message)
        };
        assert_eq!(
            line(&message),
            "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"seq\":9,\"time\":\"1994-11-06T08:49:37.005Z\",\
             \"kind\":\"message\",\"source\":\"chat\",\"connection\":\"c42\",\"peer\":\"[::1]:9\",\"user\":\"al\\\"ice\",\
             \"text\":\"a\\nb\"}}\n"
        );
        let binary = Event {
            message: Some(Payload::Binary(&[0, 255])),
            ..event(EventKind::Message)
        };
        assert!(line(&binary).ends_with(",\"kind\":\"message\",\"base64\":\"AP8=\"}}\n"));
    }

    #[test]
    fn a_request_without_its_secrets() {
        let headers: [(&str, &[u8]); 5] = [
            ("Host", b"a"),
            ("referer", b"http://a/auth/alice/secret/page"),
            ("authorization", b"Basic c2VjcmV0"),
            ("COOKIE", b"secret"),
            ("X-Odd", b"\xff"),
        ];
        let request = Event {
            method: Some("POST"),
            path: Some("/a b"),
            query: Some("x=1"),
            headers: &headers,
            body: Some(b"hi"),
            request: Some(RequestName(7)),
            ..event(EventKind::HttpRequest)
        };
        assert!(line(&request).ends_with(
            "\"kind\":\"http_request\",\"method\":\"POST\",\"path\":\"/a b\",\"query\":\"x=1\",\
             \"headers\":[[\"Host\",\"a\"],[\"referer\",\"http://a/auth/alice/***/page\"],[\"X-Odd\",\"\u{fffd}\"]],\"body\":\"hi\",\"request\":\"r7\"}}\n"
        ));
        let bytes = Event {
            body: Some(&[0xff]),
            ..event(EventKind::HttpRequest)
        };
        assert!(line(&bytes).ends_with(",\"body_base64\":\"/w==\"}}\n"));
    }

    #[test]
    fn an_end_and_a_loss() {
        let end = Event {
            code: Some(1008),
            reason: Some("bye"),
            ..event(EventKind::Disconnect)
        };
        assert!(
            line(&end).ends_with("\"kind\":\"disconnect\",\"code\":1008,\"reason\":\"bye\"}}\n")
        );
        let lost = Event {
            count: Some(3),
            ..event(EventKind::Lost)
        };
        assert!(line(&lost).ends_with("\"kind\":\"lost\",\"count\":3}}\n"));
    }

    #[test]
    fn kinds_are_their_names() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.name()), Some(kind));
        }
        assert_eq!(EventKind::parse("Message"), None);
    }

    #[test]
    fn filters_are_of_ids_and_of_kinds() {
        let all = EventFilter::default();
        assert!(all.wants(EventKind::Message, Some("a")) && all.wants(EventKind::Dropped, None));
        let some = EventFilter::new(
            vec!["A".to_owned()],
            &[EventKind::Message, EventKind::Connect],
        );
        assert!(
            some.wants(EventKind::Message, Some("a")) && some.wants(EventKind::Connect, Some("A"))
        );
        assert!(
            !some.wants(EventKind::Message, Some("b")) && !some.wants(EventKind::Message, None)
        );
        assert!(!some.wants(EventKind::Disconnect, Some("a")));
        assert!(some.wants(EventKind::Lost, None));
    }
}
