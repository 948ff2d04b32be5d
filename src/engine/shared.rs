//! The buffers and tools that connections share while they are served, one at a time.

use crate::conn::buffer::{Out, Transport};
use crate::conn::deadline::Tick;
use crate::conn::tls::Cipher;
use crate::conn::{Aux, Tools};

use super::memory::Account;
use super::ops::{Effects, Ops};
use super::outbox::{Outboxes, Wire, Wrote};
use super::slot::Slot;
use super::tls_wire::TlsWire;

/// The most that one turn receives from one connection, and the size of the shared receive buffer.
const SCRATCH: usize = 256 * 1024;

/// What one connection at a time uses.
pub(super) struct Shared {
    pub scratch: Box<[u8]>,
    pub cork: Vec<u8>,
    /// The plaintext of one receive over TLS.
    pub plain: Vec<u8>,
    /// Ciphertext that the socket was not given yet.
    pub cipher: Cipher,
    pub aux: Aux,
    pub tools: Tools,
    pub outboxes: Outboxes,
    pub date: [u8; 29],
    pub now: Tick,
    pub effects: Effects,
}

impl Shared {
    /// Drops what a connection left when handling it panicked: the next must not send it.
    pub(super) fn forget(&mut self) {
        self.cork.clear();
        self.cipher.clear();
        self.effects.deferred.clear();
    }

    pub(super) fn new(tools: Tools, memory: Account) -> Shared {
        Shared {
            // Zeroed by the kernel, page by page, as it is used: an idle daemon has none of it.
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            cork: Vec::with_capacity(SCRATCH),
            plain: Vec::new(),
            cipher: Cipher::default(),
            aux: Aux::default(),
            tools,
            outboxes: Outboxes::new(memory),
            date: [b' '; 29],
            now: Tick(0),
            effects: Effects::default(),
        }
    }
}

/// Lends a slot's connection, with its transport, to `work`; then passes on what is in the cork.
pub(super) fn with_ops<T>(
    slot: &mut Slot,
    shared: &mut Shared,
    wrote: &mut Wrote,
    work: impl FnOnce(&mut Ops<'_>) -> T,
) -> T {
    let mut wire = Wire {
        socket: &slot.socket,
        outbox: &mut slot.outbox,
        outboxes: &mut shared.outboxes,
        wrote,
    };
    let mut tls_wire;
    let transport: &mut dyn Transport = match &mut slot.tls {
        None => &mut wire,
        Some(tls) => {
            tls_wire = TlsWire {
                wire,
                tls,
                cipher: &mut shared.cipher,
            };
            &mut tls_wire
        }
    };
    let mut ops = Ops {
        conn: &mut slot.conn,
        out: Out {
            cork: &mut shared.cork,
            transport,
            date: &shared.date,
        },
        tools: &mut shared.tools,
        effects: &mut shared.effects,
        attached: &mut slot.attached,
        now: shared.now,
        info: &slot.info,
    };
    let result = work(&mut ops);
    ops.log_answered();
    ops.out.flush();
    result
}
