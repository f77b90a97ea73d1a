//! The traces that broke weaker rules, each as a test: the way is walked step by step, then everything that can follow is
//! explored. With all rules nothing breaks; without the rule that the trace taught us, something does.

use super::super::actions::{Side, Standing, Timer};
use super::super::rules::{Rule, Rules};
use super::explore::explore;
use super::moves::Move;
use super::world::{Setup, World};
use super::{LIMIT, setup};

const P: usize = 0;
const S: usize = 1;
const T: usize = 2;

struct Scene {
    world: World,
    setup: Setup,
}

impl Scene {
    /// One move, which must be possible.
    fn go(&mut self, k: usize, what: Move) {
        let moves = self.world.moves(&self.setup);
        assert!(
            moves.iter().any(|(who, can, _)| (*who, *can) == (k, what)),
            "{k} cannot {what:?}: {moves:?}"
        );
        self.world.act(k, what, &self.setup);
    }

    /// What the library of `k` does by itself, until it waits.
    fn settle(&mut self, k: usize) {
        loop {
            let by_itself = |what: &Move| {
                use Move::{Answer, DownDied, Engine, ReadDown, ReadUp, Send, UpDied};
                matches!(what, Engine | ReadUp | ReadDown | Send | Answer | UpDied | DownDied)
            };
            let moves = self.world.moves(&self.setup);
            match moves.into_iter().find(|(who, what, _)| *who == k && by_itself(what)) {
                Some((_, what, _)) => self.world.act(k, what, &self.setup),
                None => return,
            }
        }
    }

    fn settle_all(&mut self, these: &[usize]) {
        for _ in 0..8 {
            these.iter().for_each(|k| self.settle(*k));
        }
    }

    /// Listeners are checked: the successor could say READY.
    fn warm_up(&mut self, predecessor: usize, successor: usize) {
        self.settle_all(&[predecessor, successor]);
    }

    /// DRAINING is out and unread.
    fn draining(&mut self, predecessor: usize, successor: usize) {
        self.warm_up(predecessor, successor);
        self.go(successor, Move::Ready);
        self.settle_all(&[successor, predecessor]);
        let told = self.world.processes[predecessor].engine.is_draining();
        if !told {
            // Its own predecessor still gives to it, and for too long.
            self.go(predecessor, Move::Fire(Side::Down, Timer::Drain));
            self.settle(predecessor);
        }
        self.go(predecessor, Move::Back);
        self.settle(predecessor);
    }

    /// The successor owns the service.
    fn committed(&mut self, predecessor: usize, successor: usize) {
        self.draining(predecessor, successor);
        self.settle(successor);
        self.go(successor, Move::Fire(Side::Up, Timer::Commit));
        self.settle(successor);
        assert_eq!(self.world.processes[successor].engine.service.standing, Standing::Owner);
    }
}

fn walk(script: &impl Fn(&mut Scene), setup: Setup) -> Option<(&'static str, Vec<String>)> {
    // Any timer may fire on the way; which of them may afterwards, the setup says.
    let mut scene = Scene { world: World::new(&setup), setup: Setup { timers: &Timer::ALL, ..setup } };
    script(&mut scene);
    let found = explore(scene.world, &setup, LIMIT);
    assert!(!found.cut);
    println!("{} states follow", found.states);
    found.violation
}

/// Nothing breaks with all rules; something breaks without `rule`.
fn trace(rule: Rule, setup: Setup, script: impl Fn(&mut Scene)) {
    trace_holds(setup, &script);
    let without = Setup { rules: Rules { without: Some(rule) }, ..setup };
    let (what, _) = walk(&script, without).unwrap_or_else(|| panic!("nothing breaks without {rule:?}"));
    println!("without {rule:?}: {what}");
}

fn trace_holds(setup: Setup, script: impl Fn(&mut Scene)) {
    if let Some((what, way)) = walk(&script, setup) {
        panic!("{what}\n  {}", way.join("\n  "));
    }
}

fn narrow() -> Setup {
    Setup { kills: 1, give_ups: false, leaves_for_good: false, ..setup() }
}

fn with_third() -> Setup {
    Setup { third: true, refusals: false, timers: &[Timer::Commit], ..narrow() }
}

#[test]
fn a_slot_used_twice() {
    trace(Rule::SlotOnce, Setup { offers: 2, withdrawals: true, ..narrow() }, |scene| {
        scene.draining(P, S);
        scene.go(P, Move::Offer(0));
        scene.settle(P);
        scene.go(P, Move::Withdraw(0));
        scene.settle(P);
        scene.go(P, Move::Offer(0));
    });
}

#[test]
fn end_of_file_taken_for_the_predecessors_death() {
    trace(Rule::ToldEpoch, narrow(), |scene| {
        scene.warm_up(P, S);
        scene.go(P, Move::Fire(Side::Down, Timer::Ready));
        scene.settle(P);
        assert!(scene.world.alive(P));
    });
}

#[test]
fn end_of_file_taken_for_the_successors_death() {
    trace(Rule::DeathByPidfd, Setup { breaks: true, ..narrow() }, |scene| {
        scene.committed(P, S);
        scene.settle(P);
        scene.go(S, Move::Break);
        scene.settle(S);
        assert!(scene.world.alive(S));
    });
}

#[test]
fn closing_before_the_abort_swap() {
    trace(Rule::SwapBeforeClose, narrow(), |scene| {
        scene.warm_up(P, S);
        scene.go(P, Move::Fire(Side::Down, Timer::Ready));
    });
}

#[test]
fn accepting_without_the_abort_swap() {
    trace(Rule::AbortBySwap, narrow(), |scene| {
        scene.warm_up(P, S);
        scene.go(P, Move::Fire(Side::Down, Timer::Ready));
    });
}

#[test]
fn claiming_without_complete_listeners() {
    trace(Rule::CompleteListeners, narrow(), |scene| {
        // WELCOME is out, LISTENERS is not.
        scene.go(P, Move::Engine);
        scene.go(P, Move::Kill);
    });
}

#[test]
fn resuming_although_a_third_generation_owns() {
    trace(Rule::ResumeFromSuccessor, with_third(), |scene| {
        scene.committed(P, S);
        scene.settle(P);
        scene.go(S, Move::Join);
        scene.committed(S, T);
        scene.go(S, Move::Kill);
    });
}

#[test]
fn a_commit_lost_to_a_predecessor_that_aborted_and_died() {
    trace_holds(narrow(), |scene| {
        scene.draining(P, S);
        scene.settle(S);
        scene.go(P, Move::Fire(Side::Down, Timer::Commit));
        scene.go(P, Move::Engine);
        scene.go(P, Move::Kill);
        // It tries before it has heard of the death: the swap fails, it looks, and tries again.
        scene.go(S, Move::Fire(Side::Up, Timer::Commit));
        scene.go(S, Move::Engine);
        scene.go(S, Move::Engine);
        scene.settle(S);
        assert_eq!(scene.world.processes[S].engine.service.standing, Standing::Owner);
    });
}

#[test]
fn a_loser_that_closes_an_offered_connection_whose_other_holder_just_died() {
    trace(Rule::LoserAdopts, narrow(), |scene| {
        scene.draining(P, S);
        scene.go(P, Move::Offer(0));
        scene.settle(P);
        // The loser looks whether it lives: it dies after that, or there is no loser.
        scene.go(P, Move::Fire(Side::Down, Timer::Commit));
        scene.go(P, Move::Engine);
    });
}

#[test]
fn giving_up_with_unread_offers_while_the_predecessor_is_dead() {
    trace(Rule::ReadBeforeLeaving, Setup { give_ups: true, ..narrow() }, |scene| {
        scene.draining(P, S);
        scene.go(P, Move::Offer(0));
        scene.settle(P);
        scene.go(S, Move::Leave);
        scene.go(P, Move::Kill);
    });
}

#[test]
fn refused_towards_a_dead_predecessor() {
    trace(Rule::RefuseOnlyTheLiving, narrow(), |scene| {
        scene.draining(P, S);
        scene.go(P, Move::Offer(0));
        scene.settle(P);
        scene.settle(S);
        scene.go(P, Move::Kill);
    });
}

#[test]
fn a_predecessor_that_exits_with_offered_words() {
    trace(Rule::NoOfferLeftBehind, narrow(), |scene| {
        scene.committed(P, S);
        scene.settle(P);
        scene.go(P, Move::Offer(0));
        scene.settle(P);
        scene.go(P, Move::Fire(Side::Down, Timer::Drain));
    });
}

#[test]
fn econnreset_taken_for_the_end() {
    trace(Rule::ReadPastReset, narrow(), |scene| {
        scene.draining(P, S);
        scene.go(P, Move::Offer(0));
        scene.settle(P);
        // The successor commits and says so before it reads the offer; the predecessor dies with that unread.
        scene.go(S, Move::ReadUp);
        scene.go(S, Move::Fire(Side::Up, Timer::Commit));
        for _ in 0..2 {
            scene.go(S, Move::Engine);
        }
        scene.go(P, Move::Kill);
    });
}

#[test]
fn a_successor_stopped_after_its_commit() {
    trace(Rule::ShareWhenHung, Setup { hang: true, kills: 0, ..narrow() }, |scene| {
        scene.committed(P, S);
    });
}

#[test]
fn a_predecessor_stopped_before_draining() {
    trace_holds(Setup { hang: true, kills: 0, ..narrow() }, |scene| {
        scene.warm_up(P, S);
        scene.go(S, Move::Ready);
        // P takes no further step: S accepts from READY on, owner or not.
        scene.settle(S);
        assert!(scene.world.accepts(S));
    });
}

#[test]
fn a_third_generation_leaves_for_good_while_the_first_drains() {
    trace(Rule::PassRelief, Setup { leaves_for_good: true, ..with_third() }, |scene| {
        scene.committed(P, S);
        scene.settle(P);
        scene.go(S, Move::Join);
        scene.committed(S, T);
        scene.go(T, Move::Leave);
    });
}

#[test]
fn a_third_generation_is_killed_while_the_first_drains() {
    trace_holds(with_third(), |scene| {
        scene.committed(P, S);
        scene.settle(P);
        scene.go(S, Move::Join);
        scene.committed(S, T);
        scene.go(T, Move::Kill);
        scene.settle_all(&[S, P]);
        assert_eq!(scene.world.processes[S].engine.service.standing, Standing::Owner);
        assert_eq!(scene.world.processes[P].engine.service.standing, Standing::Handed);
    });
}
