//! The successor's small steps: the commit, and what is owed and turned down.

use super::super::actions::{Action, Context, Say, Side, Tell, Timers};
use super::super::rules::Rule;
use super::{Phase, Successor};
use crate::ownership::{self, Commit, DeedWord};

impl Successor {
    /// One small step: at most one swap. Whether anything moved.
    pub(crate) fn step(&mut self, deed: Option<&impl DeedWord>, context: &mut Context<'_>) -> bool {
        if self.phase == Phase::Draining && self.first == Some(0) {
            self.committing = true;
        }
        if let (true, Some(deed)) = (self.committing, deed) {
            self.step_commit(deed, context);
        } else if let Some(slot) = self.next_to_turn_down() {
            context.act(Action::TurnDown(slot));
        } else if self.owes_answer() && self.hand.is_empty() {
            self.answer(context);
        } else if !self.link
            && self.hand.is_empty()
            && self.phase >= Phase::Committed
            && self.phase != Phase::Over
        {
            if self.phase == Phase::Lost {
                context.tell(Tell::Done { left: 0 });
            }
            self.phase = Phase::Over;
        } else {
            return false;
        }
        true
    }

    fn next_to_turn_down(&mut self) -> Option<u32> {
        if self.phase == Phase::Leaving { self.hand.next_to_turn_down() } else { None }
    }

    /// Sends the wake-up that is owed.
    pub(crate) fn answer(&mut self, context: &mut Context<'_>) {
        if self.owes_answer() {
            self.owes_answer = false;
            context.act(Action::Send(Side::Up, Say::Answer));
        }
    }

    fn step_commit(&mut self, deed: &impl DeedWord, context: &mut Context<'_>) {
        let may_read_again = self.dead || (!self.link && !context.rules.hold(Rule::ToldEpoch));
        match ownership::commit(deed, self.predecessor, self.epoch, context.service.me, may_read_again) {
            Commit::Won(epoch) => {
                self.committing = false;
                self.phase = Phase::Committed;
                self.timers = Timers::default();
                self.owes_answer = true;
                context.own(epoch);
                context.tell(Tell::Committed);
            }
            // It may have died since: then nobody owns the service unless we do.
            Commit::Lost if !self.dead => {
                self.committing = false;
                self.looking = true;
                context.act(Action::LookUp);
            }
            Commit::Lost => self.lost(context),
            Commit::Again(epoch) => self.epoch = epoch,
        }
    }
}
