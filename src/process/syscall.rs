//! The error of a system call that returns a negative number.

use std::io;

/// What the call returned, or the system's error.
pub(crate) fn check<T: Copy + Into<i64>>(result: T) -> io::Result<T> {
    if result.into() < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
