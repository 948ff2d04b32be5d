//! What a server answers to plain requests: nothing, a page, or the files of a folder.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::config::{self, Http, Serve};
use crate::conn::{Answer, AnswerHead};
use crate::engine::Ops;
use crate::files::{self, Body, Folder, Segment};
use crate::proto::http::head::{Method, RequestHead};
use crate::proto::http::response;

/// Files up to this length leave together with their head, in one write.
const INLINE: u64 = 8 * 1024;

/// RFC 9110 §10.2.1: what every resource here allows.
const ALLOW: (&str, &[u8]) = ("Allow", b"GET, HEAD, OPTIONS");

const HTML: (&str, &[u8]) = ("Content-Type", b"text/html; charset=utf-8");

/// What is served.
#[derive(Debug)]
pub(super) enum Pages {
    Empty,
    Page(config::Page, String),
    Folder(Box<Folder>),
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
                Pages::Folder(Box::new(Folder::open(&folder.path, settings)?))
            }
        })
    }

    /// Answers a request that is no upgrade.
    pub(super) fn answer(&self, ops: &mut Ops<'_>, head: &RequestHead<'_>) {
        match head.method() {
            Method::Get | Method::Head => self.serve(ops, head),
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
    }

    fn serve(&self, ops: &mut Ops<'_>, head: &RequestHead<'_>) {
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
            Pages::Folder(folder) => send(ops, folder.answer(head, "")),
        }
    }
}

/// Sends what a folder answers.
fn send(ops: &mut Ops<'_>, answer: files::Answer) {
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
        Body::File {
            file,
            segments,
            length,
        } => {
            let inline = match segments[..] {
                [Segment::Range { start, len }] if len <= INLINE => Some((start, len as usize)),
                _ => None,
            };
            if let Some((start, len)) = inline {
                send_small(ops, status, &fields, &file, start, len);
                return;
            }
            let head = AnswerHead {
                status,
                fields: &fields,
                length,
            };
            ops.respond_file(&head, file, segments);
        }
    }
}

fn send_small(
    ops: &mut Ops<'_>,
    status: u16,
    fields: &[(&str, &[u8])],
    file: &File,
    start: u64,
    len: usize,
) {
    let mut buffer = [0; INLINE as usize];
    let body = &mut buffer[..len];
    match file.read_exact_at(body, start) {
        Ok(()) => {
            ops.respond(&Answer {
                status,
                fields,
                body,
            });
        }
        // It became shorter since it was looked at, or cannot be read.
        Err(error) => {
            log::warn!("a file cannot be read: {error}");
            respond_error(ops, 500, &[]);
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
