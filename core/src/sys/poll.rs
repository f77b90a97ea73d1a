//! Waiting: epoll(7), and the descriptors that make wake-ups, deadlines and signals something to wait for.

use super::{checked, owned, retried};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::{Duration, Instant};

/// How many events one wait returns at most; what is left over is still there at the next.
const BATCH: usize = 64;

/// A level-triggered epoll descriptor, itself readable while anything in it is ready. From any thread.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

impl Epoll {
    /// An empty one, close-on-exec.
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: no pointers; returns a new descriptor or -1.
        unsafe { owned(libc::epoll_create1(libc::EPOLL_CLOEXEC)) }.map(Epoll)
    }

    /// Watches `fd` for reading, and for writing too if `writable`; `token` names it in [`Epoll::wait`].
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, writable: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, writable)
    }

    /// Changes what `fd` is watched for.
    pub fn modify(&self, fd: BorrowedFd<'_>, token: u64, writable: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, writable)
    }

    /// Watches `fd` no more. To be done before it is closed: while somebody else holds the same file, a closed descriptor
    /// would go on firing, and could not be removed any more.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, false)
    }

    fn control(&self, operation: i32, fd: BorrowedFd<'_>, token: u64, writable: bool) -> io::Result<()> {
        let events = libc::EPOLLIN | if writable { libc::EPOLLOUT } else { 0 };
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        // SAFETY: one event, read during the call.
        checked(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd.as_raw_fd(), &mut event) })
            .map(drop)
    }

    /// Replaces `ready` by the tokens that are ready and their events (`EPOLLIN`, `EPOLLHUP` …), waiting for the first up
    /// to `timeout` (`None`: for ever), rounded up to milliseconds. A signal ends the wait with none.
    pub fn wait(&self, ready: &mut Vec<(u64, u32)>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let timeout = timeout
            .map_or(-1, |timeout| i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        // SAFETY: the kernel writes at most BATCH events, which outlive the call.
        let count = checked(unsafe {
            libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), BATCH as i32, timeout)
        });
        match count {
            Ok(count) => ready.extend(events[..count as usize].iter().map(|event| (event.u64, event.events))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A wake-up (eventfd(2)): readable from `signal` until `clear`. From any thread; never blocks.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// One that is not signalled, close-on-exec.
    pub fn new() -> io::Result<EventFd> {
        // SAFETY: no pointers; returns a new descriptor or -1.
        unsafe { owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK)) }.map(EventFd)
    }

    /// Makes it readable.
    pub fn signal(&self) -> io::Result<()> {
        let one = 1u64;
        // SAFETY: reads eight bytes, which outlive the call.
        ready(retried(|| unsafe {
            libc::write(self.0.as_raw_fd(), (&raw const one).cast(), size_of::<u64>())
        }))
        .map(drop)
    }

    /// Makes it quiet again.
    pub fn clear(&self) -> io::Result<()> {
        read_count(self.0.as_fd())
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A deadline (timerfd_create(2), CLOCK_MONOTONIC): readable once it has passed, until `set` or `clear`. Never blocks.
#[derive(Debug)]
pub struct TimerFd(OwnedFd);

impl TimerFd {
    /// One without a deadline, close-on-exec.
    pub fn new() -> io::Result<TimerFd> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: no pointers; returns a new descriptor or -1.
        unsafe { owned(libc::timerfd_create(libc::CLOCK_MONOTONIC, flags)) }.map(TimerFd)
    }

    /// Readable at `deadline`, at once if that has passed, never with `None`. Replaces what was set.
    pub fn set(&self, deadline: Option<Instant>) -> io::Result<()> {
        // A time of zero would switch the timer off.
        let left = deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1)))
            .unwrap_or_default();
        let value = libc::timespec {
            tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: left.subsec_nanos() as _,
        };
        let timer =
            libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        // SAFETY: reads one itimerspec, which outlives the call; the old one may be null.
        checked(unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &timer, ptr::null_mut()) }).map(drop)
    }

    /// Makes it quiet again after it fired.
    pub fn clear(&self) -> io::Result<()> {
        read_count(self.0.as_fd())
    }
}

impl AsFd for TimerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Signals to be read (signalfd(2)). It fires only for signals that every thread blocks; it blocks none itself.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// One for these signals, close-on-exec. EINVAL: a number that is no signal.
    pub fn new(signals: &[i32]) -> io::Result<SignalFd> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set that the other calls read; it outlives them.
        unsafe {
            checked(libc::sigemptyset(set.as_mut_ptr()))?;
            for signal in signals {
                checked(libc::sigaddset(set.as_mut_ptr(), *signal))?;
            }
            owned(libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)).map(SignalFd)
        }
    }

    /// Takes one signal that has come, if there is one. Never blocks.
    pub fn take(&self) -> io::Result<Option<i32>> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the kernel writes at most `size` bytes; info outlives the call.
        let read =
            ready(retried(|| unsafe { libc::read(self.0.as_raw_fd(), info.as_mut_ptr().cast(), size) }))?;
        // SAFETY: a read of a signalfd fills in the whole struct or nothing.
        Ok((read == Some(size as isize)).then(|| unsafe { info.assume_init() }.ssi_signo as i32))
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Nothing where the call would have had to block.
fn ready(result: io::Result<isize>) -> io::Result<Option<isize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

/// Reads away the count of an eventfd or timerfd.
fn read_count(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut count = 0u64;
    // SAFETY: the kernel writes eight bytes; count outlives the call.
    ready(retried(|| unsafe { libc::read(fd.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) }))
        .map(drop)
}

#[cfg(test)]
#[path = "tests/poll.rs"]
mod tests;
