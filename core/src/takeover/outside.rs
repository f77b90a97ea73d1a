//! What is the same for the whole life of a handle and is used without the lock: path, configuration, poller, clock.

use super::actions::{Durations, Millis};
use super::config::Config;
use crate::drain::DrainSignals;
use crate::error::{Error, Result};
use crate::sys::poll::{Epoll, EventFd, TimerFd};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(super) const WAKE: u64 = 0;
pub(super) const TIMER: u64 = 1;
pub(super) const SERVICE: u64 = 2;
pub(super) const UP: u64 = 3;
pub(super) const UP_DEATH: u64 = 4;
pub(super) const DOWN: u64 = 5;
pub(super) const DOWN_DEATH: u64 = 6;
pub(super) const SIGNAL: u64 = 7;
pub(super) const LOBBY: u64 = 16;

/// What is the same for the whole life of a handle; used without the lock.
#[derive(Debug)]
pub(super) struct Outside {
    pub path: PathBuf,
    pub config: Config,
    pub epoll: Epoll,
    pub wake: EventFd,
    pub timer: TimerFd,
    pub signals: Option<DrainSignals>,
    pub start: Instant,
}

impl Outside {
    pub(super) fn new(path: PathBuf, config: Config) -> Result<Outside> {
        let system = |error: std::io::Error| Error::system("setting up", &error).now("nothing was changed");
        let signals = match config.drain_signals.as_slice() {
            [] => None,
            signals => Some(DrainSignals::new(signals)?),
        };
        let outside = Outside {
            path,
            config,
            epoll: Epoll::new().map_err(system)?,
            wake: EventFd::new().map_err(system)?,
            timer: TimerFd::new().map_err(system)?,
            signals,
            start: Instant::now(),
        };
        outside.watch(Some(outside.wake.as_fd()), WAKE)?;
        outside.watch(Some(outside.timer.as_fd()), TIMER)?;
        outside.watch(outside.signals.as_ref().map(AsFd::as_fd), SIGNAL)?;
        Ok(outside)
    }

    pub(super) fn now(&self) -> Millis {
        self.start.elapsed().as_millis() as Millis
    }

    pub(super) fn watch(&self, fd: Option<BorrowedFd<'_>>, token: u64) -> Result<()> {
        let Some(fd) = fd else { return Ok(()) };
        self.epoll.add(fd, token, false).map_err(|error| Error::system("epoll_ctl", &error))
    }

    pub(super) fn unwatch(&self, fd: Option<BorrowedFd<'_>>) {
        if let Some(fd) = fd {
            // It may not have been watched; then there is nothing to undo.
            let _ = self.epoll.remove(fd);
        }
    }

    pub(super) fn durations(&self) -> Durations {
        let millis = |duration: Duration| duration.as_millis() as Millis;
        Durations {
            handshake: millis(self.config.handshake),
            ready: millis(self.config.ready),
            commit: millis(self.config.commit),
            drain: millis(self.config.drain),
            probation: millis(self.config.probation),
        }
    }
}
