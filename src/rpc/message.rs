//! Lines to requests, and answers to lines (JSON-RPC 2.0 §4 to §6).

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::error::{Error, ErrorCode};
use super::json::{EVENT, Object, VERSION, array};
use super::method::Call;
use super::result::CallResult;

/// Requests in one batch; more are refused as a whole, so that a line of `[1,1,1…]` has no answer many times its length.
pub const MAX_BATCH: usize = 1000;

/// What a line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// White space. It has no answer.
    Nothing,
    /// One request or notification, answered by one line.
    One(Request),
    /// A batch, answered by one line, which holds the answers in any order: see [`encode_batch`].
    Batch(Vec<Request>),
}

/// A request, or a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Absent from a notification, which is done and never answered, not even with an error.
    pub id: Option<RequestId>,
    /// What it asks for, or what is wrong with it.
    pub call: Result<Call, Error>,
}

/// The id of a request, of any JSON type, kept as it was written so that it is echoed exactly.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// A number.
    pub fn number(number: u64) -> RequestId {
        RequestId(number.to_string())
    }

    /// Of an answer to what has no id that could be read.
    pub fn null() -> RequestId {
        RequestId("null".to_owned())
    }
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The id of the request.
    pub id: RequestId,
    /// Its result.
    pub outcome: Result<CallResult, Error>,
}

/// Reads one line, with or without its newline. It is never longer than [`max_line`](super::max_line) allows.
pub fn decode(line: &[u8]) -> Incoming {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Incoming::Nothing;
    }
    let value: &RawValue = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) => return Incoming::One(Request::refused(RequestId::null(), no_json(&error))),
    };
    if !value.get().starts_with('[') {
        return Incoming::One(decode_one(value));
    }
    let requests: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
    match requests.len() {
        1..=MAX_BATCH => Incoming::Batch(requests.into_iter().map(decode_one).collect()),
        count => {
            let allowed = format!("1 to {MAX_BATCH}");
            let what = format!("a batch of {count} requests");
            let error = Error::field(ErrorCode::InvalidRequest, "request", &what, &allowed);
            Incoming::One(Request::refused(RequestId::null(), error))
        }
    }
}

fn decode_one(value: &RawValue) -> Request {
    let invalid =
        |field, what: &str, allowed| Error::field(ErrorCode::InvalidRequest, field, what, allowed);
    if !value.get().starts_with('{') {
        let error = invalid(
            "request",
            "no object",
            "an object with jsonrpc, id, method, params",
        );
        return Request::refused(RequestId::null(), error);
    }
    let members: BTreeMap<String, &RawValue> = match serde_json::from_str(value.get()) {
        Ok(members) => members,
        Err(error) => return Request::refused(RequestId::null(), no_json(&error)),
    };
    let text = |name| serde_json::from_str::<String>(members.get(name)?.get()).ok();
    let id = members.get("id").map(|id| RequestId(id.get().to_owned()));
    if text("jsonrpc").as_deref() != Some(VERSION) {
        let error = invalid("jsonrpc", "missing or another version", "\"2.0\"");
        return Request::refused(id.unwrap_or_else(RequestId::null), error);
    }
    let Some(method) = text("method") else {
        let error = invalid("method", "missing or no string", "the name of a method");
        return Request::refused(id.unwrap_or_else(RequestId::null), error);
    };
    let params = members
        .get("params")
        .map(|params| serde_json::from_str::<Value>(params.get()));
    let call = match params.transpose() {
        Ok(params) => Call::decode(&method, params),
        // Well formed, and still nothing that can be held: too deep, a number too large, half of a surrogate pair.
        Err(error) => Err(no_json(&error)),
    };
    Request { id, call }
}

fn no_json(error: &serde_json::Error) -> Error {
    Error::new(ErrorCode::Parse, format!("no JSON: {error}"))
}

impl Request {
    fn refused(id: RequestId, error: Error) -> Request {
        Request {
            id: Some(id),
            call: Err(error),
        }
    }
}

/// Writes a request, or without an id a notification, with its newline.
pub fn encode(id: Option<&RequestId>, call: &Call, out: &mut Vec<u8>) {
    let mut request = Object::begin(out);
    request.text("jsonrpc", VERSION);
    if let Some(id) = id {
        request.with("id", |out| out.extend_from_slice(id.0.as_bytes()));
    }
    request
        .text("method", call.method())
        .with("params", |out| call.encode(out));
    request.end();
    out.push(b'\n');
}

impl Response {
    /// Writes the answer, with its newline.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_object(out);
        out.push(b'\n');
    }

    fn encode_object(&self, out: &mut Vec<u8>) {
        let mut response = Object::begin(out);
        response
            .text("jsonrpc", VERSION)
            .with("id", |out| out.extend_from_slice(self.id.0.as_bytes()));
        match &self.outcome {
            Ok(outcome) => response.with("result", |out| outcome.encode(out)),
            Err(error) => response.with("error", |out| error.encode(out)),
        };
        response.end();
    }
}

/// Writes the answers to a batch as one line; nothing at all when it held only notifications (JSON-RPC 2.0 §6).
pub fn encode_batch(responses: &[Response], out: &mut Vec<u8>) {
    if !responses.is_empty() {
        array(out, responses, |out, response| response.encode_object(out));
        out.push(b'\n');
    }
}

/// A line from the daemon, as a client reads it.
#[derive(Clone, Debug)]
pub enum FromDaemon {
    /// The answer to a request.
    Answer {
        /// Of which.
        id: RequestId,
        /// The result as it was written.
        result: Result<Box<RawValue>, Error>,
    },
    /// The params of an event notification, as they were written.
    Event(Box<RawValue>),
}

impl FromDaemon {
    /// Reads a line that is no batch. The error says why it is none of these.
    pub fn decode(line: &[u8]) -> Result<FromDaemon, String> {
        let mut members: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let method = members.get("method").map(|method| method.get());
        if method.is_some_and(|method| method.trim_matches('"') == EVENT) {
            return members
                .remove("params")
                .map(FromDaemon::Event)
                .ok_or_else(|| "an event without params".to_owned());
        }
        let id = members
            .remove("id")
            .map(|id| RequestId(id.get().to_owned()))
            .ok_or("neither an event nor an answer")?;
        let result = match (members.remove("result"), members.remove("error")) {
            (Some(result), None) => Ok(result),
            (None, Some(error)) => {
                let error: Value =
                    serde_json::from_str(error.get()).map_err(|error| error.to_string())?;
                Err(Error::decode(&error))
            }
            _ => {
                return Err("an answer with neither a result nor an error, or with both".to_owned());
            }
        };
        Ok(FromDaemon::Answer { id, result })
    }
}
