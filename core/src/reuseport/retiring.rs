//! How a group's sockets leave without a loss: all that is new is steered to the successor's, what was on its way to ours is
//! waited for and accepted, and then one of ours after the other is closed.

use super::group::{Group, Ours, system};
use super::order::Order;
use super::probing;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::inet;
use crate::sys::poll::Epoll;
use crate::sys::reuseport::{self as sys, Slots, Spread};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long is waited for the slowest handshake, where nothing else is said: SYN-ACKs are sent again after 1 and 3 seconds
/// (RFC 6298), so two that get lost in a row are within it.
pub const WAIT: Duration = Duration::from_secs(5);

/// How soon one looks again where something could not be accepted, for lack of descriptors as a rule.
const AGAIN: Duration = Duration::from_millis(10);
/// How often one looks whether a predecessor has left, or a copy is closed.
const LOOK: Duration = Duration::from_millis(50);
/// How long somebody may hold a copy of a socket that was closed: from fork to exec every child does.
const UNTIL_EXEC: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Retiring {
    wait: Duration,
    /// Who of theirs was there at the last steering.
    theirs: BTreeSet<u64>,
    /// When whatever was on its way to us at the last steering has arrived; none: never.
    until: Option<Instant>,
    /// Whose the slots were at the last steering, and what we closed since.
    order: Order,
    /// Something may have come to ours since the last steering: it has to be steered and waited for again.
    exposed: bool,
    closed: BTreeSet<u64>,
    /// Since when there are copies of what we closed.
    copied: Option<Instant>,
    waits: u32,
}

/// What is next while a group retires: see [`Group::step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Serve all sockets as ever, and call again at this time or later (none: never, since the wait is for ever).
    Wait(Option<Instant>),
    /// Accept from (UDP: read from) the socket of this index until that would block, then call again.
    Accept(usize),
    /// The socket of this index was closed: it is to leave your poller, and copies of it are to be closed before you call
    /// again. A poller from which it cannot be taken any more (epoll after the close) has forgotten it with the last copy.
    Closed(usize),
    /// Nothing of ours is left.
    Done(Retired),
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired {
    /// How many of our sockets were closed.
    pub closed: usize,
    /// How many of the successor's stay.
    pub successors: usize,
    /// How often was waited: once, again whenever the group's members changed, and once more where one socket of a
    /// successor's takes the place of several.
    pub waits: u32,
}

impl Group {
    /// Takes our sockets out of the group while those of a successor, `successors` at least, stay: nobody is refused, reset
    /// or left in a queue. Blocks until all is done, `wait` and a little more (none: [`WAIT`]); where a predecessor of ours
    /// has not left yet, first until it has, for it steers the group.
    ///
    /// `serve` is called with a socket from which something can be accepted (UDP: read): let it do so until that would
    /// block. Meanwhile nobody else may accept from them, unless he stops when his copy is to be closed: for accept loops
    /// that go on there is [`start_retiring`](Group::start_retiring). A `wait` shorter than the slowest handshake loses that one;
    /// on UDP there is none, so 0 will do.
    ///
    /// # Errors
    /// As [`start_retiring`](Group::start_retiring), but for `Busy`, and [`step`](Group::step).
    pub fn retire(
        &mut self,
        successors: usize,
        wait: Option<Duration>,
        mut serve: impl FnMut(BorrowedFd<'_>),
    ) -> Result<Retired> {
        while let Err(error) = self.start_retiring(successors, wait) {
            if error.kind() != ErrorKind::Busy {
                return Err(error);
            }
            self.serve_until(Some(Instant::now() + LOOK), &mut serve)?;
        }
        loop {
            match self.step()? {
                Step::Wait(until) => self.serve_until(until, &mut serve)?,
                Step::Accept(index) => {
                    self.socket(index).into_iter().for_each(|socket| serve_one(socket, &mut serve));
                }
                Step::Closed(_) => {}
                Step::Done(retired) => return Ok(retired),
            }
        }
    }

    /// Begins to retire, for callers with accept loops or pollers of their own: from here on everything new goes to the
    /// successor's sockets, `successors` at least. Then call [`step`](Group::step) until [`Step::Done`]. Does not block,
    /// but for the moment (milliseconds at most, as a rule) that it takes to find out which socket is where: packets are
    /// sent over loopback that no application sees. On UDP, successors that joined while a predecessor of ours was there
    /// may read an empty datagram.
    ///
    /// # Errors
    /// Nothing was changed, and we serve on, after each: `PeerGone`: the kernel lists fewer sockets of others at the address
    /// (bound with SO_REUSEPORT, by the same user). `Busy`: a predecessor of ours has not left yet. `WrongState`: begun
    /// already; or which socket is where cannot be found out: ours have filters, or loopback is down or closed to us.
    /// `InvalidArgument`: no successors. `System`.
    pub fn start_retiring(&mut self, successors: usize, wait: Option<Duration>) -> Result<()> {
        let serving = "nothing was changed, and all of ours serve on";
        if successors == 0 {
            return Err(Error::new(ErrorKind::InvalidArgument, "a successor without sockets", serving));
        }
        if self.retiring.is_some() {
            return Err(Error::new(ErrorKind::WrongState, "the group retires already", "call step"));
        }
        let theirs = self.others()?;
        let elders = theirs.intersection(&self.elders).count();
        if elders > 0 {
            let what = format!("{elders} sockets at {} were there before ours", self.words());
            let now = format!("{serving}; let who has them leave first (`ss -lnp`), then call again");
            return Err(Error::new(ErrorKind::Busy, what, now));
        }
        let found = theirs.len();
        if found < successors {
            let what = format!("{} has {found} sockets beside ours, not {successors}", self.words());
            let now = format!(
                "{serving}; the successor binds with SO_REUSEPORT, as the same user, then call again"
            );
            return Err(Error::new(ErrorKind::PeerGone, what, now));
        }
        self.retiring = Some(Retiring {
            wait: wait.unwrap_or(WAIT),
            until: None,
            order: self.look(found, serving).inspect_err(|_| self.spread())?,
            theirs,
            exposed: false,
            closed: BTreeSet::new(),
            copied: None,
            waits: 0,
        });
        self.steer_to_theirs().inspect_err(|_| self.stay())
    }

    /// What to do next. Looks at who is in the group first: whoever joined or left meanwhile, all is steered and waited for
    /// again. Does not block, but for a look at the slots as in [`start_retiring`](Group::start_retiring) if somebody left.
    ///
    /// # Errors
    /// `WrongState`: not begun; somebody holds a copy of a socket that was closed, for longer than a second (from fork to
    /// exec a child does): close it, then call again; or one cannot find out which socket is where: those of ours that are
    /// not closed yet serve on, call again. `PeerGone`: nothing is left of a successor's: those of ours that are not closed
    /// yet serve on, and one can begin again. `System` (no descriptor was left, for instance): call again.
    pub fn step(&mut self) -> Result<Step> {
        let theirs = self.others()?;
        let here = self.words();
        let Some(retiring) = &mut self.retiring else {
            return Err(Error::new(
                ErrorKind::WrongState,
                "the group does not retire",
                "start_retiring first",
            ));
        };
        let copies = retiring.closed.intersection(&theirs).count();
        if copies > 0 {
            if retiring.copied.get_or_insert_with(Instant::now).elapsed() < UNTIL_EXEC {
                return Ok(Step::Wait(Some(Instant::now() + LOOK)));
            }
            let what = format!(
                "{copies} sockets at {here} were closed, and somebody has copies of them (dup, fork)"
            );
            let now = "whoever waits in their queues can still be accepted there; close the copies, then call again";
            return Err(Error::new(ErrorKind::WrongState, what, now));
        }
        retiring.copied = None;
        if self.sockets.is_empty() {
            let (closed, waits) = (retiring.closed.len(), retiring.waits);
            return Ok(Step::Done(Retired { closed, successors: theirs.len(), waits }));
        }
        if theirs.is_empty() {
            return Err(self.abandoned());
        }
        if theirs != retiring.theirs || retiring.exposed {
            self.follow(theirs)?;
            return Ok(Step::Wait(self.retiring.as_ref().and_then(|retiring| retiring.until)));
        }
        if retiring.until.is_none_or(|until| Instant::now() < until) {
            return Ok(Step::Wait(retiring.until));
        }
        let closing = retiring.order.closing();
        let leaving = closing.and_then(|closing| retiring.order.at(closing.slot).zip(Some(closing)));
        let place = |index| self.sockets.iter().position(|ours| ours.index == index);
        let Some((place, closing)) = leaving.and_then(|(index, closing)| place(index).zip(Some(closing)))
        else {
            return Err(self.abandoned());
        };
        let index = self.sockets[place].index;
        if inet::is_readable(self.sockets[place].socket.as_fd()).map_err(system("poll"))? {
            return Ok(Step::Accept(index));
        }
        self.steer(closing.slots)?;
        let inode = self.sockets.remove(place).inode;
        if let Some(retiring) = &mut self.retiring {
            retiring.order.closed(closing.slot);
            retiring.exposed = closing.exposed;
            retiring.closed.insert(inode);
        }
        Ok(Step::Closed(index))
    }

    /// Who is in the group changed: `theirs` are there.
    fn follow(&mut self, theirs: BTreeSet<u64>) -> Result<()> {
        let left = self.retiring.as_ref().is_some_and(|retiring| !retiring.theirs.is_subset(&theirs));
        // The last one moved into the slot of whoever left, and which that was nobody can tell.
        let looked = left.then(|| self.look(theirs.len(), "those of ours that are not closed serve on"));
        let looked = looked.transpose()?;
        if let Some(retiring) = &mut self.retiring {
            match looked {
                Some(order) => retiring.order = order,
                None => retiring.order.joined(theirs.len()),
            }
            retiring.theirs = theirs;
        }
        self.steer_to_theirs()
    }

    /// Whose the slots are, with so many of theirs. Leaves the group steered to one of them.
    fn look(&self, theirs: usize, state: &'static str) -> Result<Order> {
        let ours: Vec<_> = self.sockets.iter().map(|ours| ours.socket.as_fd()).collect();
        let slots = probing::order(&ours, ours.len() + theirs, &self.address, self.udp).map_err(|error| {
            let what = format!("which socket at {} is where cannot be found out: {error}", self.words());
            Error::new(ErrorKind::WrongState, what, state)
        })?;
        let index = |place: usize| self.sockets.get(place).map(|ours| ours.index);
        let mut order = Order::new(slots.into_iter().map(|place| place.and_then(index)).collect());
        order.joined(theirs);
        Ok(order)
    }

    /// Steers to theirs, and begins to wait.
    fn steer_to_theirs(&mut self) -> Result<()> {
        let slots = self.retiring.as_ref().and_then(|retiring| retiring.order.theirs());
        slots.map_or(Ok(()), |slots| self.steer(slots))?;
        if let Some(retiring) = &mut self.retiring {
            retiring.until = Instant::now().checked_add(retiring.wait);
            retiring.exposed = false;
            retiring.waits += 1;
        }
        Ok(())
    }

    fn serve_until(&self, until: Option<Instant>, serve: &mut impl FnMut(BorrowedFd<'_>)) -> Result<()> {
        let epoll = Epoll::new().map_err(system("epoll_create1"))?;
        for (index, socket) in self.sockets() {
            epoll.add(socket, index as u64, false).map_err(system("epoll_ctl"))?;
        }
        let mut ready = Vec::new();
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(());
            }
            ready.clear();
            epoll.wait(&mut ready, left).map_err(system("epoll_wait"))?;
            for (index, _) in &ready {
                self.socket(*index as usize).into_iter().for_each(|socket| serve_one(socket, serve));
            }
        }
    }

    fn steer(&self, slots: Slots) -> Result<()> {
        let spread = if self.udp { Spread::Flow } else { Spread::Random };
        let steer = |ours: &Ours| sys::steer(ours.socket.as_fd(), slots, spread);
        self.sockets.first().map_or(Ok(()), steer).map_err(system("setsockopt SO_ATTACH_REUSEPORT_CBPF"))
    }

    /// Of the successor's sockets none is left.
    fn abandoned(&mut self) -> Error {
        self.stay();
        let what = format!("nothing is left of the successor's sockets at {}", self.words());
        let now = format!("{} of ours serve on; begin again with another successor", self.sockets.len());
        Error::new(ErrorKind::PeerGone, what, now)
    }

    /// The retirement is off.
    fn stay(&mut self) {
        self.retiring = None;
        self.spread();
    }

    /// The kernel spreads over all again.
    fn spread(&self) {
        self.sockets.first().into_iter().for_each(|ours| drop(sys::unsteer(ours.socket.as_fd())));
    }
}

impl Drop for Group {
    /// A group that is dropped half-way leaves no steering to slots that are no longer there.
    fn drop(&mut self) {
        if self.retiring.is_some() {
            self.stay();
        }
    }
}

/// Lets the caller accept; where it could not, gives it a moment to become able to.
fn serve_one(socket: BorrowedFd<'_>, serve: &mut impl FnMut(BorrowedFd<'_>)) {
    serve(socket);
    if inet::is_readable(socket).unwrap_or(false) {
        sleep(AGAIN);
    }
}

#[cfg(test)]
#[path = "tests/retiring.rs"]
mod tests;
