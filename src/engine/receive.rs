//! One receive of one connection, and the events that it leads to.

use std::io;
use std::rc::Rc;

use rustls::pki_types::CertificateDer;

use crate::certs::CertificateFacts;
use crate::conn::Aux;
use crate::conn::buffer::{Out, Transport};
use crate::conn::deadline::Tick;
use crate::conn::event::{CloseReason, Event, Got};
use crate::conn::tls::{RECORD, TlsError};
use crate::proto::ws::session::SHORT_HEADER;

use super::access_log::{self, LoggedRequest};
use super::ops::{Handler, Ops};
use super::outbox::{Wire, Wrote};
use super::shared::{Shared, with_ops};
use super::slot::{HIGH_WATER, Slot};
use super::tls_wire::TlsWire;

/// Ciphertext that is received beyond the plaintext that a phase can use: the headers and tags of its records.
const RECORD_SLACK: usize = 1024;

/// What one receive yielded.
#[derive(Default)]
struct Received {
    /// Bytes that were received straight into the unfinished message.
    direct: usize,
    /// The end of the scratch that is filled.
    end: usize,
    ended: Option<CloseReason<'static>>,
}

/// Receives once, after what is left over from before.
#[inline(always)]
fn recv(slot: &mut Slot, receive_limit: usize, scratch: &mut [u8], now: Tick) -> Received {
    let mut got = Received::default();
    let room = receive_limit.min(scratch.len());
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
    let count = after_recv(slot, &mut got, result, wanted, now);
    got.direct = direct;
    got.end += count - direct;
    got
}

/// Notes what a receive says of the socket: how much came, and whether more is to come.
#[inline(always)]
fn after_recv(
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
            slot.readable = count == wanted || slot.read_closed;
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
    let receive_limit = slot.conn.receive_limit();
    if receive_limit == 0 || slot.backlog() > HIGH_WATER {
        return;
    }
    if slot.tls.is_some() {
        return receive_tls(slot, shared, handler, wrote);
    }
    let now = shared.now;
    let got = recv(slot, receive_limit, &mut shared.scratch, now);
    let Shared {
        scratch,
        cork,
        aux,
        tools,
        outboxes,
        date,
        effects,
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
            transport: &mut wire,
            date,
        },
        tools,
        effects,
        attached: &mut slot.attached,
        now,
        info: &slot.info,
    };
    process(
        &mut ops,
        handler,
        scratch,
        aux,
        &got,
        &mut slot.interrupted,
        &mut slot.readable,
    );
    // All replies leave in one write.
    if !cork.is_empty() {
        if slot.attached.file_body.is_none() {
            wire.pass_one(cork);
        } else {
            wire.pass_head(cork);
        }
        cork.clear();
    }
}

/// Turns the received bytes into events: `scratch` is filled up to `got.end`.
#[inline(always)]
fn process<H: Handler>(
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
            Got::Now(event) => on_non_message(ops, handler, event),
            Got::Whole(kind, mut data) => {
                let event = Event::Message {
                    kind,
                    data: &mut data,
                };
                handler.on_event(ops, id, event);
                ops.tools.pool.give_back(data);
            }
        }
        if !ops.conn.is_websocket()
            && (ops.out.backlog() > HIGH_WATER || ops.conn.receive_limit() == 0)
        {
            *interrupted = true;
            break;
        }
    }
    if !ops.conn.is_websocket() {
        // A refused request is no event.
        ops.log_answered();
    }
    if at < input.len() {
        ops.conn.keep(&input[at..]);
    }
    if let Some(reason) = got.ended {
        // The bytes that are left over come before the end, which is seen again.
        if *interrupted && reason == CloseReason::Eof {
            *readable = true;
        } else {
            on_end_of_stream(ops, handler, reason);
        }
    }
}

/// An event that is no message.
#[inline(never)]
fn on_non_message<H: Handler>(ops: &mut Ops<'_>, handler: &mut H, event: Event<'_>) {
    if let Event::Request(head) = &event
        && access_log::is_wanted()
    {
        ops.attached.request = Some(LoggedRequest::new(head, ops.now));
    }
    handler.on_event(ops, ops.conn.id(), event);
    ops.log_answered();
}

/// As [`recv`], over TLS: ciphertext is received into the scratch buffer, behind an incomplete record.
fn recv_tls(slot: &mut Slot, wire: &mut [u8], now: Tick) -> Received {
    let mut got = Received::default();
    let Some(tls) = &mut slot.tls else { return got };
    if !slot.readable {
        return got;
    }
    got.end = tls.restore(wire);
    // The plaintext that a phase can use, and the overhead of its records.
    let room = slot
        .conn
        .receive_limit()
        .saturating_add(got.end + RECORD_SLACK);
    let room = room.min(wire.len());
    let buffer = &mut wire[got.end..room];
    let result = slot.socket.recv(buffer);
    let wanted = buffer.len();
    got.end += after_recv(slot, &mut got, result, wanted, now);
    got
}

/// As [`receive`], over TLS: all records of one receive are decrypted into one buffer before they are processed.
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
        effects,
        ..
    } = shared;
    plain.clear();
    if let Some(rest) = slot.conn.take_rest() {
        plain.extend_from_slice(&rest);
    }
    let was_open = tls.is_open();
    let read = tls.read(&mut scratch[..got.end], plain, cipher);
    if !was_open && tls.is_open() {
        slot.conn.tls_established(now);
        log::debug!("{}: TLS: {:?}", slot.conn.id(), tls.agreed());
        if tls.is_server() {
            slot.attached.user = subject(tls.peer_certificates());
        }
    }
    got.end = plain.len();
    if tls.is_peer_closed() {
        got.ended.get_or_insert(CloseReason::Eof);
    }
    slot.interrupted = false;
    let mut tls_wire = TlsWire {
        wire: Wire {
            socket: &slot.socket,
            outbox: &mut slot.outbox,
            outboxes,
            wrote,
        },
        tls,
        cipher,
    };
    tls_wire.send_cipher();
    let mut ops = Ops {
        conn: &mut slot.conn,
        out: Out {
            cork,
            transport: &mut tls_wire,
            date,
        },
        tools,
        effects,
        now,
        info: &slot.info,
        attached: &mut slot.attached,
    };
    process(
        &mut ops,
        handler,
        plain,
        aux,
        &got,
        &mut slot.interrupted,
        &mut slot.readable,
    );
    if let Some(file_body) = &mut slot.attached.file_body
        && tls_wire.backlog() == 0
    {
        // The body, or its beginning, leaves with its head. A fault of the file is seen again when it is read on.
        let at = cork.len();
        cork.resize(at + RECORD, 0);
        let read = file_body
            .read(&mut cork[at..])
            .map_or(0, |(count, _)| count);
        cork.truncate(at + read);
        slot.conn.body_sent(read as u64, now);
    }
    if !cork.is_empty() {
        tls_wire.pass(&[cork]);
        cork.clear();
    }
    if let Err(error) = read {
        fail_tls(slot, shared, handler, wrote, &error);
    }
}

/// Sends the first bytes of an outgoing connection that speaks TLS.
pub(super) fn begin_outgoing<H: Handler>(
    slot: &mut Slot,
    shared: &mut Shared,
    handler: &mut H,
    wrote: &mut Wrote,
) {
    let Some(tls) = &mut slot.tls else {
        return with_ops(slot, shared, wrote, |_| ());
    };
    let begun = tls.start(&mut shared.cipher);
    TlsWire {
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

/// The subject of a client's certificate that was verified.
fn subject(chain: &[CertificateDer<'_>]) -> Option<Rc<String>> {
    let facts = CertificateFacts::read(chain.first()?)?;
    Some(Rc::new(facts.subject))
}

/// TLS failed; what came before that is processed already.
#[cold]
fn fail_tls<H: Handler>(
    slot: &mut Slot,
    shared: &mut Shared,
    handler: &mut H,
    wrote: &mut Wrote,
    error: &TlsError,
) {
    log::debug!("{}: {}: TLS: {error}", slot.conn.id(), slot.info.peer);
    let plain = *error == TlsError::PlainHttp;
    if plain {
        slot.tls = None;
    }
    slot.attached.file_body = None;
    with_ops(slot, shared, wrote, |ops| {
        if plain {
            ops.conn.refuse_plain_http(&mut ops.out);
        } else if let Some(reason) = ops.conn.tls_failed(error) {
            handler.on_event(ops, ops.conn.id(), Event::Closed(reason));
        }
    });
}

/// The peer's stream has ended.
#[cold]
fn on_end_of_stream<H: Handler>(ops: &mut Ops<'_>, handler: &mut H, reason: CloseReason<'static>) {
    let ended = match reason {
        CloseReason::Eof => ops.conn.on_eof(),
        reason => ops.conn.abort(reason),
    };
    if let Some(reason) = ended {
        handler.on_event(ops, ops.conn.id(), Event::Closed(reason));
    }
}
