//! The body of an answer that is a file: the kernel sends it from the file to the socket; only for TLS the daemon reads it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::conn::buffer::Transport;
use crate::files::{Segment, is_in_memory};

use super::socket::Socket;

/// The most bytes of one call: the loop has other connections to serve.
const CHUNK: u64 = 256 * 1024;

/// The most encrypted bytes that wait for a peer.
const AHEAD: usize = 64 * 1024;

/// The most bytes that one turn sends to one connection.
const TURN: u64 = 1024 * 1024;

/// A body that is being sent.
#[derive(Debug)]
pub(super) struct FileBody {
    file: Arc<File>,
    segments: VecDeque<Segment>,
    /// Bytes of the first segment that have left.
    sent: u64,
    /// Whether the next bytes are in the page cache.
    cache: CacheState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CacheState {
    /// It has to be asked.
    Unknown,
    /// A blocking thread reads them.
    Awaited,
    /// A blocking thread has read them. Should they be gone again, the loop waits for the disk, so that the body advances.
    Read,
}

/// How far a turn came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Everything was sent.
    Done,
    /// The socket takes no more now.
    Full,
    /// The turn's share was sent.
    Share,
    /// The file ends before its length: the answer cannot be completed.
    Short,
    /// The next bytes must be read into the page cache first; see [`FileBody::read_ahead`].
    Uncached,
}

impl FileBody {
    pub(super) fn new(file: Arc<File>, segments: Vec<Segment>) -> FileBody {
        FileBody {
            file,
            segments: segments.into(),
            sent: 0,
            cache: CacheState::Unknown,
        }
    }

    /// The part of the file that must be read into the page cache: its beginning and its length. Nothing is sent until
    /// [`FileBody::cached`].
    pub(super) fn read_ahead(&mut self) -> Option<(Arc<File>, u64, u64)> {
        let Some(Segment::Range { start, len }) = self.segments.front() else {
            return None;
        };
        self.cache = CacheState::Awaited;
        let left = len - self.sent;
        Some((Arc::clone(&self.file), start + self.sent, left.min(CHUNK)))
    }

    /// That part is in the page cache.
    pub(super) fn cached(&mut self) {
        self.cache = CacheState::Read;
    }

    /// Whether it waits for a blocking thread.
    pub(super) fn is_awaited(&self) -> bool {
        self.cache == CacheState::Awaited
    }

    /// Whether the next `most` bytes can be read without waiting for the disk. Only the last of them is looked at, for it is
    /// read last.
    fn is_cached(&mut self, at: u64, most: u64) -> bool {
        if self.cache == CacheState::Read {
            self.cache = CacheState::Unknown;
            return true;
        }
        is_in_memory(&self.file, at + most - 1)
    }

    /// Sends what the socket takes, up to a turn's share, and adds to `count` how much that was.
    pub(super) fn send(&mut self, socket: &Socket, count: &mut u64) -> io::Result<Progress> {
        while let Some(segment) = self.segments.front() {
            if *count >= TURN {
                return Ok(Progress::Share);
            }
            if let Segment::Range { start, len } = segment {
                let (at, most) = (start + self.sent, (len - self.sent).min(CHUNK));
                if !self.is_cached(at, most) {
                    return Ok(Progress::Uncached);
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
                Ok(0) if left > 0 => return Ok(Progress::Short),
                Ok(sent) => {
                    *count += sent as u64;
                    self.sent += sent as u64;
                    if sent as u64 == left {
                        self.segments.pop_front();
                        self.sent = 0;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::Full);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Progress::Done)
    }

    /// As [`FileBody::send`], over TLS: the file is read and encrypted while nothing waits for the peer.
    pub(super) fn send_encrypted(
        &mut self,
        transport: &mut dyn Transport,
        scratch: &mut [u8],
        count: &mut u64,
    ) -> io::Result<Progress> {
        let chunk = &mut scratch[..AHEAD];
        while *count < TURN {
            if transport.backlog() > 0 {
                return Ok(Progress::Full);
            }
            let (read, fed) = self.read(chunk)?;
            *count += read as u64;
            if read > 0 {
                transport.pass(&[&chunk[..read]]);
            }
            if fed != Progress::Share {
                return Ok(fed);
            }
        }
        Ok(Progress::Share)
    }

    /// Reads what comes next: how many bytes, and whether that was all, or there is more, or the file ends before.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Progress)> {
        let mut filled = 0;
        while let Some(segment) = self.segments.front() {
            let room = &mut buffer[filled..];
            if room.is_empty() {
                return Ok((filled, Progress::Share));
            }
            if let Segment::Range { start, len } = segment {
                let most = (len - self.sent).min(room.len() as u64);
                let at = start + self.sent;
                if !self.is_cached(at, most) {
                    return Ok((filled, Progress::Uncached));
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
                Ok(0) if left > 0 => return Ok((filled, Progress::Short)),
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
                Err(_) if filled > 0 => return Ok((filled, Progress::Share)),
                Err(error) => return Err(error),
            }
        }
        Ok((filled, Progress::Done))
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
        let mut file_body = FileBody::new(Arc::new(file), segments);
        let (mut total, mut got, mut buffer) = (0, Vec::new(), vec![0; 70_000]);
        loop {
            let mut count = 0;
            let fed = file_body.send(&socket, &mut count).unwrap();
            assert!(count <= TURN + CHUNK);
            total += count;
            while let Ok(read) = peer.read(&mut buffer) {
                got.extend_from_slice(&buffer[..read]);
            }
            match fed {
                Progress::Done => break,
                Progress::Full | Progress::Share => {}
                Progress::Short | Progress::Uncached => {
                    panic!("the file is long enough, and in memory")
                }
            }
        }
        assert!(got == expected);
        assert_eq!(total, expected.len() as u64);
    }

    #[test]
    fn segments_are_read_in_order_while_nothing_waits() {
        /// A way out that is open for a number of times.
        struct Gate(Vec<u8>, usize);
        impl Transport for Gate {
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
        let mut file_body = FileBody::new(Arc::new(file), segments);
        let (mut gate, mut scratch) = (Gate(Vec::new(), 0), vec![0; 100_000]);
        let (mut total, mut seen) = (0, [0; 3]);
        for round in 0.. {
            gate.1 = if round % 2 == 0 { 3 } else { 100 };
            let mut count = 0;
            let fed = file_body.send_encrypted(&mut gate, &mut scratch, &mut count);
            assert!(count < TURN + AHEAD as u64);
            total += count;
            match fed.unwrap() {
                Progress::Done => break,
                Progress::Full => seen[0] += 1,
                Progress::Share => seen[1] += 1,
                Progress::Short | Progress::Uncached => {
                    panic!("the file is long enough, and in memory")
                }
            }
        }
        assert!(gate.0 == expected && seen[0] > 0 && seen[1] > 0);
        assert_eq!(total, expected.len() as u64);
    }

    #[test]
    fn a_file_that_shrinks_is_told() {
        let (socket, _peer) = socket();
        let (file, _) = file(100);
        let mut file_body =
            FileBody::new(Arc::new(file), vec![Segment::Range { start: 0, len: 200 }]);
        let mut count = 0;
        assert_eq!(
            file_body.send(&socket, &mut count).unwrap(),
            Progress::Short
        );
        assert_eq!(file_body.read(&mut [0; 10]).unwrap(), (0, Progress::Short));
        assert_eq!(count, 100);
    }
}
