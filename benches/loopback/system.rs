//! What the system knows of a process: its processor, its CPU time, its memory.

use std::fs;
use std::io;
use std::time::Duration;

pub(crate) type Pid = libc::pid_t;

/// The processors that this process may use.
pub(crate) fn processors() -> Vec<usize> {
    // SAFETY: an all-zero set is valid, and the size is that of the set.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        check(libc::sched_getaffinity(0, size_of_val(&set), &raw mut set));
        set
    };
    (0..libc::CPU_SETSIZE as usize)
        // SAFETY: the number is below the size of the set.
        .filter(|&processor| unsafe { libc::CPU_ISSET(processor, &set) })
        .collect()
}

/// Keeps a process, or with 0 this thread, on one processor.
pub(crate) fn pin(pid: Pid, processor: usize) {
    // SAFETY: as above; the processor is one that the system named.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        check(libc::sched_setaffinity(
            pid,
            size_of_val(&set),
            &raw const set,
        ));
    }
}

/// The CPU time of a process so far, in user space and in the kernel (clock_getcpuclockid(3)).
pub(crate) fn cpu_time(pid: Pid) -> Duration {
    // SAFETY: both calls get memory for the values that they write.
    let time = unsafe {
        let mut clock: libc::clockid_t = 0;
        let mut time: libc::timespec = std::mem::zeroed();
        assert_eq!(libc::clock_getcpuclockid(pid, &raw mut clock), 0);
        check(libc::clock_gettime(clock, &raw mut time));
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Ends this process when the one that started it does.
pub(crate) fn die_with_parent() {
    // SAFETY: this option takes a number.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) });
}

fn check(result: libc::c_int) {
    assert!(result >= 0, "{}", io::Error::last_os_error());
}

/// Memory of a process in KiB.
pub(crate) struct Memory {
    /// Its private memory.
    pub(crate) anonymous: usize,
    /// The same and its shared memory: code and libraries.
    pub(crate) resident: usize,
}

impl Memory {
    pub(crate) fn of(pid: Pid) -> Memory {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(path).expect("the memory of a process");
        let field = |name: &str| {
            text.lines()
                .find_map(|line| {
                    line.strip_prefix(name)?
                        .split_whitespace()
                        .next()?
                        .parse()
                        .ok()
                })
                .expect("a field of the memory map")
        };
        Memory {
            anonymous: field("Anonymous:"),
            resident: field("Rss:"),
        }
    }
}
