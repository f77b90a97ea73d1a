//! What a takeover tells the application.

use super::Offer;
use super::config::Reads;
use crate::connection::Frozen;
use crate::error::Error;
use crate::fault::{self, Role};
use std::time::Duration;

/// What happened. [`Takeover::next_event`](crate::Takeover::next_event) hands them out in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// (successor) A connection is offered: build the objects for it, then [`Offer::adopt`]; or [`Offer::refuse`].
    Offer(Offer),
    /// Stop accepting, but from listeners in `retired`. With a successor: freeze and migrate what there is, then `migrated_all`. Without one (a signal or
    /// `drain()` came): finish what is in flight.
    Drain {
        /// Who is ready to take the connections; `None` where nobody is.
        successor: Option<Peer>,
        /// How long from now until what is still on offer is taken back. `Done` follows: with a successor after
        /// [`Config::probation`](crate::Config::probation), without one at once.
        deadline: Duration,
        /// Which connections the successor can read; empty: it did not say, offer everything.
        reads: Vec<Reads>,
        /// The listeners that the successor left to us ([`Takeover::retire`](crate::Takeover::retire)). Go on accepting
        /// from these; whoever connects there is served here. At `Done` or `Relieved` accept what is still in their
        /// queues, then close them.
        retired: Vec<String>,
    },
    /// (predecessor) The connection with this id was adopted over there: let go of it, that is out of the poller first,
    /// then close without shutdown.
    Settled(u64),
    /// (predecessor) Refused, or nobody is there to take it: the connection is ours as it was, thaw the same objects.
    Returned(Box<Frozen>, Returned),
    /// (predecessor) `migrate` takes more.
    Room,
    /// (worker) The arbiter said ready: accept from here on.
    Ready,
    /// (successor) We are the owner now.
    Committed {
        /// Our generation: the predecessor's plus one.
        generation: u64,
    },
    /// (predecessor) The attempt is off, or the successor died: accept again, from every listener. It may come before the
    /// connections that it gives back: whatever was on offer follows as `Returned`, or as `Settled` where the successor had
    /// adopted it.
    Resume {
        /// Why.
        cause: Error,
    },
    /// (predecessor) The successor owns the service but leaves the queue of a listener unserved: accept from it too. The
    /// deed stays where it is; connections accepted this way are served here to their end.
    Accept {
        /// Who hangs.
        cause: Error,
    },
    /// (predecessor) For good: nobody will resume here. Close the listeners, finish what is left.
    Relieved,
    /// (successor) The attempt is off: close the listeners, finish what was adopted, exit.
    Aborted {
        /// Why.
        cause: Error,
    },
    /// Libzdt has nothing left to do here: finish the connections that returned, if there are any, and exit.
    Done {
        /// How many offers were unanswered when the drain deadline came; `Returned` (or `Settled`, for one that was adopted
        /// at that moment) has named each before this event. 0: none was. What was never offered is not counted, and each
        /// worker's `Done` counts its own.
        ///
        /// Draining without a successor, where the deadline came before `migrated_all`: how many connections there are, as
        /// [`set_connections`](crate::Takeover::set_connections) was told, at least 1.
        left: u64,
    },
}

impl Event {
    /// The application is about to see it: a point at which tests let things go wrong.
    pub(super) fn is_given(&self) {
        let (role, name) = match self {
            Event::Offer(_) => (Role::Successor, "Offer"),
            Event::Drain { .. } => (Role::Predecessor, "Drain"),
            Event::Settled(_) => (Role::Predecessor, "Settled"),
            Event::Returned(_, Returned::Refused) => (Role::Predecessor, "Refused"),
            Event::Returned(_, Returned::TakenBack) => (Role::Predecessor, "TakenBack"),
            Event::Room => (Role::Predecessor, "Room"),
            Event::Ready => (Role::Owner, "Ready"),
            Event::Committed { .. } => (Role::Successor, "Committed"),
            Event::Resume { .. } => (Role::Predecessor, "Resume"),
            Event::Accept { .. } => (Role::Predecessor, "Accept"),
            Event::Relieved => (Role::Predecessor, "Relieved"),
            Event::Aborted { .. } => (Role::Successor, "Aborted"),
            Event::Done { .. } => (Role::Predecessor, "Done"),
        };
        fault::point(role, "given", name);
    }
}

/// Why a connection returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// The successor refused it.
    Refused,
    /// It was taken back: the successor is gone, hangs, or the deadline came.
    TakenBack,
}

/// The process at the other end of the link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    /// Its process id as our pid namespace shows it; 0 where it is not visible.
    pub pid: u32,
    /// Its `Config::program`.
    pub program: String,
    /// Its `Config::runtime`.
    pub runtime: String,
    /// Its generation (for a successor: the one it will have).
    pub generation: u64,
}
