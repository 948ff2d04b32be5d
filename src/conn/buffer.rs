//! Where a connection's bytes go out: the cork, and the way past it.

use std::rc::Rc;

/// From this payload length on, bytes leave by the [`Transport`] without a copy into the cork.
pub const NO_COPY_FROM: usize = 16 * 1024;

/// A fuller cork than this is handed on before more is written into it.
pub const CORK_FULL: usize = 64 * 1024;

/// The way past the cork: takes all that it is given, sends what the transport takes, keeps the rest in order.
pub trait Transport {
    /// Takes the parts in their order, all of them.
    fn pass(&mut self, parts: &[&[u8]]);

    /// Takes bytes that need not leave before the end of the turn, together with others.
    fn queue(&mut self, bytes: &[u8]) {
        self.pass(&[bytes]);
    }

    /// As [`Transport::queue`], of bytes that other connections send too.
    fn queue_shared(&mut self, bytes: &Rc<[u8]>) {
        self.queue(bytes);
    }

    /// Bytes that were taken and have not left yet.
    fn backlog(&self) -> usize;
}

/// A transport for tests and fuzzing: what is passed is sent.
impl Transport for Vec<u8> {
    fn pass(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.extend_from_slice(part);
        }
    }

    fn backlog(&self) -> usize {
        0
    }
}

/// What one connection writes to during a step. The cork is shared by all connections and belongs to one at a time;
/// whoever lends it passes on what is left in it before the next.
pub struct Out<'o> {
    /// Bytes that leave in one write when the turn of this connection ends.
    pub cork: &'o mut Vec<u8>,
    /// The way past it.
    pub transport: &'o mut dyn Transport,
    /// The Date field of this second (RFC 9110 §6.6.1).
    pub date: &'o [u8; 29],
}

impl Out<'_> {
    /// Hands the cork on.
    pub fn flush(&mut self) {
        if !self.cork.is_empty() {
            self.transport.pass(&[self.cork]);
            self.cork.clear();
        }
    }

    /// Hands on the cork and then `payload`, without copying it.
    pub fn pass(&mut self, payload: &[u8]) {
        self.transport.pass(&[self.cork, payload]);
        self.cork.clear();
    }

    /// Bytes that wait: in the cork, and behind it.
    pub fn backlog(&self) -> usize {
        self.cork.len() + self.transport.backlog()
    }
}

/// What became of a message for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Queued,
    /// The peer is slow and its policy is to drop: this message is lost to it.
    Dropped,
    /// The connection is not open, or is closing, or has just begun to for its peer is too slow.
    Closed,
}
