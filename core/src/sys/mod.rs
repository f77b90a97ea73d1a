//! The only room with `unsafe` and `libc`: thin wrappers that own what the kernel gives. No policy lives here.
#![allow(unsafe_code)]

pub mod blob;
pub mod bpf;
pub mod directory;
pub mod fd_table;
pub mod inet;
pub mod memfd;
pub mod poll;
pub mod probe;
pub mod process;
pub mod reuseport;
pub mod scm_rights;
pub mod shared;
pub mod trouble;
pub mod unix;
pub mod wipe;

#[cfg(test)]
pub mod testing;

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// What a system call returned, or the errno if that was negative.
fn checked<T: PartialOrd + Default>(result: T) -> io::Result<T> {
    if result < T::default() { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Like [`checked`], calling again for as long as a signal interrupts (EINTR).
fn retried<T: PartialOrd + Default>(mut call: impl FnMut() -> T) -> io::Result<T> {
    loop {
        match checked(call()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Owns the descriptor that a system call returned.
///
/// # Safety
/// `result` comes straight from a call that returns a new descriptor or -1.
unsafe fn owned(result: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the caller says that a result that is not negative is a new descriptor, so nobody else owns it.
    checked(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}
