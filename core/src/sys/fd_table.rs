//! The table of descriptors: how much room it has, and growing it before anyone waits for it.

use super::{checked, owned};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// How many descriptors this process can still open: the soft RLIMIT_NOFILE less what is open below it.
///
/// Reads /proc/self/fd, about half a microsecond for each open descriptor.
pub fn free_descriptors() -> io::Result<u64> {
    let soft = limit()?.rlim_cur;
    let open = match open_descriptors() {
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => return Ok(0),
        open => open?,
    };
    // One of them was only open for looking, at the lowest free number.
    let used = open.iter().filter(|&&fd| (fd as u64) < soft).count() as u64 - 1;
    Ok(soft.saturating_sub(used))
}

/// How many descriptors this process could open at most: the hard RLIMIT_NOFILE less what is open.
pub fn attainable() -> io::Result<u64> {
    let limit = limit()?;
    Ok(free_descriptors()?.saturating_add(limit.rlim_max.saturating_sub(limit.rlim_cur)))
}

/// Sees to it that `needed_free` descriptors can be opened, by raising the soft RLIMIT_NOFILE if need be, only as far as
/// needed and at most to the hard one. Returns how many can be opened now: fewer, where the hard limit stands in the way.
pub fn raise_limit(needed_free: u64) -> io::Result<u64> {
    let free = free_descriptors()?;
    let mut limit = limit()?;
    if free >= needed_free || limit.rlim_cur >= limit.rlim_max {
        return Ok(free);
    }
    limit.rlim_cur = limit.rlim_cur.saturating_add(needed_free - free).min(limit.rlim_max);
    // SAFETY: reads one rlimit, which outlives the call.
    checked(unsafe { libc::setrlimit64(libc::RLIMIT_NOFILE, &limit) })?;
    free_descriptors()
}

/// Makes the table large enough for `coming` descriptors more, as far as the soft limit allows.
///
/// In a process with threads each doubling of the table waits for an RCU grace period, so that a recvmsg that needs it
/// stalls for up to 24 ms; here that happens once, before anybody waits.
pub fn grow(coming: usize) -> io::Result<()> {
    let open = match open_descriptors() {
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => return Ok(()),
        open => open?,
    };
    let last = RawFd::try_from(limit()?.rlim_cur).unwrap_or(RawFd::MAX) - 1;
    let highest = open.into_iter().max().unwrap_or(0);
    let target = highest.saturating_add(RawFd::try_from(coming).unwrap_or(RawFd::MAX)).min(last);
    if target <= highest {
        return Ok(());
    }
    // SAFETY: no pointers; returns a new descriptor or -1.
    let any = unsafe { owned(libc::eventfd(0, libc::EFD_CLOEXEC)) }?;
    // SAFETY: as above. It takes the lowest free number from `target` on, so the table must reach that far.
    let duplicate = unsafe { owned(libc::fcntl(any.as_raw_fd(), libc::F_DUPFD_CLOEXEC, target)) };
    match duplicate {
        // Everything from there up to the limit was taken meanwhile: the table is as large as it gets.
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => Ok(()),
        result => result.map(drop),
    }
}

fn limit() -> io::Result<libc::rlimit64> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes one rlimit, which outlives the call.
    checked(unsafe { libc::getrlimit64(libc::RLIMIT_NOFILE, &mut limit) })?;
    Ok(limit)
}

/// The open descriptors, with the one that is open for looking.
fn open_descriptors() -> io::Result<Vec<RawFd>> {
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    Ok(open)
}

#[cfg(test)]
#[path = "tests/fd_table.rs"]
mod tests;
