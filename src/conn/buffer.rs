//! Where a connection writes: the cork, which collects bytes for one write, and the transport behind it.

use std::rc::Rc;

/// From this payload length on, bytes leave by the [`Transport`] without a copy into the cork.
pub const NO_COPY_FROM: usize = 16 * 1024;

/// A cork with this many bytes is passed on before more is written into it.
pub const CORK_FULL: usize = 64 * 1024;

/// What is behind the cork: takes everything that it is given, sends what the socket takes, keeps the rest in order.
pub trait Transport {
    /// Takes all parts, in their order.
    fn pass(&mut self, parts: &[&[u8]]);

    /// Takes bytes that need not leave before the end of the turn.
    fn queue(&mut self, bytes: &[u8]) {
        self.pass(&[bytes]);
    }

    /// As [`Transport::queue`], of bytes that other connections send too.
    fn queue_shared(&mut self, bytes: &Rc<[u8]>) {
        self.queue(bytes);
    }

    /// Bytes that were taken and are not sent yet.
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
/// the caller passes on what is left in it before it lends the cork to the next.
pub struct Out<'o> {
    /// Bytes that leave in one write when this connection has been served.
    pub cork: &'o mut Vec<u8>,
    /// What is behind it.
    pub transport: &'o mut dyn Transport,
    /// The Date field of this second (RFC 9110 §6.6.1).
    pub date: &'o [u8; 29],
}

impl Out<'_> {
    /// Passes the cork on.
    pub fn flush(&mut self) {
        if !self.cork.is_empty() {
            self.transport.pass(&[self.cork]);
            self.cork.clear();
        }
    }

    /// Passes on the cork and then `payload`, which is not copied.
    pub fn pass(&mut self, payload: &[u8]) {
        self.transport.pass(&[self.cork, payload]);
        self.cork.clear();
    }

    /// Bytes that wait, in the cork and in the transport.
    pub fn backlog(&self) -> usize {
        self.cork.len() + self.transport.backlog()
    }
}

/// What was done with a message for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is sent or queued.
    Queued,
    /// The peer is too slow, and its policy is to drop messages: it does not get this one.
    Dropped,
    /// The connection is not open, or is closing, or has just begun to for its peer is too slow.
    Closed,
}
