//! The model test: every interleaving of predecessor, successor and a third generation, running the real machines, with
//! the death and the stop of each at every step; and, rule by rule, what breaks without it.

// A test like any other; and a fuzzer only wanders, the walks are for `cargo test`.
#![allow(clippy::unwrap_used)]
#![cfg_attr(fuzzing, allow(dead_code, unused_macros))]

mod acting;
mod connections;
mod explore;
mod judge;
mod kernel;
mod moves;
mod sockets;
#[cfg(test)]
mod traces;
mod wander;
mod world;

pub use wander::wander;

use super::actions::Timer;
use super::rules::{Rule, Rules};
use explore::{Found, explore};
use world::{Setup, World};

/// States beyond which a walk is given up; none that is named here comes near it.
const LIMIT: usize = 9_000_000;

fn setup() -> Setup {
    Setup {
        connections: 1,
        third: false,
        kills: 2,
        timers: &Timer::ALL,
        queue: 2,
        offers: 1,
        refusals: true,
        give_ups: true,
        leaves_for_good: true,
        withdrawals: false,
        breaks: false,
        hang: false,
        rules: Rules::default(),
    }
}

fn walk(name: &str, setup: &Setup) -> Found {
    let begin = std::time::Instant::now();
    let found = explore(World::new(setup), setup, LIMIT);
    println!("{name}: {} states, {} transitions, {:?}", found.states, found.transitions, begin.elapsed());
    found
}

fn holds(name: &str, setup: Setup) {
    let found = walk(name, &setup);
    if let Some((what, way)) = &found.violation {
        panic!("{name}: {what}\n  {}", way.join("\n  "));
    }
    assert!(!found.cut, "{name} was not explored to the end");
}

/// The walk that most mutants are caught in; without a mutant it must hold.
#[test]
fn two_processes_two_deaths() {
    holds("P+S, two deaths", Setup { breaks: true, ..setup() });
}

#[test]
fn two_processes_one_death_offered_again() {
    holds("P+S, one death, offered twice", Setup { offers: 2, withdrawals: true, kills: 1, ..setup() });
}

#[test]
fn two_processes_two_connections() {
    holds("P+S, one death, two connections", Setup { connections: 2, kills: 1, give_ups: false, ..setup() });
}

#[test]
fn two_processes_a_stop_for_ever() {
    holds("P+S, one death, one stopped for ever", Setup { hang: true, kills: 1, ..setup() });
}

#[test]
fn two_processes_a_queue_of_one() {
    holds("P+S, two deaths, a queue of one", Setup { queue: 1, breaks: true, ..setup() });
}

/// Three generations: what each walk leaves out, another has.
fn third() -> Setup {
    Setup {
        third: true,
        kills: 1,
        timers: &[Timer::Commit, Timer::Drain],
        give_ups: false,
        refusals: false,
        leaves_for_good: false,
        ..setup()
    }
}

#[test]
fn three_generations_two_deaths() {
    holds("P+S+T, two deaths", Setup { kills: 2, timers: &[Timer::Commit], ..third() });
}

#[test]
fn three_generations_one_death() {
    holds("P+S+T, one death, all timers", Setup { timers: &Timer::ALL, queue: 1, ..third() });
}

#[test]
fn three_generations_one_death_refusals() {
    holds("P+S+T, one death, refusals", Setup { refusals: true, ..third() });
}

#[test]
fn three_generations_one_death_leaving_for_good() {
    holds(
        "P+S+T, one death, leaving for good",
        Setup { leaves_for_good: true, timers: &[Timer::Commit], ..third() },
    );
}

/// Who accepts, who owns: a connection that is stopped on its way is in the walks of two.
#[test]
fn three_generations_a_stop_for_ever() {
    let stopped = Setup { hang: true, connections: 0, kills: 0, ..third() };
    holds("P+S+T, one stopped for ever, no connection", stopped);
}

#[test]
fn three_generations_no_timers_no_faults() {
    let calm =
        Setup { third: true, kills: 0, timers: &[], give_ups: false, leaves_for_good: false, ..setup() };
    holds("P+S+T, nothing goes wrong", calm);
}

/// Without `rule` some walk finds a violation; its name is printed with the shortest way to it.
fn breaks_without(rule: Rule) {
    let rules = Rules { without: Some(rule) };
    let setups = [
        Setup { rules, breaks: true, ..setup() },
        Setup { rules, withdrawals: true, offers: 2, kills: 1, ..setup() },
        Setup { rules, hang: true, kills: 1, ..setup() },
        Setup { rules, leaves_for_good: true, timers: &[Timer::Commit], ..third() },
    ];
    for setup in setups {
        let found = walk(&format!("without {rule:?}"), &setup);
        if let Some((what, way)) = found.violation {
            println!("  {what}\n    {}", way.join("\n    "));
            return;
        }
    }
    panic!("nothing breaks without {rule:?}");
}

macro_rules! mutants {
    ($($name:ident: $rule:ident;)+) => {
        $(#[test]
        fn $name() {
            breaks_without(Rule::$rule);
        })+
    };
}

mutants! {
    without_the_told_epoch: ToldEpoch;
    without_complete_listeners: CompleteListeners;
    without_abort_by_swap: AbortBySwap;
    without_swap_before_close: SwapBeforeClose;
    without_silence_in_doubt: DoubtWelcomesNobody;
    without_death_by_pidfd: DeathByPidfd;
    without_resuming_from_the_successor_only: ResumeFromSuccessor;
    without_passing_relief_on: PassRelief;
    without_a_loser_letting_go: LoserLetsGo;
    without_a_loser_adopting: LoserAdopts;
    without_using_a_slot_once: SlotOnce;
    without_taking_back_by_swap: TakeBackBySwap;
    without_adopting_by_swap: AdoptBySwap;
    without_refusing_only_the_living: RefuseOnlyTheLiving;
    without_reading_before_leaving: ReadBeforeLeaving;
    without_leaving_no_offer_behind: NoOfferLeftBehind;
    without_reading_past_a_reset: ReadPastReset;
    without_sharing_when_hung: ShareWhenHung;
}
