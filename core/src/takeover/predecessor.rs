//! The predecessor's machine: from WELCOME until the successor owns the service and everything offered is settled, or
//! until the attempt is off and everything has returned.

use super::actions::{Action, Cause, Context, Say, Side, Standing, Tell, Timer, Timers};
use super::offering::{NoOffer, Offering};
use super::rules::Rule;
use crate::ownership::Ledger;

mod steps;

/// What a successor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FromSuccessor {
    ListenersAck,
    Ready,
    Answer,
    /// It leaves; end-of-file follows.
    Note,
}

/// How far the takeover is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Phase {
    /// Listeners are on their way; waits for LISTENERS_ACK.
    Handshake,
    /// Waits for READY.
    WarmUp,
    /// READY is here, but our own predecessor still gives us connections: those would be left behind.
    Receiving,
    /// The application was told to stop accepting; DRAINING goes out when it has.
    Stopping,
    /// DRAINING is out: the deed may change hands.
    Doubt,
    /// The successor owns the service.
    Handed,
    /// The attempt is off, or we resumed; what is open is being taken back.
    Over,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Predecessor {
    successor: u32,
    phase: Phase,
    pub(crate) timers: Timers,
    offering: Offering,
    link: bool,
    dead: bool,
    /// It drained before this successor came: there is nothing to resume.
    alone: bool,
    told_drain: bool,
    told_done: bool,
    /// The application has nothing more to offer.
    complete: bool,
    /// The drain deadline has come: nothing is offered any more.
    expired: bool,
    left: u64,
    /// Accepting for a successor that hangs.
    sharing: bool,
    on_probation: bool,
    aborting: Option<Cause>,
    resuming: bool,
    scanning: bool,
    taking_back: bool,
    leaving: bool,
}

impl Predecessor {
    /// Welcomes a newcomer under this id. `alone`: the application drains already, though nobody was there.
    pub(crate) fn new(successor: u32, alone: bool, context: &mut Context<'_>) -> Predecessor {
        context.act(Action::Send(Side::Down, Say::Welcome));
        context.act(Action::Send(Side::Down, Say::Listeners));
        let mut timers = Timers::default();
        timers.set(Timer::Handshake, context.now + context.durations.handshake);
        Predecessor {
            successor,
            phase: Phase::Handshake,
            timers,
            offering: Offering::default(),
            link: true,
            dead: false,
            alone,
            told_drain: alone,
            told_done: false,
            complete: false,
            expired: false,
            left: 0,
            sharing: false,
            on_probation: false,
            aborting: None,
            resuming: false,
            scanning: false,
            taking_back: false,
            leaving: false,
        }
    }

    pub(crate) fn told_drain(&self) -> bool {
        self.told_drain
    }

    /// The successor warms up.
    pub(crate) fn awaits_ready(&self) -> bool {
        self.phase == Phase::WarmUp
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.successor
    }

    /// How many connections are on offer and neither settled nor returned.
    pub(crate) fn open(&self) -> usize {
        self.offering.open()
    }

    /// Whether connections can be offered at this moment.
    pub(crate) fn takes_offers(&self) -> bool {
        (Phase::Stopping..=Phase::Handed).contains(&self.phase) && self.link && !self.expired && !self.leaving
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Nothing is left for this machine to do.
    pub(crate) fn over(&self) -> bool {
        self.phase == Phase::Over && self.offering.is_empty() && self.aborting.is_none()
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn next_swaps(&self) -> bool {
        self.aborting.is_some() || self.resuming || (self.taking_back && !self.offering.is_empty())
    }

    /// The successor said something.
    pub(crate) fn said(&mut self, message: FromSuccessor, context: &mut Context<'_>) {
        self.scanning = true;
        match (message, self.phase) {
            (FromSuccessor::ListenersAck, Phase::Handshake) => {
                self.phase = Phase::WarmUp;
                self.timers.clear(Timer::Handshake);
                self.timers.set(Timer::Ready, context.now + context.durations.ready);
            }
            (FromSuccessor::Ready, Phase::WarmUp) => {
                self.phase = Phase::Receiving;
                self.timers.clear(Timer::Ready);
                // Whoever gives us connections may hang, or drain for hours; the successor is not to be kept for long.
                let longest = context.durations.drain.min(context.durations.ready / 2);
                self.timers.set(Timer::Drain, context.now + longest);
            }
            (FromSuccessor::Answer, _) => self.found_awake(context),
            (FromSuccessor::Note, _) => {}
            _ => self.abort(Cause::Broke, context),
        }
    }

    /// Nothing more comes from our own predecessor: if READY waits for that, drain. Whether it did.
    pub(crate) fn received_all(&mut self, context: &mut Context<'_>) -> bool {
        let waits = self.phase == Phase::Receiving && self.aborting.is_none();
        if waits {
            self.phase = Phase::Stopping;
            self.timers.set(Timer::Drain, context.now + context.durations.drain);
            self.tell_drain(context);
        }
        waits
    }

    fn tell_drain(&mut self, context: &mut Context<'_>) {
        self.told_drain = true;
        self.complete = false;
        self.told_done = false;
        context.service.accepting = false;
        context.tell(Tell::Drain { successor: true });
    }

    /// The application has stopped accepting: say so. From here the deed may change hands.
    pub(crate) fn stopped(&mut self, context: &mut Context<'_>) {
        // While a worker of ours accepts we have not stopped; this is called again when the last one has.
        if self.phase != Phase::Stopping || self.aborting.is_some() || context.service.workers_accept {
            return;
        }
        self.phase = Phase::Doubt;
        context.service.standing = Standing::Doubt;
        // Later than the successor's own timer: it commits after `commit` although offers are unsettled.
        self.timers.set(Timer::Commit, context.now + context.durations.commit + context.durations.handshake);
        context.act(Action::Send(Side::Down, Say::Draining));
    }

    /// Writes OFFERED for one more frozen connection; its slot.
    pub(crate) fn offer(&mut self, ledger: &impl Ledger, context: &mut Context<'_>) -> Result<u32, NoOffer> {
        self.stopped(context);
        if !self.takes_offers() || self.aborting.is_some() || self.phase < Phase::Doubt {
            return Err(NoOffer::NotDraining);
        }
        let offered = self.offering.offer(ledger, context.rules);
        if offered == Err(NoOffer::Broken) {
            self.broke(context);
        }
        offered
    }

    /// The offer in `slot` cannot be sent: take it back, alone.
    pub(crate) fn withdraw(&mut self, slot: u32, ledger: &impl Ledger, context: &mut Context<'_>) {
        let told = self.offering.withdraw(slot, ledger, context.rules);
        told.into_iter().for_each(|tell| context.tell(tell));
    }

    /// The application has nothing more to offer.
    pub(crate) fn migrated_all(&mut self, context: &mut Context<'_>) {
        self.stopped(context);
        // Before the successor is ready it is not told: the application is asked again then.
        if !self.complete && self.phase >= Phase::Doubt {
            self.complete = true;
            if self.link && self.phase != Phase::Over {
                context.act(Action::Send(Side::Down, Say::Last));
            }
        }
    }

    /// The link is at its end: no more messages will come. No proof of death.
    pub(crate) fn end_of_file(&mut self, context: &mut Context<'_>) {
        self.scanning = true;
        self.link = false;
        context.act(Action::Close(Side::Down));
        if self.phase == Phase::Handed {
            // Whoever closes a link has woken up; of a death the pidfd tells.
            self.found_awake(context);
            self.taking_back = true;
            if !context.rules.hold(Rule::DeathByPidfd) {
                self.resuming = true;
            }
        } else {
            self.abort(Cause::Closed, context);
        }
    }

    /// The successor's pidfd says that it is dead.
    pub(crate) fn died(&mut self, context: &mut Context<'_>) {
        self.dead = true;
        if self.phase == Phase::Handed && self.told_done {
            // Done is the last word: the application is leaving, and the path is free for whoever comes.
            self.relieve(context);
        } else if context.service.standing == Standing::Relieved {
            // For good, whatever the deed says now: there is nothing left to serve with.
            self.taking_back = true;
        } else if self.phase == Phase::Handed {
            self.resuming = true;
        } else {
            self.abort(Cause::Died, context);
        }
    }

    /// The successor broke the protocol, or we cannot go on: call the attempt off.
    pub(crate) fn broke(&mut self, context: &mut Context<'_>) {
        if self.phase == Phase::Handed {
            // Too late to abort: no more is read or offered, what is open is taken back.
            self.end_of_file(context);
        } else {
            self.abort(Cause::Broke, context);
        }
    }

    pub(crate) fn fire(&mut self, timer: Timer, context: &mut Context<'_>) {
        self.scanning = true;
        self.timers.clear(timer);
        match timer {
            Timer::Handshake | Timer::Ready | Timer::Commit => self.abort(Cause::Late(timer), context),
            Timer::Drain if self.phase == Phase::Receiving => {
                self.received_all(context);
            }
            Timer::Drain if self.phase == Phase::Handed => {
                self.expired = true;
                self.complete = true;
                self.left = self.offering.open() as u64;
                self.taking_back = context.rules.hold(Rule::NoOfferLeftBehind);
                if !self.taking_back {
                    self.offering.forget();
                }
            }
            // Whoever is busy to the end stays here; the successor need not wait for its own deadline to commit.
            Timer::Drain if self.phase == Phase::Doubt && self.offering.open() == 0 => {
                self.migrated_all(context);
                self.expired = true;
            }
            Timer::Drain => {
                self.expired = true;
                self.abort(Cause::Late(timer), context);
            }
            Timer::Probation => {}
        }
    }

    /// The queue of a listener stays unserved: accept from it, owner or not.
    pub(crate) fn unserved(&mut self, context: &mut Context<'_>) {
        let in_between = matches!(context.service.standing, Standing::Doubt | Standing::Handed);
        let shares = context.rules.hold(Rule::ShareWhenHung) && !self.sharing;
        if shares && in_between && context.service.holds && !self.leaving {
            self.sharing = true;
            context.service.accepting = true;
            if self.link {
                context.act(Action::Send(Side::Down, Say::Hung));
            }
            context.tell(Tell::Accept(Cause::Unserved));
        }
    }

    fn found_awake(&mut self, context: &mut Context<'_>) {
        if self.sharing {
            self.sharing = false;
            self.tell_drain(context);
        }
    }

    fn abort(&mut self, cause: Cause, context: &mut Context<'_>) {
        if self.phase < Phase::Handed && self.aborting.is_none() && !self.leaving {
            self.aborting = Some(cause);
            if !context.rules.hold(Rule::SwapBeforeClose) && self.link {
                self.link = false;
                context.act(Action::Close(Side::Down));
            }
        }
    }

    /// The application leaves: every offer is taken back, then the link is closed.
    pub(crate) fn leave(&mut self, context: &mut Context<'_>) {
        self.leaving = true;
        self.aborting = None;
        self.resuming = false;
        self.phase = Phase::Over;
        self.taking_back = true;
        if !context.rules.hold(Rule::NoOfferLeftBehind) {
            self.offering.forget();
        }
        if self.offering.is_empty() && self.link {
            self.link = false;
            context.act(Action::Close(Side::Down));
        }
    }

    fn relieve(&mut self, context: &mut Context<'_>) {
        if context.service.standing == Standing::Relieved {
            return;
        }
        context.service.standing = Standing::Relieved;
        context.service.accepting = false;
        context.service.holds = false;
        self.sharing = false;
        self.timers.clear(Timer::Probation);
        context.act(Action::CloseService);
        context.tell(Tell::Relieved);
    }
}
