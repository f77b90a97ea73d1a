//! Three processes that run the real engine, on a kernel made of plain values: shared words, sockets with queues, pidfds.
//!
//! 0 is the first owner, 1 its successor, 2 the third generation, which joins whoever serves the path. Every process may
//! be delayed for any time at any step (that is what a stop is), be killed at any step, and fire any timer at any time.

use super::kernel::{Cell8, DeedCell, End, Link, Words};
use crate::takeover::actions::{Durations, Side, Timer};
use crate::takeover::engine::Engine;
use crate::takeover::rules::Rules;
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

    pub(super) fn join(&mut self, newcomer: usize, owner: usize) {
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

    /// `k` is gone: what it used is gone with it, and what only it could have claimed.
    pub(super) fn end(&mut self, k: usize, how: Life) {
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
}
