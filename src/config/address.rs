//! Addresses to listen on, and networks.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::value::quoted;

/// The longest path that fits into `sockaddr_un` with its NUL.
pub(super) const MAX_UNIX_PATH: usize = 107;

/// What `bind` may hold.
pub(super) const BIND_FORMS: &str = "\"IPv4:port\", \"[IPv6]:port\" or \"unix:/path\"";

/// An address that a server listens on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP. The system chooses a port for 0. An IPv6 address does not accept IPv4 (IPV6_V6ONLY).
    Tcp(SocketAddr),
    /// A unix stream socket.
    Unix(PathBuf),
}

impl Address {
    /// Reads one of [`BIND_FORMS`]; a relative path is taken from `folder`. The error says what is wrong.
    pub(super) fn parse(text: &str, folder: &Path) -> Result<Address, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix_path(path, folder).map(Address::Unix);
        }
        if let Ok(address) = text.parse() {
            return Ok(Address::Tcp(address));
        }
        let hint = match text.rsplit_once(':') {
            Some(("" | "*", port)) => {
                format!(" (every address is \"0.0.0.0:{port}\" and \"[::]:{port}\")")
            }
            Some(("localhost", port)) => {
                format!(" (localhost is \"127.0.0.1:{port}\" and \"[::1]:{port}\")")
            }
            Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => {
                format!(" (write \"[{host}]:{port}\")")
            }
            None if text.parse::<IpAddr>().is_ok() => " (the port is missing)".to_owned(),
            _ => String::new(),
        };
        Err(format!("{} is no address{hint}", quoted(text)))
    }

    /// Whether listening on both fails: they are equal, or one means all addresses of the other's family.
    pub fn collides(&self, other: &Address) -> bool {
        match (self, other) {
            (Address::Tcp(a), Address::Tcp(b)) => {
                let same_family = a.is_ipv4() == b.is_ipv4();
                let any = a.ip().is_unspecified() || b.ip().is_unspecified();
                a.port() != 0 && a.port() == b.port() && same_family && (any || a.ip() == b.ip())
            }
            (Address::Unix(a), Address::Unix(b)) => a == b,
            _ => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The path of a unix socket, taken from `folder` when it is relative.
pub(super) fn unix_path(path: &str, folder: &Path) -> Result<PathBuf, String> {
    if path.is_empty() || path.contains('\0') {
        return Err(format!("{} is no path of a socket", quoted(path)));
    }
    let path = folder.join(path);
    match path.as_os_str().len() {
        0..=MAX_UNIX_PATH => Ok(path),
        length => Err(format!(
            "the path {} is {length} bytes long, and a socket's at most {MAX_UNIX_PATH}",
            path.display()
        )),
    }
}

/// A network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3). A single address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `address[/prefix]`. The error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Network, String> {
        let wrong = || format!("{} is no network", quoted(text));
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            // Digits only: parse() would accept a plus sign.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= bits)
                .ok_or_else(wrong)?,
            Some(_) => return Err(wrong()),
        };
        let network = Network {
            address: mask(address, prefix),
            prefix,
        };
        if network.address == address {
            Ok(network)
        } else {
            Err(format!(
                "{text:?} has address bits beyond its prefix, the network is \"{network}\""
            ))
        }
    }

    /// The network with this prefix length that contains `address`.
    pub(super) fn of(address: IpAddr, prefix: u8) -> Network {
        Network {
            address: mask(address, prefix),
            prefix,
        }
    }

    /// Whether `address` is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && mask(address, self.prefix) == self.address
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX
                .checked_shl(32u32.saturating_sub(prefix))
                .unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX
                .checked_shl(128u32.saturating_sub(prefix))
                .unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Address::parse(text, Path::new("/etc/bellwire"))
    }

    #[test]
    fn addresses() {
        for text in [
            "0.0.0.0:8080",
            "127.0.0.1:0",
            "[::1]:443",
            "[::]:1",
            "unix:/run/a.sock",
        ] {
            assert_eq!(parse(text).expect(text).to_string(), text);
        }
        let relative = parse("unix:a.sock").expect("a path");
        assert_eq!(relative, Address::Unix("/etc/bellwire/a.sock".into()));
        for (text, hint) in [
            ("", "\"\" is no address"),
            ("8080", "\"8080\" is no address"),
            (
                "127.0.0.1",
                "\"127.0.0.1\" is no address (the port is missing)",
            ),
            ("127.0.0.1:65536", "\"127.0.0.1:65536\" is no address"),
            (
                ":80",
                "\":80\" is no address (every address is \"0.0.0.0:80\" and \"[::]:80\")",
            ),
            (
                "*:80",
                "\"*:80\" is no address (every address is \"0.0.0.0:80\" and \"[::]:80\")",
            ),
            (
                "localhost:80",
                "\"localhost:80\" is no address (localhost is \"127.0.0.1:80\" and \"[::1]:80\")",
            ),
            (
                "fe80::1:80",
                "\"fe80::1:80\" is no address (write \"[fe80::1]:80\")",
            ),
            ("example.org:80", "\"example.org:80\" is no address"),
            ("unix:", "\"\" is no path of a socket"),
            ("unix:/a\0b", "\"/a\\0b\" is no path of a socket"),
        ] {
            assert_eq!(parse(text).expect_err(text), hint);
        }
    }

    #[test]
    fn a_path_fits_into_its_structure() {
        let longest = format!("unix:/{}", "x".repeat(MAX_UNIX_PATH - 1));
        assert!(parse(&longest).is_ok());
        assert!(parse(&format!("{longest}x")).is_err());
    }

    #[test]
    fn collisions() {
        for (a, b, collide) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.2:80", true),
            ("[::1]:80", "[::]:80", true),
            ("[::]:80", "0.0.0.0:80", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", "unix:/b", false),
            ("unix:/a", "0.0.0.0:80", false),
        ] {
            let (a, b) = (parse(a).expect(a), parse(b).expect(b));
            assert_eq!(a.collides(&b), collide, "{a} {b}");
            assert_eq!(b.collides(&a), collide, "{b} {a}");
        }
    }

    #[test]
    fn networks() {
        let holds = |network: &str, address: &str| {
            let network = Network::parse(network).expect(network);
            network.contains(address.parse().expect(address))
        };
        assert!(holds("127.0.0.0/8", "127.9.9.9"));
        assert!(!holds("127.0.0.0/8", "128.0.0.1"));
        assert!(holds("::1", "::1"));
        assert!(!holds("::1", "::2"));
        assert!(holds("0.0.0.0/0", "8.8.8.8"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "ff::"));
        assert!(holds("fc00::/7", "fd01::"));
        for text in [
            "",
            "a",
            "1.2.3.4/33",
            "::/129",
            "1.2.3.4/",
            "1.2.3.4/+8",
            "1.2.3.4/8/8",
            "1.2.3",
        ] {
            assert_eq!(
                Network::parse(text).expect_err(text),
                format!("{text:?} is no network")
            );
        }
        assert_eq!(
            Network::parse("10.1.0.0/8").expect_err("bits"),
            "\"10.1.0.0/8\" has address bits beyond its prefix, the network is \"10.0.0.0/8\""
        );
    }
}
