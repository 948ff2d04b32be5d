//! A folder that is served: which file, listing or redirect a request gets.

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
    /// The file that is served for a folder, such as `index.html`.
    pub default_document: String,
    /// Whether a folder without a default document is answered with a list of its content.
    pub listing: bool,
    /// Whether names that begin with a dot are served. `/.well-known` (RFC 8615) always is.
    pub dotfiles: bool,
    /// The value of Cache-Control; empty: the field is not sent.
    pub cache_control: String,
}

/// A folder that is served.
#[derive(Debug)]
pub struct ServedFolder {
    pub(super) root: Root,
    settings: Settings,
    /// The key of the boundaries between ranges, so that the author of a file cannot predict them.
    boundaries: RandomState,
}

impl ServedFolder {
    /// Opens a folder.
    ///
    /// # Errors
    /// The folder is missing, is no folder, or may not be entered.
    pub fn open(path: &Path, settings: Settings) -> io::Result<ServedFolder> {
        Ok(ServedFolder {
            root: Root::open(path)?,
            settings,
            boundaries: RandomState::new(),
        })
    }

    /// The answer to a GET or a HEAD, if it can be given without waiting for the disk. A HEAD gets the body of a GET too;
    /// the caller does not send it.
    ///
    /// `prefix` is the part of the request's path that does not belong to the folder; redirects keep it. It is empty, or
    /// begins with a slash and does not end with one.
    pub fn answer_now(
        &self,
        head: &RequestHead<'_>,
        prefix: &str,
        cache: &mut Cache,
        now: Tick,
    ) -> Option<FileAnswer> {
        let mut lookup = Lookup::new(DiskAccess::InMemory, cache, now);
        match self.lookup(head, prefix, &mut lookup) {
            Err(error) if is_cold(&error, DiskAccess::InMemory) => None,
            answer => Some(answer.unwrap_or_else(|error| FileAnswer::page(status(&error)))),
        }
    }

    /// What a request asks for.
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

    /// The file at a path that comes from the configuration or a script, not from the request.
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

    /// Whether requests may ask for this path: hidden names, which begin with a dot, may be excluded.
    fn shows(&self, path: &[u8]) -> bool {
        // RFC 8615 §3: only at the root.
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

    /// A file, or its compressed neighbour when the client accepts that coding.
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
                    // The neighbour is gone or not readable: send the file itself.
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
