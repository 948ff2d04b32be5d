//! Opening what only some users can change: every part of a path, links included, as OpenSSH's StrictModes does it.
//!
//! The path is walked one part at a time from `/`, each held open, so that what is opened is what was checked. A part is
//! trusted when its owner is, and when nobody else may write to it. In a folder with the sticky bit others may write: they
//! can neither remove nor rename what they do not own, and each part must be owned by somebody trusted.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use crate::process::syscall::check;

/// Links that are followed in one path, as by the system.
const MAX_LINKS: usize = 40;

/// Who may be able to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trusted {
    /// Root alone.
    Root,
    /// Root and this user.
    RootAnd(libc::uid_t),
    /// Root and this user, whose group may write to what belongs to either: often a group of that user alone.
    RootAndGroup(libc::uid_t, libc::gid_t),
}

impl Trusted {
    fn includes(self, owner: libc::uid_t) -> bool {
        match self {
            Trusted::Root => owner == 0,
            Trusted::RootAnd(user) | Trusted::RootAndGroup(user, _) => owner == 0 || owner == user,
        }
    }

    /// The permissions of others that a part must not have.
    fn refused_mode(self, status: &libc::stat) -> libc::mode_t {
        match self {
            Trusted::RootAndGroup(_, group) if status.st_gid == group => libc::S_IWOTH,
            _ => libc::S_IWGRP | libc::S_IWOTH,
        }
    }

    /// What is wrong with a part of a path.
    fn objection(self, status: &libc::stat) -> Option<String> {
        let (kind, mode) = (status.st_mode & libc::S_IFMT, status.st_mode);
        let is_sticky = kind == libc::S_IFDIR && mode & libc::S_ISVTX != 0;
        if !self.includes(status.st_uid) {
            let owner = match self {
                Trusted::Root => "root".to_owned(),
                Trusted::RootAnd(user) | Trusted::RootAndGroup(user, _) => {
                    format!("root or user {user}")
                }
            };
            Some(format!(
                "it belongs to user {}, who could put something else there; allowed: an owner that is {owner}",
                status.st_uid
            ))
        } else if kind != libc::S_IFLNK && mode & self.refused_mode(status) != 0 && !is_sticky {
            Some(format!(
                "others than its owner may write to it (mode {:04o}); chmod go-w mends that",
                mode & 0o7777
            ))
        } else {
            None
        }
    }
}

/// Opens a regular file to read, if only these users can change any part of its path.
///
/// # Errors
/// The system's, or which part of the path others can change.
pub(crate) fn open_file(path: &Path, trusted: Trusted) -> io::Result<File> {
    let mut walk = Walk::begin(trusted)?;
    let at = walk.to(path)?;
    let Some(name) = at else {
        return Err(io::Error::other("not a file"));
    };
    // It is no link, or the walk would have followed it; O_NONBLOCK, for it may have become a FIFO.
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW;
    let file = open_at(walk.folder(), &name, flags)?;
    let status = status_of(file.as_fd())?;
    if status.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(io::Error::other("not a file"));
    }
    walk.judge(&name, &status)?;
    Ok(file.into())
}

/// Opens a folder, if only these users can change any part of its path or what is in it. It is open for look-ups only.
///
/// # Errors
/// As [`open_file`].
pub(crate) fn open_folder(path: &Path, trusted: Trusted) -> io::Result<OwnedFd> {
    let mut walk = Walk::begin(trusted)?;
    match walk.to(path)? {
        None => Ok(walk.into_folder()),
        Some(_) => Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
    }
}

/// The folders from `/` on.
struct Walk {
    trusted: Trusted,
    root: OwnedFd,
    /// Below the root, each with its name.
    folders: Vec<(CString, OwnedFd)>,
}

impl Walk {
    fn begin(trusted: Trusted) -> io::Result<Walk> {
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: the path ends in NUL, and the descriptor is made here and nobody else's.
        let root = unsafe {
            let fd = check(libc::open(c"/".as_ptr(), flags))?;
            OwnedFd::from_raw_fd(fd)
        };
        let walk = Walk {
            trusted,
            root,
            folders: Vec::new(),
        };
        walk.judge(c"", &status_of(walk.folder())?)?;
        Ok(walk)
    }

    fn folder(&self) -> BorrowedFd<'_> {
        self.folders
            .last()
            .map_or(self.root.as_fd(), |(_, folder)| folder.as_fd())
    }

    fn into_folder(mut self) -> OwnedFd {
        self.folders.pop().map_or(self.root, |(_, folder)| folder)
    }

    /// Walks to a path. Returns the name of what is there in [`Walk::folder`], when it is no folder.
    fn to(&mut self, path: &Path) -> io::Result<Option<CString>> {
        let mut left = parts(&std::path::absolute(path)?);
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            if part == "/" {
                self.folders.clear();
                continue;
            } else if part == ".." {
                self.folders.pop();
                continue;
            }
            let name = CString::new(part.into_vec())?;
            let flags = libc::O_PATH | libc::O_NOFOLLOW;
            let found = open_at(self.folder(), &name, flags)?;
            let status = status_of(found.as_fd())?;
            let kind = status.st_mode & libc::S_IFMT;
            // Opening a device may already act on it, so it must not come to that.
            if !matches!(kind, libc::S_IFDIR | libc::S_IFLNK | libc::S_IFREG) {
                return Err(io::Error::other("not a file"));
            }
            self.judge(&name, &status)?;
            match kind {
                libc::S_IFDIR => self.folders.push((name, found)),
                libc::S_IFLNK => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(io::Error::from_raw_os_error(libc::ELOOP));
                    }
                    let mut target = parts(&target_of(found.as_fd())?);
                    target.append(&mut left);
                    left = target;
                }
                _ if left.is_empty() => return Ok(Some(name)),
                _ => return Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
            }
        }
        Ok(None)
    }

    fn judge(&self, name: &std::ffi::CStr, status: &libc::stat) -> io::Result<()> {
        let Some(objection) = self.trusted.objection(status) else {
            return Ok(());
        };
        let mut path = PathBuf::from("/");
        let folders = self.folders.iter().map(|(name, _)| name.as_bytes());
        let names = folders.chain([name.to_bytes()]);
        path.extend(names.map(OsStr::from_bytes));
        let path = path.display();
        Err(io::Error::other(format!("{path}: {objection}")))
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

fn open_at(
    folder: BorrowedFd<'_>,
    name: &std::ffi::CStr,
    flags: libc::c_int,
) -> io::Result<OwnedFd> {
    // SAFETY: the name ends in NUL, and the descriptor is made here and nobody else's.
    unsafe {
        let flags = flags | libc::O_CLOEXEC;
        let fd = check(libc::openat(folder.as_raw_fd(), name.as_ptr(), flags))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn status_of(file: BorrowedFd<'_>) -> io::Result<libc::stat> {
    let mut status = MaybeUninit::uninit();
    // SAFETY: the pointer is of room for one, which is filled when the call succeeds.
    unsafe {
        check(libc::fstat(file.as_raw_fd(), status.as_mut_ptr()))?;
        Ok(status.assume_init())
    }
}

/// Where a link leads that is open with O_PATH.
fn target_of(link: BorrowedFd<'_>) -> io::Result<PathBuf> {
    let mut target = vec![0; libc::PATH_MAX as usize];
    // SAFETY: the path ends in NUL, and the length is that of the buffer.
    let length = check(unsafe {
        let (buffer, room) = (target.as_mut_ptr().cast(), target.len());
        libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), buffer, room)
    } as i64)?;
    target.truncate(usize::try_from(length).unwrap_or_default());
    Ok(OsString::from_vec(target).into())
}

#[cfg(test)]
mod tests;
