//! One receive of one connection, and everything that it leads to.

use std::io;

use crate::conn::buffer::Out;
use crate::conn::deadline::Tick;
use crate::conn::event::{CloseReason, Event, Got};
use crate::proto::ws::session::SHORT_HEADER;

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
#[inline(always)]
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

#[inline(always)]
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
    slot.interrupted = false;
    let id = slot.conn.id();
    let mut wire = Wire {
        socket: &slot.socket,
        outbox: &mut slot.outbox,
        outboxes,
        wrote,
    };
    let mut ops = Ops {
        conn: &mut slot.conn,
        out: Out {
            cork,
            through: &mut wire,
            date,
        },
        tools,
        later,
        feed: &mut slot.feed,
        now,
        who: &slot.who,
    };
    let (mut at, mut direct) = (0, got.direct);
    loop {
        // Most input of most connections is this.
        while let Some((used, kind)) = ops.conn.short_message(&mut scratch[at..got.end]) {
            let data = &mut scratch[at + SHORT_HEADER..at + used];
            at += used;
            handler.on_event(&mut ops, id, Event::Message { kind, data });
        }
        if at == got.end && direct == 0 && ops.conn.is_websocket() {
            break;
        }
        let in_place = std::mem::take(&mut direct);
        let what = if in_place > 0 {
            ops.conn.filled(in_place, ops.tools, &mut ops.out)
        } else {
            let input = &mut scratch[at..got.end];
            let step = ops.conn.step(input, aux, ops.tools, &mut ops.out, now);
            at += step.used;
            step.got
        };
        match what {
            Got::More if in_place > 0 => {}
            Got::More => break,
            Got::Now(event) => handler.on_event(&mut ops, id, event),
            Got::Whole(kind, mut data) => {
                let event = Event::Message {
                    kind,
                    data: &mut data,
                };
                handler.on_event(&mut ops, id, event);
                ops.tools.pool.give_back(data);
            }
        }
        if !ops.conn.is_websocket() && (ops.out.backlog() > HIGH || ops.conn.appetite() == 0) {
            slot.interrupted = true;
            break;
        }
    }
    ops.conn.keep(&scratch[at..got.end]);
    if let Some(reason) = got.ended {
        // What is left over comes before the end, which shows again.
        if slot.interrupted && reason == CloseReason::Eof {
            slot.readable = true;
        } else {
            end(&mut ops, handler, reason);
        }
    }
    // The whole of what was said, in one write.
    if !cork.is_empty() {
        if slot.feed.is_none() {
            wire.pass_one(cork);
        } else {
            wire.pass_head(cork);
        }
        cork.clear();
    }
}

/// The peer's stream is at its end.
#[cold]
fn end<H: Handler>(ops: &mut Ops<'_>, handler: &mut H, reason: CloseReason<'static>) {
    let ended = match reason {
        CloseReason::Eof => ops.conn.on_eof(),
        reason => ops.conn.abort(reason),
    };
    if let Some(reason) = ended {
        handler.on_event(ops, ops.conn.id(), Event::Closed(reason));
    }
}
