//! The connections of rustls for both roles, behind one type. Only this file calls rustls while a connection lives.

use rustls::CommonState;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedConnectionCommon,
    UnbufferedStatus, WriteTraffic,
};

use super::cipher::Cipher;
use super::error::TlsError;

/// The most plaintext of one record (RFC 8446 §5.1).
pub const RECORD: usize = 1 << 14;

/// The most bytes that header, nonce, padding and tag add to a record, in either version.
const OVERHEAD: usize = 64;

/// Room for a key update in addition to records (RFC 8446 §4.6.3); also the usual length of a handshake message.
const EXTRA: usize = 512;

/// The rustls connection of either role.
pub(super) enum Machine {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// The result of reading.
pub(super) struct Read {
    /// Bytes that were used.
    pub(super) used: usize,
    /// Both sides have keys.
    pub(super) is_open: bool,
    /// The peer has sent close_notify.
    pub(super) peer_closed: bool,
    pub(super) result: Result<(), rustls::Error>,
}

/// What is to be encrypted.
#[derive(Clone, Copy)]
pub(super) enum Say<'s> {
    Data(&'s [u8]),
    /// close_notify (RFC 8446 §6.1).
    Close,
}

impl Machine {
    pub(super) fn common(&self) -> &CommonState {
        match self {
            Machine::Server(machine) => machine,
            Machine::Client(machine) => machine,
        }
    }

    /// Processes the whole batch. Its plaintext is appended to `plain`, messages of the handshake to `cipher`.
    pub(super) fn read(
        &mut self,
        wire: &mut [u8],
        plain: &mut Vec<u8>,
        cipher: &mut Cipher,
    ) -> Read {
        match self {
            Machine::Server(machine) => read(&mut **machine, wire, plain, cipher),
            Machine::Client(machine) => read(&mut **machine, wire, plain, cipher),
        }
    }

    /// Puts the alert for the peer after an error into `cipher`. Nothing more is read.
    pub(super) fn put_alert(&mut self, wire: &mut [u8], cipher: &mut Cipher) {
        match self {
            Machine::Server(machine) => put_alert(&mut **machine, wire, cipher),
            Machine::Client(machine) => put_alert(&mut **machine, wire, cipher),
        }
    }

    /// Encrypts. The `pending` bytes are given to rustls again, because its state refers to them.
    pub(super) fn say(
        &mut self,
        say: Say<'_>,
        pending: &mut [u8],
        cipher: &mut Cipher,
    ) -> Result<(), TlsError> {
        match self {
            Machine::Server(machine) => speak(&mut **machine, say, pending, cipher),
            Machine::Client(machine) => speak(&mut **machine, say, pending, cipher),
        }
    }
}

/// The part of rustls that differs by role in its types only.
trait Process: std::ops::Deref<Target = CommonState> {
    type Data;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Process for UnbufferedConnectionCommon<ServerConnectionData> {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }
}

impl Process for UnbufferedConnectionCommon<ClientConnectionData> {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }
}

fn read(
    machine: &mut impl Process,
    wire: &mut [u8],
    plain: &mut Vec<u8>,
    cipher: &mut Cipher,
) -> Read {
    let mut read = Read {
        used: 0,
        is_open: false,
        peer_closed: false,
        result: Ok(()),
    };
    loop {
        let UnbufferedStatus { discard, state } = machine.process(&mut wire[read.used..]);
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
                read.peer_closed = true;
                false
            }
            Ok(ConnectionState::WriteTraffic(_)) => {
                read.is_open = true;
                true
            }
            Ok(_) => true,
            Err(error) => {
                read.result = Err(error);
                true
            }
        };
        read.used += used;
        if wants_more {
            return read;
        }
    }
}

fn put_alert(machine: &mut impl Process, mut wire: &mut [u8], cipher: &mut Cipher) {
    while machine.wants_write() {
        let UnbufferedStatus { discard, state } = machine.process(wire);
        let Ok(ConnectionState::EncodeTlsData(data)) = state else {
            return;
        };
        if !encode(data, cipher) {
            return;
        }
        wire = &mut wire[discard..];
    }
}

/// Advances rustls to the state in which it can encrypt.
fn speak(
    machine: &mut impl Process,
    say: Say<'_>,
    pending: &mut [u8],
    cipher: &mut Cipher,
) -> Result<(), TlsError> {
    loop {
        let UnbufferedStatus { state, .. } = machine.process(pending);
        match state {
            Ok(ConnectionState::WriteTraffic(traffic)) => {
                return if encrypt(traffic, say, cipher) {
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

fn encrypt<Data>(mut traffic: WriteTraffic<'_, Data>, say: Say<'_>, cipher: &mut Cipher) -> bool {
    // The room that it asks for, when that is the only error.
    let wanted = |error| match error {
        EncryptError::InsufficientSize(error) => Some(error.required_size),
        EncryptError::EncryptExhausted => None,
    };
    match say {
        Say::Data(chunk) => {
            let most = chunk.len() + (chunk.len() / RECORD + 1) * OVERHEAD + EXTRA;
            cipher.append(most, |room| traffic.encrypt(chunk, room).map_err(wanted))
        }
        Say::Close => cipher.append(EXTRA, |room| {
            traffic.queue_close_notify(room).map_err(wanted)
        }),
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
