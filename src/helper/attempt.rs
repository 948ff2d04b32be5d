//! An attempt to check a password, in a child process that may hang or crash.
//!
//! The child answers with one packet and exits. When its time is over it is killed with all processes that it has started.
//! It dies with the helper.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::seqpacket;
use crate::process::syscall::check;
use crate::proto::helper::{Answer, MAX, Reply};

use super::confine::confine;
use super::pam::{self, Question};

/// Whether a password matches a hash; `None` when that cannot be checked.
pub(crate) type VerifySecret = fn(&str, &[u8]) -> Option<bool>;

/// How long a child may take to exit after its answer.
const ENDING: Duration = Duration::from_secs(2);

/// How often to check whether a killed child is gone.
const REAP_AGAIN: Duration = Duration::from_millis(20);

/// What a child does.
pub(super) enum Task<'t> {
    /// Checks a user of the system.
    Login(Question<'t>),
    /// Checks a password by a hash, without any rights.
    Hash {
        secret: &'t [u8],
        password: &'t [u8],
        verify: VerifySecret,
        /// The user that the daemon runs as, whom the child must not become.
        daemon: u32,
    },
}

/// A request that a child works on.
#[derive(Debug)]
pub(super) struct Attempt {
    /// The number of the request.
    pub id: u32,
    /// When it began.
    pub begun: Instant,
    child: libc::pid_t,
    state: AttemptState,
}

#[derive(Debug)]
enum AttemptState {
    /// It must answer by this time.
    Working(OwnedFd, Instant),
    /// It has answered, and must exit by this time.
    Answered(OwnedFd, Instant),
    /// It was killed.
    Killed,
}

impl Attempt {
    /// Starts a child that works on the task of a request. In the child, `forget` drops the other requests and attempts, and
    /// the child's own socket replaces `daemon`, so that it cannot speak to the daemon.
    pub(super) fn start(
        id: u32,
        task: &Task<'_>,
        begun: Instant,
        limit: Duration,
        daemon: BorrowedFd<'_>,
        forget: impl FnOnce(),
    ) -> io::Result<Attempt> {
        let (near, far) = seqpacket::pair()?;
        // SAFETY: getpid and fork take no pointers. The helper is a single thread, so the child finds no lock held.
        let (helper, child) = unsafe { (libc::getpid(), libc::fork()) };
        match child {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                let worked = catch_unwind(AssertUnwindSafe(|| {
                    forget();
                    drop(near);
                    settle(helper, &far, daemon)?;
                    let answer = work(task, limit);
                    // A name that does not fit into a packet was never asked for. An empty packet counts as a crash.
                    let packet = Reply { id, answer }.encode();
                    let packet = packet.map(|packet| packet.to_vec()).unwrap_or_default();
                    seqpacket::send(far.as_fd(), &packet, None)
                }));
                // Not _exit: PAM modules and their libraries may have to clean up.
                exit(i32::from(!matches!(worked, Ok(Ok(())))))
            }
            child => Ok(Attempt {
                id,
                begun,
                child,
                state: AttemptState::Working(near, begun + limit),
            }),
        }
    }

    /// Becomes readable when the child answers or exits.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            AttemptState::Working(socket, _) | AttemptState::Answered(socket, _) => {
                Some(socket.as_fd())
            }
            AttemptState::Killed => None,
        }
    }

    /// When to check it again, even if nothing is readable.
    pub(super) fn due(&self, now: Instant) -> Instant {
        match self.state {
            AttemptState::Working(_, due) | AttemptState::Answered(_, due) => due,
            AttemptState::Killed => now + REAP_AGAIN,
        }
    }

    /// Receives from the child, which has answered or exited. Returns its answer, if it is the first.
    pub(super) fn ready(&mut self, now: Instant) -> Option<Answer> {
        let mut buffer = [0; MAX];
        let packet = match &self.state {
            AttemptState::Working(socket, _) | AttemptState::Answered(socket, _) => {
                seqpacket::receive(socket.as_fd(), &mut buffer)
            }
            AttemptState::Killed => return None,
        };
        let answer = match packet {
            Ok(Some(packet)) => answer_of(packet, self.id),
            Ok(None) | Err(_) => None,
        };
        match (
            std::mem::replace(&mut self.state, AttemptState::Killed),
            answer,
        ) {
            (AttemptState::Working(socket, _), Some(answer)) => {
                self.state = AttemptState::Answered(socket, now + ENDING);
                Some(answer)
            }
            (AttemptState::Working(..), None) => {
                log::error!("a process that checked a password crashed");
                self.kill();
                Some(Answer::Unavailable)
            }
            _ => {
                self.kill();
                None
            }
        }
    }

    /// Kills the child if its time is over. Returns the answer to give instead, if it has not answered.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Answer> {
        let (due, answer) = match self.state {
            AttemptState::Working(_, due) => (due, Some(Answer::Unavailable)),
            AttemptState::Answered(_, due) => (due, None),
            AttemptState::Killed => return None,
        };
        if now < due {
            return None;
        }
        if answer.is_some() {
            log::error!("a process that checked a password took too long and was killed");
        }
        self.kill();
        answer
    }

    /// Kills the child and all processes that it has started.
    pub(super) fn kill(&mut self) {
        self.state = AttemptState::Killed;
        // The child was not waited for yet, so the process number is still its own.
        kill_tree(self.child);
    }

    /// Whether the child was killed and is gone. Otherwise ask again after [`Attempt::due`].
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.state, AttemptState::Killed) && self.reap()
    }

    /// Whether the child has exited. From then on its process number may be another's.
    fn reap(&self) -> bool {
        // SAFETY: the status is not asked for.
        unsafe { libc::waitpid(self.child, ptr::null_mut(), libc::WNOHANG) != 0 }
    }
}

/// Kills a process and those that it has started, also if they have left its process group, as those of pam_exec(8) do. It
/// is stopped first, so that it starts no others meanwhile.
fn kill_tree(process: libc::pid_t) {
    // SAFETY: kill takes no pointers.
    unsafe { libc::kill(process, libc::SIGSTOP) };
    for child in children(process) {
        kill_tree(child);
    }
    // SAFETY: as above.
    unsafe { libc::kill(process, libc::SIGKILL) };
}

/// The children of a process, as proc_pid_task(5) lists them.
fn children(process: libc::pid_t) -> Vec<libc::pid_t> {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let threads = threads.into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|listed| {
            let pids = listed.split_whitespace().map(str::parse);
            pids.flatten().collect::<Vec<_>>()
        })
        .collect()
}

/// Ends all attempts. Those that have answered get some time to exit by themselves.
pub(super) fn end_all(attempts: &mut Vec<Attempt>) {
    let end = Instant::now() + ENDING;
    for attempt in attempts.iter_mut() {
        if let AttemptState::Working(..) = attempt.state {
            attempt.kill();
        }
    }
    loop {
        attempts.retain(|attempt| !attempt.reap());
        if attempts.is_empty() || Instant::now() >= end {
            return;
        }
        thread::sleep(REAP_AGAIN);
    }
}

/// The answer in a packet, if a child may give it and it is for this request.
fn answer_of(packet: &[u8], id: u32) -> Option<Answer> {
    let reply = Reply::decode(packet).ok()?;
    let is_a_childs = matches!(
        reply.answer,
        Answer::Granted { .. } | Answer::Refused | Answer::Unavailable | Answer::Hash(_)
    );
    (is_a_childs && reply.id == id).then_some(reply.answer)
}

/// Sets the child up: it dies with the helper, has the default actions of signals but gets none from a terminal, and has
/// no descriptor of the daemon's. Descriptors of libraries stay open, because the libraries may still use them.
fn settle(helper: libc::pid_t, far: &OwnedFd, daemon: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: none of these takes a pointer, and both descriptors are open.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != helper {
            exit(1);
        }
        libc::setpgid(0, 0);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::signal(signal, libc::SIG_DFL);
        }
        check(libc::dup3(
            far.as_raw_fd(),
            daemon.as_raw_fd(),
            libc::O_CLOEXEC,
        ))
        .map(drop)
    }
}

fn work(task: &Task<'_>, limit: Duration) -> Answer {
    match *task {
        Task::Login(ref question) => pam::ask(question),
        Task::Hash {
            secret,
            password,
            verify,
            daemon,
        } => {
            if let Err(error) = confine(daemon, limit.as_secs() + 1) {
                log::error!("a hash is not checked, for its process cannot be confined: {error}");
                return Answer::Unavailable;
            }
            let verified = str::from_utf8(secret)
                .ok()
                .and_then(|it| verify(it, password));
            verified.map_or(Answer::Unavailable, Answer::Hash)
        }
    }
}
