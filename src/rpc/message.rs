//! Lines to requests, and answers to lines (JSON-RPC 2.0 §4 to §6).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::error::{Error, ErrorCode};
use super::method::Call;
use super::result::CallResult;
use super::text::{EVENT, VERSION, write_line};

/// Requests in one batch. A larger batch is refused as a whole: a line of `[1,1,1…]` would have an answer many times
/// its length.
pub const MAX_BATCH: usize = 1000;

/// What a line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// White space, which is not answered.
    Nothing,
    /// One request or notification, answered by one line.
    One(Request),
    /// A batch, answered by one line with the answers in any order: see [`encode_batch`].
    Batch(Vec<Request>),
}

/// A request, or a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Absent from a notification, which is never answered, not even with an error.
    pub id: Option<RequestId>,
    /// The call, or what is wrong with the request.
    pub call: Result<Call, Error>,
}

/// The id of a request, of any JSON type, kept as it was written so that it is echoed exactly.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Box<RawValue>);

impl RequestId {
    /// A number.
    pub fn number(number: u64) -> RequestId {
        to_raw_value(&number).map_or_else(|_| RequestId::null(), RequestId)
    }

    /// The id of an answer to a line whose id could not be read.
    pub fn null() -> RequestId {
        RequestId(RawValue::NULL.to_owned())
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &RequestId) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for RequestId {}

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
    let id = members.get("id").map(|id| RequestId((*id).to_owned()));
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
        // Well-formed JSON that cannot be held: nested too deep, a number too large, half of a surrogate pair.
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
    #[derive(Serialize)]
    struct Line<'r> {
        jsonrpc: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'r RequestId>,
        method: &'static str,
        params: &'r Call,
    }
    let line = Line {
        jsonrpc: VERSION,
        id,
        method: call.method(),
        params: call,
    };
    write_line(&line, out);
}

/// A [`Response`] as it is sent.
#[derive(Serialize)]
struct Answer<'r> {
    jsonrpc: &'static str,
    id: &'r RequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'r CallResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'r Error>,
}

impl Response {
    /// Writes the answer, with its newline.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write_line(&self.answer(), out);
    }

    fn answer(&self) -> Answer<'_> {
        Answer {
            jsonrpc: VERSION,
            id: &self.id,
            result: self.outcome.as_ref().ok(),
            error: self.outcome.as_ref().err(),
        }
    }
}

/// Writes the answers to a batch as one line; nothing when it held only notifications (JSON-RPC 2.0 §6).
pub fn encode_batch(responses: &[Response], out: &mut Vec<u8>) {
    if !responses.is_empty() {
        let answers: Vec<Answer<'_>> = responses.iter().map(Response::answer).collect();
        write_line(&answers, out);
    }
}

/// A line from the daemon, as a client reads it.
#[derive(Clone, Debug)]
pub enum FromDaemon {
    /// The answer to a request.
    Answer {
        /// The id of the request.
        id: RequestId,
        /// The result as it was written.
        result: Result<Box<RawValue>, Error>,
    },
    /// The params of an event notification, as they were written.
    Event(Box<RawValue>),
}

/// The members of an answer or of a notification.
#[derive(Deserialize)]
struct Line {
    method: Option<String>,
    params: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    id: Option<RequestId>,
    result: Option<Box<RawValue>>,
    error: Option<Value>,
}

impl FromDaemon {
    /// Reads a line that is no batch.
    ///
    /// # Errors
    /// It is neither an answer nor an event; the error says why.
    pub fn decode(line: &[u8]) -> Result<FromDaemon, String> {
        let line = str::from_utf8(line).map_err(|error| error.to_string())?;
        let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if line.method.is_some_and(|method| method == EVENT) {
            let params = line.params.ok_or("an event without params")?;
            return Ok(FromDaemon::Event(params));
        }
        let id = line.id.ok_or("neither an event nor an answer")?;
        let result = match (line.result, line.error) {
            (Some(result), None) => Ok(result),
            (None, Some(error)) => {
                Err(Error::deserialize(error).map_err(|error| error.to_string())?)
            }
            _ => {
                return Err("an answer with neither a result nor an error, or with both".to_owned());
            }
        };
        Ok(FromDaemon::Answer { id, result })
    }
}

/// A member that is there, also when it is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RequestId>, D::Error> {
    RequestId::deserialize(deserializer).map(Some)
}
