//! Unmasking in place, compared with a plain copy of the same length.

use bellwire::proto::ws::mask;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

fn main() {
    // The first call asks for the processor's features; no sample shall be that call.
    mask::apply([1; 4], 0, &mut [0; 1 << 10]);
    divan::main();
}

const LENGTHS: [usize; 7] = [16, 64, 256, 1 << 10, 1 << 14, 1 << 17, 1 << 20];

#[divan::bench(args = LENGTHS)]
fn apply(bencher: Bencher<'_, '_>, len: usize) {
    let mut data = vec![0x5a_u8; len];
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| mask::apply(black_box([0x37, 0xfa, 0x21, 0x3d]), 0, black_box(&mut data)));
}

/// Source and target lie half a page apart: on the same place of two pages a copy can be ten times as slow.
#[divan::bench(args = LENGTHS)]
fn copy(bencher: Bencher<'_, '_>, len: usize) {
    let mut memory = vec![0x5a_u8; 2 * len + (3 << 12)];
    let page = memory.as_ptr().align_offset(1 << 12);
    let (from, to) = memory[page..].split_at_mut(len.next_multiple_of(1 << 12) + (1 << 11));
    let (from, to) = (&from[..len], &mut to[..len]);
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| black_box(&mut *to).copy_from_slice(black_box(from)));
}
