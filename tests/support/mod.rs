//! A connection in memory, with a clock that the test moves and a transport that the test owns. What the engine would do
//! with sockets is done here in its order, short ways included.

// Each test file uses what it needs of it.
#![allow(dead_code)]

use std::rc::Rc;

use bellwire::conn::buffer::{Out, Sent, Transport};
use bellwire::conn::deadline::{Millis, Tick};
use bellwire::conn::event::{ConnId, Event, Got};
use bellwire::conn::tls::{Cipher, Tls};
use bellwire::conn::{Answer, AnswerHead, Aux, Conf, Connection, Tools};
use bellwire::proto::http::head::BodyLength;
use bellwire::proto::ws::close::CloseCode;
use bellwire::proto::ws::frame::{self, Kind, OpCode, Role};
use bellwire::proto::ws::handshake::{self, UpgradeRequest};
use bellwire::proto::ws::mask::MaskingKeys;
use bellwire::proto::ws::message::Pool;
use bellwire::proto::ws::session::SHORT_HEADER;

#[allow(unused_imports)]
pub(crate) use split::{assert_any_split, assert_any_split_in_turns, cuts, run};

mod split;

pub(crate) const DATE: &[u8; 29] = b"Thu, 01 Jan 1970 00:00:00 GMT";

pub(crate) const NONCE: [u8; 16] = [7; 16];

/// An event of a connection, in a form that outlives it. Consecutive pieces of a body are joined, since the way it was
/// split does not matter.
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

/// The transport: bytes that were sent and not yet taken by the other side, some of which may wait for room.
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

    /// Sends as many of the waiting bytes as there is room for; true if there were any.
    pub(crate) fn flush(&mut self) -> bool {
        let count = self
            .room
            .saturating_sub(self.wire.len())
            .min(self.waits.len());
        self.wire.extend(self.waits.drain(..count));
        count > 0
    }
}

impl Transport for Pipe {
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
    /// Whether requests wait for [`Side::respond`].
    pub(crate) late: bool,
    /// Whether it takes the engine's short ways: short messages in a loop of their own, long ones received in place.
    pub(crate) short_ways: bool,
    /// Whether it has been a WebSocket.
    pub(crate) opened: bool,
    /// Whether our half of the transport has ended.
    pub(crate) ended: bool,
    /// Whether a request was reported whose body has not ended.
    pub(crate) in_body: bool,
    /// Received by the transport, and not read from it.
    inbox: Vec<u8>,
    tls: Option<(Tls, Cipher)>,
    role: Role,
    aux: Aux,
    tools: Tools,
    cork: Vec<u8>,
}

const REQUEST: UpgradeRequest<'static> = UpgradeRequest {
    host: "localhost",
    target: "/",
    protocols: &["chat.v1"],
    basic: None,
    fields: &[],
};

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
        Side::of(Role::Server, conn, Pipe::new())
    }

    pub(crate) fn client(conf: Conf) -> Side {
        let (mut cork, mut pipe) = (Vec::new(), Pipe::new());
        let mut out = Out {
            cork: &mut cork,
            transport: &mut pipe,
            date: DATE,
        };
        let id = ConnId::new(2, 1);
        let conn = Connection::client(id, Rc::new(conf), &REQUEST, NONCE, &mut out, Tick(0));
        out.flush();
        Side::of(Role::Client, conn, pipe)
    }

    pub(crate) fn server_over_tls(conf: Conf, tls: Tls) -> Side {
        let mut side = Side::server(conf);
        side.tls = Some((tls, Cipher::default()));
        side
    }

    pub(crate) fn client_over_tls(conf: Conf, mut tls: Tls) -> Side {
        let id = ConnId::new(2, 1);
        let conn = Connection::client_over_tls(id, Rc::new(conf), &REQUEST, NONCE, Tick(0));
        let mut side = Side::of(Role::Client, conn, Pipe::new());
        let mut cipher = Cipher::default();
        tls.start(&mut cipher).unwrap();
        side.tls = Some((tls, cipher));
        side
    }

    fn of(role: Role, conn: Connection, pipe: Pipe) -> Side {
        Side {
            conn,
            pipe,
            told: Vec::new(),
            now: Tick(0),
            echo: false,
            late: false,
            short_ways: false,
            opened: false,
            ended: false,
            in_body: false,
            inbox: Vec::new(),
            tls: None,
            role,
            aux: Aux::default(),
            tools: tools(),
            cork: Vec::new(),
        }
    }

    /// Bytes arrive. As many are read as the connection takes, in the order of calls that `conn` asks for;
    /// the others stay where they are, for the next time.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        if self.tls.is_some() {
            self.decrypt(bytes);
        } else {
            self.inbox.extend_from_slice(bytes);
        }
        while self.turn() > 0 && !self.inbox.is_empty() {}
        assert!(
            self.inbox.is_empty() || self.conn.receive_limit() == 0,
            "it neither reads nor ends"
        );
    }

    fn decrypt(&mut self, bytes: &[u8]) {
        let Some((tls, cipher)) = &mut self.tls else {
            return;
        };
        let mut wire = vec![0; tls.held() + bytes.len()];
        let kept = tls.restore(&mut wire);
        wire[kept..][..bytes.len()].copy_from_slice(bytes);
        let was_open = tls.is_open();
        let read = tls.read(&mut wire[..kept + bytes.len()], &mut self.inbox, cipher);
        if !was_open && tls.is_open() {
            self.conn.tls_established(self.now);
        }
        let reason = read
            .as_ref()
            .err()
            .and_then(|error| self.conn.tls_failed(error));
        let told = reason.map(|reason| Told::Closed(reason.to_string()));
        self.told.extend(told);
        self.settle(false);
    }

    /// Reads once, and acts on it; how many bytes.
    fn turn(&mut self) -> usize {
        let room = self.conn.receive_limit();
        let mut input = self.conn.take_rest().map(|rest| *rest).unwrap_or_default();
        let count = room.saturating_sub(input.len()).min(self.inbox.len());
        let mut direct = 0;
        if self.short_ways
            && let Some((message, missing)) = self.conn.spare()
        {
            direct = missing.min(count);
            message.extend(self.inbox.drain(..direct));
        }
        input.extend(self.inbox.drain(..count - direct));
        self.conn.received(count, self.now);
        let mut at = 0;
        while let Some(used) = self.advance(&mut input[at..], &mut direct) {
            at += used;
        }
        self.settle(false);
        count
    }

    /// Advances by one event and gives how much of `input` that used. After the last event, the rest is kept.
    fn advance(&mut self, input: &mut [u8], direct: &mut usize) -> Option<usize> {
        let mut script = Script {
            told: &mut self.told,
            opened: &mut self.opened,
            in_body: &mut self.in_body,
            echo: self.echo,
            late: self.late,
            now: self.now,
        };
        let (conn, tools) = (&mut self.conn, &mut self.tools);
        let mut out = Out {
            cork: &mut self.cork,
            transport: &mut self.pipe,
            date: DATE,
        };
        let in_place = std::mem::take(direct);
        let short = if self.short_ways && in_place == 0 {
            conn.short_message(input)
        } else {
            None
        };
        let (used, got) = if in_place > 0 {
            match conn.filled(in_place, tools, &mut out) {
                Got::More => return Some(0),
                got => (0, got),
            }
        } else if let Some((used, kind)) = short {
            let data = &mut input[SHORT_HEADER..used];
            (used, Got::Now(Event::Message { kind, data }))
        } else {
            let step = conn.step(input, &mut self.aux, tools, &mut out, self.now);
            if matches!(step.got, Got::More) {
                let used = step.used;
                conn.keep(&input[used..]);
                return None;
            }
            (step.used, step.got)
        };
        match got {
            Got::More => {}
            Got::Now(event) => script.on_event(conn, &mut out, tools, event),
            Got::Whole(kind, mut data) => {
                let event = Event::Message {
                    kind,
                    data: &mut data,
                };
                script.on_event(conn, &mut out, tools, event);
                tools.pool.give_back(data);
            }
        }
        Some(used)
    }

    /// What the engine does at the end of a turn.
    pub(crate) fn settle(&mut self, progress: bool) {
        let before = self.pipe.waits.len();
        let mut out = Out {
            cork: &mut self.cork,
            transport: &mut self.pipe,
            date: DATE,
        };
        out.flush();
        let waits = !self.pipe.waits.is_empty();
        let progress = progress || self.pipe.waits.len() < before;
        self.conn.on_backlog(waits, progress, self.now);
        if !waits && self.conn.wants_half_close() {
            self.conn.half_closed(self.now);
            self.ended = true;
        }
        if self.conn.is_closed() {
            // The transport is dropped with the bytes that wait.
            self.pipe.waits.clear();
            self.ended = true;
        }
    }

    fn with_out<T>(
        &mut self,
        work: impl FnOnce(&mut Connection, &mut Tools, &mut Out<'_>, Tick) -> T,
    ) -> T {
        let mut out = Out {
            cork: &mut self.cork,
            transport: &mut self.pipe,
            date: DATE,
        };
        let result = work(&mut self.conn, &mut self.tools, &mut out, self.now);
        self.settle(false);
        result
    }

    pub(crate) fn send(&mut self, kind: Kind, data: &[u8]) -> Sent {
        self.with_out(|conn, tools, out, now| conn.send(kind, data, tools, out, now))
    }

    /// Sends a message in frames of `len` bytes, with a ping after the first of them, as a peer may that is not us.
    /// False if nothing can be sent any longer.
    pub(crate) fn send_in_frames(&mut self, kind: Kind, data: &[u8], len: usize) -> bool {
        if !self.conn.is_open() {
            return false;
        }
        let (mut at, mut opcode) = (0, OpCode::from(kind));
        loop {
            let end = data.len().min(at + len.max(1));
            self.put_frame(opcode, end == data.len(), &data[at..end]);
            if at == 0 {
                self.put_frame(OpCode::Ping, true, b"between");
            }
            (at, opcode) = (end, OpCode::Continuation);
            if at == data.len() {
                break;
            }
        }
        self.settle(false);
        true
    }

    fn put_frame(&mut self, opcode: OpCode, fin: bool, payload: &[u8]) {
        match self.role {
            Role::Server => frame::put_unmasked(&mut self.cork, opcode, fin, payload),
            Role::Client => {
                let key = self.tools.keys.next_key();
                frame::put_masked(&mut self.cork, key, opcode, fin, payload);
            }
        }
    }

    /// Answers a deferred request, and goes on with the bytes after it.
    pub(crate) fn respond(&mut self, body: &[u8]) {
        self.with_out(|conn, _, out, now| respond(conn, out, now, 200, body));
        self.receive(&[]);
    }

    /// Answers a deferred request with a body that is sent outside the connection. True if there is one to write.
    pub(crate) fn respond_head(&mut self, length: u64) -> Option<bool> {
        let head = AnswerHead {
            status: 200,
            fields: &[],
            length: Some(length),
        };
        self.with_out(|conn, _, out, now| conn.respond_head(&head, out, now))
    }

    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) {
        self.with_out(|conn, tools, out, now| conn.start_closing(code, reason, tools, out, now));
    }

    pub(crate) fn shut_down(&mut self) {
        let told = self.with_out(Connection::shut_down);
        self.told
            .extend(told.map(|reason| Told::Closed(reason.to_string())));
    }

    pub(crate) fn eof(&mut self) {
        if let Some(reason) = self.conn.on_eof() {
            self.told.push(Told::Closed(reason.to_string()));
        }
        self.settle(false);
    }

    /// Moves the clock, and fires each deadline on the way at its time.
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
                "a deadline that has fired is cleared"
            );
        }
        self.now = end;
    }

    /// The bytes that it has sent and the other side has not taken.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let plain = std::mem::take(&mut self.pipe.wire);
        let Some((tls, cipher)) = &mut self.tls else {
            return plain;
        };
        // Output of the handshake comes first: before it is done there is no other.
        let mut wire = cipher.bytes().to_vec();
        cipher.clear();
        tls.write(&[&plain], cipher, |bytes| wire.extend_from_slice(bytes))
            .unwrap();
        wire
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

/// The handler of the tests: accepts upgrades, answers other requests, and echoes if wanted.
struct Script<'s> {
    told: &'s mut Vec<Told>,
    opened: &'s mut bool,
    in_body: &'s mut bool,
    echo: bool,
    late: bool,
    now: Tick,
}

impl Script<'_> {
    fn on_event(
        &mut self,
        conn: &mut Connection,
        out: &mut Out<'_>,
        tools: &mut Tools,
        event: Event<'_>,
    ) {
        let new = match event {
            Event::Request(head) => {
                let line = format!("{:?} {:?}", head.method(), head.target());
                let bodiless = matches!(
                    head.body_length(),
                    BodyLength::Empty | BodyLength::Length(0)
                );
                *self.in_body = !bodiless;
                if handshake::wants_upgrade(&head) {
                    match handshake::read_request(&head) {
                        Ok(offer) => {
                            assert!(conn.upgrade(&offer, None, out, self.now));
                            *self.opened = true;
                        }
                        Err(refused) => respond(conn, out, self.now, refused.status(), b""),
                    }
                } else if bodiless && !self.late {
                    respond(conn, out, self.now, 200, line.as_bytes());
                }
                Told::Request(line)
            }
            Event::Body([]) => return,
            Event::Body(data) => {
                if let Some(Told::Body(body)) = self.told.last_mut() {
                    body.extend_from_slice(data);
                    return;
                }
                Told::Body(data.to_vec())
            }
            Event::BodyEnd => {
                *self.in_body = false;
                if !self.late {
                    respond(conn, out, self.now, 200, b"taken");
                }
                Told::BodyEnd
            }
            Event::Opened { .. } => {
                *self.opened = true;
                Told::Opened
            }
            Event::Message { kind, data } => {
                if self.echo {
                    conn.send(kind, data, tools, out, self.now);
                }
                Told::Message(kind, data.to_vec())
            }
            Event::Ping => Told::Ping,
            Event::Pong => Told::Pong,
            Event::Closed(reason) => Told::Closed(reason.to_string()),
        };
        self.told.push(new);
    }
}

fn respond(conn: &mut Connection, out: &mut Out<'_>, now: Tick, status: u16, body: &[u8]) {
    let answer = Answer {
        status,
        fields: &[],
        body,
    };
    assert!(conn.respond(&answer, out, now));
}
