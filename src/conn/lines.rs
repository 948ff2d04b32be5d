//! The phase of lines: lines of text in both directions, as the control socket speaks them.

use std::rc::Rc;

use memchr::memchr;

use crate::proto::ws::frame::{self, Kind};

use super::buffer::{CORK_FULL, Out, Sent};
use super::connection::Connection;
use super::event::{CloseReason, Event, Got, Step};
use super::phase::Phase;

impl Connection {
    /// The next line of `input`, without its newline, as a text message that need not be UTF-8. A line that is longer than
    /// `max_message` is reported as the end: answers can still be sent, and what comes is discarded.
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

    /// Sends a line, which must contain no newline, on a connection of lines. A peer that does not read loses its connection.
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

    /// Queues a line, with its newline, that other connections send too. False: this is no connection of lines, or too much
    /// waits for its peer; then the connection stays open.
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
