//! Bytes too many for a message: written to a memfd that is sealed, so that the reader sees what was meant.

use super::memfd;
use std::fs::File;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// Neither size nor content can change any more.
const SEALS: i32 = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;

/// A memfd with the parts one after the other, sealed; the caller owns it. `name` only shows in /proc.
pub fn seal(name: &str, parts: &[&[u8]]) -> io::Result<OwnedFd> {
    let mut file = memfd::create(name)?;
    for part in parts {
        file.write_all(part)?;
    }
    memfd::seal(file.as_fd(), SEALS)?;
    Ok(file.into())
}

/// Reads a blob that is exactly `expected` bytes long; the caller has checked that it wants that many.
///
/// The descriptor is lent, its offset neither used nor moved. InvalidData: not a memfd, not sealed, or of another length.
pub fn read(fd: BorrowedFd<'_>, expected: u64) -> io::Result<Vec<u8>> {
    memfd::require(fd, SEALS)?;
    // SAFETY: the descriptor is open for as long as it is lent; never dropped, the File does not close it.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd.as_raw_fd()) });
    let length = file.metadata()?.len();
    if length != expected {
        return Err(memfd::invalid(format!("the memfd has {length} bytes, announced were {expected}")));
    }
    let expected = usize::try_from(expected).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = Vec::new();
    // The other side says how many: no memory for them is an error, and no end of this process.
    bytes.try_reserve_exact(expected).map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.resize(expected, 0);
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "tests/blob.rs"]
mod tests;
