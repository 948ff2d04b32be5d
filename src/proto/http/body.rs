//! The body of a request: a known number of bytes, or chunks (RFC 9112 §6 and §7.1).
//!
//! Chunk extensions and trailers are checked, limited and dropped. Data is handed out piece by piece, as slices of the
//! input; nothing is copied or kept.

use super::byte::{is_tchar, is_text};
use super::error::Error;
use super::head::BodyLength;

/// The most bytes of all chunk extensions and trailers of one body together.
pub const MAX_OVERHEAD: usize = 16 * 1024;

/// The digits of the largest chunk size.
const MAX_DIGITS: u8 = 16;

/// The next piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum DecodedPiece<'i> {
    /// All input is used, and the body continues.
    More,
    /// Data of the body, at least one byte.
    Data(&'i mut [u8]),
    /// The body has ended.
    End,
}

/// Decodes a body. Call [`decode`](Self::decode) with the input that is not used yet, until [`DecodedPiece::End`].
#[derive(Debug)]
pub struct BodyDecoder {
    state: BodyState,
    overhead: u16,
}

/// What is expected next.
#[derive(Debug, Clone, Copy)]
enum BodyState {
    /// The rest of a body without chunks.
    Plain(u64),
    /// A digit of a size, or what follows the last digit.
    Size {
        size: u64,
        digits: u8,
    },
    /// The semicolon that begins an extension, after whitespace.
    Semicolon(u64),
    Extension(u64),
    SizeLf(u64),
    /// The rest of a chunk.
    Data(u64),
    DataCr,
    DataLf,
    /// A trailer field, or the end.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Ended,
}

const NO_SIZE: BodyState = BodyState::Size { size: 0, digits: 0 };

impl BodyDecoder {
    /// A decoder of the body that this length announces.
    pub fn new(length: BodyLength) -> Self {
        let state = match length {
            BodyLength::Empty | BodyLength::Length(0) => BodyState::Ended,
            BodyLength::Length(length) => BodyState::Plain(length),
            BodyLength::Chunked => NO_SIZE,
        };
        Self { state, overhead: 0 }
    }

    /// Reads one piece at the beginning of `input`; the number of bytes used, and the piece.
    ///
    /// # Errors
    /// What is wrong with the body. The decoder must not be used any more.
    pub fn decode<'i>(&mut self, input: &'i mut [u8]) -> Result<(usize, DecodedPiece<'i>), Error> {
        let mut used = 0;
        loop {
            match self.state {
                BodyState::Ended => return Ok((used, DecodedPiece::End)),
                BodyState::Plain(left) | BodyState::Data(left) if used < input.len() => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX);
                    let end = used + len.min(input.len() - used);
                    self.state = self.state.without((end - used) as u64);
                    return Ok((end, DecodedPiece::Data(&mut input[used..end])));
                }
                _ => {}
            }
            let Some(&byte) = input.get(used) else {
                return Ok((used, DecodedPiece::More));
            };
            self.state = self.state.after(byte)?;
            self.count()?;
            used += 1;
        }
    }

    /// The bytes of the current chunk that were announced and have not come.
    #[must_use]
    pub fn announced(&self) -> u64 {
        match self.state {
            BodyState::Data(left) => left,
            _ => 0,
        }
    }

    /// Counts the bytes of extensions and trailers.
    fn count(&mut self) -> Result<(), Error> {
        let overhead = matches!(
            self.state,
            BodyState::Semicolon(_)
                | BodyState::Extension(_)
                | BodyState::TrailerName
                | BodyState::TrailerValue
        );
        self.overhead = self.overhead.saturating_add(u16::from(overhead));
        if usize::from(self.overhead) > MAX_OVERHEAD {
            Err(Error::OverheadTooLong)
        } else {
            Ok(())
        }
    }
}

impl BodyState {
    /// The state after `len` bytes of data.
    fn without(self, len: u64) -> Self {
        match self {
            Self::Plain(left) if left > len => Self::Plain(left - len),
            Self::Plain(_) => Self::Ended,
            Self::Data(left) if left > len => Self::Data(left - len),
            _ => Self::DataCr,
        }
    }

    /// The state after a byte that is not data.
    ///
    /// ```text
    /// chunked-body = *chunk last-chunk trailer-section CRLF
    /// chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
    /// chunk-size   = 1*HEXDIG
    /// last-chunk   = 1*("0") [ chunk-ext ] CRLF
    /// chunk-ext    = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
    /// ```
    fn after(self, byte: u8) -> Result<Self, Error> {
        match (self, byte) {
            (Self::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                with_digit(size, digits, byte)
            }
            (Self::Size { digits: 0, .. }, _) => Err(Error::ChunkSize),
            (Self::Size { size, .. } | Self::Semicolon(size), b' ' | b'\t') => {
                Ok(Self::Semicolon(size))
            }
            (Self::Size { size, .. } | Self::Semicolon(size), b';') => Ok(Self::Extension(size)),
            (Self::Size { size, .. } | Self::Extension(size), b'\r') => Ok(Self::SizeLf(size)),
            (Self::Size { .. } | Self::Extension(_), b'\n') => Err(Error::BareLineFeed),
            (Self::Size { .. }, _) => Err(Error::ChunkSize),
            (Self::Extension(_), _) if is_text(byte) => Ok(self),
            (Self::Semicolon(_) | Self::Extension(_), _) => Err(Error::ChunkExtension),
            (Self::SizeLf(0) | Self::TrailerLf, b'\n') => Ok(Self::Trailer),
            (Self::SizeLf(size), b'\n') => Ok(Self::Data(size)),
            (Self::DataCr, b'\r') => Ok(Self::DataLf),
            (Self::DataLf, b'\n') => Ok(NO_SIZE),
            (Self::DataCr | Self::DataLf, _) => Err(Error::ChunkEnd),
            (Self::Trailer, b'\r') => Ok(Self::LastLf),
            (Self::Trailer | Self::TrailerName, _) if is_tchar(byte) => Ok(Self::TrailerName),
            (Self::TrailerName, b':') => Ok(Self::TrailerValue),
            (Self::TrailerValue, b'\r') => Ok(Self::TrailerLf),
            (Self::TrailerValue, _) if is_text(byte) => Ok(self),
            (Self::Trailer | Self::TrailerValue, b'\n') => Err(Error::BareLineFeed),
            (Self::Trailer | Self::TrailerName | Self::TrailerValue, _) => Err(Error::Trailer),
            (Self::LastLf, b'\n') => Ok(Self::Ended),
            (Self::SizeLf(_) | Self::TrailerLf | Self::LastLf, _) => Err(Error::BareCarriageReturn),
            // `decode` handles data before.
            (Self::Plain(_) | Self::Data(_) | Self::Ended, _) => Ok(self),
        }
    }
}

fn with_digit(size: u64, digits: u8, digit: u8) -> Result<BodyState, Error> {
    let value = char::from(digit).to_digit(16).unwrap_or_default();
    // A size of 2⁶³ or more cannot be meant, and is negative to others that read this body.
    if digits == MAX_DIGITS || size > i64::MAX as u64 >> 4 {
        return Err(Error::ChunkSize);
    }
    Ok(BodyState::Size {
        size: size << 4 | u64::from(value),
        digits: digits + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The data, and how many bytes the body had; `None` when it has not ended.
    type DecodedBody = Result<(Vec<u8>, Option<usize>), Error>;

    /// Feeds the input in parts that end at the cuts.
    fn fed(length: BodyLength, input: &[u8], cuts: impl IntoIterator<Item = usize>) -> DecodedBody {
        let mut decoder = BodyDecoder::new(length);
        let mut data = Vec::new();
        let mut from = 0;
        for to in cuts.into_iter().chain([input.len()]) {
            let mut part = input[from..to].to_vec();
            let mut rest = part.as_mut_slice();
            loop {
                let before = rest.len();
                let (used, piece) = decoder.decode(rest)?;
                from += used;
                match piece {
                    DecodedPiece::More => {
                        assert_eq!(used, before, "all input is used");
                        break;
                    }
                    DecodedPiece::End => return Ok((data, Some(from))),
                    DecodedPiece::Data(piece) => {
                        assert!(!piece.is_empty());
                        data.extend_from_slice(piece);
                    }
                }
                rest = &mut rest[used..];
            }
        }
        Ok((data, None))
    }

    /// The outcome, having checked that it is the same however the input is cut.
    fn outcome(length: BodyLength, input: &[u8]) -> DecodedBody {
        let whole = fed(length, input, []);
        assert_eq!(fed(length, input, 0..input.len()), whole, "byte by byte");
        if input.len() < 1000 {
            for cut in 0..input.len() {
                assert_eq!(fed(length, input, [cut]), whole, "cut at {cut}");
            }
        }
        whole
    }

    #[test]
    fn plain_bodies() {
        for (length, input, expected) in [
            (BodyLength::Empty, "rest", ("", Some(0))),
            (BodyLength::Length(0), "rest", ("", Some(0))),
            (BodyLength::Length(4), "bodyrest", ("body", Some(4))),
            (BodyLength::Length(4), "body", ("body", Some(4))),
            (BodyLength::Length(4), "bod", ("bod", None)),
            (BodyLength::Length(4), "", ("", None)),
            (BodyLength::Length(u64::MAX), "body", ("body", None)),
        ] {
            let (data, end) = expected;
            assert_eq!(
                outcome(length, input.as_bytes()),
                Ok((data.as_bytes().to_vec(), end))
            );
        }
    }

    #[test]
    fn a_body_without_data_ends_at_once() {
        for length in [BodyLength::Empty, BodyLength::Length(0)] {
            assert_eq!(
                BodyDecoder::new(length).decode(&mut []),
                Ok((0, DecodedPiece::End))
            );
        }
    }

    #[test]
    fn what_has_ended_uses_nothing() {
        let mut decoder = BodyDecoder::new(BodyLength::Length(1));
        assert_eq!(decoder.decode(b"ab".to_vec().as_mut()).unwrap().0, 1);
        for _ in 0..2 {
            assert_eq!(
                decoder.decode(b"b".to_vec().as_mut()),
                Ok((0, DecodedPiece::End))
            );
        }
    }

    #[test]
    fn chunks() {
        for (input, data) in [
            ("0\r\n\r\n", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello"),
            ("5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n", "hello world"),
            (
                "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
                "01234567890123456789",
            ),
            ("0000000000000001\r\nx\r\n0\r\n\r\n", "x"),
            ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
            ("1;a\r\nx\r\n0;b=c\r\n\r\n", "x"),
            ("1 \t; a = \"b;\u{e4}\" ;c\r\nx\r\n0;\r\n\r\n", "x"),
            ("1\r\nx\r\n0\r\nA: b\r\nC-d:\r\n\r\n", "x"),
        ] {
            let expected = Ok((data.as_bytes().to_vec(), Some(input.len())));
            assert_eq!(
                outcome(BodyLength::Chunked, input.as_bytes()),
                expected,
                "{input:?}"
            );
            let followed = format!("{input}GET");
            assert_eq!(
                outcome(BodyLength::Chunked, followed.as_bytes()),
                expected,
                "{followed:?}"
            );
        }
    }

    #[test]
    fn chunks_that_have_not_ended() {
        for (input, data) in [
            ("", ""),
            ("5", ""),
            ("5\r\nhel", "hel"),
            ("5\r\nhello\r\n0\r\n\r", "hello"),
            ("7fffffffffffffff\r\nhello", "hello"),
        ] {
            let expected = Ok((data.as_bytes().to_vec(), None));
            assert_eq!(
                outcome(BodyLength::Chunked, input.as_bytes()),
                expected,
                "{input:?}"
            );
        }
    }

    #[test]
    fn malformed_chunks() {
        for (input, error) in [
            ("\r\n", Error::ChunkSize),
            ("\n", Error::ChunkSize),
            (" 5\r\n", Error::ChunkSize),
            (";a\r\n", Error::ChunkSize),
            ("x\r\n", Error::ChunkSize),
            ("-1\r\n", Error::ChunkSize),
            ("+1\r\n", Error::ChunkSize),
            ("0x5\r\n", Error::ChunkSize),
            ("5,\r\n", Error::ChunkSize),
            ("8000000000000000\r\n", Error::ChunkSize),
            ("ffffffffffffffff\r\n", Error::ChunkSize),
            ("10000000000000000\r\n", Error::ChunkSize),
            ("00000000000000001\r\n", Error::ChunkSize),
            ("5\nhello", Error::BareLineFeed),
            ("5\rhello", Error::BareCarriageReturn),
            ("5 \r\n", Error::ChunkExtension),
            ("5 a\r\n", Error::ChunkExtension),
            ("5;a\n", Error::BareLineFeed),
            ("5;a\rb\r\n", Error::BareCarriageReturn),
            ("5;a\0\r\n", Error::ChunkExtension),
            ("5\r\nhello6\r\n", Error::ChunkEnd),
            ("5\r\nhello\n", Error::ChunkEnd),
            ("5\r\nhello\r\r", Error::ChunkEnd),
            ("5\r\nhello\r\n\r\n", Error::ChunkSize),
            ("0\r\n\n", Error::BareLineFeed),
            ("0\r\n\r\r", Error::BareCarriageReturn),
            ("0\r\n A: b\r\n", Error::Trailer),
            ("0\r\nA : b\r\n", Error::Trailer),
            ("0\r\n: b\r\n", Error::Trailer),
            ("0\r\nA\r\n", Error::Trailer),
            ("0\r\nA: \0\r\n", Error::Trailer),
            ("0\r\nA: b\n", Error::BareLineFeed),
            ("0\r\nA: b\rc", Error::BareCarriageReturn),
            ("0\r\nA: b\r\n c\r\n", Error::Trailer),
        ] {
            assert_eq!(
                outcome(BodyLength::Chunked, input.as_bytes()),
                Err(error),
                "{input:?}"
            );
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let extension = |len: usize| format!("1;{}\r\nx\r\n", "a".repeat(len - 1));
        let trailer = |len: usize| format!("0\r\nA:{}\r\n\r\n", "b".repeat(len - 2));
        let fits = [extension(MAX_OVERHEAD / 2), trailer(MAX_OVERHEAD / 2)].concat();
        let expected = Ok((b"x".to_vec(), Some(fits.len())));
        assert_eq!(outcome(BodyLength::Chunked, fits.as_bytes()), expected);
        for over in [
            extension(MAX_OVERHEAD + 1),
            trailer(MAX_OVERHEAD + 1),
            extension(MAX_OVERHEAD / 2).repeat(2) + &trailer(2),
            "0\r\n".to_string() + &"A:\r\n".repeat(MAX_OVERHEAD / 2 + 1),
        ] {
            let refused = outcome(BodyLength::Chunked, over.as_bytes());
            assert_eq!(refused, Err(Error::OverheadTooLong));
        }
    }

    #[test]
    fn a_decoder_is_small() {
        assert!(size_of::<BodyDecoder>() <= 32);
    }

    proptest! {
        #[test]
        fn chunks_come_back_as_they_were(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            extension in "(;[a-z]{1,4}(=[a-z]{1,4})?)?",
            trailer in "([A-Z][a-z]{0,4}: [a-z]{0,4}\r\n)?",
        ) {
            let mut input = Vec::new();
            for chunk in &chunks {
                input.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                input.extend_from_slice(chunk);
                input.extend_from_slice(b"\r\n");
            }
            input.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
            let expected = Ok((chunks.concat(), Some(input.len())));
            prop_assert_eq!(outcome(BodyLength::Chunked, &input), expected);
        }

        #[test]
        fn any_bytes_mean_the_same_however_cut(input in "[0-9a-fA-F;:\r\n \0x]{0,40}") {
            let _ = outcome(BodyLength::Chunked, input.as_bytes());
        }

        #[test]
        fn a_plain_body_is_its_bytes(input: Vec<u8>, length in 0..60u64) {
            let len = input.len().min(length as usize);
            let end = (len as u64 == length).then_some(len);
            let expected = Ok((input[..len].to_vec(), end));
            prop_assert_eq!(outcome(BodyLength::Length(length), &input), expected);
        }
    }
}
