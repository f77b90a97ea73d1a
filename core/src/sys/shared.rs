//! Words in memory that processes share: what deed and ledger are made of.

use super::{checked, memfd};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Nobody can change the size, so no access can fault; all may write.
const SEALS: i32 = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

/// A sealed memfd, mapped for reading and writing; unmapped and closed when dropped. Touched only as atomic words.
#[derive(Debug)]
pub struct SharedMemory {
    fd: OwnedFd,
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is ours until drop, and reachable only as atomics.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// `length` bytes of zeroes, all of them allocated now (else a later access could fail, by a signal), then sealed.
    pub fn create(name: &str, length: usize) -> io::Result<SharedMemory> {
        let file = memfd::create(name)?;
        // SAFETY: no pointers.
        checked(unsafe { libc::fallocate64(file.as_raw_fd(), 0, 0, length as libc::off64_t) })?;
        memfd::seal(file.as_fd(), SEALS)?;
        SharedMemory::map(file.into(), length)
    }

    /// Maps what another process created. Takes the descriptor, also on an error.
    ///
    /// InvalidData: not a memfd, not sealed against changes of its size, or shorter than `minimum`.
    pub fn map(fd: OwnedFd, minimum: usize) -> io::Result<SharedMemory> {
        memfd::require(fd.as_fd(), SEALS)?;
        let file = File::from(fd);
        let length = file.metadata()?.len() as usize;
        if length < minimum || length == 0 {
            return Err(memfd::invalid(format!("the memfd has {length} bytes, wanted {minimum} or more")));
        }
        // SAFETY: a new shared mapping of a file that is at least this long and cannot shrink.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(SharedMemory { fd: file.into(), base, length })
    }

    /// The memfd, to be sent to the other process.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// How many bytes there are.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The 32-bit word at `offset`. Panics where there is none or it is not aligned: a fault of ours.
    pub fn word32(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: `word` checked bounds and alignment; the mapping lives as long as self, and other processes touch it
        // as atomics too.
        unsafe { AtomicU32::from_ptr(self.word(offset)) }
    }

    /// The 64-bit word at `offset`. Panics where there is none or it is not aligned: a fault of ours.
    pub fn word64(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: as in `word32`.
        unsafe { AtomicU64::from_ptr(self.word(offset)) }
    }

    fn word<T>(&self, offset: usize) -> *mut T {
        let size = size_of::<T>();
        assert!(offset.is_multiple_of(size), "word at {offset} is not aligned to {size}");
        assert!(
            offset.checked_add(size).is_some_and(|end| end <= self.length),
            "word at {offset} is beyond the {} bytes there are",
            self.length
        );
        // SAFETY: within the mapping, as just checked.
        unsafe { self.base.as_ptr().add(offset).cast() }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `map`; no reference into it outlives self.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
#[path = "tests/shared.rs"]
mod tests;
