//! What an arbiter and its worker say to each other on a seat: orders one way, reports the other. Both are of the same
//! program; a link between predecessor and successor never carries these.

use super::message::{Listeners, Note, Readable};
use minicbor::{Decode, Encode};

/// What an arbiter tells its worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Order {
    /// The first message. Descriptors: the arbiter's pidfd, then one for each listener.
    #[n(0)]
    Seat(#[n(0)] Seat),
    /// The arbiter is ready: accept.
    #[n(1)]
    Ready,
    /// Stop accepting.
    #[n(2)]
    Drain(#[n(0)] Drain),
    /// The attempt is off, or the successor died: accept again.
    #[n(3)]
    Resume(#[n(0)] Note),
    /// The successor hangs: accept too.
    #[n(4)]
    Accept(#[n(0)] Note),
    /// We are the owner, of this generation.
    #[n(5)]
    Committed(#[n(0)] u64),
    /// Our own attempt is off.
    #[n(6)]
    Aborted(#[n(0)] Note),
    /// For good: we will not own the service again.
    #[n(7)]
    Relieved,
    /// Nothing is left to do.
    #[n(8)]
    Done,
}

/// Who a worker works for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Seat {
    /// Its number, as the arbiter's application gave it.
    #[n(0)]
    pub worker: u32,
    /// The arbiter's generation.
    #[n(1)]
    pub generation: u64,
    /// Whether the arbiter owns the service; else its own attempt is under way.
    #[n(2)]
    pub owner: bool,
    /// Whether the arbiter is ready.
    #[n(3)]
    pub ready: bool,
    /// The listeners.
    #[n(4)]
    pub listeners: Listeners,
}

/// How a worker is to drain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Drain {
    /// Counts the arbiter's drains: reports name it, so that a late one is not taken for an early one.
    #[n(0)]
    pub number: u32,
    /// Milliseconds until what is left is taken back.
    #[n(1)]
    pub deadline_ms: u64,
    /// The successor's attempt: lanes of another are of no use.
    #[n(4)]
    pub attempt: u32,
    /// Who is ready to take the connections, where somebody with workers is.
    #[n(2)]
    pub successor: Option<Successor>,
    /// What it reads.
    #[n(3)]
    pub reads: Vec<Readable>,
    /// The listeners that the successor does not take.
    #[n(5)]
    pub retired: Vec<String>,
}

/// The arbiter that takes over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Successor {
    /// Its process id as the arbiter sees it.
    #[n(0)]
    pub pid: u32,
    /// Its program.
    #[n(1)]
    pub program: String,
    /// Its runtime.
    #[n(2)]
    pub runtime: String,
    /// The generation it will have.
    #[n(3)]
    pub generation: u64,
}

/// What a worker tells its arbiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Report {
    /// The seat is taken. Descriptor: the worker's pidfd.
    #[n(0)]
    Joined,
    /// It accepts no more, since this drain.
    #[n(1)]
    Stopped(#[n(0)] u32),
    /// Everything was migrated, or is finished, in this drain.
    #[n(2)]
    Migrated(#[n(0)] u32),
    /// It has connections to migrate, and no lane.
    #[n(3)]
    WantsLane,
    /// A lane on which it adopted is over: everything that came is answered, and nothing more will come.
    #[n(4)]
    LaneOver,
}
