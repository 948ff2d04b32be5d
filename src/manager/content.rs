//! What a server answers to requests that are no upgrades: nothing, a page, or the files of a folder.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{self, Http, Serve};
use crate::conn::{Answer, AnswerHead};
use crate::engine::Ops;
use crate::files::{self, BlockingLookup, Cache, FileBody, ServedFolder, Settings};
use crate::proto::cgi;
use crate::proto::http::head::{Method, RequestHead, RequestTarget};
use crate::proto::http::response;

/// RFC 9110 §10.2.1: the methods that every resource here allows.
const ALLOW: (&str, &[u8]) = ("Allow", b"GET, HEAD, OPTIONS");

const HTML: (&str, &[u8]) = ("Content-Type", b"text/html; charset=utf-8");

/// What is served.
#[derive(Debug)]
pub(super) enum Content {
    Empty,
    Page(config::Page, String),
    Folder(Arc<ServedFolder>, Box<Cache>, SendRoot),
}

impl Content {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub(super) fn open(http: &Http) -> io::Result<Content> {
        Ok(match &http.serve {
            Serve::Empty => Content::Empty,
            Serve::Page(page) => Content::Page(page.clone(), http.cache_control.clone()),
            Serve::Folder(folder) => {
                let settings = Settings {
                    default_document: folder.default_document.clone(),
                    listing: folder.listing,
                    dotfiles: folder.dotfiles,
                    cache_control: http.cache_control.clone(),
                };
                let path = &folder.path;
                let folder = Arc::new(ServedFolder::open(path, settings)?);
                let root = SendRoot::new(Arc::clone(&folder), path);
                Content::Folder(folder, Box::default(), root)
            }
        })
    }

    /// The folder, for scripts that send its files.
    pub(super) fn send_root(&self) -> Option<SendRoot> {
        match self {
            Content::Folder(_, _, root) => Some(root.clone()),
            _ => None,
        }
    }

    /// Adds to the cache what a look-up on another thread has found.
    pub(super) fn learn(&mut self, seen: Cache) {
        if let Content::Folder(_, cache, _) = self {
            cache.learn(seen);
        }
    }

    /// Answers a request that is no upgrade; `prefix` is the part of its path that holds credentials.
    pub(super) fn answer(&mut self, ops: &mut Ops<'_>, head: &RequestHead<'_>, prefix: &str) {
        match head.method() {
            Method::Get | Method::Head => self.serve(ops, head, prefix),
            Method::Options => {
                ops.respond(&Answer {
                    status: 204,
                    fields: &[ALLOW],
                    body: b"",
                });
            }
            // RFC 9110 §9.1: 501 for a method that is not known, 405 for one that is known and not allowed here.
            Method::Other(_) => respond_error(ops, 501, &[]),
            _ => respond_error(ops, 405, &[ALLOW]),
        }
    }

    fn serve(&mut self, ops: &mut Ops<'_>, head: &RequestHead<'_>, prefix: &str) {
        match self {
            Content::Empty => {
                ops.respond(&Answer {
                    status: 200,
                    fields: &[],
                    body: b"",
                });
            }
            Content::Page(page, cache_control) => {
                let fields: [(&str, &[u8]); 3] = [
                    ("Content-Type", page.content_type.as_bytes()),
                    ("Cache-Control", cache_control.as_bytes()),
                    ("X-Content-Type-Options", b"nosniff"),
                ];
                ops.respond(&Answer {
                    status: 200,
                    fields: &fields,
                    body: &page.content,
                });
            }
            Content::Folder(folder, cache, _) => {
                match folder.answer_now(head, prefix, cache, ops.now()) {
                    Some(answer) => send(ops, answer),
                    // It needs the disk, for which the loop must not wait.
                    None => ops.look_up(BlockingLookup::new(folder, head, prefix, ops.now())),
                }
            }
        }
    }
}

/// The folder whose files a script may send (X-Sendfile).
#[derive(Clone, Debug)]
pub(super) struct SendRoot {
    folder: Arc<ServedFolder>,
    path: PathBuf,
}

impl SendRoot {
    pub(super) fn new(folder: Arc<ServedFolder>, path: &Path) -> SendRoot {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        SendRoot { folder, path }
    }

    pub(super) fn open(path: &Path) -> io::Result<SendRoot> {
        let settings = Settings {
            default_document: String::new(),
            listing: false,
            dotfiles: true,
            cache_control: String::new(),
        };
        Ok(SendRoot::new(
            Arc::new(ServedFolder::open(path, settings)?),
            path,
        ))
    }

    pub(super) fn folder(&self) -> &Arc<ServedFolder> {
        &self.folder
    }

    /// The path in the folder of a file that a script names; `None` when it is outside. When it is opened, the kernel
    /// refuses links that lead out.
    pub(super) fn relative<'p>(&self, named: &'p [u8]) -> Option<&'p [u8]> {
        let path = Path::new(OsStr::from_bytes(named));
        let within = if path.is_absolute() {
            path.strip_prefix(&self.path).ok()?
        } else {
            path
        };
        let within = within.as_os_str().as_bytes();
        (!within.is_empty()).then_some(within)
    }
}

/// Sends the answer of a folder.
pub(super) fn send(ops: &mut Ops<'_>, answer: files::FileAnswer) {
    send_with(ops, answer, &[]);
}

fn send_with(ops: &mut Ops<'_>, answer: files::FileAnswer, more: &[(&str, &[u8])]) {
    let mut fields: Vec<(&str, &[u8])> = Vec::with_capacity(answer.fields.len() + more.len());
    fields.extend(
        answer
            .fields
            .iter()
            .map(|(name, value)| (*name, value.as_bytes())),
    );
    fields.extend_from_slice(more);
    let status = answer.status;
    match answer.body {
        FileBody::Bytes(body) => {
            ops.respond(&Answer {
                status,
                fields: &fields,
                body: &body,
            });
        }
        FileBody::Content(content) => {
            ops.respond(&Answer {
                status,
                fields: &fields,
                body: &content,
            });
        }
        FileBody::File {
            file,
            segments,
            length,
        } => {
            let head = AnswerHead {
                status,
                fields: &fields,
                length: Some(length),
            };
            ops.respond_file(&head, file, segments);
        }
    }
}

/// Sends a file that a script has named, with the status and fields that the script has written.
pub(super) fn send_for_script(ops: &mut Ops<'_>, mut answer: files::FileAnswer, head: &cgi::Head) {
    if answer.status >= 400 {
        return send(ops, answer);
    }
    let is_taken = |name: &str| head.fields.iter().any(|it| it.0.eq_ignore_ascii_case(name));
    let is_parts = |value: &str| value.starts_with("multipart/byteranges");
    answer.fields.retain(|(name, value)| match *name {
        "Content-Type" => head.content_type.is_none() || is_parts(value),
        name => !is_taken(name),
    });
    if answer.status == 200 && !matches!(head.status, 204 | 304) {
        answer.status = head.status;
    }
    let has_type = answer.fields.iter().any(|it| it.0 == "Content-Type");
    let mut more: Vec<(&str, &[u8])> = Vec::new();
    if let Some(content_type) = head.content_type.as_ref().filter(|_| !has_type) {
        more.push(("Content-Type", content_type));
    }
    if let Some(location) = &head.location {
        more.push(("Location", location));
    }
    let others = head.fields.iter();
    more.extend(others.map(|(name, value)| (name.as_str(), value.as_slice())));
    send_with(ops, answer, &more);
}

/// Answers with an error page.
pub(super) fn respond_error(ops: &mut Ops<'_>, status: u16, fields: &[(&str, &[u8])]) {
    let body = response::error_page(status);
    let fields = [&[HTML], fields].concat();
    ops.respond(&Answer {
        status,
        fields: &fields,
        body: body.as_bytes(),
    });
}

/// The path of a request, as it was written.
pub(super) fn path_of<'h>(head: &RequestHead<'h>) -> Option<&'h str> {
    match head.target() {
        RequestTarget::Origin { path, .. } | RequestTarget::Absolute { path, .. } => Some(path),
        RequestTarget::Authority(_) | RequestTarget::Asterisk => None,
    }
}
