//! The transport of a connection that speaks TLS: what is passed is encrypted, then sent.
//!
//! It is encrypted when it is queued, not when it leaves: records must leave in the order of their numbers, and a backlog
//! counts as what it takes.

use crate::conn::buffer::Transport;
use crate::conn::tls::{Cipher, Tls};

use super::outbox::Wire;

/// A wire behind TLS.
pub(super) struct TlsWire<'w> {
    pub wire: Wire<'w>,
    pub tls: &'w mut Tls,
    pub cipher: &'w mut Cipher,
}

impl TlsWire<'_> {
    /// Sends the messages of the handshake.
    pub(super) fn send_cipher(&mut self) {
        if !self.cipher.bytes().is_empty() {
            self.wire.pass_one(self.cipher.bytes());
            self.cipher.clear();
        }
    }
}

impl Transport for TlsWire<'_> {
    fn pass(&mut self, parts: &[&[u8]]) {
        let wire = &mut self.wire;
        let tls_wire = self
            .tls
            .write(parts, self.cipher, |bytes| wire.pass_one(bytes));
        wire.wrote.broken |= tls_wire.is_err();
    }

    fn queue(&mut self, bytes: &[u8]) {
        let wire = &mut self.wire;
        // It was open a moment ago. When its keys are used up, reading shows that.
        let _ = self
            .tls
            .write(&[bytes], self.cipher, |bytes| wire.queue(bytes));
    }

    fn backlog(&self) -> usize {
        self.wire.backlog()
    }
}
