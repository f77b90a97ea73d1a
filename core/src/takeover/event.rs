//! What a takeover tells the application.

use super::Offer;
use super::config::Reads;
use crate::connection::Frozen;
use crate::error::Error;
use std::time::Duration;

/// What happened. [`Takeover::next_event`](crate::Takeover::next_event) hands them out in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// (successor) A connection is offered: build the objects for it, then [`Offer::adopt`]; or [`Offer::refuse`].
    Offer(Offer),
    /// Stop accepting. With a successor: freeze and migrate what there is, then `migrated_all`. Without one (a signal or
    /// `drain()` came): finish what is in flight.
    Drain {
        /// Who is ready to take the connections; `None` where nobody is.
        successor: Option<Peer>,
        /// How long from now until what is left is taken back and `Done` follows.
        deadline: Duration,
        /// Which connections the successor can read; empty: it did not say, offer everything.
        reads: Vec<Reads>,
    },
    /// (predecessor) The connection with this id was adopted over there: let go of it, that is out of the poller first,
    /// then close without shutdown.
    Settled(u64),
    /// (predecessor) Refused, or nobody is there to take it: the connection is ours as it was, thaw the same objects.
    Returned(Box<Frozen>, Returned),
    /// (predecessor) `migrate` takes more.
    Room,
    /// (successor) We are the owner now.
    Committed {
        /// Our generation: the predecessor's plus one.
        generation: u64,
    },
    /// (predecessor) The attempt is off, or the successor died: accept again.
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
        /// How many offers had to be taken back because the drain deadline came; they returned before this event. Without
        /// a successor, where the deadline came before `migrated_all`: how many connections there are, as
        /// [`set_connections`](crate::Takeover::set_connections) was told, at least 1.
        left: u64,
    },
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
