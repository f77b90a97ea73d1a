//! What a handle holds, and its turn: what has happened, what the engine says, what comes next.

use super::Inner;
use super::actions::{Millis, Step, earliest};
use super::answers::Answers;
use super::engine::Engine;
use super::event::Event;
use super::handle::Guarded;
use super::listeners::Listeners;
use super::lobby::Lobby;
use super::lower::Down;
use super::offer::Offer;
use super::outside::{DOWN, DOWN_DEATH, LOBBY, Outside, SERVICE, SIGNAL, TIMER, UP, UP_DEATH};
use super::seats::{SEAT, Seats};
use super::upper::{Up, unfit};
use crate::drain::DrainSignals;
use crate::error::Error;
use crate::listener::is_unserved;
use crate::observe::Progress;
use crate::ownership::SharedDeed;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Messages read before others have their turn: a peer that never stops talking must not keep us from the clock, nor from
/// the application. The poller is level-triggered, so what is left comes at once.
pub(super) const AT_ONCE: usize = 64;

/// What waits to be handed to the application. The two that come by the thousand are small.
#[derive(Debug)]
pub(super) enum Queued {
    /// The next of the parcels.
    Offer,
    Settled(u64),
    Event(Box<Event>),
}

#[derive(Debug)]
pub(super) struct State {
    pub engine: Engine,
    pub deed: Option<SharedDeed>,
    pub takeover_socket: Option<OwnedFd>,
    pub listeners: Listeners,
    pub up: Option<Up>,
    pub down: Option<Down>,
    pub lobby: Lobby,
    pub seats: Seats,
    pub events: VecDeque<Queued>,
    pub generation: u64,
    /// How many connections the application says there are.
    pub connections: u64,
    /// What came over the link up.
    pub received: Progress,
    /// What went over the link down, since somebody was there. Both links may be busy at once.
    pub given: Option<Progress>,
    /// What ended our own attempt, in words.
    pub fault: Option<Error>,
    pub closed: bool,
    /// When the engine last ran: what happens between two runs needs no finer clock.
    pub clock: Millis,
    /// The application took Drain; when it comes back it has stopped accepting.
    pub drain_taken: bool,
    /// It took one before.
    pub drained_before: bool,
    wake_is_set: bool,
    timer_is_at: Option<Millis>,
    pub retry_at: Option<Millis>,
    answers: Answers,
    hang_check_at: Option<Millis>,
}

impl State {
    pub(super) fn new(engine: Engine) -> State {
        State {
            engine,
            deed: None,
            takeover_socket: None,
            listeners: Listeners::default(),
            up: None,
            down: None,
            lobby: Lobby::default(),
            seats: Seats::default(),
            events: VecDeque::new(),
            generation: 1,
            connections: 0,
            received: Progress::default(),
            given: None,
            fault: None,
            closed: false,
            clock: 0,
            drain_taken: false,
            drained_before: false,
            wake_is_set: false,
            timer_is_at: None,
            retry_at: None,
            answers: Answers::default(),
            hang_check_at: None,
        }
    }

    /// Of the link that was made last.
    pub(super) fn progress(&self) -> Progress {
        self.given.unwrap_or(self.received)
    }

    /// The application is back: it has carried out what the events it took told it to do.
    pub(super) fn application_is_back(&mut self, now: Millis) {
        if std::mem::take(&mut self.drain_taken) {
            self.seats.arbiter_has_stopped();
            self.engine.with(now, |_, down, context| down.as_mut().map(|down| down.stopped(context)));
        }
    }

    pub(super) fn predecessor_died(&mut self, out: &Outside) {
        out.unwatch(self.up.as_ref().and_then(|up| up.pidfd.as_ref()).map(AsFd::as_fd));
        // Messages outlive their sender: what it had queued comes first, then end-of-file. Nothing more can be its own:
        // whoever else holds a copy of the link is shut out.
        if let Some(up) = &self.up {
            up.link.shut_reading();
        }
        self.read_up_to_the_end(out);
        self.engine.with(out.now(), |up, _, context| up.as_mut().map(|up| up.died(context)));
    }

    pub(super) fn read_up_to_the_end(&mut self, out: &Outside) {
        while self.up.as_ref().is_some_and(|up| up.link.can_be_read()) {
            self.read_up(out);
        }
    }

    /// Runs the engine until it is idle, carries out what it says, sends what is queued.
    pub(super) fn pump(&mut self, out: &Outside) {
        let now = out.now();
        self.clock = now;
        self.engine.tick(now);
        self.tend_lobby(now, out);
        self.check_for_hang(now, out);
        loop {
            let up_ledger = self.up.as_ref().and_then(|up| up.ledger.as_ref());
            let down_ledger = self.down.as_ref().map(|down| &down.ledger);
            match self.engine.step(self.deed.as_ref(), up_ledger, down_ledger, now) {
                Step::Act(action) => self.act(action, out, now),
                Step::Moved => self.reap(out),
                Step::Idle if self.flush(out, now) => {}
                Step::Idle => break,
            }
        }
        self.set_timer(now, out);
    }

    /// A machine that is over takes its link, ledger and pidfd with it.
    fn reap(&mut self, out: &Outside) {
        if self.engine.down.is_none()
            && let Some(down) = self.down.take()
        {
            out.unwatch(Some(down.pidfd.as_fd()));
            out.unwatch(down.link.socket());
        }
        if self.engine.up.is_none()
            && let Some(up) = self.up.take()
        {
            out.unwatch(up.link.socket());
            out.unwatch(up.pidfd.as_ref().map(AsFd::as_fd));
        }
    }

    /// Rule 11: whoever holds a listener accepts from it when its queue stays unserved.
    fn check_for_hang(&mut self, now: Millis, out: &Outside) {
        use super::actions::Standing::{Doubt, Handed};
        let hang = out.config.hang.as_millis() as Millis;
        if !matches!(self.engine.service.standing, Doubt | Handed) || self.listeners.held.is_empty() {
            self.hang_check_at = None;
            return;
        }
        if self.hang_check_at.is_some_and(|at| now < at) {
            return;
        }
        self.hang_check_at = Some(now + (hang / 8).max(10));
        let mut unserved = false;
        // What the successor left to us nobody else serves.
        for held in self.listeners.held.iter_mut().filter(|held| !held.retired) {
            held.unserved_since = is_unserved(held.fd.as_fd()).then(|| held.unserved_since.unwrap_or(now));
            unserved |= held.unserved_since.is_some_and(|since| now - since >= hang);
        }
        if unserved {
            self.engine.unserved(now);
        }
    }

    /// The timer fires when something is due; the wake-up stays set while something waits for the application.
    fn set_timer(&mut self, now: Millis, out: &Outside) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
        }
        if !self.engine.up.as_ref().is_some_and(|up| up.owes_answer()) {
            self.answers.told();
        }
        let due = [
            self.engine.next_deadline(),
            self.lobby.next_deadline(),
            self.retry_at,
            self.hang_check_at,
            self.answers.due(),
        ];
        let next = earliest(&due);
        if next != self.timer_is_at {
            self.timer_is_at = next;
            // A fired deadline that nothing clears (probation) must not fire for ever.
            let _ = out.timer.set(next.map(|at| out.start + Duration::from_millis(at)));
        }
    }

    /// Whether the next call of `next_event` finds work without waiting.
    fn has_work(&self) -> bool {
        !self.events.is_empty()
            || self.drain_taken
            || self.down.as_ref().is_some_and(|down| down.has_batch())
            || self
                .engine
                .up
                .as_ref()
                .is_some_and(|up| up.owes_answer() && (up.has_answered_all() || self.answers.are_many()))
    }

    /// The application has answered an offer.
    pub(super) fn answered(&mut self, out: &Outside) {
        if self.answers.add(|| out.now()) {
            self.set_timer(out.now(), out);
        }
        self.set_wake(out);
    }
}

impl Guarded for State {
    const CLOSED: &'static str = "open a new one";
    const FORKED: &'static str = "that process goes on as it was; open a handle of your own after exec";

    fn is_closed(&self) -> bool {
        self.closed
    }

    fn is_back(&self) -> bool {
        self.drain_taken
    }

    fn leave(&mut self, out: &Outside) {
        self.engine.leave();
        self.pump(out);
        self.closed = true;
        self.forget();
    }

    fn forget(&mut self) {
        self.up = None;
        self.down = None;
        self.takeover_socket = None;
        self.listeners.clear();
        self.lobby = Lobby::default();
        self.seats = Seats::default();
        self.events.clear();
        self.deed = None;
    }

    fn before_waiting(&mut self, out: &Outside) {
        if !self.drain_taken && !self.events.is_empty() {
            return;
        }
        let now = out.now();
        self.application_is_back(now);
        if self.events.is_empty() {
            // Whatever is gathered goes out.
            if let Some(down) = &mut self.down {
                down.seal_batch();
            }
            self.engine.with(now, |up, _, context| up.as_mut().map(|up| up.answer(context)));
        }
        self.pump(out);
    }

    fn happened(&mut self, token: u64, out: &Outside) {
        let now = out.now();
        match token {
            TIMER => {
                let _ = out.timer.clear();
                self.timer_is_at = None;
            }
            SERVICE => self.admit(out),
            UP => {
                for _ in 0..AT_ONCE {
                    if !self.read_up(out) {
                        break;
                    }
                    self.pump(out);
                }
            }
            UP_DEATH => self.predecessor_died(out),
            DOWN => {
                for _ in 0..AT_ONCE {
                    if !self.read_down(now) {
                        break;
                    }
                    self.pump(out);
                }
            }
            DOWN_DEATH => {
                out.unwatch(self.down.as_ref().map(|down| down.pidfd.as_fd()));
                if let Some(down) = &self.down {
                    down.link.shut_reading();
                }
                while self.read_down(now) {}
                self.engine.with(now, |_, down, context| down.as_mut().map(|down| down.died(context)));
            }
            SIGNAL => {
                if let Some(Ok(Some(_))) = out.signals.as_ref().map(DrainSignals::take) {
                    self.engine.drain(now);
                }
            }
            token if token >= SEAT => self.read_seat(token, out),
            token if token >= LOBBY => self.receive_newcomer(token, out),
            _ => {}
        }
    }

    fn pump(&mut self, out: &Outside) {
        State::pump(self, out);
    }

    #[inline]
    fn next_event(&mut self, inner: &Arc<Inner>) -> Option<Event> {
        loop {
            match self.events.pop_front()? {
                Queued::Settled(id) => {
                    let event = Event::Settled(id);
                    event.is_given();
                    return Some(event);
                }
                Queued::Event(event) => {
                    event.is_given();
                    self.drain_taken |= matches!(*event, Event::Drain { .. });
                    self.drained_before |= self.drain_taken;
                    return Some(*event);
                }
                Queued::Offer => {
                    let Some(parcel) = self.up.as_mut().and_then(|up| up.parcels.pop_front()) else {
                        continue;
                    };
                    let Some(why) = unfit(&parcel) else {
                        let event = Event::Offer(Offer::new(parcel, UP, inner.clone()));
                        event.is_given();
                        return Some(event);
                    };
                    self.refuse_parcel(&parcel);
                    self.say_why(why);
                }
            }
        }
    }

    fn set_wake(&mut self, out: &Outside) {
        let work = self.has_work();
        if work != self.wake_is_set {
            self.wake_is_set = work;
            let _ = if work { out.wake.signal() } else { out.wake.clear() };
        }
    }
}
