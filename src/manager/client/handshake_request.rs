//! The opening handshake of a client: its request, its limits and TLS, and what may be told of the answer.

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

/// For TLS and the upgrade together.
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
    /// # Errors
    /// When there can be no certificate for the host.
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
            // What was meant to be secret is not sent in the clear.
            (true, None) => return Err("there is nothing to speak TLS by".to_owned()),
        };
        Ok(HandshakeRequest {
            conf: Rc::clone(conf),
            shared: Rc::clone(shared),
            tls,
            nonce,
        })
    }

    /// Begins the connection of `owner` with it.
    pub(super) fn lend<T>(&self, owner: OwnerId, begin: impl FnOnce(&Outgoing<'_>) -> T) -> T {
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

/// The limits of a client's connection: mostly those that servers have by default, for a client has no keys for them.
pub(super) fn connection_conf(client: &config::Client) -> Conf {
    let default = Conf::default();
    let ping = Millis::from(client.ping.unwrap_or(Duration::ZERO));
    let greetings: usize = client.on_connect.iter().map(String::len).sum();
    // What is sent at once after the opening handshake must not count against the server as slowness.
    let kept = if client.outbox > 0 { MAX_BYTES } else { 0 };
    Conf {
        max_backlog: default.max_backlog + greetings + kept,
        head_timeout: HANDSHAKE,
        ping_interval: ping,
        pong_timeout: ping,
        ..default
    }
}

/// The target of a redirect may repeat the path that was asked for, and with it a password or a token: then only the
/// server that it names is told.
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
