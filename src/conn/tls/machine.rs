//! rustls's connections of both roles behind one face: everything that calls it.

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

/// What a record's header, nonce, padding and tag add at most, in either version.
const OVERHEAD: usize = 64;

/// Beside records, a key update may be due (RFC 8446 §4.6.3). And the usual length of a handshake's message.
const EXTRA: usize = 512;

/// The machine of one connection.
pub(super) enum Machine {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// What came of received bytes.
pub(super) struct Read {
    /// How many of them are done with.
    pub(super) used: usize,
    /// Both sides have keys.
    pub(super) is_open: bool,
    /// The peer has said that it says no more.
    pub(super) peer_closed: bool,
    pub(super) result: Result<(), rustls::Error>,
}

/// What is to be encrypted.
#[derive(Clone, Copy)]
pub(super) enum Say<'s> {
    Data(&'s [u8]),
    /// That nothing more will be said (RFC 8446 §6.1).
    Close,
}

impl Machine {
    pub(super) fn common(&self) -> &CommonState {
        match self {
            Machine::Server(machine) => machine,
            Machine::Client(machine) => machine,
        }
    }

    /// Works on all that has come. Its plaintext is appended to `plain`, an answer of the handshake to `cipher`.
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

    /// The alert that there is for the peer after an error. It is asked for that only, and reads nothing more.
    pub(super) fn put_alert(&mut self, wire: &mut [u8], cipher: &mut Cipher) {
        match self {
            Machine::Server(machine) => put_alert(&mut **machine, wire, cipher),
            Machine::Client(machine) => put_alert(&mut **machine, wire, cipher),
        }
    }

    /// Encrypts. What is `pending` of received bytes is shown to rustls again, for it counts from there.
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

/// The one thing that rustls does not offer for both roles alike.
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

/// Leads rustls to where something can be encrypted.
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
    // The room that it wants, when that is all that is wrong.
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
