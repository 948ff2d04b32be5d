//! The loop of the helper: it receives requests, sends answers and watches its children. One thread, which blocks in
//! poll(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use zeroize::Zeroize;

use crate::config::Purpose;
use crate::engine::seqpacket;
use crate::process::config_files::Opener;
use crate::process::identity;
use crate::process::privileges::Identity;
use crate::process::socket_folder::Leftover;
use crate::proto::helper::{Answer, Ask, MAX, Reply, Request, WipedBytes};

use super::attempt::{self, Attempt, Task, VerifySecret};
use super::grant;
use super::guesses::Guesses;
use super::pam::Question;
use super::permitted::Permitted;
use super::queue::Queue;

/// How many children run at once.
const MAX_ATTEMPTS: usize = 4;
/// How many requests wait for a child.
const MAX_WAITING: usize = 64;
/// How long a request waits at most.
const OLDEST: Duration = Duration::from_secs(10);
/// How many refusals are delayed. At this number no attempt begins.
const MAX_HELD: usize = 256;

/// A refusal is sent when a multiple of this time has passed since its attempt began, so that the time does not tell why
/// it was refused: an attempt takes 45 ms for a right or wrong password with yescrypt, and 1 ms for an unknown user.
const REFUSAL: Duration = Duration::from_secs(1);

/// What the helper was started with.
#[derive(Debug)]
pub(super) struct Setup {
    /// Its end of the socket.
    pub socket: OwnedFd,
    /// The configuration that was named, if any.
    pub config: Option<PathBuf>,
    /// The user that the daemon becomes.
    pub identity: Option<Identity>,
    /// How files are opened.
    pub opener: Opener,
    /// What the configurations so far have named.
    pub permitted: Permitted,
    /// How long an attempt may take.
    pub limit: Duration,
    /// Checks a password by its hash.
    pub verify: VerifySecret,
}

impl Setup {
    /// The user that the daemon runs as.
    fn user(&self) -> u32 {
        let identity = self.identity.as_ref();
        identity.map_or_else(identity::effective_user, |user| user.account.user)
    }
}

/// The daemon has sent what it never sends. It may be under an attacker's control, so the helper must end.
#[derive(Debug)]
pub(super) struct InvalidRequest(pub String);

struct HelperLoop {
    setup: Setup,
    queue: Queue<Request>,
    attempts: Vec<Attempt>,
    /// Delayed refusals: when to send each, and the number of its request.
    held: Vec<(Instant, u32)>,
    /// Sockets that are removed when the daemon has ended.
    leftovers: Vec<Leftover>,
    guesses: Guesses,
}

/// Serves until the daemon closes its end. `leftovers` are removed then.
pub(super) fn serve(setup: Setup, leftovers: Vec<Leftover>) -> Result<(), InvalidRequest> {
    let guesses = Guesses::new().map_err(|error| InvalidRequest(error.to_string()))?;
    let mut helper = HelperLoop {
        setup,
        queue: Queue::new(MAX_WAITING, OLDEST),
        attempts: Vec::with_capacity(MAX_ATTEMPTS),
        held: Vec::new(),
        leftovers,
        guesses,
    };
    let ended = helper.run();
    attempt::end_all(&mut helper.attempts);
    match ended {
        Ok(()) | Err(Stop::DaemonGone) => Ok(()),
        Err(Stop::Invalid(what)) => Err(InvalidRequest(what)),
    }
}

/// Why the loop ends before the daemon closes its end.
enum Stop {
    DaemonGone,
    Invalid(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Stop::DaemonGone,
            _ => Stop::Invalid(error.to_string()),
        }
    }
}

impl HelperLoop {
    fn run(&mut self) -> Result<(), Stop> {
        // It holds passwords.
        let mut buffer = WipedBytes::new(vec![0; MAX]);
        loop {
            let now = Instant::now();
            self.expire(now)?;
            self.start(now)?;
            let ready = self.wait(now)?;
            let now = Instant::now();
            self.hear_children(&ready.children, now)?;
            if ready.daemon {
                let Some(packet) = seqpacket::receive(self.setup.socket.as_fd(), &mut buffer)?
                else {
                    return Ok(());
                };
                let request = Request::decode(packet);
                packet.zeroize();
                let request = request.map_err(|error| Stop::Invalid(error.to_string()))?;
                self.take(request, now)?;
            }
        }
    }

    /// Answers requests that have waited or worked for too long, and sends the refusals whose time has come.
    fn expire(&mut self, now: Instant) -> Result<(), Stop> {
        while let Some(request) = self.queue.pop_old(now) {
            self.answer(request.id, Answer::Unavailable)?;
        }
        for at in 0..self.attempts.len() {
            let expired = self
                .attempts
                .get_mut(at)
                .map(|one| (one.id, one.expire(now)));
            if let Some((id, Some(answer))) = expired {
                self.answer(id, answer)?;
            }
        }
        self.attempts.retain(|attempt| !attempt.is_gone());
        while let Some(at) = self.held.iter().position(|(due, _)| *due <= now) {
            let (_, id) = self.held.swap_remove(at);
            self.answer(id, Answer::Refused)?;
        }
        Ok(())
    }

    /// Starts attempts for the requests that wait.
    fn start(&mut self, now: Instant) -> Result<(), Stop> {
        while self.attempts.len() < MAX_ATTEMPTS && self.held.len() < MAX_HELD {
            let Some(request) = self.queue.pop() else {
                break;
            };
            let guesses = &mut self.guesses;
            let Some(task) = task(&self.setup, guesses, &request, now) else {
                self.answer(request.id, Answer::Unavailable)?;
                continue;
            };
            let (queue, attempts) = (&mut self.queue, &mut self.attempts);
            let forget = || {
                queue.clear();
                attempts.clear();
            };
            let (limit, daemon) = (self.setup.limit, self.setup.socket.as_fd());
            match Attempt::start(request.id, &task, now, limit, daemon, forget) {
                Ok(attempt) => self.attempts.push(attempt),
                Err(error) => {
                    log::error!("no process to check a password can be started: {error}");
                    self.answer(request.id, Answer::Unavailable)?;
                }
            }
        }
        Ok(())
    }

    /// Waits for the daemon, for a child, or until something is due.
    fn wait(&self, now: Instant) -> Result<Ready, Stop> {
        let attempts = self.attempts.iter();
        let watched = attempts.filter_map(|one| Some((one.id, one.socket()?)));
        let (children, sockets): (Vec<u32>, Vec<BorrowedFd<'_>>) = watched.unzip();
        let sockets = std::iter::once(self.setup.socket.as_fd()).chain(sockets);
        let mut polled: Vec<libc::pollfd> = sockets
            .map(|socket| libc::pollfd {
                fd: socket.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            })
            .collect();
        let timeout = self.due(now).map_or(-1, |due| {
            // Rounded up: otherwise the loop would spin in the last millisecond.
            let left = due.saturating_duration_since(now) + Duration::from_micros(999);
            libc::c_int::try_from(left.as_millis()).unwrap_or(libc::c_int::MAX)
        });
        // SAFETY: the pointer and the length are of one vector.
        let count = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as _, timeout) };
        if count < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(Stop::from(error));
            }
            return Ok(Ready::default());
        }
        let mut ready = polled.iter().map(|polled| polled.revents != 0);
        Ok(Ready {
            daemon: ready.next().unwrap_or(false),
            children: children
                .into_iter()
                .zip(ready)
                .filter_map(|(id, ready)| ready.then_some(id))
                .collect(),
        })
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        let attempts = self.attempts.iter().map(|attempt| attempt.due(now));
        let held = self.held.iter().map(|(due, _)| *due);
        attempts.chain(held).chain(self.queue.due()).min()
    }

    /// Receives from the children that are readable.
    fn hear_children(&mut self, ready: &[u32], now: Instant) -> Result<(), Stop> {
        for id in ready {
            let mut attempts = self.attempts.iter_mut();
            let Some(attempt) = attempts.find(|attempt| attempt.id == *id) else {
                continue;
            };
            match attempt.ready(now) {
                Some(Answer::Refused) => {
                    self.guesses.settle(*id, Some(false), now);
                    let due = refusal_time(attempt.begun, now);
                    self.held.push((due, *id));
                }
                Some(answer) => self.answer(*id, answer)?,
                None => {}
            }
        }
        self.attempts.retain(|attempt| !attempt.is_gone());
        Ok(())
    }

    /// Handles a request: the table of what the daemon may ask for.
    fn take(&mut self, request: Request, now: Instant) -> Result<(), Stop> {
        let id = request.id;
        match &request.ask {
            Ask::Auth { .. } | Ask::Hash { .. } => match self.queue.push(now, request) {
                Ok(()) => Ok(()),
                Err(_) => self.answer(id, Answer::Unavailable),
            },
            Ask::Reload => {
                let done = self.reload();
                self.give(id, done)
            }
            Ask::Open { path } => {
                let granted = self.setup.permitted.file(path).ok_or_else(not_granted);
                let done = granted.and_then(|path| self.setup.opener.open(path, Purpose::Secret));
                self.give(id, done.map(|file| (Answer::Descriptor, file.into())))
            }
            Ask::Bind { address } => {
                let identity = self.setup.identity.as_ref();
                let granted = self.setup.permitted.address(address);
                let done = granted
                    .ok_or_else(not_granted)
                    .and_then(|address| grant::bind(address, identity));
                let done = done.map(|(listener, leftover)| {
                    self.leftovers.retain(Leftover::is_there);
                    self.leftovers.extend(leftover);
                    (Answer::Descriptor, listener)
                });
                self.give(id, done)
            }
        }
    }

    fn reload(&mut self) -> io::Result<(Answer, OwnedFd)> {
        let file = self.setup.config.as_ref().ok_or_else(|| {
            io::Error::other("no configuration file was named when the helper was started")
        })?;
        let read = grant::read(file)?;
        // The faults of a file that it names are told by the daemon, which opens it for that.
        self.setup.permitted.add_files(&read.config);
        let accepted = read.is_faultless;
        if accepted {
            self.setup.permitted.add(&read.config);
            self.setup.opener = Opener::of(&read.config.daemon);
        }
        Ok((Answer::Reloaded { accepted }, read.text))
    }

    fn give(&mut self, id: u32, done: io::Result<(Answer, OwnedFd)>) -> Result<(), Stop> {
        match done {
            Ok((answer, descriptor)) => self.send(id, answer, Some(descriptor.as_fd())),
            Err(error) => self.answer(id, Answer::Failed(error.to_string())),
        }
    }

    fn answer(&mut self, id: u32, answer: Answer) -> Result<(), Stop> {
        // A refusal was counted when it was known.
        let right = matches!(answer, Answer::Granted { .. }).then_some(true);
        self.guesses.settle(id, right, Instant::now());
        self.send(id, answer, None)
    }

    fn send(
        &mut self,
        id: u32,
        answer: Answer,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), Stop> {
        let packet = Reply { id, answer }
            .encode()
            .map_err(|error| Stop::Invalid(error.to_string()))?;
        Ok(seqpacket::send(
            self.setup.socket.as_fd(),
            &packet,
            descriptor,
        )?)
    }
}

#[derive(Default)]
struct Ready {
    daemon: bool,
    /// The numbers of their requests.
    children: Vec<u32>,
}

/// What a child is to do for a request; `None` when that is not permitted, or not now. Policy is the configuration's: the
/// daemon says who wants to enter which server, and no more.
fn task<'r>(
    setup: &'r Setup,
    guesses: &mut Guesses,
    request: &'r Request,
    now: Instant,
) -> Option<Task<'r>> {
    match &request.ask {
        Ask::Auth {
            server,
            user,
            password,
            remote_host,
        } => {
            let Some(users) = setup.permitted.system_users(server) else {
                log::error!("the configuration has no server {server:?} for users of the system");
                return None;
            };
            let login = (user.as_str(), password);
            let exempt = &users.exempt;
            guesses
                .allow(request.id, login, remote_host, exempt, now)
                .then_some(Task::Login(Question {
                    service: &users.service,
                    user,
                    password,
                    remote_host,
                    groups: &users.groups,
                }))
        }
        Ask::Hash { secret, password } => Some(Task::Hash {
            secret,
            password,
            verify: setup.verify,
            daemon: setup.user(),
        }),
        Ask::Reload | Ask::Open { .. } | Ask::Bind { .. } => None,
    }
}

fn not_granted() -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        "the configuration does not name it",
    )
}

/// When to send a refusal that is known now.
fn refusal_time(begun: Instant, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(begun).as_millis();
    let whole = passed.div_ceil(REFUSAL.as_millis()).max(1);
    begun + REFUSAL * u32::try_from(whole).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_sent_at_whole_multiples_of_a_second() {
        let begun = Instant::now();
        let told = |passed| {
            let now = begun + Duration::from_millis(passed);
            (refusal_time(begun, now) - begun).as_millis()
        };
        assert_eq!([told(0), told(1), told(45), told(1000)], [1000; 4]);
        assert_eq!([told(1001), told(1999), told(2000)], [2000; 3]);
        assert_eq!(told(29_500), 30_000);
    }
}
