//! Hashes of crypt(5), as in `/etc/shadow` and `htpasswd` files, checked by the system's libcrypt.
//!
//! The library is loaded when the first hash is checked, so that the program builds and runs without it. A hash says
//! itself what its check costs; that is limited here, so that no check takes forever.

use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::OnceLock;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::auth::unsupported::Unsupported;

/// The most rounds of a `$5$` or `$6$` hash, about three seconds; 5000 when it names none.
const MAX_ROUNDS: u64 = 5_000_000;
const DEFAULT_ROUNDS: u64 = 5_000;

/// The highest cost of a `$2b$` hash, a power of two: about four seconds.
const MAX_BCRYPT_COST: u32 = 16;

/// The most memory of a `$y$` hash, in bytes.
const MAX_YESCRYPT_MEMORY: u64 = 256 << 20;

/// Room for `struct crypt_data`: 32768 bytes in libxcrypt, 131232 in glibc's old libcrypt.
const DATA: usize = 132 * 1024;

const ALLOWED: &str = "allowed: a hash of argon2id (from hash-password), $6$, $5$, $y$ or $2b$";

/// A well-formed hash with a limited cost.
#[derive(Debug)]
pub(super) struct Crypt {
    work: u64,
}

impl Crypt {
    /// Reads a hash. The error says what is wrong, and what is allowed.
    pub(super) fn parse(text: &str) -> Result<Crypt, String> {
        let [_, method, fields @ ..] = &*text.split('$').collect::<Vec<_>>() else {
            return Err(format!("this is no hash; {ALLOWED}"));
        };
        let work = match *method {
            "5" => sha_work(fields, 43)?,
            "6" => sha_work(fields, 86)?,
            "2a" | "2b" | "2y" => bcrypt_work(fields)?,
            "y" => yescrypt_work(fields)?,
            _ => {
                return Err(format!(
                    "a hash of a kind that is not known here; {ALLOWED}"
                ));
            }
        };
        Ok(Crypt { work })
    }

    /// About how long a check takes on an ordinary machine, in microseconds.
    pub(super) fn work(&self) -> u64 {
        self.work
    }
}

fn malformed(method: &str) -> String {
    format!("the ${method}$ hash is malformed; {ALLOWED}")
}

/// crypt(5): `$6$[rounds=N$]<salt>$<hash>`. The method determines the length of the hash.
fn sha_work(fields: &[&str], hash_len: usize) -> Result<u64, String> {
    let method = if hash_len == 43 { "5" } else { "6" };
    let (rounds, fields) = match fields {
        [first, rest @ ..] if first.starts_with("rounds=") => (first.get(7..), rest),
        _ => (None, fields),
    };
    let rounds = match rounds {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u64>().map_err(|_| malformed(method))?
        }
        Some(_) => return Err(malformed(method)),
        None => DEFAULT_ROUNDS,
    };
    if rounds > MAX_ROUNDS {
        return Err(format!(
            "the ${method}$ hash has rounds={rounds}; allowed: up to {MAX_ROUNDS}"
        ));
    }
    match fields {
        [salt, hash] if (1..=16).contains(&salt.len()) && is_hash(hash, hash_len) => Ok(rounds / 3),
        _ => Err(malformed(method)),
    }
}

/// crypt(5): `$2b$<cost>$<22 of salt and 31 of hash>`.
fn bcrypt_work(fields: &[&str]) -> Result<u64, String> {
    let [cost, hash] = fields else {
        return Err(malformed("2b"));
    };
    let digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = cost.parse::<u32>().ok().filter(|_| digits);
    match parsed {
        Some(cost @ 4..=MAX_BCRYPT_COST) if is_hash(hash, 53) => Ok(60 << cost),
        Some(cost @ 4..) if is_hash(hash, 53) => Err(format!(
            "the $2b$ hash has the cost {cost}; allowed: 4 to {MAX_BCRYPT_COST}"
        )),
        _ => Err(malformed("2b")),
    }
}

/// crypt(5): `$y$<flags, N and r, a character each>$<salt>$<43 of hash>`.
fn yescrypt_work(fields: &[&str]) -> Result<u64, String> {
    let [params, salt, hash] = fields else {
        return Err(malformed("y"));
    };
    let well = is_hash(hash, 43) && (1..=86).contains(&salt.len()) && is_hash(salt, salt.len());
    let [b'j', n, r] = params.as_bytes() else {
        return Err(malformed("y"));
    };
    let (Some(n), Some(r), true) = (digit64(*n), digit64(*r), well) else {
        return Err(malformed("y"));
    };
    // Each is written as one less than its value.
    let (log_n, r) = (n + 1, u64::from(r) + 1);
    let memory = (128 * r).checked_shl(log_n).unwrap_or(u64::MAX);
    if log_n > 40 || memory > MAX_YESCRYPT_MEMORY {
        return Err(format!(
            "the $y$ hash asks by {params} for more than {} MiB of memory; allowed: up to jDT",
            MAX_YESCRYPT_MEMORY >> 20
        ));
    }
    Ok(memory / 800)
}

/// crypt(5): a digit of base 64, `[./0-9A-Za-z]` in this order. Numbers from 48 on have a second character; they are refused.
fn digit64(byte: u8) -> Option<u32> {
    let digits = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij";
    let at = digits.iter().position(|digit| *digit == byte)?;
    u32::try_from(at).ok()
}

fn is_hash(text: &str, len: usize) -> bool {
    let of_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/';
    text.len() == len && text.bytes().all(of_alphabet)
}

/// Whether the password is the one that was hashed. [`Crypt::parse`] has accepted `hash` before.
pub(super) fn verify(hash: &str, password: &[u8]) -> Result<bool, Unsupported> {
    let library = library().ok_or(Unsupported::Library)?;
    let setting = CString::new(hash).map_err(|_| Unsupported::Setting)?;
    // A NUL would end the password early for libcrypt. So what is before it is hashed, to take the same time, and refused.
    let end = password.iter().position(|&byte| byte == 0);
    let mut phrase = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    phrase.extend_from_slice(&password[..end.unwrap_or(password.len())]);
    phrase.push(0);
    let found = library.crypt(&phrase, &setting);
    // crypt(3): a result that begins with an asterisk reports a failure.
    if found.is_empty() || found.first() == Some(&b'*') {
        return if phrase.len() > MAX_PHRASE {
            Ok(false)
        } else {
            Err(Unsupported::Setting)
        };
    }
    let same: bool = found.ct_eq(hash.as_bytes()).into();
    Ok(same && end.is_none())
}

/// crypt(3): CRYPT_MAX_PASSPHRASE_SIZE, the NUL included. A longer password is refused, and so can never be right.
const MAX_PHRASE: usize = 512;

/// Whether the system can check this kind of hash. Does not compute a hash.
pub(super) fn supported(hash: &str) -> Result<(), Unsupported> {
    let library = library().ok_or(Unsupported::Library)?;
    let setting = CString::new(hash).map_err(|_| Unsupported::Setting)?;
    library.supports(&setting)
}

type CryptR = unsafe extern "C" fn(*const c_char, *const c_char, *mut c_void) -> *mut c_char;
type CheckSalt = unsafe extern "C" fn(*const c_char) -> c_int;

/// The functions of libcrypt that are used.
struct Library {
    crypt_r: CryptR,
    /// Only libxcrypt has it.
    check_salt: Option<CheckSalt>,
}

/// The library, loaded once and never unloaded.
fn library() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    LIBRARY
        .get_or_init(|| {
            // libxcrypt built without the old interface is named libcrypt.so.2.
            [c"libcrypt.so.1", c"libcrypt.so.2"]
                .into_iter()
                .find_map(Library::load)
        })
        .as_ref()
}

/// `struct crypt_data`, which must be zero at first. It is wiped at the end, since libcrypt copies the password into it.
#[repr(C, align(64))]
struct CryptData([u8; DATA]);

impl Library {
    fn load(name: &std::ffi::CStr) -> Option<Library> {
        // SAFETY: the name ends in NUL. What runs on loading is the system's own library.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            return None;
        }
        // SAFETY: the handle is live, and is never closed; the names end in NUL.
        let (crypt_r, check_salt) = unsafe {
            (
                libc::dlsym(handle, c"crypt_r".as_ptr()),
                libc::dlsym(handle, c"crypt_checksalt".as_ptr()),
            )
        };
        if crypt_r.is_null() {
            return None;
        }
        // SAFETY: crypt(3) and crypt_checksalt(3) give these functions these types; neither pointer is null.
        unsafe {
            Some(Library {
                crypt_r: std::mem::transmute::<*mut c_void, CryptR>(crypt_r),
                check_salt: (!check_salt.is_null())
                    .then(|| std::mem::transmute::<*mut c_void, CheckSalt>(check_salt)),
            })
        }
    }

    /// The hash; empty when there is none. The phrase ends in NUL.
    fn crypt(&self, phrase: &[u8], setting: &CString) -> Vec<u8> {
        let layout = std::alloc::Layout::new::<CryptData>();
        // SAFETY: the layout is not of size zero. All bytes zero are a Data.
        let data = unsafe { std::alloc::alloc_zeroed(layout) }.cast::<CryptData>();
        if data.is_null() {
            return Vec::new();
        }
        // SAFETY: it was allocated just now with the layout of Data, and is owned by nobody else.
        let mut data = unsafe { Box::from_raw(data) };
        debug_assert_eq!(phrase.last(), Some(&0));
        // SAFETY: both strings end in NUL, and `data` is zero and larger than any libcrypt's structure.
        let found = unsafe {
            (self.crypt_r)(
                phrase.as_ptr().cast(),
                setting.as_ptr(),
                data.0.as_mut_ptr().cast(),
            )
        };
        let hash = if found.is_null() {
            Vec::new()
        } else {
            // SAFETY: crypt(3): a string that ends in NUL, within `data`, which is still live.
            unsafe { std::ffi::CStr::from_ptr(found) }
                .to_bytes()
                .to_vec()
        };
        data.0.zeroize();
        hash
    }

    fn supports(&self, setting: &CString) -> Result<(), Unsupported> {
        let Some(check_salt) = self.check_salt else {
            return Ok(());
        };
        // SAFETY: the setting ends in NUL.
        match unsafe { check_salt(setting.as_ptr()) } {
            // crypt_checksalt(3): CRYPT_SALT_INVALID and CRYPT_SALT_METHOD_DISABLED.
            1 | 2 => Err(Unsupported::Setting),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
