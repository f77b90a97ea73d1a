//! Pre-fork servers: an arbiter, its workers, and takeovers from worker to worker. Here all of them share one process; what
//! a death costs is shown with real ones, in tests/lanes.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod team;

use common::{PATIENCE, Place, quick};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use team::{Hand, Team, all_are_served, until};
use zdt::{Connection, ErrorKind, Event, ListenerSpec, NotMigrated, Takeover, Worker};

fn a_whole_takeover(from: u32, to: u32) {
    let place = Place::new("workers");
    let mut first = Team::open(&place.socket(), from, None);
    let clients = first.connect(600);
    first.turn();
    assert!(first.hands.iter().all(|hand| hand.accepting), "ready reaches the workers");
    let mut second = Team::open(&place.socket(), to, Some(&mut first));
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done") && first.hands.iter().all(|hand| hand.saw("Done"))
    });
    assert_eq!((first.served(), second.served()), (0, 600));
    assert!(second.hands.iter().all(|hand| !hand.connections.is_empty()), "a worker got nothing");
    all_are_served(&clients, &[&second]);
    until("Committed", || {
        second.turn();
        second.saw("Committed") && second.hands.iter().all(|hand| hand.saw("Committed"))
    });
}

#[test]
fn workers_migrate_to_as_many_workers() {
    a_whole_takeover(4, 4);
}

#[test]
fn workers_migrate_to_fewer_workers() {
    a_whole_takeover(4, 2);
}

#[test]
fn workers_migrate_to_more_workers() {
    a_whole_takeover(2, 4);
}

#[test]
fn the_deed_stays_until_the_last_worker_has_stopped_accepting() {
    let place = Place::new("workers-stop");
    let mut first = Team::open(&place.socket(), 2, None);
    let clients = first.connect(20);
    let mut second = Team::open(&place.socket(), 2, Some(&mut first));
    // The second worker takes its Drain, and does not come back from it.
    until("Drain", || {
        first.turn_without(1);
        first.hands[1]
            .worker
            .next_event(Some(Duration::ZERO))
            .unwrap()
            .is_some_and(|event| matches!(event, Event::Drain { successor: Some(_), .. }))
    });
    let settled = Instant::now() + Duration::from_millis(300);
    while Instant::now() < settled {
        first.turn_without(1);
        second.turn();
    }
    assert!(!second.saw("Committed"), "a worker of the predecessor still accepts");
    assert!(!first.saw("Done"));
    first.hands[1].pending = first.hands[1].connections.keys().copied().collect();
    first.hands[1].migrate();
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done") && second.saw("Committed")
    });
    all_are_served(&clients, &[&second]);
}

#[test]
fn what_a_worker_leaves_unanswered_returns_and_another_takes_it() {
    let place = Place::new("workers-leave");
    let mut first = Team::open(&place.socket(), 2, None);
    let clients = first.connect(40);
    let mut second = Team::open(&place.socket(), 2, Some(&mut first));
    second.hands[0].hesitates = true;
    until("offers that nobody answers", || {
        first.turn();
        second.turn();
        second.hands[0].kept.len() == 20
    });
    let hand = second.hands.remove(0);
    hand.worker.close();
    assert_eq!(hand.worker.next_event(None).unwrap_err().kind(), ErrorKind::Closed);
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done")
    });
    for offer in hand.kept {
        assert_eq!(offer.adopt().unwrap_err().kind(), ErrorKind::Closed, "it is another's by now");
    }
    assert_eq!(second.served(), 40);
    all_are_served(&clients, &[&second]);
}

#[test]
fn what_a_hung_worker_does_not_answer_is_taken_back_at_the_deadline() {
    let place = Place::new("workers-hang");
    let mut config = quick();
    config.drain = Duration::from_secs(2);
    let mut first = Team::open_with(&place.socket(), 2, None, config);
    let clients = first.connect(40);
    let mut second = Team::open(&place.socket(), 2, Some(&mut first));
    second.hands[0].hesitates = true;
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done") && first.hands.iter().all(|hand| hand.saw("Done"))
    });
    assert!(!second.hands[0].kept.is_empty());
    for offer in std::mem::take(&mut second.hands[0].kept) {
        assert!(offer.adopt().unwrap().is_none(), "it went back");
    }
    assert_eq!(first.served() + second.served(), 40);
    all_are_served(&clients, &[&first, &second]);
}

/// The successor's workers hang, and `are_back` then: the predecessor accepts all the while, and no longer.
fn workers_hang(are_back: impl FnOnce(&mut Team, Vec<Hand>)) {
    let place = Place::new("workers-unserved");
    let mut config = quick();
    (config.hang, config.probation) = (Duration::from_millis(50), PATIENCE);
    let mut first = Team::open_with(&place.socket(), 2, None, config);
    let listener = TcpListener::from(first.hands[0].worker.listener("echo").unwrap());
    let mut second = Team::open(&place.socket(), 2, Some(&mut first));
    let hung = std::mem::take(&mut second.hands);
    let _waits = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    until("Accept", || {
        first.turn();
        second.turn();
        first.saw("Accept")
    });
    let drains = |team: &Team| team.seen.iter().filter(|seen| *seen == "Drain").count();
    let settled = Instant::now() + Duration::from_millis(300);
    while Instant::now() < settled {
        first.turn();
        second.turn();
    }
    assert_eq!(drains(&first), 1, "nobody over there accepts");
    are_back(&mut second, hung);
    until("Drain, once more", || {
        first.turn();
        second.turn();
        drains(&first) == 2
    });
}

#[test]
fn an_arbiter_is_no_sign_of_life_of_workers_that_hang() {
    workers_hang(|team, hung| team.hands = hung);
}

#[test]
fn a_worker_in_the_place_of_those_that_hung_is_a_sign_of_life() {
    workers_hang(|team, hung| {
        drop(hung);
        team.hands.push(Hand::new(team.arbiter.seat(2).unwrap()));
    });
}

#[test]
fn a_lane_waits_for_a_worker_to_be_seated() {
    let place = Place::new("workers-reseat");
    let mut first = Team::open(&place.socket(), 1, None);
    let clients = first.connect(10);
    let mut second = Team::open(&place.socket(), 1, Some(&mut first));
    second.hands.remove(0).worker.close();
    until("a worker that has nobody to offer to", || {
        first.turn();
        second.turn();
        first.hands[0].saw("Drain") && first.hands[0].pending.len() == 10
    });
    second.hands.push(Hand::new(second.arbiter.seat(1).unwrap()));
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done")
    });
    all_are_served(&clients, &[&second]);
}

#[test]
fn an_attempt_that_is_off_gives_every_worker_its_connections_back() {
    let place = Place::new("workers-abort");
    let mut first = Team::open(&place.socket(), 3, None);
    let clients = first.connect(60);
    let mut second = Team::open(&place.socket(), 2, Some(&mut first));
    second.hands.iter_mut().for_each(|hand| hand.hesitates = true);
    until("offers", || {
        // The arbiter does not hear DRAINING, and does not commit.
        first.turn();
        second.hands.iter_mut().for_each(Hand::turn);
        second.hands.iter().all(|hand| !hand.kept.is_empty())
    });
    let Team { arbiter, hands, .. } = second;
    arbiter.close();
    until("Resume", || {
        first.turn();
        first.saw("Resume") && first.hands.iter().all(|hand| hand.saw("Resume") && hand.accepting)
    });
    assert_eq!(first.served(), 60);
    all_are_served(&clients, &[&first]);
    for mut hand in hands {
        assert!(hand.kept.into_iter().all(|offer| offer.adopt().unwrap().is_none()), "it went back");
        hand.kept = Vec::new();
        until("Aborted", || {
            hand.turn();
            hand.saw("Aborted")
        });
    }
    // And the next attempt succeeds.
    let mut third = Team::open(&place.socket(), 3, Some(&mut first));
    until("Done", || {
        first.turn();
        third.turn();
        first.saw("Done")
    });
    all_are_served(&clients, &[&third]);
}

#[test]
fn workers_of_an_arbiter_that_leaves_drain_and_are_done() {
    let place = Place::new("workers-orphans");
    let mut first = Team::open(&place.socket(), 2, None);
    let clients = first.connect(4);
    first.turn();
    first.arbiter.close();
    for hand in &mut first.hands {
        until("Drain", || {
            hand.worker
                .next_event(Some(Duration::ZERO))
                .unwrap()
                .is_some_and(|event| matches!(event, Event::Drain { successor: None, .. }))
        });
        assert!(matches!(
            hand.worker.migrate(Connection::new(0, 0, "echo")),
            Err(NotMigrated::Failed(_, error)) if error.kind() == ErrorKind::WrongState
        ));
        hand.worker.migrated_all().unwrap();
        until("Done", || {
            hand.turn();
            hand.saw("Done")
        });
    }
    all_are_served(&clients, &[&first]);
}

#[test]
fn a_single_process_that_seats_itself_takes_over_from_workers() {
    a_whole_takeover(3, 1);
}

#[test]
fn workers_finish_what_they_have_where_the_successor_has_none() {
    let place = Place::new("workers-none");
    let mut first = Team::open(&place.socket(), 2, None);
    let _clients = first.connect(2);
    let mut second = Team::open(&place.socket(), 0, Some(&mut first));
    until("Committed", || {
        first.turn();
        second.turn();
        second.saw("Committed") && first.hands.iter().all(|hand| hand.saw("Drain"))
    });
    assert!(!first.saw("Done"), "the workers are at it");
    for hand in &mut first.hands {
        hand.connections.clear();
        hand.worker.migrated_all().unwrap();
    }
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done") && first.hands.iter().all(|hand| hand.saw("Done"))
    });
}

#[test]
fn a_seat_is_taken_once_and_a_listener_too() {
    let place = Place::new("workers-seat");
    let arbiter = Takeover::open(place.socket(), quick()).unwrap();
    let spec = ListenerSpec::tcp("127.0.0.1:0");
    let listener = TcpListener::from(arbiter.listener("echo", &spec).unwrap());
    let seat = arbiter.seat(7).unwrap();
    let again = seat.try_clone().unwrap();
    let worker = Worker::join(seat, quick()).unwrap();
    assert_eq!((worker.number(), worker.generation()), (7, 1));
    let mut config = quick();
    config.handshake = Duration::from_millis(50);
    assert_eq!(Worker::join(again, config).unwrap_err().kind(), ErrorKind::NoAnswer);
    let inherited = TcpListener::from(worker.listener("echo").unwrap());
    assert_eq!(inherited.local_addr().unwrap(), listener.local_addr().unwrap());
    assert_eq!(worker.listener("echo").unwrap_err().kind(), ErrorKind::NameUsed);
    assert_eq!(worker.listener("other").unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(worker.migrated_all().unwrap_err().kind(), ErrorKind::WrongState);
    arbiter.ready().unwrap();
    assert!(matches!(worker.next_event(Some(PATIENCE)).unwrap(), Some(Event::Ready)));
    arbiter.drain().unwrap();
    assert_eq!(arbiter.seat(8).unwrap_err().kind(), ErrorKind::WrongState);
    let file = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(Worker::join(file.into(), quick()).unwrap_err().kind(), ErrorKind::System);
}
