//! What connections share while they are served, one at a time.

use crate::conn::buffer::{Out, Through};
use crate::conn::deadline::Tick;
use crate::conn::tls::Cipher;
use crate::conn::{Aux, Tools};

use super::memory::Account;
use super::ops::{Aside, Ops};
use super::outbox::{Outboxes, Wire, Wrote};
use super::slot::Slot;
use super::tls_wire::Sealed;

/// The most that one turn receives from one connection, and the size of the shared receive buffer.
const SCRATCH: usize = 256 * 1024;

/// What one connection at a time works with.
pub(super) struct Shared {
    pub scratch: Box<[u8]>,
    pub cork: Vec<u8>,
    /// What TLS has decrypted of one receive.
    pub plain: Vec<u8>,
    /// What it has encrypted and the socket has not been given.
    pub cipher: Cipher,
    pub aux: Aux,
    pub tools: Tools,
    pub outboxes: Outboxes,
    pub date: [u8; 29],
    pub now: Tick,
    pub aside: Aside,
}

impl Shared {
    /// Lets go of what a connection left when handling it failed: the next must not send it.
    pub(super) fn forget(&mut self) {
        self.cork.clear();
        self.cipher.clear();
        self.aside.later.clear();
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
            aside: Aside::default(),
        }
    }
}

/// Lends a slot's connection, and the means to write to it, to `work`; then hands the cork on.
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
    let mut sealed;
    let through: &mut dyn Through = match &mut slot.tls {
        None => &mut wire,
        Some(tls) => {
            sealed = Sealed {
                wire,
                tls,
                cipher: &mut shared.cipher,
            };
            &mut sealed
        }
    };
    let mut ops = Ops {
        conn: &mut slot.conn,
        out: Out {
            cork: &mut shared.cork,
            through,
            date: &shared.date,
        },
        tools: &mut shared.tools,
        aside: &mut shared.aside,
        about: &mut slot.about,
        now: shared.now,
        who: &slot.who,
    };
    let result = work(&mut ops);
    ops.log_said();
    ops.out.flush();
    result
}
