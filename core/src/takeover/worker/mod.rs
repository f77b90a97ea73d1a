//! A worker of a pre-fork server: its seat at its arbiter, and its lanes, over which connections move from worker to worker.
//!
//! | room | what it holds |
//! | --- | --- |
//! | [`Worker`] (here) | the face: locks, waits, hands out events |
//! | `state` | how the worker stands: drains, resumes, is done; what goes out when |
//! | `seat` | what its arbiter tells it |
//! | `lane` | one lane: offers towards a successor's worker, or takes from a predecessor's |
//! | `offers` | what came over a lane, and the application's answers |
//!
//! Who owns a connection is a word in the lane's ledger, as on a lead link; a lane needs no deed.

mod lane;
mod offers;
mod seat;
mod state;
#[cfg(test)]
mod tests;

use super::NotMigrated;
use super::config::Config;
use super::event::Event;
use super::handle::{Guarded, Handle};
use super::offer::Holder;
use super::outside::Outside;
use crate::connection::{Adopted, Frozen};
use crate::error::Result;
use crate::observe::Progress;
use state::State;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A worker's part in the takeovers of its arbiter: it accepts from the arbiter's listeners, has connections of its own,
/// and migrates them straight to a worker of the successor.
///
/// The words are those of [`Takeover`](crate::Takeover), and so are the rules for threads: a clone is the same handle, any
/// thread may call anything, [`next_event`](Worker::next_event) has one caller at a time. After a fork the child's handle
/// is dead.
///
/// It ends with its arbiter, but not at once: where the arbiter dies or closes its handle, the worker gets
/// [`Event::Drain`] (or, if the arbiter had not taken over yet, [`Event::Aborted`]), migrates over the lanes that it has,
/// finishes the rest, and gets [`Event::Done`].
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

type Inner = Handle<State>;

impl Worker {
    /// Takes the seat that [`Takeover::seat`](crate::Takeover::seat) gave: in a child after fork, or in a program that
    /// was started with the descriptor, which is taken in any case.
    ///
    /// Of `config` counts what is said of connections (`reads`, `max_state`, `max_bytes`), `program` and `runtime`, and
    /// `drain`, should the arbiter die. Blocks until the arbiter's word is there, which it is at once; at most
    /// `config.handshake`. A child that was forked drops its copy of the arbiter's `Takeover` first.
    ///
    /// # Errors
    /// `NoAnswer`, `PeerGone`: the arbiter is gone. `Malformed`, `OutOfOrder`: the descriptor is no seat, or was taken
    /// before. `Unsupported`, `System`. The arbiter sees that the seat is empty, and goes on.
    pub fn join(seat: OwnedFd, config: Config) -> Result<Worker> {
        let outside = Outside::new(PathBuf::new(), config.within_reason())?;
        let state = State::join(&seat, &outside)?;
        let inner = Inner::new(outside, state)?;
        inner.change(|_, _| ())?;
        Ok(Worker { inner: Arc::new(inner) })
    }

    /// Our number, as the arbiter gave it.
    pub fn number(&self) -> u32 {
        self.inner.peek(|state| state.number)
    }

    /// The arbiter's generation.
    pub fn generation(&self) -> u64 {
        self.inner.peek(|state| state.progress.generation)
    }

    /// The arbiter's listener `name`, as it was when the seat was given; accept from it from [`Event::Ready`] on. The
    /// descriptor is the caller's from here on; non-blocking and close-on-exec.
    ///
    /// # Errors
    /// `InvalidArgument`: the arbiter had none of that name. `NameUsed`: it was taken before. `Closed`, `Forked`.
    pub fn listener(&self, name: &str) -> Result<OwnedFd> {
        self.inner.change(|state, _| state.listener(name))?
    }

    /// What happened next; waits for it for at most `timeout` (`None`: for ever; zero: not at all).
    ///
    /// Coming back after [`Event::Drain`] says that the application has stopped accepting: the predecessor as a whole has
    /// stopped when all its workers have.
    ///
    /// # Errors
    /// `WrongState`: another thread is in here. `Closed`, `Forked`, `System`.
    pub fn next_event(&self, timeout: Option<Duration>) -> Result<Option<Event>> {
        self.inner.next_event(timeout)
    }

    /// A descriptor for the application's own poller: readable (level-triggered) while `next_event` has something to do.
    /// It belongs to the handle; only wait for it, do not read it.
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.inner.outside.epoll.as_fd()
    }

    /// Offers a frozen connection to a worker of the successor, from an [`Event::Drain`] with a successor on. Never
    /// blocks. What [`Takeover::migrate`](crate::Takeover::migrate) says of frozen and lent holds.
    ///
    /// A connection that was taken back because a worker over there died may be offered again: another lane is opened.
    ///
    /// # Errors
    /// [`NotMigrated::Full`]: wait for [`Event::Room`]. [`NotMigrated::Failed`] with `WrongState` (no successor, or the
    /// deadline has come), `TooLarge`, `NotReadable`, `DescriptorLimit`, `InvalidArgument`, `System`: drain it here.
    pub fn migrate(&self, connection: Frozen) -> std::result::Result<(), NotMigrated> {
        let mut state = match self.inner.lock() {
            Ok(state) => state,
            Err(error) => return Err(NotMigrated::Failed(Box::new(connection), error)),
        };
        let offered = state.offer(connection, &self.inner.outside);
        state.pump(&self.inner.outside);
        state.set_wake(&self.inner.outside);
        offered
    }

    /// Nothing more will be offered, and nothing is in flight that the application wants to finish first. [`Event::Done`]
    /// follows when everything here is settled and the arbiter is done too: until then the service may resume. What
    /// returns later may be offered again all the same.
    ///
    /// # Errors
    /// `WrongState`: nobody asked to drain.
    pub fn migrated_all(&self) -> Result<()> {
        self.inner.change(|state, _| state.migrated_all())?
    }

    /// Says how many live connections there are: a successor's worker makes room for so many descriptors.
    pub fn set_connections(&self, count: u64) {
        if let Ok(mut state) = self.inner.lock() {
            state.connections = count;
        }
    }

    /// What was done so far, over all lanes.
    pub fn progress(&self) -> Progress {
        self.inner.peek(|state| state.progress)
    }

    /// Leaves: every offer is answered or taken back, lanes and seat are closed. Blocks for some milliseconds at most.
    /// Every later call gives `Closed`; so does dropping the last clone.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("number", &self.number()).finish_non_exhaustive()
    }
}

impl Holder for Inner {
    fn adopt(&self, link: u64, slot: u32, connection: &Adopted) -> Result<bool> {
        let mut state = self.lock()?;
        let ours = state.adopt(link, slot, connection);
        state.answered(&self.outside);
        Ok(ours)
    }

    fn refuse(&self, link: u64, slot: u32, connection: &Adopted) {
        // A handle that is closed has answered every offer; a forked one has no say.
        if let Ok(mut state) = self.lock() {
            state.refuse(link, slot, Some(connection));
            state.answered(&self.outside);
        }
    }

    fn say_why(&self, link: u64, why: &str) {
        if let Ok(mut state) = self.lock() {
            state.say_why(link, why);
        }
    }
}
