//! The capabilities (capabilities(7)) that the helper keeps of root's rights: those that PAM modules need to check an
//! account, and those that a reload needs to open keys and bind addresses. It gives up the others for good, also for its
//! children and the programs that they run.

use std::io;

use crate::process::syscall::check;

/// Names and numbers of linux/capability.h.
const KEPT: [(&str, u32); 9] = [
    ("CAP_CHOWN", 0),
    ("CAP_DAC_OVERRIDE", 1),
    ("CAP_DAC_READ_SEARCH", 2),
    ("CAP_FOWNER", 3),
    ("CAP_KILL", 5),
    ("CAP_SETGID", 6),
    ("CAP_SETUID", 7),
    ("CAP_NET_BIND_SERVICE", 10),
    ("CAP_AUDIT_WRITE", 29),
];

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

/// Gives up all capabilities but those that are kept. It adds none.
///
/// # Errors
/// The system's.
pub(super) fn reduce() -> io::Result<()> {
    let kept = kept();
    for capability in 0..u32::BITS * WORDS as u32 {
        // It may fail: a process that may not lower the bounds has no rights that they limit, and beyond the last
        // capability of the kernel there is nothing to give up.
        if kept & (1 << capability) == 0 {
            // SAFETY: prctl takes no pointers for this option.
            unsafe {
                libc::prctl(
                    libc::PR_CAPBSET_DROP,
                    libc::c_ulong::from(capability),
                    0,
                    0,
                    0,
                )
            };
        }
    }
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
        word.effective &= kept;
        word.permitted &= kept;
        word.inheritable = 0;
    }
    // SAFETY: the kernel reads a header and two words, as this version has them.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw const header, words.as_ptr()) };
    check(set).map(drop)
}

fn kept() -> u64 {
    KEPT.iter().fold(0, |mask, (_, number)| mask | 1 << number)
}
