//! The user and group that the process runs as, and the users and groups of the system.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

use crate::config::{Daemon, Place, Placed};
use crate::process::syscall::check;

/// The largest buffer for an entry of the user or group database, enough for a group with very many members.
const MAX_ENTRY: usize = 1 << 20;

/// Whether the process has root's rights.
pub(crate) fn is_root() -> bool {
    effective_user() == 0
}

/// Faults of `user` and `group`: root may become any user of the system, others must stay who they are.
pub(crate) fn faults(daemon: &Daemon) -> Vec<(Place, String)> {
    let user = daemon.user.as_ref().and_then(|user| {
        let found = account(&user.value).map(|account| account.map(|account| account.user));
        let what = impossible("user", user, found, effective_user(), is_root())?;
        Some((user.place, what))
    });
    let group = daemon.group.as_ref().and_then(|group| {
        let found = group_id(&group.value);
        let what = impossible("group", group, found, effective_group(), is_root())?;
        Some((group.place, what))
    });
    user.into_iter().chain(group).collect()
}

fn impossible(
    key: &str,
    named: &Placed<String>,
    found: io::Result<Option<u32>>,
    own: u32,
    root: bool,
) -> Option<String> {
    let name = &named.value;
    match found {
        Ok(Some(id)) if root || id == own => None,
        Ok(Some(_)) => Some(format!(
            "{key}: only root can change its {key}; allowed: the {key} that starts the daemon, or no {key}"
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
pub(crate) fn effective_user() -> u32 {
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

/// The group whose rights the process has.
pub(crate) fn effective_group() -> u32 {
    // SAFETY: getegid has no arguments and cannot fail.
    unsafe { libc::getegid() }
}

/// A user of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserAccount {
    /// The user's id.
    pub user: u32,
    /// The id of the user's primary group.
    pub group: u32,
}

/// A user by name.
pub(crate) fn account(name: &str) -> io::Result<Option<UserAccount>> {
    let name = CString::new(name)?;
    look_up(|buffer| {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: the name ends in NUL, and each pointer is of a live object of the given length.
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
        let account = unsafe { found.as_ref() }.map(|entry| UserAccount {
            user: entry.pw_uid,
            group: entry.pw_gid,
        });
        (status, account)
    })
}

/// The home of the user whose rights the process has, if the system knows one.
pub(crate) fn home() -> Option<PathBuf> {
    let user = effective_user();
    let home = look_up(|buffer| {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: each pointer is of a live object of the given length.
        let status = unsafe {
            libc::getpwuid_r(
                user,
                entry.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut found,
            )
        };
        // SAFETY: `found` is null, or points to `entry`, which is filled then; its strings are in the buffer and end in NUL.
        let home = unsafe { found.as_ref().map(|entry| CStr::from_ptr(entry.pw_dir)) };
        (
            status,
            home.map(|home| OsStr::from_bytes(home.to_bytes()).to_owned()),
        )
    });
    home.ok().flatten().map(PathBuf::from)
}

/// The id of a group by name.
pub(crate) fn group_id(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    look_up(|buffer| {
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: the name ends in NUL, and each pointer is of a live object of the given length.
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

/// The groups of a user, the primary one and the supplementary ones.
pub(crate) fn groups_of(name: &str, primary: u32) -> io::Result<Vec<u32>> {
    let name = CString::new(name)?;
    let mut groups = vec![0; 64];
    loop {
        let mut count = libc::c_int::try_from(groups.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: the name ends in NUL, and there is room for `count` groups.
        let result = unsafe {
            libc::getgrouplist(name.as_ptr(), primary, groups.as_mut_ptr(), &raw mut count)
        };
        let count = usize::try_from(count).unwrap_or(0);
        if result >= 0 {
            groups.truncate(count);
            return Ok(groups);
        } else if groups.len() >= MAX_ENTRY {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        groups.resize(count.max(groups.len() * 2), 0);
    }
}

/// The supplementary groups of this process.
pub(crate) fn own_groups() -> io::Result<Vec<u32>> {
    // SAFETY: without room the number of groups is returned; then there is room for as many as is said.
    unsafe {
        let count = check(libc::getgroups(0, ptr::null_mut()))?;
        let mut groups = vec![0; usize::try_from(count).unwrap_or(0)];
        let count = check(libc::getgroups(count, groups.as_mut_ptr()))?;
        groups.truncate(usize::try_from(count).unwrap_or(0));
        Ok(groups)
    }
}

/// Whether the user is in one of the groups, which are looked up each time.
pub(crate) fn is_member(user: &str, groups: &[String]) -> bool {
    let wanted: Vec<u32> = groups
        .iter()
        .filter_map(|group| group_id(group).ok().flatten())
        .collect();
    let Ok(Some(account)) = account(user) else {
        return false;
    };
    groups_of(user, account.group)
        .is_ok_and(|groups| groups.iter().any(|group| wanted.contains(group)))
}

/// Calls a reentrant look-up, with a larger buffer while it is too small.
fn look_up<T>(mut call: impl FnMut(&mut [u8]) -> (i32, Option<T>)) -> io::Result<Option<T>> {
    let mut buffer = vec![0; 1024];
    loop {
        match call(&mut buffer) {
            (0, found) => return Ok(found),
            (libc::EINTR, _) => {}
            (libc::ERANGE, _) if buffer.len() < MAX_ENTRY => buffer.resize(buffer.len() * 4, 0),
            // getpwnam_r(3): the errors by which systems report an unknown name.
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
        let root = UserAccount { user: 0, group: 0 };
        assert_eq!(account("root").expect("a look-up"), Some(root));
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
    fn root_may_become_anybody_and_others_only_who_they_are() {
        let named = Placed {
            value: "x".to_owned(),
            place: Place { line: 1, column: 1 },
        };
        let told = |id, root| impossible("user", &named, Ok(Some(id)), 7, root);
        assert_eq!(told(7, false), None);
        assert!(told(8, false).is_some_and(|what| what.contains("only root can change its user")));
        assert_eq!(told(8, true), None);
        assert!(impossible("user", &named, Ok(None), 7, true).is_some());
    }

    #[test]
    fn the_groups_of_a_user_begin_with_the_primary_one() {
        assert!(groups_of("root", 0).expect("a look-up").contains(&0));
        let groups = groups_of("no-such-one", 12).expect("a look-up");
        assert_eq!(groups, [12]);
        assert!(groups_of("no\0one", 12).is_err());
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
        let bounded = look_up(|_| (libc::ERANGE, None::<u32>));
        assert_eq!(
            bounded.expect_err("too large").raw_os_error(),
            Some(libc::ERANGE)
        );
    }
}
