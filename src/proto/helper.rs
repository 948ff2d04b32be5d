//! Messages between the daemon and its privileged helper.
//!
//! Each message is one packet of a SOCK_SEQPACKET socket, of at most [`MAX`] bytes: a tag, the number of the request, and
//! the fields of this tag. Numbers are big-endian. Text and bytes have their length in 16 bits before them. Packets that
//! are too short, too long, or have an unknown value are refused: the helper does not trust the daemon, which faces the
//! network.
//!
//! A descriptor may come with an answer; see [`Answer::brings_descriptor`]. Sending and receiving is done elsewhere.
//! Passwords and encoded packets are wiped when they are dropped.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// The longest message in bytes.
pub const MAX: usize = 16 * 1024;

/// Bytes that are wiped when they are dropped.
pub type WipedBytes = Zeroizing<Vec<u8>>;

/// What the daemon asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The number of the request, which its answer repeats.
    pub id: u32,
    /// The request itself.
    pub ask: Ask,
}

/// All requests that exist. The helper decides which ones it grants.
#[derive(Clone, PartialEq, Eq)]
pub enum Ask {
    /// Check the password of a user of the system for a server. By which PAM service, and in which groups the user must be,
    /// the helper knows from the configuration.
    Auth {
        /// The id of the server.
        server: String,
        /// The name that the peer sent.
        user: String,
        /// The password that the peer sent.
        password: WipedBytes,
        /// The address of the peer; empty when it has none.
        remote_host: String,
    },
    /// Check a password against a hash.
    Hash {
        /// The hash from a list of users.
        secret: WipedBytes,
        /// The password as the peer gave it.
        password: WipedBytes,
    },
    /// Read the configuration file again.
    Reload,
    /// Open a file that the configuration names, to read.
    Open {
        /// As written in the configuration.
        path: PathBuf,
    },
    /// Listen on an address that the configuration names.
    Bind {
        /// As the configuration displays it.
        address: String,
    },
}

/// Stands for secrets in `Debug`.
struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ask::Auth {
                server,
                user,
                remote_host,
                ..
            } => f
                .debug_struct("Auth")
                .field("server", server)
                .field("user", user)
                .field("password", &Hidden)
                .field("remote_host", remote_host)
                .finish(),
            Ask::Hash { .. } => f.debug_tuple("Hash").field(&Hidden).finish(),
            Ask::Reload => f.write_str("Reload"),
            Ask::Open { path } => f.debug_struct("Open").field("path", path).finish(),
            Ask::Bind { address } => f.debug_struct("Bind").field("address", address).finish(),
        }
    }
}

/// What the helper answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The number of the request.
    pub id: u32,
    /// The answer to it.
    pub answer: Answer,
}

/// An answer. Only [`Answer::Granted`] and [`Answer::Hash`]`(true)` admit a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The user is admitted.
    Granted {
        /// The name of the account, which may differ from the name in the request.
        user: String,
    },
    /// The user is unknown, the password is wrong, the account has expired, or the user is in none of the groups. The
    /// answer does not tell which.
    Refused,
    /// The check could not be made: too many requests, too old, crashed, hung, or not set up.
    Unavailable,
    /// Whether the password matches the hash.
    Hash(bool),
    /// The configuration was read; its text comes as a descriptor.
    Reloaded {
        /// Whether it has no faults. Then the helper grants what it names; otherwise nothing changes.
        accepted: bool,
    },
    /// The file or the listener comes as a descriptor.
    Descriptor,
    /// The request was not granted or has failed; the text is for the log.
    Failed(String),
}

impl Answer {
    /// Whether a descriptor comes with it.
    #[must_use]
    pub fn brings_descriptor(&self) -> bool {
        matches!(self, Answer::Reloaded { .. } | Answer::Descriptor)
    }
}

/// Why a packet is not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// More than [`MAX`] bytes.
    TooLong,
    /// It ends too early.
    Cut,
    /// There are bytes after its end.
    Trailing,
    /// The tag is unknown.
    Tag(u8),
    /// A flag is neither 0 nor 1.
    Flag(u8),
    /// Text that is not UTF-8.
    Text,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::TooLong => write!(f, "longer than {MAX} bytes"),
            Malformed::Cut => f.write_str("cut short"),
            Malformed::Trailing => f.write_str("bytes after its end"),
            Malformed::Tag(tag) => write!(f, "unknown tag {tag}"),
            Malformed::Flag(flag) => write!(f, "{flag} is neither yes nor no"),
            Malformed::Text => f.write_str("text that is not UTF-8"),
        }
    }
}

impl std::error::Error for Malformed {}

/// A message is longer than [`MAX`], or one of its fields is longer than 16 bits can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketTooLong;

impl fmt::Display for PacketTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message of more than {MAX} bytes")
    }
}

impl std::error::Error for PacketTooLong {}

const AUTH: u8 = 1;
const HASH: u8 = 2;
const RELOAD: u8 = 3;
const OPEN: u8 = 4;
const BIND: u8 = 5;

const GRANTED: u8 = 65;
const REFUSED: u8 = 66;
const UNAVAILABLE: u8 = 67;
const HASHED: u8 = 68;
const RELOADED: u8 = 69;
const DESCRIPTOR: u8 = 70;
const FAILED: u8 = 71;

impl Request {
    /// The packet.
    ///
    /// # Errors
    /// It is longer than [`MAX`].
    pub fn encode(&self) -> Result<WipedBytes, PacketTooLong> {
        let mut writer = Writer::new(self.ask.tag(), self.id);
        match &self.ask {
            Ask::Auth {
                server,
                user,
                password,
                remote_host,
            } => {
                writer.field(server.as_bytes());
                writer.field(user.as_bytes());
                writer.field(password);
                writer.field(remote_host.as_bytes());
            }
            Ask::Hash { secret, password } => {
                writer.field(secret);
                writer.field(password);
            }
            Ask::Reload => {}
            Ask::Open { path } => writer.field(path.as_os_str().as_bytes()),
            Ask::Bind { address } => writer.field(address.as_bytes()),
        }
        writer.finish()
    }

    /// Reads a packet.
    ///
    /// # Errors
    /// It is malformed.
    pub fn decode(packet: &[u8]) -> Result<Request, Malformed> {
        let (tag, id, mut reader) = Reader::new(packet)?;
        let ask = match tag {
            AUTH => Ask::Auth {
                server: reader.text()?,
                user: reader.text()?,
                password: reader.secret()?,
                remote_host: reader.text()?,
            },
            HASH => Ask::Hash {
                secret: reader.secret()?,
                password: reader.secret()?,
            },
            RELOAD => Ask::Reload,
            OPEN => Ask::Open {
                path: OsString::from_vec(reader.field()?.to_vec()).into(),
            },
            BIND => Ask::Bind {
                address: reader.text()?,
            },
            other => return Err(Malformed::Tag(other)),
        };
        reader.finish()?;
        Ok(Request { id, ask })
    }
}

impl Ask {
    fn tag(&self) -> u8 {
        match self {
            Ask::Auth { .. } => AUTH,
            Ask::Hash { .. } => HASH,
            Ask::Reload => RELOAD,
            Ask::Open { .. } => OPEN,
            Ask::Bind { .. } => BIND,
        }
    }
}

impl Reply {
    /// The packet.
    ///
    /// # Errors
    /// It is longer than [`MAX`].
    pub fn encode(&self) -> Result<WipedBytes, PacketTooLong> {
        let mut writer = Writer::new(self.answer.tag(), self.id);
        match &self.answer {
            Answer::Granted { user } => writer.field(user.as_bytes()),
            Answer::Hash(flag) | Answer::Reloaded { accepted: flag } => writer.flag(*flag),
            Answer::Failed(why) => writer.field(why.as_bytes()),
            Answer::Refused | Answer::Unavailable | Answer::Descriptor => {}
        }
        writer.finish()
    }

    /// Reads a packet.
    ///
    /// # Errors
    /// It is malformed.
    pub fn decode(packet: &[u8]) -> Result<Reply, Malformed> {
        let (tag, id, mut reader) = Reader::new(packet)?;
        let answer = match tag {
            GRANTED => Answer::Granted {
                user: reader.text()?,
            },
            REFUSED => Answer::Refused,
            UNAVAILABLE => Answer::Unavailable,
            HASHED => Answer::Hash(reader.flag()?),
            RELOADED => Answer::Reloaded {
                accepted: reader.flag()?,
            },
            DESCRIPTOR => Answer::Descriptor,
            FAILED => Answer::Failed(reader.text()?),
            other => return Err(Malformed::Tag(other)),
        };
        reader.finish()?;
        Ok(Reply { id, answer })
    }
}

impl Answer {
    fn tag(&self) -> u8 {
        match self {
            Answer::Granted { .. } => GRANTED,
            Answer::Refused => REFUSED,
            Answer::Unavailable => UNAVAILABLE,
            Answer::Hash(_) => HASHED,
            Answer::Reloaded { .. } => RELOADED,
            Answer::Descriptor => DESCRIPTOR,
            Answer::Failed(_) => FAILED,
        }
    }
}

/// Writes into memory that is never reallocated, which would leave an unwiped copy of a password.
struct Writer {
    packet: WipedBytes,
    fits: bool,
}

impl Writer {
    fn new(tag: u8, id: u32) -> Writer {
        let mut writer = Writer {
            packet: Zeroizing::new(Vec::with_capacity(MAX)),
            fits: true,
        };
        writer.bytes(&[tag]);
        writer.bytes(&id.to_be_bytes());
        writer
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.fits &= self.packet.len() + bytes.len() <= MAX;
        if self.fits {
            self.packet.extend_from_slice(bytes);
        }
    }

    fn count(&mut self, count: usize) {
        match u16::try_from(count) {
            Ok(count) => self.bytes(&count.to_be_bytes()),
            Err(_) => self.fits = false,
        }
    }

    fn field(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.bytes(bytes);
    }

    fn flag(&mut self, flag: bool) {
        self.bytes(&[u8::from(flag)]);
    }

    fn finish(self) -> Result<WipedBytes, PacketTooLong> {
        if !self.fits {
            return Err(PacketTooLong);
        }
        // The copy is exactly as long as the packet, so that queued packets take no more memory.
        Ok(Zeroizing::new(self.packet.to_vec()))
    }
}

struct Reader<'p>(&'p [u8]);

impl<'p> Reader<'p> {
    /// The tag, the id, and a reader of the rest.
    fn new(packet: &'p [u8]) -> Result<(u8, u32, Reader<'p>), Malformed> {
        if packet.len() > MAX {
            return Err(Malformed::TooLong);
        }
        let mut reader = Reader(packet);
        let [tag] = reader.array()?;
        let id = u32::from_be_bytes(reader.array()?);
        Ok((tag, id, reader))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed::Cut)?;
        self.0 = rest;
        Ok(*array)
    }

    fn count(&mut self) -> Result<usize, Malformed> {
        Ok(usize::from(u16::from_be_bytes(self.array()?)))
    }

    fn field(&mut self) -> Result<&'p [u8], Malformed> {
        let length = self.count()?;
        let (field, rest) = self.0.split_at_checked(length).ok_or(Malformed::Cut)?;
        self.0 = rest;
        Ok(field)
    }

    fn secret(&mut self) -> Result<WipedBytes, Malformed> {
        Ok(Zeroizing::new(self.field()?.to_vec()))
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let text = str::from_utf8(self.field()?).map_err(|_| Malformed::Text)?;
        Ok(text.to_owned())
    }

    fn flag(&mut self) -> Result<bool, Malformed> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(Malformed::Flag(other)),
        }
    }

    fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing)
        }
    }
}
