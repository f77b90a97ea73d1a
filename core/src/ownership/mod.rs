//! Who owns the service (the deed) and who owns each connection on offer (the ledger).
//!
//! Messages can be lost by a death, delayed by a stop, refused by a full queue. So messages only carry data, descriptors
//! and wake-ups; *who owns what is a word in memory that the processes share, moved by compare-and-swap*. This room holds
//! the words and the swaps; the state machines in [`crate::takeover`] say when each is tried and what must come before and
//! after. docs/protocol.md, "Order of actions", is the same in prose.

mod deed;
mod ledger;

#[cfg(any(test, fuzzing))]
pub(crate) use deed::Deed;
pub(crate) use deed::{Commit, DeedWord, Resume, SharedDeed, abort, commit, leave, resume};
pub(crate) use ledger::{Ledger, SharedLedger, Word};
