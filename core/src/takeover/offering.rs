//! The predecessor's half of a ledger: what is on offer over one link, and what became of it. Pure; a lead link and a lane
//! use the same.

use super::actions::Tell;
use super::rules::{Rule, Rules};
use crate::ownership::{Ledger, Word};

/// Why a connection cannot be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoOffer {
    /// Nobody is there to offer to, or no longer.
    NotDraining,
    /// Every word of the ledger was used.
    SlotsUsedUp,
    /// A word that nobody used is not free: only the other side can have written there before us.
    Broken,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Offering {
    /// Slots that are OFFERED as far as we know, in the order of offering.
    open: Vec<u32>,
    next_slot: u32,
}

impl Offering {
    /// How many connections are on offer and neither settled nor returned.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Writes OFFERED for one more frozen connection; its slot.
    pub(crate) fn offer(&mut self, ledger: &impl Ledger, rules: Rules) -> Result<u32, NoOffer> {
        if !rules.hold(Rule::SlotOnce) && self.next_slot > 0 {
            let slot = self.next_slot - 1;
            if ledger.swap(slot, Word::Returned, Word::Offered).is_ok() {
                self.open.push(slot);
                return Ok(slot);
            }
        }
        let slot = self.next_slot;
        if slot >= ledger.slots() {
            return Err(NoOffer::SlotsUsedUp);
        }
        self.next_slot += 1;
        ledger.swap(slot, Word::Free, Word::Offered).map_err(|_| NoOffer::Broken)?;
        self.open.push(slot);
        Ok(slot)
    }

    /// Reads every open word: what was answered, in the order of offering.
    pub(crate) fn scan(&mut self, ledger: &impl Ledger, mut tell: impl FnMut(Tell)) {
        self.open.retain(|slot| match ledger.read(*slot) {
            Word::Adopted => {
                tell(Tell::Settled(*slot));
                false
            }
            Word::Refused => {
                tell(Tell::Refused(*slot));
                false
            }
            _ => true,
        });
    }

    /// The offer in `slot` cannot be sent: takes it back, alone.
    pub(crate) fn withdraw(&mut self, slot: u32, ledger: &impl Ledger, rules: Rules) -> Option<Tell> {
        let place = self.open.iter().position(|open| *open == slot)?;
        Some(self.take_back(place, ledger, rules))
    }

    /// Takes one offer back. From the end: it costs nothing, and the successor adopts from the front.
    pub(crate) fn take_back_last(&mut self, ledger: &impl Ledger, rules: Rules) -> Option<Tell> {
        Some(self.take_back(self.open.len().checked_sub(1)?, ledger, rules))
    }

    /// Leaves words OFFERED behind: only a walk without the rule does so.
    pub(crate) fn forget(&mut self) {
        self.open.clear();
    }

    fn take_back(&mut self, place: usize, ledger: &impl Ledger, rules: Rules) -> Tell {
        let slot = self.open.remove(place);
        match ledger.swap(slot, Word::Offered, Word::Returned) {
            Err(Word::Adopted) if !rules.hold(Rule::TakeBackBySwap) => Tell::TakenBack(slot),
            Err(Word::Adopted) => Tell::Settled(slot),
            Err(Word::Refused) => Tell::Refused(slot),
            _ => Tell::TakenBack(slot),
        }
    }
}
