//! Events: what happened, as a notification on one line, and which events a subscriber wants.

use serde::{Serialize, Serializer};

use super::data::Payload;
use super::name::{ConnectionName, RequestName};
use super::text::{EVENT, VERSION, base64, write_line};
use super::time::Time;
use crate::proto::http::credentials::redact_field;

/// Fields of a request that no event shows, because they are secrets.
const SECRET_FIELDS: [&str; 3] = ["Authorization", "Cookie", "Proxy-Authorization"];

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A server began to listen.
    ServerStarted,
    /// A server stopped listening.
    ServerStopped,
    /// A WebSocket connection of a server was opened.
    Connect,
    /// A WebSocket connection of a server ended.
    Disconnect,
    /// A message came, from a peer of a server or of a client.
    Message,
    /// A request came that a trigger holds or hands to a worker.
    HttpRequest,
    /// A client's connection was opened.
    ClientConnected,
    /// A client's connection ended.
    ClientDisconnected,
    /// A client will try again.
    ClientRetrying,
    /// Messages or events were dropped, because a peer or a trigger is too slow.
    Dropped,
    /// This subscriber was too slow: `count` events were not sent to it.
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

    /// The name in events and commands.
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

    /// All names, for messages.
    pub fn allowed() -> String {
        EventKind::ALL.map(EventKind::name).join(", ")
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One event, borrowed from where it happens. What is absent or empty is left out of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Event<'a> {
    /// Counts the events of one run of the daemon, without a gap.
    pub seq: u64,
    /// When it happened.
    pub time: Time,
    /// What happened.
    pub kind: EventKind,
    /// The server or client that it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'a str>,
    /// The connection that it happened on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionName>,
    /// The address of the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<&'a str>,
    /// The user that the peer logged in as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The message: the member `text` or `base64`.
    #[serde(flatten)]
    pub message: Option<Payload<'a>>,
    /// The close code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The reason of a close, or why a client is not connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// The method of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    /// The decoded path of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<&'a str>,
    /// The query of a request, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<&'a str>,
    /// The fields of a request; those that are secret are left out of the line.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "headers")]
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body of a request: the member `body` when it is UTF-8, `body_base64` otherwise.
    #[serde(flatten, serialize_with = "body")]
    pub body: Option<&'a [u8]>,
    /// The name by which a held request is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestName>,
    /// How many events or messages were dropped or lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// The notification that an event is.
#[derive(Serialize)]
struct Notification<'e> {
    jsonrpc: &'static str,
    method: &'static str,
    params: &'e Event<'e>,
}

impl<'a> Event<'a> {
    /// An event without further details.
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

    /// Writes the notification, with its newline.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let line = Notification {
            jsonrpc: VERSION,
            method: EVENT,
            params: self,
        };
        write_line(&line, out);
    }
}

/// The fields that are not secret, as pairs.
fn headers<S: Serializer>(fields: &[(&str, &[u8])], serializer: S) -> Result<S::Ok, S::Error> {
    let shown = fields.iter().filter(|(name, _)| !is_secret(name));
    serializer.collect_seq(shown.map(|(name, value)| {
        let value = redact_field(name, value);
        (*name, String::from_utf8_lossy(&value).into_owned())
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Body<'a> {
    Body(&'a str),
    BodyBase64(#[serde(serialize_with = "base64")] &'a [u8]),
}

fn body<S: Serializer>(body: &Option<&[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    let body = body.map(|bytes| match str::from_utf8(bytes) {
        Ok(text) => Body::Body(text),
        Err(_) => Body::BodyBase64(bytes),
    });
    body.serialize(serializer)
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
    /// Events of these servers and clients and of these kinds; an empty list stands for all.
    pub fn new(ids: Vec<String>, kinds: &[EventKind]) -> EventFilter {
        let kinds = kinds.iter().fold(0, |bits, kind| bits | kind.bit());
        EventFilter { ids, kinds }
    }

    /// Whether an event of `kind` that happened to `source` is wanted. Every subscriber is told of lost events.
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
