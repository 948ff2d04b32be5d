//! The state machine of RFC 6455 after the opening handshake, for both roles: bytes in, events and bytes out.
//!
//! Call `step` with the received bytes, and again with those it did not use, until it reports `SessionEvent::More`: then all
//! input is used. A message that is complete in the input is unmasked there and borrowed by the event; any other is
//! collected in a buffer of the `Pool` and moved out. The session itself writes Pongs and Close frames to `out`. After
//! `SessionEvent::Closed` or `SessionEvent::Failed` nothing more is read.
//!
//! The session knows no sockets, no time (the caller decides when to ping) and no extensions.

use super::close::{Close, CloseCode};
use super::frame::{
    self, Error, FrameHeader, HeaderBytes, Kind, MAX_CONTROL_PAYLOAD, OpCode, Role,
};
use super::mask::{self, MaskingKeys};
use super::message::{Buffer, Pool};
use super::receive::{Cursor, PayloadPlace, ReceivedPart, Receiver, Terms};
use super::utf8;

/// The state of one connection. It is small, since idle connections consist of little else.
#[derive(Debug)]
pub struct Session {
    receiver: Receiver,
    role: Role,
    /// Our Close frame is sent, so nothing may follow it (§5.5.1).
    closing: bool,
}

const _: () = assert!(size_of::<Session>() <= 40);

/// The result of `Session::step`.
#[derive(Debug)]
pub struct SessionStep<'e> {
    /// Bytes of the input that are used.
    pub used: usize,
    /// The event in them.
    pub got: SessionEvent<'e>,
}

/// What the peer has sent.
#[derive(Debug, PartialEq)]
pub enum SessionEvent<'e> {
    /// All input is used, without an event.
    More,
    /// A message that is complete in the input, unmasked there. Text is valid UTF-8.
    Message {
        /// Text or binary.
        kind: Kind,
        /// The message, in the input.
        data: &'e mut [u8],
    },
    /// A message that came in pieces. The caller gives the buffer back to the pool.
    Whole {
        /// Text or binary.
        kind: Kind,
        /// The message.
        data: Buffer,
    },
    /// A Ping. Its Pong has been written, unless we are closing.
    Ping(&'e [u8]),
    /// A Pong, solicited or not.
    Pong(&'e [u8]),
    /// The Close of the peer has come, and ours is written: the closing handshake is complete (§7.1.4).
    Closed {
        /// The peer's code, if it gave one.
        code: Option<CloseCode>,
        /// The peer's reason, often empty.
        reason: &'e str,
    },
    /// The peer broke the protocol: the connection fails (§7.1.7). A Close frame with the code of the error is written,
    /// unless one was sent before.
    Failed(Error),
}

/// The length of the header of a short message: two bytes and a masking key.
pub const SHORT_HEADER: usize = 6;

/// FIN and the opcode, with no reserved bit.
const SHORT_TEXT: u8 = 0x81;
const SHORT_BINARY: u8 = 0x82;

/// Room for the payload of one control frame.
pub type ControlPayload = [u8; MAX_CONTROL_PAYLOAD];

impl Session {
    /// An open connection, right after the opening handshake.
    pub fn new(role: Role) -> Session {
        Session {
            receiver: Receiver::new(),
            role,
            closing: false,
        }
    }

    /// The role of this side.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Reads `input` up to its first event, or all of it when there is none.
    ///
    /// `control` is room for the payload of a control frame that came in pieces, which the event borrows. Answers are
    /// appended to `out`; a client masks them with `keys`. A message of more than `max_message` bytes fails the connection
    /// as soon as its length is announced.
    #[inline(always)]
    pub fn step<'e>(
        &mut self,
        input: &'e mut [u8],
        control: &'e mut ControlPayload,
        pool: &mut Pool,
        keys: &mut MaskingKeys,
        out: &mut Vec<u8>,
        max_message: usize,
    ) -> SessionStep<'e> {
        let used = self.short_message(input, max_message).map(|(used, _)| used);
        let Some(used) = used else {
            return self.step_through(input, control, pool, keys, out, max_message);
        };
        let kind = if input[0] == SHORT_TEXT {
            Kind::Text
        } else {
            Kind::Binary
        };
        SessionStep {
            used,
            got: SessionEvent::Message {
                kind,
                data: &mut input[SHORT_HEADER..used],
            },
        }
    }

    /// The most frequent frame: a complete short message to a server, between two messages, at the beginning of `input`. It
    /// is unmasked there. The result is its end and its kind; the payload follows the [`SHORT_HEADER`].
    ///
    /// `None`, and nothing has changed, when the input begins in any other way: then call [`Session::step`]. A caller with
    /// many messages in one input calls this first, for speed.
    #[inline(always)]
    pub fn short_message(&self, input: &mut [u8], max_message: usize) -> Option<(usize, Kind)> {
        let &[first, second, ref key @ ..] = input.first_chunk::<SHORT_HEADER>()?;
        let kind = match first {
            SHORT_TEXT => Kind::Text,
            SHORT_BINARY => Kind::Binary,
            _ => return None,
        };
        // With the mask bit, lengths of 7 bits are 0x80 to 0xFD.
        let len = usize::from(second.wrapping_sub(0x80));
        let fits = len <= 125 && len <= max_message;
        if !fits || !self.is_idle() || self.role == Role::Client {
            return None;
        }
        let (key, used) = (*key, SHORT_HEADER + len);
        let data = input.get_mut(SHORT_HEADER..used)?;
        mask::apply(key, 0, data);
        if kind == Kind::Text && !utf8::validate(data) {
            // The general code finds the first bad byte.
            mask::apply(key, 0, data);
            return None;
        }
        Some((used, kind))
    }

    /// Reads any frame, in any state.
    #[inline(never)]
    fn step_through<'e>(
        &mut self,
        input: &'e mut [u8],
        control: &'e mut ControlPayload,
        pool: &mut Pool,
        keys: &mut MaskingKeys,
        out: &mut Vec<u8>,
        max_message: usize,
    ) -> SessionStep<'e> {
        let terms = Terms {
            role: self.role,
            keep: !self.closing,
            max_message,
        };
        let mut input = Cursor {
            bytes: input,
            at: 0,
        };
        let found = self.receiver.receive(&mut input, terms, pool);
        let Cursor { bytes, at: used } = input;
        let got = match found {
            Ok(ReceivedPart::Nothing) => SessionEvent::More,
            Ok(ReceivedPart::Message { kind, range }) => SessionEvent::Message {
                kind,
                data: &mut bytes[range],
            },
            Ok(ReceivedPart::Whole { kind, data }) => SessionEvent::Whole { kind, data },
            Ok(ReceivedPart::Control {
                opcode: OpCode::Ping,
                payload,
            }) => {
                let payload = find(payload, bytes, control);
                // RFC 6455 §5.5.2, §5.5.3: answered with the same payload.
                self.put_control(OpCode::Pong, payload, keys, out);
                SessionEvent::Ping(payload)
            }
            Ok(ReceivedPart::Control {
                opcode: OpCode::Pong,
                payload,
            }) => SessionEvent::Pong(find(payload, bytes, control)),
            Ok(ReceivedPart::Control { payload, .. }) => {
                self.receiver.end(pool);
                self.handle_close(find(payload, bytes, control), keys, out)
            }
            Err(error) => self.fail(error, pool, keys, out),
        };
        SessionStep { used, got }
    }

    fn handle_close<'e>(
        &mut self,
        payload: &'e [u8],
        keys: &mut MaskingKeys,
        out: &mut Vec<u8>,
    ) -> SessionEvent<'e> {
        match Close::decode(payload) {
            Ok(Close { code, reason }) => {
                // RFC 6455 §5.5.1: the answer typically repeats the code.
                self.put_close(&Close { code, reason: "" }, keys, out);
                SessionEvent::Closed { code, reason }
            }
            Err(error) => {
                self.put_close_for(error, keys, out);
                SessionEvent::Failed(error)
            }
        }
    }

    /// RFC 6455 §7.1.7, Fail the WebSocket Connection.
    #[cold]
    fn fail(
        &mut self,
        error: Error,
        pool: &mut Pool,
        keys: &mut MaskingKeys,
        out: &mut Vec<u8>,
    ) -> SessionEvent<'static> {
        self.receiver.end(pool);
        self.put_close_for(error, keys, out);
        SessionEvent::Failed(error)
    }

    /// RFC 6455 §7.1.2, Start the WebSocket Closing Handshake: sends one Close frame. A reason of more than 123 bytes is cut.
    /// Later messages are checked and dropped; the answer of the peer is `SessionEvent::Closed`.
    pub fn start_closing(
        &mut self,
        code: CloseCode,
        reason: &str,
        keys: &mut MaskingKeys,
        out: &mut Vec<u8>,
    ) {
        self.put_close(
            &Close {
                code: Some(code),
                reason,
            },
            keys,
            out,
        );
        self.receiver.drop_message();
    }

    /// Sends a Ping, unless the session is closing. A payload of more than 125 bytes is cut.
    pub fn ping(&mut self, payload: &[u8], keys: &mut MaskingKeys, out: &mut Vec<u8>) {
        let len = payload.len().min(MAX_CONTROL_PAYLOAD);
        self.put_control(OpCode::Ping, &payload[..len], keys, out);
    }

    /// Whether our Close frame is sent, so that nothing else can be sent.
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether the session is open and between two messages.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.receiver.is_idle() && !self.closing
    }

    /// Whether the session has ended, with `SessionEvent::Closed` or `SessionEvent::Failed`: nothing is read any more.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.receiver.is_done()
    }

    /// Appends a message in one frame. False, and nothing is written, when the session is closing.
    #[inline(always)]
    pub fn put_message(
        &self,
        kind: Kind,
        data: &[u8],
        keys: &mut MaskingKeys,
        out: &mut Vec<u8>,
    ) -> bool {
        if self.closing {
            return false;
        }
        self.put_frame(kind.into(), data, keys, out);
        true
    }

    /// The header of a message of `len` bytes in one frame, for a server that sends the data from where it is.
    /// `None` when the session is closing, and for a client, whose data would have to be masked.
    #[inline]
    pub fn header(&self, kind: Kind, len: usize) -> Option<HeaderBytes> {
        if self.closing || self.role == Role::Client {
            return None;
        }
        let len = len as u64;
        Some(
            FrameHeader {
                fin: true,
                rsv1: false,
                opcode: kind.into(),
                mask: None,
                len,
            }
            .encode(),
        )
    }

    /// For reading from a socket straight into an unfinished message: its buffer, and how many bytes may be appended.
    /// They are the next ones of the stream, all of one frame, and there is capacity for them.
    ///
    /// `None` when less than 16 KiB of a frame is to come. After appending call `filled`, before anything else.
    #[inline]
    pub fn spare(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        self.receiver.spare()
    }

    /// Goes on after `n` bytes, no more than `spare` wanted, have been appended to the buffer that it lent out.
    /// Reports `More`, `Whole` or `Failed`.
    pub fn filled(
        &mut self,
        n: usize,
        pool: &mut Pool,
        keys: &mut MaskingKeys,
        out: &mut Vec<u8>,
    ) -> SessionEvent<'static> {
        match self.receiver.filled(n) {
            Ok(Some((kind, data))) => SessionEvent::Whole { kind, data },
            Ok(None) => SessionEvent::More,
            Err(error) => self.fail(error, pool, keys, out),
        }
    }

    /// Bytes of memory for unfinished frames and messages, with all reserved capacity.
    #[inline]
    pub fn held(&self) -> usize {
        self.receiver.held()
    }

    fn put_close_for(&mut self, error: Error, keys: &mut MaskingKeys, out: &mut Vec<u8>) {
        let close = Close {
            code: Some(error.close_code()),
            reason: &error.to_string(),
        };
        self.put_close(&close, keys, out);
    }

    fn put_close(&mut self, close: &Close<'_>, keys: &mut MaskingKeys, out: &mut Vec<u8>) {
        let mut payload = [0; MAX_CONTROL_PAYLOAD];
        self.put_control(OpCode::Close, close.encode(&mut payload), keys, out);
        self.closing = true;
    }

    fn put_control(
        &self,
        opcode: OpCode,
        payload: &[u8],
        keys: &mut MaskingKeys,
        out: &mut Vec<u8>,
    ) {
        // RFC 6455 §5.5.1: nothing is sent after a Close frame, not a second one either.
        if !self.closing {
            self.put_frame(opcode, payload, keys, out);
        }
    }

    #[inline]
    fn put_frame(&self, opcode: OpCode, payload: &[u8], keys: &mut MaskingKeys, out: &mut Vec<u8>) {
        match self.role {
            Role::Server => frame::put_unmasked(out, opcode, true, payload),
            Role::Client => frame::put_masked(out, keys.next_key(), opcode, true, payload),
        }
    }
}

/// The payload of a control frame.
fn find<'e>(payload: PayloadPlace, input: &'e [u8], control: &'e mut ControlPayload) -> &'e [u8] {
    match payload {
        PayloadPlace::Input(range) => &input[range],
        PayloadPlace::Own(payload) => {
            let payload = payload.bytes();
            control[..payload.len()].copy_from_slice(payload);
            &control[..payload.len()]
        }
    }
}

#[cfg(test)]
mod tests;
