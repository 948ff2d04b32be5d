//! The opening handshake of a client: its request, limits and TLS, and how a refusal is shown without secrets.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::certs;
use crate::config;
use crate::conn::Conf;
use crate::conn::deadline::Millis;
use crate::conn::event::{CloseReason, Refusal};
use crate::engine::{Outgoing, OwnerId};

use super::offline_queue::MAX_BYTES;

/// The longest time that TLS and the upgrade may take together.
const HANDSHAKE: Millis = Millis::seconds(10);

/// The opening handshake of one connection.
#[derive(Debug)]
pub(super) struct HandshakeRequest {
    conf: Rc<config::Client>,
    shared: Rc<Conf>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    nonce: [u8; 16],
}

impl HandshakeRequest {
    /// Prepares the handshake of a client with this configuration.
    ///
    /// # Errors
    /// No certificate can name the host, or there is no TLS configuration although the URL asks for TLS.
    pub(super) fn new(
        conf: &Rc<config::Client>,
        shared: &Rc<Conf>,
        tls: Option<&Arc<ClientConfig>>,
        nonce: [u8; 16],
    ) -> Result<HandshakeRequest, String> {
        let tls = match (conf.tls, tls) {
            (false, _) => None,
            (true, Some(tls)) => {
                let name = certs::server_name(&conf.host)
                    .map_err(|error| format!("no certificate can be for {}: {error}", conf.host))?;
                Some((Arc::clone(tls), name))
            }
            // Never fall back to a connection without TLS.
            (true, None) => return Err("the TLS configuration is missing".to_owned()),
        };
        Ok(HandshakeRequest {
            conf: Rc::clone(conf),
            shared: Rc::clone(shared),
            tls,
            nonce,
        })
    }

    /// Calls `begin` with the connection that is to be begun for `owner`.
    pub(super) fn with_outgoing<T>(
        &self,
        owner: OwnerId,
        begin: impl FnOnce(&Outgoing<'_>) -> T,
    ) -> T {
        self.conf.with_request(|request| {
            begin(&Outgoing {
                owner,
                conf: &self.shared,
                request,
                nonce: self.nonce,
                tls: self.tls.as_ref().map(|(tls, name)| (tls, name.clone())),
            })
        })
    }
}

/// The limits of a client's connection. Most are the defaults of servers, because `[[client]]` has no keys for them.
pub(super) fn connection_conf(client: &config::Client) -> Conf {
    let default = Conf::default();
    let ping = Millis::from(client.ping.unwrap_or(Duration::ZERO));
    let greetings: usize = client.on_connect.iter().map(String::len).sum();
    // Messages that are sent at once after the handshake must not make the server look slow.
    let kept = if client.outbox > 0 { MAX_BYTES } else { 0 };
    Conf {
        max_backlog: default.max_backlog + greetings + kept,
        head_timeout: HANDSHAKE,
        ping_interval: ping,
        pong_timeout: ping,
        ..default
    }
}

/// Shortens the target of a redirect to its origin when the requested path may hold a password or a token, because the
/// target may repeat that path.
pub(super) fn without_secrets<'r>(
    client: &config::Client,
    reason: CloseReason<'r>,
) -> CloseReason<'r> {
    let asked = &client.parameters;
    match reason {
        CloseReason::Refused(Refusal::Status {
            status,
            line,
            location: Some(location),
        }) if asked.starts_with("/auth/") || asked.contains('?') => {
            CloseReason::Refused(Refusal::Status {
                status,
                line,
                location: origin(location),
            })
        }
        other => other,
    }
}

/// The part of a URL before its path, if it has one.
fn origin(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    let end = url[host..].find(['/', '?', '#']);
    Some(end.map_or(url, |end| &url[..host + end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_stands_before_the_path() {
        for (url, told) in [
            ("https://h:1/auth/a/b", Some("https://h:1")),
            ("wss://h?x", Some("wss://h")),
            ("http://h", Some("http://h")),
            ("/auth/a/b", None),
            ("//h/a", None),
            ("", None),
        ] {
            assert_eq!(origin(url), told, "{url}");
        }
    }
}
