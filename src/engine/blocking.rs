//! The slow lane: what may wait for a disk or for a name server is done by two threads, one for each, so that the loop does
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

/// Bytes of a file that are brought into memory at a time.
const WARM: usize = 64 * 1024;

/// Something that may take its time.
#[derive(Debug)]
pub(super) enum Job {
    /// Take a request to the files.
    Visit(ExchangeId, BlockingLookup),
    /// Bring a part of a file into memory, for a connection that sends it.
    Warm {
        conn: ConnId,
        file: Arc<File>,
        start: u64,
        len: u64,
    },
    /// Ask for the addresses of a name, for whoever knows the number.
    Resolve {
        number: u64,
        host: String,
        port: u16,
    },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    Visited(ExchangeId, Box<LookupResult>),
    Warm(ConnId),
    Resolved(u64, io::Result<Vec<SocketAddr>>),
}

/// Both threads, and the way back from them.
#[derive(Debug)]
pub(super) struct Lane {
    waker: Arc<Waker>,
    disk: Option<Sender<Job>>,
    names: Option<Sender<Job>>,
    done: Receiver<Done>,
    results: Sender<Done>,
}

impl Lane {
    /// `waker` ends the wait of whoever calls [`Lane::take`].
    pub(super) fn new(waker: Waker) -> Lane {
        let (results, done) = channel();
        Lane {
            waker: Arc::new(waker),
            disk: None,
            names: None,
            done,
            results,
        }
    }

    /// Does it, some time. Each job has a connection or a client that waits for it, so there are never more than those.
    pub(super) fn push(&mut self, job: Job) {
        let (thread, name) = match &job {
            Job::Resolve { .. } => (&mut self.names, "names"),
            Job::Visit(..) | Job::Warm { .. } => (&mut self.disk, "disk"),
        };
        let sender = match thread {
            Some(sender) => sender,
            None => match start(name, self.results.clone(), Arc::clone(&self.waker)) {
                Ok(sender) => thread.insert(sender),
                Err(error) => {
                    log::error!("a thread cannot be started: {error}");
                    return self.fail(job);
                }
            },
        };
        if let Err(lost) = sender.send(job) {
            *thread = None;
            self.fail(lost.0);
        }
    }

    /// Without a thread the job is done here, for its waiting must end.
    fn fail(&self, job: Job) {
        // The other end is in this same struct.
        let _ = self.results.send(work(job));
        let _ = self.waker.wake();
    }

    /// Something that is done.
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

/// What is told of a job that failed by a fault of ours: whoever waits for it must not wait for ever.
fn failed(job: &Job) -> Done {
    match job {
        Job::Visit(exchange, _) => Done::Visited(*exchange, Box::new(LookupResult::failed())),
        Job::Warm { conn, .. } => Done::Warm(*conn),
        Job::Resolve { number, .. } => {
            Done::Resolved(*number, Err(io::Error::other("internal error")))
        }
    }
}

fn work(job: Job) -> Done {
    match job {
        Job::Visit(exchange, visit) => Done::Visited(exchange, Box::new(visit.run())),
        Job::Warm {
            conn,
            file,
            start,
            len,
        } => {
            warm(&file, start, len);
            Done::Warm(conn)
        }
        Job::Resolve { number, host, port } => Done::Resolved(
            number,
            (host.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect),
        ),
    }
}

/// Reads, so that it need not be waited for afterwards. What cannot be read shows when it is sent.
fn warm(file: &File, start: u64, len: u64) {
    let mut buffer = vec![0; WARM];
    let mut at = start;
    while at < start + len {
        let most = (start + len - at).min(WARM as u64) as usize;
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
        let mut lane = Lane::new(Waker::new(poll.registry(), Token(7)).unwrap());
        lane.push(Job::Resolve {
            number: 5,
            host: "127.0.0.1".to_owned(),
            port: 80,
        });
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(20)))
            .unwrap();
        assert!(events.iter().any(|event| event.token() == Token(7)));
        let Some(Done::Resolved(5, Ok(addresses))) = lane.take() else {
            panic!("an address is an address");
        };
        assert_eq!(addresses, [SocketAddr::from(([127, 0, 0, 1], 80))]);
        assert!(lane.take().is_none());
    }
}
