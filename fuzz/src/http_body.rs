//! Any bytes as a body: the outcome does not depend on how they are cut. The first byte chooses how
//! the body's end is found, the second the length of the parts.

use bellwire::proto::http::Error;
use bellwire::proto::http::body::{BodyDecoder, DecodedPiece};
use bellwire::proto::http::head::BodyLength;

/// `data` is the choice of a length and of a step, and then the body.
pub fn check(data: &[u8]) {
    let [kind, step, input @ ..] = data else {
        return;
    };
    let length = match kind % 64 {
        0 => BodyLength::Empty,
        length @ 1..32 => BodyLength::Length(u64::from(length)),
        _ => BodyLength::Chunked,
    };
    let whole = decode(length, input, input.len().max(1));
    assert_eq!(decode(length, input, usize::from(step % 16) + 1), whole);
    if length != BodyLength::Chunked {
        assert!(whole.is_ok());
    }
}

/// The data, and how long the body was, if it has ended.
fn decode(
    length: BodyLength,
    input: &[u8],
    step: usize,
) -> Result<(Vec<u8>, Option<usize>), Error> {
    let mut decoder = BodyDecoder::new(length);
    let (mut data, mut at) = (Vec::new(), 0);
    for part in input.chunks(step) {
        let mut part = part.to_vec();
        let mut rest = part.as_mut_slice();
        loop {
            let before = rest.len();
            let (used, piece) = decoder.decode(rest)?;
            at += used;
            match piece {
                DecodedPiece::More => {
                    assert_eq!(used, before);
                    break;
                }
                DecodedPiece::End => return Ok((data, Some(at))),
                DecodedPiece::Data(piece) => {
                    assert!(!piece.is_empty() && piece.len() <= used);
                    data.extend_from_slice(piece);
                }
            }
            rest = &mut rest[used..];
        }
    }
    Ok((data, None))
}
