//! Faults of messages that a peer sent, and the statuses that answer them.

use std::fmt;

/// The fault of a message that a peer sent. Its connection cannot be used any more, since it is unknown where the next
/// message begins (RFC 9112 §9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The first line does not begin with a method.
    Method,
    /// The method is longer than any that exists.
    MethodTooLong,
    /// The request line is not a method, a target and a version.
    RequestLine,
    /// The first line is longer than [`MAX_LINE`](super::head::MAX_LINE).
    LineTooLong,
    /// The version is not that of any HTTP since 1.0.
    Version,
    /// The version is HTTP/2 or higher.
    VersionNotSupported,
    /// The target has a byte that is not allowed there, or an invalid authority or scheme.
    Target,
    /// The target has a form that this method does not allow.
    TargetForm,
    /// The status line is not a version, a status and a reason.
    StatusLine,
    /// The head is longer than [`MAX_HEAD`](super::head::MAX_HEAD).
    HeadTooLong,
    /// There are more fields than [`MAX_FIELDS`](super::head::MAX_FIELDS).
    TooManyFields,
    /// A line ends in LF alone.
    BareLineFeed,
    /// A CR is not followed by LF.
    BareCarriageReturn,
    /// A field line begins with whitespace: obs-fold, or whitespace before the first field.
    FoldedField,
    /// A field has no name, no colon, or a byte in its name that is not allowed there.
    FieldName,
    /// There is whitespace between a field's name and its colon.
    SpaceBeforeColon,
    /// A field's value has a control character.
    FieldValue,
    /// An HTTP/1.1 request has no Host.
    HostMissing,
    /// There is more than one Host.
    HostRepeated,
    /// Host is not `uri-host [ ":" port ]`.
    Host,
    /// Content-Length is not a number, or too large a one.
    ContentLength,
    /// Content-Length has several different values.
    ContentLengthsDiffer,
    /// The message has both Content-Length and Transfer-Encoding.
    LengthAndCoding,
    /// Transfer-Encoding does not end in `chunked`, or has it more than once.
    TransferEncoding,
    /// Transfer-Encoding names a coding other than `chunked`.
    TransferCodingUnknown,
    /// An HTTP/1.0 message has Transfer-Encoding.
    TransferEncodingInHttp10,
    /// A chunk's size is not a hexadecimal number, or too large a one.
    ChunkSize,
    /// A chunk extension is malformed.
    ChunkExtension,
    /// A chunk's data is not followed by CRLF.
    ChunkEnd,
    /// A trailer field is malformed.
    Trailer,
    /// Chunk extensions and trailers are longer than [`MAX_OVERHEAD`](super::body::MAX_OVERHEAD).
    OverheadTooLong,
}

impl Error {
    /// The status code that answers it (RFC 9110 §15).
    pub fn status(self) -> u16 {
        match self {
            Self::LineTooLong => 414,
            Self::HeadTooLong | Self::TooManyFields | Self::OverheadTooLong => 431,
            // RFC 9112 §3: a method that is longer than any known one; and §6.1.
            Self::MethodTooLong | Self::TransferCodingUnknown => 501,
            Self::VersionNotSupported => 505,
            _ => 400,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Method => "the first line does not begin with a method",
            Self::MethodTooLong => "the method is too long",
            Self::RequestLine => "the request line is not a method, a target and a version",
            Self::LineTooLong => "the first line is too long",
            Self::Version => "the version is malformed",
            Self::VersionNotSupported => "the version of HTTP is not 1.0 or 1.1",
            Self::Target => "the request target is malformed",
            Self::TargetForm => "the form of the request target does not go with the method",
            Self::StatusLine => "the status line is malformed",
            Self::HeadTooLong => "the head is too long",
            Self::TooManyFields => "there are too many fields",
            Self::BareLineFeed => "a line ends in LF without CR",
            Self::BareCarriageReturn => "a CR is not followed by LF",
            Self::FoldedField => "a field line begins with whitespace",
            Self::FieldName => "a field's name is malformed",
            Self::SpaceBeforeColon => "there is whitespace before a field's colon",
            Self::FieldValue => "a field's value has a control character",
            Self::HostMissing => "Host is missing",
            Self::HostRepeated => "there is more than one Host",
            Self::Host => "Host is malformed",
            Self::ContentLength => "Content-Length is malformed",
            Self::ContentLengthsDiffer => "there are different values of Content-Length",
            Self::LengthAndCoding => "there are both Content-Length and Transfer-Encoding",
            Self::TransferEncoding => "Transfer-Encoding does not end in one chunked",
            Self::TransferCodingUnknown => "Transfer-Encoding has a coding other than chunked",
            Self::TransferEncodingInHttp10 => "there is Transfer-Encoding in HTTP/1.0",
            Self::ChunkSize => "a chunk's size is malformed",
            Self::ChunkExtension => "a chunk extension is malformed",
            Self::ChunkEnd => "a chunk is longer than its size",
            Self::Trailer => "a trailer field is malformed",
            Self::OverheadTooLong => "chunk extensions and trailers are too long",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl std::error::Error for Error {}
