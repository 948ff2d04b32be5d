//! Lines of JSON, and values that are strings in them: those that `Display` shows, and bytes as base64 (RFC 4648 §4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

/// The member `jsonrpc` of requests, answers and notifications.
pub(super) const VERSION: &str = "2.0";

/// The method of the notifications that are events.
pub(super) const EVENT: &str = "event";

/// Writes a value of this module as one line, with its newline.
pub(super) fn write_line(value: &impl Serialize, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail, and no type here refuses to be written.
    let _ = serde_json::to_writer(&mut *out, value);
    out.push(b'\n');
}

/// Writes a type as the string that `Display` shows, and reads it by its `parse`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let parsed = <$type>::parse(&text);
                parsed.ok_or_else(|| serde::de::Error::custom(format_args!("invalid: {text:?}")))
            }
        }
    };
}
pub(super) use serde_as_text;

/// Writes bytes as base64 with padding.
pub(super) fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

/// The bytes of base64 with its padding.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
