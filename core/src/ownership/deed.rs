//! The deed: one word for the whole chain of generations; whoever it names owns the service.

use crate::fault::{self, Role};
use crate::sys::shared::SharedMemory;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::SeqCst;

/// The word of the deed: who owns the service, and how often that was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Deed {
    /// The owner's id, drawn once for each attempt; 0: the last owner left for good.
    pub owner: u32,
    /// Counts the swaps, so that a swap with a value told long ago fails.
    pub epoch: u32,
}

impl Deed {
    /// What the deed says once `owner` has won a swap from here.
    fn next(self, owner: u32) -> Deed {
        Deed { owner, epoch: self.epoch.wrapping_add(1) }
    }
}

/// The deed's memory, real or explored.
pub(crate) trait DeedWord {
    /// What the deed says now.
    fn read(&self) -> Deed;
    /// The deed becomes `to` if it is `from`; else what it is instead.
    fn swap(&self, from: Deed, to: Deed) -> Result<(), Deed>;
}

/// What came of a successor's attempt to commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    /// We own the service, at this epoch.
    Won(u32),
    /// Somebody decided otherwise, for good.
    Lost,
    /// The predecessor is dead and the deed still names it, at this epoch: try again with that.
    Again(u32),
}

/// Rule 1: the successor takes the deed from its predecessor, at the epoch it was told.
///
/// Only if the predecessor's pidfd says dead may it look again and use what it reads: end-of-file proves no death, and
/// the predecessor may have aborted by a swap of its own.
pub(crate) fn commit(deed: &impl DeedWord, predecessor: u32, epoch: u32, me: u32, dead: bool) -> Commit {
    let told = Deed { owner: predecessor, epoch };
    match deed.swap(told, told.next(me)) {
        Ok(()) => Commit::Won(told.next(me).epoch),
        Err(actual) if dead && actual.owner == predecessor => Commit::Again(actual.epoch),
        Err(_) => Commit::Lost,
    }
}

/// Rule 2: the predecessor calls the attempt off. The epoch it owns at from here, or what the deed says instead.
pub(crate) fn abort(deed: &impl DeedWord, me: u32, epoch: u32) -> Result<u32, Deed> {
    let mine = Deed { owner: me, epoch };
    deed.swap(mine, mine.next(me)).map(|()| mine.next(me).epoch)
}

/// What came of a predecessor's attempt to resume.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// We own the service again, at this epoch.
    Won(u32),
    /// The deed names somebody else: it is theirs, for good.
    Relieved,
    /// The deed moved between reading and swapping: try again.
    Again,
}

/// Rule 3: the successor's pidfd says dead; take the deed back if it still names the successor.
pub(crate) fn resume(deed: &impl DeedWord, successor: u32, me: u32) -> Resume {
    let now = deed.read();
    if now.owner != successor {
        return Resume::Relieved;
    }
    match deed.swap(now, now.next(me)) {
        Ok(()) => Resume::Won(now.next(me).epoch),
        Err(_) => Resume::Again,
    }
}

/// Rule 8: the owner leaves for good without a successor. Whether it did; else somebody took over.
pub(crate) fn leave(deed: &impl DeedWord, me: u32, epoch: u32) -> bool {
    let mine = Deed { owner: me, epoch };
    deed.swap(mine, mine.next(0)).is_ok()
}

/// The deed in a sealed memfd, mapped by every process of the chain.
///
/// Layout, version 1 (native byte order; both ends are one machine): bytes 0-7 the magic, 8-15 the word (owner in the low
/// half, epoch in the high half), 16-19 the counter that ids are drawn from.
#[derive(Debug)]
pub(crate) struct SharedDeed(SharedMemory);

const MAGIC: u64 = u64::from_le_bytes(*b"zdt-deed");
const WORD: usize = 8;
const IDS: usize = 16;
const LENGTH: usize = 4096;

impl SharedDeed {
    /// The deed of a new chain: we are its first owner, with id 1 at epoch 1.
    pub(crate) fn create() -> io::Result<SharedDeed> {
        let memory = SharedMemory::create("zdt-deed", LENGTH)?;
        memory.word64(0).store(MAGIC, SeqCst);
        memory.word32(IDS).store(2, SeqCst);
        memory.word64(WORD).store(pack(Deed { owner: 1, epoch: 1 }), SeqCst);
        Ok(SharedDeed(memory))
    }

    /// The deed that a predecessor sent.
    pub(crate) fn map(fd: OwnedFd) -> io::Result<SharedDeed> {
        let memory = SharedMemory::map(fd, LENGTH)?;
        if memory.word64(0).load(SeqCst) != MAGIC {
            return Err(io::Error::other("the memory that came as the deed is not one"));
        }
        Ok(SharedDeed(memory))
    }

    /// A new id, never drawn before in this chain.
    pub(crate) fn draw_id(&self) -> u32 {
        loop {
            let id = self.0.word32(IDS).fetch_add(1, SeqCst);
            // 0 means nobody; after four thousand million attempts the counter comes by it.
            if id != 0 {
                return id;
            }
        }
    }

    /// The memory, to send on.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.descriptor()
    }
}

impl DeedWord for SharedDeed {
    fn read(&self) -> Deed {
        unpack(self.0.word64(WORD).load(SeqCst))
    }

    fn swap(&self, from: Deed, to: Deed) -> Result<(), Deed> {
        let (role, what) = decision(from, to);
        fault::swap(role, what, || {
            let swapped = self.0.word64(WORD).compare_exchange(pack(from), pack(to), SeqCst, SeqCst);
            swapped.map(drop).map_err(unpack)
        })
    }
}

/// What a swap decides. Ids ascend, so whoever takes the deed from a smaller one commits.
fn decision(from: Deed, to: Deed) -> (Role, &'static str) {
    match to.owner {
        0 => (Role::Owner, "leave"),
        owner if owner == from.owner => (Role::Predecessor, "abort"),
        owner if owner > from.owner => (Role::Successor, "commit"),
        _ => (Role::Predecessor, "resume"),
    }
}

fn pack(deed: Deed) -> u64 {
    u64::from(deed.epoch) << 32 | u64::from(deed.owner)
}

fn unpack(word: u64) -> Deed {
    Deed { owner: word as u32, epoch: (word >> 32) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_owner_has_id_one_and_ids_are_never_drawn_twice() {
        let deed = SharedDeed::create().unwrap();
        assert_eq!(deed.read(), Deed { owner: 1, epoch: 1 });
        assert_eq!([deed.draw_id(), deed.draw_id(), deed.draw_id()], [2, 3, 4]);
    }

    #[test]
    fn two_mappings_are_one_deed() {
        let ours = SharedDeed::create().unwrap();
        let theirs = SharedDeed::map(ours.descriptor().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(commit(&theirs, 1, 1, 2, false), Commit::Won(2));
        assert_eq!(ours.read(), Deed { owner: 2, epoch: 2 });
        assert_eq!(abort(&ours, 1, 1), Err(Deed { owner: 2, epoch: 2 }));
    }

    #[test]
    fn memory_that_is_no_deed_is_refused() {
        let other = SharedMemory::create("other", LENGTH).unwrap();
        assert!(SharedDeed::map(other.descriptor().try_clone_to_owned().unwrap()).is_err());
    }

    #[test]
    fn a_commit_with_a_stale_epoch_loses_unless_the_predecessor_is_dead() {
        let deed = SharedDeed::create().unwrap();
        assert_eq!(abort(&deed, 1, 1), Ok(2));
        assert_eq!(commit(&deed, 1, 1, 2, false), Commit::Lost);
        assert_eq!(commit(&deed, 1, 1, 2, true), Commit::Again(2));
        assert_eq!(commit(&deed, 1, 2, 2, true), Commit::Won(3));
    }

    #[test]
    fn resume_takes_back_only_what_the_successor_owns() {
        let deed = SharedDeed::create().unwrap();
        assert_eq!(commit(&deed, 1, 1, 2, false), Commit::Won(2));
        assert_eq!(resume(&deed, 2, 1), Resume::Won(3));
        assert_eq!(resume(&deed, 2, 1), Resume::Relieved);
        assert!(leave(&deed, 1, 3));
        assert!(!leave(&deed, 1, 3));
        assert_eq!(deed.read().owner, 0);
    }
}
