//! One receive of one connection, and everything that it leads to.

use std::io;
use std::rc::Rc;

use rustls::pki_types::CertificateDer;

use crate::certs::CertificateFacts;
use crate::conn::Aux;
use crate::conn::buffer::{Out, Through};
use crate::conn::deadline::Tick;
use crate::conn::event::{CloseReason, Event, Got};
use crate::conn::tls::{RECORD, TlsError};
use crate::proto::ws::session::SHORT_HEADER;

use super::access_log::{self, Access};
use super::ops::{Handler, Ops};
use super::outbox::{Wire, Wrote};
use super::shared::{Shared, with_ops};
use super::slot::Slot;
use super::tls_wire::Sealed;

/// Above this backlog a connection is not read from: what it asks cannot be answered anyway.
pub(super) const HIGH: usize = 64 * 1024;

/// Ciphertext that is received beyond what a phase can use of plaintext: its records' headers and tags.
const SLACK: usize = 1024;

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
fn recv(slot: &mut Slot, appetite: usize, scratch: &mut [u8], now: Tick) -> Received {
    let mut got = Received::default();
    let room = appetite.min(scratch.len());
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
    let direct = result.as_ref().map_or(0, |(direct, _)| *direct);
    let result = result.map(|(direct, count)| direct + count);
    let count = took(slot, &mut got, result, wanted, now);
    got.direct = direct;
    got.end += count - direct;
    got
}

/// What a receive says of the socket: how much came of what was wanted, and whether more is to come.
#[inline(always)]
fn took(
    slot: &mut Slot,
    got: &mut Received,
    result: io::Result<usize>,
    wanted: usize,
    now: Tick,
) -> usize {
    match result {
        Ok(0) => {
            slot.readable = false;
            got.ended = Some(CloseReason::Eof);
        }
        Ok(count) => {
            slot.conn.received(count, now);
            // A short read has emptied the socket, and the next bytes are a new edge; but an end that has been
            // reported already is not.
            slot.readable = count == wanted || slot.ending;
            return count;
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
    0
}

#[inline(always)]
pub(super) fn receive<H: Handler>(
    slot: &mut Slot,
    shared: &mut Shared,
    handler: &mut H,
    wrote: &mut Wrote,
) {
    let appetite = slot.conn.appetite();
    if appetite == 0 || slot.backlog() > HIGH {
        return;
    }
    if slot.tls.is_some() {
        return receive_tls(slot, shared, handler, wrote);
    }
    let now = shared.now;
    let got = recv(slot, appetite, &mut shared.scratch, now);
    let Shared {
        scratch,
        cork,
        aux,
        tools,
        outboxes,
        date,
        aside,
        ..
    } = shared;
    slot.interrupted = false;
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
        aside,
        about: &mut slot.about,
        now,
        who: &slot.who,
    };
    work(
        &mut ops,
        handler,
        scratch,
        aux,
        &got,
        &mut slot.interrupted,
        &mut slot.readable,
    );
    // The whole of what was said, in one write.
    if !cork.is_empty() {
        if slot.about.feed.is_none() {
            wire.pass_one(cork);
        } else {
            wire.pass_head(cork);
        }
        cork.clear();
    }
}

/// What the received bytes lead to: `input` is filled up to the end that `got` tells.
#[inline(always)]
fn work<H: Handler>(
    ops: &mut Ops<'_>,
    handler: &mut H,
    scratch: &mut [u8],
    aux: &mut Aux,
    got: &Received,
    interrupted: &mut bool,
    readable: &mut bool,
) {
    let (id, now) = (ops.conn.id(), ops.now);
    let input = &mut scratch[..got.end];
    let (mut at, mut direct) = (0, got.direct);
    loop {
        // Most input of most connections is this.
        while let Some((used, kind)) = ops.conn.short_message(&mut input[at..]) {
            let data = &mut input[at + SHORT_HEADER..at + used];
            at += used;
            handler.on_event(ops, id, Event::Message { kind, data });
        }
        if at == input.len() && direct == 0 && ops.conn.is_websocket() {
            break;
        }
        let in_place = std::mem::take(&mut direct);
        let what = if in_place > 0 {
            ops.conn.filled(in_place, ops.tools, &mut ops.out)
        } else {
            let step = ops
                .conn
                .step(&mut input[at..], aux, ops.tools, &mut ops.out, now);
            at += step.used;
            step.got
        };
        match what {
            Got::More if in_place > 0 => {}
            Got::More => break,
            Got::Now(event @ Event::Message { .. }) => handler.on_event(ops, id, event),
            Got::Now(event) => on_other(ops, handler, event),
            Got::Whole(kind, mut data) => {
                let event = Event::Message {
                    kind,
                    data: &mut data,
                };
                handler.on_event(ops, id, event);
                ops.tools.pool.give_back(data);
            }
        }
        if !ops.conn.is_websocket() && (ops.out.backlog() > HIGH || ops.conn.appetite() == 0) {
            *interrupted = true;
            break;
        }
    }
    if !ops.conn.is_websocket() {
        // What was refused is no event.
        ops.log_said();
    }
    if at < input.len() {
        ops.conn.keep(&input[at..]);
    }
    if let Some(reason) = got.ended {
        // What is left over comes before the end, which shows again.
        if *interrupted && reason == CloseReason::Eof {
            *readable = true;
        } else {
            end(ops, handler, reason);
        }
    }
}

/// An event that is no message.
#[inline(never)]
fn on_other<H: Handler>(ops: &mut Ops<'_>, handler: &mut H, event: Event<'_>) {
    if let Event::Request(head) = &event
        && access_log::is_wanted()
    {
        ops.about.access = Some(Access::new(head, ops.now));
    }
    handler.on_event(ops, ops.conn.id(), event);
    ops.log_said();
}

/// As [`recv`], of a connection that speaks TLS: into the scratch goes ciphertext, after an incomplete record.
fn recv_tls(slot: &mut Slot, wire: &mut [u8], now: Tick) -> Received {
    let mut got = Received::default();
    let Some(tls) = &mut slot.tls else { return got };
    if !slot.readable {
        return got;
    }
    got.end = tls.restore(wire);
    // What a phase can use, and what makes records of it.
    let room = slot.conn.appetite().saturating_add(got.end + SLACK);
    let room = room.min(wire.len());
    let buffer = &mut wire[got.end..room];
    let result = slot.socket.recv(buffer);
    let wanted = buffer.len();
    got.end += took(slot, &mut got, result, wanted, now);
    got
}

/// As [`receive`], of a connection that speaks TLS: all records of one receive are joined before they are worked on.
#[inline(never)]
fn receive_tls<H: Handler>(
    slot: &mut Slot,
    shared: &mut Shared,
    handler: &mut H,
    wrote: &mut Wrote,
) {
    let now = shared.now;
    let mut got = recv_tls(slot, &mut shared.scratch, now);
    let Some(tls) = &mut slot.tls else { return };
    let Shared {
        scratch,
        cork,
        plain,
        cipher,
        aux,
        tools,
        outboxes,
        date,
        aside,
        ..
    } = shared;
    plain.clear();
    if let Some(rest) = slot.conn.take_rest() {
        plain.extend_from_slice(&rest);
    }
    let was_open = tls.is_open();
    let read = tls.read(&mut scratch[..got.end], plain, cipher);
    if !was_open && tls.is_open() {
        slot.conn.secured(now);
        log::debug!("{}: TLS: {:?}", slot.conn.id(), tls.agreed());
        if tls.is_server() {
            slot.about.user = subject(tls.peer_certificates());
        }
    }
    got.end = plain.len();
    if tls.is_peer_closed() {
        got.ended.get_or_insert(CloseReason::Eof);
    }
    slot.interrupted = false;
    let mut sealed = Sealed {
        wire: Wire {
            socket: &slot.socket,
            outbox: &mut slot.outbox,
            outboxes,
            wrote,
        },
        tls,
        cipher,
    };
    sealed.send_cipher();
    let mut ops = Ops {
        conn: &mut slot.conn,
        out: Out {
            cork,
            through: &mut sealed,
            date,
        },
        tools,
        aside,
        now,
        who: &slot.who,
        about: &mut slot.about,
    };
    work(
        &mut ops,
        handler,
        plain,
        aux,
        &got,
        &mut slot.interrupted,
        &mut slot.readable,
    );
    if let Some(feed) = &mut slot.about.feed
        && sealed.backlog() == 0
    {
        // The body, or its beginning, leaves with its head; what is wrong with the file shows again.
        let at = cork.len();
        cork.resize(at + RECORD, 0);
        let read = feed.read(&mut cork[at..]).map_or(0, |(count, _)| count);
        cork.truncate(at + read);
        slot.conn.body_sent(read as u64, now);
    }
    if !cork.is_empty() {
        sealed.pass(&[cork]);
        cork.clear();
    }
    if let Err(error) = read {
        fail_tls(slot, shared, handler, wrote, &error);
    }
}

/// The first words of a connection that was begun from here: its request, which is in the cork, or those of TLS.
pub(super) fn begin<H: Handler>(
    slot: &mut Slot,
    shared: &mut Shared,
    handler: &mut H,
    wrote: &mut Wrote,
) {
    let Some(tls) = &mut slot.tls else {
        return with_ops(slot, shared, wrote, |_| ());
    };
    let begun = tls.start(&mut shared.cipher);
    Sealed {
        wire: Wire {
            socket: &slot.socket,
            outbox: &mut slot.outbox,
            outboxes: &mut shared.outboxes,
            wrote,
        },
        tls,
        cipher: &mut shared.cipher,
    }
    .send_cipher();
    if let Err(error) = begun {
        fail_tls(slot, shared, handler, wrote, &error);
    }
}

/// Whom a client's certificate, which was found to be good, names.
fn subject(chain: &[CertificateDer<'_>]) -> Option<Rc<String>> {
    let facts = CertificateFacts::read(chain.first()?)?;
    Some(Rc::new(facts.subject))
}

/// TLS failed, after what came before that was worked on.
#[cold]
fn fail_tls<H: Handler>(
    slot: &mut Slot,
    shared: &mut Shared,
    handler: &mut H,
    wrote: &mut Wrote,
    error: &TlsError,
) {
    log::debug!("{}: {}: TLS: {error}", slot.conn.id(), slot.who.peer);
    let plain = *error == TlsError::PlainHttp;
    if plain {
        slot.tls = None;
    }
    slot.about.feed = None;
    with_ops(slot, shared, wrote, |ops| {
        if plain {
            ops.conn.refuse_plain_http(&mut ops.out);
        } else if let Some(reason) = ops.conn.insecure(error) {
            handler.on_event(ops, ops.conn.id(), Event::Closed(reason));
        }
    });
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
