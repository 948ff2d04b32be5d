//! A connection to the daemon: writes a request and waits for its answer, both until a deadline.

use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::process::exit::Exit;
use crate::rpc::{Call, Error, FromDaemon, RequestId, encode};

use super::failure::Failure;
use super::socket::{Candidate, check_private};

/// A connection on which one call is made.
#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    path: PathBuf,
    /// Bytes that were read and are no whole line yet.
    pending: Vec<u8>,
}

impl Client {
    /// Connects to the first of the candidates that a daemon listens on.
    pub(super) fn connect(candidates: &[Candidate], deadline: Instant) -> Result<Client, Failure> {
        for candidate in candidates {
            let path = candidate.path.display();
            match try_connect(candidate, deadline) {
                Ok(stream) => {
                    return Ok(Client {
                        stream,
                        path: candidate.path.clone(),
                        pending: Vec::new(),
                    });
                }
                Err(error) if is_absent(&error) => {}
                Err(error) if is_timeout(&error) => return Err(timed_out()),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Err(Failure::failed(format!(
                        "{path}: {error}; allowed: root, the daemon's user, and the group of its socket"
                    )));
                }
                Err(error) => return Err(Failure::failed(format!("{path}: {error}"))),
            }
        }
        let tried: Vec<String> = candidates
            .iter()
            .map(|candidate| candidate.path.display().to_string())
            .collect();
        let what = format!("is the daemon running? tried {}", tried.join(", "));
        Err(Failure::Line(Exit::NotRunning, what))
    }

    /// Where the daemon was found.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a call. The outer error is that there is no answer, the inner one is the daemon's.
    pub(super) fn call(
        &mut self,
        call: &Call,
        deadline: Instant,
    ) -> Result<Result<Box<RawValue>, Error>, Failure> {
        let id = RequestId::number(1);
        let mut request = Vec::new();
        encode(Some(&id), call, &mut request);
        // A daemon that refuses a long line does not read it to its end: there may be an answer after a failed write.
        let written = self.write(&request, deadline);
        loop {
            match (self.read(Some(deadline))?, &written) {
                (Some(FromDaemon::Answer { id: of, result }), _)
                    if of == id || of == RequestId::null() =>
                {
                    return Ok(result);
                }
                (Some(_), _) => {}
                (None, Ok(())) => {
                    return Err(Failure::failed(
                        "the daemon closed the connection without an answer; its log says why",
                    ));
                }
                (None, Err(error)) => {
                    return Err(Failure::failed(format!(
                        "the daemon does not read: {error}; its log says why"
                    )));
                }
            }
        }
    }

    fn write(&mut self, mut request: &[u8], deadline: Instant) -> io::Result<()> {
        while !request.is_empty() {
            self.stream.set_write_timeout(Some(left(deadline)?))?;
            match self.stream.write(request) {
                Ok(count) => request = request.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next line from the daemon; nothing when it has closed the connection.
    pub(super) fn read(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<FromDaemon>, Failure> {
        let line = match self.read_line(deadline) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(error) if is_timeout(&error) => return Err(timed_out()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(Failure::failed(format!("the control socket: {error}"))),
        };
        FromDaemon::decode(&line).map(Some).map_err(foreign)
    }

    fn read_line(&mut self, deadline: Option<Instant>) -> io::Result<Option<Vec<u8>>> {
        let mut scanned = 0;
        let mut buffer = [0; 16 * 1024];
        loop {
            let fresh = self.pending.get(scanned..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                let rest = self.pending.split_off(scanned + at + 1);
                return Ok(Some(std::mem::replace(&mut self.pending, rest)));
            }
            scanned = self.pending.len();
            self.stream
                .set_read_timeout(deadline.map(left).transpose()?)?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self
                    .pending
                    .extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What answers is no daemon of this version.
pub(super) fn foreign(what: impl Display) -> Failure {
    Failure::failed(format!("no daemon of this version answers there: {what}"))
}

/// Connects until a deadline, which std does not offer: a daemon that hangs does not accept.
fn try_connect(candidate: &Candidate, deadline: Instant) -> io::Result<UnixStream> {
    if candidate.private {
        check_private(candidate.path.parent().unwrap_or(Path::new("")))?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(left(deadline)?))?;
    socket.connect(&SockAddr::unix(&candidate.path)?)?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}

/// The time until the deadline.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    Ok(left)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory
    )
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn timed_out() -> Failure {
    let what = "the daemon does not answer in time; --timeout gives it longer";
    Failure::Line(Exit::TimedOut, what.to_owned())
}
