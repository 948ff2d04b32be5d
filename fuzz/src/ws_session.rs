//! A session sees the same and answers the same wherever its input is cut.

use bellwire::proto::ws::close::CloseCode;
use bellwire::proto::ws::frame::{Error, Kind, Role};
use bellwire::proto::ws::mask::MaskingKeys;
use bellwire::proto::ws::message::Pool;
use bellwire::proto::ws::session::{Session, SessionEvent};

/// The first byte of `data` chooses role, limit and whether we are closing; the next two how the rest, the input,
/// is cut: into pieces of these two lengths in turn.
pub fn check(data: &[u8]) {
    let [setup, first, second, input @ ..] = data else {
        return;
    };
    let whole = run(*setup, [input.len(), 1], input);
    let cut = run(*setup, [*first, *second].map(usize::from), input);
    let bytewise = run(*setup, [1, 1], input);
    assert_eq!(whole, cut);
    assert_eq!(whole, bytewise);
}

#[derive(Debug, PartialEq)]
enum Seen {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Closed(Option<CloseCode>, String),
    Failed(Error),
}

#[derive(Debug, PartialEq)]
struct Run {
    seen: Vec<Seen>,
    sent: Vec<u8>,
    closing: bool,
    done: bool,
}

fn run(setup: u8, lengths: [usize; 2], mut input: &[u8]) -> Run {
    let mut session = Session::new(if setup & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    });
    let max_message = if setup & 2 == 0 {
        1 << 20
    } else {
        usize::from(setup)
    };
    let (mut pool, mut keys) = (
        Pool::default(),
        MaskingKeys::new(|buffer| buffer.fill(0x5a)),
    );
    let (mut seen, mut sent) = (Vec::new(), Vec::new());
    if setup & 4 != 0 {
        session.start_closing(CloseCode::NORMAL, "", &mut keys, &mut sent);
    }
    for length in lengths.into_iter().cycle() {
        let (piece, rest) = input.split_at(length.clamp(1, input.len().max(1)).min(input.len()));
        let mut piece = piece.to_vec();
        let (mut at, mut control) = (0, [0; 125]);
        loop {
            let step = session.step(
                &mut piece[at..],
                &mut control,
                &mut pool,
                &mut keys,
                &mut sent,
                max_message,
            );
            at += step.used;
            match step.got {
                SessionEvent::More => break,
                got => seen.push(own(got)),
            }
        }
        assert_eq!(at, piece.len());
        input = rest;
        if input.is_empty() {
            break;
        }
    }
    let (closing, done) = (session.is_closing(), session.is_done());
    // How much is held depends on the buffers that the pool had to give, but the dead hold nothing.
    assert!(!done || session.held() == 0);
    Run {
        seen,
        sent,
        closing,
        done,
    }
}

fn own(got: SessionEvent<'_>) -> Seen {
    match got {
        SessionEvent::Message { kind, data } => Seen::Message(kind, data.to_vec()),
        SessionEvent::Whole { kind, data } => Seen::Message(kind, *data),
        SessionEvent::Ping(payload) => Seen::Ping(payload.to_vec()),
        SessionEvent::Pong(payload) => Seen::Pong(payload.to_vec()),
        SessionEvent::Closed { code, reason } => Seen::Closed(code, reason.to_owned()),
        SessionEvent::Failed(error) => Seen::Failed(error),
        SessionEvent::More => unreachable!("not an event"),
    }
}
