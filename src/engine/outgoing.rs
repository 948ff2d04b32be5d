//! A connection that is begun from here.

use std::rc::Rc;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::conn::Conf;
use crate::proto::ws::handshake::UpgradeRequest;

use super::owners::OwnerId;

/// What a client's connection needs to begin.
#[derive(Debug)]
pub struct Outgoing<'o> {
    /// Whose it is.
    pub owner: OwnerId,
    /// What it has in common with others.
    pub conf: &'o Rc<Conf>,
    /// Its upgrade request.
    pub request: UpgradeRequest<'o>,
    /// For Sec-WebSocket-Key (RFC 6455 §4.1).
    pub nonce: [u8; 16],
    /// What it speaks TLS by, and to whom; `None`: it does not.
    pub tls: Option<(&'o Arc<ClientConfig>, ServerName<'static>)>,
}
