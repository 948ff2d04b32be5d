//! Blocking work: what may wait for a disk or for a name server is done by two threads, one for each, so that the loop does
//! not wait. They begin with the first job, and end with the engine.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use mio::Waker;

use crate::conn::event::{ConnId, ExchangeId};
use crate::files::{BlockingLookup, LookupResult};

/// Bytes of a file that are read at a time.
const CHUNK: usize = 64 * 1024;

/// Work that may take long.
#[derive(Debug)]
pub(super) enum Job {
    /// Take a request to the files.
    LookUp(ExchangeId, BlockingLookup),
    /// Read a part of a file into the page cache, for a connection that sends it.
    ReadAhead {
        conn: ConnId,
        file: Arc<File>,
        start: u64,
        len: u64,
    },
    /// Ask for the addresses of a name. The answer carries the number.
    Resolve {
        number: u64,
        host: String,
        port: u16,
    },
}

/// The result of a job.
#[derive(Debug)]
pub(super) enum Done {
    LookedUp(ExchangeId, Box<LookupResult>),
    ReadAhead(ConnId),
    Resolved(u64, io::Result<Vec<SocketAddr>>),
}

/// Both threads, and the channel of their results.
#[derive(Debug)]
pub(super) struct BlockingThreads {
    waker: Arc<Waker>,
    disk: Option<Sender<Job>>,
    names: Option<Sender<Job>>,
    done: Receiver<Done>,
    results: Sender<Done>,
}

impl BlockingThreads {
    /// `waker` wakes the loop, which then calls [`BlockingThreads::take`].
    pub(super) fn new(waker: Waker) -> BlockingThreads {
        let (results, done) = channel();
        BlockingThreads {
            waker: Arc::new(waker),
            disk: None,
            names: None,
            done,
            results,
        }
    }

    /// Gives a job to its thread. Each job has a connection or a client that waits for it, so there are never more jobs than
    /// those.
    pub(super) fn push(&mut self, job: Job) {
        let (thread, name) = match &job {
            Job::Resolve { .. } => (&mut self.names, "names"),
            Job::LookUp(..) | Job::ReadAhead { .. } => (&mut self.disk, "disk"),
        };
        let sender = match thread {
            Some(sender) => sender,
            None => match start(name, self.results.clone(), Arc::clone(&self.waker)) {
                Ok(sender) => thread.insert(sender),
                Err(error) => {
                    log::error!("cannot start a thread: {error}");
                    return self.fail(job);
                }
            },
        };
        if let Err(lost) = sender.send(job) {
            *thread = None;
            self.fail(lost.0);
        }
    }

    /// Without a thread the job is done here, for somebody waits for it.
    fn fail(&self, job: Job) {
        // The other end is in this same struct.
        let _ = self.results.send(work(job));
        let _ = self.waker.wake();
    }

    /// The next result, if there is one.
    pub(super) fn take(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }
}

fn start(name: &str, results: Sender<Done>, waker: Arc<Waker>) -> io::Result<Sender<Job>> {
    let (sender, jobs) = channel::<Job>();
    let run = move || {
        while let Ok(job) = jobs.recv() {
            let failed = failed(&job);
            let done = catch_unwind(AssertUnwindSafe(|| work(job))).unwrap_or(failed);
            if results.send(done).is_err() {
                return;
            }
            let _ = waker.wake();
        }
    };
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(256 * 1024)
        .spawn(run)?;
    Ok(sender)
}

/// The result of a job that panicked: whoever waits for it must not wait for ever.
fn failed(job: &Job) -> Done {
    match job {
        Job::LookUp(exchange, _) => Done::LookedUp(*exchange, Box::new(LookupResult::failed())),
        Job::ReadAhead { conn, .. } => Done::ReadAhead(*conn),
        Job::Resolve { number, .. } => {
            Done::Resolved(*number, Err(io::Error::other("internal error")))
        }
    }
}

fn work(job: Job) -> Done {
    match job {
        Job::LookUp(exchange, lookup) => Done::LookedUp(exchange, Box::new(lookup.run())),
        Job::ReadAhead {
            conn,
            file,
            start,
            len,
        } => {
            read_ahead(&file, start, len);
            Done::ReadAhead(conn)
        }
        Job::Resolve { number, host, port } => Done::Resolved(
            number,
            (host.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect),
        ),
    }
}

/// Reads a part of a file, so that sending it does not wait for the disk. What cannot be read shows when it is sent.
fn read_ahead(file: &File, start: u64, len: u64) {
    let mut buffer = vec![0; CHUNK];
    let mut at = start;
    while at < start + len {
        let most = (start + len - at).min(CHUNK as u64) as usize;
        match file.read_at(&mut buffer[..most], at) {
            Ok(0) => return,
            Ok(count) => at += count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    #[test]
    fn a_job_ends_the_wait() {
        let mut poll = Poll::new().unwrap();
        let mut blocking = BlockingThreads::new(Waker::new(poll.registry(), Token(7)).unwrap());
        blocking.push(Job::Resolve {
            number: 5,
            host: "127.0.0.1".to_owned(),
            port: 80,
        });
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(20)))
            .unwrap();
        assert!(events.iter().any(|event| event.token() == Token(7)));
        let Some(Done::Resolved(5, Ok(addresses))) = blocking.take() else {
            panic!("an address is an address");
        };
        assert_eq!(addresses, [SocketAddr::from(([127, 0, 0, 1], 80))]);
        assert!(blocking.take().is_none());
    }
}
