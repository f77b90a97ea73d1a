//! The workers of an arbiter: each has a seat, over which it is told what the arbiter's takeover does, and gets its lanes.

use super::actions::{Millis, Tell};
use super::event::Event;
use super::explain::refuse_note;
use super::flush::flush_link;
use super::link::{Arrival, Flushed, Link};
use super::outside::Outside;
use super::state::{Queued, State};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::sys::{process, unix};
use crate::wire::limits::MAX_DESCRIPTORS;
use crate::wire::message::{Lane, Listeners, Message, Readable};
use crate::wire::seat::{Drain, Order, Report, Seat, Successor};
use std::os::fd::{AsFd, OwnedFd};

/// From here on come the tokens of seats: even ones for what a worker says, odd ones for its death.
pub(super) const SEAT: u64 = 1 << 32;

/// More listeners than this do not fit into one message beside the pidfd.
const MOST_LISTENERS: usize = MAX_DESCRIPTORS - 3;
/// More lanes than this one seat does not get, whatever the other side says: each costs descriptors.
const MOST_LANES: u32 = 1024;

#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: Vec<Worker>,
    next: u32,
    /// Counts the drains, so that a late report is not taken for an early one.
    drain: u32,
    /// The arbiter's own application has stopped accepting, and has nothing to migrate.
    arbiter_stopped: bool,
    arbiter_done: bool,
    /// Lanes are open to the predecessor's workers: they may ask for more.
    has_lanes: bool,
    /// Lanes that were asked for while no worker was seated.
    owed: Vec<Option<u32>>,
    /// The predecessor asked for a sign of life, and no worker has given one.
    is_asked: bool,
}

#[derive(Debug)]
struct Worker {
    serial: u32,
    link: Link,
    pidfd: Option<OwnedFd>,
    /// How many lanes it has from workers of our predecessor, and how many it got to workers of our successor.
    adopting: u32,
    offering: u32,
    accepts: bool,
    migrates: bool,
}

impl Worker {
    fn token(&self) -> u64 {
        SEAT + 2 * u64::from(self.serial)
    }

    fn tell(&mut self, order: Order) {
        self.link.queue(Message::Order(order), Vec::new());
    }
}

impl Seats {
    /// How many workers there are, for WELCOME.
    pub(super) fn count(&self) -> Option<u32> {
        (!self.taken.is_empty()).then_some(self.taken.len() as u32)
    }

    pub(super) fn ready(&mut self) {
        self.taken.iter_mut().for_each(|worker| worker.tell(Order::Ready));
    }

    /// The predecessor finds a queue unserved: an arbiter that has workers asks them, and does not answer for them.
    pub(super) fn ask_who_is_awake(&mut self) -> bool {
        self.is_asked = self.next > 0;
        self.taken.iter_mut().for_each(|worker| worker.tell(Order::Hung));
        self.is_asked
    }

    pub(super) fn arbiter_has_stopped(&mut self) {
        self.arbiter_stopped = true;
    }

    pub(super) fn arbiter_is_done(&mut self) {
        self.arbiter_done = true;
    }

    /// A drain begins, or is called off.
    fn drain(&mut self, begins: bool) {
        self.drain += u32::from(begins);
        (self.arbiter_stopped, self.arbiter_done) = (false, false);
        self.taken.iter_mut().for_each(|worker| (worker.accepts, worker.migrates) = (begins, begins));
    }
}

impl State {
    pub(super) fn seat(&mut self, number: u32, out: &Outside) -> Result<OwnedFd> {
        use super::actions::Standing::{Newcomer, Owner};
        let (service, now) = (&self.engine.service, "the other workers are as they were");
        if self.engine.is_draining() || !matches!(service.standing, Newcomer | Owner) {
            let what = "this process drains or is leaving: a new worker would have nothing to do";
            return Err(Error::new(ErrorKind::WrongState, what, now));
        }
        if self.listeners.held.len() > MOST_LISTENERS {
            let what = format!("{} listeners; a worker can get {MOST_LISTENERS}", self.listeners.held.len());
            return Err(Error::new(ErrorKind::InvalidArgument, what, now));
        }
        let system = |call: &'static str| move |error| Error::system(call, &error).now(now);
        let (ours, theirs) = unix::pair().map_err(system("socketpair"))?;
        let mut fds = vec![process::own_pidfd().map_err(system("pidfd_open"))?];
        let mut items = Vec::new();
        for held in &self.listeners.held {
            fds.push(held.fd.try_clone().map_err(system("dup"))?);
            items.push(held.item());
        }
        let seat = Seat {
            worker: number,
            generation: self.generation,
            owner: service.standing == Owner,
            ready: service.ready,
            listeners: Listeners { items, remaining: 0 },
        };
        let serial = self.seats.next;
        let mut link = Link::new(ours, fault::Role::Owner);
        link.queue(Message::Order(Order::Seat(seat)), fds);
        let worker =
            Worker { serial, link, pidfd: None, adopting: 0, offering: 0, accepts: false, migrates: false };
        out.watch(worker.link.socket(), worker.token())?;
        self.seats.next += 1;
        self.seats.taken.push(worker);
        for asked in std::mem::take(&mut self.seats.owed) {
            self.open_lane(asked)?;
        }
        Ok(theirs)
    }

    /// A successor that is ready: opens so many lanes that every worker of either side has one.
    pub(super) fn open_lanes(&mut self) {
        let (Some(up), Some(workers)) = (&self.up, self.seats.count()) else { return };
        if up.workers > 0 {
            self.seats.has_lanes = true;
            // Where descriptors run out there are fewer, and workers without one ask again.
            let _ = (0..up.workers.max(workers).min(MOST_LANES)).try_for_each(|_| self.open_lane(None));
        }
    }

    /// A successor: one end of a new lane goes to the worker that has the fewest, the other to the predecessor, for its
    /// worker `asked` or for whichever has the fewest there.
    pub(super) fn open_lane(&mut self, asked: Option<u32>) -> Result<()> {
        let Some(up) = self.up.as_mut().filter(|_| self.seats.has_lanes) else {
            let what = "the predecessor asks for a lane where there are none";
            return Err(Error::new(ErrorKind::OutOfOrder, what, "the predecessor goes on serving"));
        };
        let workers = self.seats.taken.iter_mut().filter(|worker| worker.adopting < MOST_LANES);
        let Some(worker) = workers.min_by_key(|worker| worker.adopting) else {
            self.seats.owed.push(asked);
            self.seats.owed.truncate(MOST_LANES as usize);
            return Ok(());
        };
        // Out of descriptors: who asked goes on serving what it has, to its deadline.
        let Ok((ours, theirs)) = unix::pair() else { return Ok(()) };
        worker.adopting += 1;
        let attempt = self.engine.service.me;
        worker.link.queue(Message::Lane(Lane { attempt, seat: None, offers: false }), vec![ours]);
        up.link.queue(Message::Lane(Lane { attempt, seat: asked, offers: true }), vec![theirs]);
        self.count_workers();
        Ok(())
    }

    /// A predecessor: the successor opened a lane. Whom it was for may have died meanwhile; then its end is closed.
    pub(super) fn seat_lane(&mut self, lane: Lane, end: Vec<OwnedFd>) {
        let Some(down) = &mut self.down else { return };
        down.has_lanes = true;
        let workers = self.seats.taken.iter_mut().filter(|worker| worker.offering < MOST_LANES);
        let worker = match lane.seat {
            Some(serial) => workers.into_iter().find(|worker| worker.serial == serial),
            None => workers.min_by_key(|worker| worker.offering),
        };
        if let Some(worker) = worker {
            worker.offering += 1;
            let attempt = self.engine.down.as_ref().map_or(0, super::predecessor::Predecessor::attempt);
            worker.link.queue(Message::Lane(Lane { attempt, seat: None, offers: true }), end);
        }
    }

    /// A worker said something, or died.
    pub(super) fn read_seat(&mut self, token: u64, out: &Outside) {
        let died = token % 2 == 1;
        while let Some(worker) = self.seats.taken.iter_mut().find(|worker| worker.token() == token & !1) {
            match worker.link.receive(true) {
                Ok(Arrival::Nothing) if !died => break,
                Ok(Arrival::Message(Message::Report(report), fds)) => {
                    self.reported(token & !1, report, fds, out);
                }
                // A sibling may hold a copy of a dead worker's seat: then there is no end-of-file.
                _ => self.unseat(token & !1, out),
            }
        }
        self.workers_went_on(out.now());
    }

    fn reported(&mut self, token: u64, report: Report, mut fds: Vec<OwnedFd>, out: &Outside) {
        let drain = self.seats.drain;
        let Some(worker) = self.seats.taken.iter_mut().find(|worker| worker.token() == token) else { return };
        match report {
            Report::Joined => {
                worker.pidfd = fds.pop();
                // Unwatched, its end is seen all the same: as end-of-file.
                let _ = out.watch(worker.pidfd.as_ref().map(AsFd::as_fd), token + 1);
                self.a_worker_is_awake();
            }
            Report::Stopped(since) => worker.accepts &= since != drain,
            Report::Migrated(since) => worker.migrates &= since != drain,
            Report::LaneOver => worker.adopting = worker.adopting.saturating_sub(1),
            Report::WantsLane => {
                let serial = Some(worker.serial);
                if let Some(down) = self.down.as_mut().filter(|down| down.has_lanes) {
                    let lane = Lane { attempt: 0, seat: serial, offers: false };
                    down.link.queue(Message::Lane(lane), Vec::new());
                }
            }
            Report::Awake => self.a_worker_is_awake(),
        }
    }

    /// One that took its seat since is as good as one that was asked.
    fn a_worker_is_awake(&mut self) {
        if let (true, Some(up)) = (std::mem::take(&mut self.seats.is_asked), &mut self.engine.up) {
            up.owe_answer();
        }
    }

    fn unseat(&mut self, token: u64, out: &Outside) {
        self.seats.taken.retain(|worker| {
            let stays = worker.token() != token;
            if !stays {
                out.unwatch(worker.link.socket());
                out.unwatch(worker.pidfd.as_ref().map(AsFd::as_fd));
            }
            stays
        });
    }

    /// What waited for our workers may go on: a drain until none is given connections any more, DRAINING until all have
    /// stopped, Done until all are through.
    fn workers_went_on(&mut self, now: Millis) {
        self.count_workers();
        if self.seats.arbiter_stopped && !self.engine.service.workers_accept {
            self.engine.with(now, |_, down, context| down.as_mut().map(|down| down.stopped(context)));
            if self.down.as_mut().is_some_and(|down| std::mem::take(&mut down.wants_room)) {
                self.events.push_back(Queued::Event(Box::new(Event::Room)));
            }
        }
        if self.seats.arbiter_done {
            self.engine.migrated_all(now);
        }
    }

    fn count_workers(&mut self) {
        let service = &mut self.engine.service;
        service.workers_accept = self.seats.taken.iter().any(|worker| worker.accepts);
        service.workers_migrate = self.seats.taken.iter().any(|worker| worker.migrates);
        service.workers_receive = self.seats.taken.iter().any(|worker| worker.adopting > 0);
    }

    /// Workers hear of whatever happens to the service, as the arbiter's application does.
    pub(super) fn tell_workers(&mut self, tell: Tell, out: &Outside) {
        let order = match tell {
            Tell::Drain { successor } => {
                self.seats.drain(true);
                Order::Drain(self.drain_order(successor, out))
            }
            Tell::Resume(cause) => {
                self.seats.drain(false);
                Order::Resume(refuse_note(&self.explain_down(cause)))
            }
            Tell::Accept(cause) => Order::Accept(refuse_note(&self.explain_down(cause))),
            Tell::Committed => Order::Committed(self.generation),
            Tell::Aborted(cause) => Order::Aborted(refuse_note(&self.explain_up(cause))),
            Tell::Relieved => Order::Relieved,
            Tell::Done { .. } => Order::Done,
            Tell::Offer(_) | Tell::Settled(_) | Tell::Refused(_) | Tell::TakenBack(_) => return,
        };
        self.seats.taken.iter_mut().for_each(|worker| worker.tell(order.clone()));
        self.count_workers();
    }

    /// Without lanes there is no successor for a worker: it finishes what it has.
    fn drain_order(&self, successor: bool, out: &Outside) -> Drain {
        let down = self.down.as_ref().filter(|down| successor && down.has_lanes);
        let readable = |down: &super::lower::Down| {
            let reads = down.reads.iter();
            reads.map(|r| Readable { protocol: r.protocol.clone(), versions: r.versions.clone() }).collect()
        };
        Drain {
            number: self.seats.drain,
            deadline_ms: out.durations().drain,
            attempt: self.engine.down.as_ref().map_or(0, super::predecessor::Predecessor::attempt),
            successor: down.map(|down| Successor {
                pid: down.peer.pid,
                program: down.peer.program.clone(),
                runtime: down.peer.runtime.clone(),
                generation: down.peer.generation,
            }),
            reads: down.map(readable).unwrap_or_default(),
            retired: self.listeners.retired(),
        }
    }

    /// Sends what is queued on the seats. Whether a worker is gone because of it.
    pub(super) fn flush_seats(&mut self, out: &Outside, now: Millis) -> bool {
        let mut gone = Vec::new();
        let mut later = false;
        for worker in self.seats.taken.iter_mut().filter(|worker| worker.link.has_queued()) {
            let token = worker.token();
            match flush_link(&mut worker.link, token, out) {
                Ok(Flushed::Later) => later = true,
                Ok(_) => {}
                Err(_) => gone.push(token),
            }
        }
        if later {
            self.retry(now);
        }
        gone.iter().for_each(|token| self.unseat(*token, out));
        if !gone.is_empty() {
            self.workers_went_on(now);
        }
        !gone.is_empty()
    }
}
