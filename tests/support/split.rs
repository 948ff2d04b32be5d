//! The same bytes in every way that a network may cut them.

use bellwire::conn::Conf;

use super::{Side, Told};

/// The result of a transcript.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) told: Vec<Told>,
    pub(crate) sent: Vec<u8>,
    /// Whether our half has ended.
    pub(crate) ended: bool,
}

/// Transcripts up to this length are cut at every place, longer ones at as many.
const EVERY: usize = 400;

/// A transcript whole, byte by byte, and cut once at each place.
pub(crate) fn cuts(transcript: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let whole = vec![transcript];
    let bytes = transcript.chunks(1).collect();
    let step = transcript.len().div_ceil(EVERY).max(1);
    let once = (1..transcript.len()).step_by(step).map(|at| {
        let (head, tail) = transcript.split_at(at);
        vec![head, tail]
    });
    [whole, bytes].into_iter().chain(once)
}

/// Feeds a server that echoes.
pub(crate) fn run(conf: &Conf, pieces: &[&[u8]], short_ways: bool) -> (Outcome, Side) {
    let mut side = Side::server(conf.clone());
    side.echo = true;
    side.short_ways = short_ways;
    for piece in pieces {
        side.receive(piece);
    }
    assert!(side.pipe.waits.is_empty());
    let outcome = Outcome {
        told: side.told.clone(),
        sent: side.take(),
        ended: side.ended,
    };
    (outcome, side)
}

/// Feeds a transcript whole, byte by byte, cut at each place and with more behind it: what is told and sent must be the
/// same. It is returned.
pub(crate) fn assert_any_split(transcript: &[u8]) -> (Vec<Told>, Vec<u8>) {
    let outcome = assert_any_split_in_turns(&Conf::default(), &[transcript]);
    (outcome.told, outcome.sent)
}

/// The same for a peer that waits for an answer after each turn, so that no cut joins two of them.
pub(crate) fn assert_any_split_in_turns(conf: &Conf, turns: &[&[u8]]) -> Outcome {
    let (whole, side) = run(conf, turns, false);
    for short_ways in [false, true] {
        for (turn, transcript) in turns.iter().enumerate() {
            for pieces in cuts(transcript) {
                let pieces = [&turns[..turn], &pieces, &turns[turn + 1..]].concat();
                let (outcome, _) = run(conf, &pieces, short_ways);
                let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
                assert!(
                    outcome == whole,
                    "{outcome:?}\nis not\n{whole:?}\nin {lengths:?}"
                );
            }
        }
        let more = trailing(&side);
        let (last, before) = turns.split_last().expect("a turn");
        let joined = [last, more].concat();
        let pieces = [before, &[&joined]].concat();
        let (outcome, _) = run(conf, &pieces, short_ways);
        assert!(
            outcome == whole,
            "{outcome:?}\nis not\n{whole:?}\nwith {more:?} behind it"
        );
    }
    whole
}

/// Bytes without an effect: any bytes after the end, otherwise the beginning of something that may come next.
fn trailing(side: &Side) -> &'static [u8] {
    if side.ended {
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n\x81\x80\0\0\0\0\xFF"
    } else if side.conn.is_quiet() {
        &[0x82, 0xFE, 1]
    } else if side.conn.is_websocket() || side.in_body || side.conn.held() > 0 {
        b""
    } else {
        b"GET / HTTP/1.1\r\nHost"
    }
}
