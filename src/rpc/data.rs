//! What a message or a body holds: text, or bytes that are sent as base64.

use serde::Serialize;

use super::text::base64;

/// Text or bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// The member `text`.
    Text(String),
    /// The member `base64`.
    #[serde(rename = "base64")]
    Binary(#[serde(serialize_with = "base64")] Vec<u8>),
}

/// [`Data`], borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload<'a> {
    /// The member `text`.
    Text(&'a str),
    /// The member `base64`.
    #[serde(rename = "base64")]
    Binary(#[serde(serialize_with = "base64")] &'a [u8]),
}
