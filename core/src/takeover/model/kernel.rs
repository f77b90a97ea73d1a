//! The kernel of the explored world, made of plain values: shared words, and sockets with queues.

use super::world::SLOTS;
use crate::ownership::{Deed, DeedWord, Ledger, Word};
use std::cell::Cell;
use std::collections::VecDeque;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Message {
    Welcome {
        owner: u32,
        epoch: u32,
        attempt: u32,
    },
    Listeners,
    ListenersAck,
    Ready,
    Draining,
    /// The connection in this slot, as it was when it was offered for the n-th time.
    Offer(u8, u8),
    Last,
    Answer,
    Hung,
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct End {
    pub open: bool,
    pub shut: bool,
    /// The other side closed with messages unread.
    pub reset: bool,
    /// What came and was not read.
    pub queue: VecDeque<Message>,
    /// What is to be sent.
    pub outbox: VecDeque<Message>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Words(pub [Cell8; SLOTS], pub Cell8);

/// A word of shared memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cell8(Cell<u8>);

impl std::hash::Hash for Cell8 {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.get().hash(state);
    }
}

const WORDS: [Word; 5] = [Word::Free, Word::Offered, Word::Adopted, Word::Refused, Word::Returned];

impl Ledger for Words {
    fn slots(&self) -> u32 {
        SLOTS as u32
    }
    fn read(&self, slot: u32) -> Word {
        WORDS[self.0[slot as usize].0.get() as usize]
    }
    fn swap(&self, slot: u32, from: Word, to: Word) -> Result<(), Word> {
        let now = self.read(slot);
        if now != from {
            return Err(now);
        }
        self.0[slot as usize].0.set(to as u8);
        Ok(())
    }
    fn relieved(&self) -> bool {
        self.1.0.get() != 0
    }
    fn relieve(&self) {
        self.1.0.set(1);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeedCell(pub Cell<(u32, u32)>);

impl std::hash::Hash for DeedCell {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.get().hash(state);
    }
}

impl DeedWord for DeedCell {
    fn read(&self) -> Deed {
        let (owner, epoch) = self.0.get();
        Deed { owner, epoch }
    }
    fn swap(&self, from: Deed, to: Deed) -> Result<(), Deed> {
        if self.read() != from {
            return Err(self.read());
        }
        self.0.set((to.owner, to.epoch));
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub predecessor: usize,
    pub successor: usize,
    pub ledger: Words,
    /// Up: read by the predecessor. Down: read by the successor.
    pub up: End,
    pub down: End,
    /// Which connection each slot stands for, and how often each was offered.
    pub of_slot: [Option<u8>; SLOTS],
    pub offered: [u8; 2],
    /// How often each slot was offered, and which of these the successor has in hand.
    pub times: [u8; SLOTS],
    pub in_hand: [u8; SLOTS],
    /// Since the snapshot of this slot somebody used the connection: who uses it by this slot uses it wrongly.
    pub stale: [bool; SLOTS],
}
