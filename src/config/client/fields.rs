//! `headers` of a client: further fields of its upgrade request.

use crate::config::fault::Placed;
use crate::config::table::Table;
use crate::config::value::{is_field_value, is_token, quoted};

/// Fields that belong to the handshake (RFC 6455 §4.1), to the connection or to a body (RFC 9110 §7.6.1, §8.6, RFC 9112
/// §6.1), as do all that begin with Sec-WebSocket-.
const OWN: [&str; 11] = [
    "Host",
    "Connection",
    "Upgrade",
    "Content-Length",
    "Transfer-Encoding",
    "TE",
    "Trailer",
    "Keep-Alive",
    "Proxy-Connection",
    "Expect",
    "HTTP2-Settings",
];
const OWN_PREFIX: &str = "Sec-WebSocket-";

/// Fields whose value is a secret.
const SECRETS: [&str; 3] = ["Authorization", "Cookie", "Proxy-Authorization"];

pub(super) fn read(table: &mut Table<'_>, has_basic: bool) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in table.pairs("headers", "{ \"X-Site\" = \"attic\" }") {
        let Placed { value: name, place } = name;
        let twice = headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name));
        let fault = if twice {
            Some("is there already; allowed: each once")
        } else {
            fault(name, value.value, has_basic)
        };
        if let Some(what) = fault {
            table.refuse(place, format!("headers: {} {what}", quoted(name)));
            continue;
        }
        if is_among(&SECRETS, name) && table.document().is_open_to_others() {
            table.warn(
                place,
                format!(
                    "headers: {name} in a file that others can read; chmod o-r takes that away"
                ),
            );
        }
        headers.push((name.to_owned(), value.value.to_owned()));
    }
    headers
}

fn is_among(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What is wrong with a field. Its value may be a secret, and is not shown.
fn fault(name: &str, value: &str, has_basic: bool) -> Option<&'static str> {
    let prefix = name.get(..OWN_PREFIX.len()).unwrap_or_default();
    if !is_token(name) {
        Some("is no name of a field; allowed: letters, digits and !#$%&'*+-.^_`|~")
    } else if name.eq_ignore_ascii_case("Sec-WebSocket-Protocol") {
        Some("belongs to the handshake; subprotocols says what it holds")
    } else if is_among(&OWN, name) || prefix.eq_ignore_ascii_case(OWN_PREFIX) {
        Some("belongs to the handshake; allowed: other fields")
    } else if has_basic && name.eq_ignore_ascii_case("Authorization") {
        Some("is what basic sends; allowed: one of them")
    } else if !is_field_value(value) {
        Some("has a value that cannot be sent; allowed: printable ASCII")
    } else {
        None
    }
}
