//! Memory with a descriptor (memfd_create(2)), and the seals that say what can no longer be done to it.

use super::{checked, owned};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A new memfd, close-on-exec, open for sealing; `name` only shows in /proc. InvalidInput: a NUL in the name.
pub fn create(name: &str) -> io::Result<File> {
    let name = CString::new(name)?;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let create = |flags| {
        // SAFETY: the name ends with a NUL and outlives the call, which returns a new descriptor or -1.
        unsafe { owned(libc::memfd_create(name.as_ptr(), flags)) }
    };
    // Hardened hosts (sysctl vm.memfd_noexec) insist on memory without x; kernels before 6.3 do not know the flag.
    create(flags | libc::MFD_NOEXEC_SEAL)
        .or_else(|error| match error.raw_os_error() {
            Some(libc::EINVAL) => create(flags),
            _ => Err(error),
        })
        .map(File::from)
}

/// Adds seals, which nobody can take away again.
pub fn seal(fd: BorrowedFd<'_>, seals: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) }).map(drop)
}

/// Sees that `fd` is a memfd with at least these seals, so that nobody can pull the memory from under us.
/// InvalidData, in words, if it is not.
pub fn require(fd: BorrowedFd<'_>, seals: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    match checked(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) }) {
        Ok(found) if found & seals == seals => Ok(()),
        Ok(found) => Err(invalid(format!("the memfd has the seals {found:#x}, wanted {seals:#x}"))),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EBADF)) => {
            Err(invalid("the descriptor is not a memfd".into()))
        }
        Err(error) => Err(error),
    }
}

/// An error that says what is wrong with what the other side sent.
pub fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
