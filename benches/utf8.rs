//! Validation of UTF-8 in pieces, compared with a plain copy of the same length.

use bellwire::proto::ws::utf8::{self, Utf8};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

fn main() {
    // The first call asks for the processor's features; no sample shall be that call.
    assert!(utf8::validate(&[b'a'; 1 << 10]));
    divan::main();
}

const LENGTHS: [usize; 6] = [16, 64, 1 << 10, 1 << 14, 1 << 17, 1 << 20];

fn push(bencher: Bencher<'_, '_>, text: &str) {
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| {
            let mut state = Utf8::default();
            state.push(black_box(text.as_bytes()))
        });
}

#[divan::bench(args = LENGTHS)]
fn ascii(bencher: Bencher<'_, '_>, len: usize) {
    push(bencher, &"a".repeat(len));
}

/// German, Greek, Japanese and a clef: code points of one to four bytes.
#[divan::bench(args = LENGTHS)]
fn mixed(bencher: Bencher<'_, '_>, len: usize) {
    let unit = "Grüße κόσμε 世界 𝄞 ";
    push(bencher, &unit.repeat(len.div_ceil(unit.len())));
}

/// Source and target lie half a page apart: on the same place of two pages a copy can be ten times as slow.
#[divan::bench(args = LENGTHS)]
fn copy(bencher: Bencher<'_, '_>, len: usize) {
    let mut memory = vec![b'a'; 2 * len + (3 << 12)];
    let page = memory.as_ptr().align_offset(1 << 12);
    let (from, to) = memory[page..].split_at_mut(len.next_multiple_of(1 << 12) + (1 << 11));
    let (from, to) = (&from[..len], &mut to[..len]);
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| black_box(&mut *to).copy_from_slice(black_box(from)));
}
