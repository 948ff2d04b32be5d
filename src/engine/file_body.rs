//! The body of an answer that is a file: it goes from the file to the socket and never through the daemon.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::conn::buffer::Through;
use crate::files::{Segment, is_in_memory};

use super::socket::Socket;

/// The most that one call sends: the loop has others to serve.
const CHUNK: u64 = 256 * 1024;

/// The most that waits, encrypted, for a peer to take it.
const AHEAD: usize = 64 * 1024;

/// The most that one turn sends to one connection.
const TURN: u64 = 1024 * 1024;

/// A body under way.
#[derive(Debug)]
pub(super) struct Feed {
    file: Arc<File>,
    segments: VecDeque<Segment>,
    /// Bytes of the first segment that have left.
    sent: u64,
    /// What comes next has just been brought into memory, or is on its way there.
    memory: Memory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// It is to be seen.
    Unknown,
    /// The slow lane is at it.
    Awaited,
    /// The slow lane had it: should it be gone again, the disk is waited for, so that it gets on.
    Warmed,
}

/// What a turn of feeding came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// Everything has left.
    Done,
    /// The socket takes no more now.
    Full,
    /// The turn's share has left.
    Share,
    /// The file ends before its length: the answer cannot be completed.
    Short,
    /// What comes next is to be brought into memory first; see [`Feed::cold`].
    Cold,
}

impl Feed {
    pub(super) fn new(file: Arc<File>, segments: Vec<Segment>) -> Feed {
        Feed {
            file,
            segments: segments.into(),
            sent: 0,
            memory: Memory::Unknown,
        }
    }

    /// The part of the file that is to be brought into memory: its beginning and its length. Nothing is sent until
    /// [`Feed::warmed`].
    pub(super) fn cold(&mut self) -> Option<(Arc<File>, u64, u64)> {
        let Some(Segment::Range { start, len }) = self.segments.front() else {
            return None;
        };
        self.memory = Memory::Awaited;
        let left = len - self.sent;
        Some((Arc::clone(&self.file), start + self.sent, left.min(CHUNK)))
    }

    /// It is in memory.
    pub(super) fn warmed(&mut self) {
        self.memory = Memory::Warmed;
    }

    /// Whether it waits for the slow lane.
    pub(super) fn is_awaited(&self) -> bool {
        self.memory == Memory::Awaited
    }

    /// Whether the next `most` bytes of the file can be had without waiting: their last is looked at, for it comes last.
    fn is_warm(&mut self, at: u64, most: u64) -> bool {
        if self.memory == Memory::Warmed {
            self.memory = Memory::Unknown;
            return true;
        }
        is_in_memory(&self.file, at + most - 1)
    }

    /// Sends what the socket takes, up to a turn's share, and adds to `count` how much that was.
    pub(super) fn feed(&mut self, socket: &Socket, count: &mut u64) -> io::Result<Fed> {
        while let Some(segment) = self.segments.front() {
            if *count >= TURN {
                return Ok(Fed::Share);
            }
            if let Segment::Range { start, len } = segment {
                let (at, most) = (start + self.sent, (len - self.sent).min(CHUNK));
                if !self.is_warm(at, most) {
                    return Ok(Fed::Cold);
                }
            }
            let Some(segment) = self.segments.front() else {
                break;
            };
            let (left, result) = match segment {
                Segment::Bytes(bytes) => {
                    let rest = &bytes[self.sent as usize..];
                    (rest.len() as u64, socket.send(rest))
                }
                Segment::Range { start, len } => {
                    let left = len - self.sent;
                    let chunk = left.min(CHUNK) as usize;
                    (left, socket.send_file(&self.file, start + self.sent, chunk))
                }
            };
            match result {
                Ok(0) if left > 0 => return Ok(Fed::Short),
                Ok(sent) => {
                    *count += sent as u64;
                    self.sent += sent as u64;
                    if sent as u64 == left {
                        self.segments.pop_front();
                        self.sent = 0;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Fed::Full),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Fed::Done)
    }

    /// As [`Feed::feed`], where every byte has to pass the daemon: it is read while nothing waits behind `through`.
    pub(super) fn feed_sealed(
        &mut self,
        through: &mut dyn Through,
        scratch: &mut [u8],
        count: &mut u64,
    ) -> io::Result<Fed> {
        let chunk = &mut scratch[..AHEAD];
        while *count < TURN {
            if through.backlog() > 0 {
                return Ok(Fed::Full);
            }
            let (read, fed) = self.read(chunk)?;
            *count += read as u64;
            if read > 0 {
                through.pass(&[&chunk[..read]]);
            }
            if fed != Fed::Share {
                return Ok(fed);
            }
        }
        Ok(Fed::Share)
    }

    /// Reads what comes next: how many bytes, and whether that was all, or there is more, or the file ends before.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Fed)> {
        let mut filled = 0;
        while let Some(segment) = self.segments.front() {
            let room = &mut buffer[filled..];
            if room.is_empty() {
                return Ok((filled, Fed::Share));
            }
            if let Segment::Range { start, len } = segment {
                let most = (len - self.sent).min(room.len() as u64);
                let at = start + self.sent;
                if !self.is_warm(at, most) {
                    return Ok((filled, Fed::Cold));
                }
            }
            let Some(segment) = self.segments.front() else {
                break;
            };
            let room = &mut buffer[filled..];
            let (left, result) = match segment {
                Segment::Bytes(bytes) => {
                    let rest = &bytes[self.sent as usize..];
                    let count = rest.len().min(room.len());
                    room[..count].copy_from_slice(&rest[..count]);
                    (rest.len() as u64, Ok(count))
                }
                Segment::Range { start, len } => {
                    let left = len - self.sent;
                    let most =
                        usize::try_from(left).map_or(room.len(), |left| left.min(room.len()));
                    (
                        left,
                        self.file.read_at(&mut room[..most], start + self.sent),
                    )
                }
            };
            match result {
                Ok(0) if left > 0 => return Ok((filled, Fed::Short)),
                Ok(count) => {
                    filled += count;
                    self.sent += count as u64;
                    if count as u64 == left {
                        self.segments.pop_front();
                        self.sent = 0;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What was read is to be sent; the error comes again.
                Err(_) if filled > 0 => return Ok((filled, Fed::Share)),
                Err(error) => return Err(error),
            }
        }
        Ok((filled, Fed::Done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::net::UnixStream;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream as Std;

    fn socket() -> (Socket, Std) {
        let (a, b) = Std::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        b.set_nonblocking(true).unwrap();
        (Socket::Unix(UnixStream::from_std(a)), b)
    }

    fn file(len: usize) -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..len).map(|at| (at * 31 / 7) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    #[test]
    fn segments_arrive_in_order_through_a_full_socket() {
        let (socket, mut peer) = socket();
        let (file, bytes) = file(3_000_000);
        let segments = vec![
            Segment::Bytes(b"before".to_vec()),
            Segment::Range {
                start: 10,
                len: 2_900_000,
            },
            Segment::Bytes(b"between".to_vec()),
            Segment::Range { start: 0, len: 1 },
        ];
        let expected = [b"before", &bytes[10..2_900_010], b"between", &bytes[..1]].concat();
        let mut feed = Feed::new(Arc::new(file), segments);
        let (mut total, mut got, mut buffer) = (0, Vec::new(), vec![0; 70_000]);
        loop {
            let mut count = 0;
            let fed = feed.feed(&socket, &mut count).unwrap();
            assert!(count <= TURN + CHUNK);
            total += count;
            while let Ok(read) = peer.read(&mut buffer) {
                got.extend_from_slice(&buffer[..read]);
            }
            match fed {
                Fed::Done => break,
                Fed::Full | Fed::Share => {}
                Fed::Short | Fed::Cold => panic!("the file is long enough, and in memory"),
            }
        }
        assert!(got == expected);
        assert_eq!(total, expected.len() as u64);
    }

    #[test]
    fn segments_are_read_in_order_while_nothing_waits() {
        /// A way out that is open for a number of times.
        struct Gate(Vec<u8>, usize);
        impl Through for Gate {
            fn pass(&mut self, parts: &[&[u8]]) {
                assert!(self.1 > 0, "there was a backlog");
                self.1 -= 1;
                self.0.extend_from_slice(&parts.concat());
            }
            fn backlog(&self) -> usize {
                usize::from(self.1 == 0)
            }
        }
        let (file, bytes) = file(3_000_000);
        let segments = vec![
            Segment::Bytes(b"before".to_vec()),
            Segment::Range {
                start: 10,
                len: 2_900_000,
            },
            Segment::Bytes(b"between".to_vec()),
            Segment::Range { start: 0, len: 1 },
        ];
        let expected = [b"before", &bytes[10..2_900_010], b"between", &bytes[..1]].concat();
        let mut feed = Feed::new(Arc::new(file), segments);
        let (mut gate, mut scratch) = (Gate(Vec::new(), 0), vec![0; 100_000]);
        let (mut total, mut seen) = (0, [0; 3]);
        for round in 0.. {
            gate.1 = if round % 2 == 0 { 3 } else { 100 };
            let mut count = 0;
            let fed = feed.feed_sealed(&mut gate, &mut scratch, &mut count);
            assert!(count < TURN + AHEAD as u64);
            total += count;
            match fed.unwrap() {
                Fed::Done => break,
                Fed::Full => seen[0] += 1,
                Fed::Share => seen[1] += 1,
                Fed::Short | Fed::Cold => panic!("the file is long enough, and in memory"),
            }
        }
        assert!(gate.0 == expected && seen[0] > 0 && seen[1] > 0);
        assert_eq!(total, expected.len() as u64);
    }

    #[test]
    fn a_file_that_shrinks_is_told() {
        let (socket, _peer) = socket();
        let (file, _) = file(100);
        let mut feed = Feed::new(Arc::new(file), vec![Segment::Range { start: 0, len: 200 }]);
        let mut count = 0;
        assert_eq!(feed.feed(&socket, &mut count).unwrap(), Fed::Short);
        assert_eq!(feed.read(&mut [0; 10]).unwrap(), (0, Fed::Short));
        assert_eq!(count, 100);
    }
}
