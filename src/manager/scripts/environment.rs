//! The environment of a process that a trigger runs: what happened, and for a request CGI/1.1 (RFC 3875 §4.1).
//!
//! Of the daemon's own environment it has only PATH, HOME and LANG. Nothing here does I/O.
//!
//! **Names that peers choose.** The name of a parameter keeps its ASCII letters, digits and underscores; every other byte
//! of it becomes an underscore, so that a shell can name the variable: `first-name` is `BELLWIRE_QUERY_first_name`. When
//! several parameters give the same variable, the first counts; QUERY_STRING has all. One without a name has no variable.
//! A field becomes a variable only when its name is of letters, digits and hyphens: with an underscore
//! it could pose as another (`X_Real_IP` as `X-Real-IP`). Passwords in the URL of a Referer are left out.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::proto::http::credentials::redact_field;
use crate::proto::http::form::Parameter;

#[cfg(test)]
mod tests;

/// The longest environment, with an equals sign and a NUL to each variable.
pub(super) const MAX_ENVIRONMENT: usize = 128 * 1024;

/// Fields without a variable `HTTP_*`: those that hold passwords, the one that programs take for their proxy (httpoxy), and
/// those with a variable of another name.
const LEFT_OUT: [&str; 5] = [
    "Authorization",
    "Proxy-Authorization",
    "Proxy",
    "Content-Type",
    "Content-Length",
];

/// Names and values of variables. No name occurs twice; the order does not matter.
pub(super) type Environment = Vec<(OsString, OsString)>;

/// Why no environment can hold an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// A value contains a NUL.
    Nul,
    /// It is longer than [`MAX_ENVIRONMENT`].
    TooLong,
}

impl Error {
    /// The status code that answers a request with it.
    #[must_use]
    pub(super) fn status(self) -> u16 {
        match self {
            Error::Nul => 400,
            Error::TooLong => 431,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Nul => "a NUL, which no environment can hold",
            Error::TooLong => "more than an environment may be",
        })
    }
}

impl std::error::Error for Error {}

/// The variables and limits that all processes have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// PATH: where programs are found.
    pub path: OsString,
    /// HOME of the user that the daemon runs as.
    pub home: OsString,
    /// LANG, the locale.
    pub lang: OsString,
    /// BELLWIRE_SOCKET, the control socket.
    pub socket: Option<PathBuf>,
    /// The soft limit of descriptors that the daemon was started with.
    pub descriptors: Option<u64>,
}

impl Base {
    fn fill(&self, builder: &mut Builder) {
        builder.put("PATH", self.path.as_bytes());
        builder.put("HOME", self.home.as_bytes());
        builder.put("LANG", self.lang.as_bytes());
        if let Some(socket) = &self.socket {
            builder.put("BELLWIRE_SOCKET", socket.as_os_str().as_bytes());
        }
    }

    /// The environment of a worker: it has no variables of an event.
    pub(super) fn worker_environment(&self, trigger: &str) -> Environment {
        let mut builder = Builder::default();
        self.fill(&mut builder);
        builder.put("BELLWIRE_TRIGGER", trigger.as_bytes());
        builder.variables
    }
}

/// What every event tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'f> {
    /// The name of the trigger.
    pub trigger: &'f str,
    /// The id of the server or client.
    pub source: &'f str,
    /// `c42`
    pub connection: &'f str,
    /// Who is at the other end; `None` behind a unix socket.
    pub peer: Option<SocketAddr>,
    /// The user who logged in, and how, where that is known: `Basic` or `URL`.
    pub user: Option<(&'f str, Option<&'f str>)>,
    /// The name of the server in the request, without a port, and its port; `None` for a client.
    pub server: Option<(&'f str, u16)>,
    /// Whether the connection is encrypted.
    pub https: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening<'h> {
    /// A WebSocket connection was opened.
    Connect,
    /// A message came.
    Message {
        /// Text, not binary.
        text: bool,
    },
    /// A WebSocket connection has ended.
    Disconnect {
        /// RFC 6455 §7.1.5
        code: u16,
        /// RFC 6455 §7.1.6
        reason: &'h str,
    },
    /// A request.
    Request(Request<'h>),
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'r> {
    /// As it was written.
    pub method: &'r str,
    /// `HTTP/1.0` or `HTTP/1.1`
    pub protocol: &'r str,
    /// As [`path::decode`](crate::proto::http::path::decode) gives it: without the slash before it.
    pub path: &'r [u8],
    /// What follows the question mark, as it was written.
    pub query: &'r str,
    /// The parameters of the query.
    pub parameters: &'r [Parameter],
    /// All fields in their order.
    pub fields: &'r [(&'r str, &'r [u8])],
    /// The length of the body, when it is known and there is one.
    pub length: Option<u64>,
    /// The parameters of the body, when it is a form that was read.
    pub form: &'r [Parameter],
}

/// The environment of a process for one event.
///
/// # Errors
/// A request may bring a NUL or be too long. In the reason of a disconnect, a NUL becomes U+FFFD instead.
pub(super) fn build(
    base: &Base,
    facts: &Facts<'_>,
    happening: &Happening<'_>,
) -> Result<Environment, Error> {
    let mut builder = Builder::default();
    base.fill(&mut builder);
    builder.facts(facts);
    match happening {
        Happening::Connect => builder.put("BELLWIRE_EVENT", b"connect"),
        Happening::Message { text } => {
            let kind: &[u8] = if *text { b"text" } else { b"binary" };
            builder.put("BELLWIRE_EVENT", b"message");
            builder.put("BELLWIRE_TYPE", kind);
        }
        Happening::Disconnect { code, reason } => {
            let reason = reason.replace('\0', "\u{fffd}");
            builder.put("BELLWIRE_EVENT", b"disconnect");
            builder.put("BELLWIRE_CODE", code.to_string().as_bytes());
            builder.put("BELLWIRE_REASON", reason.as_bytes());
        }
        Happening::Request(request) => builder.request(request)?,
    }
    builder.finish()
}

#[derive(Default)]
struct Builder {
    variables: Environment,
    bytes: usize,
    nul: bool,
}

impl Builder {
    fn put(&mut self, name: &str, value: &[u8]) {
        self.bytes += name.len() + value.len() + 2;
        self.nul |= value.contains(&0);
        // An environment that is too long is refused as a whole, so the rest is not kept.
        if self.bytes <= MAX_ENVIRONMENT {
            self.variables
                .push((name.into(), OsString::from_vec(value.to_vec())));
        }
    }

    fn finish(self) -> Result<Environment, Error> {
        if self.nul {
            Err(Error::Nul)
        } else if self.bytes > MAX_ENVIRONMENT {
            Err(Error::TooLong)
        } else {
            Ok(self.variables)
        }
    }

    fn facts(&mut self, facts: &Facts<'_>) {
        self.put("BELLWIRE_TRIGGER", facts.trigger.as_bytes());
        self.put("BELLWIRE_SOURCE", facts.source.as_bytes());
        self.put("BELLWIRE_CONNECTION", facts.connection.as_bytes());
        if let Some(peer) = facts.peer {
            self.put(
                "REMOTE_ADDR",
                peer.ip().to_canonical().to_string().as_bytes(),
            );
            self.put("REMOTE_PORT", peer.port().to_string().as_bytes());
        }
        if let Some((user, how)) = facts.user {
            self.put("REMOTE_USER", user.as_bytes());
            if let Some(how) = how {
                self.put("AUTH_TYPE", how.as_bytes());
            }
        }
        if let Some((name, port)) = facts.server {
            self.put("SERVER_NAME", name.as_bytes());
            self.put("SERVER_PORT", port.to_string().as_bytes());
        }
        if facts.https {
            self.put("HTTPS", b"on");
        }
    }

    fn request(&mut self, request: &Request<'_>) -> Result<(), Error> {
        let path = [b"/", request.path].concat();
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        self.put("BELLWIRE_EVENT", b"http_request");
        self.put("GATEWAY_INTERFACE", b"CGI/1.1");
        self.put("SERVER_SOFTWARE", b"bellwire");
        self.put("SERVER_PROTOCOL", request.protocol.as_bytes());
        self.put("REQUEST_METHOD", request.method.as_bytes());
        self.put("SCRIPT_NAME", b"");
        self.put("PATH_INFO", &path);
        self.put("BELLWIRE_FILENAME", name);
        self.put("QUERY_STRING", request.query.as_bytes());
        if let Some(length) = request.length {
            self.put("CONTENT_LENGTH", length.to_string().as_bytes());
        }
        self.fields(request.fields);
        self.parameters("BELLWIRE_QUERY_", request.parameters);
        self.parameters("BELLWIRE_POST_", request.form);
        // A NUL is reported before a length: the status 400 says more than 431.
        if self.nul { Err(Error::Nul) } else { Ok(()) }
    }

    fn fields(&mut self, fields: &[(&str, &[u8])]) {
        let content_type = |(name, _): &&(&str, &[u8])| name.eq_ignore_ascii_case("Content-Type");
        if let Some((_, value)) = fields.iter().find(content_type) {
            self.put("CONTENT_TYPE", value);
        }
        for (at, (name, _)) in fields.iter().enumerate() {
            let is_same = |other: &&(&str, &[u8])| other.0.eq_ignore_ascii_case(name);
            if !becomes_a_variable(name) || fields[..at].iter().any(|other| is_same(&other)) {
                continue;
            }
            let lines = fields[at..].iter().filter(is_same);
            let lines: Vec<Cow<'_, [u8]>> = lines.map(|it| redact_field(name, it.1)).collect();
            // RFC 9110 §5.3: lines of a field are joined by commas. RFC 6265 §5.4: cookies by semicolons.
            let is_cookie = name.eq_ignore_ascii_case("Cookie");
            let separator: &[u8] = if is_cookie { b"; " } else { b", " };
            let variable = format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_"));
            self.put(&variable, &lines.join(separator));
        }
    }

    fn parameters(&mut self, prefix: &str, parameters: &[Parameter]) {
        let mut seen: Vec<String> = Vec::with_capacity(parameters.len());
        for (name, value) in parameters {
            self.nul |= name.contains('\0') || value.contains('\0');
            let variable = variable(name);
            if name.is_empty() || seen.contains(&variable) {
                continue;
            }
            self.put(&format!("{prefix}{variable}"), value.as_bytes());
            seen.push(variable);
        }
    }
}

fn becomes_a_variable(field: &str) -> bool {
    field
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !LEFT_OUT
            .iter()
            .any(|known| field.eq_ignore_ascii_case(known))
}

fn variable(name: &str) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes()
        .map(|byte| if allowed(byte) { char::from(byte) } else { '_' })
        .collect()
}
