//! Randomness of the system.

/// Masking keys and handshake nonces want bytes that nobody can guess; the system has them.
pub(crate) fn random(buffer: &mut [u8; 256]) {
    // SAFETY: the buffer is as long as it is said to be. Up to 256 bytes come whole (getrandom(2)).
    let count = unsafe { libc::getrandom(buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    assert_eq!(count, 256, "the system has no randomness");
}
