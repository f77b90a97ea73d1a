//! Takeovers that come at an odd moment, or do not come to their end by themselves.

use crate::after_ready::{successor, watching};
use crate::common::{Place, quick};
use crate::limit::raise_descriptor_limit;
use crate::player::{Player, connect, served_by, who};
use crate::server::Part;
use crate::testing::alone;
use std::time::Duration;

#[test]
fn of_two_successors_at_the_same_instant_one_takes_over_and_the_other_is_told_who_does() {
    alone(|| {
        let place = Place::new("two-at-once");
        let mut owner = Player::first(&place.socket(), Part::new('p', quick()));
        let clients = owner.clients(20);
        for round in 0..20 {
            let name = char::from(b'a' + round);
            let both = [(); 2].map(|()| Player::start(&place.socket(), Part::new(name, quick())));
            let (mut opened, mut failed) = (Vec::new(), Vec::new());
            for mut player in both {
                match player.opens() {
                    Ok(generation) => opened.push((player, generation)),
                    Err(why) => failed.push(why),
                }
            }
            let ([(mut new, generation)], [why]) = (
                <[_; 1]>::try_from(opened).unwrap_or_else(|_| panic!("one, and {failed:?}")),
                <[_; 1]>::try_from(failed).unwrap(),
            );
            assert_eq!(generation, u64::from(round) + 2);
            assert!(why.starts_with(&format!("Busy None Some({})", new.pid())), "{why}");
            new.ready();
            owner.says("Done 0");
            new.says("Committed");
            assert_eq!(served_by(&clients, name), clients.len());
            owner.end();
            owner = new;
        }
    });
}

#[test]
fn a_successor_that_is_never_ready_is_let_go_at_the_deadline() {
    alone(|| {
        let place = Place::new("never-ready");
        let mut config = quick();
        config.ready = Duration::from_millis(300);
        let mut old = Player::first(&place.socket(), Part::new('p', config));
        let clients = old.clients(5);
        let mut never = Player::start(&place.socket(), Part::new('s', quick()));
        assert_eq!(never.opens(), Ok(2));
        let aborted = never.says("Aborted");
        never.tell("ready");
        let answer = never.says("not-ready");
        assert!(answer.starts_with("not-ready AttemptLost"), "{aborted}, then {answer}");
        assert_eq!(served_by(&clients, 'p'), clients.len());
        assert!(!old.has_said("Drain"), "it was not even bothered");
        old.gives_everything_to(&place.socket(), 'n', &clients).end();
        never.end();
    });
}

#[test]
fn a_successor_that_comes_while_its_predecessor_drains_by_a_signal_takes_everything_over() {
    alone(|| {
        let place = Place::new("draining-alone");
        let mut old = Player::first(&place.socket(), Part::new('p', quick()));
        let (address, clients) = (old.address(), old.clients(20));
        old.tell("drain");
        old.says("Drain alone");
        // Nobody accepts it before the successor does.
        let waiting = connect(&address);
        let mut new = old.gives_everything_to(&place.socket(), 's', &clients);
        assert_eq!(who(&waiting), 's');
        assert_eq!(new.counts().live, 21);
        new.end();
    });
}

#[test]
fn a_third_right_behind_the_second_gets_what_the_first_still_gives_to_that() {
    alone(|| {
        raise_descriptor_limit();
        let place = Place::new("right-behind");
        let mut first = Player::first(&place.socket(), watching('p'));
        let address = first.address();
        // More than are on their way at any one time.
        let clients = first.clients(3000);
        let mut slow = watching('s');
        slow.adoption = Duration::from_millis(1);
        let mut second = Player::start(&place.socket(), slow);
        second.opens().unwrap();
        second.ready();
        let (mut third, mut refused) = (Player::start(&place.socket(), watching('t')), 0);
        while let Err(why) = third.opens() {
            assert!(why.starts_with("Busy"), "{why}");
            refused += 1;
            third = Player::start(&place.socket(), watching('t'));
        }
        let still_there = first.counts();
        println!("busy {refused} times; then the first had settled {} of 3000", still_there.settled);
        assert!(still_there.settled < 1900, "it still drains");
        third.ready();
        third.says("Committed 3");
        first.comes_to(|counts| counts.settled == 3000);
        // What it got and what it gave are counted apart.
        second.comes_to(|counts| (counts.live, counts.offered, counts.settled) == (0, 3000, 3000));
        assert_eq!(served_by(&clients, 't'), clients.len());
        assert_eq!(who(&connect(&address)), 't');
    });
}

#[test]
fn what_a_successor_does_not_answer_by_the_drain_deadline_is_counted_and_served_on() {
    alone(|| {
        let place = Place::new("never-answers");
        let mut brief = watching('p');
        (brief.config.drain, brief.config.probation) = (Duration::from_secs(1), Duration::ZERO);
        let mut old = Player::first(&place.socket(), brief);
        let (address, clients) = (old.address(), old.clients(5));
        let mut deaf = Part { never_answers: true, ..watching('s') };
        deaf.config.drain = Duration::from_secs(1);
        let mut new = Player::start(&place.socket(), deaf);
        new.opens().unwrap();
        new.ready();
        new.says("Committed 2");
        old.says("Done 5");
        assert_eq!(served_by(&clients, 'p'), clients.len());
        assert_eq!(who(&connect(&address)), 's');
        // They are the first one's to the end; the next takeover is no concern of its.
        drop(successor(&place, &mut new, watching('t')));
        assert_eq!(served_by(&clients, 'p'), clients.len());
    });
}

#[test]
fn an_application_that_never_finishes_is_done_at_the_drain_deadline() {
    alone(|| {
        let place = Place::new("never-finishes");
        let mut brief = watching('p');
        (brief.config.drain, brief.config.probation) = (Duration::from_secs(1), Duration::ZERO);
        brief.never_done = true;
        // Their handlers never come to a point where they could move.
        brief.never_idle = true;
        let mut old = Player::first(&place.socket(), brief);
        let clients = old.clients(5);
        let mut new = Player::start(&place.socket(), watching('s'));
        new.opens().unwrap();
        new.ready();
        new.says("Committed 2");
        old.says("Done 0");
        assert_eq!(served_by(&clients, 'p'), clients.len(), "what was never offered is served where it is");
        old.end();
    });
}

#[test]
fn connections_that_are_busy_to_the_drain_deadline_do_not_call_the_takeover_off() {
    alone(|| {
        let place = Place::new("busy");
        let mut brief = watching('p');
        (brief.config.drain, brief.config.probation) = (Duration::from_secs(1), Duration::ZERO);
        (brief.never_done, brief.never_idle) = (true, true);
        let mut old = Player::first(&place.socket(), brief);
        let clients = old.clients(5);
        let mut patient = watching('s');
        patient.config.commit = Duration::from_secs(3600);
        let mut new = Player::start(&place.socket(), patient);
        new.opens().unwrap();
        new.ready();
        new.says("Committed 2");
        old.says("Done 0");
        assert_eq!(served_by(&clients, 'p'), clients.len(), "what was never offered is served where it is");
        old.end();
    });
}

#[test]
fn whoever_drains_alone_to_the_deadline_is_told_what_is_left() {
    alone(|| {
        let place = Place::new("alone");
        let mut brief = watching('p');
        brief.config.drain = Duration::from_millis(300);
        let mut old = Player::first(&place.socket(), brief);
        let clients = old.clients(5);
        old.tell("tell-how-many");
        old.tell("drain");
        old.says("Drain alone");
        old.says("Done 5");
        assert_eq!(served_by(&clients, 'p'), clients.len());
        old.end();
    });
}
