//! Unfinished messages (RFC 6455 §5.4): those that are not complete within one piece of the input.
//!
//! `Pool` keeps buffers between messages, so that a steady flow of long messages allocates nothing. `Unfinished` checks
//! each message as a whole: its length, and UTF-8 across fragments.

use super::frame::{Error, Kind};
use super::utf8::Utf8;

/// A buffer for a message. Boxed, so that it takes one pointer in sessions and events.
pub type Buffer = Box<Vec<u8>>;

/// The most bytes of capacity that the pool keeps.
const MAX_KEPT: usize = 4 << 20;

/// Unused buffers for messages, shared by all sessions of a thread.
#[derive(Debug, Default)]
pub struct Pool {
    buffers: Vec<Buffer>,
    kept: usize,
}

impl Pool {
    /// An empty buffer, with or without capacity.
    pub fn take(&mut self) -> Buffer {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.kept -= cost(&buffer).min(self.kept);
        buffer
    }

    /// A buffer for a message that begins with a frame of `len` bytes. A much larger buffer is left in the pool.
    pub(super) fn take_for(&mut self, len: u64) -> Buffer {
        let enough = len.max(4096).saturating_mul(4);
        match self.buffers.last() {
            Some(last) if last.capacity() as u64 > enough => Buffer::default(),
            _ => self.take(),
        }
    }

    /// Puts a buffer back, or frees it when the pool is full.
    pub fn give_back(&mut self, mut buffer: Buffer) {
        if self.kept + cost(&buffer) <= MAX_KEPT {
            buffer.clear();
            self.kept += cost(&buffer);
            self.buffers.push(buffer);
        }
    }

    /// Frees all buffers. Called when nothing has happened for a while.
    pub fn shrink(&mut self) {
        self.buffers = Vec::new();
        self.kept = 0;
    }

    /// Bytes of memory that the pool keeps.
    pub fn kept(&self) -> usize {
        self.kept
    }
}

/// Buffers without capacity cost something too, or the pool could keep any number of them.
fn cost(buffer: &Buffer) -> usize {
    buffer.capacity() + size_of::<Vec<u8>>()
}

/// A message whose end has not come.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// The bytes so far, unmasked; `None` when the message is checked but not kept.
    buffer: Option<Buffer>,
    kind: Kind,
    utf8: Utf8,
}

impl Unfinished {
    /// A message that is kept in `buffer`, or only checked.
    pub(super) fn new(kind: Kind, buffer: Option<Buffer>) -> Unfinished {
        Unfinished {
            buffer,
            kind,
            utf8: Utf8::default(),
        }
    }

    /// Makes room for a frame with `len` bytes of payload, in a message of at most `max` bytes.
    ///
    /// So the limit applies as soon as a length is announced, and the message is not moved in memory while it comes.
    pub(super) fn reserve(&mut self, len: u64, max: usize) -> Result<(), Error> {
        let Some(buffer) = &mut self.buffer else {
            return Ok(());
        };
        let have = buffer.len();
        let want = usize::try_from(len)
            .ok()
            .and_then(|len| have.checked_add(len))
            .ok_or(Error::TooBig)?;
        if want > max {
            return Err(Error::TooBig);
        }
        if want > buffer.capacity() {
            // Doubling makes many small fragments cheap.
            let target = want.max(buffer.capacity().saturating_mul(2).min(max));
            // Without memory, this connection fails, not the process.
            buffer
                .try_reserve_exact(target - have)
                .map_err(|_| Error::TooBig)?;
        }
        Ok(())
    }

    /// The next bytes of the message, unmasked.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.check(bytes)?;
        if let Some(buffer) = &mut self.buffer {
            buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Unmasks and checks the last `n` bytes of the buffer, which the caller has read into it.
    pub(super) fn pushed(&mut self, n: usize, unmask: impl FnOnce(&mut [u8])) -> Result<(), Error> {
        let Some(mut buffer) = self.buffer.take() else {
            return Ok(());
        };
        let from = buffer.len().saturating_sub(n);
        unmask(&mut buffer[from..]);
        let checked = self.check(&buffer[from..]);
        self.buffer = Some(buffer);
        checked
    }

    fn check(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self.kind {
            Kind::Text => self.utf8.push(bytes).map_err(|_| Error::InvalidUtf8),
            Kind::Binary => Ok(()),
        }
    }

    /// Whether the message may end here.
    pub(super) fn check_end(&self) -> Result<(), Error> {
        self.utf8.finish().map_err(|_| Error::InvalidUtf8)
    }

    /// The complete message, unless it was only checked.
    pub(super) fn into_whole(self) -> Option<(Kind, Buffer)> {
        Some((self.kind, self.buffer?))
    }

    pub(super) fn buffer(&mut self) -> Option<&mut Vec<u8>> {
        self.buffer.as_deref_mut()
    }

    /// Gives the buffer back. From now on the message is only checked.
    pub(super) fn release(&mut self) -> Option<Buffer> {
        self.buffer.take()
    }

    /// Bytes of memory that it occupies: the whole capacity, since a reused buffer has its pages, however little of it this
    /// message fills.
    pub(super) fn held(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(capacity: usize) -> Buffer {
        Box::new(Vec::with_capacity(capacity))
    }

    #[test]
    fn the_pool_keeps_what_it_may() {
        let mut pool = Pool::default();
        pool.give_back(buffer(3 << 20));
        pool.give_back(buffer(2 << 20));
        assert!(pool.kept() <= MAX_KEPT, "the second was too much");
        pool.give_back(buffer(1000));
        assert_eq!(pool.take().capacity(), 1000);
        assert_eq!(pool.take().capacity(), 3 << 20);
        assert_eq!(pool.kept(), 0);
        assert_eq!(pool.take().capacity(), 0, "nothing left");
        pool.give_back(buffer(MAX_KEPT + 1));
        assert_eq!(pool.kept(), 0);
    }

    #[test]
    fn the_pool_does_not_collect_empty_buffers_without_end() {
        let mut pool = Pool::default();
        for _ in 0..MAX_KEPT / 8 {
            pool.give_back(buffer(0));
        }
        assert!(pool.kept() <= MAX_KEPT);
        assert!(pool.buffers.len() <= MAX_KEPT / size_of::<Vec<u8>>());
    }

    #[test]
    fn the_pool_shrinks_and_forgets() {
        let mut pool = Pool::default();
        let mut used = buffer(100);
        used.extend_from_slice(b"secret");
        pool.give_back(used);
        assert!(pool.take().is_empty());
        pool.give_back(buffer(100));
        pool.shrink();
        assert_eq!((pool.kept(), pool.take().capacity()), (0, 0));
    }

    #[test]
    fn what_is_reserved_counts() {
        // Or many peers could hold on to the memory of each other's messages, a byte of their own in each.
        let mut pool = Pool::default();
        pool.give_back(buffer(1 << 20));
        let mut message = Unfinished::new(Kind::Binary, Some(pool.take_for(1 << 20)));
        assert_eq!(message.push(b"x"), Ok(()));
        assert_eq!(message.held(), 1 << 20);
        let mut message = Unfinished::new(Kind::Binary, Some(pool.take_for(1 << 20)));
        assert_eq!(message.reserve(1 << 20, 1 << 20), Ok(()));
        assert_eq!(message.push(b"x"), Ok(()));
        assert_eq!(message.held(), 1 << 20);
    }

    #[test]
    fn a_large_buffer_is_not_spent_on_a_small_frame() {
        let mut pool = Pool::default();
        pool.give_back(buffer(1 << 20));
        assert_eq!(pool.take_for(100).capacity(), 0);
        assert_eq!(pool.take_for(1 << 18).capacity(), 1 << 20);
    }

    #[test]
    fn room_is_made_once_for_what_is_announced() {
        let mut message = Unfinished::new(Kind::Binary, Some(Buffer::default()));
        assert_eq!(message.reserve(1000, 1000), Ok(()));
        let capacity = message.buffer().map_or(0, |buffer| buffer.capacity());
        assert_eq!(capacity, 1000);
        assert_eq!(message.push(&[0; 999]), Ok(()));
        assert_eq!(message.reserve(1, 1000), Ok(()));
        assert_eq!(message.reserve(2, 1000), Err(Error::TooBig));
        assert_eq!(message.reserve(u64::MAX, usize::MAX), Err(Error::TooBig));
        assert_eq!(
            message.buffer().map_or(0, |buffer| buffer.capacity()),
            1000,
            "never above the limit"
        );
    }

    #[test]
    fn small_fragments_do_not_move_the_message_each_time() {
        let mut message = Unfinished::new(Kind::Binary, Some(Buffer::default()));
        let mut moves = 0;
        let mut capacity = 0;
        for _ in 0..60_000 {
            assert_eq!(message.reserve(1, 60_000), Ok(()));
            assert_eq!(message.push(b"x"), Ok(()));
            let now = message.buffer().map_or(0, |buffer| buffer.capacity());
            moves += usize::from(now != capacity);
            capacity = now;
        }
        assert!(moves < 20, "{moves} moves");
        assert_eq!(capacity, 60_000);
    }
}
