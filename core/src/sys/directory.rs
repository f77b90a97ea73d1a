//! A directory that stays the same one whatever is renamed around it, and locks on files in it.

use super::{checked, retried};
use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A directory held open (O_PATH), close-on-exec.
#[derive(Debug)]
pub struct Directory(File);

impl Directory {
    /// NotFound, NotADirectory: there is none.
    pub fn open(path: &Path) -> io::Result<Directory> {
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        OpenOptions::new().read(true).custom_flags(flags).open(path).map(Directory)
    }

    /// Who owns it and may write in it.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    /// A path for `name` in it, short whatever its own path is, good for as long as it is held open. Needs /proc.
    pub fn at(&self, name: &OsStr) -> PathBuf {
        Path::new("/proc/self/fd").join(self.0.as_raw_fd().to_string()).join(name)
    }
}

/// A lock file (flock(2)), close-on-exec; let go when dropped.
#[derive(Debug)]
pub struct FileLock(File);

impl FileLock {
    /// Opens the file, or creates it with mode 0600; locks nothing yet. ELOOP: it is a symlink.
    pub fn open(path: &Path) -> io::Result<FileLock> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        // With O_CREAT, a file of another user in a sticky directory is refused (sysctl fs.protected_regular). It is never
        // removed, so the second turn finds what somebody else created during the first.
        for _ in 0..2 {
            match options.open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => return result.map(FileLock),
            }
            match options.clone().create_new(true).open(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.map(FileLock),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Whose file it is, and of what kind.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    /// Waits for the lock until `deadline`, trying once at least; false if somebody else held it all the time.
    pub fn acquire(&self, deadline: Instant) -> io::Result<bool> {
        loop {
            // SAFETY: no pointers.
            let tried = retried(|| unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) });
            match tried {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) if Instant::now() >= deadline => return Ok(false),
                // flock knows no timeout, and is held for microseconds only.
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Not left to close(): a child forked meanwhile has a copy, which would keep the lock.
        // SAFETY: no pointers.
        let _ = checked(unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_UN) });
    }
}
