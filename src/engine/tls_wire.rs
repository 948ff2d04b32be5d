//! The way past the cork of a connection that speaks TLS: what is passed is encrypted, then sent.
//!
//! It is encrypted when it is queued, not when it leaves: its order is that of its keys, and a backlog counts as what it
//! takes.

use crate::conn::buffer::Through;
use crate::conn::tls::{Cipher, Tls};

use super::outbox::Wire;

/// A wire behind TLS.
pub(super) struct Sealed<'w> {
    pub wire: Wire<'w>,
    pub tls: &'w mut Tls,
    pub cipher: &'w mut Cipher,
}

impl Sealed<'_> {
    /// Sends what the handshake has to say.
    pub(super) fn send_cipher(&mut self) {
        if !self.cipher.bytes().is_empty() {
            self.wire.pass_one(self.cipher.bytes());
            self.cipher.clear();
        }
    }
}

impl Through for Sealed<'_> {
    fn pass(&mut self, parts: &[&[u8]]) {
        let wire = &mut self.wire;
        let sealed = self
            .tls
            .write(parts, self.cipher, |bytes| wire.pass_one(bytes));
        wire.wrote.broken |= sealed.is_err();
    }

    fn queue(&mut self, bytes: &[u8]) {
        let wire = &mut self.wire;
        // It was open a moment ago; should its keys be used up, its reading shows that.
        let _ = self
            .tls
            .write(&[bytes], self.cipher, |bytes| wire.queue(bytes));
    }

    fn backlog(&self) -> usize {
        self.wire.backlog()
    }
}
