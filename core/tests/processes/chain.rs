//! Three generations alive at the same time: P gave the service to S, S gave it to T, and each watches its successor.

use crate::after_ready::{draining, successor, watching};
use crate::common::Place;
use crate::player::{Player, connect, served_by, who};
use crate::server::Part;
use crate::testing::alone;
use std::net::TcpStream;

/// P, S and T, and clients whom T serves.
struct Chain {
    place: Place,
    p: Player,
    s: Player,
    t: Player,
    address: String,
    clients: Vec<TcpStream>,
}

impl Chain {
    fn new(p: fn(char) -> Part, s: fn(char) -> Part) -> Chain {
        let place = Place::new("chain");
        let mut p = Player::first(&place.socket(), p('p'));
        let address = p.address();
        let clients = p.clients(5);
        let mut s = successor(&place, &mut p, s('s'));
        let t = successor(&place, &mut s, watching('t'));
        assert_eq!(served_by(&clients, 't'), clients.len());
        Chain { place, p, s, t, address, clients }
    }

    /// Each of the first two drains, or is in probation.
    fn each(play: impl Fn(Chain)) {
        for p in [draining, watching] {
            for s in [draining, watching] {
                play(Chain::new(p, s));
            }
        }
    }
}

#[test]
fn when_the_third_dies_the_second_resumes_and_when_that_dies_the_first() {
    alone(|| {
        Chain::each(|Chain { place, mut p, mut s, t, address, .. }| {
            t.kill();
            s.says("Resume");
            let client = connect(&address);
            assert_eq!(who(&client), 's');
            assert!(!p.has_said("Resume") && !p.has_said("Relieved"), "it was not its successor");
            s.kill();
            p.says("Resume");
            assert_eq!(who(&connect(&address)), 'p');
            drop(successor(&place, &mut p, watching('n')));
        });
    });
}

#[test]
fn when_the_second_dies_the_first_is_relieved_and_the_third_serves_on() {
    alone(|| {
        Chain::each(|Chain { place, mut p, s, t, address, clients }| {
            s.kill();
            p.says("Relieved");
            assert!(!p.has_said("Resume"), "the service is the third's");
            assert_eq!(served_by(&clients, 't'), clients.len());
            assert_eq!(who(&connect(&address)), 't');
            t.kill();
            // Nobody is left to resume, and nothing in the way of the next one.
            let mut next = Player::start(&place.socket(), watching('n'));
            assert_eq!(next.opens(), Ok(1));
            assert!(!p.has_said("Resume"));
        });
    });
}

#[test]
fn when_the_third_leaves_on_purpose_both_others_are_relieved() {
    alone(|| {
        Chain::each(|Chain { place, mut p, mut s, t, .. }| {
            t.end();
            s.says("Relieved");
            p.says("Relieved");
            assert!(!s.has_said("Resume") && !p.has_said("Resume"));
            assert!(!place.socket().exists());
        });
    });
}

#[test]
fn when_the_second_dies_before_the_third_commits_exactly_one_of_the_others_serves() {
    alone(|| {
        let mut resumed = 0;
        for _ in 0..10 {
            let place = Place::new("between");
            let mut p = Player::first(&place.socket(), watching('p'));
            let address = p.address();
            let clients = p.clients(3);
            let mut s = successor(&place, &mut p, watching('s'));
            let mut late = watching('t');
            // It commits when the first offers are answered, which they never are.
            late.never_answers = true;
            late.config.commit = late.config.drain;
            let mut t = Player::start(&place.socket(), late);
            t.opens().unwrap();
            t.ready();
            s.says("Drain");
            s.comes_to(|counts| counts.offered == 3);
            s.kill();
            let served_by = who(&connect(&address));
            match served_by {
                'p' => {
                    p.says("Resume");
                    t.says("Aborted");
                    assert!(!t.has_said("Committed"));
                    resumed += 1;
                }
                _ => {
                    t.says("Committed");
                    p.says("Relieved");
                    assert!(!p.has_said("Resume"));
                }
            }
            assert_eq!(who(&connect(&address)), served_by);
            drop(clients);
        }
        println!("{resumed} of 10 times the first resumed");
    });
}
