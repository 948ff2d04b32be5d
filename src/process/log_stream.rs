//! Writes the log to stderr and never waits for whoever reads it.
//!
//! Lines that cannot be written at once are kept, up to [`MAX_KEPT`] bytes, and a thread writes them when the reader goes on.
//! It lives no longer than that. Lines beyond are dropped and counted, and the count is written where they are missing.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write, stderr};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use libc::c_int;

use crate::proto::counted::counted;

/// The most bytes that are kept for a reader that does not read.
const MAX_KEPT: usize = 64 * 1024;

/// The longest line, in bytes; the rest is cut off. A pipe takes so much in one piece (pipe(7), PIPE_BUF).
const MAX_LINE: usize = libc::PIPE_BUF;

const CUT: &[u8] = " […]\n".as_bytes();

/// How long the end of the process may wait for a slow reader.
const LAST_LINES: Duration = Duration::from_millis(100);

/// A stream of lines.
pub(super) struct LogStream {
    /// What was written of a line that has not ended.
    line: Vec<u8>,
    prefix: &'static str,
    queue: Arc<Mutex<LineQueue>>,
}

impl LogStream {
    /// The stream to stderr. Reports of dropped lines begin with `prefix`.
    pub(super) fn stderr(prefix: &'static str) -> LogStream {
        LogStream::new(Target::stderr(), prefix)
    }

    fn new(target: Target, prefix: &'static str) -> LogStream {
        LogStream {
            line: Vec::new(),
            prefix,
            queue: Arc::new(Mutex::new(LineQueue {
                target,
                kept: VecDeque::new(),
                dropped: 0,
                has_thread: false,
            })),
        }
    }

    fn end_line(&mut self) {
        if self.line.len() > MAX_LINE {
            self.line.truncate(MAX_LINE - CUT.len());
            self.line.extend_from_slice(CUT);
        }
        let mut queue = lock(&self.queue);
        queue.push(&self.line, self.prefix);
        self.line.clear();
        if queue.kept.is_empty() || queue.has_thread {
            return;
        }
        let (shared, prefix) = (Arc::clone(&self.queue), self.prefix);
        // Without a thread the next line brings those that are kept.
        queue.has_thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_kept(&shared, prefix))
            .is_ok();
    }
}

impl Write for LogStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            // What is cut off in the end need not be kept, but that there was more.
            let room = (MAX_LINE + 1).saturating_sub(self.line.len());
            self.line.extend(part.iter().take(room));
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
        Ok(bytes.len())
    }

    /// Waits a moment for the reader, at the end of the process.
    fn flush(&mut self) -> io::Result<()> {
        let end = Instant::now() + LAST_LINES;
        loop {
            let descriptor = {
                let mut queue = lock(&self.queue);
                queue.write_kept(self.prefix);
                if queue.kept.is_empty() {
                    return Ok(());
                }
                queue.target.descriptor()
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            wait_until_writable(descriptor, c_int::try_from(left.as_millis()).unwrap_or(0));
        }
    }
}

fn lock(queue: &Mutex<LineQueue>) -> MutexGuard<'_, LineQueue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes what is kept as the reader takes it.
fn write_kept(queue: &Mutex<LineQueue>, prefix: &str) {
    loop {
        let descriptor = lock(queue).target.descriptor();
        wait_until_writable(descriptor, -1);
        let mut queue = lock(queue);
        queue.write_kept(prefix);
        if queue.kept.is_empty() {
            queue.has_thread = false;
            return;
        }
    }
}

/// Returns whether bytes can be written, or how that fails can be learned, within so many milliseconds (-1: no limit).
fn wait_until_writable(descriptor: c_int, milliseconds: c_int) -> bool {
    let mut poll = libc::pollfd {
        fd: descriptor,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one entry is passed, and its length is told.
    unsafe { libc::poll(&raw mut poll, 1, milliseconds) > 0 }
}

/// Lines on their way to a reader.
struct LineQueue {
    target: Target,
    kept: VecDeque<u8>,
    /// Lines for which there was no room since the last report.
    dropped: u64,
    /// Whether a thread waits for the reader.
    has_thread: bool,
}

impl LineQueue {
    /// Writes a line, keeps it, or drops it.
    fn push(&mut self, line: &[u8], prefix: &str) {
        if !self.has_thread {
            self.write_kept(prefix);
        }
        if self.kept.is_empty() {
            let written = self.target.write(line);
            self.kept.extend(line.get(written..).unwrap_or_default());
        } else if self.kept.len() + line.len() <= MAX_KEPT {
            self.kept.extend(line);
        } else {
            self.dropped += 1;
        }
    }

    /// Writes as much as the reader takes. A report of dropped lines follows the lines before them.
    fn write_kept(&mut self, prefix: &str) {
        loop {
            let (first, _) = self.kept.as_slices();
            if first.is_empty() {
                if self.dropped == 0 {
                    return;
                }
                let lines = counted(self.dropped, "log line");
                let report = format!("{prefix}{lines} dropped: nobody read the log\n");
                self.kept.extend(report.as_bytes());
                self.dropped = 0;
                continue;
            }
            let written = self.target.write(first);
            if written == 0 {
                return;
            }
            self.kept.drain(..written);
        }
    }
}

/// How bytes are written without waiting.
enum Target {
    /// A regular file takes all bytes.
    File(ManuallyDrop<File>),
    /// A pipe or terminal, opened a second time: O_NONBLOCK on stderr itself would reach all processes that have it.
    NonBlocking(File),
    /// The same when it cannot be opened again: looked at before each write of a size that a writable pipe takes.
    Polled(ManuallyDrop<File>),
    /// A socket, as the journal's.
    Socket(ManuallyDrop<File>),
}

impl Target {
    fn stderr() -> Target {
        Target::of(stderr().as_raw_fd())
    }

    /// The target behind a descriptor that stays open as long as the process.
    fn of(descriptor: c_int) -> Target {
        // SAFETY: the descriptor is open, and ManuallyDrop leaves closing it to its owner.
        let file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
        let Ok(kind) = file.metadata().map(|metadata| metadata.file_type()) else {
            return Target::Polled(file);
        };
        if kind.is_file() {
            return Target::File(file);
        }
        if kind.is_socket() {
            return Target::Socket(file);
        }
        OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(format!("/proc/self/fd/{descriptor}"))
            .map_or(Target::Polled(file), Target::NonBlocking)
    }

    fn descriptor(&self) -> c_int {
        match self {
            Target::NonBlocking(file) => file.as_raw_fd(),
            Target::File(file) | Target::Polled(file) | Target::Socket(file) => file.as_raw_fd(),
        }
    }

    /// Writes what can be written at once; returns how many bytes. Bytes that nobody can ever read count as written.
    fn write(&mut self, bytes: &[u8]) -> usize {
        loop {
            match self.try_write(bytes) {
                Ok(written) => return written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
                Err(_) => return bytes.len(),
            }
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::File(file) => file.write(bytes),
            Target::NonBlocking(file) => file.write(bytes),
            Target::Polled(file) => {
                if !wait_until_writable(file.as_raw_fd(), 0) {
                    return Err(ErrorKind::WouldBlock.into());
                }
                file.write(bytes.get(..libc::PIPE_BUF).unwrap_or(bytes))
            }
            Target::Socket(file) => {
                let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
                // SAFETY: the buffer is as long as is told.
                let sent = unsafe {
                    libc::send(file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags)
                };
                usize::try_from(sent).map_err(|_| io::Error::last_os_error())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, PipeReader, Read, pipe};
    use std::os::unix::net::UnixStream;

    use super::*;

    const LINES: usize = 20_000;

    fn lines_to(stream: &mut LogStream, count: usize) {
        for number in 0..count {
            writeln!(stream, "line {number}").unwrap();
        }
    }

    /// Reads lines until the report, and checks that no line is missing that was not reported.
    fn assert_all_told(reader: impl Read, prefix: &str) {
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        let mut read = 0;
        let report = loop {
            let line = lines.next().unwrap();
            if line != format!("line {read}") {
                break line;
            }
            read += 1;
        };
        assert!(read > 1000, "{read} were kept");
        let dropped = LINES - read;
        assert_eq!(
            report,
            format!("{prefix}{dropped} log lines dropped: nobody read the log")
        );
    }

    fn full_pipe(target: impl FnOnce(c_int) -> Target) -> (LogStream, PipeReader) {
        let (reader, writer) = pipe().unwrap();
        let descriptor = writer.as_raw_fd();
        std::mem::forget(writer);
        let mut stream = LogStream::new(target(descriptor), "<4>");
        lines_to(&mut stream, LINES);
        (stream, reader)
    }

    #[test]
    fn a_pipe_that_nobody_reads_holds_up_nobody() {
        let (stream, reader) = full_pipe(Target::of);
        assert!(matches!(lock(&stream.queue).target, Target::NonBlocking(_)));
        assert_all_told(reader, "<4>");
    }

    #[test]
    fn a_pipe_that_cannot_be_opened_again_is_looked_at_first() {
        let polled = |descriptor| {
            // SAFETY: the descriptor is open, and stays so.
            Target::Polled(ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) }))
        };
        let (_stream, reader) = full_pipe(polled);
        assert_all_told(reader, "<4>");
    }

    #[test]
    fn a_socket_that_nobody_reads_holds_up_nobody() {
        let (reader, writer) = UnixStream::pair().unwrap();
        let mut stream = LogStream::new(Target::of(writer.as_raw_fd()), "");
        lines_to(&mut stream, LINES);
        assert_all_told(reader, "");
    }

    #[test]
    fn the_end_waits_a_moment_only() {
        let (mut stream, _reader) = full_pipe(Target::of);
        stream.flush().unwrap();
        assert!(!lock(&stream.queue).kept.is_empty());
    }

    #[test]
    fn a_reader_that_is_gone_is_nobodys_trouble() {
        let (mut stream, reader) = full_pipe(Target::of);
        drop(reader);
        lines_to(&mut stream, 10);
        stream.flush().unwrap();
        assert!(lock(&stream.queue).kept.is_empty());
    }

    #[test]
    fn a_long_line_is_cut() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        let mut stream = LogStream::new(Target::of(writer.as_raw_fd()), "");
        write!(stream, "{}", "x".repeat(3 * MAX_LINE)).unwrap();
        writeln!(stream, "y").unwrap();
        let mut line = vec![0; MAX_LINE];
        reader.read_exact(&mut line).unwrap();
        assert!(line.starts_with(b"xxx") && line.ends_with("x […]\n".as_bytes()));
    }
}
