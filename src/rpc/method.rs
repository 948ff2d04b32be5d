//! The methods, with their params as checked types.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::data::Data;
use super::error::{Error, ErrorCode};
use super::event::EventKind;
use super::name::ConnectionName;
use super::params::{Params, wrong};
use super::respond::{self, Respond};
use crate::config::quoted;
use crate::proto::ws::close::{CloseCode, MAX_REASON};

const SERVER: &str = "the id of a server";
const CLIENT: &str = "the id of a client";
const CODES: &str = "1000 to 1003, 1007 to 1014, 3000 to 4999";

/// A method with its params. Whether there is a server or client of an id, the manager knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `status`
    Status,
    /// `reload`
    Reload {
        /// Whether it only says what would be done.
        dry_run: bool,
    },
    /// `server.list`: one server, or all.
    ServerList(Option<String>),
    /// `server.start`
    ServerStart(String),
    /// `server.stop`
    ServerStop(String),
    /// `client.list`: one client, or all.
    ClientList(Option<String>),
    /// `client.connect`
    ClientConnect(String),
    /// `client.disconnect`
    ClientDisconnect(String),
    /// `connections`: those of one server or client, or all.
    Connections(Option<String>),
    /// `send`
    Send(Send),
    /// `kick`
    Kick(Kick),
    /// `respond`
    Respond(Respond),
    /// `events.subscribe`
    Subscribe(Subscribe),
}

/// A message to connections of a server, or over a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Send {
    /// The server or client.
    pub id: String,
    /// The message.
    #[serde(flatten)]
    pub data: Data,
    /// Which of its connections.
    #[serde(flatten, skip_serializing_if = "Receivers::is_all")]
    pub receivers: Receivers,
}

/// The connections that a message is sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Receivers {
    /// All.
    All,
    /// One.
    To(ConnectionName),
    /// All but one.
    Except(ConnectionName),
    /// All of one user.
    User(String),
}

impl Receivers {
    /// Whether one connection is named.
    pub const fn is_one(&self) -> bool {
        matches!(self, Receivers::To(_))
    }

    fn is_all(&self) -> bool {
        matches!(self, Receivers::All)
    }
}

/// A connection to close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kick {
    /// The connection.
    pub connection: ConnectionName,
    /// The close code; 1008 when none is given.
    #[serde(serialize_with = "close_code")]
    pub code: CloseCode,
    /// The reason; empty when none is given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Kick {
    /// The close code of a number.
    ///
    /// # Errors
    /// The number may not be sent in a Close frame (RFC 6455 §7.4).
    pub fn close_code(number: u16) -> Result<CloseCode, Error> {
        CloseCode::new(number).ok_or_else(|| wrong("code", &number.to_string(), CODES))
    }

    /// Checks the reason.
    ///
    /// # Errors
    /// It does not fit into a Close frame (RFC 6455 §5.5).
    pub fn check(&self) -> Result<(), Error> {
        if self.reason.len() > MAX_REASON {
            let what = format!("{} bytes", self.reason.len());
            return Err(wrong(
                "reason",
                &what,
                &format!("at most {MAX_REASON} bytes"),
            ));
        }
        Ok(())
    }

    fn decode(params: &mut Params) -> Result<Kick, Error> {
        let kick = Kick {
            connection: params
                .connection("connection")?
                .ok_or_else(|| wrong("connection", "missing", ConnectionName::ALLOWED))?,
            code: match params.number("code", CODES)? {
                Some(number) => Kick::close_code(number)?,
                None => CloseCode::POLICY_VIOLATION,
            },
            reason: params.text("reason")?.unwrap_or_default(),
        };
        kick.check()?;
        Ok(kick)
    }
}

/// Which events are sent to a subscriber.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Subscribe {
    /// Of these servers and clients; of all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Of these kinds; of all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<EventKind>,
}

impl Subscribe {
    fn decode(params: &mut Params) -> Result<Subscribe, Error> {
        let kind = |name: String| {
            EventKind::parse(&name)
                .ok_or_else(|| wrong("kinds", &quoted(&name), &EventKind::allowed()))
        };
        Ok(Subscribe {
            ids: params.texts("ids")?,
            kinds: params
                .texts("kinds")?
                .into_iter()
                .map(kind)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Send {
    fn decode(params: &mut Params) -> Result<Send, Error> {
        let one = "one of to, except, user";
        let id = params.required("id", "the id of a server or client")?;
        let data = params
            .data()?
            .ok_or_else(|| wrong("text", "missing", "one of text, base64"))?;
        let receivers = match (
            params.connection("to")?,
            params.connection("except")?,
            params.text("user")?,
        ) {
            (None, None, None) => Receivers::All,
            (Some(to), None, None) => Receivers::To(to),
            (None, Some(except), None) => Receivers::Except(except),
            (None, None, Some(user)) => Receivers::User(user),
            (_, Some(_), _) => return Err(wrong("except", "beside another", one)),
            (Some(_), None, Some(_)) => return Err(wrong("user", "beside to", one)),
        };
        Ok(Send {
            id,
            data,
            receivers,
        })
    }
}

fn close_code<S: Serializer>(code: &CloseCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(code.get())
}

impl Call {
    /// The methods, as they are written, and the names of their params.
    pub const METHODS: [(&'static str, &'static [&'static str]); 13] = [
        ("status", &[]),
        ("reload", &["dry_run"]),
        ("server.list", &["id"]),
        ("server.start", &["id"]),
        ("server.stop", &["id"]),
        ("client.list", &["id"]),
        ("client.connect", &["id"]),
        ("client.disconnect", &["id"]),
        ("connections", &["id"]),
        ("send", &["id", "text", "base64", "to", "except", "user"]),
        ("kick", &["connection", "code", "reason"]),
        ("respond", respond::FIELDS),
        ("events.subscribe", &["ids", "kinds"]),
    ];

    /// The method.
    pub const fn method(&self) -> &'static str {
        match self {
            Call::Status => "status",
            Call::Reload { .. } => "reload",
            Call::ServerList(_) => "server.list",
            Call::ServerStart(_) => "server.start",
            Call::ServerStop(_) => "server.stop",
            Call::ClientList(_) => "client.list",
            Call::ClientConnect(_) => "client.connect",
            Call::ClientDisconnect(_) => "client.disconnect",
            Call::Connections(_) => "connections",
            Call::Send(_) => "send",
            Call::Kick(_) => "kick",
            Call::Respond(_) => "respond",
            Call::Subscribe(_) => "events.subscribe",
        }
    }

    /// Reads the params of a method.
    pub(super) fn decode(method: &str, params: Option<Value>) -> Result<Call, Error> {
        let known = Call::METHODS.iter().find(|(name, _)| *name == method);
        let Some((_, allowed)) = known else {
            let names = Call::METHODS.map(|(name, _)| name).join(", ");
            return Err(Error::field(
                ErrorCode::MethodNotFound,
                "method",
                &quoted(method),
                &names,
            ));
        };
        let params = &mut Params::new(params, allowed)?;
        Ok(match method {
            "reload" => Call::Reload {
                dry_run: params.flag("dry_run")?,
            },
            "server.list" => Call::ServerList(params.text("id")?),
            "server.start" => Call::ServerStart(params.required("id", SERVER)?),
            "server.stop" => Call::ServerStop(params.required("id", SERVER)?),
            "client.list" => Call::ClientList(params.text("id")?),
            "client.connect" => Call::ClientConnect(params.required("id", CLIENT)?),
            "client.disconnect" => Call::ClientDisconnect(params.required("id", CLIENT)?),
            "connections" => Call::Connections(params.text("id")?),
            "send" => Call::Send(Send::decode(params)?),
            "kick" => Call::Kick(Kick::decode(params)?),
            "respond" => Call::Respond(Respond::decode(params)?),
            "events.subscribe" => Call::Subscribe(Subscribe::decode(params)?),
            _ => Call::Status,
        })
    }
}

impl Serialize for Call {
    /// Writes the params.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Call::Status => serializer.collect_map([("", ""); 0]),
            Call::Reload { dry_run } => {
                serializer.collect_map(dry_run.then_some(("dry_run", true)))
            }
            Call::ServerList(id) | Call::ClientList(id) | Call::Connections(id) => {
                serializer.collect_map(id.iter().map(|id| ("id", id)))
            }
            Call::ServerStart(id)
            | Call::ServerStop(id)
            | Call::ClientConnect(id)
            | Call::ClientDisconnect(id) => serializer.collect_map([("id", id)]),
            Call::Send(send) => send.serialize(serializer),
            Call::Kick(kick) => kick.serialize(serializer),
            Call::Respond(respond) => respond.serialize(serializer),
            Call::Subscribe(subscribe) => subscribe.serialize(serializer),
        }
    }
}
