//! A folder as a web site: which file a request means, and what the answer to it is.
//!
//! Paths are resolved by the kernel, beneath a folder that was opened at start, so that nothing outside it can be
//! named: neither by dots, however encoded, nor by symbolic links. The folder is held, not its name: one that takes its
//! place under the same name is seen when the server is configured anew.
//!
//! There is no socket here. An answer is a status, its fields and either bytes or an open file with the ranges of it
//! that are to be sent; to send them is the engine's part, and so are Date, Content-Length and whether a body goes out
//! at all. The file system is asked while the caller waits.
//!
//! Order: mime, coding, open, answer, listing. A file imports only what stands left of it.

mod answer;
mod coding;
mod listing;
mod mime;
mod open;

use std::hash::RandomState;
use std::io;
use std::path::Path;

use crate::proto::http::head::{RequestHead, RequestTarget};
use crate::proto::http::path;

use self::answer::Representation;
use self::coding::Coding;
use self::open::{Found, Opened, Root};

pub use self::answer::{Answer, Body, Segment};
pub use self::mime::of as content_type;

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
pub struct Folder {
    root: Root,
    settings: Settings,
    /// Chooses the boundaries between ranges, so that whoever writes a file cannot know them.
    boundaries: RandomState,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// The folder's: it is missing, none, or not to be entered.
    pub fn open(path: &Path, settings: Settings) -> io::Result<Folder> {
        Ok(Folder {
            root: Root::open(path)?,
            settings,
            boundaries: RandomState::new(),
        })
    }

    /// The answer to a GET or a HEAD; that to a HEAD has the body that a GET would get.
    ///
    /// A `prefix` of the path, as the request has it, is not part of the folder and stays in front of redirects; it is
    /// empty, or begins with a slash and does not end with one.
    pub fn answer(&self, head: &RequestHead<'_>, prefix: &str) -> Answer {
        let (RequestTarget::Origin { path, query } | RequestTarget::Absolute { path, query, .. }) =
            head.target()
        else {
            return Answer::page(400);
        };
        let (prefix, path) = match path.strip_prefix(prefix) {
            Some("") if !prefix.is_empty() => return self.redirect(format!("{prefix}/"), query),
            Some(rest) if rest.starts_with('/') => (prefix, rest),
            _ => ("", path),
        };
        let path = match path::decode(path) {
            Ok(path) => path,
            Err(error) => return Answer::page(error.status()),
        };
        if !self.shows(&path) {
            return Answer::page(404);
        }
        let answer = if path.is_empty() || path.ends_with(b"/") {
            self.folder(head, &path)
        } else {
            match self.root.find(&path) {
                Ok(Found::File(opened)) => Ok(self.file(head, &path, opened)),
                Ok(Found::Folder(_)) => {
                    let location = format!("{prefix}/{}/", path::encode_path(&path));
                    Ok(self.redirect(location, query))
                }
                Err(error) => Err(error),
            }
        };
        answer.unwrap_or_else(|error| Answer::page(open::status(&error)))
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
    fn folder(&self, head: &RequestHead<'_>, path: &[u8]) -> io::Result<Answer> {
        let document = [path, self.settings.default_document.as_bytes()].concat();
        match self.root.find(&document) {
            Ok(Found::File(opened)) => return Ok(self.file(head, &document, opened)),
            Err(error) if open::status(&error) != 404 => return Err(error),
            Ok(Found::Folder(_)) | Err(_) => {}
        }
        if !self.settings.listing {
            return Err(io::ErrorKind::NotFound.into());
        }
        let listing = listing::page(&self.root, path, &|path| self.shows(path))?;
        let mut answer = Answer::of_bytes(200, listing.into_bytes());
        answer.field("Content-Type", mime::HTML);
        Ok(self.with_cache_control(answer))
    }

    /// A file, or the neighbour of it that holds the same in a coding that the client accepts.
    fn file(&self, head: &RequestHead<'_>, path: &[u8], opened: Opened) -> Answer {
        let mut representation = Representation {
            opened,
            content_type: mime::of(path),
            coding: None,
            varies: false,
            cache_control: &self.settings.cache_control,
        };
        for coding in Coding::ALL {
            let path = [path, coding.suffix().as_bytes()].concat();
            if !self.root.may_have(&path) {
                continue;
            }
            if representation.coding.is_none() && coding.is_accepted(head) {
                if let Ok(Found::File(opened)) = self.root.find(&path) {
                    representation.opened = opened;
                    representation.coding = Some(coding);
                    representation.varies = true;
                }
            } else if !representation.varies {
                let neighbour = self.root.look(&path);
                representation.varies = neighbour.is_ok_and(|it| it.is_file());
            }
        }
        representation.answer(head, &self.boundaries)
    }

    fn redirect(&self, mut location: String, query: Option<&str>) -> Answer {
        if let Some(query) = query {
            location.push('?');
            location.push_str(query);
        }
        let mut answer = Answer::of_bytes(301, Vec::new());
        answer.field("Location", location);
        self.with_cache_control(answer)
    }

    fn with_cache_control(&self, mut answer: Answer) -> Answer {
        if !self.settings.cache_control.is_empty() {
            answer.field("Cache-Control", self.settings.cache_control.as_str());
        }
        answer
    }
}

#[cfg(test)]
mod tests;
