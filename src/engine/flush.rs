//! What settling a slot has to do with its socket: what waits leaves, files are fed, TLS is ended.

use super::blocking::Job;
use super::file_body::Fed;
use super::outbox::{Outboxes, Wire, Wrote};
use super::shared::Shared;
use super::slot::Slot;
use super::tls_wire::Sealed;

/// Says that nothing more will be said, when that is so: before our half of the stream ends (RFC 8446 §6.1).
pub(super) fn close_tls(slot: &mut Slot, shared: &mut Shared, wrote: &mut Wrote) {
    let ends = slot.conn.wants_half_close() || slot.conn.is_closed();
    if !ends || wrote.broken {
        return;
    }
    let Some(tls) = &mut slot.tls else { return };
    tls.close(&mut shared.cipher);
    let mut sealed = Sealed {
        wire: Wire {
            socket: &slot.socket,
            outbox: &mut slot.outbox,
            outboxes: &mut shared.outboxes,
            wrote,
        },
        tls,
        cipher: &mut shared.cipher,
    };
    sealed.send_cipher();
}

/// Sends of the file that is the answer's body, if the socket may take it.
pub(super) fn feed(slot: &mut Slot, shared: &mut Shared, wrote: &mut Wrote) {
    let Some(feed) = &mut slot.about.feed else {
        return;
    };
    if !slot.writable || feed.is_awaited() {
        return;
    }
    let mut count = 0;
    let fed = match &mut slot.tls {
        None => feed.feed(&slot.socket, &mut count),
        Some(tls) => {
            let mut sealed = Sealed {
                wire: Wire {
                    socket: &slot.socket,
                    outbox: &mut slot.outbox,
                    outboxes: &mut shared.outboxes,
                    wrote,
                },
                tls,
                cipher: &mut shared.cipher,
            };
            feed.feed_sealed(&mut sealed, &mut shared.scratch, &mut count)
        }
    };
    wrote.progress |= count > 0;
    slot.conn.body_sent(count, shared.now);
    match fed {
        Ok(Fed::Share) => return,
        Ok(Fed::Full) => {
            slot.writable = false;
            return;
        }
        Ok(Fed::Cold) => {
            if let Some((file, start, len)) = feed.cold() {
                shared.aside.jobs.push(Job::Warm {
                    conn: slot.conn.id(),
                    file,
                    start,
                    len,
                });
            }
            return;
        }
        Ok(Fed::Done) => {}
        Ok(Fed::Short) => {
            log::warn!(
                "{}: a file became shorter while it was sent",
                slot.conn.id()
            );
            wrote.broken = true;
        }
        Err(_) => wrote.broken = true,
    }
    slot.about.feed = None;
}

/// Sends what waits, if the socket may take it.
pub(super) fn flush(slot: &mut Slot, outboxes: &mut Outboxes, wrote: &mut Wrote) {
    let Some(outbox) = &mut slot.outbox else {
        return;
    };
    if slot.writable {
        let before = outbox.len();
        match outbox.flush(&slot.socket) {
            Ok(done) => {
                slot.writable = done;
                wrote.progress |= outbox.len() < before;
            }
            Err(_) => wrote.broken = true,
        }
    }
    if (outbox.len() == 0 || wrote.broken)
        && let Some(outbox) = slot.outbox.take()
    {
        outboxes.give_back(outbox);
    }
}
