//! The successor's half of a ledger: the offers that came over one link and wait for an answer. Pure; a lead link and a
//! lane use the same.

use super::rules::{Rule, Rules};
use crate::ownership::{Ledger, Word};
use std::collections::VecDeque;

/// What came of refusing an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is the predecessor's again.
    Refused,
    /// There is nobody to give it back to: it is ours, to end.
    Ours,
    /// It had gone back already.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Hand {
    /// Slots received and neither adopted nor refused nor found returned, in the order of arrival.
    slots: VecDeque<u32>,
    /// How many of them, while leaving, the handle was told to turn down.
    turned_down: usize,
}

impl Hand {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn holds(&self, slot: u32) -> bool {
        self.slots.contains(&slot)
    }

    pub(crate) fn take(&mut self, slot: u32) {
        self.slots.push_back(slot);
    }

    /// Leaves offers unanswered: only a walk without the rule does so.
    pub(crate) fn forget(&mut self) {
        self.slots.clear();
    }

    /// Swaps for the connection in `slot`: whether it is ours now. It may have gone back. `None`: it is not in hand.
    pub(crate) fn adopt(&mut self, slot: u32, ledger: &impl Ledger, rules: Rules) -> Option<bool> {
        self.put_down(slot)?;
        let ours = !rules.hold(Rule::AdoptBySwap) || ledger.swap(slot, Word::Offered, Word::Adopted).is_ok();
        Some(ours)
    }

    /// Gives the connection in `slot` back, unless its predecessor is `dead`. `None`: it is not in hand.
    pub(crate) fn refuse(
        &mut self,
        slot: u32,
        dead: bool,
        ledger: &impl Ledger,
        rules: Rules,
    ) -> Option<Refusal> {
        self.put_down(slot)?;
        let nobody_to_give_it_to = dead && rules.hold(Rule::RefuseOnlyTheLiving);
        let to = if nobody_to_give_it_to { Word::Adopted } else { Word::Refused };
        Some(match ledger.swap(slot, Word::Offered, to) {
            Ok(()) if nobody_to_give_it_to => Refusal::Ours,
            Ok(()) => Refusal::Refused,
            Err(_) => Refusal::Gone,
        })
    }

    /// While leaving: the next offer that the handle is to turn down; each is named once.
    pub(crate) fn next_to_turn_down(&mut self) -> Option<u32> {
        let slot = *self.slots.get(self.turned_down)?;
        self.turned_down += 1;
        Some(slot)
    }

    fn put_down(&mut self, slot: u32) -> Option<()> {
        let place = self.slots.iter().position(|held| *held == slot)?;
        self.slots.remove(place);
        self.turned_down -= usize::from(place < self.turned_down);
        Some(())
    }
}
