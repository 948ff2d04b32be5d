//! Who the process runs as.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use crate::config::{Daemon, Place, Placed};

/// More than any entry of a user or group database needs; a group with very many members takes the most.
const MAX_ENTRY: usize = 1 << 20;

/// Whether the process has root's rights.
pub(super) fn is_root() -> bool {
    effective_user() == 0
}

/// What is wrong with `user` and `group`: so far they can only name whom the process runs as.
pub(super) fn faults(daemon: &Daemon) -> Vec<(Place, String)> {
    let user = daemon.user.as_ref().and_then(|user| {
        let what = other_than("user", user, user_id(&user.value), effective_user())?;
        Some((user.place, what))
    });
    let group = daemon.group.as_ref().and_then(|group| {
        let what = other_than("group", group, group_id(&group.value), effective_group())?;
        Some((group.place, what))
    });
    user.into_iter().chain(group).collect()
}

fn other_than(
    key: &str,
    named: &Placed<String>,
    found: io::Result<Option<u32>>,
    own: u32,
) -> Option<String> {
    let name = &named.value;
    match found {
        Ok(Some(id)) if id == own => None,
        Ok(Some(_)) => Some(format!(
            "{key}: changing {key} is not available yet; allowed: the {key} that starts the daemon, or no {key}"
        )),
        Ok(None) => Some(format!(
            "{key}: no such {key} {name:?}; allowed: a {key} of this system"
        )),
        Err(error) => Some(format!(
            "{key}: {name:?}: {error}; allowed: a {key} of this system"
        )),
    }
}

/// The user whose rights the process has.
pub(super) fn effective_user() -> u32 {
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

fn effective_group() -> u32 {
    // SAFETY: getegid has no arguments and cannot fail.
    unsafe { libc::getegid() }
}

/// The id of a user by name.
fn user_id(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    look_up(|buffer| {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: the name ends in NUL, and every pointer is of a live object of the length that is told.
        let status = unsafe {
            libc::getpwnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &mut found,
            )
        };
        // SAFETY: `found` is null, or points to `entry`, which is filled then.
        let id = unsafe { found.as_ref() }.map(|entry| entry.pw_uid);
        (status, id)
    })
}

/// The id of a group by name.
fn group_id(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    look_up(|buffer| {
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: the name ends in NUL, and every pointer is of a live object of the length that is told.
        let status = unsafe {
            libc::getgrnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &mut found,
            )
        };
        // SAFETY: `found` is null, or points to `entry`, which is filled then.
        let id = unsafe { found.as_ref() }.map(|entry| entry.gr_gid);
        (status, id)
    })
}

/// Calls one of the reentrant look-ups with a buffer that grows while it is too small.
fn look_up(mut call: impl FnMut(&mut [u8]) -> (i32, Option<u32>)) -> io::Result<Option<u32>> {
    let mut buffer = vec![0; 1024];
    loop {
        match call(&mut buffer) {
            (0, id) => return Ok(id),
            (libc::EINTR, _) => {}
            (libc::ERANGE, _) if buffer.len() < MAX_ENTRY => buffer.resize(buffer.len() * 4, 0),
            // getpwnam_r(3): what systems answer for a name that is not there.
            (libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM, _) => return Ok(None),
            (status, _) => return Err(io::Error::from_raw_os_error(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(user: &str, group: &str) -> Daemon {
        let placed = |value: &str, line| {
            let place = Place { line, column: 1 };
            Some(Placed {
                value: value.to_owned(),
                place,
            })
        };
        Daemon {
            user: placed(user, 1),
            group: placed(group, 2),
            ..Daemon::default()
        }
    }

    #[test]
    fn root_is_user_and_group_zero() {
        assert_eq!(user_id("root").expect("a look-up"), Some(0));
        assert_eq!(group_id("root").expect("a look-up"), Some(0));
    }

    #[test]
    fn unknown_names_are_faults() {
        let whats: Vec<String> = faults(&named("no-such-one", "no-such-one"))
            .into_iter()
            .map(|(place, what)| format!("{}: {what}", place.line))
            .collect();
        assert_eq!(
            whats,
            [
                "1: user: no such user \"no-such-one\"; allowed: a user of this system",
                "2: group: no such group \"no-such-one\"; allowed: a group of this system",
            ]
        );
    }

    #[test]
    fn only_the_own_user_and_group_are_available() {
        let own = |id| {
            other_than(
                "user",
                &Placed {
                    value: "x".to_owned(),
                    place: Place { line: 1, column: 1 },
                },
                Ok(Some(id)),
                7,
            )
        };
        assert_eq!(own(7), None);
        assert!(own(8).is_some_and(|what| what.contains("not available yet")));
    }

    #[test]
    fn the_buffer_grows_to_a_bound() {
        let grown = look_up(|buffer| {
            if buffer.len() < 5000 {
                (libc::ERANGE, None)
            } else {
                (0, Some(1))
            }
        });
        assert_eq!(grown.expect("a look-up"), Some(1));
        let bounded = look_up(|_| (libc::ERANGE, None));
        assert_eq!(
            bounded.expect_err("too large").raw_os_error(),
            Some(libc::ERANGE)
        );
    }
}
