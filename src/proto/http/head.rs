//! The head of a message: its first line and its fields (RFC 9112 §2 to §6).
//!
//! httparse splits the fields. It accepts some heads that RFC 9112 forbids; those are refused here. So are heads that the
//! RFC lets recipients read in different ways, since these can smuggle requests (§11.2): lines that end in LF without CR,
//! obs-fold, Content-Length together with Transfer-Encoding.
//!
//! Until the end of a head has come, only its first line and its line ends are checked; then its fields are read. The
//! result never depends on how the bytes were split on their way.

use memchr::{memchr, memchr_iter};

use super::authority::Authority;
use super::byte::trim;
use super::error::Error;
use super::field::{Fields, members};
use super::line::{self, RequestLine};

pub use super::field::{FieldPos, FieldTable, MAX_FIELDS, MAX_HEAD};
pub use super::line::{Method, RequestTarget, Version};

/// The longest first line that is read, with its CRLF. RFC 9112 §3 demands at least 8000 bytes.
pub const MAX_LINE: usize = 8 * 1024;

/// The most empty lines that are skipped before a request line. RFC 9112 §2.2 demands at least one.
const MAX_EMPTY_LINES: usize = 4;

/// How the end of a request's body is found (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body: no length was given, or 0.
    Empty,
    /// The body has this many bytes, at least one.
    Length(u64),
    /// The body comes in chunks.
    Chunked,
}

/// The valid head of a request. It borrows the bytes and the table that it was read from.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    fields: Fields<'a>,
    /// Where the request line begins, after empty lines.
    start: u16,
    line: RequestLine,
    facts: MessageFacts<'a>,
}

impl<'a> RequestHead<'a> {
    /// Reads a head at the beginning of `input`; the head and its length, or `None` when its end has not come yet.
    ///
    /// `scanned` counts the bytes that need not be searched again when the same input has grown. The caller sets it to 0
    /// for the first call, and keeps it between calls; it is 0 again after a head has been read.
    ///
    /// # Errors
    /// What is wrong with the head, as soon as that is known.
    pub fn decode(
        input: &'a [u8],
        scanned: &mut usize,
        table: &'a mut FieldTable,
    ) -> Result<Option<(Self, usize)>, Error> {
        let start = skip_empty_lines(input);
        if input[start..] == *b"\r" {
            return Ok(None);
        }
        line::check_method(&input[start..])?;
        let Some(found) = find(input, start, scanned, line::parse_request_line)? else {
            return Ok(None);
        };
        let bytes = &input[..found.end];
        let fields = Fields {
            head: bytes,
            positions: table.fill(bytes, found.fields, found.lines)?,
        };
        let line = found.first;
        let facts = MessageFacts::gather(fields, line.version)?;
        Ok(Some((
            Self {
                fields,
                start: start as u16,
                line,
                facts,
            },
            found.end,
        )))
    }

    /// The bytes that it was read from.
    pub fn bytes(&self) -> &'a [u8] {
        self.fields.head
    }

    /// The request method.
    pub fn method(&self) -> Method<'a> {
        Method::from_token(self.text(0, self.line.method_len))
    }

    /// The request target in its parts. Only CONNECT has an authority, and only OPTIONS an asterisk.
    pub fn target(&self) -> RequestTarget<'a> {
        RequestTarget::split(self.text(self.line.method_len + 1, self.line.target_len))
    }

    /// The version, a higher 1.x being 1.1.
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// The `uri-host [ ":" port ]` that is requested: that of the target if it has one, else that of Host (RFC 9112 §3.3).
    /// Empty only in HTTP/1.0, where Host may be absent.
    pub fn host(&self) -> &'a str {
        match self.target() {
            // RFC 9112 §3.2.2: the target's authority wins over Host.
            RequestTarget::Absolute { authority, .. } | RequestTarget::Authority(authority) => {
                authority
            }
            _ => self.facts.host.unwrap_or_default(),
        }
    }

    /// All fields in their order, values without the whitespace around them.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.fields.iter()
    }

    /// The value of the first field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields.first(name)
    }

    /// The values of all fields of that name.
    pub fn field_lines<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.lines(name)
    }

    /// The members of the comma-separated lists in all fields of that name, without empty ones.
    pub fn list<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.list(name)
    }

    /// Whether the list has a member, in any case.
    pub fn contains_token(&self, name: &str, token: &str) -> bool {
        self.fields.contains_token(name, token)
    }

    /// How the body's end is found.
    pub fn body_length(&self) -> BodyLength {
        self.facts.body
    }

    /// Whether the connection may carry another request after this one (RFC 9112 §9.3).
    pub fn persistent(&self) -> bool {
        match self.line.version {
            Version::Http11 => !self.facts.close,
            Version::Http10 => self.facts.keep_alive && !self.facts.close,
        }
    }

    /// Whether the client waits for 100 (Continue) before it sends the body (RFC 9110 §10.1.1): it says so, there is a body,
    /// and the version is 1.1. Other expectations are ignored.
    pub fn expects_continue(&self) -> bool {
        self.facts.expects_continue
            && self.line.version == Version::Http11
            && self.facts.body != BodyLength::Empty
    }

    fn text(&self, at: u16, len: u16) -> &'a str {
        let at = usize::from(self.start + at);
        // Method and target are ASCII: both have been checked.
        str::from_utf8(&self.fields.head[at..][..usize::from(len)]).unwrap_or_default()
    }
}

/// The head of a response. It borrows the bytes and the table that it was read from.
///
/// It does not say how the end of the body is found: only responses to opening handshakes are read, whose bodies are not.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    fields: Fields<'a>,
    version: Version,
    status: u16,
}

impl<'a> ResponseHead<'a> {
    /// Reads a head from the beginning of `input`, as [`RequestHead::decode`] does.
    ///
    /// # Errors
    /// What is wrong with the head, as soon as that is known.
    pub fn decode(
        input: &'a [u8],
        scanned: &mut usize,
        table: &'a mut FieldTable,
    ) -> Result<Option<(Self, usize)>, Error> {
        line::check_status_line(input)?;
        let Some(found) = find(input, 0, scanned, line::parse_status_line)? else {
            return Ok(None);
        };
        let bytes = &input[..found.end];
        let fields = Fields {
            head: bytes,
            positions: table.fill(bytes, found.fields, found.lines)?,
        };
        let (version, status) = found.first;
        Ok(Some((
            Self {
                fields,
                version,
                status,
            },
            found.end,
        )))
    }

    /// The version, a higher 1.x being 1.1.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The status code, of three digits.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value of the first field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields.first(name)
    }

    /// The values of all fields of that name.
    pub fn field_lines<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.lines(name)
    }

    /// The members of the comma-separated lists in all fields of that name, without empty ones.
    pub fn list<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.list(name)
    }

    /// Whether the list has a member, in any case.
    pub fn contains_token(&self, name: &str, token: &str) -> bool {
        self.fields.contains_token(name, token)
    }
}

/// The number of bytes in the empty lines before a request line.
fn skip_empty_lines(input: &[u8]) -> usize {
    let mut start = 0;
    while start < 2 * MAX_EMPTY_LINES && input[start..].starts_with(b"\r\n") {
        start += 2;
    }
    start
}

/// A head whose end has been found.
struct FoundHead<L> {
    first: L,
    /// Where the first field line begins.
    fields: usize,
    /// How many field lines there are, at most.
    lines: usize,
    end: usize,
}

/// Finds the end of a head whose first line begins at `start`. The first line is parsed as soon as it is complete, before
/// faults after it are looked for; every LF must follow a CR.
fn find<'a, L>(
    input: &'a [u8],
    start: usize,
    scanned: &mut usize,
    parse: fn(&'a [u8]) -> Result<L, Error>,
) -> Result<Option<FoundHead<L>>, Error> {
    let input = &input[..input.len().min(MAX_HEAD)];
    let line = &input[start..input.len().min(start + MAX_LINE)];
    let Some(len) = memchr(b'\n', line) else {
        *scanned = input.len();
        return if line.len() < MAX_LINE {
            Ok(None)
        } else {
            Err(Error::LineTooLong)
        };
    };
    let line = line[..len].strip_suffix(b"\r").ok_or(Error::BareLineFeed)?;
    let fields = start + len + 1;
    let again = (fields..=input.len()).contains(scanned);
    let first = if again { None } else { Some(parse(line)?) };

    let from = if again { *scanned } else { fields };
    for (count, at) in memchr_iter(b'\n', &input[from..]).enumerate() {
        let at = from + at;
        if input[at - 1] != b'\r' {
            return Err(Error::BareLineFeed);
        }
        if input[at - 2] == b'\n' {
            let first = match first {
                Some(first) => first,
                None => parse(line)?,
            };
            let lines = if again { MAX_FIELDS } else { count };
            *scanned = 0;
            return Ok(Some(FoundHead {
                first,
                fields,
                lines,
                end: at + 1,
            }));
        }
    }
    *scanned = input.len();
    if input.len() < MAX_HEAD {
        Ok(None)
    } else {
        Err(Error::HeadTooLong)
    }
}

/// What the fields say about the message as a whole.
#[derive(Debug, Clone, Copy)]
struct MessageFacts<'a> {
    host: Option<&'a str>,
    body: BodyLength,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl<'a> MessageFacts<'a> {
    fn gather(fields: Fields<'a>, version: Version) -> Result<Self, Error> {
        let mut facts = Self {
            host: None,
            body: BodyLength::Empty,
            close: false,
            keep_alive: false,
            expects_continue: false,
        };
        let mut length = None;
        let mut coding = TransferCoding::None;
        for pos in fields.positions {
            let (name, value) = (pos.name(fields.head), pos.value(fields.head));
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            match name.len() {
                4 if is("Host") => facts.add_host(value)?,
                6 if is("Expect") => {
                    facts.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
                }
                10 if is("Connection") => facts.add_connection(value),
                14 if is("Content-Length") => length = Some(content_length(value, length)?),
                17 if is("Transfer-Encoding") => coding = coding.then(value)?,
                _ => {}
            }
        }
        facts.body = body_length(version, length, coding)?;
        if facts.host.is_none() && version == Version::Http11 {
            // RFC 9112 §3.2: also when the target has an authority.
            return Err(Error::HostMissing);
        }
        Ok(facts)
    }

    fn add_host(&mut self, value: &'a [u8]) -> Result<(), Error> {
        if self.host.is_some() {
            return Err(Error::HostRepeated);
        }
        let host = str::from_utf8(value).map_err(|_| Error::Host)?;
        Authority::parse(host).ok_or(Error::Host)?;
        self.host = Some(host);
        Ok(())
    }

    fn add_connection(&mut self, value: &[u8]) {
        for option in members(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
}

/// ```text
/// Content-Length = 1*DIGIT
/// ```
/// RFC 9112 §6.3: a list of equal values means that value. `before` is the value of earlier lines.
fn content_length(value: &[u8], before: Option<u64>) -> Result<u64, Error> {
    let mut all = before;
    for member in value.split(|&byte| byte == b',').map(trim) {
        // `parse` would accept a sign.
        if !member.iter().all(u8::is_ascii_digit) {
            return Err(Error::ContentLength);
        }
        let number = str::from_utf8(member)
            .ok()
            .and_then(|digits| digits.parse().ok());
        let length = number.ok_or(Error::ContentLength)?;
        if all.is_some_and(|all| all != length) {
            return Err(Error::ContentLengthsDiffer);
        }
        all = Some(length);
    }
    all.ok_or(Error::ContentLength)
}

/// The transfer codings seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransferCoding {
    None,
    Chunked,
    Unknown,
    UnknownChunked,
}

impl TransferCoding {
    /// Adds the codings of another line. RFC 9112 §6.1: `chunked` occurs once, as the last.
    fn then(self, value: &[u8]) -> Result<Self, Error> {
        value
            .split(|&byte| byte == b',')
            .map(trim)
            .try_fold(self, |before, coding| {
                match (before, coding.eq_ignore_ascii_case(b"chunked")) {
                    (Self::None, true) => Ok(Self::Chunked),
                    (Self::Unknown, true) => Ok(Self::UnknownChunked),
                    (Self::None | Self::Unknown, false) if !coding.is_empty() => Ok(Self::Unknown),
                    _ => Err(Error::TransferEncoding),
                }
            })
    }
}

fn body_length(
    version: Version,
    length: Option<u64>,
    coding: TransferCoding,
) -> Result<BodyLength, Error> {
    match (coding, length) {
        (TransferCoding::None, None | Some(0)) => Ok(BodyLength::Empty),
        (TransferCoding::None, Some(length)) => Ok(BodyLength::Length(length)),
        // RFC 9112 §6.1: such a message has faulty framing.
        _ if version == Version::Http10 => Err(Error::TransferEncodingInHttp10),
        // RFC 9112 §6.3 allows to use either length, so recipients may differ: refused.
        (_, Some(_)) => Err(Error::LengthAndCoding),
        (TransferCoding::Chunked, None) => Ok(BodyLength::Chunked),
        (TransferCoding::Unknown | TransferCoding::UnknownChunked, None) => {
            Err(Error::TransferCodingUnknown)
        }
    }
}

#[cfg(test)]
mod tests;
