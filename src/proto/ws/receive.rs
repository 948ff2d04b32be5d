//! Receiving data (RFC 6455 §6.2): turns the bytes of the peer, however they are split, into messages and control frames.
//!
//! A message that is complete in the input stays there, and is unmasked in place. Only the rest is copied and kept.
//! `session` decides what an event means for the connection.

use std::mem;
use std::ops::Range;

use super::frame::{Error, FrameHeader, Kind, MAX_CONTROL_PAYLOAD, MAX_HEADER, OpCode, Role};
use super::mask::{self, MaskingKey};
use super::message::{Buffer, Pool, Unfinished};
use super::utf8;

/// From this many missing bytes on, reading straight into an unfinished message pays off.
const MIN_SPARE: usize = 16 << 10;

/// The state of the stream of frames.
#[derive(Debug)]
pub(super) struct Receiver {
    state: ReceiverState,
    /// The message whose fragments are being received; control frames may come between them (§5.4).
    unfinished: Option<Unfinished>,
}

// repr(u8) gives it a tag of its own, and keeps the order of fields; see the phase of a connection for the reason.
#[repr(u8)]
#[derive(Debug)]
enum ReceiverState {
    /// At the beginning of a frame.
    Between,
    /// In a header, whose first `have` bytes have come.
    Header {
        have: u8,
        bytes: [u8; MAX_HEADER - 1],
    },
    /// In the payload of a data frame. The key is rotated so that the next byte of the payload is at offset 0.
    Data {
        key: MaskingKey,
        fin: bool,
        left: u64,
    },
    /// In the payload of a control frame. Boxed, since this is rare: control frames are short.
    Control(Box<ControlFrame>),
    /// Nothing more is received.
    Done,
}

#[derive(Debug)]
pub(super) struct ControlFrame {
    opcode: OpCode,
    key: MaskingKey,
    len: usize,
    have: usize,
    payload: [u8; MAX_CONTROL_PAYLOAD],
}

/// The rules for the frames that are received.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// Our role.
    pub(super) role: Role,
    /// Whether messages are kept, or only checked.
    pub(super) keep: bool,
    /// The longest message that is kept, in bytes.
    pub(super) max_message: usize,
}

/// The input, and how much of it is used.
pub(super) struct Cursor<'i> {
    pub(super) bytes: &'i mut [u8],
    pub(super) at: usize,
}

impl Cursor<'_> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn take(&mut self, n: usize) -> Range<usize> {
        let start = self.at;
        self.at += n;
        start..self.at
    }
}

/// What was received. Data in the input is given by its range, since the input is still borrowed for reading.
#[derive(Debug)]
pub(super) enum ReceivedPart {
    Nothing,
    Message {
        kind: Kind,
        range: Range<usize>,
    },
    Whole {
        kind: Kind,
        data: Buffer,
    },
    Control {
        opcode: OpCode,
        payload: PayloadPlace,
    },
}

/// Where the payload of a control frame is.
#[derive(Debug)]
pub(super) enum PayloadPlace {
    Input(Range<usize>),
    /// It came in pieces.
    Own(Box<ControlFrame>),
}

impl ControlFrame {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.payload[..self.len]
    }
}

impl Receiver {
    pub(super) fn new() -> Receiver {
        Receiver {
            state: ReceiverState::Between,
            unfinished: None,
        }
    }

    /// Whether it is between two messages.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, ReceiverState::Between) && self.unfinished.is_none()
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, ReceiverState::Done)
    }

    /// From now on, nothing more is received.
    pub(super) fn end(&mut self, pool: &mut Pool) {
        self.state = ReceiverState::Done;
        if let Some(buffer) = self
            .unfinished
            .take()
            .and_then(|mut message| message.release())
        {
            pool.give_back(buffer);
        }
    }

    /// From now on the unfinished message is only checked.
    pub(super) fn drop_message(&mut self) {
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.release();
        }
    }

    /// Reads up to the first event; uses the whole input when there is none, or after an error.
    pub(super) fn receive(
        &mut self,
        input: &mut Cursor<'_>,
        terms: Terms,
        pool: &mut Pool,
    ) -> Result<ReceivedPart, Error> {
        while input.left() > 0 {
            match self.advance(input, terms, pool) {
                Ok(ReceivedPart::Nothing) => {}
                Ok(found) => return Ok(found),
                Err(error) => {
                    input.take(input.left());
                    return Err(error);
                }
            }
        }
        Ok(ReceivedPart::Nothing)
    }

    /// Reads one frame, or as much of its header or payload as there is.
    #[inline]
    fn advance(
        &mut self,
        input: &mut Cursor<'_>,
        terms: Terms,
        pool: &mut Pool,
    ) -> Result<ReceivedPart, Error> {
        match self.state {
            ReceiverState::Between => match FrameHeader::decode(input.rest(), terms.role)? {
                Some((header, len)) => {
                    input.take(len);
                    self.begin(&header, input, terms, pool)
                }
                None => Ok(self.keep_header(0, [0; MAX_HEADER - 1], input)),
            },
            ReceiverState::Header { have, bytes } => {
                self.continue_header(have, bytes, input, terms, pool)
            }
            ReceiverState::Data { .. } => self.continue_data(input),
            ReceiverState::Control(_) => Ok(self.continue_control(input)),
            ReceiverState::Done => {
                input.take(input.left());
                Ok(ReceivedPart::Nothing)
            }
        }
    }

    /// Keeps the rest of the input, after the first `have` bytes of the header.
    fn keep_header(
        &mut self,
        have: u8,
        mut bytes: [u8; MAX_HEADER - 1],
        input: &mut Cursor<'_>,
    ) -> ReceivedPart {
        let n = input.left();
        let have = usize::from(have);
        bytes[have..have + n].copy_from_slice(input.rest());
        input.take(n);
        self.state = ReceiverState::Header {
            have: (have + n) as u8,
            bytes,
        };
        ReceivedPart::Nothing
    }

    fn continue_header(
        &mut self,
        have: u8,
        bytes: [u8; MAX_HEADER - 1],
        input: &mut Cursor<'_>,
        terms: Terms,
        pool: &mut Pool,
    ) -> Result<ReceivedPart, Error> {
        let before = usize::from(have);
        let n = input.left().min(MAX_HEADER - before);
        let mut joined = [0; MAX_HEADER];
        joined[..before].copy_from_slice(&bytes[..before]);
        joined[before..before + n].copy_from_slice(&input.rest()[..n]);
        match FrameHeader::decode(&joined[..before + n], terms.role)? {
            Some((header, len)) => {
                input.take(len - before);
                self.state = ReceiverState::Between;
                self.begin(&header, input, terms, pool)
            }
            None => Ok(self.keep_header(have, bytes, input)),
        }
    }

    #[inline]
    fn begin(
        &mut self,
        header: &FrameHeader,
        input: &mut Cursor<'_>,
        terms: Terms,
        pool: &mut Pool,
    ) -> Result<ReceivedPart, Error> {
        if header.opcode.is_control() {
            Ok(self.begin_control(header, input))
        } else {
            self.begin_data(header, input, terms, pool)
        }
    }

    fn begin_control(&mut self, header: &FrameHeader, input: &mut Cursor<'_>) -> ReceivedPart {
        let FrameHeader {
            opcode, mask, len, ..
        } = *header;
        let (key, len) = (mask.unwrap_or_default(), len as usize);
        if input.left() < len {
            let payload = [0; MAX_CONTROL_PAYLOAD];
            self.state = ReceiverState::Control(Box::new(ControlFrame {
                opcode,
                key,
                len,
                have: 0,
                payload,
            }));
            return self.continue_control(input);
        }
        let range = input.take(len);
        mask::apply(key, 0, &mut input.bytes[range.clone()]);
        ReceivedPart::Control {
            opcode,
            payload: PayloadPlace::Input(range),
        }
    }

    fn continue_control(&mut self, input: &mut Cursor<'_>) -> ReceivedPart {
        let ReceiverState::Control(control) = &mut self.state else {
            return ReceivedPart::Nothing;
        };
        let n = (control.len - control.have).min(input.left());
        control.payload[control.have..control.have + n].copy_from_slice(&input.rest()[..n]);
        control.have += n;
        input.take(n);
        if control.have < control.len {
            return ReceivedPart::Nothing;
        }
        let ReceiverState::Control(mut control) =
            mem::replace(&mut self.state, ReceiverState::Between)
        else {
            return ReceivedPart::Nothing;
        };
        let (opcode, len) = (control.opcode, control.len);
        mask::apply(control.key, 0, &mut control.payload[..len]);
        ReceivedPart::Control {
            opcode,
            payload: PayloadPlace::Own(control),
        }
    }

    fn begin_data(
        &mut self,
        header: &FrameHeader,
        input: &mut Cursor<'_>,
        terms: Terms,
        pool: &mut Pool,
    ) -> Result<ReceivedPart, Error> {
        let key = header.mask.unwrap_or_default();
        if let Some(kind) = self.kind_of_first(header.opcode)? {
            if header.fin && terms.keep && header.len <= input.left() as u64 {
                return whole_message(kind, key, header.len as usize, input, terms.max_message);
            }
            let buffer = if terms.keep {
                Some(pool.take_for(header.len))
            } else {
                None
            };
            self.unfinished = Some(Unfinished::new(kind, buffer));
        }
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.reserve(header.len, terms.max_message)?;
        }
        self.state = ReceiverState::Data {
            left: header.len,
            key,
            fin: header.fin,
        };
        self.continue_data(input)
    }

    /// The kind of the message that a data frame begins; `None` if it continues one.
    #[inline]
    fn kind_of_first(&self, opcode: OpCode) -> Result<Option<Kind>, Error> {
        // RFC 6455 §5.4: the fragments of one message are not interleaved with those of another.
        match (opcode, &self.unfinished) {
            (OpCode::Continuation, Some(_)) => Ok(None),
            (OpCode::Continuation, None) => Err(Error::UnexpectedContinuation),
            (_, Some(_)) => Err(Error::ExpectedContinuation),
            (OpCode::Text, None) => Ok(Some(Kind::Text)),
            (_, None) => Ok(Some(Kind::Binary)),
        }
    }

    fn continue_data(&mut self, input: &mut Cursor<'_>) -> Result<ReceivedPart, Error> {
        let ReceiverState::Data { left, key, .. } = &mut self.state else {
            return Ok(ReceivedPart::Nothing);
        };
        let n = usize::try_from(*left).map_or(input.left(), |left| left.min(input.left()));
        let range = input.take(n);
        let piece = &mut input.bytes[range];
        mask::apply(*key, 0, piece);
        *key = mask::advance(*key, n);
        *left -= n as u64;
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.push(piece)?;
        }
        let whole = self.end_of_data()?;
        Ok(
            whole.map_or(ReceivedPart::Nothing, |(kind, data)| ReceivedPart::Whole {
                kind,
                data,
            }),
        )
    }

    /// Ends the data frame if all of it has come, and with the last frame its message.
    fn end_of_data(&mut self) -> Result<Option<(Kind, Buffer)>, Error> {
        let ReceiverState::Data { left: 0, fin, .. } = self.state else {
            return Ok(None);
        };
        self.state = ReceiverState::Between;
        if !fin {
            return Ok(None);
        }
        if let Some(unfinished) = &self.unfinished {
            unfinished.check_end()?;
        }
        Ok(self.unfinished.take().and_then(Unfinished::into_whole))
    }

    /// The buffer of the unfinished message, and how many bytes of its frame may be read into it, if they are many.
    #[inline(always)]
    pub(super) fn spare(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        match self.state {
            ReceiverState::Data { left, .. } => self.spare_for(left),
            _ => None,
        }
    }

    fn spare_for(&mut self, left: u64) -> Option<(&mut Vec<u8>, usize)> {
        let buffer = self.unfinished.as_mut()?.buffer()?;
        let room = buffer.capacity() - buffer.len();
        let wanted = usize::try_from(left).map_or(room, |left| left.min(room));
        (wanted >= MIN_SPARE).then_some((buffer, wanted))
    }

    /// Continues after the caller has read `n` bytes into the buffer.
    pub(super) fn filled(&mut self, n: usize) -> Result<Option<(Kind, Buffer)>, Error> {
        let ReceiverState::Data { left, key, .. } = &mut self.state else {
            return Ok(None);
        };
        let Some(unfinished) = &mut self.unfinished else {
            return Ok(None);
        };
        debug_assert!(n as u64 <= *left, "more than spare() wanted");
        let key_here = *key;
        *key = mask::advance(*key, n);
        *left = left.saturating_sub(n as u64);
        unfinished.pushed(n, |bytes| mask::apply(key_here, 0, bytes))?;
        self.end_of_data()
    }

    /// Bytes of memory for unfinished frames and messages.
    pub(super) fn held(&self) -> usize {
        let control = match &self.state {
            ReceiverState::Control(_) => size_of::<ControlFrame>(),
            _ => 0,
        };
        control + self.unfinished.as_ref().map_or(0, Unfinished::held)
    }
}

/// A message of `len` bytes that is complete in the input, at the cursor. It is not copied.
#[inline]
fn whole_message(
    kind: Kind,
    key: MaskingKey,
    len: usize,
    input: &mut Cursor<'_>,
    max_message: usize,
) -> Result<ReceivedPart, Error> {
    if len > max_message {
        return Err(Error::TooBig);
    }
    let range = input.take(len);
    let data = &mut input.bytes[range.clone()];
    mask::apply(key, 0, data);
    if kind == Kind::Text && !utf8::validate(data) {
        return Err(Error::InvalidUtf8);
    }
    Ok(ReceivedPart::Message { kind, range })
}
