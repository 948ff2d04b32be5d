//! Why a call has no result: a code, one line for people, and data for programs.

use serde::{Deserialize, Serialize};

use super::name::{ConnectionName, RequestName};
use crate::config::{Fault, Place};

/// The codes: those of JSON-RPC 2.0 §5.1, and bellwire's own from the range that is left to servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "i32", from = "i64")]
#[repr(i32)]
pub enum ErrorCode {
    /// The line is no JSON, or too long.
    Parse = -32700,
    /// It is JSON, but no request.
    InvalidRequest = -32600,
    /// There is no such method.
    MethodNotFound = -32601,
    /// A param is wrong. The data names the field and says what is allowed.
    InvalidParams = -32602,
    /// It could not be done.
    Failed = -32000,
    /// There is no such server, client, connection or request; or the request was answered, or its peer has left.
    NoSuchId = -32001,
    /// The client is not connected.
    NotConnected = -32002,
    /// It took too long.
    TimedOut = -32003,
    /// The configuration has faults. The data lists them.
    Configuration = -32004,
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

    /// The number that is sent.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

impl From<ErrorCode> for i32 {
    fn from(code: ErrorCode) -> i32 {
        code.number()
    }
}

impl From<i64> for ErrorCode {
    /// The code of a number. One that is not known means that something failed.
    fn from(number: i64) -> ErrorCode {
        let mut codes = ErrorCode::ALL.into_iter();
        let known = codes.find(|code| i64::from(code.number()) == number);
        known.unwrap_or(ErrorCode::Failed)
    }
}

/// Why a call has no result (JSON-RPC 2.0 §5.1). A command reads what it knows of an error, and ignores the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// What kind of error it is.
    pub code: ErrorCode,
    /// One line for people.
    pub message: String,
    /// The same for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<ErrorData>,
}

/// What an error tells programs: a field that is wrong, or the faults of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorData {
    /// The param, or member of the request, that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What the field may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
    /// What is wrong with the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultData>,
}

/// A [`Fault`] as it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultData {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    what: String,
}

impl From<Fault> for FaultData {
    fn from(fault: Fault) -> FaultData {
        FaultData {
            file: fault.file.to_string_lossy().into_owned(),
            line: fault.place.map(|place| place.line),
            column: fault.place.map(|place| place.column),
            what: fault.what,
        }
    }
}

impl From<FaultData> for Fault {
    fn from(data: FaultData) -> Fault {
        let place = data.line.zip(data.column);
        Fault {
            file: data.file.into(),
            place: place.map(|(line, column)| Place { line, column }),
            what: data.what,
        }
    }
}

impl Error {
    /// An error that says all in its message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Error {
        Error {
            code,
            message: message.into(),
            data: None,
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

    /// There is no such connection, or no longer.
    pub fn no_such_connection(connection: ConnectionName) -> Error {
        Error::new(
            ErrorCode::NoSuchId,
            format!("there is no connection {connection}"),
        )
    }

    /// There is no such request, it was answered, or its peer has left.
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

    /// The configuration file is refused.
    pub fn configuration(faults: Vec<Fault>) -> Error {
        let message = match faults.as_slice() {
            [one] => one.to_string(),
            more => format!("the configuration has {} faults", more.len()),
        };
        Error {
            code: ErrorCode::Configuration,
            message,
            data: Some(ErrorData {
                faults: faults.into_iter().map(FaultData::from).collect(),
                ..ErrorData::default()
            }),
        }
    }

    /// The line is longer than [`max_line`](super::max_line) allows. Nothing after it can be understood.
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
            data: Some(ErrorData {
                field: Some(field.to_owned()),
                allowed: Some(allowed.to_owned()),
                faults: Vec::new(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(error: &Error) -> String {
        let text = serde_json::to_string(error).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Error>(&text).as_ref().ok(),
            Some(error)
        );
        text
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
            assert_eq!(ErrorCode::from(i64::from(code.number())), code);
        }
        assert_eq!(ErrorCode::from(-32603), ErrorCode::Failed);
    }
}
