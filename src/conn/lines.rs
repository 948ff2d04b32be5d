//! The phase of lines: text, each line ended by a newline, in both directions. No protocol of the field but the framing of
//! JSON-RPC over a stream, as the control socket speaks it.

use std::rc::Rc;

use memchr::memchr;

use crate::proto::ws::frame::{self, Kind};

use super::buffer::{CORK_FULL, Out, Sent};
use super::connection::Connection;
use super::event::{CloseReason, Event, Got, Step};
use super::phase::Phase;

impl Connection {
    /// The next line of `input`, without its end, told as a text message that need not be UTF-8. One that is longer than
    /// `max_message` is told as the end: what is owed can be sent still, and what comes is no longer looked at.
    #[inline(never)]
    pub(super) fn step_lines<'e>(&mut self, input: &'e mut [u8]) -> Step<'e> {
        let max = self.conf.max_message;
        let Phase::Lines(lines) = &mut self.phase else {
            return Step {
                used: 0,
                got: Got::More,
            };
        };
        if lines.over {
            return Step {
                used: input.len(),
                got: Got::More,
            };
        }
        let end = memchr(b'\n', input);
        let (part, used) = match end {
            Some(end) => (&mut input[..end], end + 1),
            None => {
                let used = input.len();
                (input, used)
            }
        };
        let before = lines.partial.as_ref().map_or(0, |line| line.len());
        if before + part.len() > max {
            (lines.over, lines.partial) = (true, None);
            let reason = CloseReason::Failed(frame::Error::TooBig);
            return Step {
                used,
                got: Got::Now(Event::Closed(reason)),
            };
        }
        let got = match (end, lines.partial.take()) {
            (Some(_), None) => Got::Now(Event::Message {
                kind: Kind::Text,
                data: part,
            }),
            (Some(_), Some(mut line)) => {
                line.extend_from_slice(part);
                Got::Whole(Kind::Text, line)
            }
            (None, partial) => {
                if !part.is_empty() || partial.is_some() {
                    let mut line = partial.unwrap_or_default();
                    line.extend_from_slice(part);
                    lines.partial = Some(line);
                }
                Got::More
            }
        };
        if end.is_some() {
            self.counters.messages_in += 1;
        }
        Step { used, got }
    }

    /// Sends a line, if the connection is of such; what it holds must have no newline. A peer that does not read loses
    /// its connection.
    #[inline(never)]
    pub(super) fn send_line(&mut self, line: &[u8], out: &mut Out<'_>) -> Sent {
        if !matches!(self.phase, Phase::Lines(_)) {
            return Sent::Closed;
        }
        let backlog = out.transport.backlog();
        if backlog > 0 && backlog + line.len() > self.conf.max_backlog {
            self.drain();
            return Sent::Closed;
        }
        out.cork.extend_from_slice(line);
        out.cork.push(b'\n');
        if out.cork.len() >= CORK_FULL {
            out.flush();
        }
        self.counters.messages_out += 1;
        self.counters.bytes_out += line.len() as u64 + 1;
        Sent::Queued
    }

    /// Queues a line that other connections send too, its newline included, behind what waits for the peer already. False:
    /// the connection is not one of lines, or too much waits for its peer, which keeps its connection.
    pub fn queue_line(&mut self, line: &Rc<[u8]>, out: &mut Out<'_>) -> bool {
        let backlog = out.backlog();
        let is_full = backlog > 0 && backlog + line.len() > self.conf.max_backlog;
        if is_full || !matches!(self.phase, Phase::Lines(_)) {
            return false;
        }
        out.flush();
        out.transport.queue_shared(line);
        self.counters.messages_out += 1;
        self.counters.bytes_out += line.len() as u64;
        true
    }
}
