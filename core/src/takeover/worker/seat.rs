//! The seat, seen from the worker: what its arbiter tells it.

use super::super::answers::Answers;
use super::super::config::Reads;
use super::super::event::{Event, Peer};
use super::super::link::{Arrival, Link};
use super::super::outside::Outside;
use super::state::{ARBITER, ARBITER_DEATH, Draining, State};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::observe::Progress;
use crate::sys::process;
use crate::wire::message::{Message, Note};
use crate::wire::seat::{Drain, Order, Report, Seat};
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

const GOES_ON: &str = "the arbiter goes on without this worker";

impl State {
    /// Takes the seat: the arbiter's first word is there already, or will be soon.
    pub(super) fn join(seat: &OwnedFd, out: &Outside) -> Result<State> {
        let system = |call: &'static str| move |error| Error::system(call, &error).now(GOES_ON);
        // A copy that is close-on-exec, whatever the one that came with exec is.
        let mut link = Link::new(seat.try_clone().map_err(system("dup"))?, fault::Role::Owner);
        let (order, mut fds) = first_order(&mut link, out)?;
        let pidfd = process::own_pidfd().map_err(|error| {
            let what = format!("pidfd_open: {error}");
            Error::new(ErrorKind::Unsupported, what, "live takeover needs Linux 5.4")
        })?;
        if fds.len() != order.listeners.items.len() + 1 {
            let what = "a seat comes with the arbiter's pidfd and its listeners";
            return Err(Error::new(ErrorKind::DescriptorCount, what, GOES_ON));
        }
        let arbiter = fds.remove(0);
        let names = order.listeners.items.into_iter().map(|item| item.name);
        let listeners = names.zip(fds.into_iter().map(Some)).collect();
        out.watch(link.socket(), ARBITER)?;
        out.watch(Some(arbiter.as_fd()), ARBITER_DEATH)?;
        link.queue(Message::Report(Report::Joined), vec![pidfd]);
        let mut state = State {
            number: order.worker,
            seat: Some(link),
            arbiter,
            owner: order.owner,
            listeners,
            lanes: Vec::new(),
            next_token: 0,
            draining: None,
            drain_taken: false,
            drained_before: false,
            wants_room: false,
            asked: false,
            told_done: false,
            left: 0,
            events: VecDeque::new(),
            connections: 0,
            progress: Progress { generation: order.generation, ..Progress::default() },
            retry_at: None,
            answers: Answers::default(),
            closed: false,
            wake_is_set: false,
            timer_is_at: None,
        };
        if order.ready {
            state.tell(Event::Ready);
        }
        Ok(state)
    }

    /// Reads what the arbiter said.
    pub(super) fn read_seat(&mut self, out: &Outside) {
        while let Some(seat) = &mut self.seat {
            match seat.receive(true) {
                Ok(Arrival::Nothing) => return,
                Ok(Arrival::Message(Message::Order(order), _)) => self.ordered(order, out),
                Ok(Arrival::Message(Message::Lane(lane), fds)) => self.take_lane(&lane, fds, out),
                // Out of descriptors: the kernel closed our end.
                Ok(Arrival::Truncated(Message::Lane(lane), _)) => self.take_lane(&lane, Vec::new(), out),
                Ok(Arrival::End) => self.arbiter_is_gone("closed the seat", out),
                Ok(_) | Err(_) => self.arbiter_is_gone("broke the protocol", out),
            }
        }
    }

    fn ordered(&mut self, order: Order, out: &Outside) {
        match order {
            // It comes once, and first.
            Order::Seat(_) => {}
            Order::Ready => self.tell(Event::Ready),
            Order::Drain(drain) => self.drain(drain, out),
            Order::Resume(note) => self.resume(&note, out),
            Order::Accept(note) => self.tell(Event::Accept { cause: cause(&note) }),
            Order::Committed(generation) => {
                self.owner = true;
                self.tell(Event::Committed { generation });
            }
            Order::Aborted(note) => self.tell(Event::Aborted { cause: cause(&note) }),
            Order::Relieved => self.tell(Event::Relieved),
            Order::Done => {
                self.expire(out);
                self.done();
            }
            Order::Hung => self.report(Report::Awake),
        }
    }

    fn drain(&mut self, drain: Drain, out: &Outside) {
        let reads = drain.reads.into_iter();
        let reads = reads.map(|r| Reads { protocol: r.protocol, versions: r.versions }).collect();
        let successor = drain.successor.map(|peer| Peer {
            pid: peer.pid,
            program: peer.program,
            runtime: peer.runtime,
            generation: peer.generation,
        });
        // A lane of an attempt that is over leads to a worker of nobody's.
        self.give_up_lanes(|lane| lane.attempt != drain.attempt, out);
        self.begin_to_drain(drain.number, drain.deadline_ms, successor, reads, drain.retired, out);
    }

    fn begin_to_drain(
        &mut self,
        number: u32,
        deadline: u64,
        successor: Option<Peer>,
        reads: Vec<Reads>,
        retired: Vec<String>,
        out: &Outside,
    ) {
        self.draining = Some(Draining {
            number,
            successor: successor.clone(),
            until: out.now() + deadline,
            complete: false,
            reported: false,
            expired: false,
        });
        self.left = 0;
        self.asked = false;
        let deadline = std::time::Duration::from_millis(deadline);
        self.tell(Event::Drain { successor, deadline, reads, retired });
    }

    /// The attempt is off, or the successor died: everything on offer is ours again.
    fn resume(&mut self, note: &Note, out: &Outside) {
        self.draining = None;
        self.drain_taken = false;
        self.wants_room = false;
        self.tell(Event::Resume { cause: cause(note) });
        self.give_up_lanes(|_| true, out);
    }

    /// Nobody will tell us anything any more. The lanes that there are lead on; what they do not take is finished here.
    pub(super) fn arbiter_is_gone(&mut self, how: &str, out: &Outside) {
        let Some(seat) = self.seat.take() else { return };
        out.unwatch(seat.socket());
        if self.told_done {
            return;
        }
        if !self.owner {
            let what = format!("the arbiter {how} before it had taken over");
            let now = "finish what was adopted and exit";
            self.tell(Event::Aborted { cause: Error::new(ErrorKind::PeerGone, what, now) });
        } else if self.draining.is_none() {
            let attempt =
                self.lanes.iter().filter(|lane| lane.is_towards_successor()).map(|lane| lane.attempt).max();
            self.give_up_lanes(|lane| Some(lane.attempt) != attempt, out);
            // Who the arbiter over there is, only ours knew.
            let successor = attempt.map(|_| Peer::default());
            self.begin_to_drain(0, out.durations().drain, successor, Vec::new(), Vec::new(), out);
        }
    }
}

/// The arbiter's first message, waited for at most as long as a handshake may take.
fn first_order(link: &mut Link, out: &Outside) -> Result<(Seat, Vec<OwnedFd>)> {
    let until = Instant::now() + out.config.handshake;
    out.watch(link.socket(), ARBITER)?;
    let first = loop {
        match link.receive(true)? {
            Arrival::Nothing => {}
            Arrival::Message(Message::Order(Order::Seat(seat)), fds) => break (seat, fds),
            Arrival::End => return Err(Error::new(ErrorKind::PeerGone, "the arbiter is gone", "exit")),
            _ => {
                let what = "what came first on the seat is not an arbiter's first word";
                return Err(Error::new(ErrorKind::OutOfOrder, what, GOES_ON));
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let what = "nothing came on the seat: it was taken before, or the arbiter hangs";
            return Err(Error::new(ErrorKind::NoAnswer, what, GOES_ON));
        }
        let waited = out.epoll.wait(&mut Vec::new(), Some(left));
        waited.map_err(|error| Error::system("epoll_wait", &error))?;
    };
    out.unwatch(link.socket());
    Ok(first)
}

/// What the arbiter was told itself.
fn cause(note: &Note) -> Error {
    let kind = ErrorKind::from_number(note.number as i32).unwrap_or(ErrorKind::PeerGone);
    Error::new(kind, note.reason.clone(), "as the arbiter was told")
}
