//! The phases of HTTP that read: request heads and bodies.

use crate::proto::http::body::{BodyDecoder, DecodedPiece};
use crate::proto::http::head::{BodyLength, FieldTable, RequestHead};

use super::buffer::Out;
use super::connection::Connection;
use super::deadline::{BODY_RATE, Due, Millis, Tick};
use super::event::{Event, Got, Step};
use super::phase::{Exchange, Phase};
use super::response::CONTINUE;

impl Connection {
    pub(super) fn read_head<'e>(
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
            // The time limit of a head begins with its first byte.
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
        self.exchanges = self.exchanges.wrapping_add(1);
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

    pub(super) fn read_body<'e>(
        &mut self,
        input: &'e mut [u8],
        out: &mut Out<'_>,
        now: Tick,
    ) -> Step<'e> {
        let Phase::ReadBody(exchange, decoder) = &mut self.phase else {
            return Step {
                used: 0,
                got: Got::More,
            };
        };
        if exchange.expects_continue && !exchange.answered && input.is_empty() {
            exchange.expects_continue = false;
            out.cork.extend_from_slice(CONTINUE);
        }
        let decoded = decoder.decode(input);
        let announced = decoder.announced();
        if let Ok((used, _)) = &decoded
            && self.waits_for == Due::Body
        {
            let earned = u32::try_from(*used).unwrap_or(u32::MAX);
            let earned = Millis::new(earned.saturating_mul(1000 / BODY_RATE));
            let most = now.after(self.conf.idle_timeout);
            self.due = self.due.after(earned).earlier(most);
        }
        match decoded {
            Ok((used, DecodedPiece::More)) => {
                // The rest of a chunk that is too long need not be waited for.
                let whole = exchange.received.saturating_add(announced);
                if !exchange.answered && whole > self.conf.max_body {
                    self.refuse(413, out);
                }
                Step {
                    used,
                    got: Got::More,
                }
            }
            Ok((used, DecodedPiece::Data(data))) => {
                exchange.received += data.len() as u64;
                exchange.expects_continue = false;
                let (answered, received) = (exchange.answered, exchange.received);
                let whole = received.saturating_add(if answered { 0 } else { announced });
                if whole > self.conf.max_body {
                    self.refuse(413, out);
                    return Step {
                        used,
                        got: Got::More,
                    };
                }
                // A discarded piece is given as an empty one.
                let data = if answered { &mut data[..0] } else { data };
                Step {
                    used,
                    got: Got::Now(Event::Body(data)),
                }
            }
            Ok((used, DecodedPiece::End)) => {
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
}
