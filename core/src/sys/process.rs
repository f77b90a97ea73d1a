//! Processes: pidfds, peer credentials, signals, and whether this one was forked.

use super::{checked, owned, retried};
use std::fs;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, Ordering};

/// A descriptor for the process `pid`, close-on-exec (pidfd_open(2), Linux 5.3).
///
/// ESRCH: there is no such process. ENOSYS: the kernel is too old. EINVAL: no pid of a process.
pub fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: a system call without pointers, that returns a new descriptor or -1.
    unsafe { owned(libc::syscall(libc::SYS_pidfd_open, pid, 0) as RawFd) }
}

/// A descriptor for this very process.
pub fn own_pidfd() -> io::Result<OwnedFd> {
    pidfd_open(std::process::id())
}

/// Whether the process of `pidfd` has ended, reaped or not. Only a sure answer is true: an error means it may live.
pub fn is_dead(pidfd: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call; a timeout of 0 does not block.
    retried(|| unsafe { libc::poll(&mut poll, 1, 0) }).is_ok() && poll.revents & libc::POLLIN != 0
}

/// The pid behind `pidfd`, as /proc/self/fdinfo tells it: 0 where our pid namespace does not show the process, -1 once
/// it was reaped. InvalidInput: not a pidfd.
pub fn pid_of(pidfd: BorrowedFd<'_>) -> io::Result<i64> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    info.lines()
        .find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is not a pidfd"))
}

/// Whether `pid`, as our pid namespace has it, may be the process of `pidfd`. Only a sure answer is false, and that for what
/// is no pidfd, or one of a process that was reaped.
///
/// /proc may have been mounted for another pid namespace than ours: then what it says first is no pid of ours, but NSpid
/// has those of the namespaces below, too. 0: not visible from there, so there is nothing to compare.
pub fn may_be(pidfd: BorrowedFd<'_>, pid: u32) -> bool {
    let Ok(info) = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())) else {
        return false;
    };
    let field = |name| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let pids = |name| field(name).split_whitespace().filter_map(|pid| pid.parse::<i64>().ok());
    match pids("Pid:").next() {
        None | Some(-1) => false,
        Some(0) => true,
        Some(first) => pid == 0 || first == i64::from(pid) || pids("NSpid:").any(|at| at == i64::from(pid)),
    }
}

/// Sends a signal to the process of `pidfd` (pidfd_send_signal(2)), whatever has become of its pid since; 0 only asks
/// whether one may. ESRCH: it has ended.
pub fn send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let no_info = ptr::null::<libc::siginfo_t>();
    // SAFETY: the siginfo pointer may be null, which makes it a signal as kill(2) sends it.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0 as libc::c_uint)
    };
    checked(result).map(drop)
}

/// Sends a signal to the calling thread, which has it before this returns (raise(3)).
#[cfg(feature = "faults")]
pub fn raise(signal: i32) {
    // SAFETY: no pointers.
    unsafe { libc::raise(signal) };
}

/// Ends the process with status 0, without another step (_exit(2)).
#[cfg(feature = "faults")]
pub fn exit_at_once() -> ! {
    // SAFETY: no pointers; nothing of the process is left to be harmed.
    unsafe { libc::_exit(0) }
}

#[cfg(feature = "faults")]
pub use libc::{SIGKILL, SIGSTOP};

/// The signal that asks a process to end.
pub const SIGTERM: i32 = libc::SIGTERM;

/// Whether a call on a pid or pidfd failed because the process has ended (ESRCH).
pub fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ESRCH)
}

/// Whether a thread can block this signal (signal(7)).
pub fn can_be_blocked(signal: i32) -> bool {
    (1..=64).contains(&signal) && ![libc::SIGKILL, libc::SIGSTOP].contains(&signal)
}

/// The threads (by tid, ascending) of this process that leave `signal` unblocked: while there is one, a signalfd for it
/// never fires (signalfd(2)).
pub fn threads_leaving_unblocked(signal: i32) -> io::Result<Vec<u32>> {
    if !(1..=64).contains(&signal) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut threads = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        // A thread that has ended since is no thread that could take the signal.
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        let field = |name| status.lines().find_map(|line: &str| line.strip_prefix(name)).map(str::trim);
        let blocked = field("SigBlk:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
        let dead = field("State:").is_some_and(|state| state.starts_with(['Z', 'X']));
        if !dead && blocked.is_none_or(|mask| mask & (1 << (signal - 1)) == 0) {
            threads.extend(task.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        }
    }
    threads.sort_unstable();
    Ok(threads)
}

/// The effective user of this process (geteuid(2)).
pub fn effective_uid() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() }
}

/// Who is at the other end of a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Its process id as our pid namespace shows it; 0 where it does not.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

/// Who is at the other end of a connected Unix socket (SO_PEERCRED, unix(7)). For the end that connected, that is the
/// process that last called listen() on the listening socket, whoever accepts.
pub fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, the size of `peer`; both outlive the call.
    checked(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &mut length,
        )
    })?;
    Ok(Credentials { pid: u32::try_from(peer.pid).unwrap_or(0), uid: peer.uid, gid: peer.gid })
}

/// A page that the kernel wipes in the child of a fork (MADV_WIPEONFORK, madvise(2)), so that a handle knows, by a read
/// of one byte, that it belongs to another process.
#[derive(Debug)]
pub struct ForkMark {
    page: NonNull<AtomicU8>,
    length: usize,
}

// SAFETY: the page is ours until drop, and is only read and written as an atomic.
unsafe impl Send for ForkMark {}
// SAFETY: as above.
unsafe impl Sync for ForkMark {}

impl ForkMark {
    /// A mark for this process; gives the page back when dropped, in parent and child alike.
    pub fn new() -> io::Result<ForkMark> {
        // SAFETY: asks for a constant of the system.
        let length = checked(unsafe { libc::sysconf(libc::_SC_PAGESIZE) })? as usize;
        // SAFETY: a new private mapping, at an address of the kernel's choice.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let page = NonNull::new(page.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let mark = ForkMark { page, length };
        // SAFETY: exactly the mapping made above.
        checked(unsafe { libc::madvise(mark.page.as_ptr().cast(), length, libc::MADV_WIPEONFORK) })?;
        mark.byte().store(1, Ordering::Relaxed);
        Ok(mark)
    }

    /// Whether this process is a child, forked since the mark was made. No system call.
    pub fn forked(&self) -> bool {
        self.byte().load(Ordering::Relaxed) == 0
    }

    fn byte(&self) -> &AtomicU8 {
        // SAFETY: the mapping lives as long as self, is zeroed by the kernel, and nothing but atomics touches it.
        unsafe { self.page.as_ref() }
    }
}

impl Drop for ForkMark {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`; no reference into it outlives self.
        unsafe { libc::munmap(self.page.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
#[path = "tests/process.rs"]
mod tests;
