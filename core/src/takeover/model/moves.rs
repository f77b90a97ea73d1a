//! What can happen next.

use super::world::{Life, PROCESSES, SLOTS, Setup, World};
use crate::ownership::{Ledger, Word};
use crate::takeover::actions::{Side, Standing, Timer};
use crate::takeover::rules::Rule;

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
}
