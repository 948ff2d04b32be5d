//! Unmasking in place, beside a plain copy of the same length.

use bellwire::proto::ws::mask;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const LENGTHS: [usize; 7] = [16, 64, 256, 1 << 10, 1 << 14, 1 << 17, 1 << 20];

#[divan::bench(args = LENGTHS)]
fn apply(bencher: Bencher<'_, '_>, len: usize) {
    let mut data = vec![0x5a; len];
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| mask::apply(black_box([0x37, 0xfa, 0x21, 0x3d]), 0, black_box(&mut data)));
}

#[divan::bench(args = LENGTHS)]
fn copy(bencher: Bencher<'_, '_>, len: usize) {
    let from = vec![0x5a; len];
    let mut to = vec![0; len];
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| black_box(&mut to[..]).copy_from_slice(black_box(&from)));
}
