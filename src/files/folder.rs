//! What a request means in a folder.

use std::hash::RandomState;
use std::io;
use std::path::Path;

use crate::conn::deadline::Tick;
use crate::proto::http::head::{RequestHead, RequestTarget};
use crate::proto::http::path;

use super::answer::{FileAnswer, Representation};
use super::cache::{Cache, Lookup};
use super::coding::ContentCoding;
use super::open::{DiskAccess, Resolved, Root, Stamp, is_cold, status};
use super::{listing, mime};

/// How a folder is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file in a folder that stands for it, `index.html` mostly.
    pub default_document: String,
    /// Whether a folder without a default document is answered with a list of what it holds.
    pub listing: bool,
    /// Whether names that begin with a dot are served. `/.well-known` (RFC 8615) always is.
    pub dotfiles: bool,
    /// The value of Cache-Control; none is sent when it is empty.
    pub cache_control: String,
}

/// A folder that is served.
#[derive(Debug)]
pub struct ServedFolder {
    pub(super) root: Root,
    settings: Settings,
    /// Chooses the boundaries between ranges, so that whoever writes a file cannot know them.
    boundaries: RandomState,
}

impl ServedFolder {
    /// Opens a folder.
    ///
    /// # Errors
    /// The folder's: it is missing, none, or not to be entered.
    pub fn open(path: &Path, settings: Settings) -> io::Result<ServedFolder> {
        Ok(ServedFolder {
            root: Root::open(path)?,
            settings,
            boundaries: RandomState::new(),
        })
    }

    /// The answer to a GET or a HEAD; that to a HEAD has the body that a GET would get. The disk is waited for.
    ///
    /// A `prefix` of the path, as the request has it, is not part of the folder and stays in front of redirects; it is
    /// empty, or begins with a slash and does not end with one.
    pub fn answer(&self, head: &RequestHead<'_>, prefix: &str) -> FileAnswer {
        let mut cache = Cache::default();
        let lookup = self.lookup(head, prefix, &mut Lookup::waiting(&mut cache));
        lookup.unwrap_or_else(|error| FileAnswer::page(status(&error)))
    }

    /// The same, but the disk is not waited for: `None` when it would have to be. `cache` remembers what was seen
    /// shortly before.
    pub fn answer_now(
        &self,
        head: &RequestHead<'_>,
        prefix: &str,
        cache: &mut Cache,
        now: Tick,
    ) -> Option<FileAnswer> {
        let lookup = self.lookup(head, prefix, &mut Lookup::cached(cache, now));
        match lookup {
            Err(error) if is_cold(&error, DiskAccess::InMemory) => None,
            lookup => Some(lookup.unwrap_or_else(|error| FileAnswer::page(status(&error)))),
        }
    }

    pub(super) fn lookup(
        &self,
        head: &RequestHead<'_>,
        prefix: &str,
        lookup: &mut Lookup<'_>,
    ) -> io::Result<FileAnswer> {
        let (RequestTarget::Origin { path, query } | RequestTarget::Absolute { path, query, .. }) =
            head.target()
        else {
            return Ok(FileAnswer::page(400));
        };
        let (prefix, path) = match path.strip_prefix(prefix) {
            Some("") if !prefix.is_empty() => return Ok(self.redirect(format!("{prefix}/"), query)),
            Some(rest) if rest.starts_with('/') => (prefix, rest),
            _ => ("", path),
        };
        let path = match path::decode(path) {
            Ok(path) => path,
            Err(error) => return Ok(FileAnswer::page(error.status())),
        };
        if !self.shows(&path) {
            return Ok(FileAnswer::page(404));
        }
        if path.is_empty() || path.ends_with(b"/") {
            return self.folder(head, &path, lookup);
        }
        match self.root.find(&path, lookup.access())? {
            Resolved::File(stamp) => self.file(head, &path, stamp, lookup),
            Resolved::Folder(_) => {
                let location = format!("{prefix}/{}/", path::encode_path(&path));
                Ok(self.redirect(location, query))
            }
        }
    }

    /// The file at a path that somebody trusted names, not the request.
    pub(super) fn lookup_file(
        &self,
        head: &RequestHead<'_>,
        path: &[u8],
        lookup: &mut Lookup<'_>,
    ) -> io::Result<FileAnswer> {
        match self.root.find(path, lookup.access())? {
            Resolved::File(stamp) => self.file(head, path, stamp, lookup),
            Resolved::Folder(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Whether a path may be asked for, dots at the beginning of names considered.
    fn shows(&self, path: &[u8]) -> bool {
        // RFC 8615 §3: at the root and nowhere else.
        let well_known = path == b".well-known" || path.starts_with(b".well-known/");
        self.settings.dotfiles
            || !path
                .split(|&byte| byte == b'/')
                .skip(usize::from(well_known))
                .any(|segment| segment.starts_with(b"."))
    }

    /// The default document of a folder, else its listing. `path` is empty or ends with a slash.
    fn folder(
        &self,
        head: &RequestHead<'_>,
        path: &[u8],
        lookup: &mut Lookup<'_>,
    ) -> io::Result<FileAnswer> {
        let document = [path, self.settings.default_document.as_bytes()].concat();
        match self.root.find(&document, lookup.access()) {
            Ok(Resolved::File(stamp)) => return self.file(head, &document, stamp, lookup),
            Err(error) if status(&error) != 404 => return Err(error),
            Ok(Resolved::Folder(_)) | Err(_) => {}
        }
        if !self.settings.listing {
            return Err(io::ErrorKind::NotFound.into());
        }
        if lookup.access() == DiskAccess::InMemory {
            // A folder cannot be read without waiting.
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        let listing = listing::page(&self.root, path, &|path| self.shows(path))?;
        let mut answer = FileAnswer::of_bytes(200, listing.into_bytes());
        answer.field("Content-Type", mime::HTML);
        Ok(self.with_cache_control(answer))
    }

    /// A file, or the neighbour of it that holds the same in a coding that the client accepts.
    fn file(
        &self,
        head: &RequestHead<'_>,
        path: &[u8],
        stamp: Stamp,
        lookup: &mut Lookup<'_>,
    ) -> io::Result<FileAnswer> {
        let neighbours = lookup.neighbours(&self.root, path)?;
        let mut coded = None;
        for (coding, exists) in ContentCoding::ALL.into_iter().zip(neighbours) {
            if exists && coded.is_none() && coding.is_accepted(head) {
                let path = [path, coding.suffix().as_bytes()].concat();
                match lookup.load(&self.root, &path, None) {
                    Ok(loaded) => coded = Some((coding, loaded)),
                    Err(error) if is_cold(&error, lookup.access()) => return Err(error),
                    // It is gone, or was never to be read: the file itself is there.
                    Err(_) => {}
                }
            }
        }
        let (coding, (stamp, source)) = match coded {
            Some((coding, loaded)) => (Some(coding), loaded),
            None => (None, lookup.load(&self.root, path, Some(stamp))?),
        };
        let representation = Representation {
            stamp,
            source,
            content_type: mime::of(path),
            coding,
            varies: neighbours.contains(&true),
            cache_control: &self.settings.cache_control,
        };
        Ok(representation.answer(head, &self.boundaries))
    }

    fn redirect(&self, mut location: String, query: Option<&str>) -> FileAnswer {
        if let Some(query) = query {
            location.push('?');
            location.push_str(query);
        }
        let mut answer = FileAnswer::of_bytes(301, Vec::new());
        answer.field("Location", location);
        self.with_cache_control(answer)
    }

    fn with_cache_control(&self, mut answer: FileAnswer) -> FileAnswer {
        if !self.settings.cache_control.is_empty() {
            answer.field("Cache-Control", self.settings.cache_control.as_str());
        }
        answer
    }
}
