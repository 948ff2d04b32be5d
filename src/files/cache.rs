//! A cache of files that were served lately: the content of small ones, and which of them have compressed neighbours
//! (`a.js.gz` beside `a.js`).
//!
//! Cached content is served only after the file system has confirmed it: each request resolves the path again, and
//! compares size, times, device and inode. Only the list of neighbours may be out of date, by a second at most.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::conn::deadline::Tick;

use super::answer::FileBytes;
use super::coding::ContentCoding;
use super::open::{DiskAccess, OpenFile, Resolved, Root, Stamp, is_cold};

/// Files up to this length, in bytes, are sent from memory.
const SMALL: u64 = 8 * 1024;

/// The most files that are cached for a folder.
const MAX_ENTRIES: usize = 256;

/// The most bytes of content that are cached for a folder.
const MAX_CONTENT: usize = 512 * 1024;

/// After so many milliseconds the neighbours of a file are looked for again.
const FRESH: u32 = 1000;

/// In seconds. A file that changed less than that ago is not cached: it could change again within the same tick of the
/// file system's clock, and its times would not tell.
const SETTLED: u64 = 2;

/// Which compressed neighbours a file has, in the order of [`ContentCoding::ALL`].
type Neighbours = [bool; ContentCoding::ALL.len()];

#[derive(Debug, Clone, Default)]
struct CachedFile {
    neighbours: Option<(Neighbours, Tick)>,
    content: Option<(Stamp, Arc<[u8]>)>,
}

/// The cache of one folder.
#[derive(Debug, Default)]
pub struct Cache {
    entries: HashMap<Box<[u8]>, CachedFile>,
    /// Bytes of content in all entries.
    bytes: usize,
}

impl Cache {
    /// Adds what another thread has read.
    pub fn learn(&mut self, seen: Cache) {
        for (path, entry) in seen.entries {
            if let Some(neighbours) = entry.neighbours {
                self.entry(&path).neighbours = Some(neighbours);
            }
            if let Some((stamp, content)) = entry.content {
                self.keep(&path, stamp, &content);
            }
        }
    }

    fn entry(&mut self, path: &[u8]) -> &mut CachedFile {
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(path) {
            self.forget_all();
        }
        self.entries.entry(path.into()).or_default()
    }

    fn keep(&mut self, path: &[u8], stamp: Stamp, content: &Arc<[u8]>) {
        if self.bytes + content.len() > MAX_CONTENT {
            self.forget_all();
        }
        let before = self
            .entry(path)
            .content
            .replace((stamp, Arc::clone(content)));
        self.bytes += content.len();
        self.bytes -= before.map_or(0, |(_, content)| content.len());
    }

    /// Emptying the cache now and then costs less than keeping the order of use.
    fn forget_all(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

/// How a request looks at files: whether it may wait for the disk, and with which cache.
pub(super) struct Lookup<'l> {
    access: DiskAccess,
    cache: &'l mut Cache,
    now: Tick,
}

impl<'l> Lookup<'l> {
    pub(super) fn new(access: DiskAccess, cache: &'l mut Cache, now: Tick) -> Self {
        Lookup { access, cache, now }
    }

    pub(super) fn access(&self) -> DiskAccess {
        self.access
    }

    /// Which neighbours a file has.
    pub(super) fn neighbours(&mut self, root: &Root, path: &[u8]) -> io::Result<Neighbours> {
        if let Some((neighbours, seen)) = self.cache.entries.get(path).and_then(|it| it.neighbours)
            && self.now.since(seen) < FRESH
        {
            return Ok(neighbours);
        }
        let mut neighbours = [false; ContentCoding::ALL.len()];
        for (exists, coding) in neighbours.iter_mut().zip(ContentCoding::ALL) {
            let path = [path, coding.suffix().as_bytes()].concat();
            match root.find(&path, self.access) {
                Ok(found) => *exists = matches!(found, Resolved::File(_)),
                Err(error) if is_cold(&error, self.access) => return Err(error),
                Err(_) => {}
            }
        }
        self.cache.entry(path).neighbours = Some((neighbours, self.now));
        Ok(neighbours)
    }

    /// The bytes of a file. `stamp` is its identity, if it was just found.
    pub(super) fn load(
        &mut self,
        root: &Root,
        path: &[u8],
        stamp: Option<Stamp>,
    ) -> io::Result<(Stamp, FileBytes)> {
        let stamp = match stamp {
            Some(stamp) => stamp,
            None => match root.find(path, self.access)? {
                Resolved::File(stamp) => stamp,
                Resolved::Folder(_) => return Err(io::ErrorKind::NotFound.into()),
            },
        };
        if let Some(entry) = self.cache.entries.get(path)
            && let Some((then, content)) = &entry.content
            && *then == stamp
        {
            return Ok((stamp, FileBytes::Content(Arc::clone(content))));
        }
        let OpenFile { file, stamp } = root.read(path, self.access)?;
        if stamp.size > SMALL {
            return Ok((stamp, FileBytes::File(Arc::new(file))));
        }
        let content = read(&file, stamp.size as usize, self.access)?;
        if is_settled(stamp) {
            self.cache.keep(path, stamp, &content);
        }
        Ok((stamp, FileBytes::Content(content)))
    }
}

/// Whether the file changed long enough ago that a later change would change its stamp.
fn is_settled(stamp: Stamp) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    let latest = stamp.modified.0.max(stamp.changed.0);
    u64::try_from(latest).is_ok_and(|latest| latest + SETTLED < now)
}

/// Reads a file whole.
fn read(file: &File, size: usize, access: DiskAccess) -> io::Result<Arc<[u8]>> {
    let mut content = vec![0; size];
    let mut filled = 0;
    while filled < size {
        let flags = if access == DiskAccess::InMemory {
            libc::RWF_NOWAIT
        } else {
            0
        };
        match read_at(file, &mut content[filled..], filled as u64, flags) {
            // It became shorter since it was looked at.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR) => {}
                // File systems without RWF_NOWAIT, such as tmpfs, do not wait for a disk.
                Some(libc::EOPNOTSUPP) => {
                    let rest = &mut content[filled..];
                    filled += read_at(file, rest, filled as u64, 0)?;
                }
                _ => return Err(error),
            },
        }
    }
    Ok(content.into())
}

/// preadv2(2) with one part.
fn read_at(file: &File, buffer: &mut [u8], offset: u64, flags: libc::c_int) -> io::Result<usize> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    let part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: the part describes `buffer`, which the call only writes to.
    let count = unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset, flags) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Whether a read of the byte at `offset` would not wait for the disk.
#[must_use]
pub fn is_in_memory(file: &File, offset: u64) -> bool {
    let mut byte = [0];
    match read_at(file, &mut byte, offset, libc::RWF_NOWAIT) {
        Err(error) => error.raw_os_error() != Some(libc::EAGAIN),
        Ok(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn bytes(loaded: io::Result<(Stamp, FileBytes)>) -> Vec<u8> {
        match loaded.unwrap().1 {
            FileBytes::Content(content) => content.to_vec(),
            FileBytes::File(_) => panic!("it is small"),
        }
    }

    #[test]
    fn content_is_remembered_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "file").unwrap();
        let root = Root::open(folder.path()).unwrap();
        let Ok(Resolved::File(stamp)) = root.find(b"a", DiskAccess::MayWait) else {
            panic!("it is a file");
        };
        let mut cache = Cache::default();
        cache.keep(b"a", stamp, &Arc::from(&b"kept"[..]));
        let load = |cache: &mut Cache| {
            let mut lookup = Lookup::new(DiskAccess::MayWait, cache, Tick::default());
            bytes(lookup.load(&root, b"a", None))
        };
        assert_eq!(load(&mut cache), b"kept");
        fs::write(folder.path().join("a"), "other").unwrap();
        assert_eq!(load(&mut cache), b"other");
    }

    #[test]
    fn what_was_written_just_now_is_not_remembered() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let stamp = |ago: i64| {
            let then = now.as_secs().cast_signed() - ago;
            Stamp {
                size: 1,
                modified: (then, 0),
                changed: (0, 0),
                device: 1,
                inode: 1,
            }
        };
        assert!(!is_settled(stamp(0)) && !is_settled(stamp(-100)));
        assert!(is_settled(stamp(60)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut cache = Cache::default();
        let stamp = Stamp {
            size: 0,
            modified: (0, 0),
            changed: (0, 0),
            device: 0,
            inode: 0,
        };
        for round in 0..5000_u32 {
            let content: Arc<[u8]> = vec![0; (round % 8192) as usize].into();
            cache.keep(&round.to_le_bytes(), stamp, &content);
            assert!(cache.bytes <= MAX_CONTENT && cache.entries.len() <= MAX_ENTRIES);
        }
        assert!(!cache.entries.is_empty());
    }

    #[test]
    fn neighbours_are_looked_for_once_a_second() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        let root = Root::open(folder.path()).unwrap();
        let mut cache = Cache::default();
        let mut at = |tick| {
            let mut lookup = Lookup::new(DiskAccess::MayWait, &mut cache, Tick(tick));
            lookup.neighbours(&root, b"a").unwrap()
        };
        assert_eq!(at(5000), [false, false]);
        fs::write(folder.path().join("a.gz"), "").unwrap();
        assert_eq!(at(5000 + FRESH - 1), [false, false]);
        assert_eq!(at(5000 + FRESH), [false, true]);
    }
}
