//! One lane: a link between a worker of the predecessor, which offers on it, and one of the successor, which adopts.

use super::super::NotMigrated;
use super::super::actions::Tell;
use super::super::answers::Answers;
use super::super::config::{Config, Reads};
use super::super::event::{Event, Peer, Returned};
use super::super::explain::refuse_note;
use super::super::flush::flush_link;
use super::super::hand::Hand;
use super::super::link::{Arrival, Flushed, Link};
use super::super::lower::Down;
use super::super::offering::{NoOffer, Offering};
use super::super::outside::Outside;
use super::super::rules::Rules;
use super::super::state::AT_ONCE;
use super::super::upper::{Up, check_pidfd};
use super::state::{LANES, Queued, State};
use crate::connection::Frozen;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::observe::Progress;
use crate::ownership::SharedLedger;
use crate::sys::process::{self, Credentials};
use crate::wire::limits::VERSIONS;
use crate::wire::message::{self, Hello, Message, Role, Welcome};
use crate::wire::seat::Report;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How many connections can be offered on one lane.
const SLOTS: u32 = 1 << 16;

#[derive(Debug)]
pub(super) struct Lane {
    pub token: u64,
    pub attempt: u32,
    pub end: End,
    /// The other side wrote into its ledger where it must not.
    pub broken: bool,
}

/// Which end of it we have.
#[derive(Debug)]
pub(super) enum End {
    /// The predecessor's, before HELLO.
    Awaiting(Link),
    /// The predecessor's.
    Offers(Box<Down>, Offering),
    /// The successor's; whether a wake-up is owed.
    Adopts(Box<Up>, Hand, bool),
}

impl Lane {
    fn link(&self) -> &Link {
        match &self.end {
            End::Awaiting(link) => link,
            End::Offers(down, _) => &down.link,
            End::Adopts(up, ..) => &up.link,
        }
    }

    pub(super) fn link_mut(&mut self) -> &mut Link {
        match &mut self.end {
            End::Awaiting(link) => link,
            End::Offers(down, _) => &mut down.link,
            End::Adopts(up, ..) => &mut up.link,
        }
    }

    fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        match &self.end {
            End::Awaiting(_) => None,
            End::Offers(down, _) => Some(down.pidfd.as_fd()),
            End::Adopts(up, ..) => up.pidfd.as_ref().map(AsFd::as_fd),
        }
    }

    pub(super) fn awaits_hello(&self) -> bool {
        matches!(&self.end, End::Awaiting(link) if link.socket().is_some())
    }

    /// Connections can be offered on it.
    pub(super) fn offers(&self) -> bool {
        matches!(&self.end, End::Offers(down, _) if down.link.socket().is_some())
    }

    pub(super) fn is_towards_successor(&self) -> bool {
        self.offers() || self.awaits_hello()
    }

    /// How many connections are on offer here and unsettled.
    pub(super) fn open(&self) -> usize {
        if let End::Offers(_, offering) = &self.end { offering.open() } else { 0 }
    }

    /// Its link is closed and nothing is open.
    fn is_over(&self) -> bool {
        let unanswered = matches!(&self.end, End::Adopts(_, hand, _) if !hand.is_empty());
        self.link().socket().is_none() && self.open() == 0 && !unanswered
    }

    pub(super) fn owes_answer(&self) -> bool {
        matches!(&self.end, End::Adopts(up, _, true) if up.link.socket().is_some())
    }

    /// Whether it has something to send: `answers` are those of all lanes.
    pub(super) fn has_work(&self, answers: &Answers) -> bool {
        match &self.end {
            End::Awaiting(_) => false,
            End::Offers(down, _) => down.has_batch(),
            End::Adopts(_, hand, _) => self.owes_answer() && (hand.is_empty() || answers.are_many()),
        }
    }

    /// A batch goes out as it is, and so does the wake-up that is owed.
    pub(super) fn before_waiting(&mut self) {
        match &mut self.end {
            End::Awaiting(_) => {}
            End::Offers(down, _) => down.seal_batch(),
            End::Adopts(up, _, owes_answer) => {
                if std::mem::take(owes_answer) {
                    up.link.queue(Message::Answer, Vec::new());
                }
            }
        }
    }

    pub(super) fn offer(
        &mut self,
        connection: Frozen,
        config: &Config,
    ) -> std::result::Result<(), NotMigrated> {
        let End::Offers(down, offering) = &mut self.end else {
            return Err(NotMigrated::Full(Box::new(connection)));
        };
        let open = offering.open();
        let broken = &mut self.broken;
        down.offer(connection, open, config, |ledger| {
            let slot = offering.offer(ledger, Rules::default());
            *broken = slot == Err(NoOffer::Broken);
            slot
        })
    }
}

impl State {
    /// The arbiter has a new lane for us. Where descriptors run out it is closed, and the other end sees it.
    pub(super) fn take_lane(&mut self, lane: &message::Lane, fds: Vec<OwnedFd>, out: &Outside) {
        if self.add_lane(lane, fds, out).is_none() && !lane.offers {
            self.report(Report::LaneOver);
        }
    }

    fn add_lane(&mut self, lane: &message::Lane, mut fds: Vec<OwnedFd>, out: &Outside) -> Option<()> {
        let socket = fds.pop()?;
        let token = LANES + 2 * self.next_token;
        self.next_token += 1;
        let end = if lane.offers {
            self.asked = false;
            End::Awaiting(Link::new(socket, fault::Role::Predecessor))
        } else {
            // The kernel knows the arbiter that made the pair, not the worker at its end: 0 is whoever.
            let nobody = Credentials { pid: 0, uid: 0, gid: 0 };
            let up = Up::hello_as(Role::Lane, lane.attempt, self.number, socket, nobody, out).ok()?;
            End::Adopts(Box::new(up), Hand::default(), false)
        };
        let lane = Lane { token, attempt: lane.attempt, end, broken: false };
        out.watch(lane.link().socket(), token).ok()?;
        self.lanes.push(lane);
        Some(())
    }

    pub(super) fn lane_happened(&mut self, token: u64, out: &Outside) {
        let (died, token) = (token % 2 == 1, token & !1);
        if !died {
            (0..AT_ONCE).all(|_| self.read_lane(token, out));
            return;
        }
        // Everything it had sent is read; a process that was forked over there may hold a copy of its end, and is shut out.
        if let Some(lane) = self.lane(token) {
            out.unwatch(lane.pidfd());
            lane.link().shut_reading();
        }
        while self.read_lane(token, out) {}
        self.close_lane(token, out);
    }

    pub(super) fn lane(&mut self, token: u64) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.token == token)
    }

    /// Reads one message. Whether there may be more.
    fn read_lane(&mut self, token: u64, out: &Outside) -> bool {
        let connections = self.connections;
        let Some(lane) = self.lane(token) else { return false };
        let arrival = match lane.link_mut().receive(true) {
            Ok(Arrival::Nothing) => return false,
            Ok(Arrival::End) => {
                self.close_lane(token, out);
                return false;
            }
            arrival => arrival,
        };
        let heard = match (&mut lane.end, arrival) {
            (End::Awaiting(_), Ok(Arrival::Message(Message::Hello(hello), fds))) => {
                lane.welcome(hello, fds, connections, out).map(|()| self.tell_room())
            }
            (End::Offers(..), Ok(Arrival::Message(Message::Answer | Message::Note(_), _))) => {
                self.scan(token);
                Ok(())
            }
            (End::Adopts(up, ..), Ok(Arrival::Message(Message::Welcome(welcome), fds))) => {
                let welcomed = up.take_welcome(&welcome, fds);
                welcomed.and(out.watch(lane.pidfd(), token + 1))
            }
            (End::Adopts(..), Ok(Arrival::Message(Message::Offer(offers), fds))) => {
                self.take_offers(token, offers, fds, out)
            }
            (End::Adopts(..), Ok(Arrival::Truncated(Message::Offer(offers), fds))) => {
                self.turn_down(token, &offers, fds);
                Ok(())
            }
            (End::Adopts(..), Ok(Arrival::Message(Message::Note(_), _))) => Ok(()),
            (_, Err(error)) => Err(error),
            (_, Ok(_)) => Err(Error::new(ErrorKind::OutOfOrder, "a message that does not fit the lane", "")),
        };
        if let Err(error) = heard {
            self.give_up(token, &error, out);
        }
        true
    }

    /// The lane is of no more use: what can be taken back is, what came whole is of use all the same.
    fn give_up(&mut self, token: u64, error: &Error, out: &Outside) {
        let Some(lane) = self.lane(token) else { return };
        lane.link_mut().queue(Message::Note(refuse_note(error)), Vec::new());
        self.close_lane(token, out);
    }

    /// No more will come, or shall. What is on offer is taken back; what is in hand waits for its answer.
    fn close_lane(&mut self, token: u64, out: &Outside) {
        self.scan(token);
        let Some(at) = self.lanes.iter().position(|lane| lane.token == token) else { return };
        let lane = &mut self.lanes[at];
        if let End::Offers(down, offering) = &mut lane.end {
            down.drop_unsent_offers();
            while let Some(tell) = offering.take_back_last(&down.ledger, Rules::default()) {
                let event = told(tell, down, &mut self.progress);
                self.events.extend(event);
            }
        }
        // A wake-up that is owed goes out before: the predecessor reads the ledger at the end in any case.
        lane.before_waiting();
        out.unwatch(lane.link().socket());
        lane.link_mut().close();
    }

    /// Closes the lanes towards a successor that `which` names.
    pub(super) fn give_up_lanes(&mut self, which: impl Fn(&Lane) -> bool, out: &Outside) {
        let lanes = self.lanes.iter().filter(|lane| lane.is_towards_successor() && which(lane));
        let tokens: Vec<u64> = lanes.map(|lane| lane.token).collect();
        tokens.into_iter().for_each(|token| self.close_lane(token, out));
    }

    pub(super) fn take_everything_back(&mut self, out: &Outside) {
        self.give_up_lanes(|_| true, out);
    }

    /// While leaving (rule 8): nothing more can come, what has come is answered, then the lanes are closed.
    pub(super) fn turn_everything_down(&mut self, out: &Outside) {
        let tokens: Vec<u64> = self.lanes.iter().map(|lane| lane.token).collect();
        for token in tokens {
            if let Some(lane) = self.lane(token) {
                lane.link().shut_reading();
            }
            while self.lane(token).is_some_and(|lane| lane.link().can_be_read()) && self.read_lane(token, out)
            {
            }
            while let Some(parcel) = self.next_parcel(token) {
                self.refuse(token, parcel.slot, parcel.connection.get());
            }
            while let Some(Lane { end: End::Adopts(_, hand, _), .. }) = self.lane(token)
                && let Some(slot) = hand.next_to_turn_down()
            {
                self.refuse(token, slot, None);
            }
            self.close_lane(token, out);
        }
    }

    /// Lets go of the lanes that are over.
    pub(super) fn reap(&mut self, out: &Outside) {
        let mut adopted_on = 0;
        self.lanes.retain(|lane| {
            let over = lane.is_over();
            if over {
                out.unwatch(lane.pidfd());
                adopted_on += u32::from(matches!(lane.end, End::Adopts(..)));
            }
            !over
        });
        (0..adopted_on).for_each(|_| self.report(Report::LaneOver));
    }

    /// Sends what is queued on the lanes. Whether the kernel wants us to try again later.
    pub(super) fn flush_lanes(&mut self, out: &Outside) -> bool {
        let mut later = false;
        for lane in self.lanes.iter_mut().filter(|lane| lane.link().has_queued()) {
            let token = lane.token;
            later |= flush(lane.link_mut(), token, out);
            if let End::Offers(down, offering) = &mut lane.end
                && let Some(batch) = down.link.bad.take()
            {
                for slot in batch.slots {
                    let withdrawn = offering.withdraw(slot, &down.ledger, Rules::default());
                    let event = withdrawn.and_then(|tell| told(tell, down, &mut self.progress));
                    self.events.extend(event);
                }
            }
        }
        later
    }

    /// Reads every open word of the lane.
    fn scan(&mut self, token: u64) {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.token == token) else { return };
        let End::Offers(down, offering) = &mut lane.end else { return };
        let mut answers = Vec::new();
        offering.scan(&down.ledger, |tell| answers.push(tell));
        for tell in answers {
            let event = told(tell, down, &mut self.progress);
            self.events.extend(event);
        }
        self.tell_room();
    }
}

impl Lane {
    /// A worker of the successor said HELLO.
    fn welcome(&mut self, hello: Hello, fds: Vec<OwnedFd>, connections: u64, out: &Outside) -> Result<()> {
        if hello.role != Role::Lane || !hello.versions.iter().any(|version| VERSIONS.contains(version)) {
            let what = "a lane begins with the HELLO of a worker, in a version that we speak";
            return Err(Error::new(ErrorKind::NoCommonVersion, what, ""));
        }
        let Ok([pidfd]) = <[OwnedFd; 1]>::try_from(fds) else {
            return Err(Error::new(ErrorKind::DescriptorCount, "HELLO comes with one pidfd", ""));
        };
        check_pidfd(&pidfd, 0)?;
        let system = |call: &'static str| move |error| Error::system(call, &error);
        let ledger = SharedLedger::create(SLOTS).map_err(system("memfd_create"))?;
        let copy = ledger.descriptor().try_clone_to_owned().map_err(system("dup"))?;
        let own = process::own_pidfd().map_err(system("pidfd_open"))?;
        let peer = Peer { pid: hello.pid, program: hello.program, runtime: hello.runtime, generation: 0 };
        let reads =
            hello.reads.into_iter().map(|r| Reads { protocol: r.protocol, versions: r.versions }).collect();
        out.watch(Some(pidfd.as_fd()), self.token + 1)?;
        let End::Awaiting(link) = &mut self.end else { return Ok(()) };
        // Nothing is lost with the empty link that takes its place for a moment.
        let mut link = std::mem::replace(link, Link::closed(fault::Role::Predecessor));
        let welcome = Welcome {
            version: 1,
            attempt: hello.attempt,
            connections,
            pid: std::process::id(),
            program: out.config.program.clone(),
            runtime: out.config.runtime.clone(),
            ..Welcome::default()
        };
        link.queue(Message::Welcome(welcome), vec![own, copy]);
        let down = Down::new(link, ledger, pidfd, peer, reads, hello.free_descriptors);
        self.end = End::Offers(Box::new(down), Offering::default());
        Ok(())
    }
}

/// What became of a connection that was lent, as the application hears it.
fn told(tell: Tell, down: &mut Down, progress: &mut Progress) -> Option<Queued> {
    let (slot, why) = match tell {
        Tell::Settled(slot) => return down.settled(slot, progress).map(Queued::Settled),
        Tell::Refused(slot) => (slot, Returned::Refused),
        Tell::TakenBack(slot) => (slot, Returned::TakenBack),
        _ => return None,
    };
    let connection = down.returned(slot, progress)?;
    Some(Queued::Event(Box::new(Event::Returned(connection, why))))
}

/// Sends what is queued. Whether to try again a little later; whoever is gone is seen by its death or end-of-file.
pub(super) fn flush(link: &mut Link, token: u64, out: &Outside) -> bool {
    matches!(flush_link(link, token, out), Ok(Flushed::Later))
}
