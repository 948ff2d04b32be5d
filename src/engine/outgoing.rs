//! What an outgoing connection needs to begin.

use std::rc::Rc;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::conn::Conf;
use crate::proto::ws::handshake::UpgradeRequest;

use super::owners::OwnerId;

/// An outgoing connection.
#[derive(Debug)]
pub struct Outgoing<'o> {
    /// The client that it belongs to.
    pub owner: OwnerId,
    /// The configuration that it shares with others.
    pub conf: &'o Rc<Conf>,
    /// Its upgrade request.
    pub request: UpgradeRequest<'o>,
    /// For Sec-WebSocket-Key (RFC 6455 §4.1).
    pub nonce: [u8; 16],
    /// The configuration of TLS, and the name that the certificate must have; `None`: no TLS.
    pub tls: Option<(&'o Arc<ClientConfig>, ServerName<'static>)>,
}
