//! The answer to a request for a file: its fields, and which ranges of it are sent (RFC 9110 §8.8, §13, §14).

use core::ops::Range;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::proto::http::conditional::{self, PreconditionResult, Validator};
use crate::proto::http::head::{Method, RequestHead};
use crate::proto::http::range::{self, Ranges};
use crate::proto::http::{date, response};

use super::coding::ContentCoding;
use super::mime;
use super::open::Stamp;

/// An answer without Date, Content-Length and the fields of the connection.
#[derive(Debug)]
pub struct FileAnswer {
    /// The status code.
    pub status: u16,
    /// Fields in the order they are to be written.
    pub fields: Vec<(&'static str, String)>,
    /// The body that a GET gets.
    pub body: FileBody,
}

/// The body of an answer.
#[derive(Debug)]
pub enum FileBody {
    /// Bytes. Empty in a redirect, and in a 304, which has no Content-Length (RFC 9110 §8.6).
    Bytes(Vec<u8>),
    /// A whole small file from the cache.
    Content(Arc<[u8]>),
    /// Parts of a file.
    File {
        /// The file, open for reading. It may shrink while it is sent.
        file: Arc<File>,
        /// What to send, in this order.
        segments: Vec<Segment>,
        /// The sum of their lengths: the Content-Length.
        length: u64,
    },
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Bytes between two ranges.
    Bytes(Vec<u8>),
    /// A range of the file, not empty.
    Range {
        /// Its first byte.
        start: u64,
        /// Its length.
        len: u64,
    },
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range { len, .. } => *len,
        }
    }
}

impl FileAnswer {
    /// An error page.
    pub(super) fn page(status: u16) -> Self {
        let mut answer = Self::of_bytes(status, response::error_page(status).into_bytes());
        answer.field("Content-Type", mime::HTML);
        answer
    }

    pub(super) fn of_bytes(status: u16, bytes: Vec<u8>) -> Self {
        let mut answer = Self {
            status,
            fields: Vec::with_capacity(8),
            body: FileBody::Bytes(bytes),
        };
        answer.field("X-Content-Type-Options", "nosniff");
        answer
    }

    pub(super) fn field(&mut self, name: &'static str, value: impl Into<String>) {
        self.fields.push((name, value.into()));
    }
}

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
pub(super) enum FileBytes {
    /// In memory, all of them.
    Content(Arc<[u8]>),
    /// In the file.
    File(Arc<File>),
}

/// A file in the coding in which it is sent, and its metadata.
#[derive(Debug)]
pub(super) struct Representation<'a> {
    pub(super) stamp: Stamp,
    pub(super) source: FileBytes,
    /// The type of the content before the coding is applied.
    pub(super) content_type: &'static str,
    pub(super) coding: Option<ContentCoding>,
    /// Whether another client may get another representation.
    pub(super) varies: bool,
    /// Not sent when empty.
    pub(super) cache_control: &'a str,
}

impl Representation<'_> {
    /// The answer to a GET or a HEAD.
    pub(super) fn answer(self, head: &RequestHead<'_>, boundaries: &RandomState) -> FileAnswer {
        let etag = self.etag();
        let validator = Validator {
            etag: &etag,
            modified: self.modified(),
        };
        let outcome = conditional::evaluate(head, validator);
        match outcome {
            PreconditionResult::PreconditionFailed => FileAnswer::page(412),
            PreconditionResult::NotModified => {
                let mut answer = FileAnswer::of_bytes(304, Vec::new());
                self.describe(&mut answer, &etag);
                answer
            }
            PreconditionResult::Proceed => match ranges(head, validator, self.size()) {
                Ranges::Ignore => self.whole(&etag),
                Ranges::Unsatisfiable => {
                    let mut answer = FileAnswer::page(416);
                    answer.field("Content-Range", format!("bytes */{}", self.size()));
                    answer
                }
                Ranges::Satisfiable(ranges) => self.partial(&etag, &ranges, boundaries),
            },
        }
    }

    fn whole(self, etag: &str) -> FileAnswer {
        let mut answer = FileAnswer::of_bytes(200, Vec::new());
        answer.field("Content-Type", self.content_type);
        answer.field("Accept-Ranges", "bytes");
        self.describe(&mut answer, etag);
        let all = 0..self.size();
        let segments = if all.is_empty() {
            Vec::new()
        } else {
            vec![segment(&all)]
        };
        self.with_body(answer, segments)
    }

    /// 206: one range by itself, several as multipart/byteranges (RFC 9110 §15.3.7).
    fn partial(self, etag: &str, ranges: &[Range<u64>], boundaries: &RandomState) -> FileAnswer {
        let mut answer = FileAnswer::of_bytes(206, Vec::new());
        let segments = if let [range] = ranges {
            answer.field("Content-Type", self.content_type);
            answer.field("Content-Range", content_range(range, self.size()));
            vec![segment(range)]
        } else {
            let boundary = format!("{:016x}", boundaries.hash_one(etag));
            let content_type = format!("multipart/byteranges; boundary={boundary}");
            answer.field("Content-Type", content_type);
            self.parts(ranges, &boundary)
        };
        self.describe(&mut answer, etag);
        self.with_body(answer, segments)
    }

    /// A head before each range, and the boundary after the last (RFC 9110 §14.6, RFC 2046 §5.1.1).
    fn parts(&self, ranges: &[Range<u64>], boundary: &str) -> Vec<Segment> {
        let (content_type, size) = (self.content_type, self.size());
        let mut segments = Vec::with_capacity(2 * ranges.len() + 1);
        for range in ranges {
            let line_end = if segments.is_empty() { "" } else { "\r\n" };
            let content_range = content_range(range, size);
            let head = format!(
                "{line_end}--{boundary}\r\n\
                 Content-Type: {content_type}\r\n\
                 Content-Range: {content_range}\r\n\
                 \r\n"
            );
            segments.push(Segment::Bytes(head.into_bytes()));
            segments.push(segment(range));
        }
        let end = format!("\r\n--{boundary}--\r\n");
        segments.push(Segment::Bytes(end.into_bytes()));
        segments
    }

    fn with_body(self, mut answer: FileAnswer, segments: Vec<Segment>) -> FileAnswer {
        answer.body = match self.source {
            FileBytes::Content(content) if answer.status == 200 => FileBody::Content(content),
            FileBytes::Content(content) => FileBody::Bytes(join(&content, &segments)),
            FileBytes::File(file) => FileBody::File {
                file,
                length: segments.iter().map(Segment::len).sum(),
                segments,
            },
        };
        answer
    }

    /// The fields that a 304 has too (RFC 9110 §15.4.5).
    fn describe(&self, answer: &mut FileAnswer, etag: &str) {
        answer.field("ETag", etag);
        // RFC 9110 §8.8.2.1: never later than Date.
        if (1..=now()).contains(&self.modified()) {
            let modified = date::format(self.modified());
            answer.field("Last-Modified", String::from_utf8_lossy(&modified));
        }
        if !self.cache_control.is_empty() {
            answer.field("Cache-Control", self.cache_control);
        }
        if self.varies {
            answer.field("Vary", "Accept-Encoding");
        }
        if let Some(coding) = self.coding
            && answer.status != 304
        {
            answer.field("Content-Encoding", coding.token());
        }
    }

    /// A strong entity tag. It names the coding, since the compressed neighbour may be a hard link to the file itself.
    fn etag(&self) -> String {
        let Stamp {
            size,
            modified: (seconds, nanoseconds),
            inode,
            ..
        } = self.stamp;
        let dash = if self.coding.is_some() { "-" } else { "" };
        format!(
            "\"{size:x}-{seconds:x}.{nanoseconds:x}-{inode:x}{dash}{}\"",
            self.coding.map_or("", ContentCoding::token),
        )
    }

    /// In seconds since 1970, and 0 for what is older.
    fn modified(&self) -> u64 {
        u64::try_from(self.stamp.modified.0).unwrap_or(0)
    }

    fn size(&self) -> u64 {
        self.stamp.size
    }
}

/// The segments, cut out of content that is in memory.
fn join(content: &[u8], segments: &[Segment]) -> Vec<u8> {
    let mut joined = Vec::new();
    for segment in segments {
        match segment {
            Segment::Bytes(bytes) => joined.extend_from_slice(bytes),
            Segment::Range { start, len } => {
                let from = content.get(*start as usize..).unwrap_or_default();
                joined.extend_from_slice(from.get(..*len as usize).unwrap_or_default());
            }
        }
    }
    joined
}

/// Which ranges of a representation of `size` bytes the request asks for.
fn ranges(head: &RequestHead<'_>, validator: Validator<'_>, size: u64) -> Ranges {
    let mut lines = head.field_lines("Range");
    match (lines.next(), lines.next()) {
        // RFC 9110 §14.2: ranges are for GET.
        (Some(value), None)
            if head.method() == Method::Get && conditional::if_range_matches(head, validator) =>
        {
            range::parse(value, size)
        }
        _ => Ranges::Ignore,
    }
}

fn segment(range: &Range<u64>) -> Segment {
    Segment::Range {
        start: range.start,
        len: range.end - range.start,
    }
}

/// ```text
/// Content-Range = range-unit SP first-pos "-" last-pos "/" complete-length
/// ```
fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
