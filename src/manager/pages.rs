//! What a server answers to plain requests: nothing, a page, or the files of a folder.

use std::io;
use std::sync::Arc;

use crate::config::{self, Http, Serve};
use crate::conn::{Answer, AnswerHead};
use crate::engine::Ops;
use crate::files::{self, BlockingLookup, Body, Cache, ServedFolder};
use crate::proto::cgi;
use crate::proto::http::head::{Method, RequestHead};
use crate::proto::http::response;

use super::trigger::SendRoot;

/// RFC 9110 §10.2.1: what every resource here allows.
const ALLOW: (&str, &[u8]) = ("Allow", b"GET, HEAD, OPTIONS");

const HTML: (&str, &[u8]) = ("Content-Type", b"text/html; charset=utf-8");

/// What is served.
#[derive(Debug)]
pub(super) enum Pages {
    Empty,
    Page(config::Page, String),
    Folder(Arc<ServedFolder>, Box<Cache>, SendRoot),
}

impl Pages {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// The folder's.
    pub(super) fn open(http: &Http) -> io::Result<Pages> {
        Ok(match &http.serve {
            Serve::Empty => Pages::Empty,
            Serve::Page(page) => Pages::Page(page.clone(), http.cache_control.clone()),
            Serve::Folder(folder) => {
                let settings = files::Settings {
                    default_document: folder.default_document.clone(),
                    listing: folder.listing,
                    dotfiles: folder.dotfiles,
                    cache_control: http.cache_control.clone(),
                };
                let path = &folder.path;
                let folder = Arc::new(ServedFolder::open(path, settings)?);
                let root = SendRoot::new(Arc::clone(&folder), path);
                Pages::Folder(folder, Box::default(), root)
            }
        })
    }

    /// The folder, for scripts that have its files sent.
    pub(super) fn send_root(&self) -> Option<SendRoot> {
        match self {
            Pages::Folder(_, _, root) => Some(root.clone()),
            _ => None,
        }
    }

    /// Learns what a visit has seen of the folder.
    pub(super) fn learn(&mut self, seen: Cache) {
        if let Pages::Folder(_, known, _) = self {
            known.learn(seen);
        }
    }

    /// Answers a request that is no upgrade. What of its path is `prefix` is no part of what is asked for; else what is to be made first, for the disk has to be waited for.
    pub(super) fn answer(
        &mut self,
        ops: &mut Ops<'_>,
        head: &RequestHead<'_>,
        prefix: &str,
    ) -> Option<BlockingLookup> {
        match head.method() {
            Method::Get | Method::Head => return self.serve(ops, head, prefix),
            Method::Options => {
                ops.respond(&Answer {
                    status: 204,
                    fields: &[ALLOW],
                    body: b"",
                });
            }
            // RFC 9110 §9.1: a method that is not known, and one that is known and not allowed here.
            Method::Other(_) => respond_error(ops, 501, &[]),
            _ => respond_error(ops, 405, &[ALLOW]),
        }
        None
    }

    fn serve(
        &mut self,
        ops: &mut Ops<'_>,
        head: &RequestHead<'_>,
        prefix: &str,
    ) -> Option<BlockingLookup> {
        match self {
            Pages::Empty => {
                ops.respond(&Answer {
                    status: 200,
                    fields: &[],
                    body: b"",
                });
            }
            Pages::Page(page, cache_control) => {
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
            Pages::Folder(folder, known, _) => {
                match folder.answer_now(head, prefix, known, ops.now()) {
                    Some(answer) => send(ops, answer),
                    None => return Some(BlockingLookup::new(folder, head, prefix, ops.now())),
                }
            }
        }
        None
    }
}

/// Sends what a folder answers.
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
        Body::Bytes(body) => {
            ops.respond(&Answer {
                status,
                fields: &fields,
                body: &body,
            });
        }
        Body::Content(content) => {
            ops.respond(&Answer {
                status,
                fields: &fields,
                body: &content,
            });
        }
        Body::File {
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

/// Sends a file that a script has named, with what the script says beside it.
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
