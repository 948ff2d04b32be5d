//! `headers` of a client: more fields for its upgrade request.

use crate::config::fault::Faults;
use crate::config::raw::Table;
use crate::config::value::{is_field_value, is_token, quoted};

/// Fields that belong to the handshake (RFC 6455 §4.1), to the connection or to a body (RFC 9110 §7.6.1, §8.6, RFC 9112
/// §6.1). All that begin with Sec-WebSocket- do, too.
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

/// What is worth a password.
const SECRETS: [&str; 3] = ["Authorization", "Cookie", "Proxy-Authorization"];

pub(super) fn read(
    table: &mut Table<'_>,
    has_basic: bool,
    exposed: bool,
    faults: &mut Faults<'_>,
) -> Vec<(String, String)> {
    let given = table.pairs("headers", "{ \"X-Site\" = \"attic\" }", faults);
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in given {
        let twice = headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name.value));
        let fault = if twice {
            Some("is there already; allowed: each once".to_owned())
        } else {
            fault(name.value, value.value, has_basic)
        };
        if let Some(what) = fault {
            faults.refuse(
                name.place,
                format!("headers: {} {what}", quoted(name.value)),
            );
            continue;
        }
        if exposed && is_among(&SECRETS, name.value) {
            faults.warn(
                name.place,
                format!(
                    "headers: {} in a file that others can read; chmod o-r takes that away",
                    name.value
                ),
            );
        }
        headers.push((name.value.to_owned(), value.value.to_owned()));
    }
    headers
}

fn is_among(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What is wrong with a field. Its value may be a secret, and is not shown.
fn fault(name: &str, value: &str, has_basic: bool) -> Option<String> {
    let prefix = name.get(..OWN_PREFIX.len()).unwrap_or_default();
    if !is_token(name) {
        Some("is no name of a field; allowed: letters, digits and !#$%&'*+-.^_`|~".to_owned())
    } else if name.eq_ignore_ascii_case("Sec-WebSocket-Protocol") {
        Some("belongs to the handshake; subprotocols says what it holds".to_owned())
    } else if is_among(&OWN, name) || prefix.eq_ignore_ascii_case(OWN_PREFIX) {
        Some("belongs to the handshake; allowed: other fields".to_owned())
    } else if has_basic && name.eq_ignore_ascii_case("Authorization") {
        Some("is what basic sends; allowed: one of them".to_owned())
    } else if !is_field_value(value) {
        Some("has a value that cannot be sent; allowed: printable ASCII".to_owned())
    } else {
        None
    }
}
