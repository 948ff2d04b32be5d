//! The environment that the daemon was started with. It may hold secrets of the operator that are none of the daemon's, and
//! the process that faces the network must not have them in its memory.

use std::ffi::{CStr, c_char};

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// The variables that the daemon, its helper and the libraries of both read, or their beginnings where they end in `_`.
const KEPT: [&str; 26] = [
    "BELLWIRE_",
    "CREDENTIALS_DIRECTORY",
    "HOME",
    "HOSTALIASES",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LANG",
    "LC_",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LISTEN_",
    "LOCALDOMAIN",
    "NOTIFY_SOCKET",
    "NSS_WRAPPER_",
    "PAM_WRAPPER",
    "PAM_WRAPPER_",
    "PATH",
    "RES_OPTIONS",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "WATCHDOG_",
    "XDG_RUNTIME_DIR",
];

fn is_kept(variable: &[u8]) -> bool {
    let name = variable
        .split(|&byte| byte == b'=')
        .next()
        .unwrap_or_default();
    KEPT.iter().any(|kept| {
        if kept.ends_with('_') {
            name.starts_with(kept.as_bytes())
        } else {
            name == kept.as_bytes()
        }
    })
}

/// Removes all other variables, and wipes them where the kernel has put them. To be called while there is one thread.
pub(crate) fn keep_what_is_needed() {
    // SAFETY: nothing else reads or writes the environment meanwhile. It is a list of strings that ends in null, which this
    // process owns and may write to; each string is wiped up to its NUL only.
    unsafe {
        if environ.is_null() {
            return;
        }
        let (mut from, mut to) = (environ, environ);
        while !(*from).is_null() {
            let variable = *from;
            let length = CStr::from_ptr(variable).count_bytes();
            if is_kept(CStr::from_ptr(variable).to_bytes()) {
                *to = variable;
                to = to.add(1);
            } else {
                std::ptr::write_bytes(variable, 0, length);
            }
            from = from.add(1);
        }
        *to = std::ptr::null_mut();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_kept_and_nothing_else() {
        for kept in [
            "PATH=/bin",
            "LC_ALL=C",
            "BELLWIRE_SOCKET=s",
            "NOTIFY_SOCKET=@n",
            "TZ=",
        ] {
            assert!(is_kept(kept.as_bytes()), "{kept}");
        }
        for gone in [
            "SECRET_TOKEN=x",
            "PATHS=x",
            "=",
            "LC=x",
            "LANGUAGE=de",
            "SSH_AUTH_SOCK=s",
        ] {
            assert!(!is_kept(gone.as_bytes()), "{gone}");
        }
    }
}
