//! The calls: every method of the contract with its params as checked types.

use serde_json::Value;

use super::data::Data;
use super::error::{Error, ErrorCode};
use super::event::EventKind;
use super::json::Object;
use super::name::ConnectionName;
use super::params::{Params, wrong};
use super::respond::{self, Respond};
use crate::config::quoted;
use crate::proto::ws::close::{CloseCode, MAX_REASON};

const SERVER: &str = "the id of a server";
const CLIENT: &str = "the id of a client";
const CODES: &str = "1000 to 1003, 1007 to 1014, 3000 to 4999";

/// What is asked for. Ids of servers and clients are as they were written: whether there is such a one, the manager knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `status`
    Status,
    /// `reload`
    Reload {
        /// Only say what would be done.
        dry_run: bool,
    },
    /// `server.list`: of one server, or of all.
    ServerList(Option<String>),
    /// `server.start`
    ServerStart(String),
    /// `server.stop`
    ServerStop(String),
    /// `client.list`: of one client, or of all.
    ClientList(Option<String>),
    /// `client.connect`
    ClientConnect(String),
    /// `client.disconnect`
    ClientDisconnect(String),
    /// `connections`: of one server or client, or of all.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// The server or client.
    pub id: String,
    /// The message.
    pub data: Data,
    /// Which of its connections.
    pub receivers: Receivers,
}

/// To whom a message is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receivers {
    /// To all.
    All,
    /// To one.
    To(ConnectionName),
    /// To all but one.
    Except(ConnectionName),
    /// To all of one user.
    User(String),
}

impl Receivers {
    /// Whether one connection is named.
    pub const fn is_one(&self) -> bool {
        matches!(self, Receivers::To(_))
    }
}

/// A connection to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kick {
    /// Which.
    pub connection: ConnectionName,
    /// The close code; 1008 when none is given.
    pub code: CloseCode,
    /// The reason; empty when none is given.
    pub reason: String,
}

impl Kick {
    /// The close code of a number.
    ///
    /// # Errors
    /// When it may not stand in a Close frame (RFC 6455 §7.4).
    pub fn close_code(number: u16) -> Result<CloseCode, Error> {
        CloseCode::new(number).ok_or_else(|| wrong("code", &number.to_string(), CODES))
    }

    /// Whether the reason fits into a Close frame (RFC 6455 §5.5).
    ///
    /// # Errors
    /// When it does not.
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

/// Events to be sent from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// Of these servers and clients; of all when empty.
    pub ids: Vec<String>,
    /// Of these kinds; of all when empty.
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

    fn encode(&self, params: &mut Object<'_>) {
        params.text("id", &self.id);
        self.data.as_payload().encode(params);
        match &self.receivers {
            Receivers::All => params,
            Receivers::To(to) => params.shown("to", to),
            Receivers::Except(except) => params.shown("except", except),
            Receivers::User(user) => params.text("user", user),
        };
    }
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

    /// Writes the params.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut params = Object::begin(out);
        match self {
            Call::Status
            | Call::ServerList(None)
            | Call::ClientList(None)
            | Call::Connections(None)
            | Call::Reload { dry_run: false } => {}
            Call::Reload { dry_run: true } => {
                params.flag("dry_run", true);
            }
            Call::ServerList(Some(id))
            | Call::ClientList(Some(id))
            | Call::Connections(Some(id))
            | Call::ServerStart(id)
            | Call::ServerStop(id)
            | Call::ClientConnect(id)
            | Call::ClientDisconnect(id) => {
                params.text("id", id);
            }
            Call::Send(send) => send.encode(&mut params),
            Call::Kick(kick) => {
                params
                    .shown("connection", kick.connection)
                    .number("code", kick.code.get());
                if !kick.reason.is_empty() {
                    params.text("reason", &kick.reason);
                }
            }
            Call::Respond(respond) => respond.encode(&mut params),
            Call::Subscribe(Subscribe { ids, kinds }) => {
                if !ids.is_empty() {
                    params.texts("ids", ids);
                }
                if !kinds.is_empty() {
                    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                    params.texts("kinds", &kinds);
                }
            }
        }
        params.end();
    }
}
