//! Which bytes a request asks for (RFC 9110 §14): the Range field, in the unit `bytes`.
//!
//! ```text
//! ranges-specifier = range-unit "=" range-set
//! range-set        = 1#range-spec
//! range-spec       = int-range / suffix-range
//! int-range        = first-pos "-" [ last-pos ]
//! suffix-range     = "-" suffix-length
//! ```

use core::ops::Range;

use super::field::members;

/// The most ranges of one request. Nobody who reads a file needs more.
pub const MAX_RANGES: usize = 16;

/// What a Range field requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranges {
    /// Ignore the field, and send the whole representation: the field is malformed, has another unit or more than
    /// [`MAX_RANGES`] ranges, or requests more bytes than there are.
    Ignore,
    /// Answer 416: no range lies within the representation.
    Unsatisfiable,
    /// At least one range. All lie within the representation, none is empty, and they are in ascending order with bytes
    /// between them.
    Satisfiable(Vec<Range<u64>>),
}

/// Reads the value of a Range field for a representation of `len` bytes.
pub fn parse(value: &[u8], len: u64) -> Ranges {
    let Some(set) = in_bytes(value) else {
        return Ranges::Ignore;
    };
    let (mut ranges, mut specs, mut total) = (Vec::new(), 0, 0_u64);
    for spec in members(set) {
        specs += 1;
        match Spec::parse(spec) {
            Some(spec) if specs <= MAX_RANGES => {
                let Some(range) = spec.within(len) else {
                    continue;
                };
                // §14.1.2 allows the last bytes of an empty representation, but Content-Range cannot express that.
                if range.is_empty() {
                    return Ranges::Ignore;
                }
                total = total.saturating_add(range.end - range.start);
                ranges.push(range);
            }
            _ => return Ranges::Ignore,
        }
    }
    if specs == 0 || total > len {
        Ranges::Ignore
    } else if ranges.is_empty() {
        Ranges::Unsatisfiable
    } else {
        Ranges::Satisfiable(coalesce(ranges))
    }
}

/// What follows the unit `bytes`, in any case (§14.1).
fn in_bytes(value: &[u8]) -> Option<&[u8]> {
    let (unit, set) = value.split_at_checked(6)?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

/// One range as requested. Positions beyond `u64` become the largest `u64`.
#[derive(Debug, Clone, Copy)]
enum Spec {
    /// From a first to a last position, which is included, or to the end.
    From(u64, Option<u64>),
    /// A number of bytes at the end.
    Last(u64),
}

impl Spec {
    fn parse(text: &[u8]) -> Option<Self> {
        let dash = text.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (&text[..dash], &text[dash + 1..]);
        if first.is_empty() {
            return number(last).map(Self::Last);
        }
        let first = number(first)?;
        if last.is_empty() {
            return Some(Self::From(first, None));
        }
        // §14.1.1: a range that ends before it begins is invalid.
        number(last)
            .filter(|&last| first <= last)
            .map(|last| Self::From(first, Some(last)))
    }

    /// The part of the range that lies within the representation.
    fn within(self, len: u64) -> Option<Range<u64>> {
        match self {
            Self::From(first, _) if first >= len => None,
            Self::From(first, last) => {
                let end = last.map_or(len, |last| last.saturating_add(1).min(len));
                Some(first..end)
            }
            Self::Last(0) => None,
            Self::Last(count) => Some(len.saturating_sub(count)..len),
        }
    }
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = text.iter().fold(0_u64, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(number)
}

/// Sorts ranges and joins those that touch, which §15.3.7.2 allows.
fn coalesce(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(value: &str, len: u64) -> Ranges {
        parse(value.as_bytes(), len)
    }

    #[test]
    fn satisfiable() {
        let cases: [(&str, &[(u64, u64)]); 20] = [
            ("bytes=0-0", &[(0, 1)]),
            ("bytes=0-", &[(0, 100)]),
            ("Bytes=10-19", &[(10, 20)]),
            ("bytes=99-", &[(99, 100)]),
            ("bytes=90-200", &[(90, 100)]),
            ("bytes=90-99999999999999999999999", &[(90, 100)]),
            ("bytes=0-18446744073709551615", &[(0, 100)]),
            ("bytes=-1", &[(99, 100)]),
            ("bytes=-100", &[(0, 100)]),
            ("bytes=-101", &[(0, 100)]),
            ("bytes=-99999999999999999999999", &[(0, 100)]),
            ("bytes=0-0,-1", &[(0, 1), (99, 100)]),
            ("bytes= ,0-0 ,\t-1,,", &[(0, 1), (99, 100)]),
            ("bytes=50-59,0-9", &[(0, 10), (50, 60)]),
            ("bytes=0-9,10-19", &[(0, 20)]),
            ("bytes=0-9,5-19", &[(0, 20)]),
            ("bytes=0-29,5-9,20-39", &[(0, 40)]),
            ("bytes=0-9,11-19", &[(0, 10), (11, 20)]),
            ("bytes=100-,0-0,-0", &[(0, 1)]),
            ("bytes=000000000000000000000000000001-1", &[(1, 2)]),
        ];
        for (value, expected) in cases {
            let expected = expected.iter().map(|&(start, end)| start..end).collect();
            assert_eq!(ranges(value, 100), Ranges::Satisfiable(expected), "{value}");
        }
    }

    #[test]
    fn unsatisfiable() {
        for value in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=100-,-0",
            "bytes=99999999999999999999999-",
        ] {
            assert_eq!(ranges(value, 100), Ranges::Unsatisfiable, "{value}");
        }
        assert_eq!(ranges("bytes=0-", 0), Ranges::Unsatisfiable);
    }

    #[test]
    fn ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=1-0",
            "bytes=0-0,1-0",
            "bytes=0-0,x",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes=1--2",
            "bytes=--1",
            "bytes =0-0",
            " bytes=0-0",
            "bytes:0-0",
            "lines=0-0",
            "bytes=0-,0-",
            "bytes=0-,-1",
            "bytes=0-60,20-60",
        ] {
            assert_eq!(ranges(value, 100), Ranges::Ignore, "{value}");
        }
        assert_eq!(
            ranges("bytes=-5", 0),
            Ranges::Ignore,
            "there are no last bytes"
        );
    }

    #[test]
    fn limits() {
        let many = |count: u64| {
            let specs: Vec<_> = (0..count).map(|at| format!("{0}-{0}", at * 2)).collect();
            ranges(&format!("bytes={}", specs.join(",")), 100)
        };
        let all = (0..16).map(|at| at * 2..at * 2 + 1).collect();
        assert_eq!(many(16), Ranges::Satisfiable(all));
        assert_eq!(many(17), Ranges::Ignore);
        let outside = format!("bytes={}", vec!["200-"; 17].join(","));
        assert_eq!(ranges(&outside, 100), Ranges::Ignore);
    }

    proptest! {
        #[test]
        fn never_beyond_the_end(value in "bytes=([0-9]{0,3}-[0-9]{0,3}[, ]{1,2}){0,20}", len in 0_u64..1200) {
            if let Ranges::Satisfiable(ranges) = parse(value.as_bytes(), len) {
                prop_assert!((1..=MAX_RANGES).contains(&ranges.len()));
                prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= len));
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }

        #[test]
        fn any_bytes_are_survived(value: Vec<u8>, len: u64) {
            let _ = parse(&value, len);
        }
    }
}
