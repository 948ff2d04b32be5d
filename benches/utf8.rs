//! Validation of UTF-8 in pieces, beside a plain copy of the same length.

use bellwire::proto::ws::utf8::Utf8;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

fn main() {
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

#[divan::bench(args = LENGTHS)]
fn copy(bencher: Bencher<'_, '_>, len: usize) {
    let from = vec![b'a'; len];
    let mut to = vec![0; len];
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| black_box(&mut to[..]).copy_from_slice(black_box(&from)));
}
