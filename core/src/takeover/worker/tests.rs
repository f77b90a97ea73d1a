//! What the system refuses: each worker goes on with what it has.

use super::super::{Config, Event, NotMigrated, Takeover};
use super::Worker;
use crate::connection::Connection;
use crate::sys::testing::{TempDir, alone, leave_room_for};
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
