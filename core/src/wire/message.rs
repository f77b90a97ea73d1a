//! The messages of the link, version 1. docs/protocol.md says what each one means; the numbers are frozen.

use super::seat::{Order, Report};
use minicbor::{Decode, Encode};

mod offers;

pub use offers::{Carried, CompanionItem, OfferItem, Offers, WireAddress};

/// The envelope of every message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct Envelope {
    /// Counts the messages of one direction from 0.
    #[n(0)]
    pub sequence: u32,
    /// How many descriptors came along.
    #[n(1)]
    pub descriptors: u32,
    /// The message.
    #[n(2)]
    pub message: Message,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Message {
    /// Successor: who it is, what it speaks and reads. Descriptor: its pidfd.
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// Owner: welcome, this is the attempt. Descriptors: its pidfd, the ledger.
    #[n(1)]
    Welcome(#[n(0)] Welcome),
    /// Owner: no.
    #[n(2)]
    Refuse(#[n(0)] Refuse),
    /// Predecessor: listeners. Descriptors of the first: deed, takeover socket; then one for each listener.
    #[n(3)]
    Listeners(#[n(0)] Listeners),
    /// Successor: every listener was checked.
    #[n(4)]
    ListenersAck,
    /// Successor: warm-up is over.
    #[n(5)]
    Ready(#[n(0)] Ready),
    /// Predecessor: it accepts no more.
    #[n(6)]
    Draining(#[n(0)] Draining),
    /// Predecessor: a batch of frozen connections. Descriptors: those of each item, in order.
    #[n(7)]
    Offer(#[n(0)] Offers),
    /// Successor: look at deed and ledger.
    #[n(8)]
    Answer,
    /// Either: why one leaves.
    #[n(9)]
    Note(#[n(0)] Note),
    /// Successor: the predecessor's end of a new lane, which is the descriptor. Predecessor: a worker has none and asks
    /// for one; no descriptor. On a seat: an end of a new lane.
    #[n(10)]
    Lane(#[n(0)] Lane),
    /// On a seat, to the worker.
    #[n(11)]
    Order(#[n(0)] Order),
    /// On a seat, to the arbiter.
    #[n(12)]
    Report(#[n(0)] Report),
}

/// Who a newcomer is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// Protocol versions it speaks.
    #[n(0)]
    pub versions: Vec<u32>,
    /// Capability bits; none is defined in version 1.
    #[n(1)]
    pub capabilities: u64,
    /// Which states it reads; empty: it does not say.
    #[n(2)]
    pub reads: Vec<Readable>,
    /// Free descriptor slots: RLIMIT_NOFILE less what is open.
    #[n(3)]
    pub free_descriptors: u64,
    /// Its process id in its own pid namespace.
    #[n(4)]
    pub pid: u32,
    /// Its program.
    #[n(5)]
    pub program: String,
    /// Its runtime.
    #[n(6)]
    pub runtime: String,
    /// Lead (arbiter to arbiter) or lane (worker to worker).
    #[n(7)]
    pub role: Role,
    /// For a lane: the attempt it belongs to; else 0.
    #[n(8)]
    pub attempt: u32,
    /// For a lane: the number of the worker; else 0.
    #[n(9)]
    pub worker: u32,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Carries listeners, READY and commit; a single process offers on it too.
    #[default]
    #[n(0)]
    Lead,
    /// Carries offers from one worker to another.
    #[n(1)]
    Lane,
}

/// The state versions of one protocol that are read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct Readable {
    /// The protocol.
    #[n(0)]
    pub protocol: String,
    /// The state versions.
    #[n(1)]
    pub versions: Vec<u32>,
}

/// The owner's welcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Welcome {
    /// The version chosen: the highest common one.
    #[n(0)]
    pub version: u32,
    /// The owner's generation.
    #[n(1)]
    pub generation: u64,
    /// The owner's id in the deed.
    #[n(2)]
    pub owner: u32,
    /// The epoch at which it owns.
    #[n(3)]
    pub epoch: u32,
    /// The successor's id, drawn for this attempt.
    #[n(4)]
    pub attempt: u32,
    /// How many connections there are, as far as the application said.
    #[n(5)]
    pub connections: u64,
    /// How many listeners will come.
    #[n(6)]
    pub listeners: u32,
    /// The owner's process id in its own pid namespace.
    #[n(7)]
    pub pid: u32,
    /// The owner's program.
    #[n(8)]
    pub program: String,
    /// The owner's runtime.
    #[n(9)]
    pub runtime: String,
    /// How many workers the owner has, to which lanes can be opened; absent: none.
    #[n(10)]
    pub workers: Option<u32>,
}

/// Why the owner does not welcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Refuse {
    /// An [`ErrorKind`](crate::ErrorKind) number: 301 busy, 401 no common version, 501 wrong user.
    #[n(0)]
    pub number: u32,
    /// In words.
    #[n(1)]
    pub reason: String,
    /// Busy: with whom; else 0.
    #[n(2)]
    pub pid: u32,
}

/// Listeners, in one or several messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Listeners {
    /// The listeners of this message.
    #[n(0)]
    pub items: Vec<ListenerItem>,
    /// How many come in later messages; 0: complete.
    #[n(1)]
    pub remaining: u32,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct ListenerItem {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its spec in words, as [`ListenerSpec`](crate::ListenerSpec) prints it (`tcp://0.0.0.0:8080`).
    #[n(1)]
    pub address: String,
    /// The backlog it was opened with.
    #[n(2)]
    pub backlog: u32,
    /// Option bits: 1 v6only, 2 nodelay, 4 reuseport.
    #[n(3)]
    pub options: u32,
}

/// The successor is fit to serve.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Ready {
    /// The names of the predecessor's listeners that it does not take.
    #[n(0)]
    pub retired: Vec<String>,
}

/// The predecessor accepts no more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Draining {
    /// How many connections it means to offer, as far as the application said.
    #[n(0)]
    pub connections: u64,
    /// Milliseconds until its drain deadline.
    #[n(1)]
    pub deadline_ms: u64,
}

/// A lane: a link from a worker of the predecessor to a worker of the successor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Lane {
    /// The attempt it belongs to.
    #[n(0)]
    pub attempt: u32,
    /// Which seat of the predecessor's it is for, or who asks; absent: whichever has the fewest lanes.
    #[n(1)]
    pub seat: Option<u32>,
    /// The receiver is the predecessor's end, and offers; else it adopts.
    #[n(2)]
    pub offers: bool,
}

/// Why one leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Note {
    /// An [`ErrorKind`](crate::ErrorKind) number.
    #[n(0)]
    pub number: u32,
    /// In words.
    #[n(1)]
    pub reason: String,
}
