//! The predecessor's small steps: the swaps, what follows them, and when it is done.

use super::super::actions::{Action, Cause, Context, Side, Standing, Tell, Timer, Timers};
use super::super::rules::Rule;
use super::{Phase, Predecessor};
use crate::ownership::{self, DeedWord, Ledger, Resume};

impl Predecessor {
    /// One small step: at most one swap. Whether anything moved.
    pub(crate) fn step(
        &mut self,
        deed: &impl DeedWord,
        ledger: &impl Ledger,
        context: &mut Context<'_>,
    ) -> bool {
        if let Some(cause) = self.aborting.take() {
            self.step_abort(cause, deed, context);
        } else if self.resuming {
            self.step_resume(deed, context);
        } else if self.scanning {
            self.scanning = false;
            self.scan(deed, ledger, context);
        } else if self.taking_back && !self.offering.is_empty() {
            self.step_take_back(ledger, context);
        } else if self.taking_back {
            self.taking_back = false;
        } else {
            return self.step_done(context);
        }
        true
    }

    fn step_abort(&mut self, cause: Cause, deed: &impl DeedWord, context: &mut Context<'_>) {
        if !context.rules.hold(Rule::AbortBySwap) && self.phase < Phase::Doubt {
            let epoch = context.service.epoch;
            return self.serve_again(epoch, cause, context);
        }
        match ownership::abort(deed, context.service.me, context.service.epoch) {
            Ok(epoch) => self.serve_again(epoch, cause, context),
            Err(_) => self.hand(context),
        }
    }

    fn step_resume(&mut self, deed: &impl DeedWord, context: &mut Context<'_>) {
        let successor =
            if context.rules.hold(Rule::ResumeFromSuccessor) { self.successor } else { deed.read().owner };
        match ownership::resume(deed, successor, context.service.me) {
            Resume::Won(epoch) => self.serve_again(epoch, Cause::Died, context),
            Resume::Relieved => {
                self.resuming = false;
                self.taking_back = true;
                self.relieve(context);
            }
            Resume::Again => {}
        }
    }

    /// We won: close the link, answer newcomers again, accept again, take back every offer; in this order.
    fn serve_again(&mut self, epoch: u32, cause: Cause, context: &mut Context<'_>) {
        self.phase = Phase::Over;
        self.resuming = false;
        self.timers = Timers::default();
        if self.link {
            self.link = false;
            context.act(Action::SayWhy(cause));
            context.act(Action::Close(Side::Down));
        }
        context.own(epoch);
        if self.told_drain && !self.alone {
            context.service.accepting = true;
            context.tell(Tell::Resume(cause));
        }
        self.taking_back = true;
    }

    /// The successor owns the service.
    fn hand(&mut self, context: &mut Context<'_>) {
        self.phase = Phase::Handed;
        context.service.standing = Standing::Handed;
        for timer in [Timer::Handshake, Timer::Ready, Timer::Commit] {
            self.timers.clear(timer);
        }
        if !self.told_drain {
            self.timers.set(Timer::Drain, context.now + context.durations.drain);
            self.tell_drain(context);
        }
        self.complete |= self.expired;
        self.taking_back = !self.link || self.expired;
        self.resuming = self.dead;
    }

    /// Reads the deed and every open word, as after each batch of messages.
    fn scan(&mut self, deed: &impl DeedWord, ledger: &impl Ledger, context: &mut Context<'_>) {
        let owner = deed.read().owner;
        if self.phase == Phase::Doubt && owner != context.service.me {
            self.hand(context);
        }
        if self.phase == Phase::Handed
            && (owner == 0 || ledger.relieved())
            && context.rules.hold(Rule::PassRelief)
        {
            self.relieve(context);
        }
        self.offering.scan(ledger, |tell| context.tell(tell));
    }

    fn step_take_back(&mut self, ledger: &impl Ledger, context: &mut Context<'_>) {
        let told = self.offering.take_back_last(ledger, context.rules);
        told.into_iter().for_each(|tell| context.tell(tell));
        if self.leaving && self.offering.is_empty() && self.link {
            self.link = false;
            context.act(Action::Close(Side::Down));
        }
    }

    /// Once everything is decided the successor is watched for a while longer, then we are done.
    fn step_done(&mut self, context: &mut Context<'_>) -> bool {
        let workers_are_at_it = context.service.workers_migrate && !self.expired;
        if !self.complete || !self.offering.is_empty() || self.told_done || workers_are_at_it {
            return false;
        }
        let done = match context.service.standing {
            Standing::Handed if !self.on_probation => {
                self.on_probation = true;
                self.timers.set(Timer::Probation, context.now + context.durations.probation);
                return true;
            }
            // A link that the successor closed says that it is leaving: whoever is done now could not resume.
            Standing::Handed => {
                let watched = self.timers.get(Timer::Probation).is_none_or(|at| at <= context.now);
                watched && !self.sharing && (self.link || self.expired)
            }
            Standing::Relieved => true,
            _ => false,
        };
        if done {
            self.told_done = true;
            context.tell(Tell::Done { left: self.left });
        }
        done
    }
}
