//! A connection over a blocking socket: drives a `conn` connection, and TLS where the URL wants it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::conn::buffer::Out;
use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::{CloseReason, ConnId, Event, Got};
use crate::conn::tls::{Cipher, Tls};
use crate::conn::{Aux, Conf, Connection, Tools};
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::handshake::UpgradeRequest;
use crate::proto::ws::mask::MaskingKeys;
use crate::proto::ws::message::Pool;

use super::advice::{self, LOG};
use super::report::StepFailure;

/// Room for one receive, and for an incomplete record before it.
const WIRE: usize = 64 * 1024;

/// The connection has no deadlines of its own here; the socket has timeouts.
const NOW: Tick = Tick(0);

/// No Date is sent by a client.
const DATE: &[u8; 29] = b"Thu, 01 Jan 1970 00:00:00 GMT";

/// What the caller waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The upgrade, with the subprotocol.
    Opened(Option<String>),
    Pong,
}

/// The transport: TCP, perhaps with TLS over it.
pub(super) struct TestTransport {
    stream: TcpStream,
    tls: Option<Tls>,
    cipher: Cipher,
    wire: Vec<u8>,
    /// When the current step times out.
    end: Instant,
}

impl TestTransport {
    pub(super) fn new(stream: TcpStream, end: Instant) -> TestTransport {
        TestTransport {
            stream,
            tls: None,
            cipher: Cipher::default(),
            wire: vec![0; WIRE],
            end,
        }
    }

    /// The next step has until `end`.
    pub(super) fn until(mut self, end: Instant) -> TestTransport {
        self.end = end;
        self
    }

    /// The TLS handshake.
    pub(super) fn secure(&mut self, tls: Tls) -> Result<&Tls, StepFailure> {
        let tls = self.tls.insert(tls);
        let started = tls.start(&mut self.cipher);
        let failed = |error| StepFailure::new(format!("{error}"), advice::of_tls(&error));
        started.map_err(failed)?;
        while !self.tls.as_ref().is_some_and(Tls::is_open) {
            self.send_cipher()?;
            // Before it is open there is no plaintext.
            if let ReceivedBytes::End = self.receive(&mut Vec::new())? {
                return Err(StepFailure::new(
                    "the server closed the connection in the TLS handshake",
                    "ws:// instead of wss://, if the server does not speak TLS there; or its log",
                ));
            }
        }
        self.send_cipher()?;
        self.tls
            .as_ref()
            .ok_or_else(|| StepFailure::new("no TLS", LOG))
    }

    fn send_cipher(&mut self) -> Result<(), StepFailure> {
        let sent = self.stream.write_all(self.cipher.bytes());
        self.cipher.clear();
        sent.map_err(|error| self.io(&error))
    }

    fn send(&mut self, plain: &[u8]) -> Result<(), StepFailure> {
        self.stream
            .set_write_timeout(Some(self.left()))
            .map_err(|error| self.io(&error))?;
        let Some(tls) = &mut self.tls else {
            return self
                .stream
                .write_all(plain)
                .map_err(|error| self.io(&error));
        };
        let mut bytes = Vec::new();
        let written = tls.write(&[plain], &mut self.cipher, |piece| {
            bytes.extend_from_slice(piece);
        });
        written.map_err(|error| StepFailure::new(error.to_string(), advice::of_tls(&error)))?;
        self.stream
            .write_all(&bytes)
            .map_err(|error| self.io(&error))
    }

    /// Receives once; plaintext is appended to `plain`.
    fn receive(&mut self, plain: &mut Vec<u8>) -> Result<ReceivedBytes, StepFailure> {
        self.stream
            .set_read_timeout(Some(self.left()))
            .map_err(|error| self.io(&error))?;
        let kept = match &mut self.tls {
            Some(tls) => tls.restore(&mut self.wire),
            None => 0,
        };
        let count = loop {
            match self.stream.read(&mut self.wire[kept..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(|error| self.io(&error))?,
            }
        };
        let wire = &mut self.wire[..kept + count];
        match &mut self.tls {
            Some(tls) => {
                let read = tls.read(wire, plain, &mut self.cipher);
                let ended = count == 0 || tls.is_peer_closed();
                // The server is told of an error too.
                let sent = self.send_cipher();
                read.map_err(|error| {
                    let cause = format!("TLS failed: {error}");
                    StepFailure::new(cause, advice::of_tls(&error))
                })?;
                sent?;
                Ok(ReceivedBytes::of(ended))
            }
            None => {
                plain.extend_from_slice(wire);
                Ok(ReceivedBytes::of(count == 0))
            }
        }
    }

    /// Until the end of the step; a timeout of zero would mean none.
    fn left(&self) -> Duration {
        let left = self.end.saturating_duration_since(Instant::now());
        left.max(Duration::from_millis(1))
    }

    fn io(&self, error: &io::Error) -> StepFailure {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => StepFailure::timeout(
                "the server did not answer in time",
                "again, with a longer --timeout; or another port, if another program listens on this one",
            ),
            _ => StepFailure::new(error.to_string(), LOG),
        }
    }
}

enum ReceivedBytes {
    Some,
    End,
}

impl ReceivedBytes {
    fn of(ended: bool) -> ReceivedBytes {
        if ended {
            ReceivedBytes::End
        } else {
            ReceivedBytes::Some
        }
    }
}

/// A client's connection over a transport.
pub(super) struct Link {
    transport: TestTransport,
    conn: Connection,
    aux: Aux,
    tools: Tools,
    /// Bytes to send.
    sent: Vec<u8>,
    cork: Vec<u8>,
}

impl Link {
    /// Sends the upgrade request. `random` fills with bytes that nobody can guess.
    pub(super) fn open(
        transport: TestTransport,
        request: &UpgradeRequest<'_>,
        random: fn(&mut [u8; 256]),
    ) -> Result<Link, StepFailure> {
        let mut bytes = [0; 256];
        random(&mut bytes);
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&bytes[..16]);
        let (mut cork, mut sent) = (Vec::new(), Vec::new());
        let mut out = Out {
            cork: &mut cork,
            transport: &mut sent,
            date: DATE,
        };
        let conn = Connection::client(
            ConnId::new(1, 0),
            Rc::new(conf()),
            request,
            nonce,
            &mut out,
            NOW,
        );
        let mut link = Link {
            transport,
            conn,
            aux: Aux::default(),
            tools: Tools {
                pool: Pool::default(),
                keys: MaskingKeys::new(random),
            },
            sent,
            cork,
        };
        link.flush()?;
        Ok(link)
    }

    /// Sends a ping; the answer has until `end`.
    pub(super) fn ping(&mut self, end: Instant) -> Result<(), StepFailure> {
        self.transport.end = end;
        self.with_out(Connection::ping);
        self.flush()
    }

    /// Closes the connection, and waits until `end` for the server's Close frame.
    pub(super) fn close(mut self, end: Instant) {
        self.transport.end = end;
        self.with_out(|conn, tools, out| {
            conn.start_closing(CloseCode::NORMAL, "", tools, out, NOW);
        });
        if self.flush().is_ok() {
            // The test is over, however this ends.
            let _ = self.wait();
        }
    }

    /// Receives until there is something to report. When the connection ends first, the error says why.
    pub(super) fn wait(&mut self) -> Result<Seen, StepFailure> {
        loop {
            let mut input = self.conn.take_rest().map(|rest| *rest).unwrap_or_default();
            let received = self.transport.receive(&mut input)?;
            self.conn.received(input.len(), NOW);
            let seen = self.work(&mut input);
            // A failure to send matters less than what was received.
            let flushed = self.flush();
            if let Some(seen) = seen {
                return seen;
            }
            flushed?;
            if let ReceivedBytes::End = received {
                let reason = self.conn.on_eof().unwrap_or(CloseReason::Eof);
                return Err(advice::of_end(&reason, self.transport.tls.is_some()));
            }
        }
    }

    /// The first thing in the input to report.
    fn work(&mut self, input: &mut [u8]) -> Option<Result<Seen, StepFailure>> {
        let tls = self.transport.tls.is_some();
        let mut first = None;
        let mut at = 0;
        loop {
            let mut out = Out {
                cork: &mut self.cork,
                transport: &mut self.sent,
                date: DATE,
            };
            let step = self.conn.step(
                &mut input[at..],
                &mut self.aux,
                &mut self.tools,
                &mut out,
                NOW,
            );
            at += step.used;
            let seen = match step.got {
                Got::More => break,
                Got::Now(Event::Opened { protocol }) => {
                    Some(Ok(Seen::Opened(protocol.map(str::to_owned))))
                }
                Got::Now(Event::Pong) => Some(Ok(Seen::Pong)),
                Got::Now(Event::Closed(reason)) => Some(Err(advice::of_end(&reason, tls))),
                Got::Now(_) => None,
                Got::Whole(_, data) => {
                    self.tools.pool.give_back(data);
                    None
                }
            };
            // The end of the connection matters more than what came before it.
            if first.is_none() || matches!(seen, Some(Err(_))) {
                first = seen.or(first);
            }
        }
        self.conn.keep(&input[at..]);
        first
    }

    fn with_out(&mut self, work: impl FnOnce(&mut Connection, &mut Tools, &mut Out<'_>)) {
        let mut out = Out {
            cork: &mut self.cork,
            transport: &mut self.sent,
            date: DATE,
        };
        work(&mut self.conn, &mut self.tools, &mut out);
    }

    fn flush(&mut self) -> Result<(), StepFailure> {
        self.with_out(|_, _, out| out.flush());
        let sent = self.transport.send(&self.sent);
        self.sent.clear();
        sent
    }
}

fn conf() -> Conf {
    Conf {
        max_message: 16 << 20,
        head_timeout: Millis::MAX,
        idle_timeout: Millis::MAX,
        ping_interval: Millis::ZERO,
        pong_timeout: Millis::MAX,
        ..Conf::default()
    }
}
