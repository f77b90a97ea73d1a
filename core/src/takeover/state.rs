//! What a handle holds, and how actions are carried out: the bridge between the pure engine and the kernel.

use super::Shared;
use super::actions::{Action, Durations, Millis, Say, Side, Step, Tell, earliest};
use super::config::Config;
use super::engine::Engine;
use super::event::{Event, Returned};
use super::explain::hung;
use super::link::{Flushed, Link};
use super::listeners::Listeners;
use super::lobby::Lobby;
use super::lower::Down;
use super::offer::Offer;
use super::path;
use super::seats::{SEAT, Seats};
use super::upper::{Up, unfit};
use crate::drain::DrainSignals;
use crate::error::{Error, Result};
use crate::listener::is_unserved;
use crate::observe::Progress;
use crate::ownership::SharedDeed;
use crate::sys::poll::{Epoll, EventFd, TimerFd};
use crate::sys::unix;
use crate::wire::message::{Message, Ready};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(super) const WAKE: u64 = 0;
pub(super) const TIMER: u64 = 1;
pub(super) const SERVICE: u64 = 2;
pub(super) const UP: u64 = 3;
pub(super) const UP_DEATH: u64 = 4;
pub(super) const DOWN: u64 = 5;
pub(super) const DOWN_DEATH: u64 = 6;
pub(super) const SIGNAL: u64 = 7;
pub(super) const LOBBY: u64 = 16;

/// Newcomers may be many while a service is being started again and again.
const BACKLOG: i32 = 64;
/// Messages read before others have their turn: a peer that never stops talking must not keep us from the clock, nor from
/// the application. The poller is level-triggered, so what is left comes at once.
const AT_ONCE: usize = 64;
/// How long to wait where the kernel has no room for descriptors in flight.
pub(super) const LATER: Millis = 5;

/// What is the same for the whole life of a handle; used without the lock.
#[derive(Debug)]
pub(super) struct Outside {
    pub path: PathBuf,
    pub config: Config,
    pub epoll: Epoll,
    pub wake: EventFd,
    pub timer: TimerFd,
    pub signals: Option<DrainSignals>,
    pub start: Instant,
}

impl Outside {
    pub(super) fn new(path: PathBuf, config: Config) -> Result<Outside> {
        let system = |error: std::io::Error| Error::system("setting up", &error).now("nothing was changed");
        let signals = match config.drain_signals.as_slice() {
            [] => None,
            signals => Some(DrainSignals::new(signals)?),
        };
        let outside = Outside {
            path,
            config,
            epoll: Epoll::new().map_err(system)?,
            wake: EventFd::new().map_err(system)?,
            timer: TimerFd::new().map_err(system)?,
            signals,
            start: Instant::now(),
        };
        outside.watch(Some(outside.wake.as_fd()), WAKE)?;
        outside.watch(Some(outside.timer.as_fd()), TIMER)?;
        outside.watch(outside.signals.as_ref().map(AsFd::as_fd), SIGNAL)?;
        Ok(outside)
    }

    pub(super) fn now(&self) -> Millis {
        self.start.elapsed().as_millis() as Millis
    }

    pub(super) fn watch(&self, fd: Option<BorrowedFd<'_>>, token: u64) -> Result<()> {
        let Some(fd) = fd else { return Ok(()) };
        self.epoll.add(fd, token, false).map_err(|error| Error::system("epoll_ctl", &error))
    }

    pub(super) fn unwatch(&self, fd: Option<BorrowedFd<'_>>) {
        if let Some(fd) = fd {
            // It may not have been watched; then there is nothing to undo.
            let _ = self.epoll.remove(fd);
        }
    }

    pub(super) fn durations(&self) -> Durations {
        let millis = |duration: Duration| duration.as_millis() as Millis;
        Durations {
            handshake: millis(self.config.handshake),
            ready: millis(self.config.ready),
            commit: millis(self.config.commit),
            drain: millis(self.config.drain),
            probation: millis(self.config.probation),
        }
    }
}

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
    retry_at: Option<Millis>,
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

    /// Something happened on the descriptor that has this token.
    pub(super) fn happened(&mut self, token: u64, out: &Outside) {
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

    fn predecessor_died(&mut self, out: &Outside) {
        out.unwatch(self.up.as_ref().and_then(|up| up.pidfd.as_ref()).map(AsFd::as_fd));
        // Messages outlive their sender: what it had queued comes first, then end-of-file. Nothing more can be its own:
        // whoever else holds a copy of the link is shut out.
        if let Some(up) = &self.up {
            up.link.shut_reading();
        }
        self.read_up_to_the_end(out);
        self.engine.with(out.now(), |up, _, context| up.as_mut().map(|up| up.died(context)));
    }

    fn read_up_to_the_end(&mut self, out: &Outside) {
        while self.up.as_ref().is_some_and(|up| up.link.can_be_read()) {
            self.read_up(out);
        }
    }

    /// Before waiting: whatever is gathered goes out.
    pub(super) fn settle_down(&mut self, now: Millis) {
        if let Some(down) = &mut self.down {
            down.seal_batch();
        }
        self.engine.with(now, |up, _, context| up.as_mut().map(|up| up.answer(context)));
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

    fn act(&mut self, action: Action, out: &Outside, now: Millis) {
        match action {
            Action::Send(Side::Up, say) => {
                let message = match say {
                    Say::ListenersAck => Message::ListenersAck,
                    Say::Ready => Message::Ready(Ready { retired: self.listeners.left_to_the_predecessor() }),
                    _ => Message::Answer,
                };
                if let Some(up) = &mut self.up {
                    up.link.queue(message, Vec::new());
                }
            }
            Action::Send(Side::Down, Say::Welcome) => self.send_welcome(out),
            Action::Send(Side::Down, Say::Listeners) => self.send_listeners(now),
            Action::Send(Side::Down, Say::Draining) => {
                // Nobody is welcomed until the outcome is known: newcomers wait in the backlog.
                out.unwatch(self.takeover_socket.as_ref().map(AsFd::as_fd));
                self.send_draining(out);
            }
            Action::Send(Side::Down, say) => {
                if let Some(down) = &mut self.down {
                    match say {
                        Say::Last => down.say_last(),
                        _ => down.link.queue(Message::Note(hung()), Vec::new()),
                    }
                }
            }
            Action::Close(side) => self.close_link(side, out),
            Action::ShutReading(_) => {
                if let Some(up) = &self.up {
                    up.link.shut_reading();
                }
                // What is queued can still be read, then end-of-file: at once, for nothing more can come.
                self.read_up_to_the_end(out);
            }
            Action::TurnDown(slot) => self.turn_down_offer(slot),
            Action::LookUp if self.up.as_ref().is_some_and(Up::is_dead) => self.predecessor_died(out),
            Action::LookUp => {
                self.engine.with(now, |up, _, context| up.as_mut().map(|up| up.lives(context)));
            }
            Action::CloseService => self.close_service(out),
            Action::Retire => {
                if let Some(socket) = &self.takeover_socket {
                    // Where it fails the path is left behind, stale: the next one takes it over by the rule.
                    let _ = path::unlink_own(&out.path, socket.as_fd());
                }
                self.close_service(out);
            }
            Action::Serve => self.serve(out),
            Action::Tell(tell) => self.tell(tell, out),
        }
    }

    fn close_link(&mut self, side: Side, out: &Outside) {
        // A parting NOTE may be queued; whether it arrives does not matter.
        let link = match side {
            Side::Up => self.up.as_mut().map(|up| &mut up.link),
            Side::Down => self.down.as_mut().map(|down| {
                down.drop_unsent_offers();
                &mut down.link
            }),
        };
        if let Some(link) = link {
            out.unwatch(link.socket());
            link.close();
        }
    }

    fn close_service(&mut self, out: &Outside) {
        self.listeners.clear();
        if let Some(socket) = self.takeover_socket.take() {
            out.unwatch(Some(socket.as_fd()));
        }
        self.lobby.clear(out);
    }

    /// We are the owner: listen again, so that SO_PEERCRED shows newcomers us.
    pub(super) fn serve(&mut self, out: &Outside) {
        self.listeners.own();
        if let Some(socket) = &self.takeover_socket {
            let _ = unix::listen(socket.as_fd(), BACKLOG);
            out.unwatch(Some(socket.as_fd()));
            let _ = out.watch(Some(socket.as_fd()), SERVICE);
        }
    }

    fn tell(&mut self, tell: Tell, out: &Outside) {
        self.tell_workers(tell, out);
        let event = match tell {
            Tell::Offer(_) => return self.events.push_back(Queued::Offer),
            Tell::Drain { successor } => {
                let down = self.down.as_ref().filter(|_| successor);
                Some(Event::Drain {
                    successor: down.map(|down| down.peer.clone()),
                    deadline: out.config.drain,
                    reads: down.map(|down| down.reads.clone()).unwrap_or_default(),
                    retired: down.map(|_| self.listeners.retired()).unwrap_or_default(),
                })
            }
            Tell::Settled(slot) => {
                let id = self.settled(slot);
                self.events.extend(id.map(Queued::Settled));
                None
            }
            Tell::Refused(slot) => self.returned(slot).map(|c| Event::Returned(c, Returned::Refused)),
            Tell::TakenBack(slot) => {
                // Where everything goes back, what waits to be sent does not go out any more.
                let offering = self.engine.down.as_ref().is_some_and(|down| down.takes_offers());
                if let Some(down) = self.down.as_mut().filter(|_| !offering) {
                    down.drop_unsent_offers();
                }
                self.returned(slot).map(|c| Event::Returned(c, Returned::TakenBack))
            }
            Tell::Committed => Some(Event::Committed { generation: self.generation }),
            Tell::Resume(cause) => Some(Event::Resume { cause: self.explain_down(cause) }),
            Tell::Accept(cause) => Some(Event::Accept { cause: self.explain_down(cause) }),
            Tell::Relieved => Some(Event::Relieved),
            Tell::Aborted(cause) => Some(Event::Aborted { cause: self.explain_up(cause) }),
            Tell::Done { left } => {
                // The application's copies are the last ones then: what it does not accept, nobody does.
                self.listeners.held.retain(|held| !held.retired);
                // Draining alone it is the application that knows how many are left, and says so.
                let alone = left > 0 && self.down.is_none();
                Some(Event::Done { left: if alone { self.connections.max(1) } else { left } })
            }
        };
        self.events.extend(event.map(|event| Queued::Event(Box::new(event))));
        if let (Tell::Settled(_) | Tell::Refused(_) | Tell::TakenBack(_), Some(down)) = (tell, &mut self.down)
            && std::mem::take(&mut down.wants_room)
        {
            self.events.push_back(Queued::Event(Box::new(Event::Room)));
        }
    }

    /// The next event, if one is there.
    #[inline]
    pub(super) fn next_event(&mut self, inner: &Shared) -> Option<Event> {
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

    /// Sends what is queued. Whether the engine has something to do because of it.
    fn flush(&mut self, out: &Outside, now: Millis) -> bool {
        let mut more = self.flush_seats(out, now);
        if let Some(up) = self.up.as_mut().filter(|up| up.link.has_queued()) {
            match flush_link(&mut up.link, UP, out) {
                Ok(Flushed::Later) => self.retry(now),
                Ok(_) => {}
                Err(error) => {
                    up.link.outbox.clear();
                    self.give_up(error, now);
                    more = true;
                }
            }
        }
        if let Some(down) = self.down.as_mut().filter(|down| down.link.has_queued()) {
            match flush_link(&mut down.link, DOWN, out) {
                Ok(Flushed::Later) => self.retry(now),
                Ok(Flushed::BadDescriptor) => {
                    if let Some(batch) = down.link.bad.take() {
                        self.withdraw(&batch, now);
                    }
                    more = true;
                }
                Ok(_) => {}
                Err(_) => {
                    down.link.outbox.clear();
                    self.engine.with(now, |_, down, context| down.as_mut().map(|down| down.broke(context)));
                    more = true;
                }
            }
        }
        more
    }

    /// The kernel has no room now: flush again a little later.
    pub(super) fn retry(&mut self, now: Millis) {
        self.retry_at = Some(now + LATER);
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
        let due =
            [self.engine.next_deadline(), self.lobby.next_deadline(), self.retry_at, self.hang_check_at];
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
            || self.engine.up.as_ref().is_some_and(|up| up.owes_answer())
    }

    /// Before returning to the application: the event descriptor is readable exactly while there is work.
    pub(super) fn set_wake(&mut self, out: &Outside) {
        let work = self.has_work();
        if work != self.wake_is_set {
            self.wake_is_set = work;
            let _ = if work { out.wake.signal() } else { out.wake.clear() };
        }
    }
}

/// Sends what is queued on `link`, and waits for room where there is none.
pub(super) fn flush_link(link: &mut Link, token: u64, out: &Outside) -> Result<Flushed> {
    let waited = link.waits_for_room;
    let flushed = link.flush();
    link.waits_for_room = matches!(flushed, Ok(Flushed::Full));
    if let (true, Some(socket)) = (waited != link.waits_for_room, link.socket()) {
        out.epoll
            .modify(socket, token, link.waits_for_room)
            .map_err(|error| Error::system("epoll_ctl", &error))?;
    }
    flushed
}
