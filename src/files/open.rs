//! Opens files below a folder, and no others.
//!
//! The kernel resolves the path (openat2 with RESOLVE_BENEATH). It follows symbolic links that stay in the folder, and
//! refuses those that lead out. When the kernel is too old, or a sandbox forbids openat2, the path is walked segment by
//! segment, and no link is followed.
//!
//! Each path is first opened with O_PATH, which has no side effects: to open a FIFO wakes its writer, and to open a
//! device may rewind a tape. Only a regular file is then opened for reading, with flags that do no harm should something
//! else have replaced it in between.

use std::ffi::{CString, c_int};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How often a path is resolved again because something on it was renamed meanwhile (openat2(2), EAGAIN).
const ATTEMPTS: usize = 8;

/// For reading a regular file. Should it be something else by now, the call does not wait, and no terminal becomes ours.
const READ: c_int = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;

/// A folder that is kept open.
#[derive(Debug)]
pub(super) struct Root {
    folder: OwnedFd,
    /// Whether the kernel has openat2.
    by_kernel: bool,
    /// Whether openat2 can be told not to wait for the disk (RESOLVE_CACHED, Linux 5.12).
    by_cache: bool,
}

/// Whether a call may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiskAccess {
    /// It may wait.
    MayWait,
    /// It fails, with an error that [`is_cold`], when what it needs is not in memory.
    InMemory,
}

/// Whether a call failed only because it would have waited for the disk.
pub(super) fn is_cold(error: &io::Error, access: DiskAccess) -> bool {
    access == DiskAccess::InMemory && error.raw_os_error() == Some(libc::EAGAIN)
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Resolved {
    /// A regular file, not open yet.
    File(Stamp),
    /// A folder, as an O_PATH descriptor.
    Folder(File),
}

/// The identity of a file and its content: when any of these changes, the content may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    /// When its content last changed, in seconds since 1970, and nanoseconds.
    pub(super) modified: (i64, i64),
    /// When its content or its inode last changed, likewise.
    pub(super) changed: (i64, i64),
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// A regular file that is open for reading, and its stamp at that moment.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) stamp: Stamp,
}

impl Root {
    /// Opens the folder at a path; links in this path are followed.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let folder = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(path)?;
        let by_kernel = match openat2(folder.as_raw_fd(), b".", libc::O_PATH, DiskAccess::MayWait) {
            Ok(_) => true,
            // Some sandboxes answer unknown system calls with EPERM.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => false,
            Err(error) => return Err(error),
        };
        let cached = openat2(folder.as_raw_fd(), b".", libc::O_PATH, DiskAccess::InMemory);
        let by_cache = cached.is_ok_and(|_| by_kernel);
        Ok(Self {
            folder: folder.into(),
            by_kernel,
            by_cache,
        })
    }

    /// The same folder, as on a kernel without openat2.
    #[cfg(test)]
    pub(super) fn without_openat2(mut self) -> Self {
        self.by_kernel = false;
        self
    }

    /// The regular file or folder at a path. The path is relative; that of a folder may end with a slash, and that of the
    /// root is empty.
    pub(super) fn find(&self, path: &[u8], access: DiskAccess) -> io::Result<Resolved> {
        let place = File::from(self.resolve(path, libc::O_PATH, access)?);
        let metadata = place.metadata()?;
        if metadata.is_dir() {
            Ok(Resolved::Folder(place))
        } else if metadata.is_file() {
            Ok(Resolved::File(Stamp::of(&metadata)))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// Opens a regular file for reading.
    pub(super) fn read(&self, path: &[u8], access: DiskAccess) -> io::Result<OpenFile> {
        let file = File::from(self.resolve(path, READ, access)?);
        let metadata = file.metadata()?;
        if metadata.is_file() {
            let stamp = Stamp::of(&metadata);
            Ok(OpenFile { file, stamp })
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// The metadata of a file or folder, without opening it.
    pub(super) fn metadata(&self, path: &[u8]) -> io::Result<Metadata> {
        File::from(self.resolve(path, libc::O_PATH, DiskAccess::MayWait)?).metadata()
    }

    fn resolve(&self, path: &[u8], flags: c_int, access: DiskAccess) -> io::Result<OwnedFd> {
        if !self.by_kernel {
            return self.walk(path, flags);
        }
        // Kernels without RESOLVE_CACHED wait.
        let access = if self.by_cache {
            access
        } else {
            DiskAccess::MayWait
        };
        let path = if path.is_empty() { b"." } else { path };
        let mut attempts = 0;
        loop {
            let result = openat2(self.folder.as_raw_fd(), path, flags, access);
            match result.as_ref().map_err(io::Error::raw_os_error) {
                Err(Some(libc::EINTR)) if attempts < ATTEMPTS => attempts += 1,
                Err(Some(libc::EAGAIN)) if attempts < ATTEMPTS && access == DiskAccess::MayWait => {
                    attempts += 1;
                }
                _ => return result,
            }
        }
    }

    /// Resolves a path without openat2. Dots and links are not followed.
    fn walk(&self, path: &[u8], flags: c_int) -> io::Result<OwnedFd> {
        let mut place = self.folder.try_clone()?;
        let mut segments = path
            .split(|&byte| byte == b'/')
            .filter(|segment| !matches!(*segment, b"" | b"."))
            .peekable();
        while let Some(segment) = segments.next() {
            if segment == b".." {
                return Err(io::ErrorKind::NotFound.into());
            }
            let flags = match segments.peek() {
                Some(_) => libc::O_PATH | libc::O_DIRECTORY,
                None => flags,
            };
            place = openat(place.as_raw_fd(), segment, flags | libc::O_NOFOLLOW)?;
        }
        Ok(place)
    }
}

/// A path of an open file or folder that stays right when it is renamed.
pub(super) fn path_of(place: &File) -> PathBuf {
    format!("/proc/self/fd/{}", place.as_raw_fd()).into()
}

/// The status code that answers a failure to open.
pub(super) fn status(error: &io::Error) -> u16 {
    match error.raw_os_error() {
        // Made by this module: there is something, but it is not served.
        None => 404,
        // The last three: no file can have this name.
        Some(
            libc::ENOENT
            | libc::ENOTDIR
            | libc::ELOOP
            | libc::EXDEV
            | libc::ENAMETOOLONG
            | libc::EINVAL
            | libc::EILSEQ,
        ) => 404,
        Some(libc::EACCES | libc::EPERM) => 403,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN) => 503,
        Some(_) => 500,
    }
}

fn openat2(folder: RawFd, path: &[u8], flags: c_int, access: DiskAccess) -> io::Result<OwnedFd> {
    let path = CString::new(path)?;
    // SAFETY: the structure is made of integers, and all of them may be 0.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
    if access == DiskAccess::InMemory {
        how.resolve |= libc::RESOLVE_CACHED;
    }
    // SAFETY: the path ends with a NUL, and the structure is as long as it is said to be; the call reads both.
    let result = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            folder,
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    };
    owned(result as c_int)
}

fn openat(folder: RawFd, name: &[u8], flags: c_int) -> io::Result<OwnedFd> {
    let name = CString::new(name)?;
    // SAFETY: the name ends with a NUL, and the call reads it; it takes no mode, for it creates nothing.
    owned(unsafe { libc::openat(folder, name.as_ptr(), flags | libc::O_CLOEXEC) })
}

fn owned(result: c_int) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just opened this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

#[cfg(test)]
mod tests;
