//! What is wrong with a call, or went wrong with it: a code, one line for people, and data for programs.

use serde_json::{Map, Value};

use super::json::{Object, array};
use super::name::{ConnectionName, RequestName};
use crate::config::{Fault, Place};

/// The codes: those of JSON-RPC 2.0 §5.1, and bellwire's own from the range that is left to servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// -32700: the line is no JSON, or too long.
    Parse,
    /// -32600: it is JSON, but no request.
    InvalidRequest,
    /// -32601: there is no such method.
    MethodNotFound,
    /// -32602: the params are not what the method takes. The data names the field and says what is allowed.
    InvalidParams,
    /// -32000: it could not be done.
    Failed,
    /// -32001: no such server, client, connection or request; or the request has been answered, or its peer has left.
    NoSuchId,
    /// -32002: the client is not connected.
    NotConnected,
    /// -32003: it took too long.
    TimedOut,
    /// -32004: the configuration is at fault. The data lists the faults.
    Configuration,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: [ErrorCode; 9] = [
        ErrorCode::Parse,
        ErrorCode::InvalidRequest,
        ErrorCode::MethodNotFound,
        ErrorCode::InvalidParams,
        ErrorCode::Failed,
        ErrorCode::NoSuchId,
        ErrorCode::NotConnected,
        ErrorCode::TimedOut,
        ErrorCode::Configuration,
    ];

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            ErrorCode::Parse => -32700,
            ErrorCode::InvalidRequest => -32600,
            ErrorCode::MethodNotFound => -32601,
            ErrorCode::InvalidParams => -32602,
            ErrorCode::Failed => -32000,
            ErrorCode::NoSuchId => -32001,
            ErrorCode::NotConnected => -32002,
            ErrorCode::TimedOut => -32003,
            ErrorCode::Configuration => -32004,
        }
    }

    /// The code of a number. One that is not known means that something failed.
    pub fn of(number: i64) -> ErrorCode {
        let known = ErrorCode::ALL
            .into_iter()
            .find(|code| i64::from(code.number()) == number);
        known.unwrap_or(ErrorCode::Failed)
    }
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of error it is.
    pub code: ErrorCode,
    /// One line for people.
    pub message: String,
    /// The same for programs.
    pub data: ErrorData,
}

/// What an error tells programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorData {
    /// Nothing beside its code.
    Nothing,
    /// `{"field": …, "allowed": …}`
    Field {
        /// The param, or member of the request, that is wrong.
        field: String,
        /// What it may be.
        allowed: String,
    },
    /// `{"faults": [{"file", "line", "column", "what"}, …]}`
    Faults(Vec<Fault>),
}

impl Error {
    /// An error that says all in its message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Error {
        Error {
            code,
            message: message.into(),
            data: ErrorData::Nothing,
        }
    }

    /// It could not be done.
    pub fn failed(message: impl Into<String>) -> Error {
        Error::new(ErrorCode::Failed, message)
    }

    /// There is no server of this id.
    pub fn no_such_server(id: &str) -> Error {
        Error::new(ErrorCode::NoSuchId, format!("invalid WS server ID {id:?}"))
    }

    /// There is no client of this id.
    pub fn no_such_client(id: &str) -> Error {
        Error::new(ErrorCode::NoSuchId, format!("invalid WS client ID {id:?}"))
    }

    /// There is neither a server nor a client of this id.
    pub fn no_such_id(id: &str) -> Error {
        Error::new(
            ErrorCode::NoSuchId,
            format!("invalid WS server ID {id:?}, nor is it a WS client ID"),
        )
    }

    /// The connection is not, or no longer, there.
    pub fn no_such_connection(connection: ConnectionName) -> Error {
        Error::new(
            ErrorCode::NoSuchId,
            format!("there is no connection {connection}"),
        )
    }

    /// The request is not there, was answered, or its peer has left.
    pub fn no_such_request(request: RequestName) -> Error {
        Error::new(
            ErrorCode::NoSuchId,
            format!("there is no request {request} that waits for an answer"),
        )
    }

    /// The client has no connection now.
    pub fn not_connected(id: &str) -> Error {
        Error::new(ErrorCode::NotConnected, format!("{id} is not connected"))
    }

    /// It took too long.
    pub fn timed_out(message: impl Into<String>) -> Error {
        Error::new(ErrorCode::TimedOut, message)
    }

    /// The configuration file is refused.
    pub fn configuration(faults: Vec<Fault>) -> Error {
        let message = match faults.as_slice() {
            [one] => one.to_string(),
            more => format!("the configuration has {} faults", more.len()),
        };
        Error {
            code: ErrorCode::Configuration,
            message,
            data: ErrorData::Faults(faults),
        }
    }

    /// A line longer than [`max_line`](super::max_line) allows. Nothing that follows it can be understood.
    pub fn line_too_long(max: usize) -> Error {
        Error::new(
            ErrorCode::Parse,
            format!("a line too long; allowed: {max} bytes"),
        )
    }

    /// A param, or a member of a request, that is wrong.
    pub(super) fn field(code: ErrorCode, field: &str, what: &str, allowed: &str) -> Error {
        Error {
            code,
            message: format!("{field}: {what}; allowed: {allowed}"),
            data: ErrorData::Field {
                field: field.to_owned(),
                allowed: allowed.to_owned(),
            },
        }
    }

    /// The error object (JSON-RPC 2.0 §5.1).
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object
            .number("code", self.code.number())
            .text("message", &self.message);
        match &self.data {
            ErrorData::Nothing => {}
            ErrorData::Field { field, allowed } => {
                object.with("data", |out| {
                    let mut data = Object::begin(out);
                    data.text("field", field).text("allowed", allowed);
                    data.end();
                });
            }
            ErrorData::Faults(faults) => {
                object.with("data", |out| encode_faults(faults, out));
            }
        }
        object.end();
    }

    /// Reads an error object as a client does, who takes what it does not know for less, not for a fault.
    pub(super) fn decode(value: &Value) -> Error {
        let text = |value: &Value, name| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let data = value.get("data").unwrap_or(&Value::Null);
        let data = match (
            data.get("faults"),
            text(data, "field"),
            text(data, "allowed"),
        ) {
            (Some(Value::Array(faults)), _, _) => ErrorData::Faults(
                faults
                    .iter()
                    .filter_map(Value::as_object)
                    .map(fault)
                    .collect(),
            ),
            (_, Some(field), Some(allowed)) => ErrorData::Field { field, allowed },
            _ => ErrorData::Nothing,
        };
        Error {
            code: ErrorCode::of(
                value
                    .get("code")
                    .and_then(Value::as_i64)
                    .unwrap_or_default(),
            ),
            message: text(value, "message")
                .unwrap_or_else(|| "an error without a message".to_owned()),
            data,
        }
    }
}

fn encode_faults(faults: &[Fault], out: &mut Vec<u8>) {
    let mut data = Object::begin(out);
    data.with("faults", |out| {
        array(out, faults, |out, fault| {
            let mut object = Object::begin(out);
            object.text("file", &fault.file.to_string_lossy());
            if let Some(Place { line, column }) = fault.place {
                object.number("line", line).number("column", column);
            }
            object.text("what", &fault.what);
            object.end();
        });
    });
    data.end();
}

fn fault(object: &Map<String, Value>) -> Fault {
    let text = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name| u32::try_from(object.get(name)?.as_u64()?).ok();
    let place = number("line").zip(number("column"));
    Fault {
        file: text("file").into(),
        place: place.map(|(line, column)| Place { line, column }),
        what: text("what").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(error: &Error) -> String {
        let mut out = Vec::new();
        error.encode(&mut out);
        let value: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(&Error::decode(&value), error);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn errors_are_objects() {
        assert_eq!(
            both_ways(&Error::no_such_server("x\"y")),
            r#"{"code":-32001,"message":"invalid WS server ID \"x\\\"y\""}"#
        );
        assert_eq!(
            both_ways(&Error::field(
                ErrorCode::InvalidParams,
                "to",
                "a number",
                "a text"
            )),
            r#"{"code":-32602,"message":"to: a number; allowed: a text","data":{"field":"to","allowed":"a text"}}"#
        );
    }

    #[test]
    fn faults_are_listed_with_their_places() {
        let fault = |place| Fault {
            file: "f.toml".into(),
            place,
            what: "w".to_owned(),
        };
        let place = Place { line: 3, column: 9 };
        assert_eq!(
            both_ways(&Error::configuration(vec![fault(Some(place)), fault(None)])),
            r#"{"code":-32004,"message":"the configuration has 2 faults","data":{"faults":[{"file":"f.toml","line":3,"column":9,"what":"w"},{"file":"f.toml","what":"w"}]}}"#
        );
        let one = Error::configuration(vec![fault(Some(place))]);
        assert_eq!(one.message, "f.toml:3:9: w");
    }

    #[test]
    fn codes_are_their_numbers() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::of(i64::from(code.number())), code);
        }
        assert_eq!(ErrorCode::of(-32603), ErrorCode::Failed);
    }
}
