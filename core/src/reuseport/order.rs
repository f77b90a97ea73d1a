//! Whose socket is in which slot of a group, and what to steer to while one of ours is closed. Pure: no sockets here.
//!
//! Everything follows from two facts of the kernel: who joins goes to the end, and when a socket is closed the last one
//! moves into its slot. So one of ours may be closed while the group is steered to slots that are the successor's both
//! before and after.

use crate::sys::reuseport::Slots;

/// Whose the slots of a group are, from the first to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(Vec<Option<usize>>);

/// How the next of ours is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// The slot of which of ours.
    pub slot: usize,
    /// What to steer to before.
    pub slots: Slots,
    /// Afterwards no slot is there that is steered to, so that some of what arrives comes to ours until it is steered
    /// again: then all is to be waited for once more.
    pub exposed: bool,
}

impl Order {
    /// The slots, each with the index of the one of ours that is there; `None`: one of the successor's.
    pub fn new(slots: Vec<Option<usize>>) -> Order {
        Order(slots)
    }

    /// So many are the successor's, with those that have joined since.
    pub fn joined(&mut self, theirs: usize) {
        let ours = self.ours();
        self.0.resize(self.0.len().max(ours + theirs), None);
    }

    /// Which of ours is in this slot.
    pub fn at(&self, slot: usize) -> Option<usize> {
        self.0.get(slot).copied().flatten()
    }

    /// The one in this slot was closed.
    pub fn closed(&mut self, slot: usize) {
        self.0.swap_remove(slot);
    }

    /// The successor's slots, as many of them as are next to each other; none: there are none.
    pub fn theirs(&self) -> Option<Slots> {
        longest(self.0.iter().map(Option::is_none))
    }

    /// How the next of ours is closed so that, but for [`exposed`](Closing::exposed), nothing can come to us; none: nothing
    /// is left of ours, or of theirs.
    pub fn closing(&self) -> Option<Closing> {
        let theirs = self.theirs()?;
        let last = self.0.len() - 1;
        let slot = self.0.iter().rposition(Option::is_some)?;
        if self.ours() == 1 && slot < last {
            // Afterwards there is no such slot, so the kernel chooses by hash among all, which are theirs.
            return Some(Closing { slot, slots: slots(last, 1), exposed: false });
        }
        let mut after = self.clone();
        after.closed(slot);
        let both = self.0.iter().zip(&after.0).map(|(before, after)| before.is_none() && after.is_none());
        Some(match longest(both) {
            Some(slots) => Closing { slot, slots, exposed: false },
            // Theirs is one alone, in the last slot, and moves. To slot 1, where it stays until only slot 0 is ours.
            None => Closing { slot: 1, slots: theirs, exposed: true },
        })
    }

    fn ours(&self) -> usize {
        self.0.iter().flatten().count()
    }
}

/// The longest run of slots that are fit.
fn longest(fit: impl Iterator<Item = bool>) -> Option<Slots> {
    let (mut best, mut run) = (0..0, 0..0);
    for (slot, fit) in fit.enumerate() {
        run = if fit && run.end == slot { run.start..slot + 1 } else { slot + 1..slot + 1 };
        if run.len() > best.len() {
            best = run.clone();
        }
    }
    (!best.is_empty()).then(|| slots(best.start, best.len()))
}

fn slots(first: usize, count: usize) -> Slots {
    let number = |value| u32::try_from(value).unwrap_or(u32::MAX);
    Slots { first: number(first), count: number(count) }
}

#[cfg(test)]
#[path = "tests/order.rs"]
mod tests;
