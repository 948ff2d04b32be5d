//! TLS as a filter of bytes (RFC 8446, RFC 5246): ciphertext in, plaintext out, and the other way round.
//!
//! It does no I/O, as everything of this floor. The caller owns the buffers; for each batch of received bytes it calls
//!
//! 1. [`Tls::restore`]: the incomplete record of the last batch, to be put before the new bytes;
//! 2. [`Tls::read`] once, which appends all plaintext of the batch to one buffer, and what the handshake has to say to
//!    another, which is to be sent at once and as it is;
//! 3. [`Tls::write`] for whatever is said before [`Tls::close`], which ends the sending half (RFC 8446 §6.1).
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

/// What rustls keeps of a connection, at most, as it was measured: from 2.2 KiB before the first byte and 3.7 KiB when
/// the handshake is done to 4.1 KiB in the midst of it.
const STATE: usize = 4096;

/// Ciphertext is handed on when it is as long as this.
const FULL: usize = 16 * RECORD;

/// Answered to plain HTTP.
pub(super) const PLAIN_HTTP: &str =
    "This port speaks TLS: its addresses begin with https:// or wss://.\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has come yet.
    Fresh,
    Handshake,
    /// Both sides have keys.
    Open,
    /// We have said that we say no more.
    Closed,
    /// An error ended it: nothing is read, nothing is said.
    Failed,
}

/// The TLS layer of one connection.
pub struct Tls {
    machine: Machine,
    /// Ciphertext of which the rest has not come.
    pending: Vec<u8>,
    state: State,
    peer_closed: bool,
}

impl Tls {
    /// The layer of a connection that a server has accepted.
    ///
    /// # Errors
    /// When rustls takes no connection by this configuration, for a fault of ours only.
    pub fn server(config: &Arc<ServerConfig>) -> Result<Tls, rustls::Error> {
        let rustls = UnbufferedServerConnection::new(Arc::clone(config))?;
        Ok(Tls::new(Machine::Server(rustls)))
    }

    /// The layer of a connection that a client has opened to `server`, whose certificate has to be good for that name.
    /// The client speaks first: see [`Tls::start`].
    ///
    /// # Errors
    /// When rustls makes no connection by this configuration, for a fault of ours only.
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

    /// Puts the beginning of the handshake into `cipher` (client; a server has nothing to say yet).
    ///
    /// # Errors
    /// When there is nothing that the configuration allows to be offered.
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

    /// Whether the peer has said that it says no more (RFC 8446 §6.1).
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

    /// Whether it is the server's side.
    #[must_use]
    pub fn is_server(&self) -> bool {
        matches!(self.machine, Machine::Server(_))
    }

    /// The certificates that the peer has shown, its own first, each in DER; none when it did not have to.
    #[must_use]
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        let shown = self.machine.common().peer_certificates();
        shown.unwrap_or_default()
    }

    /// Puts what is left over from the last batch at the beginning of `wire`; how many bytes that were, which is at
    /// most one record or one handshake message.
    pub fn restore(&mut self, wire: &mut [u8]) -> usize {
        let pending = std::mem::take(&mut self.pending);
        let count = pending.len().min(wire.len());
        wire[..count].copy_from_slice(&pending[..count]);
        count
    }

    /// Works on all that has come. Its plaintext is appended to `plain`, an answer of the handshake to `cipher`.
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
            // A method is in capitals, and so is what begins an answer; a handshake record begins with 22 and an alert
            // with 21 (RFC 8446 §5.1).
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
        // Nothing counts after close_notify (RFC 8446 §6.1).
        if used < wire.len() && !self.peer_closed {
            self.pending = wire[used..].to_vec();
        }
        Ok(())
    }

    /// Encrypts the parts, in as few records as there can be, and gives the ciphertext to `send`, in one piece unless it
    /// is long. Before the handshake is done and after [`Tls::close`] nothing can be said, and is not.
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

    /// Only what is less than a record is copied, to be joined with what comes after it.
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

    /// Says that nothing more will be said (RFC 8446 §6.1), once.
    pub fn close(&mut self, cipher: &mut Cipher) {
        if self.state == State::Open {
            // When even that cannot be said, the end of the stream says it.
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
