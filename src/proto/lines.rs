//! Splits text that comes in pieces into lines of limited length.
//!
//! A line ends with LF, which is not part of it; a CR before the LF is. The last line may lack its LF. A line that is
//! complete within one piece is not copied.

use std::fmt;

use memchr::memchr;

/// A line is too long. The text after it is useless, since it is unknown where the next line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTooLong;

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line is too long")
    }
}

impl std::error::Error for LineTooLong {}

/// Splits text into lines. Keeps the beginning of a line whose end has not come.
#[derive(Debug, Clone)]
pub struct LineSplitter {
    begun: Vec<u8>,
    max: usize,
}

impl LineSplitter {
    /// For lines of at most `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> LineSplitter {
        LineSplitter {
            begun: Vec::new(),
            max,
        }
    }

    /// The number of bytes that are kept.
    #[must_use]
    pub fn held(&self) -> usize {
        self.begun.len()
    }

    /// Takes a piece of text, and calls `each` with every line that ends in it.
    ///
    /// # Errors
    /// A line is too long, whether its end has come or not. `each` was called with the lines before it.
    pub fn take(
        &mut self,
        mut piece: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), LineTooLong> {
        while let Some(end) = memchr(b'\n', piece) {
            let (line, rest) = (&piece[..end], &piece[end + 1..]);
            self.check(line.len())?;
            if self.begun.is_empty() {
                each(line);
            } else {
                self.begun.extend_from_slice(line);
                each(&self.begun);
                self.begun = Vec::new();
            }
            piece = rest;
        }
        self.check(piece.len())?;
        self.begun.extend_from_slice(piece);
        Ok(())
    }

    /// Ends the text. What is left is the last line, unless it is empty.
    #[must_use]
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.begun)).filter(|line| !line.is_empty())
    }

    fn check(&self, more: usize) -> Result<(), LineTooLong> {
        if self.begun.len() + more > self.max {
            Err(LineTooLong)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Split = (Vec<Vec<u8>>, Result<Option<Vec<u8>>, LineTooLong>);

    fn split<'p>(max: usize, pieces: impl IntoIterator<Item = &'p [u8]>) -> Split {
        let mut lines = LineSplitter::new(max);
        let mut out = Vec::new();
        for piece in pieces {
            if let Err(error) = lines.take(piece, |line| out.push(line.to_vec())) {
                return (out, Err(error));
            }
        }
        let last = lines.finish();
        assert_eq!(lines.held(), 0);
        (out, Ok(last))
    }

    #[test]
    fn lines_of_pieces() {
        let lines = |text: &str| {
            let (lines, last) = split(9, [text.as_bytes()]);
            (lines.join(&b'|'), last.unwrap().unwrap_or_default())
        };
        assert_eq!(lines(""), (b"".to_vec(), b"".to_vec()));
        assert_eq!(lines("a\nb\n"), (b"a|b".to_vec(), b"".to_vec()));
        assert_eq!(lines("a\r\n\nb"), (b"a\r|".to_vec(), b"b".to_vec()));
    }

    #[test]
    fn too_long() {
        assert_eq!(
            split(3, [b"abc\nabc".as_slice()]).1,
            Ok(Some(b"abc".to_vec()))
        );
        for text in ["a\nabcd\n", "a\nabcd", "a\nabcde\nf\n"] {
            let whole = split(3, [text.as_bytes()]);
            assert_eq!(whole, (vec![b"a".to_vec()], Err(LineTooLong)), "{text}");
            assert_eq!(split(3, text.as_bytes().chunks(1)), whole, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_cut_does_not_matter(text in "[ab\n\r]{0,60}", step in 1_usize..9, max in 0_usize..12) {
            let (whole, parts) = (split(max, [text.as_bytes()]), split(max, text.as_bytes().chunks(step)));
            prop_assert_eq!(&whole, &parts);
            if let (mut lines, Ok(last)) = whole {
                lines.push(last.unwrap_or_default());
                prop_assert_eq!(lines.join(&b'\n'), text.into_bytes());
            }
        }
    }
}
