//! Bytes that a socket did not take yet, and writing to a socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;

use crate::conn::buffer::Transport;

use super::memory::{Account, Charge};
use super::socket::Socket;

/// Chunks of an outbox are joined up to this length.
const JOIN: usize = 64 * 1024;

/// A shared frame of up to this length is copied when it waits behind others: a chunk of its own would take more memory.
const SHORT: usize = 256;

/// The most parts of one write.
const PARTS: usize = 64;

#[derive(Debug)]
enum Chunk {
    /// Bytes of this connection alone.
    Own(Vec<u8>),
    /// Frames that many receivers share.
    Frame(Rc<[u8]>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Own(bytes) => bytes,
            Chunk::Frame(bytes) => bytes,
        }
    }
}

/// Unsent bytes in their order. They are charged from the moment in which they are queued.
#[derive(Debug)]
pub(super) struct Outbox {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that have left.
    sent: usize,
    /// Bytes that have not left.
    bytes: usize,
    charge: Charge,
}

impl Outbox {
    fn new(account: &Account) -> Outbox {
        Outbox {
            chunks: VecDeque::new(),
            sent: 0,
            bytes: 0,
            charge: account.charge(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    #[cfg(test)]
    pub(super) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Bytes of memory that are charged for it.
    pub(super) fn held(&self) -> usize {
        self.charge.bytes()
    }

    /// A chunk that has left in part is there whole.
    fn recharge(&mut self) {
        let room = self.chunks.capacity() * size_of::<Chunk>();
        self.charge.resize(self.bytes + self.sent + room);
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len();
        match self.chunks.back_mut() {
            Some(Chunk::Own(last)) if last.len() + bytes.len() <= JOIN => {
                last.extend_from_slice(bytes);
            }
            _ => self.chunks.push_back(Chunk::Own(bytes.to_vec())),
        }
        self.recharge();
    }

    pub(super) fn push_frame(&mut self, frame: Rc<[u8]>) {
        if frame.len() <= SHORT && !self.chunks.is_empty() {
            self.push(&frame);
            return;
        }
        self.bytes += frame.len();
        self.chunks.push_back(Chunk::Frame(frame));
        self.recharge();
    }

    /// Sends what the socket takes. True: everything was sent, and the outbox is to be given back.
    pub(super) fn flush(&mut self, socket: &Socket) -> io::Result<bool> {
        while self.bytes > 0 {
            let (wanted, result) = self.send(socket);
            match result {
                Ok(sent) => {
                    self.advance(sent);
                    // An empty one is given back at once.
                    if self.bytes > 0 {
                        self.recharge();
                    }
                    if sent < wanted {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Sends once: how many bytes were given to the socket, and how many it took.
    fn send(&self, socket: &Socket) -> (usize, io::Result<usize>) {
        // Most outboxes have one chunk, and to make the list of parts costs more than all else here.
        if self.chunks.len() == 1 {
            let unsent = &self.chunks[0].bytes()[self.sent..];
            return (unsent.len(), socket.send(unsent));
        }
        let mut parts = [IoSlice::new(&[]); PARTS];
        let mut count = 0;
        for (part, chunk) in parts.iter_mut().zip(&self.chunks) {
            let skip = if count == 0 { self.sent } else { 0 };
            *part = IoSlice::new(&chunk.bytes()[skip..]);
            count += 1;
        }
        let wanted = parts[..count].iter().map(|part| part.len()).sum();
        (wanted, socket.send_parts(&parts[..count]))
    }

    fn advance(&mut self, mut sent: usize) {
        self.bytes -= sent;
        while let Some(first) = self.chunks.front() {
            let left = first.bytes().len() - self.sent;
            if sent < left {
                self.sent += sent;
                return;
            }
            sent -= left;
            self.sent = 0;
            self.chunks.pop_front();
        }
    }

    /// Empties it for the next connection; false when it has grown too large to be kept.
    fn reset(&mut self) -> bool {
        self.chunks.clear();
        self.sent = 0;
        self.bytes = 0;
        self.charge.resize(0);
        self.chunks.capacity() <= 64
    }
}

/// Outboxes that are not in use.
#[derive(Debug)]
pub(super) struct Outboxes {
    account: Account,
    // Boxed, for the slot holds a pointer only, which moves here and back.
    #[allow(clippy::vec_box)]
    idle: Vec<Box<Outbox>>,
}

impl Outboxes {
    const KEPT: usize = 256;

    /// What is queued in them is charged to `account`.
    pub(super) fn new(account: Account) -> Outboxes {
        Outboxes {
            account,
            idle: Vec::new(),
        }
    }

    pub(super) fn take(&mut self) -> Box<Outbox> {
        let idle = self.idle.pop();
        idle.unwrap_or_else(|| Box::new(Outbox::new(&self.account)))
    }

    pub(super) fn give_back(&mut self, mut outbox: Box<Outbox>) {
        if outbox.reset() && self.idle.len() < Self::KEPT {
            self.idle.push(outbox);
        }
    }

    pub(super) fn shrink(&mut self) {
        self.idle = Vec::new();
    }
}

/// What writing to a socket showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wrote {
    /// It took less than it was given.
    pub short: bool,
    /// It took something.
    pub progress: bool,
    /// It failed; nothing more can be sent.
    pub broken: bool,
}

/// The transport of a connection: its socket while nothing waits, else its outbox.
pub(super) struct Wire<'w> {
    pub socket: &'w Socket,
    pub outbox: &'w mut Option<Box<Outbox>>,
    pub outboxes: &'w mut Outboxes,
    pub wrote: &'w mut Wrote,
}

impl Wire<'_> {
    /// As [`Transport::pass`], of one part that is likely to leave whole.
    #[inline(always)]
    pub(super) fn pass_one(&mut self, part: &[u8]) {
        if self.wrote.broken {
            return;
        }
        let sent = if self.outbox.is_none() {
            self.send(&[part])
        } else {
            0
        };
        if sent < part.len() {
            self.keep(&part[sent..]);
        }
    }

    /// As [`Transport::pass`], of a head whose body is sent next from a file.
    pub(super) fn pass_head(&mut self, head: &[u8]) {
        if self.outbox.is_some() || self.wrote.broken {
            self.pass(&[head]);
            return;
        }
        match self.socket.send_more(head) {
            Ok(sent) if sent < head.len() => self.keep(&head[sent..]),
            Ok(_) => self.wrote.progress = true,
            Err(_) => self.pass(&[head]),
        }
    }

    /// The outbox, taken from the pool when there was none; `None`: nothing can be sent any more.
    fn outbox(&mut self) -> Option<&mut Outbox> {
        if self.wrote.broken {
            return None;
        }
        let outboxes = &mut *self.outboxes;
        Some(self.outbox.get_or_insert_with(|| outboxes.take()))
    }

    #[inline(never)]
    fn keep(&mut self, rest: &[u8]) {
        // Behind other bytes the socket was not tried. It may take more, and then its edge would never come.
        self.wrote.short |= self.outbox.is_none();
        self.outbox
            .get_or_insert_with(|| self.outboxes.take())
            .push(rest);
    }

    #[inline(always)]
    fn send(&mut self, parts: &[&[u8]]) -> usize {
        let mut slices = [IoSlice::new(&[]); 4];
        let parts = &parts[..parts.len().min(slices.len())];
        let result = if let [one] = parts {
            self.socket.send(one)
        } else {
            for (slice, part) in slices.iter_mut().zip(parts) {
                *slice = IoSlice::new(part);
            }
            self.socket.send_parts(&slices[..parts.len()])
        };
        match result {
            Ok(sent) => {
                self.wrote.progress = true;
                sent
            }
            Err(error) => {
                let later = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted];
                self.wrote.broken |= !later.contains(&error.kind());
                0
            }
        }
    }
}

impl Transport for Wire<'_> {
    fn pass(&mut self, parts: &[&[u8]]) {
        if self.wrote.broken {
            return;
        }
        let mut sent = if self.outbox.is_none() {
            self.send(parts)
        } else {
            0
        };
        for part in parts {
            let skip = sent.min(part.len());
            sent -= skip;
            if skip < part.len() {
                self.keep(&part[skip..]);
            }
        }
    }

    fn queue(&mut self, bytes: &[u8]) {
        if let Some(outbox) = self.outbox() {
            outbox.push(bytes);
        }
    }

    fn queue_shared(&mut self, bytes: &Rc<[u8]>) {
        if let Some(outbox) = self.outbox() {
            outbox.push_frame(Rc::clone(bytes));
        }
    }

    #[inline]
    fn backlog(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::net::UnixStream;
    use std::io::Read;
    use std::os::unix::net::UnixStream as Std;

    fn pair() -> (Socket, Std) {
        let (a, b) = Std::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        b.set_nonblocking(true).unwrap();
        (Socket::Unix(UnixStream::from_std(a)), b)
    }

    fn outboxes() -> Outboxes {
        Outboxes::new(Account::root(usize::MAX))
    }

    #[test]
    fn everything_arrives_in_order_through_a_full_socket() {
        let (socket, mut peer) = pair();
        let (mut outbox, mut outboxes, mut wrote) = (None, outboxes(), Wrote::default());
        let mut wire = Wire {
            socket: &socket,
            outbox: &mut outbox,
            outboxes: &mut outboxes,
            wrote: &mut wrote,
        };
        let mut expected = Vec::new();
        for round in 0..200_u8 {
            let (head, body) = ([round; 3], vec![round ^ 0x55; 5000]);
            wire.pass(&[&head, &body]);
            expected.extend_from_slice(&head);
            expected.extend_from_slice(&body);
        }
        let backlog = wire.backlog();
        assert!(backlog > 0 && wrote.short && wrote.progress && !wrote.broken);
        assert!(outboxes.account.used() >= backlog);
        let mut outbox = outbox.unwrap();
        outbox.push_frame(Rc::from(&b"shared"[..]));
        outbox.push(b"last");
        expected.extend_from_slice(b"sharedlast");
        let mut received = Vec::new();
        let mut buffer = [0; 7777];
        while received.len() < expected.len() {
            match peer.read(&mut buffer) {
                Ok(count) => received.extend_from_slice(&buffer[..count]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            outbox.flush(&socket).unwrap();
        }
        assert_eq!(received, expected);
        assert_eq!(outbox.len(), 0);
        outboxes.give_back(outbox);
        assert_eq!(outboxes.account.used(), 0);
    }

    #[test]
    fn a_broken_socket_takes_nothing_more() {
        let (socket, peer) = pair();
        drop(peer);
        let (mut outbox, mut outboxes, mut wrote) = (None, outboxes(), Wrote::default());
        let mut wire = Wire {
            socket: &socket,
            outbox: &mut outbox,
            outboxes: &mut outboxes,
            wrote: &mut wrote,
        };
        wire.pass(&[b"lost"]);
        wire.pass(&[b"too"]);
        assert!(wrote.broken);
    }
}
