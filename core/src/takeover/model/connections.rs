//! What becomes of a connection: who offers it, uses it, could still claim it.

use super::kernel::Message;
use super::world::{SLOTS, World};
use crate::ownership::{Ledger, Word};
use crate::takeover::hand::Refusal;

impl World {
    pub(super) fn offer(&mut self, k: usize, c: usize) {
        let number = self.processes[k].down.unwrap();
        let ledger = self.links[number].ledger.clone();
        let slot = self.processes[k]
            .engine
            .with(0, |_, down, context| down.as_mut().unwrap().offer(&ledger, context));
        self.links[number].ledger = ledger;
        let Ok(slot) = slot else { return };
        let link = &mut self.links[number];
        link.offered[c] += 1;
        link.of_slot[slot as usize] = Some(c as u8);
        link.times[slot as usize] += 1;
        link.stale[slot as usize] = false;
        if link.up.open {
            link.up.outbox.push_back(Message::Offer(slot as u8, link.times[slot as usize]));
        }
        self.processes[k].uses[c] = false;
        self.processes[k].frozen[c] = Some(slot as u8);
    }

    pub(super) fn adopt(&mut self, k: usize, slot: u8) {
        self.processes[k].offers.retain(|held| *held != slot);
        let number = self.processes[k].up.unwrap();
        let ledger = self.links[number].ledger.clone();
        let ours = self.processes[k]
            .engine
            .with(0, |up, _, context| up.as_mut().is_some_and(|up| up.adopt(slot.into(), &ledger, context)));
        self.links[number].ledger = ledger;
        if ours {
            let link = &mut self.links[number];
            link.stale[slot as usize] |= link.in_hand[slot as usize] != link.times[slot as usize];
            self.use_it(k, number, slot);
        }
    }

    pub(super) fn refuse(&mut self, k: usize, slot: u8) {
        self.processes[k].offers.retain(|held| *held != slot);
        let number = self.processes[k].up.unwrap();
        let dead = !self.alive(self.links[number].predecessor);
        let ledger = self.links[number].ledger.clone();
        let refusal = self.processes[k]
            .engine
            .with(0, |up, _, context| up.as_mut().map(|up| up.refuse(slot.into(), dead, &ledger, context)));
        self.links[number].ledger = ledger;
        if refusal == Some(Refusal::Ours) {
            // Nobody is there to give it back to, and the application cannot serve it: it ends.
            let c = self.links[number].of_slot[slot as usize].unwrap();
            self.excused[c as usize] = true;
        }
    }

    /// `k` uses the connection that `slot` of `link` stands for.
    pub(super) fn use_it(&mut self, k: usize, link: usize, slot: u8) {
        let Some(c) = self.links[link].of_slot[slot as usize].map(usize::from) else { return };
        if self.links[link].stale[slot as usize] {
            self.fault = Some("I2: a use after somebody else's use");
        }
        for link in &mut self.links {
            for slot in 0..SLOTS {
                if link.of_slot[slot] == Some(c as u8) {
                    link.stale[slot] = true;
                }
            }
        }
        self.processes[k].uses[c] = true;
    }

    /// Whether `k`, alive, uses connection `c`, has it frozen and can take it back, or can adopt it.
    pub(super) fn could_claim(&self, k: usize, c: usize) -> bool {
        let process = &self.processes[k];
        if !self.alive(k) {
            return false;
        }
        if process.uses[c] {
            return true;
        }
        if let (Some(slot), Some(down)) = (process.frozen[c], process.down)
            && matches!(
                self.links[down].ledger.read(slot.into()),
                Word::Offered | Word::Refused | Word::Returned
            )
        {
            return true;
        }
        let Some(link) = process.up.map(|up| &self.links[up]) else { return false };
        (0..SLOTS as u8).any(|slot| {
            let here = link.of_slot[slot as usize] == Some(c as u8)
                && link.ledger.read(slot.into()) == Word::Offered
                && !link.stale[slot as usize];
            let told = process.offers.contains(&slot)
                || process.engine.up.as_ref().is_some_and(|up| up.holds_offer(slot.into()));
            here && (told
                || (link.down.open
                    && link.down.queue.contains(&Message::Offer(slot, link.times[slot as usize]))))
        })
    }
}
