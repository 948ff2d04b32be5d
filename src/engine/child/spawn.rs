//! posix_spawn(3): a process in a group of its own, with pipes, and with no more environment than its caller gives.
//!
//! Not fork and exec, which std's `pre_exec` and `current_dir` fall back to: that copies the page tables.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use mio::unix::pipe::{self, Receiver, Sender};

use crate::engine::memory::Account;

/// The stdin of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// A pipe.
    Piped,
    /// /dev/null.
    Null,
}

/// A command to run. Its working directory is `/`, its signals have their defaults, and it leads a process group.
#[derive(Clone, Copy, Debug)]
pub struct Command<'c> {
    /// The absolute path of the program. `PATH` is not searched, and no shell runs.
    pub program: &'c Path,
    /// All arguments; the first is the program as it was named.
    pub argv: &'c [String],
    /// The whole environment.
    pub env: &'c [(OsString, OsString)],
    /// Its stdin.
    pub stdin: Stdin,
    /// Its soft limit of descriptors; `None`: that of the daemon.
    pub descriptors: Option<u64>,
    /// The account for the bytes that wait for its stdin.
    pub memory: &'c Account,
}

/// A process that runs, or has ended and is not reaped. Only this type reaps it.
#[derive(Debug)]
pub(super) struct Process {
    /// Also the id of its group. No other process has it until this one is reaped.
    pub(super) pid: libc::pid_t,
    pub(super) pidfd: OwnedFd,
}

/// Our ends of the pipes.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: Option<Sender>,
    pub(super) stdout: Receiver,
    pub(super) stderr: Receiver,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status; 0 is success.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit status {code}"),
            Exit::Signal(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

/// Starts a process.
///
/// # Errors
/// The error of the system; `InvalidInput` when a string has a NUL.
pub(super) fn spawn(command: &Command<'_>) -> io::Result<(Process, Pipes)> {
    let (out_sender, stdout) = pipe::new()?;
    let (err_sender, stderr) = pipe::new()?;
    // The ends of the child block, as programs expect; ours do not. Ours are closed on exec.
    out_sender.set_nonblocking(false)?;
    err_sender.set_nonblocking(false)?;
    let (stdin, in_receiver) = match command.stdin {
        Stdin::Piped => {
            let (sender, receiver) = pipe::new()?;
            receiver.set_nonblocking(false)?;
            (Some(sender), Some(receiver))
        }
        Stdin::Null => (None, None),
    };
    let mut actions = Actions::new()?;
    actions.change_directory(c"/")?;
    match &in_receiver {
        Some(receiver) => actions.duplicate(receiver.as_raw_fd(), 0)?,
        None => actions.open(0, c"/dev/null", libc::O_RDONLY)?,
    }
    actions.duplicate(out_sender.as_raw_fd(), 1)?;
    actions.duplicate(err_sender.as_raw_fd(), 2)?;
    actions.close_from(3)?;
    let process = start(command, &actions)?;
    let pipes = Pipes {
        stdin,
        stdout,
        stderr,
    };
    Ok((process, pipes))
}

fn start(command: &Command<'_>, actions: &Actions) -> io::Result<Process> {
    let program = CString::new(command.program.as_os_str().as_bytes())?;
    let argv = Strings::new(command.argv.iter().map(|arg| Ok(CString::new(&**arg)?)))?;
    let env = Strings::new(command.env.iter().map(|(name, value)| pair(name, value)))?;
    let attributes = Attributes::new()?;
    let mut pid = 0;
    // SAFETY: every pointer is of a live object, the strings end in NUL, and both lists in a null pointer.
    check(unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            argv.as_ptr(),
            env.as_ptr(),
        )
    })?;
    if let Some(soft) = command.descriptors {
        limit_descriptors(pid, soft);
    }
    match open_pidfd(pid) {
        Ok(pidfd) => Ok(Process { pid, pidfd }),
        Err(error) => {
            // Without a pidfd its end could not be seen, so it is killed at once.
            signal_group(pid, libc::SIGKILL);
            // SAFETY: the process is our child and not reaped; no status is asked for.
            unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
            Err(error)
        }
    }
}

fn pair(name: &OsStr, value: &OsStr) -> io::Result<CString> {
    let bytes = [name.as_bytes(), b"=", value.as_bytes()].concat();
    Ok(CString::new(bytes)?)
}

/// Sets the soft limit of one process. It is set while the program is being loaded: to lower the limit of the daemon around
/// the spawn would make its other threads fail to open files. A program that asks at once may still see the limit of the
/// daemon.
fn limit_descriptors(pid: libc::pid_t, soft: u64) {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the pointers are of whole rlimits or null, and the limit is read only after it was written. What fails
    // here leaves the limit as it is, and the program runs all the same.
    unsafe {
        if libc::prlimit(pid, libc::RLIMIT_NOFILE, ptr::null(), limit.as_mut_ptr()) == 0 {
            let mut limit = limit.assume_init();
            limit.rlim_cur = soft.min(limit.rlim_max);
            libc::prlimit(pid, libc::RLIMIT_NOFILE, &raw const limit, ptr::null_mut());
        }
    }
}

fn open_pidfd(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes no pointers, and the child cannot have been reaped.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, is nobody else's, and is within an int as all are.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

fn signal_group(pid: libc::pid_t, signal: i32) {
    // SAFETY: kill takes no pointers. A group that is gone is an error of no interest.
    unsafe { libc::kill(-pid, signal) };
}

impl Process {
    /// Sends a signal to its group. The process is not reaped, so the id is still its own.
    pub(super) fn signal(&self, signal: i32) {
        signal_group(self.pid, signal);
    }

    /// How it ended, if it has. It is not reaped, so that the id of its group stays taken.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.wait(libc::WNOWAIT)
    }

    /// Reaps a process that has ended. Afterwards another process may get its id.
    pub(super) fn reap(&self) -> Option<Exit> {
        self.wait(0)
    }

    fn wait(&self, option: i32) -> Option<Exit> {
        // SAFETY: all zeroes are a siginfo_t.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is open, and the pointer is of a live siginfo_t.
        let status = unsafe {
            libc::waitid(
                libc::P_PIDFD,
                self.pidfd.as_raw_fd() as libc::id_t,
                &raw mut info,
                libc::WEXITED | libc::WNOHANG | option,
            )
        };
        if status != 0 {
            // It was reaped by somebody else, who learned how it ended.
            return Some(Exit::Code(-1));
        }
        // SAFETY: waitid has filled it in as for SIGCHLD, or left it zeroed.
        let (pid, value) = unsafe { (info.si_pid(), info.si_status()) };
        match info.si_code {
            _ if pid == 0 => None,
            libc::CLD_EXITED => Some(Exit::Code(value)),
            _ => Some(Exit::Signal(value)),
        }
    }

    /// Kills the group and waits for its leader: at most a second, in case it is stuck in the kernel.
    pub(super) fn destroy(&self) {
        self.signal(libc::SIGKILL);
        let mut fds = libc::pollfd {
            fd: self.pidfd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        for _ in 0..10 {
            // SAFETY: one pollfd, as is said.
            unsafe { libc::poll(&raw mut fds, 1, 100) };
            if self.reap().is_some() {
                break;
            }
        }
    }
}

/// C strings, and the list of pointers to them that ends in null.
struct Strings {
    _strings: Vec<CString>,
    pointers: Vec<*mut libc::c_char>,
}

impl Strings {
    fn new(strings: impl Iterator<Item = io::Result<CString>>) -> io::Result<Strings> {
        let strings: Vec<CString> = strings.collect::<io::Result<_>>()?;
        let pointers = strings
            .iter()
            .map(|string| string.as_ptr().cast_mut())
            .chain([ptr::null_mut()])
            .collect();
        Ok(Strings {
            _strings: strings,
            pointers,
        })
    }

    /// posix_spawn does not write to them, although its type allows it.
    fn as_ptr(&self) -> *const *mut libc::c_char {
        self.pointers.as_ptr()
    }
}

/// The file actions of posix_spawn: what the child does with its descriptors before it runs the program.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> io::Result<Actions> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the pointer is of room for one, which is initialised when the call succeeds.
        unsafe {
            check(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
            Ok(Actions(actions.assume_init()))
        }
    }

    fn change_directory(&mut self, path: &std::ffi::CStr) -> io::Result<()> {
        // SAFETY: the actions are initialised, and the path, which is copied, ends in NUL.
        check(unsafe { libc::posix_spawn_file_actions_addchdir_np(&raw mut self.0, path.as_ptr()) })
    }

    fn duplicate(&mut self, from: RawFd, to: RawFd) -> io::Result<()> {
        // SAFETY: the actions are initialised.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut self.0, from, to) })
    }

    /// Closes descriptors that the daemon inherited. Those that it opens itself are closed on exec.
    #[cfg(target_env = "gnu")]
    fn close_from(&mut self, fd: RawFd) -> io::Result<()> {
        // SAFETY: the actions are initialised.
        check(unsafe { libc::posix_spawn_file_actions_addclosefrom_np(&raw mut self.0, fd) })
    }

    /// The C library has no such action.
    #[cfg(not(target_env = "gnu"))]
    fn close_from(&mut self, _: RawFd) -> io::Result<()> {
        Ok(())
    }

    fn open(&mut self, fd: RawFd, path: &std::ffi::CStr, flags: i32) -> io::Result<()> {
        // SAFETY: the actions are initialised, and the path, which is copied, ends in NUL.
        check(unsafe {
            libc::posix_spawn_file_actions_addopen(&raw mut self.0, fd, path.as_ptr(), flags, 0)
        })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised, and not used afterwards.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

/// The attributes of posix_spawn: a group of its own, no signal blocked, none ignored. Rust programs ignore SIGPIPE, but
/// others rely on it.
struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Attributes> {
        let flags = libc::POSIX_SPAWN_SETPGROUP
            | libc::POSIX_SPAWN_SETSIGDEF
            | libc::POSIX_SPAWN_SETSIGMASK;
        let mut attributes = MaybeUninit::uninit();
        let (mut none, mut all) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: each pointer is of room for one; what is read was initialised by a call before.
        unsafe {
            check(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            let mut attributes = Attributes(attributes.assume_init());
            let raw = &raw mut attributes.0;
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigfillset(all.as_mut_ptr());
            check(libc::posix_spawnattr_setsigmask(raw, none.as_ptr()))?;
            check(libc::posix_spawnattr_setsigdefault(raw, all.as_ptr()))?;
            check(libc::posix_spawnattr_setpgroup(raw, 0))?;
            check(libc::posix_spawnattr_setflags(raw, flags as libc::c_short))?;
            Ok(attributes)
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised, and not used afterwards.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

/// The functions of posix_spawn return their errors.
fn check(error: i32) -> io::Result<()> {
    if error == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(error))
    }
}
