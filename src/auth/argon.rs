//! Hashes of argon2id (RFC 9106) as PHC strings, as `bellwire hash-password` prints them:
//! `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>`, both in base64 without padding.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::auth::unsupported::Unsupported;

/// What a hash of this kind begins with.
pub(super) const PREFIX: &str = "$argon2id$";

/// Bytes of a new salt (RFC 9106 §4).
pub(super) const SALT: usize = 16;

/// The costs of new hashes, as OWASP recommended in 2024: 19 MiB, two passes, one lane.
const OWN: Costs = Costs {
    memory: 19 * 1024,
    passes: 2,
    lanes: 1,
};

/// Bytes of a new tag.
const TAG: usize = 32;

const MAX_MEMORY: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 8;

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Costs {
    /// KiB
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// A hash in its parts.
#[derive(Debug)]
pub(super) struct Argon {
    costs: Costs,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl Argon {
    /// Reads a hash. The error says what is wrong, and what is allowed.
    pub(super) fn parse(text: &str) -> Result<Argon, String> {
        let malformed = || {
            "the argon2id hash is malformed; allowed: $argon2id$v=19$m=…,t=…,p=…$salt$hash, as hash-password prints it"
                .to_owned()
        };
        let parts = text.strip_prefix(PREFIX).ok_or_else(malformed)?;
        let parts: Vec<&str> = parts.split('$').collect();
        let ["v=19", costs, salt, tag] = parts.as_slice() else {
            return Err(malformed());
        };
        let costs = Costs::parse(costs).ok_or_else(malformed)?;
        costs.check()?;
        let decode = |text: &str| STANDARD_NO_PAD.decode(text).map_err(|_| malformed());
        let (salt, tag) = (decode(salt)?, decode(tag)?);
        // RFC 9106 §3.1 allows tags of 4 bytes, but a wrong password would match one of those by chance.
        if !(8..=64).contains(&salt.len()) || !(16..=64).contains(&tag.len()) {
            return Err(malformed());
        }
        Ok(Argon { costs, salt, tag })
    }

    /// Whether the password is the one that was hashed.
    pub(super) fn verify(&self, password: &[u8]) -> Result<bool, Unsupported> {
        let mut tag = Zeroizing::new(vec![0; self.tag.len()]);
        self.costs.hash(password, &self.salt, &mut tag)?;
        Ok(tag.ct_eq(&self.tag).into())
    }

    /// About how long a check takes on an ordinary machine, in microseconds.
    pub(super) fn work(&self) -> u64 {
        u64::from(self.costs.memory) * u64::from(self.costs.passes)
    }
}

/// Hashes a password.
pub(super) fn hash(password: &[u8], salt: &[u8; SALT]) -> Result<String, Unsupported> {
    let mut tag = [0; TAG];
    OWN.hash(password, salt, &mut tag)?;
    let Costs {
        memory,
        passes,
        lanes,
    } = OWN;
    let (salt, tag) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(tag));
    Ok(format!(
        "{PREFIX}v=19$m={memory},t={passes},p={lanes}${salt}${tag}"
    ))
}

impl Costs {
    fn parse(text: &str) -> Option<Costs> {
        let mut numbers = text.split(',');
        let mut number = |name: &str| {
            let digits = numbers.next()?.strip_prefix(name)?;
            // `parse` would accept a plus sign.
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse().ok())?
        };
        let costs = Costs {
            memory: number("m=")?,
            passes: number("t=")?,
            lanes: number("p=")?,
        };
        numbers.next().is_none().then_some(costs)
    }

    /// Whether the costs are so low that a check cannot exhaust the machine.
    fn check(self) -> Result<(), String> {
        // RFC 9106 §3.1: at least 8 KiB a lane.
        let memory = self.lanes.saturating_mul(8)..=MAX_MEMORY;
        let fits = memory.contains(&self.memory)
            && (1..=MAX_PASSES).contains(&self.passes)
            && (1..=MAX_LANES).contains(&self.lanes);
        fits.then_some(()).ok_or_else(|| {
            format!(
                "the argon2id hash has m={},t={},p={}; allowed: m up to {MAX_MEMORY} (KiB, 8 for each of p at least), t up to {MAX_PASSES}, p up to {MAX_LANES}",
                self.memory, self.passes, self.lanes
            )
        })
    }

    fn hash(self, password: &[u8], salt: &[u8], tag: &mut [u8]) -> Result<(), Unsupported> {
        let params = Params::new(self.memory, self.passes, self.lanes, Some(tag.len()));
        let params = params.map_err(|_| Unsupported::Setting)?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password, salt, tag)
            .map_err(|error| match error {
                argon2::Error::OutOfMemory => Unsupported::Memory,
                _ => Unsupported::Setting,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 8 -p 1` (256 KiB).
    const REFERENCE: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn a_hash_of_the_reference_implementation() {
        let argon = Argon::parse(REFERENCE).expect("a hash");
        assert_eq!(argon.verify(b"password"), Ok(true));
        for other in [b"Password".as_slice(), b"", b"password\0"] {
            assert_eq!(argon.verify(other), Ok(false));
        }
    }

    #[test]
    fn own_hashes_verify() {
        let text = hash(b"s\xc3\xa9cret", &[7; SALT]).expect("a hash");
        assert!(
            text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"),
            "{text}"
        );
        let argon = Argon::parse(&text).expect("what was written is read");
        assert_eq!(argon.costs, OWN);
        assert_eq!(argon.verify(b"s\xc3\xa9cret"), Ok(true));
        assert_eq!(argon.verify(b"secret"), Ok(false));
    }

    #[test]
    fn malformed_hashes() {
        for (from, to) in [
            ("v=19", "v=16"),
            ("v=19$", ""),
            ("m=256", "m=+256"),
            ("m=256", "m="),
            ("t=2,p=1", "p=1,t=2"),
            ("p=1", "p=1,data=YQ"),
            ("c29tZXNhbHQ", "c29tZXNhbHQ="),
            ("c29tZXNhbHQ", "YQ"),
            ("c29tZXNhbHQ$", ""),
            ("Gi/4", "Gi/4$"),
            ("Gi/4", "Gi%4"),
            ("m=256", "m=99999999999"),
        ] {
            let text = REFERENCE.replace(from, to);
            assert_ne!(text, REFERENCE);
            let error = Argon::parse(&text).expect_err(&text);
            assert!(error.contains("malformed"), "{text}: {error}");
        }
    }

    #[test]
    fn costs_are_bounded() {
        for (from, to) in [
            ("m=256", "m=262145"),
            ("m=256", "m=7"),
            ("m=256,t=2,p=1", "m=63,t=2,p=8"),
            ("t=2", "t=17"),
            ("t=2", "t=0"),
            ("p=1", "p=9"),
            ("p=1", "p=0"),
            ("p=1", "p=4294967295"),
        ] {
            let error = Argon::parse(&REFERENCE.replace(from, to)).expect_err(to);
            assert!(error.contains("allowed: m up to 262144"), "{error}");
        }
        for to in ["m=262144", "m=8"] {
            assert!(
                Argon::parse(&REFERENCE.replace("m=256", to)).is_ok(),
                "{to}"
            );
        }
    }
}
