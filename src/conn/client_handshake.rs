//! The opening handshake of a client: its upgrade request, and the server's answer (RFC 6455 §4.1).

use crate::proto::http::head::{FieldTable, ResponseHead};
use crate::proto::ws::frame::Role;
use crate::proto::ws::handshake::{self, Accepted};

use super::buffer::Out;
use super::connection::Connection;
use super::deadline::Tick;
use super::event::{CloseReason, Event, Got, Refusal, Step};
use super::phase::{Phase, Upgrade};

/// The most interim answers before the final one. By RFC 9110 §15.2 a client accepts one or more; servers do not send many.
const MAX_INTERIMS: u8 = 8;

/// The most bytes of an answer's first line, or of its Location, that are reported.
const MAX_EXCERPT: usize = 200;

const MORE: Step<'static> = Step {
    used: 0,
    got: Got::More,
};

impl Connection {
    pub(super) fn read_upgrade<'e>(
        &mut self,
        input: &'e [u8],
        table: &'e mut FieldTable,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Step<'e> {
        let Phase::AwaitUpgrade(upgrade) = &mut self.phase else {
            return MORE;
        };
        if !upgrade.secured {
            return MORE;
        }
        if let Some(request) = upgrade.request.take() {
            out.cork.extend_from_slice(&request);
        }
        let at = skip_interims(input, upgrade, table);
        let input = &input[at..];
        let refusal = match ResponseHead::decode(input, &mut upgrade.scanned, table) {
            Ok(None) => {
                return Step {
                    used: at,
                    got: Got::More,
                };
            }
            Ok(Some((head, used))) => match read_answer(&head, upgrade, input) {
                Ok(Accepted { protocol }) => {
                    self.open(Role::Client, now);
                    return Step {
                        used: at + used,
                        got: Got::Now(Event::Opened { protocol }),
                    };
                }
                Err(refusal) => refusal,
            },
            Err(error) => Refusal::Malformed {
                error,
                line: first_line(input),
            },
        };
        self.phase = Phase::Closed;
        Step {
            used: at + input.len(),
            got: Got::Now(Event::Closed(CloseReason::Refused(refusal))),
        }
    }
}

/// Bytes of interim answers at the beginning. When there are too many, the next one is taken for the final answer.
fn skip_interims(input: &[u8], upgrade: &mut Upgrade, table: &mut FieldTable) -> usize {
    let mut at = 0;
    while upgrade.interims < MAX_INTERIMS {
        match ResponseHead::decode(&input[at..], &mut upgrade.scanned, table) {
            // RFC 9110 §15.2.2: 101 is the final answer to an upgrade.
            Ok(Some((head, used)))
                if (100..200).contains(&head.status()) && head.status() != 101 =>
            {
                upgrade.interims += 1;
                at += used;
            }
            // The final answer is decoded again by the caller.
            _ => break,
        }
    }
    at
}

/// What the server agreed to, or why the answer does not establish a connection.
fn read_answer<'e>(
    head: &ResponseHead<'e>,
    upgrade: &Upgrade,
    input: &'e [u8],
) -> Result<Accepted<'e>, Refusal<'e>> {
    let offered: Vec<&str> = upgrade.protocols.iter().map(String::as_str).collect();
    handshake::read_response(head, upgrade.nonce, &offered).map_err(|error| match error {
        handshake::Error::Status(status) => Refusal::Status {
            status,
            line: first_line(input),
            location: head.field("Location").map(excerpt),
        },
        error => Refusal::Handshake(error),
    })
}

fn first_line(input: &[u8]) -> &str {
    let end = input.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    excerpt(&input[..end.unwrap_or(input.len())])
}

/// The beginning that is UTF-8 and not too long.
fn excerpt(bytes: &[u8]) -> &str {
    let bytes = &bytes[..bytes.len().min(MAX_EXCERPT)];
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}
