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

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};

/// The most plaintext of one record (RFC 8446 §5.1).
pub const RECORD: usize = 1 << 14;

/// What a record's header, nonce, padding and tag add at most, in either version.
const OVERHEAD: usize = 64;

/// Beside records, a key update may be due (RFC 8446 §4.6.3). And the usual length of a handshake's message.
const EXTRA: usize = 512;

/// Ciphertext is handed on when it is as long as this.
const FULL: usize = 16 * RECORD;

/// Answered to plain HTTP.
pub(super) const PLAIN_HTTP: &str =
    "This port speaks TLS: its addresses begin with https:// or wss://.\n";

/// Why a connection cannot go on.
#[derive(Clone, Debug, PartialEq)]
pub enum TlsError {
    /// The peer's first byte begins an HTTP request, and no handshake.
    PlainHttp,
    /// The peer broke the protocol, or there is nothing that both sides can do, or it shows no certificate that we
    /// trust. The alert that tells it so is in the ciphertext.
    Failed(rustls::Error),
    /// The keys are used up (RFC 8446 §5.5).
    Exhausted,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::PlainHttp => f.write_str("plain HTTP on a port that speaks TLS"),
            TlsError::Failed(error) => error.fmt(f),
            TlsError::Exhausted => f.write_str("the keys are used up"),
        }
    }
}

/// Room for ciphertext: shared by all connections, written anew by each, and zeroed only when it grows.
#[derive(Debug, Default)]
pub struct Cipher {
    buffer: Vec<u8>,
    len: usize,
    /// A record's plaintext, while it is joined from parts.
    record: Vec<u8>,
}

impl Cipher {
    /// What is to be sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// It is sent.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    fn room(&mut self, most: usize) -> &mut [u8] {
        let end = self.len + most;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        &mut self.buffer[self.len..end]
    }

    /// Appends what `put` writes; it is called again with as much room as it says that it wants.
    fn append(
        &mut self,
        most: usize,
        mut put: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
    ) -> bool {
        let put = match put(self.room(most)) {
            Err(Some(wanted)) => put(self.room(wanted)),
            other => other,
        };
        self.len += put.unwrap_or(0);
        put.is_ok()
    }
}

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
    rustls: UnbufferedServerConnection,
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
        Ok(Tls {
            rustls: UnbufferedServerConnection::new(Arc::clone(config))?,
            pending: Vec::new(),
            state: State::Fresh,
            peer_closed: false,
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

    /// Bytes that are kept for the next batch.
    #[must_use]
    pub fn held(&self) -> usize {
        self.pending.capacity()
    }

    /// The version and cipher suite that both sides have agreed on, such as `TLSv1_3`, for the log.
    #[must_use]
    pub fn agreed(&self) -> Option<(rustls::ProtocolVersion, rustls::CipherSuite)> {
        let suite = self.rustls.negotiated_cipher_suite()?;
        Some((self.rustls.protocol_version()?, suite.suite()))
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
            // A method is in capitals; a handshake record begins with 22 (RFC 8446 §5.1).
            if first.is_ascii_uppercase() {
                self.state = State::Failed;
                return Err(TlsError::PlainHttp);
            }
            self.state = State::Handshake;
        }
        if self.state == State::Failed {
            return Ok(());
        }
        let mut at = 0;
        let result = loop {
            let UnbufferedStatus { discard, state } =
                self.rustls.process_tls_records(&mut wire[at..]);
            let mut used = discard;
            let wants_more = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        plain.extend_from_slice(record.payload);
                        used += record.discard;
                    }
                    false
                }
                Ok(ConnectionState::EncodeTlsData(data)) => !encode(data, cipher),
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    false
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.peer_closed = true;
                    false
                }
                Ok(ConnectionState::WriteTraffic(_)) => {
                    if self.state == State::Handshake {
                        self.state = State::Open;
                    }
                    true
                }
                Ok(_) => true,
                Err(error) => {
                    at += used;
                    break Err(error);
                }
            };
            at += used;
            if wants_more {
                break Ok(());
            }
        };
        if let Err(error) = result {
            self.state = State::Failed;
            self.put_alert(&mut wire[at..], cipher);
            return Err(TlsError::Failed(error));
        }
        // Nothing counts after close_notify (RFC 8446 §6.1).
        if at < wire.len() && !self.peer_closed {
            self.pending = wire[at..].to_vec();
        }
        Ok(())
    }

    /// The alert that rustls has for the peer after an error. It is asked for that only, and reads nothing more.
    fn put_alert(&mut self, mut wire: &mut [u8], cipher: &mut Cipher) {
        while self.rustls.wants_write() {
            let UnbufferedStatus { discard, state } = self.rustls.process_tls_records(wire);
            let Ok(ConnectionState::EncodeTlsData(data)) = state else {
                return;
            };
            if !encode(data, cipher) {
                return;
            }
            wire = &mut wire[discard..];
        }
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
            self.encrypt(chunk, cipher)?;
            if cipher.len >= FULL {
                send(cipher.bytes());
                cipher.clear();
            }
        }
        Ok(())
    }

    fn encrypt(&mut self, chunk: &[u8], cipher: &mut Cipher) -> Result<(), TlsError> {
        let most = chunk.len() + (chunk.len() / RECORD + 1) * OVERHEAD + EXTRA;
        self.speak(cipher, |mut traffic, cipher| {
            cipher.append(most, |room| {
                traffic.encrypt(chunk, room).map_err(|error| wanted(&error))
            })
        })
    }

    /// Says that nothing more will be said (RFC 8446 §6.1), once.
    pub fn close(&mut self, cipher: &mut Cipher) {
        if self.state == State::Open {
            // When even that cannot be said, the end of the stream says it.
            let _ = self.speak(cipher, |mut traffic, cipher| {
                cipher.append(EXTRA, |room| {
                    traffic
                        .queue_close_notify(room)
                        .map_err(|error| wanted(&error))
                })
            });
            self.state = State::Closed;
        }
    }

    /// Leads rustls to where something can be encrypted. What is pending is shown to it again, for it counts from there.
    fn speak(
        &mut self,
        cipher: &mut Cipher,
        say: impl FnOnce(WriteTraffic<'_, ServerConnectionData>, &mut Cipher) -> bool,
    ) -> Result<(), TlsError> {
        loop {
            let UnbufferedStatus { state, .. } = self.rustls.process_tls_records(&mut self.pending);
            match state {
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    return if say(traffic, cipher) {
                        Ok(())
                    } else {
                        Err(TlsError::Exhausted)
                    };
                }
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    if !encode(data, cipher) {
                        return Err(TlsError::Exhausted);
                    }
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(_) => return Err(TlsError::Exhausted),
                Err(error) => return Err(TlsError::Failed(error)),
            }
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

/// A message of the handshake, or an alert.
fn encode<Data>(mut data: EncodeTlsData<'_, Data>, cipher: &mut Cipher) -> bool {
    cipher.append(EXTRA, |room| {
        data.encode(room).map_err(|error| match error {
            EncodeError::InsufficientSize(error) => Some(error.required_size),
            EncodeError::AlreadyEncoded => None,
        })
    })
}

/// The room that encrypting wants, when that is all that is wrong.
fn wanted(error: &EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(error) => Some(error.required_size),
        EncryptError::EncryptExhausted => None,
    }
}

#[cfg(test)]
mod tests;
