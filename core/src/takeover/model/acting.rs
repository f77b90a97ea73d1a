//! How a process moves: what it does, and what the engine has it do.

use super::kernel::Message;
use super::moves::Move;
use super::world::{Life, Setup, World};
use crate::takeover::actions::{Action, Context, Say, Step, Tell};
use crate::takeover::rules::{Rule, Rules};
use crate::takeover::successor::Successor;

impl World {
    /// Whether the engine has nothing to do is its own affair: others cannot change it.
    pub(super) fn look_whether_idle(&mut self, k: usize) {
        let process = &self.processes[k];
        let ledger = |link: Option<usize>| link.map(|link| self.links[link].ledger.clone());
        let (deed, up, down) = (self.deed.clone(), ledger(process.up), ledger(process.down));
        let step = process.engine.clone().step(Some(&deed), up.as_ref(), down.as_ref(), 0);
        self.processes[k].idle = step == Step::Idle;
    }

    pub(super) fn engine_step(&mut self, k: usize) -> Step {
        let (up, down) = (self.processes[k].up, self.processes[k].down);
        let up_ledger = up.map(|up| self.links[up].ledger.clone());
        let down_ledger = down.map(|down| self.links[down].ledger.clone());
        let step =
            self.processes[k].engine.step(Some(&self.deed), up_ledger.as_ref(), down_ledger.as_ref(), 0);
        if let (Some(up), Some(ledger)) = (up, up_ledger) {
            self.links[up].ledger = ledger;
        }
        if let (Some(down), Some(ledger)) = (down, down_ledger) {
            self.links[down].ledger = ledger;
        }
        step
    }

    /// Does `what`, and then whatever only `k` itself can see.
    pub(super) fn act(&mut self, k: usize, what: Move, setup: &Setup) {
        self.do_it(k, what, setup);
        self.look_whether_idle(k);
        // What nobody else can see need not be a step of its own: whatever comes between could come before or after.
        // A message goes out at once where there is room, but for OFFER, whose word was visible before, and LISTENERS, which
        // may stay out although WELCOME went.
        loop {
            if !self.processes[k].idle && self.processes[k].engine.next_is_private() {
                self.step_engine(k, setup);
            } else if self.can_send(k, setup, false) {
                self.send(k, setup);
            } else {
                break;
            }
            self.look_whether_idle(k);
        }
        if what == Move::Join {
            self.look_whether_idle(2);
        }
    }

    fn do_it(&mut self, k: usize, what: Move, setup: &Setup) {
        match what {
            Move::Engine => self.step_engine(k, setup),
            Move::ReadUp => self.read_up(k),
            Move::ReadDown => self.read_down(k),
            Move::UpDied => {
                self.processes[k].told_dead_up = true;
                self.with_up(k, |up, context| up.died(context));
            }
            Move::DownDied => {
                self.processes[k].told_dead_down = true;
                self.processes[k]
                    .engine
                    .with(0, |_, down, context| down.as_mut().map(|down| down.died(context)));
            }
            Move::Fire(side, timer) => self.processes[k].engine.fire(side, timer, 0),
            Move::Back => {
                self.processes[k].drain_taken = false;
                self.processes[k]
                    .engine
                    .with(0, |_, down, context| down.as_mut().map(|down| down.stopped(context)));
            }
            Move::Ready => {
                self.processes[k].listeners = true;
                self.processes[k].engine.ready(0);
            }
            Move::Offer(c) => self.offer(k, c as usize),
            Move::Withdraw(slot) => {
                let number = self.processes[k].down.unwrap();
                let ledger = self.links[number].ledger.clone();
                self.processes[k].engine.with(0, |_, down, context| {
                    down.as_mut().map(|down| down.withdraw(slot.into(), &ledger, context))
                });
                self.links[number].ledger = ledger;
            }
            Move::Send => self.send(k, setup),
            Move::Complete => {
                self.processes[k].complete = true;
                self.processes[k].engine.migrated_all(0);
            }
            Move::Adopt(slot) => self.adopt(k, slot),
            Move::Refuse(slot) => self.refuse(k, slot),
            Move::Unserved => self.processes[k].engine.unserved(0),
            Move::Answer => self.with_up(k, |up, context| up.answer(context)),
            Move::Leave => {
                let process = &mut self.processes[k];
                process.leaving = true;
                process.listeners = false;
                process.engine.leave();
            }
            Move::Break => self.with_up(k, |up, context| up.broke(context)),
            Move::Exit => self.end(k, Life::Exited),
            Move::Kill => {
                self.kills += 1;
                self.end(k, Life::Killed);
            }
            Move::Join => self.join(2, k),
        }
    }

    pub(super) fn with_up<R>(&mut self, k: usize, f: impl FnOnce(&mut Successor, &mut Context<'_>) -> R) {
        self.processes[k].engine.with(0, |up, _, context| up.as_mut().map(|up| f(up, context)));
    }

    /// One step of the engine.
    fn step_engine(&mut self, k: usize, setup: &Setup) {
        match self.engine_step(k) {
            Step::Act(action) => self.carry_out(k, action, setup.rules),
            Step::Moved | Step::Idle => {}
        }
    }

    fn carry_out(&mut self, k: usize, action: Action, rules: Rules) {
        let process = &mut self.processes[k];
        match action {
            Action::Send(side, say) => {
                let message = match say {
                    Say::Welcome => Message::Welcome {
                        owner: process.engine.service.me,
                        epoch: process.engine.service.epoch,
                        attempt: process.engine.down.as_ref().map_or(0, |down| down.attempt()),
                    },
                    Say::Listeners => Message::Listeners,
                    Say::ListenersAck => Message::ListenersAck,
                    Say::Ready => Message::Ready,
                    Say::Draining => {
                        process.serves &= !rules.hold(Rule::DoubtWelcomesNobody);
                        Message::Draining
                    }
                    Say::Last => Message::Last,
                    Say::Answer => Message::Answer,
                    Say::Hung => Message::Hung,
                };
                if let Some(end) = self.end_of(k, side).filter(|end| end.open) {
                    end.outbox.push_back(message);
                }
            }
            Action::SayWhy(_) => {} // whether it arrives changes nothing
            Action::Close(side) => self.close(k, side),
            Action::ShutReading(side) => {
                if let Some(end) = self.end_of(k, side) {
                    end.shut = true;
                }
            }
            Action::TurnDown(slot) => self.refuse(k, slot as u8),
            Action::LookUp => self.look_up(k),
            Action::CloseService | Action::Retire => process.serves = false,
            Action::Serve => process.serves = true,
            Action::Tell(tell) => self.tell(k, tell),
        }
    }

    /// Whether the predecessor lives; what it said before it died comes first.
    fn look_up(&mut self, k: usize) {
        let Some(number) = self.processes[k].up else { return };
        if self.alive(self.links[number].predecessor) {
            return self.with_up(k, |up, context| up.lives(context));
        }
        while !self.links[number].down.queue.is_empty() {
            self.read_up(k);
        }
        self.processes[k].told_dead_up = true;
        self.with_up(k, |up, context| up.died(context));
    }

    pub(super) fn tell(&mut self, k: usize, tell: Tell) {
        let process = &mut self.processes[k];
        match tell {
            Tell::Offer(slot) => process.offers.push(slot as u8),
            Tell::Drain { .. } => {
                process.drain_taken = true;
                process.complete = false;
                process.done = false;
            }
            Tell::Settled(slot) => {
                let slot = slot as u8;
                process
                    .frozen
                    .iter_mut()
                    .filter(|frozen| **frozen == Some(slot))
                    .for_each(|frozen| *frozen = None);
            }
            Tell::Refused(slot) | Tell::TakenBack(slot) => {
                let slot = slot as u8;
                process
                    .frozen
                    .iter_mut()
                    .filter(|frozen| **frozen == Some(slot))
                    .for_each(|frozen| *frozen = None);
                let number = process.down.unwrap();
                // What waits to be sent and is taken back does not go out.
                self.links[number]
                    .up
                    .outbox
                    .retain(|message| !matches!(message, Message::Offer(waiting, _) if *waiting == slot));
                self.use_it(k, number, slot);
            }
            Tell::Relieved | Tell::Aborted(_) => process.listeners = false,
            Tell::Done { .. } => process.done = true,
            Tell::Resume(_) if process.done => self.fault = Some("I6: a Resume after Done"),
            Tell::Committed | Tell::Resume(_) | Tell::Accept(_) => {}
        }
    }
}
