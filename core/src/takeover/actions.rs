//! The words in which the machines speak: what is to be done, what the application is told, what is waited for, and how a
//! process stands towards the service.

use super::rules::Rules;
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
    /// We drain, and a worker of ours has not said that it stopped accepting.
    pub workers_accept: bool,
    /// We drain, and a worker of ours may still migrate, or finish, connections.
    pub workers_migrate: bool,
    /// A worker of ours may still be given connections by a worker of our predecessor.
    pub workers_receive: bool,
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
    /// Tell the successor why its attempt is off. A courtesy: what counts is the deed.
    SayWhy(Cause),
    /// Close the link; what is queued to be sent on it is dropped.
    Close(Side),
    /// shutdown(SHUT_RD): nothing more can be sent to us, what is queued can still be read.
    ShutReading(Side),
    /// Nobody will take the connection in this slot here: refuse it, if its predecessor lives.
    TurnDown(u32),
    /// Look whether the predecessor is dead, and say so to the machine of the link up: `died` or `lives`.
    LookUp,
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

    pub(crate) fn earliest(&self) -> Option<Millis> {
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
