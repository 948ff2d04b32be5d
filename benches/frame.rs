//! The echo of frames through a server's session: decode, unmask, validate, encode. A whole scratch of them at a time,
//! compared with a plain copy of the same bytes.

use bellwire::proto::ws::frame::{OpCode, Role, put_masked};
use bellwire::proto::ws::mask::MaskingKeys;
use bellwire::proto::ws::message::Pool;
use bellwire::proto::ws::session::{Session, SessionEvent};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const LENGTHS: [usize; 5] = [16, 125, 1 << 10, 1 << 14, 1 << 16];
const SCRATCH: usize = 256 << 10;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// As many frames with `len` bytes of payload as a scratch holds, and their number.
fn frames(opcode: OpCode, len: usize) -> (Vec<u8>, usize) {
    let mut input = Vec::new();
    let count = SCRATCH / (len + 8);
    for _ in 0..count {
        put_masked(&mut input, KEY, opcode, true, &vec![b'a'; len]);
    }
    (input, count)
}

/// Echoes all messages of `input` into `out`, as the daemon does.
fn echo_all(
    session: &mut Session,
    input: &mut [u8],
    pool: &mut Pool,
    keys: &mut MaskingKeys,
    out: &mut Vec<u8>,
) {
    let (mut at, mut control) = (0, [0; 125]);
    loop {
        let step = session.step(&mut input[at..], &mut control, pool, keys, out, 1 << 20);
        at += step.used;
        match step.got {
            SessionEvent::Message { kind, data } => session.put_message(kind, data, keys, out),
            _ => break,
        };
    }
}

fn echo(bencher: Bencher<'_, '_>, opcode: OpCode, len: usize) {
    let (fresh, count) = frames(opcode, len);
    let mut session = Session::new(Role::Server);
    let mut pool = Pool::default();
    let mut keys = MaskingKeys::new(|buffer| buffer.fill(0));
    let mut out = Vec::with_capacity(2 * SCRATCH);
    let mut input = fresh.clone();
    bencher
        .counter(ItemsCount::new(count))
        .counter(BytesCount::new(fresh.len()))
        .bench_local(|| {
            // The session has unmasked the input in place, so each round needs it anew, as from a recv.
            input.copy_from_slice(&fresh);
            out.clear();
            echo_all(
                &mut session,
                black_box(&mut input),
                &mut pool,
                &mut keys,
                &mut out,
            );
            black_box(out.len())
        });
}

#[divan::bench(args = LENGTHS)]
fn echo_binary(bencher: Bencher<'_, '_>, len: usize) {
    echo(bencher, OpCode::Binary, len);
}

#[divan::bench(args = LENGTHS)]
fn echo_text(bencher: Bencher<'_, '_>, len: usize) {
    echo(bencher, OpCode::Text, len);
}

/// In and out, without a look at the bytes.
#[divan::bench(args = LENGTHS)]
fn copy(bencher: Bencher<'_, '_>, len: usize) {
    let (fresh, count) = frames(OpCode::Binary, len);
    let (mut input, mut out) = (fresh.clone(), fresh.clone());
    bencher
        .counter(ItemsCount::new(count))
        .counter(BytesCount::new(fresh.len()))
        .bench_local(|| {
            input.copy_from_slice(&fresh);
            out.copy_from_slice(black_box(&input));
            black_box(&mut out);
        });
}
