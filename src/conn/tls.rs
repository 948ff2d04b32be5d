//! TLS as a filter of bytes (RFC 8446, RFC 5246): ciphertext in, plaintext out, and the reverse.
//!
//! It does no I/O. The caller owns the buffers; for each batch of received bytes it calls
//!
//! 1. [`Tls::restore`]: the incomplete record of the last batch, to be put before the new bytes;
//! 2. [`Tls::read`] once, which appends all plaintext of the batch to one buffer, and messages of the handshake to another,
//!    which are to be sent at once;
//! 3. [`Tls::write`] for everything that is sent before [`Tls::close`], which ends the sending half (RFC 8446 §6.1).
//!
//! rustls's unbuffered API has no buffers of its own, so a connection keeps its keys and, while there is one, an
//! incomplete record. It does not know certificates, files or the configuration.

mod cipher;
mod error;
mod machine;

use std::fmt;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, ServerConfig};

pub use cipher::Cipher;
pub use error::TlsError;
pub use machine::RECORD;

use machine::{Machine, Read, Say};

/// The most memory that rustls keeps for a connection, as measured: 2.2 KiB before the first byte, 4.1 KiB during the
/// handshake, 3.7 KiB after it.
const STATE: usize = 4096;

/// Ciphertext is passed on when it has this many bytes.
const FULL: usize = 16 * RECORD;

/// The answer to plain HTTP.
pub(super) const PLAIN_HTTP: &str =
    "This port speaks TLS: its addresses begin with https:// or wss://.\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has come yet.
    Fresh,
    Handshake,
    /// Both sides have keys.
    Open,
    /// We have sent close_notify.
    Closed,
    /// An error ended it: nothing is read and nothing is sent.
    Failed,
}

/// The TLS layer of one connection.
pub struct Tls {
    machine: Machine,
    /// An incomplete record.
    pending: Vec<u8>,
    state: State,
    peer_closed: bool,
}

impl Tls {
    /// The layer of a connection that a server has accepted.
    ///
    /// # Errors
    /// When rustls does not accept the configuration, which is a fault of bellwire.
    pub fn server(config: &Arc<ServerConfig>) -> Result<Tls, rustls::Error> {
        let rustls = UnbufferedServerConnection::new(Arc::clone(config))?;
        Ok(Tls::new(Machine::Server(rustls)))
    }

    /// The layer of a connection that a client has opened to `server`, whose certificate must be valid for that name. The
    /// client sends first: see [`Tls::start`].
    ///
    /// # Errors
    /// When rustls does not accept the configuration, which is a fault of bellwire.
    pub fn client(
        config: &Arc<ClientConfig>,
        server: ServerName<'static>,
    ) -> Result<Tls, rustls::Error> {
        let rustls = UnbufferedClientConnection::new(Arc::clone(config), server)?;
        Ok(Tls::new(Machine::Client(rustls)))
    }

    fn new(machine: Machine) -> Tls {
        Tls {
            machine,
            pending: Vec::new(),
            state: State::Fresh,
            peer_closed: false,
        }
    }

    /// Puts the beginning of the handshake into `cipher` (client only).
    ///
    /// # Errors
    /// When the configuration leaves nothing to offer.
    pub fn start(&mut self, cipher: &mut Cipher) -> Result<(), TlsError> {
        let read = self.machine.read(&mut [], &mut Vec::new(), cipher);
        read.result.map_err(|error| {
            self.state = State::Failed;
            TlsError::Failed(error)
        })
    }

    /// Whether the handshake is done.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether the peer has sent close_notify (RFC 8446 §6.1).
    #[must_use]
    pub fn is_peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        STATE + self.pending.capacity()
    }

    /// The version and cipher suite that both sides have agreed on, such as `TLSv1_3`, for the log.
    #[must_use]
    pub fn agreed(&self) -> Option<(rustls::ProtocolVersion, rustls::CipherSuite)> {
        let common = self.machine.common();
        let suite = common.negotiated_cipher_suite()?;
        Some((common.protocol_version()?, suite.suite()))
    }

    /// Whether this is the side of the server.
    #[must_use]
    pub fn is_server(&self) -> bool {
        matches!(self.machine, Machine::Server(_))
    }

    /// The certificates of the peer, its own first, each in DER; none when it was not asked.
    #[must_use]
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        let shown = self.machine.common().peer_certificates();
        shown.unwrap_or_default()
    }

    /// Puts what is left over from the last batch at the beginning of `wire`. Returns how many bytes these are: at most one
    /// record or one handshake message.
    pub fn restore(&mut self, wire: &mut [u8]) -> usize {
        let pending = std::mem::take(&mut self.pending);
        let count = pending.len().min(wire.len());
        wire[..count].copy_from_slice(&pending[..count]);
        count
    }

    /// Processes the whole batch. Its plaintext is appended to `plain`, messages of the handshake to `cipher`.
    ///
    /// # Errors
    /// The connection cannot go on; an alert for the peer may be in `cipher`. What comes from now on is discarded.
    pub fn read(
        &mut self,
        wire: &mut [u8],
        plain: &mut Vec<u8>,
        cipher: &mut Cipher,
    ) -> Result<(), TlsError> {
        let Some(first) = wire.first() else {
            return Ok(());
        };
        if self.state == State::Fresh {
            // A method begins with a capital, and so does an answer; a handshake record begins with 22 and an alert with
            // 21 (RFC 8446 §5.1).
            if first.is_ascii_uppercase() {
                self.state = State::Failed;
                return Err(match self.machine {
                    Machine::Server(_) => TlsError::PlainHttp,
                    Machine::Client(_) => TlsError::PlainAnswer,
                });
            }
            self.state = State::Handshake;
        }
        if self.state == State::Failed {
            return Ok(());
        }
        let Read {
            used,
            is_open,
            peer_closed,
            result,
        } = self.machine.read(wire, plain, cipher);
        self.peer_closed |= peer_closed;
        if is_open && self.state == State::Handshake {
            self.state = State::Open;
        }
        if let Err(error) = result {
            self.state = State::Failed;
            self.machine.put_alert(&mut wire[used..], cipher);
            return Err(TlsError::Failed(error));
        }
        // What comes after close_notify is ignored (RFC 8446 §6.1).
        if used < wire.len() && !self.peer_closed {
            self.pending = wire[used..].to_vec();
        }
        Ok(())
    }

    /// Encrypts the parts, in as few records as possible, and gives the ciphertext to `send`, in one piece unless it is long.
    /// Does nothing before the handshake is done and after [`Tls::close`].
    ///
    /// # Errors
    /// The connection cannot go on.
    pub fn write(
        &mut self,
        parts: &[&[u8]],
        cipher: &mut Cipher,
        mut send: impl FnMut(&[u8]),
    ) -> Result<(), TlsError> {
        if self.state != State::Open {
            return Ok(());
        }
        let mut record = std::mem::take(&mut cipher.record);
        let result = self.write_records(parts, &mut record, cipher, &mut send);
        record.clear();
        cipher.record = record;
        if result.is_err() {
            self.state = State::Failed;
        }
        if cipher.len > 0 {
            send(cipher.bytes());
            cipher.clear();
        }
        result
    }

    /// Only what is shorter than a record is copied, to be joined with the next part.
    fn write_records(
        &mut self,
        parts: &[&[u8]],
        record: &mut Vec<u8>,
        cipher: &mut Cipher,
        send: &mut impl FnMut(&[u8]),
    ) -> Result<(), TlsError> {
        let Some((last, before)) = parts.split_last() else {
            return Ok(());
        };
        for part in before.iter().chain([last]) {
            let mut part = *part;
            if !record.is_empty() {
                let (joined, rest) = part.split_at(part.len().min(RECORD - record.len()));
                record.extend_from_slice(joined);
                part = rest;
                if record.len() == RECORD {
                    self.seal(record, cipher, send)?;
                    record.clear();
                }
            }
            if record.is_empty() {
                let whole = if std::ptr::eq(*last, part) || part.is_empty() {
                    part.len()
                } else {
                    part.len() - part.len() % RECORD
                };
                let (whole, rest) = part.split_at(whole);
                self.seal(whole, cipher, send)?;
                record.extend_from_slice(rest);
            }
        }
        self.seal(record, cipher, send)
    }

    fn seal(
        &mut self,
        plain: &[u8],
        cipher: &mut Cipher,
        send: &mut impl FnMut(&[u8]),
    ) -> Result<(), TlsError> {
        for chunk in plain.chunks(FULL) {
            self.machine
                .say(Say::Data(chunk), &mut self.pending, cipher)?;
            if cipher.len >= FULL {
                send(cipher.bytes());
                cipher.clear();
            }
        }
        Ok(())
    }

    /// Sends close_notify, once (RFC 8446 §6.1).
    pub fn close(&mut self, cipher: &mut Cipher) {
        if self.state == State::Open {
            // When that fails, the end of the stream says the same.
            let _ = self.machine.say(Say::Close, &mut self.pending, cipher);
            self.state = State::Closed;
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("state", &self.state)
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
