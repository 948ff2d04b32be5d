//! The phases of HTTP: request heads and bodies, answers, and a server's way to the WebSocket.

use crate::proto::http::body::{BodyDecoder, Piece};
use crate::proto::http::head::{BodyLength, FieldTable, RequestHead};
use crate::proto::http::response;
use crate::proto::ws::frame::Role;
use crate::proto::ws::handshake::{self, Offer};

use super::answer::{self, Answer, AnswerHead};
use super::buffer::Out;
use super::connection::{Aux, Connection};
use super::deadline::{Due, Tick};
use super::event::{Event, Got, Step};
use super::phase::{Exchange, Phase};

impl Connection {
    #[inline(never)]
    pub(super) fn step_http<'e>(
        &mut self,
        input: &'e mut [u8],
        aux: &'e mut Aux,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Step<'e> {
        match &mut self.phase {
            Phase::ReadHead { .. } => self.read_head(input, &mut aux.table, out, now),
            Phase::ReadBody(..) => self.read_body(input, out, now),
            Phase::AwaitUpgrade(_) => self.read_upgrade(input, &mut aux.table, out, now),
            Phase::Draining(_) => Step {
                used: input.len(),
                got: Got::More,
            },
            Phase::AwaitAnswer(_) | Phase::SendBody(..) | Phase::Closed | Phase::WebSocket(_) => {
                Step {
                    used: 0,
                    got: Got::More,
                }
            }
        }
    }

    fn read_head<'e>(
        &mut self,
        input: &'e mut [u8],
        table: &'e mut FieldTable,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Step<'e> {
        let Phase::ReadHead { scanned } = &mut self.phase else {
            return Step {
                used: 0,
                got: Got::More,
            };
        };
        if input.is_empty() {
            return Step {
                used: 0,
                got: Got::More,
            };
        }
        if self.waits_for == Due::Idle {
            // The head's time begins with its first byte.
            self.waits_for = Due::Head;
            self.due = now.after(self.conf.head_timeout);
        }
        match RequestHead::decode(input, scanned, table) {
            Ok(None) => Step {
                used: 0,
                got: Got::More,
            },
            Ok(Some((head, used))) => {
                let got = self.begin_exchange(head, out, now);
                Step { used, got }
            }
            Err(error) => {
                self.refuse(error.status(), out);
                Step {
                    used: 0,
                    got: Got::More,
                }
            }
        }
    }

    fn begin_exchange<'e>(
        &mut self,
        head: RequestHead<'e>,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Got<'e> {
        let exchange = Exchange::of(&head);
        let length = head.body_length();
        match length {
            BodyLength::Length(bytes) if bytes > self.conf.max_body => {
                self.phase = Phase::AwaitAnswer(Exchange {
                    persistent: false,
                    ..exchange
                });
                self.refuse(413, out);
                return Got::More;
            }
            BodyLength::Empty | BodyLength::Length(0) => {
                self.phase = Phase::AwaitAnswer(exchange);
                self.waits_for = Due::Never;
            }
            BodyLength::Length(_) | BodyLength::Chunked => {
                self.phase = Phase::ReadBody(exchange, BodyDecoder::new(length));
                self.wait(Due::Body, self.conf.idle_timeout, now);
            }
        }
        Got::Now(Event::Request(head))
    }

    fn read_body<'e>(&mut self, input: &'e mut [u8], out: &mut Out<'_>, now: Tick) -> Step<'e> {
        let Phase::ReadBody(exchange, decoder) = &mut self.phase else {
            return Step {
                used: 0,
                got: Got::More,
            };
        };
        if exchange.expects_continue && !exchange.answered && input.is_empty() {
            exchange.expects_continue = false;
            out.cork.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        match decoder.decode(input) {
            Ok((used, Piece::More)) => Step {
                used,
                got: Got::More,
            },
            Ok((used, Piece::Data(data))) => {
                exchange.received += data.len() as u64;
                exchange.expects_continue = false;
                let (answered, received) = (exchange.answered, exchange.received);
                if received > self.conf.max_body {
                    self.refuse(413, out);
                    return Step {
                        used,
                        got: Got::More,
                    };
                }
                // A discarded piece is an empty one: the caller steps on.
                let data = if answered { &mut data[..0] } else { data };
                Step {
                    used,
                    got: Got::Now(Event::Body(data)),
                }
            }
            Ok((used, Piece::End)) => {
                let exchange = *exchange;
                if exchange.answered {
                    self.next_request(exchange.persistent, now);
                    Step {
                        used,
                        got: Got::Now(Event::Body(&mut [])),
                    }
                } else {
                    self.phase = Phase::AwaitAnswer(exchange);
                    self.waits_for = Due::Never;
                    Step {
                        used,
                        got: Got::Now(Event::BodyEnd),
                    }
                }
            }
            Err(error) => {
                self.refuse(error.status(), out);
                Step {
                    used: 0,
                    got: Got::More,
                }
            }
        }
    }

    /// Answers the current request. False: there is none that waits for an answer, and nothing was written.
    pub fn respond(&mut self, answer: &Answer<'_>, out: &mut Out<'_>, now: Tick) -> bool {
        let Some((exchange, whole)) = self.open_exchange() else {
            return false;
        };
        // RFC 9110 §10.1.1: a body that was held back for 100 (Continue) may come or not, and only closing is safe.
        let persistent =
            exchange.persistent && !self.last_request && (whole || !exchange.expects_continue);
        answer::write(answer, exchange, persistent, out);
        if whole {
            self.next_request(persistent, now);
        } else if let Phase::ReadBody(exchange, _) = &mut self.phase {
            exchange.answered = true;
            exchange.persistent = persistent;
            if !persistent {
                self.drain();
            }
        }
        true
    }

    /// Answers the current request with a body that the caller writes past the connection: `length` bytes of it, telling
    /// each time how many by [`Connection::body_sent`]. `None`: no request waits for an answer, and nothing was written;
    /// else whether a body is to be written at all.
    pub fn respond_head(
        &mut self,
        head: &AnswerHead<'_>,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Option<bool> {
        let (exchange, whole) = self.open_exchange()?;
        // Nothing is read meanwhile, so a body that is still coming ends the connection.
        let persistent = exchange.persistent && !self.last_request && whole;
        answer::write_head(head, exchange, persistent, out);
        if exchange.head_only || head.length == 0 {
            self.next_request(persistent, now);
            return Some(false);
        }
        let exchange = Exchange {
            persistent,
            answered: true,
            ..exchange
        };
        self.phase = Phase::SendBody(exchange, head.length);
        self.waits_for = Due::Never;
        Some(true)
    }

    /// Bytes of the answer's body that are still to be written past the connection.
    #[must_use]
    pub fn body_left(&self) -> u64 {
        match self.phase {
            Phase::SendBody(_, left) => left,
            _ => 0,
        }
    }

    /// `count` bytes of the answer's body were written, at most [`Connection::body_left`]. After the last of them the
    /// connection goes on to the next request, or ends.
    pub fn body_sent(&mut self, count: u64, now: Tick) {
        if let Phase::SendBody(exchange, left) = &mut self.phase {
            *left = left.saturating_sub(count);
            if *left == 0 {
                let persistent = exchange.persistent && !self.last_request;
                self.next_request(persistent, now);
            }
        }
    }

    /// The request that waits for an answer, and whether all of it has come.
    fn open_exchange(&self) -> Option<(Exchange, bool)> {
        match &self.phase {
            Phase::AwaitAnswer(exchange) => Some((*exchange, true)),
            Phase::ReadBody(exchange, _) if !exchange.answered => Some((*exchange, false)),
            _ => None,
        }
    }

    /// Answers what is no good request, or cannot be taken, and ends the connection.
    pub(super) fn refuse(&mut self, status: u16, out: &mut Out<'_>) {
        let exchange = match &self.phase {
            Phase::AwaitAnswer(exchange)
            | Phase::ReadBody(exchange, _)
            | Phase::SendBody(exchange, _) => *exchange,
            _ => Exchange::broken(),
        };
        if !exchange.answered {
            let fields: &[(&str, &[u8])] = &[("Content-Type", b"text/html; charset=utf-8")];
            let body = response::error_page(status);
            answer::write(
                &Answer {
                    status,
                    fields,
                    body: body.as_bytes(),
                },
                exchange,
                false,
                out,
            );
        }
        self.drain();
    }

    fn next_request(&mut self, persistent: bool, now: Tick) {
        if persistent {
            self.phase = Phase::ReadHead { scanned: 0 };
            self.wait(Due::Idle, self.conf.idle_timeout, now);
        } else {
            self.drain();
        }
    }

    /// Accepts the upgrade that the current request offers (RFC 6455 §4.2.2). False: no request waits for an answer.
    pub fn upgrade(
        &mut self,
        offer: &Offer<'_>,
        protocol: Option<&str>,
        out: &mut Out<'_>,
        now: Tick,
    ) -> bool {
        if !matches!(self.phase, Phase::AwaitAnswer(_)) {
            return false;
        }
        handshake::write_response(out.cork, offer, protocol, out.date);
        self.open(Role::Server, now);
        true
    }
}
