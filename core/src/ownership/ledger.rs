//! The ledger: one per link, one word per offered connection, and one word that says the successor is relieved.

use crate::fault::{self, Role};
use crate::sys::shared::SharedMemory;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::SeqCst;

/// Who owns a connection on offer. A word moves once from `Free` to `Offered` and once from there: a slot is used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub(crate) enum Word {
    /// Never used.
    Free = 0,
    /// The predecessor has frozen it; whoever swaps this word decides.
    Offered = 1,
    /// The successor uses it.
    Adopted = 2,
    /// The successor does not want it: the predecessor may use it again.
    Refused = 3,
    /// The predecessor has taken it back.
    Returned = 4,
}

impl Word {
    fn from_memory(word: u32) -> Word {
        match word {
            0 => Word::Free,
            1 => Word::Offered,
            3 => Word::Refused,
            4 => Word::Returned,
            // A peer that writes nonsense claims the connection: then it is not ours to use.
            _ => Word::Adopted,
        }
    }
}

/// The ledger's memory, real or explored.
pub(crate) trait Ledger {
    /// How many connections can be offered on this link at all.
    fn slots(&self) -> u32;
    /// What the word of `slot` says now.
    fn read(&self, slot: u32) -> Word;
    /// The word of `slot` becomes `to` if it is `from`; else what it is instead.
    fn swap(&self, slot: u32, from: Word, to: Word) -> Result<(), Word>;
    /// Whether the successor has said that it will never own the service again.
    fn relieved(&self) -> bool;
    /// The successor says so.
    fn relieve(&self);
}

/// A ledger in a sealed memfd, mapped by the two ends of one link.
///
/// Layout, version 1 (native byte order): bytes 0-7 the magic, 8-11 the number of slots, 12-15 RELIEVED (0 or 1), from 64
/// on one 32-bit word a slot.
#[derive(Debug)]
pub(crate) struct SharedLedger {
    memory: SharedMemory,
    slots: u32,
}

const MAGIC: u64 = u64::from_le_bytes(*b"zdt-ledg");
const SLOTS: usize = 8;
const RELIEVED: usize = 12;
const WORDS: usize = 64;

impl SharedLedger {
    /// An empty ledger. Pages that no word is used of cost nothing.
    pub(crate) fn create(slots: u32) -> io::Result<SharedLedger> {
        let memory = SharedMemory::create("zdt-ledger", WORDS + slots as usize * 4)?;
        memory.word64(0).store(MAGIC, SeqCst);
        memory.word32(SLOTS).store(slots, SeqCst);
        Ok(SharedLedger { memory, slots })
    }

    /// The ledger that a predecessor sent.
    pub(crate) fn map(fd: OwnedFd) -> io::Result<SharedLedger> {
        let memory = SharedMemory::map(fd, WORDS)?;
        let slots = memory.word32(SLOTS).load(SeqCst);
        if memory.word64(0).load(SeqCst) != MAGIC || memory.length() < WORDS + slots as usize * 4 {
            return Err(io::Error::other("the memory that came as the ledger is not one"));
        }
        Ok(SharedLedger { memory, slots })
    }

    /// The memory, to send on.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.memory.descriptor()
    }

    fn offset(&self, slot: u32) -> usize {
        assert!(slot < self.slots, "slot {slot} of a ledger with {}", self.slots);
        WORDS + slot as usize * 4
    }
}

impl Ledger for SharedLedger {
    fn slots(&self) -> u32 {
        self.slots
    }

    fn read(&self, slot: u32) -> Word {
        Word::from_memory(self.memory.word32(self.offset(slot)).load(SeqCst))
    }

    fn swap(&self, slot: u32, from: Word, to: Word) -> Result<(), Word> {
        let word = self.memory.word32(self.offset(slot));
        let (role, what) = decision(to);
        fault::swap(role, what, || {
            let swapped = word.compare_exchange(from as u32, to as u32, SeqCst, SeqCst);
            swapped.map(drop).map_err(Word::from_memory)
        })
    }

    fn relieved(&self) -> bool {
        self.memory.word32(RELIEVED).load(SeqCst) != 0
    }

    fn relieve(&self) {
        self.memory.word32(RELIEVED).store(1, SeqCst);
    }
}

/// What a swap to this word decides, and who does.
fn decision(to: Word) -> (Role, &'static str) {
    match to {
        Word::Adopted => (Role::Successor, "adopt"),
        Word::Refused => (Role::Successor, "refuse"),
        Word::Returned => (Role::Predecessor, "take-back"),
        Word::Free | Word::Offered => (Role::Predecessor, "offer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_swaps_wins_and_both_ends_see_it() {
        let ours = SharedLedger::create(1000).unwrap();
        let theirs = SharedLedger::map(ours.descriptor().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!((theirs.slots(), theirs.read(999)), (1000, Word::Free));
        ours.swap(999, Word::Free, Word::Offered).unwrap();
        theirs.swap(999, Word::Offered, Word::Adopted).unwrap();
        assert_eq!(ours.swap(999, Word::Offered, Word::Returned), Err(Word::Adopted));
        theirs.relieve();
        assert!(ours.relieved());
    }

    #[test]
    fn a_ledger_that_lies_about_its_length_is_refused() {
        let ledger = SharedLedger::create(10).unwrap();
        ledger.memory.word32(SLOTS).store(1 << 20, SeqCst);
        assert!(SharedLedger::map(ledger.descriptor().try_clone_to_owned().unwrap()).is_err());
    }
}
