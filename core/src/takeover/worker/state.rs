//! How a worker stands: whether it drains, what it has to tell its arbiter and its application, and what goes out when.

use super::super::NotMigrated;
use super::super::actions::{Millis, earliest};
use super::super::answers::Answers;
use super::super::event::{Event, Peer};
use super::super::flush::LATER;
use super::super::handle::Guarded;
use super::super::link::Link;
use super::super::offer::Offer;
use super::super::outside::{Outside, TIMER};
use super::super::upper::unfit;
use super::Inner;
use super::lane::Lane;
use crate::connection::Frozen;
use crate::error::{Error, ErrorKind, Result};
use crate::observe::Progress;
use crate::wire::message::Message;
use crate::wire::seat::Report;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// Tokens below are those of every handle; [`super::super::outside`].
pub(super) const ARBITER: u64 = 8;
pub(super) const ARBITER_DEATH: u64 = 9;
/// From here on those of lanes: even ones for messages, odd ones for the death of the worker at the other end.
pub(super) const LANES: u64 = 16;

/// What waits to be handed to the application.
#[derive(Debug)]
pub(super) enum Queued {
    /// The next parcel of the lane with this token.
    Offer(u64),
    Settled(u64),
    Event(Box<Event>),
}

/// A drain, from the arbiter's order (or its death) until the service resumes.
#[derive(Debug)]
pub(super) struct Draining {
    /// The arbiter's number for it.
    pub number: u32,
    pub successor: Option<Peer>,
    pub until: Millis,
    /// Nothing more will be offered.
    pub complete: bool,
    /// The arbiter knows.
    pub reported: bool,
    /// The deadline has come.
    pub expired: bool,
}

#[derive(Debug)]
pub(super) struct State {
    pub number: u32,
    /// `None`: the arbiter is gone.
    pub seat: Option<Link>,
    pub arbiter: OwnedFd,
    /// The arbiter owns the service, or did.
    pub owner: bool,
    /// `None`: taken.
    pub listeners: Vec<(String, Option<OwnedFd>)>,
    pub lanes: Vec<Lane>,
    pub next_token: u64,
    pub draining: Option<Draining>,
    /// The application took Drain; when it comes back it has stopped accepting.
    pub drain_taken: bool,
    /// It was told to drain before.
    pub drained_before: bool,
    /// The application was told Full.
    pub wants_room: bool,
    /// A lane was asked for.
    pub asked: bool,
    pub told_done: bool,
    /// How many offers were taken back because the deadline came.
    pub left: u64,
    pub events: VecDeque<Queued>,
    pub connections: u64,
    pub progress: Progress,
    pub retry_at: Option<Millis>,
    pub answers: Answers,
    pub closed: bool,
    pub wake_is_set: bool,
    pub timer_is_at: Option<Millis>,
}

impl State {
    pub(super) fn tell(&mut self, event: Event) {
        self.events.push_back(Queued::Event(Box::new(event)));
    }

    pub(super) fn report(&mut self, report: Report) {
        if let Some(seat) = &mut self.seat {
            seat.queue(Message::Report(report), Vec::new());
        }
    }

    /// The listener `name` is the application's from here on.
    pub(super) fn listener(&mut self, name: &str) -> Result<OwnedFd> {
        let Some((_, fd)) = self.listeners.iter_mut().find(|(known, _)| known == name) else {
            let known: Vec<&str> = self.listeners.iter().map(|(name, _)| name.as_str()).collect();
            let what = format!(
                "the arbiter had no listener {name:?} when it gave the seat, but {}",
                known.join(", ")
            );
            return Err(Error::new(ErrorKind::InvalidArgument, what, "ask for one of these"));
        };
        fd.take().ok_or_else(|| {
            let what = format!("the listener {name:?} was asked for before");
            Error::new(ErrorKind::NameUsed, what, "use the descriptor that came then")
        })
    }

    /// The application is back: it has carried out what the events it took told it to do.
    pub(super) fn application_is_back(&mut self) {
        if let (true, Some(draining)) = (std::mem::take(&mut self.drain_taken), &self.draining) {
            let number = draining.number;
            self.report(Report::Stopped(number));
        }
    }

    /// Offers one more connection, on the lane that has the fewest on offer and room for it.
    pub(super) fn offer(
        &mut self,
        connection: Frozen,
        out: &Outside,
    ) -> std::result::Result<(), NotMigrated> {
        self.application_is_back();
        if !self.offers() {
            let what = "connections are offered from Drain on, to its deadline, while there is a successor";
            return Err(NotMigrated::no(connection, ErrorKind::WrongState, what));
        }
        let mut places: Vec<usize> = (0..self.lanes.len()).filter(|at| self.lanes[*at].offers()).collect();
        places.sort_by_key(|at| self.lanes[*at].open());
        let (mut connection, mut full, mut no) = (connection, false, None);
        for at in places {
            match self.lanes[at].offer(connection, &out.config) {
                Ok(()) => {
                    self.progress.offered += 1;
                    return Ok(());
                }
                Err(NotMigrated::Full(back)) => (connection, full) = (*back, true),
                Err(NotMigrated::Failed(back, error)) => (connection, no) = (*back, Some(error)),
            }
        }
        self.give_up_lanes(|lane| lane.broken, out);
        match no {
            Some(error) if !full => Err(NotMigrated::Failed(Box::new(connection), error)),
            None if !full && self.seat.is_none() && !self.lanes.iter().any(Lane::awaits_hello) => {
                let what = "the last lane is closed, and the arbiter that could open another is gone";
                Err(NotMigrated::no(connection, ErrorKind::WrongState, what))
            }
            _ => {
                self.wants_room = true;
                Err(NotMigrated::Full(Box::new(connection)))
            }
        }
    }

    /// Whether connections can be offered at this moment.
    fn offers(&self) -> bool {
        self.draining.as_ref().is_some_and(|draining| draining.successor.is_some() && !draining.expired)
    }

    pub(super) fn migrated_all(&mut self) -> Result<()> {
        self.application_is_back();
        match &mut self.draining {
            Some(draining) => draining.complete = true,
            // The attempt was called off meanwhile: Resume is on its way to the application.
            None if self.drained_before => {}
            None => {
                let what = "nothing is being drained";
                return Err(Error::new(ErrorKind::WrongState, what, "wait for Drain; nothing was changed"));
            }
        }
        Ok(())
    }

    /// Sends what is queued, lets go of lanes that are over, and looks at what is due.
    pub(super) fn pump(&mut self, out: &Outside) {
        let now = out.now();
        if self.draining.as_ref().is_some_and(|draining| !draining.expired && draining.until <= now) {
            self.expire(out);
        }
        self.flush(out, now);
        self.reap(out);
        self.ask_for_a_lane();
        self.flush(out, now);
        self.set_timer(now, out);
    }

    fn set_timer(&mut self, now: Millis, out: &Outside) {
        if !self.lanes.iter().any(Lane::owes_answer) {
            self.answers.told();
        }
        let deadline =
            self.draining.as_ref().filter(|draining| !draining.expired).map(|draining| draining.until);
        self.retry_at = self.retry_at.filter(|at| *at > now);
        let next = earliest(&[deadline, self.retry_at, self.answers.due()]);
        if next != self.timer_is_at {
            self.timer_is_at = next;
            let _ = out.timer.set(next.map(|at| out.start + Duration::from_millis(at)));
        }
    }

    /// The application has answered an offer.
    pub(super) fn answered(&mut self, out: &Outside) {
        if self.answers.add(|| out.now()) {
            self.set_timer(out.now(), out);
        }
        self.set_wake(out);
    }

    /// Whoever was told Full, and has no lane left, needs another.
    fn ask_for_a_lane(&mut self) {
        let has_lane = self.lanes.iter().any(|lane| lane.offers() || lane.awaits_hello());
        if !self.wants_room || has_lane || !self.offers() {
            return;
        }
        if self.seat.is_none() {
            // The next `migrate` says that there is none to come.
            self.tell_room();
        } else if !std::mem::replace(&mut self.asked, true) {
            self.report(Report::WantsLane);
        }
    }

    /// Nothing is on offer and the application has nothing to add: not while it waits for room, nor while it has not
    /// heard what returned, since it may offer that again.
    fn is_through(&self) -> bool {
        let complete = self.draining.as_ref().is_some_and(|draining| draining.complete);
        complete
            && !self.wants_room
            && self.events.is_empty()
            && self.lanes.iter().all(|lane| lane.open() == 0)
    }

    /// The application has carried out all that it was told. Where everything is settled the arbiter hears it, and where
    /// the arbiter is gone we are done.
    fn go_on(&mut self, out: &Outside) {
        if !self.is_through() {
            return;
        }
        // At the other end it is seen that nothing more comes.
        self.take_everything_back(out);
        let Some(draining) = &mut self.draining else { return };
        if !std::mem::replace(&mut draining.reported, true) {
            let number = draining.number;
            self.report(Report::Migrated(number));
        }
        if self.seat.is_none() {
            self.done();
        }
        self.flush(out, out.now());
    }

    /// `migrate` takes more, if somebody waits to hear it.
    pub(super) fn tell_room(&mut self) {
        if std::mem::take(&mut self.wants_room) {
            self.tell(Event::Room);
        }
    }

    /// The deadline has come: what is on offer is taken back, nothing is offered any more.
    pub(super) fn expire(&mut self, out: &Outside) {
        if let Some(draining) = &mut self.draining {
            let alone = draining.successor.is_none() && !draining.complete;
            (draining.expired, draining.complete) = (true, true);
            self.left += self.lanes.iter().map(|lane| lane.open() as u64).sum::<u64>();
            if alone {
                // It is the application that knows how many are left.
                self.left = self.connections.max(1);
            }
            self.take_everything_back(out);
            self.tell_room();
        }
    }

    pub(super) fn done(&mut self) {
        if !std::mem::replace(&mut self.told_done, true) {
            self.tell(Event::Done { left: self.left });
        }
    }

    fn flush(&mut self, out: &Outside, now: Millis) {
        let seat = self.seat.as_mut().filter(|seat| seat.has_queued());
        let later = seat.is_some_and(|seat| super::lane::flush(seat, ARBITER, out));
        if later | self.flush_lanes(out) {
            self.retry_at = Some(now + LATER);
        }
    }
}

impl Guarded for State {
    const CLOSED: &'static str = "take another seat";
    const FORKED: &'static str = "that process goes on as it was";

    fn is_closed(&self) -> bool {
        self.closed
    }

    fn is_back(&self) -> bool {
        self.drain_taken
    }

    fn leave(&mut self, out: &Outside) {
        self.take_everything_back(out);
        self.turn_everything_down(out);
        self.flush(out, out.now());
        self.closed = true;
        self.forget();
    }

    fn forget(&mut self) {
        self.lanes.clear();
        self.seat = None;
        self.listeners.clear();
        self.events.clear();
    }

    fn before_waiting(&mut self, out: &Outside) {
        self.application_is_back();
        // Whatever is gathered goes out.
        self.lanes.iter_mut().for_each(Lane::before_waiting);
        self.pump(out);
        self.go_on(out);
    }

    fn happened(&mut self, token: u64, out: &Outside) {
        match token {
            TIMER => {
                let _ = out.timer.clear();
                self.timer_is_at = None;
            }
            ARBITER => self.read_seat(out),
            ARBITER_DEATH => {
                out.unwatch(Some(std::os::fd::AsFd::as_fd(&self.arbiter)));
                // What it had said comes first; a sibling may hold a copy of its end, so there may be no end-of-file.
                self.read_seat(out);
                self.arbiter_is_gone("died", out);
            }
            token => self.lane_happened(token, out),
        }
    }

    fn pump(&mut self, out: &Outside) {
        State::pump(self, out);
    }

    fn next_event(&mut self, inner: &Arc<Inner>) -> Option<Event> {
        loop {
            match self.events.pop_front()? {
                Queued::Settled(id) => return Some(Event::Settled(id)),
                Queued::Event(event) => {
                    self.drain_taken |= matches!(*event, Event::Drain { .. });
                    self.drained_before |= self.drain_taken;
                    return Some(*event);
                }
                Queued::Offer(token) => {
                    let Some(parcel) = self.next_parcel(token) else { continue };
                    let Some(why) = unfit(&parcel) else {
                        return Some(Event::Offer(Offer::new(parcel, token, inner.clone())));
                    };
                    self.refuse(token, parcel.slot, parcel.connection.get());
                    self.say_why(token, why);
                }
            }
        }
    }

    fn set_wake(&mut self, out: &Outside) {
        let unreported =
            self.draining.as_ref().is_some_and(|draining| !draining.reported) && self.is_through();
        let work = !self.events.is_empty()
            || self.drain_taken
            || unreported
            || self.lanes.iter().any(|lane| lane.has_work(&self.answers));
        if work != self.wake_is_set {
            self.wake_is_set = work;
            let _ = if work { out.wake.signal() } else { out.wake.clear() };
        }
    }
}
