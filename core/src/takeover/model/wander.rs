//! One long way through the model's world, as the input says: beyond the bounds that a walk of every way needs, with three
//! generations and all that can go wrong at once.

use super::super::actions::Timer;
use super::super::rules::Rules;
use super::explore::judge;
use super::world::{Setup, World};
use crate::fuzzing::Input;

/// Real machines, up to three processes, deaths, stops and timers: at most one user, at least one owner, nothing lost.
pub fn wander(data: &[u8]) {
    let mut input = Input(data);
    let (Some(flags), Some(more)) = (input.byte(), input.byte()) else { return };
    let has = |bit: u8| flags & (1 << bit) != 0;
    let setup = Setup {
        connections: 1 + usize::from(has(0)),
        third: has(1),
        kills: more & 3,
        timers: if has(2) { &Timer::ALL } else { &[Timer::Commit, Timer::Drain] },
        queue: 1 + usize::from(more >> 2 & 3),
        offers: 1 + (more >> 4 & 1),
        refusals: has(3),
        give_ups: has(4),
        leaves_for_good: has(5),
        withdrawals: has(6),
        breaks: has(7),
        hang: more & 0x20 != 0,
        rules: Rules::default(),
    };
    let mut world = World::new(&setup);
    let mut way = Vec::new();
    loop {
        let moves = world.moves(&setup);
        if let Err(what) = judge(&world, &moves, &setup) {
            panic!("{what}: {setup:?}\n{way:?}");
        }
        let Some(next) = input.pick(moves.len()).and_then(|number| moves.get(number)) else { return };
        way.push((next.0, next.1));
        world.act(next.0, next.1, &setup);
    }
}
