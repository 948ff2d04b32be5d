//! What a message or a body holds: text, or bytes that travel as base64 (RFC 4648 §4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json::Object;

/// Text or bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// `text`
    Text(String),
    /// `base64`
    Binary(Vec<u8>),
}

impl Data {
    /// The same, borrowed.
    pub fn as_payload(&self) -> Payload<'_> {
        match self {
            Data::Text(text) => Payload::Text(text),
            Data::Binary(bytes) => Payload::Binary(bytes),
        }
    }
}

/// [`Data`] that somebody else owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// `text`
    Text(&'a str),
    /// `base64`
    Binary(&'a [u8]),
}

impl Payload<'_> {
    /// The member `text` or `base64`.
    pub(super) fn encode(self, object: &mut Object<'_>) {
        match self {
            Payload::Text(text) => object.text("text", text),
            Payload::Binary(bytes) => object.with("base64", |out| encode_base64(bytes, out)),
        };
    }
}

/// The bytes as a JSON string of base64, whose alphabet needs no escapes.
pub(super) fn encode_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}

/// The bytes of base64 with its padding.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
