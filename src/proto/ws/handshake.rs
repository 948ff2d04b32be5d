//! The opening handshake (RFC 6455 §4) of both roles, from HTTP heads that have been read before.
//!
//! No extension is offered or accepted. Origin and credentials are checked elsewhere.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest, Sha1};

use crate::proto::http::byte::{is_target, is_token};
use crate::proto::http::head::{BodyLength, Method, RequestHead, ResponseHead, Version};
use crate::proto::http::percent;
use crate::proto::http::response::{ResponseWriter, put_field};

/// RFC 6455 §1.3
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Some clients fill a key with random letters, so that the bits after its 16 bytes are not zero.
const KEY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Whether a request asks for a WebSocket; [`read_request`] checks whether it is valid. Requests in HTTP/1.0 cannot ask for
/// one (RFC 9110 §7.8).
pub fn wants_upgrade(head: &RequestHead<'_>) -> bool {
    head.version() >= Version::Http11
        && head.contains_token("Upgrade", "websocket")
        && head.contains_token("Connection", "upgrade")
}

/// A valid opening handshake of a client.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    head: RequestHead<'a>,
    key: &'a [u8],
}

impl<'a> Offer<'a> {
    /// The subprotocols of the client, the most preferred first. Names that are not tokens are left out, since they cannot be
    /// written in an answer.
    pub fn protocols(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.head
            .list("Sec-WebSocket-Protocol")
            .filter(|name| is_token(name))
            .filter_map(|name| str::from_utf8(name).ok())
    }
}

/// Why a request is not a valid opening handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFault {
    /// The method is not GET.
    Method,
    /// The version of HTTP is 1.0.
    HttpVersion,
    /// Upgrade has no `websocket`.
    Upgrade,
    /// Connection has no `upgrade`.
    Connection,
    /// Sec-WebSocket-Version is missing or is not 13.
    Version,
    /// Sec-WebSocket-Key is missing, repeated, or not 16 bytes in base64.
    Key,
    /// The request has a body.
    Body,
}

impl HandshakeFault {
    /// The status code that answers it.
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::Version => 426,
            _ => 400,
        }
    }

    /// The fields that the answer must have.
    pub fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // RFC 9110 §15.5.6
            Self::Method => &[("Allow", "GET")],
            // RFC 6455 §4.4, RFC 9110 §15.5.22
            Self::Version => &[
                ("Sec-WebSocket-Version", "13"),
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
            ],
            _ => &[],
        }
    }
}

impl fmt::Display for HandshakeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "the method of an opening handshake is not GET",
            Self::HttpVersion => "an opening handshake in HTTP/1.0",
            Self::Upgrade => "Upgrade is not websocket",
            Self::Connection => "Connection has no upgrade",
            Self::Version => "Sec-WebSocket-Version is not 13",
            Self::Key => "Sec-WebSocket-Key is not one value of 16 bytes in base64",
            Self::Body => "an opening handshake with a body",
        })
    }
}

impl std::error::Error for HandshakeFault {}

/// Reads a client's opening handshake (RFC 6455 §4.2.1).
///
/// # Errors
/// Why it cannot be accepted.
pub fn read_request<'a>(head: &RequestHead<'a>) -> Result<Offer<'a>, HandshakeFault> {
    if head.method() != Method::Get {
        return Err(HandshakeFault::Method);
    }
    if head.version() < Version::Http11 {
        return Err(HandshakeFault::HttpVersion);
    }
    if !head.contains_token("Upgrade", "websocket") {
        return Err(HandshakeFault::Upgrade);
    }
    if !head.contains_token("Connection", "upgrade") {
        return Err(HandshakeFault::Connection);
    }
    // §4.4 is checked before the key, since other versions may have other keys.
    if only(head.field_lines("Sec-WebSocket-Version")) != Some(b"13") {
        return Err(HandshakeFault::Version);
    }
    let key = only(head.field_lines("Sec-WebSocket-Key")).ok_or(HandshakeFault::Key)?;
    if KEY.decode_slice(key, &mut [0; 18]) != Ok(16) {
        return Err(HandshakeFault::Key);
    }
    if head.body_length() != BodyLength::Empty {
        return Err(HandshakeFault::Body);
    }
    Ok(Offer { head: *head, key })
}

/// The one item, if there is exactly one.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}

/// The Sec-WebSocket-Accept of a Sec-WebSocket-Key, as it was sent (RFC 6455 §4.2.2 /5.4).
pub fn accept_value(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut out = [0; 28];
    // 20 bytes are 28 in base64, so this cannot fail.
    let _ = STANDARD.encode_slice(digest, &mut out);
    out
}

/// Writes the server's opening handshake, which accepts the offer (RFC 6455 §4.2.2). The protocol
/// must be one of [`Offer::protocols`].
pub fn write_response(
    out: &mut Vec<u8>,
    offer: &Offer<'_>,
    protocol: Option<&str>,
    date: &[u8; 29],
) {
    let mut head = ResponseWriter::start(out, 101);
    head.date(date)
        .field("Upgrade", b"websocket")
        .field("Connection", b"Upgrade")
        .field("Sec-WebSocket-Accept", &accept_value(offer.key));
    if let Some(protocol) = protocol {
        head.field("Sec-WebSocket-Protocol", protocol.as_bytes());
    }
    head.end();
}

/// The request of a client's opening handshake.
#[derive(Clone, Copy)]
pub struct UpgradeRequest<'a> {
    /// The value of Host.
    pub host: &'a str,
    /// Path and query. Bytes that a target must not have are percent-encoded.
    pub target: &'a str,
    /// The subprotocols offered, the most preferred first.
    pub protocols: &'a [&'a str],
    /// A user's name, without a colon, and password (RFC 7617 §2).
    pub basic: Option<(&'a str, &'a str)>,
    /// More fields, written as [`ResponseWriter::field`] does.
    pub fields: &'a [(&'a str, &'a [u8])],
}

/// Shows the host only, since all other parts may hold credentials.
impl fmt::Debug for UpgradeRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// Writes a client's opening handshake (RFC 6455 §4.1). The nonce is 16 random bytes, new for each connection.
pub fn write_request(out: &mut Vec<u8>, request: &UpgradeRequest<'_>, nonce: [u8; 16]) {
    out.extend_from_slice(b"GET ");
    put_target(out, request.target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    put_field(out, "Host", request.host.as_bytes());
    put_field(out, "Upgrade", b"websocket");
    put_field(out, "Connection", b"Upgrade");
    put_field(out, "Sec-WebSocket-Key", &encode_key(nonce));
    put_field(out, "Sec-WebSocket-Version", b"13");
    if !request.protocols.is_empty() {
        put_field(
            out,
            "Sec-WebSocket-Protocol",
            request.protocols.join(", ").as_bytes(),
        );
    }
    if let Some((user, password)) = request.basic {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        put_field(
            out,
            "Authorization",
            format!("Basic {credentials}").as_bytes(),
        );
    }
    for (name, value) in request.fields {
        put_field(out, name, value);
    }
    out.extend_from_slice(b"\r\n");
}

fn put_target(out: &mut Vec<u8>, target: &str) {
    if !target.starts_with('/') {
        out.push(b'/');
    }
    let target = percent::encode(target.as_bytes(), is_target);
    out.extend_from_slice(target.as_bytes());
}

fn encode_key(nonce: [u8; 16]) -> [u8; 24] {
    let mut out = [0; 24];
    // 16 bytes are 24 in base64, so this cannot fail.
    let _ = STANDARD.encode_slice(nonce, &mut out);
    out
}

/// What the server has accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// The subprotocol: one of those offered.
    pub protocol: Option<&'a str>,
}

/// Why a server's response does not establish a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The status is not 101.
    Status(u16),
    /// The version of HTTP is 1.0.
    HttpVersion,
    /// Upgrade is not `websocket`.
    Upgrade,
    /// Connection has no `upgrade`.
    Connection,
    /// Sec-WebSocket-Accept is missing, repeated, or does not match the key.
    Accept,
    /// The server uses an extension, but none was offered.
    Extension,
    /// The server chose a subprotocol that was not offered, or more than one.
    Protocol,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status) => return write!(f, "the server answered with status {status}"),
            Self::HttpVersion => "the server answered in HTTP/1.0",
            Self::Upgrade => "Upgrade is not websocket",
            Self::Connection => "Connection has no upgrade",
            Self::Accept => "Sec-WebSocket-Accept is wrong",
            Self::Extension => "the server uses an extension that was not offered",
            Self::Protocol => "the server chose a subprotocol that was not offered",
        })
    }
}

impl std::error::Error for Error {}

/// Reads the server's opening handshake, the answer to one with this nonce and these subprotocols
/// (RFC 6455 §4.1, "the client MUST validate the server's response").
///
/// # Errors
/// Why the connection is not established.
pub fn read_response<'a>(
    head: &ResponseHead<'a>,
    nonce: [u8; 16],
    offered: &[&str],
) -> Result<Accepted<'a>, Error> {
    if head.status() != 101 {
        return Err(Error::Status(head.status()));
    }
    if head.version() < Version::Http11 {
        return Err(Error::HttpVersion);
    }
    if !only(head.list("Upgrade")).is_some_and(|name| name.eq_ignore_ascii_case(b"websocket")) {
        return Err(Error::Upgrade);
    }
    if !head.contains_token("Connection", "upgrade") {
        return Err(Error::Connection);
    }
    let accept = accept_value(&encode_key(nonce));
    if only(head.field_lines("Sec-WebSocket-Accept")) != Some(accept.as_slice()) {
        return Err(Error::Accept);
    }
    if head.list("Sec-WebSocket-Extensions").next().is_some() {
        return Err(Error::Extension);
    }
    let mut lines = head.field_lines("Sec-WebSocket-Protocol");
    let protocol = match (lines.next(), lines.next()) {
        (None, _) => None,
        (Some(name), None) => {
            let name = str::from_utf8(name)
                .ok()
                .filter(|name| offered.contains(name));
            Some(name.ok_or(Error::Protocol)?)
        }
        (Some(_), Some(_)) => return Err(Error::Protocol),
    };
    Ok(Accepted { protocol })
}

#[cfg(test)]
mod tests;
