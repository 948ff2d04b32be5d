//! A connection in memory, with a clock that the test moves and a transport that the test owns.

// Each test file uses what it needs of it.
#![allow(dead_code)]

use std::rc::Rc;

use bellwire::conn::buffer::{Out, Sent, Through};
use bellwire::conn::deadline::{Millis, Tick};
use bellwire::conn::event::{ConnId, Event, Got};
use bellwire::conn::{Answer, Aux, Conf, Connection, SlowPeer, Tools};
use bellwire::proto::ws::close::CloseCode;
use bellwire::proto::ws::frame::Kind;
use bellwire::proto::ws::handshake::{self, Request};
use bellwire::proto::ws::mask::MaskingKeys;
use bellwire::proto::ws::message::Pool;

pub(crate) const DATE: &[u8; 29] = b"Thu, 01 Jan 1970 00:00:00 GMT";

pub(crate) const NONCE: [u8; 16] = [7; 16];

/// What a connection told, in a form that outlives the event. Pieces of a body that follow each other are one, for how
/// it was cut is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Request(String),
    Body(Vec<u8>),
    BodyEnd,
    Opened,
    Message(Kind, Vec<u8>),
    Ping,
    Pong,
    Closed(String),
}

/// The transport: what was sent and has not been taken, of which a part may wait behind it.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Sent.
    pub(crate) wire: Vec<u8>,
    /// Not sent, for the wire has no room.
    pub(crate) waits: Vec<u8>,
    /// Room of the wire.
    pub(crate) room: usize,
}

impl Pipe {
    fn new() -> Pipe {
        Pipe {
            wire: Vec::new(),
            waits: Vec::new(),
            room: usize::MAX,
        }
    }

    /// Sends of what waits as much as there is room for; whether that was anything.
    pub(crate) fn flush(&mut self) -> bool {
        let count = self
            .room
            .saturating_sub(self.wire.len())
            .min(self.waits.len());
        self.wire.extend(self.waits.drain(..count));
        count > 0
    }
}

impl Through for Pipe {
    fn pass(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.waits.extend_from_slice(part);
        }
        self.flush();
    }

    fn backlog(&self) -> usize {
        self.waits.len()
    }
}

/// One end of a connection.
pub(crate) struct Side {
    pub(crate) conn: Connection,
    pub(crate) pipe: Pipe,
    pub(crate) told: Vec<Told>,
    pub(crate) now: Tick,
    /// Whether messages are sent back.
    pub(crate) echo: bool,
    aux: Aux,
    tools: Tools,
    cork: Vec<u8>,
}

pub(crate) fn conf() -> Conf {
    Conf {
        max_message: 1 << 20,
        max_backlog: 4 << 20,
        slow_peer: SlowPeer::Close,
        max_body: 1 << 20,
        head_timeout: Millis::seconds(10),
        idle_timeout: Millis::seconds(60),
        ping_interval: Millis::seconds(30),
        pong_timeout: Millis::seconds(20),
    }
}

fn tools() -> Tools {
    let keys = MaskingKeys::new(|buffer| {
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = at as u8 ^ 0x5a;
        }
    });
    Tools {
        pool: Pool::default(),
        keys,
    }
}

impl Side {
    pub(crate) fn server(conf: Conf) -> Side {
        let conn = Connection::server(ConnId::new(1, 0), Rc::new(conf), Tick(0));
        Side::of(conn, Pipe::new(), tools())
    }

    pub(crate) fn client(conf: Conf) -> Side {
        let (mut cork, mut pipe) = (Vec::new(), Pipe::new());
        let mut out = Out {
            cork: &mut cork,
            through: &mut pipe,
            date: DATE,
        };
        let request = Request {
            host: "localhost",
            target: "/",
            protocols: &[],
            fields: &[],
        };
        let id = ConnId::new(2, 1);
        let conn = Connection::client(id, Rc::new(conf), &request, NONCE, &mut out, Tick(0));
        out.flush();
        Side::of(conn, pipe, tools())
    }

    fn of(conn: Connection, pipe: Pipe, tools: Tools) -> Side {
        Side {
            conn,
            pipe,
            told: Vec::new(),
            now: Tick(0),
            echo: false,
            aux: Aux::default(),
            tools,
            cork: Vec::new(),
        }
    }

    /// Receives bytes, in the order of calls that `conn` asks for.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        let mut input = self.conn.take_rest().map(|rest| *rest).unwrap_or_default();
        input.extend_from_slice(bytes);
        self.conn.received(bytes.len(), self.now);
        let mut at = 0;
        loop {
            let Side {
                conn,
                pipe,
                aux,
                tools,
                cork,
                ..
            } = self;
            let mut out = Out {
                cork,
                through: pipe,
                date: DATE,
            };
            let step = conn.step(&mut input[at..], aux, tools, &mut out, self.now);
            at += step.used;
            match step.got {
                Got::More => break,
                Got::Now(event) => act(
                    conn,
                    &mut out,
                    tools,
                    &mut self.told,
                    self.echo,
                    self.now,
                    event,
                ),
                Got::Whole(kind, mut data) => {
                    let event = Event::Message {
                        kind,
                        data: &mut data,
                    };
                    act(
                        conn,
                        &mut out,
                        tools,
                        &mut self.told,
                        self.echo,
                        self.now,
                        event,
                    );
                    tools.pool.give_back(data);
                }
            }
        }
        self.conn.keep(&input[at..]);
        self.settle(false);
    }

    /// What the engine does at the end of a turn.
    pub(crate) fn settle(&mut self, progress: bool) {
        let before = self.pipe.waits.len();
        let mut out = Out {
            cork: &mut self.cork,
            through: &mut self.pipe,
            date: DATE,
        };
        out.flush();
        let waits = !self.pipe.waits.is_empty();
        let progress = progress || self.pipe.waits.len() < before;
        self.conn.note_backlog(waits, progress, self.now);
        if !waits && self.conn.wants_half_close() {
            self.conn.half_closed(self.now);
        }
    }

    fn with_out<T>(
        &mut self,
        work: impl FnOnce(&mut Connection, &mut Tools, &mut Out<'_>, Tick) -> T,
    ) -> T {
        let mut out = Out {
            cork: &mut self.cork,
            through: &mut self.pipe,
            date: DATE,
        };
        let result = work(&mut self.conn, &mut self.tools, &mut out, self.now);
        self.settle(false);
        result
    }

    pub(crate) fn send(&mut self, kind: Kind, data: &[u8]) -> Sent {
        self.with_out(|conn, tools, out, now| conn.send(kind, data, tools, out, now))
    }

    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) {
        self.with_out(|conn, tools, out, now| conn.start_closing(code, reason, tools, out, now));
    }

    pub(crate) fn shut_down(&mut self) {
        self.with_out(Connection::shut_down);
    }

    pub(crate) fn eof(&mut self) {
        if let Some(reason) = self.conn.on_eof() {
            self.told.push(Told::Closed(reason.to_string()));
        }
        self.settle(false);
    }

    /// Moves the clock and fires what is due by then, at its time.
    pub(crate) fn pass_time(&mut self, time: Millis) {
        let end = self.now.after(time);
        while let Some(due) = self.conn.deadline().filter(|due| due.is_due(end)) {
            self.now = if due.is_due(self.now) { self.now } else { due };
            let told = self.with_out(Connection::on_deadline);
            self.told
                .extend(told.map(|reason| Told::Closed(reason.to_string())));
            let next = self.conn.deadline();
            assert!(
                next.is_none_or(|next| !next.is_due(self.now)),
                "a deadline that came is done with"
            );
        }
        self.now = end;
    }

    /// What it has sent and nobody has taken.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pipe.wire)
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        self.told.iter().filter_map(|told| match told {
            Told::Message(kind, data) => Some((*kind, &data[..])),
            _ => None,
        })
    }

    pub(crate) fn ends(&self) -> Vec<&str> {
        let ends = self.told.iter().filter_map(|told| match told {
            Told::Closed(reason) => Some(reason.as_str()),
            _ => None,
        });
        ends.collect()
    }
}

/// What the tests do on events: upgrade what can be, answer the rest, and perhaps echo.
fn act(
    conn: &mut Connection,
    out: &mut Out<'_>,
    tools: &mut Tools,
    told: &mut Vec<Told>,
    echo: bool,
    now: Tick,
    event: Event<'_>,
) {
    let new = match event {
        Event::Request(head) => {
            let line = format!("{:?} {:?}", head.method(), head.target());
            if handshake::wants_upgrade(&head) {
                match handshake::read_request(&head) {
                    Ok(offer) => assert!(conn.upgrade(&offer, None, out, now)),
                    Err(refused) => respond(conn, out, now, refused.status(), b""),
                }
            } else if head.body_length() == bellwire::proto::http::head::BodyLength::Empty {
                respond(conn, out, now, 200, line.as_bytes());
            }
            Told::Request(line)
        }
        Event::Body([]) => return,
        Event::Body(data) => {
            if let Some(Told::Body(body)) = told.last_mut() {
                body.extend_from_slice(data);
                return;
            }
            Told::Body(data.to_vec())
        }
        Event::BodyEnd => {
            respond(conn, out, now, 200, b"taken");
            Told::BodyEnd
        }
        Event::Opened => Told::Opened,
        Event::Message { kind, data } => {
            if echo {
                conn.send(kind, data, tools, out, now);
            }
            Told::Message(kind, data.to_vec())
        }
        Event::Ping => Told::Ping,
        Event::Pong => Told::Pong,
        Event::Closed(reason) => Told::Closed(reason.to_string()),
    };
    told.push(new);
}

fn respond(conn: &mut Connection, out: &mut Out<'_>, now: Tick, status: u16, body: &[u8]) {
    assert!(conn.respond(
        &Answer {
            status,
            fields: &[],
            body
        },
        out,
        now
    ));
}

/// Feeds a transcript whole, byte by byte and cut at each place: what is told and sent must be the same. It is returned.
pub(crate) fn assert_any_split(transcript: &[u8]) -> (Vec<Told>, Vec<u8>) {
    let run = |pieces: &[&[u8]]| {
        let mut side = Side::server(conf());
        side.echo = true;
        for piece in pieces {
            side.receive(piece);
        }
        assert!(side.pipe.waits.is_empty());
        (side.told.clone(), side.take())
    };
    let whole = run(&[transcript]);
    let bytes: Vec<&[u8]> = transcript.chunks(1).collect();
    assert_eq!(run(&bytes), whole, "byte by byte");
    // Every cut of a short one, and some of a long one.
    for at in (1..transcript.len()).step_by(transcript.len().div_ceil(400).max(1)) {
        let (head, tail) = transcript.split_at(at);
        assert_eq!(run(&[head, tail]), whole, "cut at {at}");
    }
    whole
}
