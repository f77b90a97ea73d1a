//! The successor's machine: from HELLO until the service is ours and the predecessor has nothing more to give, or until
//! the attempt is lost and what was offered is adopted all the same.

use super::actions::{Action, Cause, Context, Millis, Say, Side, Standing, Tell, Timer, Timers};
use super::hand::{Hand, Refusal};
use super::rules::Rule;
use crate::ownership::Ledger;
use crate::wire::limits::WINDOW_CONNECTIONS;

mod steps;

/// What a predecessor says. Messages with connections go through [`Successor::offered`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FromPredecessor {
    Welcome {
        owner: u32,
        epoch: u32,
        attempt: u32,
    },
    /// Some listeners, or the last of them.
    Listeners {
        complete: bool,
    },
    Draining,
    /// It asks for a sign of life.
    Hung,
    /// Why it leaves; end-of-file follows.
    Note,
}

/// How far the takeover is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Phase {
    /// HELLO is out.
    Hello,
    /// Listeners are coming.
    Welcomed,
    /// Complete listeners are in hand, to be checked: from here the deed can be claimed.
    Checking,
    /// Warming up.
    WarmUp,
    /// READY is out; accepting.
    Ready,
    /// The predecessor has said DRAINING.
    Draining,
    /// The service is ours.
    Committed,
    /// The attempt is lost.
    Lost,
    /// Giving up: reading to the end, refusing what comes.
    Leaving,
    /// The link is closed and nothing is in hand.
    Over,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Successor {
    predecessor: u32,
    /// The epoch at which it owned, as it told; after its death, as we read.
    epoch: u32,
    phase: Phase,
    pub(crate) timers: Timers,
    hand: Hand,
    link: bool,
    dead: bool,
    /// How many of the first offers are still to be settled; `None`: none has come.
    first: Option<u32>,
    /// The predecessor has said that nothing more will be offered.
    last: bool,
    committing: bool,
    /// A commit failed, and whether the predecessor lives is being looked at.
    looking: bool,
    owes_answer: bool,
    /// The application called `ready` before the listeners were checked.
    ready: bool,
}

impl Successor {
    /// HELLO is out; the answer is due at `deadline`.
    pub(crate) fn new(deadline: Millis) -> Successor {
        let mut timers = Timers::default();
        timers.set(Timer::Handshake, deadline);
        Successor {
            predecessor: 0,
            epoch: 0,
            phase: Phase::Hello,
            timers,
            hand: Hand::default(),
            link: true,
            dead: false,
            first: None,
            last: false,
            committing: false,
            looking: false,
            owes_answer: false,
            ready: false,
        }
    }

    pub(crate) fn has_link(&self) -> bool {
        self.link
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.phase == Phase::Leaving || self.phase == Phase::Over
    }

    pub(crate) fn over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Listeners were received and checked: warm-up can begin.
    pub(crate) fn is_warming_up(&self) -> bool {
        (Phase::WarmUp..=Phase::Committed).contains(&self.phase)
    }

    /// The listeners are complete and wait to be checked.
    pub(crate) fn is_checking(&self) -> bool {
        self.phase == Phase::Checking
    }

    /// The service is ours, and connections still come, or wait for the application's answer.
    pub(crate) fn is_receiving(&self) -> bool {
        self.phase == Phase::Committed && (self.link && !self.last || !self.hand.is_empty())
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn holds_offer(&self, slot: u32) -> bool {
        self.hand.holds(slot)
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn next_swaps(&self) -> bool {
        self.committing || (self.phase == Phase::Draining && self.first == Some(0))
    }

    /// A wake-up is owed to the predecessor; it goes out before we wait.
    pub(crate) fn owe_answer(&mut self) {
        self.owes_answer = true;
    }

    pub(crate) fn owes_answer(&self) -> bool {
        self.owes_answer && self.link
    }

    pub(crate) fn has_answered_all(&self) -> bool {
        self.hand.is_empty()
    }

    /// The predecessor said something. `false`: it broke the protocol, [`Successor::broke`] follows.
    pub(crate) fn said(&mut self, message: FromPredecessor, context: &mut Context<'_>) -> bool {
        match (message, self.phase) {
            (FromPredecessor::Welcome { owner, epoch, attempt }, Phase::Hello) => {
                (self.predecessor, self.epoch) = (owner, epoch);
                context.service.me = attempt;
                self.phase = Phase::Welcomed;
            }
            (FromPredecessor::Listeners { complete }, Phase::Welcomed) => {
                if complete {
                    self.phase = Phase::Checking;
                    self.timers.clear(Timer::Handshake);
                    context.service.holds = true;
                }
            }
            (FromPredecessor::Draining, Phase::Ready) => {
                self.phase = Phase::Draining;
                self.timers.set(Timer::Commit, context.now + context.durations.commit);
            }
            (FromPredecessor::Hung, _) => self.owes_answer = true,
            (FromPredecessor::Note, _) => {}
            // Who is lost or leaves reads on whatever comes.
            (_, Phase::Lost | Phase::Leaving | Phase::Over) => {}
            _ => return false,
        }
        true
    }

    /// A batch of connections came; `last`: nothing more will. `false`: it broke the protocol.
    pub(crate) fn offered(&mut self, slots: &[u32], last: bool, context: &mut Context<'_>) -> bool {
        let fits = self.hand.len() + slots.len() <= WINDOW_CONNECTIONS;
        if self.phase < Phase::Draining || !fits || slots.iter().any(|slot| self.hand.holds(*slot)) {
            return false;
        }
        if self.first.is_none() && !slots.is_empty() {
            self.first = Some(slots.len() as u32);
        }
        for slot in slots {
            self.hand.take(*slot);
            if self.phase != Phase::Leaving {
                context.tell(Tell::Offer(*slot));
            }
        }
        self.last |= last;
        if last && self.first.is_none() {
            self.first = Some(0);
        }
        true
    }

    /// A batch came without all its descriptors: every word is refused, before what came is closed.
    pub(crate) fn refuse_batch(
        &mut self,
        slots: &[u32],
        last: bool,
        ledger: &impl Ledger,
        context: &mut Context<'_>,
    ) {
        self.last |= last;
        for slot in slots.iter().filter(|slot| **slot < ledger.slots()) {
            self.hand.take(*slot);
            self.refuse(*slot, false, ledger, context);
        }
        self.first.get_or_insert(0);
    }

    /// Every listener was checked and is what it should be.
    pub(crate) fn checked(&mut self, context: &mut Context<'_>) {
        if self.phase == Phase::Checking {
            self.phase = Phase::WarmUp;
            context.act(Action::Send(Side::Up, Say::ListenersAck));
            if self.ready {
                self.ready(context);
            }
        }
    }

    /// The application is fit to serve.
    pub(crate) fn ready(&mut self, context: &mut Context<'_>) {
        self.ready = true;
        if self.phase == Phase::WarmUp {
            self.phase = Phase::Ready;
            context.act(Action::Send(Side::Up, Say::Ready));
        }
    }

    /// The application takes the connection in `slot`: whether it is ours now. It may have gone back.
    pub(crate) fn adopt(&mut self, slot: u32, ledger: &impl Ledger, context: &mut Context<'_>) -> bool {
        let ours = self.hand.adopt(slot, ledger, context.rules);
        self.answered(ours.is_some());
        ours.unwrap_or(false)
    }

    /// The application does not take the connection in `slot`.
    pub(crate) fn refuse(
        &mut self,
        slot: u32,
        dead: bool,
        ledger: &impl Ledger,
        context: &mut Context<'_>,
    ) -> Refusal {
        let refusal = self.hand.refuse(slot, dead || self.dead, ledger, context.rules);
        self.answered(refusal.is_some());
        refusal.unwrap_or(Refusal::Gone)
    }

    fn answered(&mut self, one: bool) {
        self.owes_answer |= one;
        if let (true, Some(first)) = (one, &mut self.first) {
            *first = first.saturating_sub(1);
        }
    }

    /// The link was read to its end: no more messages and no more connections will come.
    pub(crate) fn end_of_file(&mut self, context: &mut Context<'_>) {
        if !self.link {
            return;
        }
        self.link = false;
        context.act(Action::Close(Side::Up));
        match self.phase {
            Phase::Hello | Phase::Welcomed => {
                if context.rules.hold(Rule::CompleteListeners) || self.phase == Phase::Hello {
                    // Nothing is in hand: touch nothing, start over as a newcomer.
                    self.phase = Phase::Over;
                } else {
                    self.committing = true;
                }
            }
            Phase::Checking | Phase::WarmUp | Phase::Ready | Phase::Draining => self.committing = true,
            Phase::Committed | Phase::Lost | Phase::Leaving | Phase::Over => {}
        }
    }

    /// The predecessor's pidfd says that it is dead; its link was read to the end before.
    pub(crate) fn died(&mut self, context: &mut Context<'_>) {
        self.dead = true;
        self.end_of_file(context);
        self.committing |= std::mem::take(&mut self.looking);
    }

    /// It called the attempt off, and lives: the service is its.
    pub(crate) fn lives(&mut self, context: &mut Context<'_>) {
        if std::mem::take(&mut self.looking) {
            self.lost(context);
        }
    }

    /// The predecessor broke the protocol: give up, without harm to it.
    pub(crate) fn broke(&mut self, context: &mut Context<'_>) {
        match self.phase {
            // What comes whole is of use all the same; nothing more shall come.
            Phase::Committed | Phase::Lost => context.act(Action::ShutReading(Side::Up)),
            Phase::Leaving | Phase::Over => {}
            _ => {
                self.leave(context);
                lose(Cause::Broke, context);
            }
        }
    }

    pub(crate) fn fire(&mut self, timer: Timer, context: &mut Context<'_>) {
        self.timers.clear(timer);
        match timer {
            Timer::Handshake => self.leave(context),
            Timer::Commit => self.first = Some(0),
            _ => {}
        }
    }

    /// The application leaves: read to the end, answer every offer, then close.
    pub(crate) fn leave(&mut self, context: &mut Context<'_>) {
        if self.is_leaving() {
            return;
        }
        self.phase = Phase::Leaving;
        (self.committing, self.looking) = (false, false);
        self.timers = Timers::default();
        if self.link && context.rules.hold(Rule::ReadBeforeLeaving) {
            context.act(Action::ShutReading(Side::Up));
        } else if self.link {
            self.link = false;
            self.hand.forget();
            context.act(Action::Close(Side::Up));
        }
    }

    fn lost(&mut self, context: &mut Context<'_>) {
        self.committing = false;
        self.phase = Phase::Lost;
        self.timers = Timers::default();
        lose(Cause::Decided, context);
        if !context.rules.hold(Rule::LoserAdopts) {
            self.hand.forget();
            self.link = false;
            context.act(Action::Close(Side::Up));
        }
    }
}

/// The attempt is lost: listeners and takeover socket go at once, what was offered is adopted all the same.
fn lose(cause: Cause, context: &mut Context<'_>) {
    context.service.standing = Standing::Lost;
    context.service.accepting = false;
    if context.rules.hold(Rule::LoserLetsGo) {
        context.service.holds = false;
        context.act(Action::CloseService);
    }
    context.tell(Tell::Aborted(cause));
}
