//! The capabilities (capabilities(7)) that a process beside the daemon keeps of root's rights.

use std::io;

use crate::process::syscall::check;

/// Numbers of linux/capability.h.
pub(crate) const CHOWN: u32 = 0;
pub(crate) const DAC_OVERRIDE: u32 = 1;
pub(crate) const DAC_READ_SEARCH: u32 = 2;
pub(crate) const FOWNER: u32 = 3;
pub(crate) const KILL: u32 = 5;
pub(crate) const SETGID: u32 = 6;
pub(crate) const SETUID: u32 = 7;
pub(crate) const NET_BIND_SERVICE: u32 = 10;
pub(crate) const SYS_CHROOT: u32 = 18;
pub(crate) const AUDIT_WRITE: u32 = 29;

/// Two words of 32 capabilities each.
const VERSION: u32 = 0x2008_0522;
const WORDS: usize = 2;

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up all capabilities but these for good, also for the programs that the process runs. It adds none.
///
/// # Errors
/// The system's.
pub(crate) fn keep_only(capabilities: &[u32]) -> io::Result<()> {
    let kept = mask(capabilities);
    bound(kept);
    set_effective(kept)
}

/// Lets no program that the process runs have a capability. It keeps its own until it gives them up.
pub(crate) fn drop_bounds() {
    bound(0);
}

fn bound(kept: u64) {
    for capability in 0..u32::BITS * WORDS as u32 {
        // It may fail: a process that may not lower the bounds has no rights that they limit, and beyond the last
        // capability of the kernel there is nothing to give up.
        if kept & (1 << capability) == 0 {
            let capability = libc::c_ulong::from(capability);
            // SAFETY: prctl takes no pointers for this option.
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        }
    }
}

fn set_effective(kept: u64) -> io::Result<()> {
    let header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut words = [Word::default(); WORDS];
    // SAFETY: the kernel reads a header and writes two words, as this version has them.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw const header, words.as_mut_ptr()) };
    check(got)?;
    for (at, word) in words.iter_mut().enumerate() {
        let kept = (kept >> (at as u32 * u32::BITS)) as u32;
        word.permitted &= kept;
        word.effective = word.permitted;
        word.inheritable = 0;
    }
    // SAFETY: the kernel reads a header and two words, as this version has them.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw const header, words.as_ptr()) };
    check(set).map(drop)
}

fn mask(capabilities: &[u32]) -> u64 {
    capabilities
        .iter()
        .fold(0, |mask, number| mask | 1 << number)
}
