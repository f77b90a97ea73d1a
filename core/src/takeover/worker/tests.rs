//! What the system refuses, and peers that lie: each worker goes on with what it has.

use super::super::link::{Arrival, Link};
use super::super::{Config, Event, NotMigrated, Returned, Takeover};
use super::Worker;
use crate::connection::Connection;
use crate::fault;
use crate::sys::testing::{TempDir, alone, leave_room_for};
use crate::sys::{process, scm_rights, unix};
use crate::wire::message::{Hello, Lane, Message, Role};
use crate::wire::seat::{Drain, Order, Report, Seat, Successor};
use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// The first event that `wanted` gives something for; both arbiters and both workers go on meanwhile.
fn wait_for<T>(all: &[&dyn Fn() -> Option<Event>], mut wanted: impl FnMut(usize, Event) -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        for (who, next) in all.iter().enumerate() {
            if let Some(found) = next().and_then(|event| wanted(who, event)) {
                return found;
            }
        }
        assert!(Instant::now() < end, "it did not come");
    }
}

#[test]
fn a_lane_that_could_not_be_received_is_asked_for_again() {
    alone(|| {
        let place = TempDir::fresh();
        let path = place.path().join("zdt.sock");
        let config = || Config { probation: Duration::ZERO, ..Config::default() };
        let first = Takeover::open(&path, config()).unwrap();
        let giver = Worker::join(first.seat(0).unwrap(), config()).unwrap();
        first.ready().unwrap();
        let opening = thread::spawn(move || Takeover::open(&path, config()).unwrap());
        while !opening.is_finished() {
            assert!(first.next_event(Some(Duration::from_millis(1))).unwrap().is_none());
        }
        let second = opening.join().unwrap();
        let taker = Worker::join(second.seat(0).unwrap(), config()).unwrap();
        // The lane's end is in the queue of the lead link, and there is no room for it.
        second.ready().unwrap();
        let spare = std::fs::File::open("/dev/null").unwrap();
        leave_room_for(0);
        assert!(matches!(
            first.next_event(Some(PATIENCE)).unwrap(),
            Some(Event::Drain { successor: Some(_), .. })
        ));
        drop(spare);
        leave_room_for(64);

        let (_client, server) = UnixStream::pair().unwrap();
        let migrate = || giver.migrate(Connection::new(5, server.as_raw_fd(), "echo"));
        let look = Some(Duration::from_millis(1));
        let adopted = wait_for(
            &[
                &|| first.next_event(look).unwrap(),
                &|| second.next_event(look).unwrap(),
                &|| giver.next_event(look).unwrap(),
                &|| taker.next_event(look).unwrap(),
            ],
            |_, event| match event {
                Event::Drain { successor, .. } => {
                    assert!(successor.is_some() && matches!(migrate(), Err(NotMigrated::Full(_))));
                    None
                }
                Event::Room => {
                    migrate().unwrap();
                    None
                }
                Event::Offer(offer) => Some(offer.adopt().unwrap().is_some()),
                _ => None,
            },
        );
        assert!(adopted);
    });
}

/// The next message on a link, in time.
fn hear(link: &mut Link) -> Message {
    let end = Instant::now() + PATIENCE;
    loop {
        match link.receive(true).unwrap() {
            Arrival::Message(message, _) => return message,
            Arrival::Nothing => assert!(Instant::now() < end, "nothing came"),
            _ => panic!("the link is at its end"),
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_was_offered_to_a_liar_returns_and_another_lane_is_asked_for() {
    let (ours, theirs) = unix::pair().unwrap();
    let mut seat = Link::new(ours, fault::Role::Owner);
    let order = Order::Seat(Seat { owner: true, ..Seat::default() });
    seat.queue(Message::Order(order), vec![process::own_pidfd().unwrap()]);
    seat.flush().unwrap();
    let worker = Worker::join(theirs, Config::default()).unwrap();
    assert!(matches!(hear(&mut seat), Message::Report(Report::Joined)));

    let (liar, end) = unix::pair().unwrap();
    seat.queue(Message::Lane(Lane { attempt: 3, seat: None, offers: true }), vec![end]);
    let drain = Drain {
        number: 1,
        deadline_ms: 60_000,
        attempt: 3,
        successor: Some(Successor::default()),
        reads: vec![],
        retired: vec![],
    };
    seat.queue(Message::Order(Order::Drain(drain)), Vec::new());
    seat.flush().unwrap();
    let mut liar = Link::new(liar, fault::Role::Successor);
    let hello = Hello { versions: vec![1], role: Role::Lane, free_descriptors: 100, ..Hello::default() };
    liar.queue(Message::Hello(hello), vec![process::own_pidfd().unwrap()]);
    liar.flush().unwrap();

    let next = || worker.next_event(Some(PATIENCE)).unwrap().expect("an event in time");
    let (_client, server) = UnixStream::pair().unwrap();
    let migrate = || worker.migrate(Connection::new(9, server.as_raw_fd(), "echo"));
    assert!(matches!(next(), Event::Drain { successor: Some(_), .. }));
    if matches!(migrate(), Err(NotMigrated::Full(_))) {
        assert!(matches!(next(), Event::Room));
        migrate().unwrap();
    }
    worker.migrated_all().unwrap();
    assert!(worker.next_event(Some(Duration::ZERO)).unwrap().is_none());
    assert!(matches!(hear(&mut liar), Message::Welcome(_)));
    assert!(matches!(hear(&mut liar), Message::Offer(_)));
    let socket = liar.socket().unwrap();
    scm_rights::send(socket, &[IoSlice::new(b"adopted, believe me")], &[], false).unwrap();
    match next() {
        Event::Returned(connection, Returned::TakenBack) => assert_eq!(connection.id, 9),
        other => panic!("unexpected {other:?}"),
    }
    assert!(matches!(migrate(), Err(NotMigrated::Full(_))));
    assert!(matches!(hear(&mut seat), Message::Report(Report::Stopped(1))));
    assert!(matches!(hear(&mut seat), Message::Report(Report::WantsLane)), "it has not said Migrated");
}

#[test]
fn a_worker_alone_that_is_not_through_at_the_deadline_is_told_how_many_are_left() {
    let left = [Some(7), None].map(|said| {
        let place = TempDir::fresh();
        let config = Config { drain: Duration::from_millis(50), ..Config::default() };
        let arbiter = Takeover::open(place.path().join("zdt.sock"), config).unwrap();
        let worker = Worker::join(arbiter.seat(0).unwrap(), Config::default()).unwrap();
        said.into_iter().for_each(|count| worker.set_connections(count));
        arbiter.ready().unwrap();
        arbiter.drain().unwrap();
        let look = Some(Duration::from_millis(1));
        let both: [&dyn Fn() -> Option<Event>; 2] =
            [&|| arbiter.next_event(look).unwrap(), &|| worker.next_event(look).unwrap()];
        wait_for(&both, |who, event| match event {
            Event::Done { left } if who == 1 => Some(left),
            _ => None,
        })
    });
    assert_eq!(left, [7, 1], "where nobody said how many, there is at least one");
}
