//! Sending when a slot is settled: what waits, the next part of a file, and the end of TLS.

use super::blocking::Job;
use super::file_body::Progress;
use super::outbox::{Outboxes, Wire, Wrote};
use super::shared::Shared;
use super::slot::Slot;
use super::tls_wire::TlsWire;

/// Sends close_notify when our half of the stream is about to end (RFC 8446 §6.1).
pub(super) fn close_tls(slot: &mut Slot, shared: &mut Shared, wrote: &mut Wrote) {
    let ends = slot.conn.wants_half_close() || slot.conn.is_closed();
    if !ends || wrote.broken {
        return;
    }
    let Some(tls) = &mut slot.tls else { return };
    tls.close(&mut shared.cipher);
    let mut tls_wire = TlsWire {
        wire: Wire {
            socket: &slot.socket,
            outbox: &mut slot.outbox,
            outboxes: &mut shared.outboxes,
            wrote,
        },
        tls,
        cipher: &mut shared.cipher,
    };
    tls_wire.send_cipher();
}

/// Sends the next part of the file that is the body of the answer, if the socket may take it.
pub(super) fn send_file_body(slot: &mut Slot, shared: &mut Shared, wrote: &mut Wrote) {
    let Some(file_body) = &mut slot.attached.file_body else {
        return;
    };
    if !slot.writable || file_body.is_awaited() {
        return;
    }
    let mut count = 0;
    let progress = match &mut slot.tls {
        None => file_body.send(&slot.socket, &mut count),
        Some(tls) => {
            let mut tls_wire = TlsWire {
                wire: Wire {
                    socket: &slot.socket,
                    outbox: &mut slot.outbox,
                    outboxes: &mut shared.outboxes,
                    wrote,
                },
                tls,
                cipher: &mut shared.cipher,
            };
            file_body.send_encrypted(&mut tls_wire, &mut shared.scratch, &mut count)
        }
    };
    wrote.progress |= count > 0;
    slot.conn.body_sent(count, shared.now);
    match progress {
        Ok(Progress::Share) => return,
        Ok(Progress::Full) => {
            slot.writable = false;
            return;
        }
        Ok(Progress::Uncached) => {
            if let Some((file, start, len)) = file_body.read_ahead() {
                shared.effects.jobs.push(Job::ReadAhead {
                    conn: slot.conn.id(),
                    file,
                    start,
                    len,
                });
            }
            return;
        }
        Ok(Progress::Done) => {}
        Ok(Progress::Short) => {
            log::warn!(
                "{}: a file became shorter while it was sent",
                slot.conn.id()
            );
            wrote.broken = true;
        }
        Err(_) => wrote.broken = true,
    }
    slot.attached.file_body = None;
}

/// Sends what waits in the outbox, if the socket may take it.
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
