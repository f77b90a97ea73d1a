//! What a [`Takeover`](crate::Takeover) and a [`Worker`](crate::Worker) have in common: one state behind a lock, one caller
//! at a time who waits for events, and a handle that is dead after close and after fork.

use super::config::LONGEST;
use super::event::Event;
use super::outside::Outside;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::process::ForkMark;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// What is behind the lock.
pub(super) trait Guarded: Sized {
    /// What to do where the handle was closed, and where it is the one of a process that forked.
    const CLOSED: &'static str;
    const FORKED: &'static str;

    fn is_closed(&self) -> bool;
    /// The application took Drain, and comes back: it has stopped accepting.
    fn is_back(&self) -> bool;
    /// The application leaves: every offer is answered or taken back, then everything is closed.
    fn leave(&mut self, out: &Outside);
    /// Closes everything without a word to anybody.
    fn forget(&mut self);
    /// The application waits for events: it has carried out what it was told.
    fn before_waiting(&mut self, out: &Outside);
    /// Something happened on the descriptor that has this token.
    fn happened(&mut self, token: u64, out: &Outside);
    /// Lets everything go on that can.
    fn pump(&mut self, out: &Outside);
    /// The next event, if one is there.
    fn next_event(&mut self, handle: &Arc<Handle<Self>>) -> Option<Event>;
    /// Before returning to the application: the event descriptor is readable exactly while there is work.
    fn set_wake(&mut self, out: &Outside);
}

pub(super) struct Handle<S: Guarded> {
    mark: ForkMark,
    pub outside: Outside,
    state: Mutex<S>,
    /// Held by the one caller of `next_event`.
    polling: Mutex<Vec<(u64, u32)>>,
}

impl<S: Guarded> Handle<S> {
    pub(super) fn new(outside: Outside, state: S) -> Result<Handle<S>> {
        let system = |error: std::io::Error| Error::system("setting up", &error).now("nothing was changed");
        let mark = ForkMark::new().map_err(system)?;
        Ok(Handle { mark, outside, state: Mutex::new(state), polling: Mutex::default() })
    }

    #[inline]
    pub(super) fn next_event(self: &Arc<Self>, timeout: Option<Duration>) -> Result<Option<Event>> {
        let mut state = self.lock()?;
        if !state.is_back()
            && let Some(event) = state.next_event(self)
        {
            state.set_wake(&self.outside);
            return Ok(Some(event));
        }
        drop(state);
        self.await_event(timeout)
    }

    fn await_event(self: &Arc<Self>, timeout: Option<Duration>) -> Result<Option<Event>> {
        let mut ready = match self.polling.try_lock() {
            Ok(ready) => ready,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let what = "another thread waits for events";
                return Err(Error::new(ErrorKind::WrongState, what, "one at a time; nothing was changed"));
            }
        };
        // The clock is read only before a wait: a queue of events is handed out without.
        let mut until = None;
        let mut looked = false;
        loop {
            let mut state = self.lock()?;
            state.before_waiting(&self.outside);
            let event = state.next_event(self);
            state.set_wake(&self.outside);
            if event.is_some() {
                return Ok(event);
            }
            let left = match (timeout, until) {
                (None, _) => None,
                (Some(timeout), None) => {
                    until = Some(Instant::now() + timeout.min(LONGEST));
                    Some(timeout)
                }
                (Some(_), Some(until)) => Some(until.saturating_duration_since(Instant::now())),
            };
            if looked && left == Some(Duration::ZERO) {
                return Ok(None);
            }
            drop(state);
            looked = true;
            self.wait(left, &mut ready)?;
        }
    }

    /// Waits for something to happen, and lets it.
    pub(super) fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<(u64, u32)>) -> Result<()> {
        self.outside.epoll.wait(ready, timeout).map_err(|error| Error::system("epoll_wait", &error))?;
        let mut state = self.lock()?;
        for (token, _) in ready.drain(..) {
            state.happened(token, &self.outside);
        }
        state.pump(&self.outside);
        Ok(())
    }

    /// The state, unless the handle is of no more use.
    pub(super) fn lock(&self) -> Result<MutexGuard<'_, S>> {
        if self.mark.forked() {
            return Err(self.bury());
        }
        // A panic while the lock was held is a fault of ours; what is half done is still decided by the shared words.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the handle was closed", S::CLOSED));
        }
        Ok(state)
    }

    /// We are in a process that was forked: close its copies of what is not its own.
    fn bury(&self) -> Error {
        // Another thread may have held the lock at the fork: then it stays locked here, and exec closes.
        if let Ok(mut state) = self.state.try_lock() {
            state.forget();
        }
        let what = "the handle belongs to the process that this one was forked from";
        Error::new(ErrorKind::Forked, what, S::FORKED)
    }

    pub(super) fn peek<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, and carries out what follows.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut S, &Outside) -> R) -> Result<R> {
        let mut state = self.lock()?;
        let changed = change(&mut state, &self.outside);
        state.pump(&self.outside);
        state.set_wake(&self.outside);
        Ok(changed)
    }

    pub(super) fn close(&self) {
        let Ok(mut state) = self.lock() else { return };
        state.leave(&self.outside);
        // Whoever waits in next_event finds the handle closed.
        let _ = self.outside.wake.signal();
    }
}

impl<S: Guarded> Drop for Handle<S> {
    fn drop(&mut self) {
        self.close();
    }
}
