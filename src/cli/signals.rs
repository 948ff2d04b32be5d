//! The signals of the daemon, as a descriptor that an event loop can wait for.
//!
//! Handlers count, and write to an eventfd. A signalfd would need a signal mask, which children would inherit.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use crate::process::syscall::check;

static WAKE: AtomicI32 = AtomicI32::new(-1);
static STOPS: AtomicU32 = AtomicU32::new(0);
static RELOADS: AtomicU32 = AtomicU32::new(0);

/// The signals of the daemon, from now until the process ends.
#[derive(Debug)]
pub(super) struct Signals {
    eventfd: OwnedFd,
}

impl Signals {
    /// Takes over SIGTERM, SIGINT and SIGHUP.
    pub(super) fn watch() -> io::Result<Signals> {
        // SAFETY: eventfd takes no pointers.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
        // SAFETY: the descriptor was just made and is nobody else's.
        let eventfd = unsafe { OwnedFd::from_raw_fd(fd) };
        WAKE.store(fd, Ordering::SeqCst);
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            install(signal)?;
        }
        Ok(Signals { eventfd })
    }

    /// Becomes readable when a signal arrives. It is never read: the loop is edge-triggered.
    pub(super) fn fd(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// How often the process was told to stop.
    pub(super) fn stops(&self) -> u32 {
        STOPS.load(Ordering::SeqCst)
    }

    /// How often it was told to reload since the last call.
    pub(super) fn take_reloads(&self) -> u32 {
        RELOADS.swap(0, Ordering::SeqCst)
    }
}

extern "C" fn on_signal(signal: libc::c_int) {
    let counter = if signal == libc::SIGHUP {
        &RELOADS
    } else {
        &STOPS
    };
    counter.fetch_add(1, Ordering::SeqCst);
    let one = 1_u64;
    // SAFETY: write is safe in a signal handler (signal-safety(7)), the buffer is eight bytes of the stack, and errno is
    // restored for whoever was interrupted.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(WAKE.load(Ordering::SeqCst), (&raw const one).cast(), 8);
        *errno = before;
    }
}

fn install(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: an all-zero sigaction is a valid one, and the handler does only what a handler may.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut())
    };
    check(result).map(drop)
}
