//! The confinement of a child that checks a hash. What it reads was chosen by peers and by the process that faces them, and
//! is read by C libraries: it has no rights, sees no file, starts nothing, and has little time and memory.

use std::ffi::CString;
use std::io;

use crate::process::syscall::check;

/// Users that own nothing. The child becomes the first that the daemon does not run as.
const NOBODY: [libc::uid_t; 2] = [65_532, 65_531];

/// Folders in one of which an empty one can be made.
const FOLDERS: [&str; 3] = ["/run", "/tmp", "/dev/shm"];

/// Memory of all kinds in bytes: the costliest hash that a list may have takes a quarter.
const MEMORY: libc::rlim_t = 1 << 30;

/// Confines this process for good. `daemon` is the user that the daemon runs as.
///
/// # Errors
/// The system's; the process must not go on then.
pub(super) fn confine(daemon: libc::uid_t, seconds: u64) -> io::Result<()> {
    // SAFETY: geteuid takes nothing and cannot fail.
    let is_root = unsafe { libc::geteuid() == 0 };
    if is_root {
        leave_all_files()?;
        let [first, second] = NOBODY;
        let id = if daemon == first { second } else { first };
        // SAFETY: no pointer but a null one for no groups.
        unsafe {
            check(libc::setgroups(0, std::ptr::null()))?;
            check(libc::setresgid(id, id, id))?;
            check(libc::setresuid(id, id, id))?;
        }
    }
    limit(libc::RLIMIT_AS, MEMORY)?;
    limit(libc::RLIMIT_CPU, seconds)?;
    limit(libc::RLIMIT_CORE, 0)?;
    limit(libc::RLIMIT_FSIZE, 0)?;
    limit(libc::RLIMIT_NPROC, 0)?;
    // No more than are open.
    limit(libc::RLIMIT_NOFILE, 0)?;
    // SAFETY: prctl takes no pointers for these options.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0)).map(drop)
    }
}

/// Makes an empty folder that is already removed the root of this process.
fn leave_all_files() -> io::Result<()> {
    let mut failed = io::Error::from_raw_os_error(libc::ENOENT);
    for folder in FOLDERS {
        let template = CString::new(format!("{folder}/bellwire-empty.XXXXXX"))?.into_raw();
        // SAFETY: the string is writable, ends in NUL, and is taken back once, after its last use.
        let done = unsafe {
            let made = !libc::mkdtemp(template).is_null();
            let entered = made && libc::chdir(template) == 0;
            let error = io::Error::last_os_error();
            if made {
                libc::rmdir(template);
            }
            drop(CString::from_raw(template));
            if entered { Ok(()) } else { Err(error) }
        };
        match done {
            // SAFETY: the path ends in NUL.
            Ok(()) => return check(unsafe { libc::chroot(c".".as_ptr()) }).map(drop),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

fn limit(resource: Resource, most: libc::rlim_t) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: the pointer is of an rlimit.
    check(unsafe { libc::setrlimit(resource, &raw const limit) }).map(drop)
}
