//! The pure part of one process: its standing towards the service, its link up (to its predecessor) and its link down (to
//! its successor). No I/O, no clock: messages, deaths and timers go in, actions come out, one small step at a time.
//!
//! A step does at most one swap, and the actions that follow a swap come out one by one after it, in the order in which
//! they must be carried out. The handle ([`crate::Takeover`]) runs steps until there are none; the model test lets other
//! processes act, stop and die between any two of them.

use super::actions::{
    Action, Context, Durations, Millis, Service, Side, Standing, Step, Tell, Timer, earliest,
};
use super::predecessor::Predecessor;
use super::rules::{Rule, Rules};
use super::successor::Successor;
use crate::ownership::{self, DeedWord, Ledger};
use std::collections::VecDeque;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Engine {
    pub(crate) service: Service,
    /// The machine of our link to our predecessor.
    pub(crate) up: Option<Successor>,
    /// The machine of our link to our successor.
    pub(crate) down: Option<Predecessor>,
    actions: VecDeque<Action>,
    durations: Durations,
    rules: Rules,
    leaving: bool,
    /// Draining although nobody is there to take over.
    alone: bool,
    /// And nothing is in flight any more.
    alone_complete: bool,
    alone_until: Option<Millis>,
    /// Told to drain while a successor was at it: if that fails, nobody is there to take over.
    to_drain: bool,
    done: bool,
}

macro_rules! context {
    ($self:ident, $now:expr) => {
        Context {
            service: &mut $self.service,
            actions: &mut $self.actions,
            durations: $self.durations,
            rules: $self.rules,
            now: $now,
        }
    };
}

impl Engine {
    /// The first of a chain: the owner from the start.
    pub(crate) fn first(durations: Durations, rules: Rules) -> Engine {
        Engine::new(1, 1, Standing::Owner, None, durations, rules)
    }

    /// A newcomer that has sent HELLO.
    pub(crate) fn newcomer(durations: Durations, rules: Rules, now: Millis) -> Engine {
        let up = Successor::new(durations.handshake + now);
        Engine::new(0, 0, Standing::Newcomer, Some(up), durations, rules)
    }

    fn new(
        me: u32,
        epoch: u32,
        standing: Standing,
        up: Option<Successor>,
        durations: Durations,
        rules: Rules,
    ) -> Engine {
        let holds = standing == Standing::Owner;
        let service = Service {
            me,
            epoch,
            standing,
            holds,
            ready: false,
            accepting: false,
            workers_accept: false,
            workers_migrate: false,
            workers_receive: false,
        };
        Engine {
            service,
            up,
            down: None,
            actions: VecDeque::new(),
            durations,
            rules,
            leaving: false,
            alone: false,
            alone_complete: false,
            alone_until: None,
            to_drain: false,
            done: false,
        }
    }

    /// The application is fit to serve: it accepts from here.
    pub(crate) fn ready(&mut self, now: Millis) {
        self.service.ready = true;
        self.service.accepting = true;
        let mut context = context!(self, now);
        if let Some(up) = &mut self.up {
            up.ready(&mut context);
        }
    }

    /// Whether a newcomer that says HELLO now is welcomed; else it is told to come again.
    pub(crate) fn welcomes(&self) -> bool {
        let owner = self.service.standing == Standing::Owner
            || (!self.rules.hold(Rule::DoubtWelcomesNobody) && self.service.standing == Standing::Doubt);
        let free = self.down.is_none()
            || (!self.rules.hold(Rule::DoubtWelcomesNobody) && self.service.standing == Standing::Doubt);
        owner && free && self.service.ready && !self.leaving && !self.done
    }

    /// A newcomer said HELLO and `welcomes` says yes: start an attempt under the id `attempt`.
    pub(crate) fn welcome(&mut self, attempt: u32, now: Millis) {
        let mut context = context!(self, now);
        self.down = Some(Predecessor::new(attempt, self.alone, &mut context));
    }

    /// Stop accepting although nobody is there to take over (a signal, or the application wants to end).
    pub(crate) fn drain(&mut self, now: Millis) {
        if self.alone || self.leaving {
            return;
        }
        if self.down.as_ref().is_some_and(Predecessor::told_drain) {
            self.to_drain = true;
            return;
        }
        self.alone = true;
        self.alone_until = Some(now + self.durations.drain);
        self.service.accepting = false;
        self.actions.push_back(Action::Tell(Tell::Drain { successor: false }));
    }

    /// Whether the application was told to drain.
    pub(crate) fn is_draining(&self) -> bool {
        self.alone || self.down.as_ref().is_some_and(Predecessor::told_drain)
    }

    /// The application has nothing more to offer, or (alone) nothing left in flight.
    pub(crate) fn migrated_all(&mut self, now: Millis) {
        self.alone_complete |= self.alone;
        let mut context = context!(self, now);
        if let Some(down) = &mut self.down {
            down.migrated_all(&mut context);
        } else if self.alone && !self.service.workers_migrate {
            self.finish(0);
        }
    }

    /// The queue of a listener is unserved for as long as `hang` allows.
    pub(crate) fn unserved(&mut self, now: Millis) {
        let mut context = context!(self, now);
        if let Some(down) = &mut self.down {
            down.unserved(&mut context);
        }
    }

    /// The application leaves. `step` until idle, reading what comes, then nothing is left to do.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
    }

    /// A timer of `side` fires.
    pub(crate) fn fire(&mut self, side: Side, timer: Timer, now: Millis) {
        let mut context = context!(self, now);
        match side {
            Side::Up => {
                if let Some(up) = &mut self.up {
                    up.fire(timer, &mut context);
                }
            }
            Side::Down => {
                if let Some(down) = &mut self.down {
                    down.fire(timer, &mut context);
                }
            }
        }
    }

    /// The timers that are set.
    pub(crate) fn timers(&self) -> impl Iterator<Item = (Side, Timer, Millis)> + '_ {
        let up = self.up.as_ref().map(|up| (Side::Up, &up.timers));
        let down = self.down.as_ref().map(|down| (Side::Down, &down.timers));
        up.into_iter().chain(down).flat_map(|(side, timers)| {
            Timer::ALL.into_iter().filter_map(move |timer| Some((side, timer, timers.get(timer)?)))
        })
    }

    /// Fires whatever is due. Draining alone has its deadline here, since it belongs to no link.
    pub(crate) fn tick(&mut self, now: Millis) {
        let due: Vec<_> = self.timers().filter(|(_, _, at)| *at <= now).collect();
        for (side, timer, _) in due {
            self.fire(side, timer, now);
        }
        if self.alone_until.is_some_and(|at| at <= now) && self.down.is_none() {
            self.finish(1);
        }
    }

    /// When `tick` has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let up = self.up.as_ref().and_then(|up| up.timers.earliest());
        let down = self.down.as_ref().and_then(|down| down.timers.earliest());
        // While a successor is at it, `tick` leaves this one alone: it must not fire again and again.
        earliest(&[up, down, self.alone_until.filter(|_| self.down.is_none())])
    }

    /// Whether ECONNRESET on a link means: read on, the queued messages come after it.
    pub(crate) fn reads_past_reset(&self) -> bool {
        self.rules.hold(Rule::ReadPastReset)
    }

    /// Whether nobody else can tell that the next step was done: it queues a message, tells the application something,
    /// reads words, or moves something inside.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn next_is_private(&self) -> bool {
        if let Some(action) = self.actions.front() {
            return matches!(action, Action::Send(..) | Action::SayWhy(_) | Action::Tell(_));
        }
        let relieving = self.service.standing == Standing::Relieved && self.up.is_some();
        let swaps = self.down.as_ref().is_some_and(Predecessor::next_swaps)
            || self.up.as_ref().is_some_and(Successor::next_swaps)
            || (self.leaving && self.service.standing == Standing::Owner);
        !swaps && !relieving
    }

    /// What the machines get to work with at this moment.
    pub(crate) fn with<R>(
        &mut self,
        now: Millis,
        f: impl FnOnce(&mut Option<Successor>, &mut Option<Predecessor>, &mut Context<'_>) -> R,
    ) -> R {
        let mut context = context!(self, now);
        f(&mut self.up, &mut self.down, &mut context)
    }

    /// One small step: hand out one action, or try one swap, or find that there is nothing to do.
    pub(crate) fn step<D: DeedWord, L: Ledger>(
        &mut self,
        deed: Option<&D>,
        up_ledger: Option<&L>,
        down_ledger: Option<&L>,
        now: Millis,
    ) -> Step {
        if let Some(action) = self.actions.pop_front() {
            return Step::Act(action);
        }
        let mut context = context!(self, now);
        if let (Some(down), Some(deed), Some(ledger)) = (&mut self.down, deed, down_ledger) {
            let receives =
                context.service.workers_receive || self.up.as_ref().is_some_and(Successor::is_receiving);
            if !receives && down.received_all(&mut context) {
                return Step::Moved;
            }
            if down.step(deed, ledger, &mut context) {
                return Step::Moved;
            }
            if down.over() {
                self.down = None;
                if std::mem::take(&mut self.to_drain) && self.service.standing == Standing::Owner {
                    self.drain(now);
                    return Step::Moved;
                }
                // Whoever drained before this successor came, and was done, waits for no other.
                let complete = self.alone_complete && !self.service.workers_migrate;
                if complete && self.service.standing == Standing::Owner {
                    self.finish(0);
                }
                return Step::Moved;
            }
        }
        if let Some(up) = &mut self.up {
            // Relief goes up the chain: our predecessor holds the service's copies as long as it may have to resume.
            if context.service.standing == Standing::Relieved
                && context.rules.hold(Rule::PassRelief)
                && let Some(ledger) = up_ledger.filter(|ledger| up.has_link() && !ledger.relieved())
            {
                ledger.relieve();
                up.owe_answer();
                return Step::Moved;
            }
            if up.step(deed, &mut context) {
                return Step::Moved;
            }
            if up.over() {
                self.up = None;
                return Step::Moved;
            }
        }
        if self.leaving { self.step_leaving(deed, now) } else { Step::Idle }
    }

    fn step_leaving<D: DeedWord>(&mut self, deed: Option<&D>, now: Millis) -> Step {
        let mut context = context!(self, now);
        match context.service.standing {
            Standing::Owner => {
                let (me, epoch) = (context.service.me, context.service.epoch);
                // With a predecessor's outcome open a swap elsewhere may have won: then it is theirs.
                if deed.is_none_or(|deed| ownership::leave(deed, me, epoch)) {
                    context.service.standing = Standing::Left;
                    context.act(Action::Retire);
                    context.service.holds = false;
                } else {
                    context.service.standing = Standing::Handed;
                }
            }
            _ if self.down.as_ref().is_some_and(|down| !down.is_leaving()) => {
                if let Some(down) = &mut self.down {
                    down.leave(&mut context);
                }
            }
            _ if self.up.as_ref().is_some_and(|up| !up.is_leaving()) => {
                if let Some(up) = &mut self.up {
                    up.leave(&mut context);
                }
            }
            _ if context.service.holds => {
                context.service.holds = false;
                context.act(Action::CloseService);
            }
            Standing::Left => return Step::Idle,
            _ => context.service.standing = Standing::Left,
        }
        Step::Moved
    }

    fn finish(&mut self, left: u64) {
        self.alone_until = None;
        if !self.done {
            self.done = true;
            self.actions.push_back(Action::Tell(Tell::Done { left }));
        }
    }
}
