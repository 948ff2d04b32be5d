//! Any value of a Range field: the ranges lie within the representation, in order and apart, and asking for them anew
//! gives the same.

use bellwire::proto::http::range::{MAX_RANGES, Ranges, parse};

/// The first byte of `data` chooses how many bits of the next eight bytes are the length of the representation; the
/// rest is the value.
pub fn check(data: &[u8]) {
    let Some(([bits, len @ ..], value)) = data.split_first_chunk::<9>() else {
        return;
    };
    let len = u64::from_be_bytes(*len) >> (bits % 64);
    let Ranges::Satisfiable(ranges) = parse(value, len) else {
        return;
    };
    assert!((1..=MAX_RANGES).contains(&ranges.len()));
    assert!(ranges.iter().all(|it| it.start < it.end && it.end <= len));
    assert!(ranges.windows(2).all(|it| it[0].end < it[1].start));
    let specs: Vec<_> = ranges
        .iter()
        .map(|it| format!("{}-{}", it.start, it.end - 1))
        .collect();
    let again = format!("bytes={}", specs.join(","));
    assert_eq!(parse(again.as_bytes(), len), Ranges::Satisfiable(ranges));
}
