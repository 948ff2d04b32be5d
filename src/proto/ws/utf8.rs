//! Validates UTF-8 that comes in pieces (RFC 6455 §8.1, RFC 3629), however they are split.
//!
//! `simdutf8` validates most of each piece. This file adds code points that are split between two pieces: up to three bytes
//! are kept, and a code point is refused at its first bad byte, not at its end.

use std::fmt;
use std::str::from_utf8;

/// Shorter texts are first checked for ASCII, which saves a call.
const SHORT: usize = 64;

/// A text that is valid so far; its last code point may be unfinished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8 {
    /// The bytes of the unfinished code point.
    partial: [u8; 3],
    len: u8,
}

/// The text is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid UTF-8")
    }
}

impl std::error::Error for Invalid {}

impl Utf8 {
    /// Continues the text with `bytes`. Fails at the first byte that makes it invalid; then the text cannot be continued.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Invalid> {
        let rest = if self.len == 0 {
            bytes
        } else {
            self.finish_code_point(bytes)?
        };
        let (whole, tail) = rest.split_at(rest.len() - len_of_cut_point(rest));
        if !validate(whole) {
            return Err(Invalid);
        }
        if tail.is_empty() {
            Ok(())
        } else {
            self.begin_code_point(tail)
        }
    }

    /// Whether the text may end here, without an unfinished code point.
    #[inline]
    pub fn is_complete(&self) -> bool {
        self.len == 0
    }

    /// Ends the text.
    #[inline]
    pub fn finish(self) -> Result<(), Invalid> {
        if self.is_complete() {
            Ok(())
        } else {
            Err(Invalid)
        }
    }

    /// Takes bytes until the unfinished code point is complete or there are no more; returns the remaining bytes.
    fn finish_code_point<'b>(&mut self, mut bytes: &'b [u8]) -> Result<&'b [u8], Invalid> {
        let mut point = [0; 4];
        let mut len = usize::from(self.len);
        point[..len].copy_from_slice(&self.partial[..len]);
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            point[len] = byte;
            len += 1;
            match from_utf8(&point[..len]) {
                Ok(_) => {
                    self.len = 0;
                    return Ok(bytes);
                }
                Err(error) if error.error_len().is_some() => return Err(Invalid),
                // Four bytes are a code point or an error, so what is unfinished fits.
                Err(_) => self.keep(&point[..len]),
            }
        }
        Ok(bytes)
    }

    /// `tail` is shorter than the code point that its first byte begins; its other bytes may be invalid already.
    fn begin_code_point(&mut self, tail: &[u8]) -> Result<(), Invalid> {
        match from_utf8(tail) {
            Err(error) if error.error_len().is_none() => {
                self.keep(tail);
                Ok(())
            }
            _ => Err(Invalid),
        }
    }

    fn keep(&mut self, partial: &[u8]) {
        self.partial[..partial.len()].copy_from_slice(partial);
        self.len = partial.len() as u8;
    }
}

/// The number of bytes at the end that belong to an unfinished code point.
#[inline]
fn len_of_cut_point(bytes: &[u8]) -> usize {
    match bytes {
        [.., last] if *last < 0x80 => 0,
        [.., 0xC0..=0xFF] => 1,
        [.., 0xE0..=0xFF, _] => 2,
        [.., 0xF0..=0xFF, _, _] => 3,
        _ => 0,
    }
}

/// Whether `bytes` are UTF-8, from beginning to end.
#[inline]
pub fn validate(bytes: &[u8]) -> bool {
    if bytes.len() < SHORT && bytes.is_ascii() {
        return true;
    }
    simdutf8::basic::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index of the first byte that cannot stand at its place.
    fn first_bad_byte(text: &[u8]) -> Option<usize> {
        (0..text.len())
            .find(|&i| from_utf8(&text[..=i]).is_err_and(|error| error.error_len().is_some()))
    }

    /// Feeds `text` in pieces cut at `cuts`; the index of the piece that fails.
    fn failing_piece(text: &[u8], cuts: &[usize]) -> (Option<usize>, Utf8) {
        let mut state = Utf8::default();
        let mut from = 0;
        for (i, &to) in cuts.iter().chain([&text.len()]).enumerate() {
            if state.push(&text[from..to]).is_err() {
                return (Some(i), state);
            }
            from = to;
        }
        (None, state)
    }

    fn check_all_splits(text: &[u8]) {
        let bad = first_bad_byte(text);
        let whole = from_utf8(text).is_ok();
        assert_eq!(validate(text), whole, "{text:x?}");
        for a in 0..=text.len() {
            for b in a..=text.len() {
                let cuts = [a, b];
                let expected = bad.map(|bad| cuts.iter().filter(|&&cut| cut <= bad).count());
                let (failed, state) = failing_piece(text, &cuts);
                assert_eq!(failed, expected, "{text:x?} cut at {cuts:?}");
                if failed.is_none() {
                    assert_eq!(state.finish().is_ok(), whole, "{text:x?} cut at {cuts:?}");
                }
            }
        }
        let bytewise: Vec<usize> = (1..text.len()).collect();
        assert_eq!(
            failing_piece(text, &bytewise).0,
            bad,
            "{text:x?} byte by byte"
        );
    }

    /// The edges of RFC 3629 §4's table, and what lies just outside.
    const TRICKY: &[&[u8]] = &[
        b"",
        b"a",
        b"\x7f",
        b"\x80",
        b"\xbf",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xc2",
        b"\xc2\x80",
        b"\xc2\x7f",
        b"\xc2\xc2",
        b"\xdf\xbf",
        b"\xe0\x80\x80",
        b"\xe0\x9f\xbf",
        b"\xe0\xa0",
        b"\xe0\xa0\x80",
        b"\xe1\x80\xc0",
        b"\xec\xbf\xbf",
        b"\xed\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xee\x80\x80",
        b"\xef\xbf\xbd",
        b"\xef\xbf\xbf",
        b"\xf0\x80\x80\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xf0\x90\x80",
        b"\xf0\x90\x80\x80",
        b"\xf0\x90\x80\x41",
        b"\xf3\xbf\xbf\xbf",
        b"\xf4\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xfe",
        b"\xff",
        // The text of Autobahn's cases 6.3.1 and 6.4.*, good up to its middle.
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65\x64",
    ];

    #[test]
    fn tricky_sequences_at_all_splits() {
        for sequence in TRICKY {
            check_all_splits(sequence);
            for around in [&b"x"[..], "é".as_bytes(), "𝄞".as_bytes()] {
                check_all_splits(&[around, sequence].concat());
                check_all_splits(&[sequence, around].concat());
                check_all_splits(&[around, sequence, around].concat());
            }
        }
    }

    #[test]
    fn all_pairs_and_the_edges_of_longer_sequences() {
        const EDGES: [u8; 14] = [
            0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xe0, 0xed, 0xf0, 0xf4,
        ];
        for a in 0..=255 {
            for b in 0..=255 {
                check_all_splits(&[a, b]);
            }
            for b in EDGES {
                for c in EDGES {
                    check_all_splits(&[a, b, c]);
                    check_all_splits(&[a, b, c, 0x80]);
                }
            }
        }
    }

    #[test]
    fn long_texts_fail_at_the_first_bad_byte() {
        for unit in ["plain ascii ", "Grüße, 世界 ", "𝄞"] {
            let text = unit.repeat(300 / unit.len() + 1).into_bytes();
            for bad in (0..text.len()).step_by(7) {
                let mut text = text.clone();
                text[bad] = 0xff;
                for cut in [0, bad.saturating_sub(1), bad] {
                    assert_eq!(
                        failing_piece(&text, &[cut, bad]).0,
                        Some(2),
                        "byte {bad}, cut at {cut}"
                    );
                }
                assert_eq!(failing_piece(&text, &[bad + 1]).0, Some(0));
            }
            for cut in 0..text.len() {
                let (failed, state) = failing_piece(&text, &[cut]);
                assert!(failed.is_none() && state.is_complete());
            }
        }
    }

    #[test]
    fn the_state_is_four_bytes() {
        assert_eq!(size_of::<Utf8>(), 4);
    }
}
