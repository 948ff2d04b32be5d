//! Frames on the wire (RFC 6455 §5.2): the header, and every rule that can be checked by a header alone.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M| payload len |   extended payload length     |
//! |I|S|S|S|  (4)  |A|     (7)     |           (16 or 64)          |
//! |N|V|V|V|       |S|             |  if payload len is 126 or 127 |
//! | |1|2|3|       |K|             |                               |
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |        masking key (32), if MASK is set; then the payload     |
//! +---------------------------------------------------------------+
//! ```
//!
//! `session` checks the rules that depend on earlier frames (§5.4).

use std::fmt;
use std::ops::Deref;

use super::mask::{self, MaskingKey};

/// The longest header: two bytes, a length of 64 bits, a masking key.
pub const MAX_HEADER: usize = 14;

/// RFC 6455 §5.5: the longest payload of a control frame.
pub const MAX_CONTROL_PAYLOAD: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const MASK: u8 = 0x80;

/// Our side of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Receives masked frames, sends unmasked ones.
    Server,
    /// Receives unmasked frames, sends masked ones.
    Client,
}

/// What a frame carries (RFC 6455 §5.2, §11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OpCode {
    /// The next fragment of a message.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// Starts or answers the closing handshake.
    Close = 0x8,
    /// Demands a Pong.
    Ping = 0x9,
    /// The answer to a Ping, or an unsolicited heartbeat.
    Pong = 0xA,
}

impl OpCode {
    /// RFC 6455 §5.5: control frames may come between the fragments of a message.
    #[inline]
    pub fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    #[inline]
    fn decode(bits: u8) -> Result<OpCode, Error> {
        Ok(match bits {
            0x0 => OpCode::Continuation,
            0x1 => OpCode::Text,
            0x2 => OpCode::Binary,
            0x8 => OpCode::Close,
            0x9 => OpCode::Ping,
            0xA => OpCode::Pong,
            unknown => return Err(Error::UnknownOpCode(unknown)),
        })
    }
}

/// The two kinds of messages (RFC 6455 §5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Anything.
    Binary,
}

impl From<Kind> for OpCode {
    #[inline]
    fn from(kind: Kind) -> OpCode {
        match kind {
            Kind::Text => OpCode::Text,
            Kind::Binary => OpCode::Binary,
        }
    }
}

/// A fault of the peer, which fails the connection (RFC 6455 §7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// §5.2: a reserved bit is set, and no extension is in use.
    ReservedBits,
    /// §5.2: an unknown opcode.
    UnknownOpCode(u8),
    /// §5.5: a control frame in fragments.
    FragmentedControl,
    /// §5.5: a control frame with more than 125 bytes.
    LongControl,
    /// §5.2: a length in more bytes than it needs.
    LengthNotMinimal,
    /// §5.2: a length with its most significant bit set.
    LengthTooLarge,
    /// §5.1: a frame from a client that is not masked.
    Unmasked,
    /// §5.1: a frame from a server that is masked.
    Masked,
    /// §5.4: a continuation without a message.
    UnexpectedContinuation,
    /// §5.4: a new message before the end of the last.
    ExpectedContinuation,
    /// §5.5.1: the payload of a Close frame is one byte, half a code.
    ShortClose,
    /// §7.4: a code that a Close frame must not have.
    InvalidCloseCode(u16),
    /// §8.1: a text, or the reason in a Close frame, that is not UTF-8.
    InvalidUtf8,
    /// The message is longer than the limit.
    TooBig,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::ReservedBits => "reserved bit set in a frame",
            Error::UnknownOpCode(code) => return write!(f, "unknown opcode {code:#x}"),
            Error::FragmentedControl => "fragmented control frame",
            Error::LongControl => "control frame of more than 125 bytes",
            Error::LengthNotMinimal => "frame length in more bytes than it takes",
            Error::LengthTooLarge => "frame length of 2^63 or more",
            Error::Unmasked => "unmasked frame from a client",
            Error::Masked => "masked frame from a server",
            Error::UnexpectedContinuation => "continuation frame without a message",
            Error::ExpectedContinuation => "new message inside a fragmented one",
            Error::ShortClose => "close frame with half a code",
            Error::InvalidCloseCode(code) => return write!(f, "invalid close code {code}"),
            Error::InvalidUtf8 => "text that is not UTF-8",
            Error::TooBig => "message too big",
        })
    }
}

impl std::error::Error for Error {}

/// A frame without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The last (or only) frame of its message.
    pub fin: bool,
    /// The bit that RFC 7692 uses. No extension is negotiated yet, so `decode` refuses it.
    pub rsv1: bool,
    /// What the frame carries.
    pub opcode: OpCode,
    /// The key that its payload is masked with.
    pub mask: Option<MaskingKey>,
    /// Bytes of payload; below 2^63.
    pub len: u64,
}

impl FrameHeader {
    /// Reads the header at the beginning of `input`, for a receiver in `role`: the header and its length, or `None` when it
    /// is incomplete. A fault is reported as soon as its byte has come.
    #[inline]
    pub fn decode(input: &[u8], role: Role) -> Result<Option<(FrameHeader, usize)>, Error> {
        let Some(&first) = input.first() else {
            return Ok(None);
        };
        let opcode = decode_first(first)?;
        let Some(&second) = input.get(1) else {
            return Ok(None);
        };
        check_second(second, opcode, role)?;
        let Some((len, at)) = decode_length(second & !MASK, input)? else {
            return Ok(None);
        };
        let header = FrameHeader {
            fin: first & FIN != 0,
            rsv1: false,
            opcode,
            mask: None,
            len,
        };
        if second & MASK == 0 {
            return Ok(Some((header, at)));
        }
        let Some(key) = array_at::<4>(input, at) else {
            return Ok(None);
        };
        Ok(Some((
            FrameHeader {
                mask: Some(key),
                ..header
            },
            at + 4,
        )))
    }

    /// Writes the header in its shortest form.
    #[inline]
    pub fn encode(&self) -> HeaderBytes {
        let mut out = HeaderBytes {
            bytes: [0; MAX_HEADER],
            len: 0,
        };
        let rsv1 = if self.rsv1 { RSV1 } else { 0 };
        let mask = if self.mask.is_some() { MASK } else { 0 };
        out.push([first_byte(self.opcode, self.fin) | rsv1]);
        match self.len {
            0..=125 => out.push([mask | self.len as u8]),
            126..=0xFFFF => {
                out.push([mask | 126]);
                out.push((self.len as u16).to_be_bytes());
            }
            _ => {
                out.push([mask | 127]);
                out.push(self.len.to_be_bytes());
            }
        }
        if let Some(key) = self.mask {
            out.push(key);
        }
        out
    }
}

#[inline]
fn decode_first(byte: u8) -> Result<OpCode, Error> {
    // RFC 6455 §5.2: a reserved bit MUST be 0 unless an extension is negotiated that defines it.
    if byte & (RSV1 | RSV2_RSV3) != 0 {
        return Err(Error::ReservedBits);
    }
    let opcode = OpCode::decode(byte & 0x0F)?;
    if opcode.is_control() && byte & FIN == 0 {
        return Err(Error::FragmentedControl);
    }
    Ok(opcode)
}

#[inline]
fn check_second(byte: u8, opcode: OpCode, role: Role) -> Result<(), Error> {
    // RFC 6455 §5.1: a client masks all its frames, a server none.
    match (role, byte & MASK != 0) {
        (Role::Server, false) => return Err(Error::Unmasked),
        (Role::Client, true) => return Err(Error::Masked),
        (Role::Server, true) | (Role::Client, false) => {}
    }
    if opcode.is_control() && usize::from(byte & !MASK) > MAX_CONTROL_PAYLOAD {
        return Err(Error::LongControl);
    }
    Ok(())
}

/// The length of the payload, and where the header continues. `short` is the length of 7 bits.
#[inline]
fn decode_length(short: u8, input: &[u8]) -> Result<Option<(u64, usize)>, Error> {
    match short {
        126 => decode_length_16(input),
        127 => decode_length_64(input),
        len => Ok(Some((u64::from(len), 2))),
    }
}

fn decode_length_16(input: &[u8]) -> Result<Option<(u64, usize)>, Error> {
    let Some(bytes) = array_at::<2>(input, 2) else {
        return Ok(None);
    };
    match u16::from_be_bytes(bytes) {
        0..126 => Err(Error::LengthNotMinimal),
        len => Ok(Some((u64::from(len), 4))),
    }
}

fn decode_length_64(input: &[u8]) -> Result<Option<(u64, usize)>, Error> {
    if input.get(2).is_some_and(|&byte| byte & 0x80 != 0) {
        return Err(Error::LengthTooLarge);
    }
    // A length that needs eight bytes has a bit set above the lowest sixteen.
    if input
        .get(2..8)
        .is_some_and(|high| high.iter().all(|&byte| byte == 0))
    {
        return Err(Error::LengthNotMinimal);
    }
    let Some(bytes) = array_at::<8>(input, 2) else {
        return Ok(None);
    };
    Ok(Some((u64::from_be_bytes(bytes), 10)))
}

#[inline]
fn array_at<const N: usize>(input: &[u8], at: usize) -> Option<[u8; N]> {
    input.get(at..)?.first_chunk().copied()
}

#[inline]
fn first_byte(opcode: OpCode, fin: bool) -> u8 {
    opcode as u8 | if fin { FIN } else { 0 }
}

/// An encoded header; it derefs to its bytes.
#[derive(Clone, Copy, Debug)]
pub struct HeaderBytes {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl HeaderBytes {
    #[inline]
    fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        let at = usize::from(self.len);
        self.bytes[at..at + N].copy_from_slice(&bytes);
        self.len += N as u8;
    }
}

impl Deref for HeaderBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Appends an unmasked frame to `out`: what a server sends.
#[inline(always)]
pub fn put_unmasked(out: &mut Vec<u8>, opcode: OpCode, fin: bool, payload: &[u8]) {
    if payload.len() > 125 {
        put_long_unmasked(out, opcode, fin, payload);
        return;
    }
    out.reserve(2 + MAX_CONTROL_PAYLOAD);
    let header = [first_byte(opcode, fin), payload.len() as u8];
    let spare = &mut out.spare_capacity_mut()[..2 + payload.len()];
    spare[0].write(header[0]);
    spare[1].write(header[1]);
    spare[2..].write_copy_of_slice(payload);
    // SAFETY: the header and the payload were just written there.
    unsafe { out.set_len(out.len() + 2 + payload.len()) };
}

fn put_long_unmasked(out: &mut Vec<u8>, opcode: OpCode, fin: bool, payload: &[u8]) {
    let header = FrameHeader {
        fin,
        rsv1: false,
        opcode,
        mask: None,
        len: payload.len() as u64,
    };
    out.reserve(MAX_HEADER + payload.len());
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(payload);
}

/// Appends a frame masked with `key` to `out`: what a client sends.
pub fn put_masked(out: &mut Vec<u8>, key: MaskingKey, opcode: OpCode, fin: bool, payload: &[u8]) {
    let header = FrameHeader {
        fin,
        rsv1: false,
        opcode,
        mask: Some(key),
        len: payload.len() as u64,
    };
    out.reserve(MAX_HEADER + payload.len());
    out.extend_from_slice(&header.encode());
    let at = out.len();
    out.extend_from_slice(payload);
    mask::apply(key, 0, &mut out[at..]);
}

#[cfg(test)]
mod tests;
