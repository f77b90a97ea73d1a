//! Bytes that nobody is to find once they were used.

/// Overwrites `bytes` with zeroes, which no compiler leaves out (explicit_bzero(3)).
pub fn wipe(bytes: &mut [u8]) {
    // SAFETY: the slice is ours alone, and that long.
    unsafe { libc::explicit_bzero(bytes.as_mut_ptr().cast(), bytes.len()) };
}
