//! Messages from processes to peers. A process is paused while its peer reads too slowly.

use crate::engine::Engine;
use crate::proto::lines::{LineSplitter, LineTooLong};
use crate::proto::ws::frame::Kind;

use super::run::Run;

/// Above this number of bytes that wait for the peer, the process is paused.
pub(super) const HIGH: usize = 256 * 1024;

/// Sends a message to the peer: text when it is UTF-8, else binary.
pub(super) fn send(run: &mut Run, engine: &mut Engine, message: &[u8]) {
    if let Some(origin) = &run.origin {
        engine.queue(origin.conn, kind_of(message), message);
        pause_if_slow(run, engine);
    }
}

/// Sends each line that output has completed.
///
/// # Errors
/// A line is too long for a message.
pub(super) fn send_lines(
    run: &mut Run,
    engine: &mut Engine,
    lines: &mut LineSplitter,
    output: &[u8],
) -> Result<(), LineTooLong> {
    let Some(conn) = run.origin.as_ref().map(|origin| origin.conn) else {
        return Ok(());
    };
    let taken = lines.take(output, |line| {
        engine.queue(conn, kind_of(line), line);
    });
    pause_if_slow(run, engine);
    taken
}

fn kind_of(message: &[u8]) -> Kind {
    if str::from_utf8(message).is_ok() {
        Kind::Text
    } else {
        Kind::Binary
    }
}

/// Pauses the process while its peer has too much to read.
fn pause_if_slow(run: &mut Run, engine: &mut Engine) {
    let Some(conn) = run.origin.as_ref().map(|origin| origin.conn) else {
        return;
    };
    if run.paused || engine.backlog(conn) <= HIGH {
        return;
    }
    let told = engine.with(conn, |ops| {
        ops.tell_drained();
    });
    if told.is_some() {
        run.pause(engine);
    }
}
