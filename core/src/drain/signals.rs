//! Signals that say: drain.

use crate::error::{Error, ErrorKind, Result};
use crate::sys::poll::SignalFd;
use crate::sys::process::{self, SIGTERM};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Sends SIGTERM to the process `pid`, through a pidfd: once that is open, no other process that gets the same pid can be
/// hit (pidfd_send_signal(2)). Does not block, and does not wait for the process to end.
///
/// # Errors
/// `InvalidArgument`: no pid. `PeerGone`: there is no such process, or it has ended. `WrongUser`: we may not signal it.
/// `Unsupported`: Linux is older than 5.3. `System`.
pub fn signal_drain(pid: u32) -> Result<()> {
    if pid == 0 {
        return Err(Error::new(ErrorKind::InvalidArgument, "0 is no pid of a process", "no signal was sent"));
    }
    let failed = |error: io::Error| {
        let kind = match error.kind() {
            _ if process::is_gone(&error) => ErrorKind::PeerGone,
            io::ErrorKind::PermissionDenied => ErrorKind::WrongUser,
            io::ErrorKind::Unsupported => ErrorKind::Unsupported,
            io::ErrorKind::InvalidInput => ErrorKind::InvalidArgument,
            _ => ErrorKind::System,
        };
        let error_number = error.raw_os_error().unwrap_or_default();
        Error::new(kind, format!("SIGTERM to process {pid}: {error}"), "no signal was sent")
            .with_errno(error_number)
            .with_pid(pid)
    };
    let pidfd = process::pidfd_open(pid).map_err(failed)?;
    process::send_signal(pidfd.as_fd(), SIGTERM).map_err(failed)
}

/// Signals as something to wait for: readable when one has come (signalfd(2)).
#[derive(Debug)]
pub struct DrainSignals(SignalFd);

impl DrainSignals {
    /// One for `signals`, each of which every thread of the process must block: the kernel would give it to a thread that
    /// does not, and no signalfd would ever see it. Does not block.
    ///
    /// # Errors
    /// `SignalNotBlocked` names the threads that leave one unblocked. `InvalidArgument`: no signal, or one that cannot be
    /// blocked (SIGKILL, SIGSTOP). `System`.
    pub fn new(signals: &[i32]) -> Result<DrainSignals> {
        for &signal in signals {
            if !process::can_be_blocked(signal) {
                let what = format!("{signal} is no signal that can be blocked");
                return Err(Error::new(ErrorKind::InvalidArgument, what, "use SIGTERM (15), for instance"));
            }
            let threads = process::threads_leaving_unblocked(signal)
                .map_err(|error| Error::system("read /proc/self/task", &error))?;
            if !threads.is_empty() {
                let threads: Vec<String> = threads.iter().map(u32::to_string).collect();
                let what = format!("signal {signal} is not blocked in thread {}", threads.join(", "));
                let now = "block it (pthread_sigmask) before the first thread starts, or call drain() from a handler";
                return Err(Error::new(ErrorKind::SignalNotBlocked, what, now));
            }
        }
        SignalFd::new(signals).map(DrainSignals).map_err(|error| Error::system("signalfd", &error))
    }

    /// Takes one signal that has come, if there is one. Does not block.
    ///
    /// # Errors
    /// `System`.
    pub fn take(&self) -> Result<Option<i32>> {
        self.0.take().map_err(|error| Error::system("read from a signalfd", &error))
    }
}

impl AsFd for DrainSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests;
