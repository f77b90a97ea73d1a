//! The takeover: the handle and its events, over two pure state machines.
//!
//! | room | what it holds |
//! | --- | --- |
//! | [`Takeover`] (here) | the face |
//! | `handle` | the lock, the wait for events, close and fork: the same for a [`Worker`] |
//! | `opening` | how a handle begins: as the first, or as a newcomer |
//! | `engine`, `predecessor`, `successor`, `actions`, `rules` | who may do what, when: pure |
//! | `offering`, `hand` | the two halves of a ledger: pure |
//! | `state`, `outside` | what a handle holds, and its turn; what is used without the lock |
//! | `carry_out`, `explain` | what the engine says is done, and said in words |
//! | `service`, `listeners` | readiness; what is served, inherited and retired |
//! | `upper`, `lower`, `lobby` | the links: to our predecessor, to our successor, of newcomers |
//! | `link`, `batch`, `flush` | messages and descriptors on a socket; when they go out |
//! | `seats`, `worker` | an arbiter's workers; a worker's part |
//! | `path`, `leftovers` | the takeover socket at its path |

mod actions;
mod answers;
mod batch;
mod carry_out;
mod config;
mod engine;
mod event;
mod explain;
mod flush;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hand;
mod handle;
mod leftovers;
mod link;
mod listeners;
mod lobby;
mod lower;
#[cfg(any(test, fuzzing))]
mod model;
mod offer;
mod offering;
mod opening;
mod outside;
pub(crate) mod path;
mod predecessor;
mod rules;
mod seats;
mod service;
mod state;
mod successor;
#[cfg(test)]
mod tests;
mod upper;
mod worker;

pub use config::{Config, OnMismatch, Reads};
pub use event::{Event, Peer, Returned};
use handle::{Guarded, Handle};
use offer::Holder;
pub use offer::Offer;
pub use worker::Worker;

use crate::connection::{Adopted, Frozen};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Role};
use crate::listener::ListenerSpec;
use crate::observe::Progress;
use state::State;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One process's part in the chain of generations: its takeover socket, its listeners, the link to its predecessor and
/// the link to its successor.
///
/// A clone is the same handle. Any thread may call anything; [`next_event`](Takeover::next_event) has one caller at a
/// time; no lock is held across a call that waits. There is no thread and no runtime inside: whoever calls `next_event`
/// (or polls [`event_fd`](Takeover::event_fd) and then calls it) does the work. After a fork the child's handle is dead.
#[derive(Clone)]
pub struct Takeover {
    inner: Arc<Inner>,
}

/// The lock, the wait, and the state behind them.
type Inner = Handle<State>;

/// Why [`Takeover::migrate`] did not take a connection. It is still the caller's, and still frozen.
#[derive(Debug)]
pub enum NotMigrated {
    /// Enough is on its way: wait for [`Event::Room`], then call again.
    Full(Box<Frozen>),
    /// It cannot be offered: drain it here, or (if the attempt was called off) thaw it.
    Failed(Box<Frozen>, Error),
}

impl NotMigrated {
    fn no(connection: Frozen, kind: ErrorKind, what: impl Into<String>) -> NotMigrated {
        let error = Error::new(kind, what, "the connection is still yours: drain it here");
        NotMigrated::Failed(Box::new(connection), error)
    }
}

impl Takeover {
    /// Finds the process that waits at `path` and begins to take over from it, or becomes the first there.
    ///
    /// Blocks until the predecessor's listeners are in hand, at most `config.handshake`. The directory of `path` must be
    /// ours or root's and closed to other writers (or have the sticky bit); a stale socket at `path` is replaced.
    ///
    /// # Errors
    /// `PathTooLong`, `DirectoryMissing`, `UnsafeDirectory`, `ForeignFile`, `WrongUser`, `WrongProcess`: the path or who
    /// waits there is not to be trusted. `Busy`: another successor is at it. `NoAnswer`: the predecessor did not answer in
    /// time. `NoCommonVersion`, `Malformed`, `OutOfOrder`, `DescriptorCount`: it speaks otherwise. `DescriptorLimit`:
    /// too few descriptors for what is coming. `ListenerMismatch`: what came is not what it was said to be.
    /// `SignalNotBlocked`, `Unsupported`, `System`. After an error nothing has changed: who served goes on serving.
    pub fn open(path: impl AsRef<Path>, config: Config) -> Result<Takeover> {
        opening::open(path.as_ref(), config)
    }

    /// Our generation: 1 for the first process at the path, one more with each committed takeover.
    pub fn generation(&self) -> u64 {
        self.inner.peek(|state| state.generation)
    }

    /// The process that we take over from, or took over from while its link lasts.
    pub fn predecessor(&self) -> Option<Peer> {
        self.inner.peek(|state| state.up.as_ref().map(|up| up.peer.clone()))
    }

    /// The listener `name`: the predecessor's where it has one, else bound as `spec` says. No listener is to be accepted
    /// from before [`ready`](Takeover::ready).
    ///
    /// One that the predecessor has at the very address under another name is inherited under the new one. Nodelay,
    /// and backlog and mode if `spec` sets them, become as `spec` says when we become the owner; reuseport stays as it was
    /// bound. For one that is not what `spec` asks for see
    /// [`Config::on_mismatch`](Config::on_mismatch).
    ///
    /// The descriptor belongs to the caller; libzdt keeps one of its own for the same socket and passes it on. Non-blocking
    /// and close-on-exec.
    ///
    /// # Errors
    /// `NameUsed`: asked for before. `ListenerMismatch`: the predecessor's is not what `spec` asks for; it stays
    /// unclaimed. `TooLarge`: as for [`retire`](Takeover::retire). `AddressInUse`, `InvalidArgument`, `System`: it could not be bound. The service is as it was.
    pub fn listener(&self, name: &str, spec: &ListenerSpec) -> Result<OwnedFd> {
        let on_mismatch = self.inner.outside.config.on_mismatch;
        self.inner.change(|state, _| state.listeners.claim(name, spec, on_mismatch))?
    }

    /// The names of inherited listeners that were neither asked for nor retired: `ready` fails until they are.
    pub fn unclaimed(&self) -> Vec<String> {
        self.inner.peek(|state| state.listeners.unclaimed())
    }

    /// Leaves the predecessor's listener `name` to the predecessor: it goes on accepting from it, serves whoever connects
    /// there, and closes it when it is done. Nothing changes before [`ready`](Takeover::ready); if the attempt is called
    /// off, or we die and the predecessor resumes, it still has the listener.
    ///
    /// # Errors
    /// `InvalidArgument`: no unclaimed listener has this name. `TooLarge`: 253 were retired.
    pub fn retire(&self, name: &str) -> Result<()> {
        self.inner.change(|state, _| state.listeners.retire(name))?
    }

    /// We are fit to serve: accept from the listeners from here on. The predecessor stops accepting and begins to migrate.
    ///
    /// # Errors
    /// `ListenerUnclaimed`: an inherited listener was neither asked for nor retired, and whoever connects to it would wait
    /// for ever.
    /// `WrongState`: called before. `AttemptLost`: the attempt is off.
    pub fn ready(&self) -> Result<()> {
        self.inner.change(|state, out| state.ready(out.now()))?
    }

    /// What happened next; waits for it for at most `timeout` (`None`: for ever; zero: not at all).
    ///
    /// Everything that libzdt does is done in here. Call it until it gives `None` whenever
    /// [`event_fd`](Takeover::event_fd) is readable. Coming back after [`Event::Drain`] says that the application has
    /// stopped accepting.
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

    /// Offers a frozen connection to the successor, from [`Event::Drain`] on. Never blocks.
    ///
    /// Frozen means: out of the poller, nothing in flight, every byte that was read or is to be written in the connection
    /// or on the socket. The descriptors are lent until [`Event::Settled`] or [`Event::Returned`] names the connection;
    /// its bytes are taken.
    ///
    /// # Errors
    /// [`NotMigrated::Full`]: wait for [`Event::Room`]. [`NotMigrated::Failed`] with `WrongState` (no successor, or the
    /// attempt is being called off), `TooLarge`, `NotReadable`, `DescriptorLimit` (the successor has no room),
    /// `InvalidArgument`, `System`: drain it here.
    pub fn migrate(&self, connection: Frozen) -> std::result::Result<(), NotMigrated> {
        let inner = &self.inner;
        let mut state = match inner.lock() {
            Ok(state) => state,
            Err(error) => return Err(NotMigrated::Failed(Box::new(connection), error)),
        };
        if state.drain_taken {
            state.application_is_back(inner.outside.now());
            state.pump(&inner.outside);
        }
        fault::point(Role::Predecessor, "before-call", "migrate");
        let offered = state.offer(connection, &inner.outside);
        state.send_sealed(&inner.outside);
        fault::point(Role::Predecessor, "after-call", "migrate");
        state.set_wake(&inner.outside);
        offered
    }

    /// Nothing more will be offered; [`Event::Done`] follows when the last connection is settled and probation is over.
    /// Draining without a successor: nothing is in flight any more, `Done` follows at once.
    ///
    /// # Errors
    /// `WrongState`: nobody asked to drain.
    pub fn migrated_all(&self) -> Result<()> {
        self.inner.change(|state, out| {
            state.application_is_back(out.now());
            if !state.engine.is_draining() && state.drained_before {
                // The attempt was called off meanwhile: Resume is on its way to the application.
                return Ok(());
            }
            if !state.engine.is_draining() {
                let what = "nothing is being drained";
                return Err(Error::new(ErrorKind::WrongState, what, "wait for Drain; nothing was changed"));
            }
            fault::point(Role::Predecessor, "before-call", "migrated_all");
            state.seats.arbiter_is_done();
            state.engine.migrated_all(out.now());
            Ok(())
        })?
    }

    /// A seat for a worker of ours, which [`Worker::join`] takes: in a child that was forked, or in a program that was
    /// started with the descriptor. One descriptor, one worker; close it here once the worker has its own.
    ///
    /// Seat the workers before [`ready`](Takeover::ready): from then on a predecessor's workers migrate to them, and
    /// never through this process. A worker that died is replaced by seating another. `worker` is a number of the
    /// application's choice, for the other side's messages. Never blocks; any thread.
    ///
    /// # Errors
    /// `WrongState`: we drain, and a new worker would have nothing to do. `InvalidArgument`: more than 250 listeners.
    /// `System`: out of descriptors. `Closed`, `Forked`. The other workers are as they were.
    pub fn seat(&self, worker: u32) -> Result<OwnedFd> {
        self.inner.change(|state, out| state.seat(worker, out))?
    }

    /// Asks this process to drain, as a signal would: [`Event::Drain`] without a successor follows, unless one is at it.
    /// A successor that comes meanwhile takes over as ever. Any thread; not from a signal handler.
    ///
    /// # Errors
    /// `Closed`, `Forked`.
    pub fn drain(&self) -> Result<()> {
        self.inner.change(|state, out| state.engine.drain(out.now()))
    }

    /// Says how many live connections there are: the successor makes room for so many descriptors before anything is
    /// frozen, and progress is shown against it. Cheap; call it whenever the number changes much.
    pub fn set_connections(&self, count: u64) {
        if let Ok(mut state) = self.inner.lock() {
            state.connections = count;
        }
    }

    /// What the takeover has done so far.
    pub fn progress(&self) -> Progress {
        self.inner.peek(|state| Progress { generation: state.generation, ..state.progress() })
    }

    /// Leaves: every offer is answered or taken back, an owner without a successor gives the service up and unlinks the
    /// path. Blocks for some milliseconds at most. Every later call gives `Closed`; so does dropping the last clone.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl fmt::Debug for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Takeover").field("path", &self.inner.outside.path).finish_non_exhaustive()
    }
}

impl Holder for Inner {
    fn adopt(&self, _: u64, slot: u32, connection: &Adopted) -> Result<bool> {
        let mut state = self.lock()?;
        let ours = state.adopt(slot, connection);
        state.answered(&self.outside);
        Ok(ours)
    }

    fn refuse(&self, _: u64, slot: u32, connection: &Adopted) {
        // A handle that is closed has answered every offer; a forked one has no say.
        if let Ok(mut state) = self.lock() {
            state.refuse(slot, connection);
            state.answered(&self.outside);
        }
    }

    fn say_why(&self, _: u64, why: &str) {
        if let Ok(mut state) = self.lock() {
            state.say_why(why);
        }
    }
}
