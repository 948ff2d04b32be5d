//! Messages for any number of receivers, encoded once for all that can share an encoding.
//!
//! A server sends frames as they are, so all connections of servers share the bytes. A client masks each frame with a key
//! of its own (RFC 6455 §5.3), so its frames are made for it alone. Only [`Connection::send_shared`] uses the bytes, for only
//! the connection knows its role.
//!
//! [`Connection::send_shared`]: super::Connection::send_shared

use std::rc::Rc;

use crate::proto::ws::frame::{self, FrameHeader, Kind, Role};
use crate::proto::ws::mask::MaskingKeys;

/// Short messages of one kind are joined up to this many bytes.
const JOINED: usize = 64 * 1024;

/// Messages of one kind that are still being gathered.
#[derive(Debug)]
pub struct MessageBatch {
    kind: Kind,
    count: u32,
    payload_bytes: u64,
    /// A frame for each message, as a server sends it.
    unmasked: Vec<u8>,
}

impl MessageBatch {
    /// A batch of one message.
    #[must_use]
    pub fn new(kind: Kind, data: &[u8]) -> MessageBatch {
        let mut batch = MessageBatch {
            kind,
            count: 0,
            payload_bytes: 0,
            unmasked: Vec::with_capacity(data.len() + frame::MAX_HEADER),
        };
        batch.push(data);
        batch
    }

    /// Adds a message, when it is of the same kind and the batch stays below 64 KiB. False: it was not added.
    pub fn try_push(&mut self, kind: Kind, data: &[u8]) -> bool {
        let fits = self.unmasked.len() + data.len() + frame::MAX_HEADER <= JOINED;
        if fits && self.kind == kind {
            self.push(data);
        }
        fits && self.kind == kind
    }

    fn push(&mut self, data: &[u8]) {
        frame::put_unmasked(&mut self.unmasked, self.kind.into(), true, data);
        self.count += 1;
        self.payload_bytes += data.len() as u64;
    }

    /// The batch as it can be sent.
    #[must_use]
    pub fn share(self) -> SharedMessages {
        SharedMessages {
            count: self.count,
            payload_bytes: self.payload_bytes,
            unmasked: Rc::from(self.unmasked),
        }
    }
}

/// One message, or several of one kind, for any number of receivers.
#[derive(Debug)]
pub struct SharedMessages {
    count: u32,
    payload_bytes: u64,
    /// A frame for each message, as a server sends it.
    unmasked: Rc<[u8]>,
}

impl SharedMessages {
    /// One message.
    #[must_use]
    pub fn new(kind: Kind, data: &[u8]) -> SharedMessages {
        MessageBatch::new(kind, data).share()
    }

    /// How many messages.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of all payloads.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Bytes on the wire. A client adds four to each frame, for the key.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.unmasked.len()
    }

    pub(super) fn unmasked(&self) -> &Rc<[u8]> {
        &self.unmasked
    }

    /// Appends the frames to `out`, each masked with a new key (RFC 6455 §5.3).
    pub(super) fn put_masked(&self, keys: &mut MaskingKeys, out: &mut Vec<u8>) {
        let mut rest = &self.unmasked[..];
        // A client reads what a server has sent, and these are frames of our own, so they are whole and well-formed.
        while let Ok(Some((header, length))) = FrameHeader::decode(rest, Role::Client) {
            let end = length + header.len as usize;
            frame::put_masked(
                out,
                keys.next_key(),
                header.opcode,
                true,
                &rest[length..end],
            );
            rest = &rest[end..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_kind_are_joined_up_to_64_kib() {
        let mut batch = MessageBatch::new(Kind::Text, b"one");
        assert!(batch.try_push(Kind::Text, b""));
        assert!(!batch.try_push(Kind::Binary, b"three"));
        assert!(!batch.try_push(Kind::Text, &[b'x'; JOINED]));
        let shared = batch.share();
        assert_eq!((shared.count(), shared.payload_bytes()), (2, 3));
        assert_eq!(shared.unmasked()[..], *b"\x81\x03one\x81\x00");
        assert_eq!(shared.encoded_len(), 7);
    }

    #[test]
    fn each_masked_frame_has_a_key_of_its_own() {
        let mut next = 0;
        let mut keys = MaskingKeys::new(|buffer| {
            for (at, byte) in buffer.iter_mut().enumerate() {
                *byte = at as u8;
            }
        });
        let mut batch = MessageBatch::new(Kind::Binary, b"first");
        assert!(batch.try_push(Kind::Binary, &[7; 300]));
        let shared = batch.share();
        let mut out = Vec::new();
        shared.put_masked(&mut keys, &mut out);
        shared.put_masked(&mut keys, &mut out);
        let mut seen = Vec::new();
        while next < out.len() {
            let (header, length) = FrameHeader::decode(&out[next..], Role::Server)
                .unwrap()
                .unwrap();
            seen.push((header.mask.unwrap(), header.len));
            next += length + header.len as usize;
        }
        assert_eq!(
            seen.iter().map(|it| it.1).collect::<Vec<_>>(),
            [5, 300, 5, 300]
        );
        seen.sort_unstable();
        seen.dedup_by_key(|it| it.0);
        assert_eq!(seen.len(), 4, "{seen:?}");
    }
}
