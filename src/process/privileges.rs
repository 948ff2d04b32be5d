//! Gives up root's rights for good, and makes the daemon's user the owner of its sockets and folders.
//!
//! Started as root, the daemon becomes another user after it has bound its sockets, read its keys and started its helper.
//! Started by another user it stays that user. In both cases its processes cannot gain rights later.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::config::{Config, Daemon, Fault, Place};
use crate::process::capabilities;
use crate::process::identity::{self, UserAccount};
use crate::process::syscall::check;

/// The user to become when the configuration names none.
pub(crate) const DEFAULT_USER: &str = "bellwire";
/// The same without any configuration file: a user that every system has.
const DEFAULT_USER_BUILT_IN: &str = "nobody";

/// The user that a daemon started as root becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's name.
    pub name: String,
    /// The id of the user, and that of the group to become, which need not be the user's own.
    pub account: UserAccount,
}

/// The user to become; `None` when this is not root.
pub(crate) fn resolve(config: &Config) -> Result<Option<Identity>, Fault> {
    if identity::is_root() {
        find(config).map(Some)
    } else {
        Ok(None)
    }
}

/// The user that root would become by this table; `None` when the system has no such user.
pub(crate) fn user_of(daemon: &Daemon) -> Option<Identity> {
    find_by(daemon, (DEFAULT_USER, None)).ok()
}

/// Does something with the rights of a user, and has root's again afterwards.
///
/// # Errors
/// The system's, or those of `work`.
pub(crate) fn as_user<T>(
    identity: &Identity,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let UserAccount { user, group } = identity.account;
    if user == 0 {
        return work();
    }
    let groups = identity::groups_of(&identity.name, group)?;
    let own = identity::own_groups()?;
    // SAFETY: the pointer is to as many groups as is said; the other calls take none.
    let become_user = || unsafe {
        check(libc::setgroups(groups.len(), groups.as_ptr()))?;
        check(libc::setegid(group))?;
        check(libc::seteuid(user))
    };
    let done = become_user().and_then(|_| work());
    // SAFETY: as above.
    unsafe {
        check(libc::seteuid(0))?;
        check(libc::setegid(0))?;
        check(libc::setgroups(own.len(), own.as_ptr()))?;
    }
    done
}

fn find(config: &Config) -> Result<Identity, Fault> {
    let first = Some(Place { line: 1, column: 1 });
    let default = match config.file {
        Some(_) => (DEFAULT_USER, first),
        None => (DEFAULT_USER_BUILT_IN, None),
    };
    find_by(&config.daemon, default).map_err(|(place, what)| config.fault(place, what))
}

/// The user and group that the table names; without a user, the default one, which is missing at that place.
fn find_by(
    daemon: &Daemon,
    default: (&str, Option<Place>),
) -> Result<Identity, (Option<Place>, String)> {
    let user = daemon.user.as_ref();
    let (name, place) = user.map_or(default, |user| (user.value.as_str(), Some(user.place)));
    let allowed = "allowed: a user of this system, by user in [daemon] (useradd --system bellwire makes the default one)";
    let mut account = match identity::account(name) {
        Ok(Some(account)) => account,
        Ok(None) => {
            let what = format!("user: no such user {name:?}, whom root would become; {allowed}");
            return Err((place, what));
        }
        Err(error) => return Err((place, format!("user: {name:?}: {error}; {allowed}"))),
    };
    if let Some(group) = &daemon.group {
        let fault = |why: &str| {
            let name = &group.value;
            let what = format!("group: {name:?}: {why}; allowed: a group of this system");
            (Some(group.place), what)
        };
        account.group = identity::group_id(&group.value)
            .map_err(|error| fault(&error.to_string()))?
            .ok_or_else(|| fault("no such group"))?;
    }
    Ok(Identity {
        name: name.to_owned(),
        account,
    })
}

/// Becomes that user with their groups, for good. From now on, also without a user to become, no program that this process
/// runs can gain rights, such as sudo would.
///
/// # Errors
/// The system's; the process must not go on then.
pub(crate) fn drop_to(identity: Option<&Identity>) -> io::Result<()> {
    if let Some(Identity { name, account }) = identity {
        let name = CString::new(name.as_str())?;
        if account.user != 0 {
            capabilities::drop_bounds();
        }
        // Groups first: only root can change them.
        // SAFETY: the name ends in NUL; the other calls take no pointers.
        unsafe {
            check(libc::initgroups(name.as_ptr(), account.group))?;
            check(libc::setresgid(account.group, account.group, account.group))?;
            check(libc::setresuid(account.user, account.user, account.user))?;
        }
        if account.user != 0 {
            verify(*account)?;
        }
    }
    write_no_core()?;
    // SAFETY: prctl takes no pointers for this option.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).map(drop)
}

/// Other processes of the same user, and core files, must not get the keys and passwords in this process's memory.
///
/// # Errors
/// The system's.
pub(crate) fn write_no_core() -> io::Result<()> {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is of an rlimit; prctl takes none for this option.
    unsafe {
        check(libc::setrlimit(libc::RLIMIT_CORE, &raw const none))?;
        check(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0)).map(drop)
    }
}

/// Checks that all ids are those that were set, and that root's cannot be set again.
fn verify(account: UserAccount) -> io::Result<()> {
    let (mut users, mut groups) = ([0; 3], [0; 3]);
    let [real, effective, saved] = &mut users;
    // SAFETY: each pointer is of a number that is written.
    check(unsafe { libc::getresuid(real, effective, saved) })?;
    let [real, effective, saved] = &mut groups;
    // SAFETY: each pointer is of a number that is written.
    check(unsafe { libc::getresgid(real, effective, saved) })?;
    // SAFETY: these take no pointers. They must fail.
    let back = unsafe { libc::setuid(0) == 0 || libc::seteuid(0) == 0 };
    if back || users != [account.user; 3] || groups != [account.group; 3] {
        return Err(io::Error::other("root's rights could be had again"));
    }
    Ok(())
}

/// Gives a unix socket that was bound as root to the daemon's user and group.
///
/// # Errors
/// The system's; also when the path is no socket, whoever put something else there.
pub(crate) fn give_socket(path: &Path, identity: &Identity) -> io::Result<()> {
    let is_socket = |mode| mode & libc::S_IFMT == libc::S_IFSOCK;
    give(path, identity, is_socket, "the path is no socket any more")
}

/// Gives a folder that was made as root to the daemon's user and group.
///
/// # Errors
/// The system's; also when the path is no folder.
pub(crate) fn give_folder(path: &Path, identity: &Identity) -> io::Result<()> {
    let is_folder = |mode| mode & libc::S_IFMT == libc::S_IFDIR;
    give(path, identity, is_folder, "the path is no folder any more")
}

/// Checks and gives the same file: the path is followed once, and a link at its end is not followed.
fn give(
    path: &Path,
    identity: &Identity,
    is_meant: impl Fn(libc::mode_t) -> bool,
    otherwise: &'static str,
) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let UserAccount { user, group } = identity.account;
    // SAFETY: the paths end in NUL, the descriptor is this function's alone, and the status is filled before it is read.
    unsafe {
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let fd = check(libc::open(path.as_ptr(), flags))?;
        let file = OwnedFd::from_raw_fd(fd);
        let mut status: libc::stat = std::mem::zeroed();
        check(libc::fstat(file.as_raw_fd(), &raw mut status))?;
        if !is_meant(status.st_mode) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, otherwise));
        }
        let itself = libc::AT_EMPTY_PATH;
        check(libc::fchownat(
            file.as_raw_fd(),
            c"".as_ptr(),
            user,
            group,
            itself,
        ))
        .map(drop)
    }
}

#[cfg(test)]
mod tests;
