//! The folders of unix sockets that are made with root's rights, or that the daemon is commanded by.

use std::ffi::{CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::process::syscall::check;
use crate::process::trusted_path::{self, Trusted};

/// What tells one socket from another: the number of an inode is soon used again, the time of its change is not.
type Inode = (libc::dev_t, libc::ino_t, (libc::time_t, libc::c_long));

/// The place of a socket in a folder that was checked and is held open: nobody else can put another folder there.
#[derive(Debug)]
pub(crate) struct SocketPlace {
    folder: OwnedFd,
    name: CString,
}

impl SocketPlace {
    /// The place of this path.
    ///
    /// # Errors
    /// The system's, or which part of the path others can change.
    pub(crate) fn find(path: &Path, trusted: Trusted) -> io::Result<SocketPlace> {
        let name = path.file_name().unwrap_or(OsStr::new(""));
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        Ok(SocketPlace {
            folder: trusted_path::open_folder(folder, trusted)?,
            name: CString::new(name.as_bytes())?,
        })
    }

    /// A path that leads there as long as this lives.
    pub(crate) fn path(&self) -> PathBuf {
        let folder = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
        Path::new(&folder).join(OsStr::from_bytes(self.name.as_bytes()))
    }

    /// What is there now, when that is a socket.
    fn socket(&self) -> Option<Inode> {
        let mut status = MaybeUninit::<libc::stat>::uninit();
        let (folder, name) = (self.folder.as_raw_fd(), self.name.as_ptr());
        // SAFETY: the name ends in NUL, and the status is read only after it was filled.
        let status = unsafe {
            let flags = libc::AT_SYMLINK_NOFOLLOW;
            check(libc::fstatat(folder, name, status.as_mut_ptr(), flags)).ok()?;
            status.assume_init()
        };
        let is_socket = status.st_mode & libc::S_IFMT == libc::S_IFSOCK;
        let changed = (status.st_ctime, status.st_ctime_nsec);
        is_socket.then_some((status.st_dev, status.st_ino, changed))
    }
}

/// A socket that was made as root, and which the daemon, that is root no more, may not be able to remove.
#[derive(Debug)]
pub(crate) struct Leftover {
    place: SocketPlace,
    socket: Option<Inode>,
}

impl Leftover {
    /// The socket that is there now. It is removed when this is dropped, unless it is another then.
    pub(crate) fn of(place: SocketPlace) -> Leftover {
        Leftover {
            socket: place.socket(),
            place,
        }
    }

    /// Whether it is still there.
    pub(crate) fn is_there(&self) -> bool {
        self.socket.is_some() && self.place.socket() == self.socket
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if self.is_there() {
            // SAFETY: the name ends in NUL. What cannot be removed is replaced at the next start.
            unsafe {
                libc::unlinkat(self.place.folder.as_raw_fd(), self.place.name.as_ptr(), 0);
            }
        }
    }
}
