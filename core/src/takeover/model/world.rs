//! Three processes that run the real engine, on a kernel made of plain values: shared words, sockets with queues, pidfds.
//!
//! 0 is the first owner, 1 its successor, 2 the third generation, which joins whoever serves the path. Every process may
//! be delayed for any time at any step (that is what a stop is), be killed at any step, and fire any timer at any time.

use super::kernel::{Cell8, DeedCell, End, Link, Message, Words};
use crate::ownership::{Ledger, Word};
use crate::takeover::actions::{Action, Durations, Say, Side, Standing, Step, Tell, Timer};
use crate::takeover::engine::Engine;
use crate::takeover::predecessor::FromSuccessor;
use crate::takeover::rules::{Rule, Rules};
use crate::takeover::successor::FromPredecessor;
use std::cell::Cell;

pub(super) const PROCESSES: usize = 3;
/// Words of a ledger: a connection can be offered twice on a link.
pub(super) const SLOTS: usize = 3;

/// What one run lets happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub connections: usize,
    pub third: bool,
    pub kills: u8,
    /// Which timers fire, at any time that they are set; without any the applications do not hesitate.
    pub timers: &'static [Timer],
    /// How many messages a queue holds.
    pub queue: usize,
    /// How often a connection may be offered on one link.
    pub offers: u8,
    /// Whether the successor's application refuses, gives up, or an owner leaves for good.
    pub refusals: bool,
    pub give_ups: bool,
    pub leaves_for_good: bool,
    /// Whether a predecessor may take back a single offer while it goes on offering.
    pub withdrawals: bool,
    /// Whether an owner may close the link to its living predecessor.
    pub breaks: bool,
    /// Whether a queue that is unserved is noticed.
    pub hang: bool,
    pub rules: Rules,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Life {
    Unborn,
    Alive,
    Killed,
    Exited,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub life: Life,
    pub engine: Engine,
    pub up: Option<usize>,
    pub down: Option<usize>,
    pub uses: [bool; 2],
    /// Frozen for this slot of the link down.
    pub frozen: [Option<u8>; 2],
    /// Offers in the application's hands.
    pub offers: Vec<u8>,
    /// The application's own copies of the listeners.
    pub listeners: bool,
    /// Newcomers are answered here.
    pub serves: bool,
    pub drain_taken: bool,
    pub complete: bool,
    pub done: bool,
    pub leaving: bool,
    pub told_dead_up: bool,
    pub told_dead_down: bool,
    pub idle: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub deed: DeedCell,
    pub links: Vec<Link>,
    pub processes: [Process; PROCESSES],
    pub kills: u8,
    /// The connection may be lost: its only possible user died, or ended it.
    pub excused: [bool; 2],
    pub fault: Option<&'static str>,
}

/// How a step counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It happens sooner or later, unless its process is stopped for ever.
    Must,
    /// It may happen or not.
    May,
    /// A timer that is set: it fires sooner or later.
    Time,
    Fault,
}

/// Something that one process does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Engine,
    ReadUp,
    ReadDown,
    UpDied,
    DownDied,
    Fire(Side, Timer),
    Back,
    Ready,
    Offer(u8),
    /// Takes back the offer in this slot.
    Withdraw(u8),
    Send,
    Complete,
    Adopt(u8),
    Refuse(u8),
    Unserved,
    Leave,
    /// An owner finds its predecessor breaking the protocol, and closes the link.
    Break,
    Exit,
    Join,
    Kill,
    Answer,
}

impl World {
    pub(super) fn new(setup: &Setup) -> World {
        let durations = Durations { handshake: 1, ready: 2, commit: 3, drain: 9, probation: 5 };
        let process = |number: usize| {
            let engine = match number {
                0 => Engine::first(durations, setup.rules),
                _ => Engine::newcomer(durations, setup.rules, 0),
            };
            Process {
                life: if number == 0 { Life::Alive } else { Life::Unborn },
                engine,
                up: None,
                down: None,
                uses: [number == 0 && setup.connections > 0, number == 0 && setup.connections > 1],
                frozen: [None; 2],
                offers: Vec::new(),
                listeners: number == 0,
                serves: number == 0,
                drain_taken: false,
                complete: false,
                done: false,
                leaving: false,
                told_dead_up: false,
                told_dead_down: false,
                idle: true,
            }
        };
        let mut world = World {
            deed: DeedCell(Cell::new((1, 1))),
            links: Vec::new(),
            processes: std::array::from_fn(process),
            kills: 0,
            excused: [setup.connections < 1, setup.connections < 2],
            fault: None,
        };
        world.processes[0].engine.ready(0);
        world.join(1, 0);
        world.look_whether_idle(0);
        world.look_whether_idle(1);
        world
    }

    pub(super) fn alive(&self, k: usize) -> bool {
        self.processes[k].life == Life::Alive
    }

    /// Whether `k` accepts connections.
    pub(super) fn accepts(&self, k: usize) -> bool {
        self.alive(k) && self.processes[k].listeners && self.processes[k].engine.service.accepting
    }

    /// Whether `k` has the listeners, its application's copies or the library's.
    pub(super) fn holds(&self, k: usize) -> bool {
        self.alive(k) && (self.processes[k].listeners || self.processes[k].engine.service.holds)
    }

    fn join(&mut self, newcomer: usize, owner: usize) {
        let number = self.links.len();
        self.links.push(Link {
            predecessor: owner,
            successor: newcomer,
            ledger: Words(Default::default(), Cell8::default()),
            up: End { open: true, ..End::default() },
            down: End { open: true, ..End::default() },
            of_slot: [None; SLOTS],
            offered: [0; 2],
            times: [0; SLOTS],
            in_hand: [0; SLOTS],
            stale: [false; SLOTS],
        });
        self.processes[newcomer].life = Life::Alive;
        self.processes[newcomer].up = Some(number);
        self.processes[owner].down = Some(number);
        self.processes[owner].told_dead_down = false;
        self.processes[owner].complete = false;
        self.processes[owner].done = false;
        self.processes[owner].engine.welcome(newcomer as u32 + 1, 0);
    }

    /// Everything that can happen next.
    pub(super) fn moves(&self, setup: &Setup) -> Vec<(usize, Move, Kind)> {
        let mut moves = Vec::new();
        for k in (0..PROCESSES).filter(|k| self.alive(*k)) {
            self.moves_of(k, setup, &mut moves);
        }
        if setup.third && self.processes[2].life == Life::Unborn {
            for owner in 0..2 {
                let process = &self.processes[owner];
                if self.alive(owner) && process.serves && process.engine.welcomes() {
                    moves.push((owner, Move::Join, Kind::May));
                }
            }
        }
        moves
    }

    fn moves_of(&self, k: usize, setup: &Setup, moves: &mut Vec<(usize, Move, Kind)>) {
        let process = &self.processes[k];
        let mut can = |what: Move, kind: Kind| moves.push((k, what, kind));
        if self.kills < setup.kills {
            can(Move::Kill, Kind::Fault);
        }
        if !process.idle {
            // The handle runs the engine until it is idle before it looks at anything else.
            return can(Move::Engine, Kind::Must);
        }
        let mut engine_up_is_read = true;
        if let Some(link) = process.up.filter(|_| process.engine.up.is_some()).map(|up| &self.links[up]) {
            let end = &link.down;
            let readable = end.open && (end.reset || end.shut || !end.queue.is_empty() || !link.up.open);
            if readable {
                engine_up_is_read = false;
                can(Move::ReadUp, Kind::Must);
            }
            if !self.alive(link.predecessor) && !process.told_dead_up && !readable {
                can(Move::UpDied, Kind::Must);
            }
        }
        if let Some(link) =
            process.down.filter(|_| process.engine.down.is_some()).map(|down| &self.links[down])
        {
            let readable = link.up.open && (link.up.reset || !link.up.queue.is_empty() || !link.down.open);
            if readable {
                can(Move::ReadDown, Kind::Must);
            }
            if !self.alive(link.successor) && !process.told_dead_down {
                can(Move::DownDied, Kind::Must);
            }
        }
        if self.can_send(k, setup, true) {
            can(Move::Send, Kind::Must);
        }
        for (side, timer, _) in process.engine.timers().filter(|(_, timer, _)| setup.timers.contains(timer)) {
            can(Move::Fire(side, timer), Kind::Time);
        }
        if process.leaving {
            // `close` reads the link up to its end before it returns.
            if engine_up_is_read {
                can(Move::Exit, Kind::Must);
            }
            return;
        }
        self.moves_of_application(k, setup, &mut can);
    }

    fn moves_of_application(&self, k: usize, setup: &Setup, can: &mut impl FnMut(Move, Kind)) {
        let process = &self.processes[k];
        let engine = &process.engine;
        if process.drain_taken {
            can(Move::Back, Kind::Must);
        }
        let warming_up = engine.up.as_ref().is_some_and(|up| up.is_warming_up());
        if k > 0 && !engine.service.ready && (warming_up || engine.service.standing == Standing::Owner) {
            can(Move::Ready, Kind::Must);
        }
        if let Some(down) = engine.down.as_ref().filter(|down| down.told_drain() && !process.drain_taken) {
            let link = &self.links[process.down.unwrap()];
            let free = (0..SLOTS).any(|slot| link.ledger.read(slot as u32) == Word::Free);
            let mut left = false;
            for c in (0..setup.connections).filter(|c| process.uses[*c]) {
                if down.takes_offers() && free && link.offered[c] < setup.offers {
                    // Without timers nothing else would end an application's hesitation.
                    can(Move::Offer(c as u8), if setup.timers.is_empty() { Kind::Must } else { Kind::May });
                    left |= link.offered[c] == 0;
                }
            }
            for slot in process.frozen.iter().flatten().filter(|_| setup.withdrawals && down.takes_offers()) {
                can(Move::Withdraw(*slot), Kind::May);
            }
            if !process.complete && !left && process.frozen == [None; 2] {
                can(Move::Complete, Kind::Must);
            }
        }
        for slot in &process.offers {
            can(Move::Adopt(*slot), Kind::Must);
            if setup.refusals {
                can(Move::Refuse(*slot), Kind::May);
            }
        }
        if engine.up.as_ref().is_some_and(|up| up.owes_answer()) {
            can(Move::Answer, Kind::Must);
        }
        let in_between = matches!(engine.service.standing, Standing::Doubt | Standing::Handed);
        if setup.hang
            && setup.rules.hold(Rule::ShareWhenHung)
            && in_between
            && engine.service.holds
            && !engine.service.accepting
        {
            // May happen wrongly too; `judge` knows when it is sure to happen.
            can(Move::Unserved, Kind::May);
        }
        let newcomer = matches!(engine.service.standing, Standing::Newcomer);
        // `open` gives up when the predecessor does not answer, or is gone before anything was in hand.
        if newcomer && engine.up.as_ref().is_none_or(|up| up.is_leaving()) {
            can(Move::Leave, Kind::Must);
        } else if setup.give_ups && k > 0 && newcomer {
            can(Move::Leave, Kind::May);
        }
        let owner = engine.service.standing == Standing::Owner && engine.service.ready;
        if setup.leaves_for_good && owner && (k > 0 || self.links.len() > 1 || engine.down.is_none()) {
            can(Move::Leave, Kind::May);
        }
        if process.done {
            can(Move::Leave, Kind::May);
        }
        let quiet =
            process.up.is_some_and(|up| self.links[up].down.open && self.links[up].down.queue.is_empty());
        if setup.breaks && owner && quiet && engine.up.as_ref().is_some_and(|up| !up.is_leaving()) {
            can(Move::Break, Kind::May);
        }
        if !setup.rules.hold(Rule::NoOfferLeftBehind)
            && process.complete
            && engine.service.standing == Standing::Handed
        {
            can(Move::Leave, Kind::May);
        }
    }

    /// Whether the engine has nothing to do is its own affair: others cannot change it.
    fn look_whether_idle(&mut self, k: usize) {
        let process = &self.processes[k];
        let ledger = |link: Option<usize>| link.map(|link| self.links[link].ledger.clone());
        let (deed, up, down) = (self.deed.clone(), ledger(process.up), ledger(process.down));
        let step = process.engine.clone().step(Some(&deed), up.as_ref(), down.as_ref(), 0);
        self.processes[k].idle = step == Step::Idle;
    }

    fn engine_step(&mut self, k: usize) -> Step {
        let (up, down) = (self.processes[k].up, self.processes[k].down);
        let up_ledger = up.map(|up| self.links[up].ledger.clone());
        let down_ledger = down.map(|down| self.links[down].ledger.clone());
        let step =
            self.processes[k].engine.step(Some(&self.deed), up_ledger.as_ref(), down_ledger.as_ref(), 0);
        if let (Some(up), Some(ledger)) = (up, up_ledger) {
            self.links[up].ledger = ledger;
        }
        if let (Some(down), Some(ledger)) = (down, down_ledger) {
            self.links[down].ledger = ledger;
        }
        step
    }

    fn can_send(&self, k: usize, setup: &Setup, alone: bool) -> bool {
        let process = &self.processes[k];
        let sendable = |mine: &End, theirs: &End| {
            (alone || !matches!(mine.outbox.front(), Some(Message::Offer(..) | Message::Listeners)))
                && mine.open
                && !mine.outbox.is_empty()
                && (!theirs.open || theirs.shut || theirs.queue.len() < setup.queue)
        };
        process.up.is_some_and(|up| sendable(&self.links[up].down, &self.links[up].up))
            || process.down.is_some_and(|down| sendable(&self.links[down].up, &self.links[down].down))
    }

    /// Does `what`, and then whatever only `k` itself can see.
    pub(super) fn act(&mut self, k: usize, what: Move, setup: &Setup) {
        self.do_it(k, what, setup);
        self.look_whether_idle(k);
        // What nobody else can see need not be a step of its own: whatever comes between could come before or after.
        // A message goes out at once where there is room, but for OFFER, whose word was visible before, and LISTENERS, which
        // may stay out although WELCOME went.
        loop {
            if !self.processes[k].idle && self.processes[k].engine.next_is_private() {
                self.step_engine(k, setup);
            } else if self.can_send(k, setup, false) {
                self.send(k, setup);
            } else {
                break;
            }
            self.look_whether_idle(k);
        }
        if what == Move::Join {
            self.look_whether_idle(2);
        }
    }

    fn do_it(&mut self, k: usize, what: Move, setup: &Setup) {
        match what {
            Move::Engine => self.step_engine(k, setup),
            Move::ReadUp => self.read_up(k),
            Move::ReadDown => self.read_down(k),
            Move::UpDied => {
                self.processes[k].told_dead_up = true;
                self.with_up(k, |up, context| up.died(context));
            }
            Move::DownDied => {
                self.processes[k].told_dead_down = true;
                self.processes[k]
                    .engine
                    .with(0, |_, down, context| down.as_mut().map(|down| down.died(context)));
            }
            Move::Fire(side, timer) => self.processes[k].engine.fire(side, timer, 0),
            Move::Back => {
                self.processes[k].drain_taken = false;
                self.processes[k]
                    .engine
                    .with(0, |_, down, context| down.as_mut().map(|down| down.stopped(context)));
            }
            Move::Ready => {
                self.processes[k].listeners = true;
                self.processes[k].engine.ready(0);
            }
            Move::Offer(c) => self.offer(k, c as usize),
            Move::Withdraw(slot) => {
                let number = self.processes[k].down.unwrap();
                let ledger = self.links[number].ledger.clone();
                self.processes[k].engine.with(0, |_, down, context| {
                    down.as_mut().map(|down| down.withdraw(slot.into(), &ledger, context))
                });
                self.links[number].ledger = ledger;
            }
            Move::Send => self.send(k, setup),
            Move::Complete => {
                self.processes[k].complete = true;
                self.processes[k].engine.migrated_all(0);
            }
            Move::Adopt(slot) => self.adopt(k, slot),
            Move::Refuse(slot) => self.refuse(k, slot),
            Move::Unserved => self.processes[k].engine.unserved(0),
            Move::Answer => self.with_up(k, |up, context| up.answer(context)),
            Move::Leave => {
                let process = &mut self.processes[k];
                process.leaving = true;
                process.listeners = false;
                process.engine.leave();
            }
            Move::Break => self.with_up(k, |up, context| up.broke(context)),
            Move::Exit => self.end(k, Life::Exited),
            Move::Kill => {
                self.kills += 1;
                self.end(k, Life::Killed);
            }
            Move::Join => self.join(2, k),
        }
    }

    fn with_up<R>(
        &mut self,
        k: usize,
        f: impl FnOnce(
            &mut crate::takeover::successor::Successor,
            &mut crate::takeover::actions::Context<'_>,
        ) -> R,
    ) {
        self.processes[k].engine.with(0, |up, _, context| up.as_mut().map(|up| f(up, context)));
    }

    /// One step of the engine.
    fn step_engine(&mut self, k: usize, setup: &Setup) {
        match self.engine_step(k) {
            Step::Act(action) => self.carry_out(k, action, setup.rules),
            Step::Moved | Step::Idle => {}
        }
    }

    fn carry_out(&mut self, k: usize, action: Action, rules: Rules) {
        let process = &mut self.processes[k];
        match action {
            Action::Send(side, say) => {
                let message = match say {
                    Say::Welcome => Message::Welcome {
                        owner: process.engine.service.me,
                        epoch: process.engine.service.epoch,
                        attempt: process.engine.down.as_ref().map_or(0, |down| down.attempt()),
                    },
                    Say::Listeners => Message::Listeners,
                    Say::ListenersAck => Message::ListenersAck,
                    Say::Ready => Message::Ready,
                    Say::Draining => {
                        process.serves &= !rules.hold(Rule::DoubtWelcomesNobody);
                        Message::Draining
                    }
                    Say::Last => Message::Last,
                    Say::Answer => Message::Answer,
                    Say::Hung => Message::Hung,
                };
                if let Some(end) = self.end_of(k, side).filter(|end| end.open) {
                    end.outbox.push_back(message);
                }
            }
            Action::Close(side) => self.close(k, side),
            Action::ShutReading(side) => {
                if let Some(end) = self.end_of(k, side) {
                    end.shut = true;
                }
            }
            Action::TurnDown(slot) => self.refuse(k, slot as u8),
            Action::LookUp => self.look_up(k),
            Action::CloseService | Action::Retire => process.serves = false,
            Action::Serve => process.serves = true,
            Action::Tell(tell) => self.tell(k, tell),
        }
    }

    /// Whether the predecessor lives; what it said before it died comes first.
    fn look_up(&mut self, k: usize) {
        let Some(number) = self.processes[k].up else { return };
        if self.alive(self.links[number].predecessor) {
            return self.with_up(k, |up, context| up.lives(context));
        }
        while !self.links[number].down.queue.is_empty() {
            self.read_up(k);
        }
        self.processes[k].told_dead_up = true;
        self.with_up(k, |up, context| up.died(context));
    }

    /// Our own end of a link: what we read from, and our outbox.
    fn end_of(&mut self, k: usize, side: Side) -> Option<&mut End> {
        match side {
            Side::Up => self.processes[k].up.map(|up| &mut self.links[up].down),
            Side::Down => self.processes[k].down.map(|down| &mut self.links[down].up),
        }
    }

    fn close(&mut self, k: usize, side: Side) {
        let Some(number) = (match side {
            Side::Up => self.processes[k].up,
            Side::Down => self.processes[k].down,
        }) else {
            return;
        };
        let link = &mut self.links[number];
        let (mine, theirs) = match side {
            Side::Up => (&mut link.down, &mut link.up),
            Side::Down => (&mut link.up, &mut link.down),
        };
        theirs.reset |= mine.open && theirs.open && !mine.queue.is_empty();
        *mine = End::default();
    }

    fn send(&mut self, k: usize, setup: &Setup) {
        for side in [Side::Up, Side::Down] {
            let Some(number) = (match side {
                Side::Up => self.processes[k].up,
                Side::Down => self.processes[k].down,
            }) else {
                continue;
            };
            let link = &mut self.links[number];
            let (mine, theirs) = match side {
                Side::Up => (&mut link.down, &mut link.up),
                Side::Down => (&mut link.up, &mut link.down),
            };
            if !theirs.open || theirs.shut {
                mine.outbox.clear();
            } else if theirs.queue.len() < setup.queue
                && let Some(message) = mine.outbox.pop_front()
            {
                theirs.queue.push_back(message);
                return;
            }
        }
    }

    fn read_up(&mut self, k: usize) {
        let Some(number) = self.processes[k].up else { return };
        let past_reset = self.processes[k].engine.reads_past_reset();
        let dead = !self.alive(self.links[number].predecessor);
        let end = &mut self.links[number].down;
        if std::mem::take(&mut end.reset) && !past_reset {
            end.queue.clear();
        } else if let Some(message) = end.queue.pop_front() {
            self.predecessor_said(k, message)
        } else if !self.links[number].up.open || self.links[number].down.shut {
            if dead {
                self.processes[k].told_dead_up = true;
            }
            self.with_up(k, |up, context| if dead { up.died(context) } else { up.end_of_file(context) });
        }
    }

    fn predecessor_said(&mut self, k: usize, message: Message) {
        let said = match message {
            Message::Welcome { owner, epoch, attempt } => FromPredecessor::Welcome { owner, epoch, attempt },
            Message::Listeners => FromPredecessor::Listeners { complete: true },
            Message::Draining => FromPredecessor::Draining,
            Message::Hung => FromPredecessor::Hung,
            Message::Offer(slot, time) => {
                let link = self.processes[k].up.unwrap();
                self.links[link].in_hand[slot as usize] = time;
                return self.with_up(k, |up, context| {
                    if !up.offered(&[slot.into()], false, context) {
                        up.broke(context);
                    }
                });
            }
            Message::Last => return self.with_up(k, |up, context| assert!(up.offered(&[], true, context))),
            _ => unreachable!("a successor's message"),
        };
        self.with_up(k, |up, context| {
            assert!(up.said(said, context), "{said:?}");
            up.checked(context);
        });
    }

    fn read_down(&mut self, k: usize) {
        let Some(number) = self.processes[k].down else { return };
        let past_reset = self.processes[k].engine.reads_past_reset();
        let end = &mut self.links[number].up;
        if std::mem::take(&mut end.reset) && !past_reset {
            end.queue.clear();
        } else if let Some(message) = end.queue.pop_front() {
            let said = match message {
                Message::ListenersAck => FromSuccessor::ListenersAck,
                Message::Ready => FromSuccessor::Ready,
                _ => FromSuccessor::Answer,
            };
            self.processes[k]
                .engine
                .with(0, |_, down, context| down.as_mut().map(|down| down.said(said, context)));
        } else if !self.links[number].down.open {
            self.processes[k]
                .engine
                .with(0, |_, down, context| down.as_mut().map(|down| down.end_of_file(context)));
        }
    }

    fn offer(&mut self, k: usize, c: usize) {
        let number = self.processes[k].down.unwrap();
        let ledger = self.links[number].ledger.clone();
        let slot = self.processes[k]
            .engine
            .with(0, |_, down, context| down.as_mut().unwrap().offer(&ledger, context));
        self.links[number].ledger = ledger;
        let Ok(slot) = slot else { return };
        let link = &mut self.links[number];
        link.offered[c] += 1;
        link.of_slot[slot as usize] = Some(c as u8);
        link.times[slot as usize] += 1;
        link.stale[slot as usize] = false;
        if link.up.open {
            link.up.outbox.push_back(Message::Offer(slot as u8, link.times[slot as usize]));
        }
        self.processes[k].uses[c] = false;
        self.processes[k].frozen[c] = Some(slot as u8);
    }

    fn adopt(&mut self, k: usize, slot: u8) {
        self.processes[k].offers.retain(|held| *held != slot);
        let number = self.processes[k].up.unwrap();
        let ledger = self.links[number].ledger.clone();
        let ours = self.processes[k]
            .engine
            .with(0, |up, _, context| up.as_mut().is_some_and(|up| up.adopt(slot.into(), &ledger, context)));
        self.links[number].ledger = ledger;
        if ours {
            let link = &mut self.links[number];
            link.stale[slot as usize] |= link.in_hand[slot as usize] != link.times[slot as usize];
            self.use_it(k, number, slot);
        }
    }

    fn refuse(&mut self, k: usize, slot: u8) {
        self.processes[k].offers.retain(|held| *held != slot);
        let number = self.processes[k].up.unwrap();
        let dead = !self.alive(self.links[number].predecessor);
        let ledger = self.links[number].ledger.clone();
        let refusal = self.processes[k]
            .engine
            .with(0, |up, _, context| up.as_mut().map(|up| up.refuse(slot.into(), dead, &ledger, context)));
        self.links[number].ledger = ledger;
        if refusal == Some(crate::takeover::hand::Refusal::Ours) {
            // Nobody is there to give it back to, and the application cannot serve it: it ends.
            let c = self.links[number].of_slot[slot as usize].unwrap();
            self.excused[c as usize] = true;
        }
    }

    /// `k` uses the connection that `slot` of `link` stands for.
    fn use_it(&mut self, k: usize, link: usize, slot: u8) {
        let Some(c) = self.links[link].of_slot[slot as usize].map(usize::from) else { return };
        if self.links[link].stale[slot as usize] {
            self.fault = Some("I2: a use after somebody else's use");
        }
        for link in &mut self.links {
            for slot in 0..SLOTS {
                if link.of_slot[slot] == Some(c as u8) {
                    link.stale[slot] = true;
                }
            }
        }
        self.processes[k].uses[c] = true;
    }

    fn tell(&mut self, k: usize, tell: Tell) {
        let process = &mut self.processes[k];
        match tell {
            Tell::Offer(slot) => process.offers.push(slot as u8),
            Tell::Drain { .. } => {
                process.drain_taken = true;
                process.complete = false;
                process.done = false;
            }
            Tell::Settled(slot) => {
                let slot = slot as u8;
                process
                    .frozen
                    .iter_mut()
                    .filter(|frozen| **frozen == Some(slot))
                    .for_each(|frozen| *frozen = None);
            }
            Tell::Refused(slot) | Tell::TakenBack(slot) => {
                let slot = slot as u8;
                process
                    .frozen
                    .iter_mut()
                    .filter(|frozen| **frozen == Some(slot))
                    .for_each(|frozen| *frozen = None);
                let number = process.down.unwrap();
                // What waits to be sent and is taken back does not go out.
                self.links[number]
                    .up
                    .outbox
                    .retain(|message| !matches!(message, Message::Offer(waiting, _) if *waiting == slot));
                self.use_it(k, number, slot);
            }
            Tell::Relieved | Tell::Aborted(_) => process.listeners = false,
            Tell::Done { .. } => process.done = true,
            Tell::Resume(_) if process.done => self.fault = Some("I6: a Resume after Done"),
            Tell::Committed | Tell::Resume(_) | Tell::Accept(_) => {}
        }
    }

    /// `k` is gone: what it used is gone with it, and what only it could have claimed.
    fn end(&mut self, k: usize, how: Life) {
        for c in 0..2 {
            let process = &self.processes[k];
            let used = process.uses[c];
            let claimable = (0..PROCESSES).any(|other| other != k && self.could_claim(other, c));
            // Killed: what nobody else can claim is gone with its only owner. Exited: only what it ended itself.
            if used || (how == Life::Killed && !claimable) {
                self.excused[c] = true;
            }
        }
        self.processes[k].life = how;
        for side in [Side::Up, Side::Down] {
            self.close(k, side);
        }
        let process = &mut self.processes[k];
        process.uses = [false; 2];
        process.frozen = [None; 2];
        process.offers.clear();
        process.listeners = false;
        process.serves = false;
        process.drain_taken = false;
    }

    /// Whether `k`, alive, uses connection `c`, has it frozen and can take it back, or can adopt it.
    fn could_claim(&self, k: usize, c: usize) -> bool {
        let process = &self.processes[k];
        if !self.alive(k) {
            return false;
        }
        if process.uses[c] {
            return true;
        }
        if let (Some(slot), Some(down)) = (process.frozen[c], process.down)
            && matches!(
                self.links[down].ledger.read(slot.into()),
                Word::Offered | Word::Refused | Word::Returned
            )
        {
            return true;
        }
        let Some(link) = process.up.map(|up| &self.links[up]) else { return false };
        (0..SLOTS as u8).any(|slot| {
            let here = link.of_slot[slot as usize] == Some(c as u8)
                && link.ledger.read(slot.into()) == Word::Offered
                && !link.stale[slot as usize];
            let told = process.offers.contains(&slot)
                || process.engine.up.as_ref().is_some_and(|up| up.holds_offer(slot.into()));
            here && (told
                || (link.down.open
                    && link.down.queue.contains(&Message::Offer(slot, link.times[slot as usize]))))
        })
    }
}
