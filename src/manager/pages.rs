//! What a server answers to plain requests: nothing, a page, or the files of a folder.

use std::io;
use std::sync::Arc;

use crate::config::{self, Http, Serve};
use crate::conn::{Answer, AnswerHead};
use crate::engine::Ops;
use crate::files::{self, Body, Folder, Known, Visit};
use crate::proto::http::head::{Method, RequestHead};
use crate::proto::http::response;

/// RFC 9110 §10.2.1: what every resource here allows.
const ALLOW: (&str, &[u8]) = ("Allow", b"GET, HEAD, OPTIONS");

const HTML: (&str, &[u8]) = ("Content-Type", b"text/html; charset=utf-8");

/// What is served.
#[derive(Debug)]
pub(super) enum Pages {
    Empty,
    Page(config::Page, String),
    Folder(Arc<Folder>, Box<Known>),
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
                let folder = Folder::open(&folder.path, settings)?;
                Pages::Folder(Arc::new(folder), Box::default())
            }
        })
    }

    /// Learns what a visit has seen of the folder.
    pub(super) fn learn(&mut self, seen: Known) {
        if let Pages::Folder(_, known) = self {
            known.learn(seen);
        }
    }

    /// Answers a request that is no upgrade. What of its path is `prefix` is no part of what is asked for; else what is to be made first, for the disk has to be waited for.
    pub(super) fn answer(
        &mut self,
        ops: &mut Ops<'_>,
        head: &RequestHead<'_>,
        prefix: &str,
    ) -> Option<Visit> {
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

    fn serve(&mut self, ops: &mut Ops<'_>, head: &RequestHead<'_>, prefix: &str) -> Option<Visit> {
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
            Pages::Folder(folder, known) => match folder.answer_now(head, prefix, known, ops.now())
            {
                Some(answer) => send(ops, answer),
                None => return Some(Visit::new(folder, head, prefix, ops.now())),
            },
        }
        None
    }
}

/// Sends what a folder answers.
pub(super) fn send(ops: &mut Ops<'_>, answer: files::Answer) {
    let mut fields = Vec::with_capacity(answer.fields.len());
    fields.extend(
        answer
            .fields
            .iter()
            .map(|(name, value)| (*name, value.as_bytes())),
    );
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
