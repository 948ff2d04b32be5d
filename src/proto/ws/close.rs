//! Closing: the codes of RFC 6455 §7.4, and the payload of a Close frame (§5.5.1).

use std::fmt;

use super::frame::{Error, MAX_CONTROL_PAYLOAD};

/// The longest reason: what a control frame leaves beside the code.
pub const MAX_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// A code that a Close frame may have.
///
/// So it is never 1005 or 1006: these tell an application that there was no code, or no Close frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

// RFC 6455 §7.4.1; from 1012 on, IANA's WebSocket Close Code Number Registry.
impl CloseCode {
    /// The connection has served its purpose.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// A server shuts down, or a browser leaves the page.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// Data that does not fit its type: text that is not UTF-8.
    pub const INVALID_PAYLOAD: CloseCode = CloseCode(1007);
    /// A refusal without a code of its own.
    pub const POLICY_VIOLATION: CloseCode = CloseCode(1008);
    /// A message is too big.
    pub const MESSAGE_TOO_BIG: CloseCode = CloseCode(1009);
    /// A server met something unexpected.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// The service is overloaded.
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);

    /// The code with this number; `None` for those that must not be sent (RFC 6455 §7.4): undefined ones below 3000, 1004,
    /// 1005, 1006, 1015, and all from 5000 on.
    #[inline]
    pub const fn new(code: u16) -> Option<CloseCode> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(CloseCode(code)),
            _ => None,
        }
    }

    /// The number.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The name in the registry; `None` from 3000 on, where libraries and applications define the codes.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1000 => "normal closure",
            1001 => "going away",
            1002 => "protocol error",
            1003 => "unsupported data",
            1007 => "invalid frame payload data",
            1008 => "policy violation",
            1009 => "message too big",
            1010 => "mandatory extension",
            1011 => "internal error",
            1012 => "service restart",
            1013 => "try again later",
            1014 => "bad gateway",
            _ => return None,
        })
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({self})")
    }
}

/// `1002 (protocol error)`, or `4000` alone.
impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Error {
    /// The code of the Close frame that reports it (RFC 6455 §7.1.7, §7.4.1).
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Error::InvalidUtf8 => CloseCode::INVALID_PAYLOAD,
            Error::TooBig => CloseCode::MESSAGE_TOO_BIG,
            Error::ReservedBits
            | Error::UnknownOpCode(_)
            | Error::FragmentedControl
            | Error::LongControl
            | Error::LengthNotMinimal
            | Error::LengthTooLarge
            | Error::Unmasked
            | Error::Masked
            | Error::UnexpectedContinuation
            | Error::ExpectedContinuation
            | Error::ShortClose
            | Error::InvalidCloseCode(_) => CloseCode::PROTOCOL_ERROR,
        }
    }
}

/// The payload of a Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// `None` when the frame is empty.
    pub code: Option<CloseCode>,
    /// For people who debug; empty without a code.
    pub reason: &'a str,
}

impl<'a> Close<'a> {
    /// Reads the (unmasked) payload of a Close frame.
    pub fn decode(payload: &'a [u8]) -> Result<Close<'a>, Error> {
        let Some((&code, reason)) = payload.split_first_chunk::<2>() else {
            // RFC 6455 §5.5.1: if there is a body, it begins with a code of two bytes.
            let empty = Close {
                code: None,
                reason: "",
            };
            return if payload.is_empty() {
                Ok(empty)
            } else {
                Err(Error::ShortClose)
            };
        };
        let code = u16::from_be_bytes(code);
        let code = CloseCode::new(code).ok_or(Error::InvalidCloseCode(code))?;
        let reason = std::str::from_utf8(reason).map_err(|_| Error::InvalidUtf8)?;
        Ok(Close {
            code: Some(code),
            reason,
        })
    }

    /// Writes the payload. A reason that does not fit into a control frame is cut between two characters.
    pub fn encode<'o>(&self, out: &'o mut [u8; MAX_CONTROL_PAYLOAD]) -> &'o [u8] {
        let Some(code) = self.code else { return &[] };
        let mut len = self.reason.len().min(MAX_REASON);
        while !self.reason.is_char_boundary(len) {
            len -= 1;
        }
        out[..2].copy_from_slice(&code.0.to_be_bytes());
        out[2..2 + len].copy_from_slice(&self.reason.as_bytes()[..len]);
        &out[..2 + len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(code: u16, reason: &[u8]) -> Result<(u16, String), Error> {
        let payload = [&code.to_be_bytes(), reason].concat();
        Close::decode(&payload).map(|close| {
            (
                close.code.map_or(0, CloseCode::get),
                close.reason.to_owned(),
            )
        })
    }

    #[test]
    fn codes_that_may_be_sent() {
        let valid: Vec<u16> = (0..=u16::MAX)
            .filter(|&code| CloseCode::new(code).is_some())
            .collect();
        let expected: Vec<u16> = (1000..=1003)
            .chain(1007..=1014)
            .chain(3000..=4999)
            .collect();
        assert_eq!(valid, expected);
        for code in [
            0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
        ] {
            assert_eq!(decode(code, b""), Err(Error::InvalidCloseCode(code)));
        }
        for code in expected {
            assert_eq!(decode(code, b"why"), Ok((code, "why".to_owned())));
        }
    }

    #[test]
    fn payloads_of_less_than_a_code() {
        assert_eq!(
            Close::decode(b""),
            Ok(Close {
                code: None,
                reason: ""
            })
        );
        assert_eq!(Close::decode(b"\x03"), Err(Error::ShortClose));
    }

    #[test]
    fn reasons_are_text() {
        assert_eq!(
            decode(1000, "Grüße".as_bytes()),
            Ok((1000, "Grüße".to_owned()))
        );
        assert_eq!(decode(1000, b"\xff"), Err(Error::InvalidUtf8));
        assert_eq!(
            decode(1000, "ü".as_bytes()[..1].as_ref()),
            Err(Error::InvalidUtf8)
        );
        // The code is judged first: a bad one is the graver fault.
        assert_eq!(decode(1005, b"\xff"), Err(Error::InvalidCloseCode(1005)));
    }

    #[test]
    fn what_is_encoded_decodes() {
        let mut out = [0; MAX_CONTROL_PAYLOAD];
        for close in [
            Close {
                code: None,
                reason: "",
            },
            Close {
                code: Some(CloseCode::NORMAL),
                reason: "",
            },
            Close {
                code: CloseCode::new(4999),
                reason: "so long",
            },
        ] {
            assert_eq!(Close::decode(close.encode(&mut out)), Ok(close));
        }
        let without_code = Close {
            code: None,
            reason: "lost",
        };
        assert!(without_code.encode(&mut out).is_empty());
    }

    #[test]
    fn long_reasons_are_cut_between_characters() {
        let mut out = [0; MAX_CONTROL_PAYLOAD];
        for (unit, kept) in [("a", 123), ("ü", 122), ("世", 123), ("𝄞", 120)] {
            let reason = unit.repeat(200);
            let close = Close {
                code: Some(CloseCode::GOING_AWAY),
                reason: &reason,
            };
            let payload = close.encode(&mut out);
            assert_eq!(payload.len(), 2 + kept);
            assert_eq!(
                Close::decode(payload).map(|close| close.reason),
                Ok(&reason[..kept])
            );
        }
    }

    #[test]
    fn faults_have_their_codes() {
        assert_eq!(Error::InvalidUtf8.close_code().get(), 1007);
        assert_eq!(Error::TooBig.close_code().get(), 1009);
        assert_eq!(Error::Unmasked.close_code().get(), 1002);
        assert_eq!(
            CloseCode::PROTOCOL_ERROR.to_string(),
            "1002 (protocol error)"
        );
        assert_eq!(
            CloseCode::new(4000).map(|code| code.to_string()),
            Some("4000".to_owned())
        );
    }
}
