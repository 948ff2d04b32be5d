//! One receive of one connection, and everything that it leads to.

use std::io;

use crate::conn::buffer::{Out, Through};
use crate::conn::deadline::Tick;
use crate::conn::event::{CloseReason, Event, Got};

use super::ops::{Handler, Ops};
use super::outbox::{Wire, Wrote};
use super::shared::Shared;
use super::slot::Slot;

/// Above this backlog a connection is not read from: what it asks cannot be answered anyway.
pub(super) const HIGH: usize = 64 * 1024;

/// What one receive brought.
#[derive(Default)]
struct Received {
    /// Bytes that went straight into the unfinished message.
    direct: usize,
    /// The end of the scratch that is filled.
    end: usize,
    ended: Option<CloseReason<'static>>,
}

/// Receives once, after what is left over from before.
#[inline]
fn recv(slot: &mut Slot, scratch: &mut [u8], now: Tick) -> Received {
    let mut got = Received::default();
    let room = slot.conn.appetite().min(scratch.len());
    if slot.conn.has_rest()
        && let Some(rest) = slot.conn.take_rest()
    {
        scratch[..rest.len()].copy_from_slice(&rest);
        got.end = rest.len();
    }
    if !slot.readable || got.end >= room {
        return got;
    }
    let buffer = &mut scratch[got.end..room];
    let (wanted, result) = match slot.conn.spare() {
        Some((message, missing)) => (
            missing + buffer.len(),
            slot.socket.recv_into(message, missing, buffer),
        ),
        None => (
            buffer.len(),
            slot.socket.recv(buffer).map(|count| (0, count)),
        ),
    };
    match result {
        Ok((0, 0)) => {
            slot.readable = false;
            got.ended = Some(CloseReason::Eof);
        }
        Ok((direct, count)) => {
            got.direct = direct;
            got.end += count;
            slot.conn.received(direct + count, now);
            // A short read has emptied the socket, and the next bytes are a new edge; but an end that has been
            // reported already is not.
            slot.readable = direct + count == wanted || slot.ending;
        }
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => slot.readable = false,
            io::ErrorKind::Interrupted => {}
            _ => {
                slot.readable = false;
                got.ended = Some(CloseReason::Reset);
            }
        },
    }
    got
}

#[inline]
pub(super) fn receive<H: Handler>(
    slot: &mut Slot,
    shared: &mut Shared,
    handler: &mut H,
    wrote: &mut Wrote,
) {
    if slot.conn.appetite() == 0 || slot.backlog() > HIGH {
        return;
    }
    let now = shared.now;
    let got = recv(slot, &mut shared.scratch, now);
    let Shared {
        scratch,
        cork,
        aux,
        tools,
        outboxes,
        date,
        later,
        ..
    } = shared;
    let Slot {
        conn,
        socket,
        outbox,
        owner,
        peer,
        loopback,
        interrupted,
        readable,
        ..
    } = slot;
    let id = conn.id();
    let mut wire = Wire {
        socket,
        outbox,
        outboxes,
        wrote,
    };
    let (mut at, mut direct) = (0, got.direct);
    *interrupted = false;
    // One place that lends the pieces; it is inlined into each use.
    macro_rules! out {
        () => {
            Out {
                cork,
                through: &mut wire,
                date,
            }
        };
    }
    macro_rules! tell {
        ($event:expr) => {
            handler.on_event(
                &mut Ops {
                    conn,
                    out: out!(),
                    tools,
                    later,
                    now,
                    owner: *owner,
                    peer: *peer,
                    loopback: *loopback,
                },
                id,
                $event,
            )
        };
    }
    loop {
        let in_place = std::mem::take(&mut direct);
        let what = if in_place > 0 {
            conn.filled(in_place, tools, &mut out!(), now)
        } else {
            let step = conn.step(&mut scratch[at..got.end], aux, tools, &mut out!(), now);
            at += step.used;
            step.got
        };
        match what {
            Got::More if in_place > 0 => {}
            Got::More => break,
            Got::Now(event) => tell!(event),
            Got::Whole(kind, mut data) => {
                tell!(Event::Message {
                    kind,
                    data: &mut data
                });
                tools.pool.give_back(data);
            }
        }
        if conn.is_websocket() {
            if at == got.end {
                break;
            }
        } else if cork.len() + wire.backlog() > HIGH || conn.appetite() == 0 {
            *interrupted = true;
            break;
        }
    }
    conn.keep(&scratch[at..got.end]);
    let ended = match got.ended {
        // What is left over comes before the end, which shows again.
        Some(CloseReason::Eof) if *interrupted => {
            *readable = true;
            None
        }
        Some(CloseReason::Eof) => conn.on_eof(now),
        Some(reason) => conn.abort(reason),
        None => None,
    };
    if let Some(reason) = ended {
        tell!(Event::Closed(reason));
    }
    out!().flush();
}
