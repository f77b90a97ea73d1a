//! The pure part of one process: its standing towards the service, its link up (to its predecessor) and its link down (to
//! its successor). No I/O, no clock: messages, deaths and timers go in, actions come out, one small step at a time.
//!
//! A step does at most one swap, and the actions that follow a swap come out one by one after it, in the order in which
//! they must be carried out. The handle ([`crate::Takeover`]) runs steps until there are none; the model test lets other
//! processes act, stop and die between any two of them.

use super::predecessor::Predecessor;
use super::rules::{Rule, Rules};
use super::successor::Successor;
use crate::ownership::{self, DeedWord, Ledger};
use std::collections::VecDeque;

/// Milliseconds since the handle was opened.
pub(crate) type Millis = u64;

/// How a process stands towards the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// Its own attempt is under way.
    Newcomer,
    /// It owns the service.
    Owner,
    /// It said DRAINING: the successor may commit at any moment.
    Doubt,
    /// Its successor owns the service; it watches, and resumes if the successor dies.
    Handed,
    /// For good: it will not own the service again.
    Relieved,
    /// Its attempt is lost.
    Lost,
    /// It left.
    Left,
}

/// What both machines share: who we are in the deed, and how we stand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Service {
    /// Our id; for a newcomer the one that its predecessor drew.
    pub me: u32,
    /// The epoch at which we own, while we do.
    pub epoch: u32,
    /// How we stand.
    pub standing: Standing,
    /// Listeners and takeover socket are in hand.
    pub holds: bool,
    /// The application called `ready`.
    pub ready: bool,
    /// The application is to accept.
    pub accepting: bool,
}

/// Which link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// To our predecessor.
    Up,
    /// To our successor.
    Down,
}

/// A message to send; the handle fills in what the machines need not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Say {
    Welcome,
    Listeners,
    ListenersAck,
    Ready,
    Draining,
    /// Nothing more will be offered.
    Last,
    Answer,
    /// The queue of a listener is unserved: say something.
    Hung,
}

/// Why an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    /// The other side's pidfd says so.
    Died,
    /// The other side closed the link.
    Closed,
    /// The other side did not do its part before this timer fired.
    Late(Timer),
    /// The other side broke the protocol.
    Broke,
    /// The deed says that somebody else decided.
    Decided,
    /// Nobody serves the queue of a listener.
    Unserved,
}

/// What the application is told; slots stand for connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Tell {
    Offer(u32),
    Drain { successor: bool },
    Settled(u32),
    Refused(u32),
    TakenBack(u32),
    Committed,
    Resume(Cause),
    Accept(Cause),
    Relieved,
    Aborted(Cause),
    Done { left: u64 },
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Send(Side, Say),
    /// Close the link; what is queued to be sent on it is dropped.
    Close(Side),
    /// shutdown(SHUT_RD): nothing more can be sent to us, what is queued can still be read.
    ShutReading(Side),
    /// Nobody will take the connection in this slot here: refuse it, if its predecessor lives.
    TurnDown(u32),
    /// Close our copies of the listeners and the takeover socket.
    CloseService,
    /// Unlink the path, then close our copies of the listeners and the takeover socket.
    Retire,
    /// We are the owner: listen on the takeover socket and answer newcomers.
    Serve,
    Tell(Tell),
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something inside moved (a swap was tried, words were read).
    Moved,
    /// This is to be done.
    Act(Action),
    /// Nothing is left to do until something comes in.
    Idle,
}

/// What a machine waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Timer {
    /// The other side's answer in the handshake.
    Handshake,
    /// The successor's READY.
    Ready,
    /// Successor: commit even if the first offers are not settled. Predecessor: the successor's commit.
    Commit,
    /// The end of draining.
    Drain,
    /// The end of probation.
    Probation,
}

impl Timer {
    pub(crate) const ALL: [Timer; 5] =
        [Timer::Handshake, Timer::Ready, Timer::Commit, Timer::Drain, Timer::Probation];
}

/// The earliest of these deadlines. `flatten().min()` compiles to a look at what an absent one would hold: harmless, but
/// valgrind reports it.
pub(crate) fn earliest(due: &[Option<Millis>]) -> Option<Millis> {
    due.iter().map(|at| at.unwrap_or(Millis::MAX)).min().filter(|at| *at != Millis::MAX)
}

/// When each timer of a machine fires.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Timers([Option<Millis>; 5]);

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Millis) {
        self.0[timer as usize] = Some(at);
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(crate) fn get(&self, timer: Timer) -> Option<Millis> {
        self.0[timer as usize]
    }

    fn earliest(&self) -> Option<Millis> {
        earliest(&self.0)
    }
}

/// The durations that the machines need, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Durations {
    pub handshake: Millis,
    pub ready: Millis,
    pub commit: Millis,
    pub drain: Millis,
    pub probation: Millis,
}

/// What both machines may use besides their own state.
pub(crate) struct Context<'a> {
    pub service: &'a mut Service,
    pub actions: &'a mut VecDeque<Action>,
    pub durations: Durations,
    pub rules: Rules,
    pub now: Millis,
}

impl Context<'_> {
    pub(crate) fn tell(&mut self, tell: Tell) {
        self.actions.push_back(Action::Tell(tell));
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// We own the service, at this epoch: newcomers are answered here.
    pub(crate) fn own(&mut self, epoch: u32) {
        self.service.epoch = epoch;
        self.service.standing = Standing::Owner;
        self.act(Action::Serve);
    }
}

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
        let service = Service { me, epoch, standing, holds, ready: false, accepting: false };
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
        if self.alone || self.down.as_ref().is_some_and(Predecessor::told_drain) || self.leaving {
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
        } else if self.alone {
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
        earliest(&[up, down, self.alone_until])
    }

    /// Whether ECONNRESET on a link means: read on, the queued messages come after it.
    pub(crate) fn reads_past_reset(&self) -> bool {
        self.rules.hold(Rule::ReadPastReset)
    }

    /// Whether nobody else can tell that the next step was done: it queues a message, tells the application something,
    /// reads words, or moves something inside.
    #[cfg(test)]
    pub(crate) fn next_is_private(&self) -> bool {
        if let Some(action) = self.actions.front() {
            return matches!(action, Action::Send(..) | Action::Tell(_));
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
            if down.step(deed, ledger, &mut context) {
                return Step::Moved;
            }
            if down.over() {
                self.down = None;
                // Whoever drained before this successor came, and was done, waits for no other.
                if self.alone_complete && self.service.standing == Standing::Owner {
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
