//! A successor that dies, or leaves, after it was ready: while its predecessor drains, in probation, and later.

use crate::common::{Place, quick};
use crate::player::{Player, connect, served_by, who};
use crate::server::Part;
use crate::testing::alone;
use std::time::{Duration, Instant};
use zdt::Config;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// A predecessor that watches its successor for long.
pub fn watching(name: char) -> Part {
    let mut config = Config::default();
    (config.probation, config.drain) = (LONG, LONG);
    // Where nothing is offered, and nothing is said to be the last, its successor waits no longer.
    config.commit = Duration::from_millis(100);
    // Nor, with a predecessor that never says that it has given everything, for longer than half of this.
    config.ready = Duration::from_secs(10);
    Part::new(name, config)
}

/// The same, and it never says that it has migrated all.
pub fn draining(name: char) -> Part {
    Part { never_done: true, ..watching(name) }
}

/// `old` has given everything that it had, a few connections, to a successor that is the owner now.
pub fn successor(place: &Place, old: &mut Player, part: Part) -> Player {
    let mut new = Player::start(&place.socket(), part);
    assert_eq!(new.opens(), Ok(old.generation() + 1));
    new.ready();
    new.says("Committed");
    old.comes_to(|counts| counts.live == 0 && counts.settled == counts.offered);
    new
}

#[test]
fn a_successor_that_dies_after_its_commit_gives_the_service_back() {
    alone(|| {
        for part in [draining, watching] {
            let place = Place::new("back");
            let mut old = Player::first(&place.socket(), part('p'));
            let address = old.address();
            let clients = old.clients(5);
            let mut new = successor(&place, &mut old, watching('s'));
            assert_eq!(served_by(&clients, 's'), clients.len());
            assert_eq!(who(&connect(&address)), 's');
            assert!(!old.has_said("Done"), "it watches");
            new.counts();
            new.kill();
            old.says("Resume PeerGone");
            let client = connect(&address);
            assert_eq!(who(&client), 'p');
            assert!(!old.has_said("Relieved"));
            // The next one takes over from whoever resumed.
            drop(successor(&place, &mut old, watching('t')));
        }
    });
}

#[test]
fn a_successor_that_leaves_on_purpose_takes_the_service_with_it() {
    alone(|| {
        for part in [draining, watching] {
            let place = Place::new("purpose");
            let mut old = Player::first(&place.socket(), part('p'));
            let new = successor(&place, &mut old, watching('s'));
            new.end();
            old.says("Relieved");
            assert!(!old.has_said("Resume"));
            assert!(!place.socket().exists());
            // Nothing is left of it: whoever comes is the first.
            let mut next = Player::start(&place.socket(), watching('n'));
            assert_eq!(next.opens(), Ok(1));
            old.end();
        }
    });
}

#[test]
fn without_probation_done_comes_at_once_and_nobody_resumes() {
    alone(|| {
        let place = Place::new("no-probation");
        let mut old = Player::first(&place.socket(), Part::new('p', quick()));
        let clients = old.clients(5);
        let new = successor(&place, &mut old, watching('s'));
        old.says("Done 0");
        assert_eq!(served_by(&clients, 's'), clients.len());
        new.kill();
        old.says("Relieved");
        assert!(!old.has_said("Resume"));
        let mut next = Player::start(&place.socket(), watching('n'));
        assert_eq!(next.opens(), Ok(1));
    });
}

/// Prints how long it takes from the kill until a new connection is answered: `ZDT_KILLS=50` for a figure.
#[test]
fn after_each_kill_the_predecessor_accepts_again() {
    alone(|| {
        let kills = std::env::var("ZDT_KILLS").map_or(5, |kills| kills.parse().unwrap());
        let mut took: Vec<Duration> = Vec::new();
        let place = Place::new("kills");
        let mut old = Player::first(&place.socket(), watching('p'));
        let address = old.address();
        for _ in 0..kills {
            let new = successor(&place, &mut old, watching('s'));
            let begin = Instant::now();
            new.kill();
            let client = connect(&address);
            assert_eq!(who(&client), 'p');
            // Each of them was generation 2: what was undone is not counted.
            took.push(begin.elapsed());
            old.says("Resume");
        }
        took.sort();
        println!(
            "from SIGKILL to the first answer, {kills} kills: median {:?}, longest {:?}",
            took[took.len() / 2],
            took[took.len() - 1]
        );
    });
}
