//! A third generation that comes while the first one still gives to the second.

#![allow(clippy::unwrap_used)]

mod common;

use common::{PATIENCE, Place, goes, open_beside, pair, quick};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use zdt::{Adopted, Config, Connection, Event, Takeover};

/// Three handles in one thread, and what each was told and nobody has asked for yet.
struct Three {
    handles: Vec<Takeover>,
    events: Vec<Vec<Event>>,
}

impl Three {
    /// Each takes what there is for it.
    fn turn(&mut self) {
        for (handle, events) in self.handles.iter().zip(&mut self.events) {
            events.extend(handle.next_event(Some(Duration::from_millis(1))).unwrap());
        }
    }

    /// Turns until this one has been told such a thing, and takes it out.
    fn told(&mut self, who: usize, such: impl Fn(&Event) -> bool) -> Event {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(place) = self.events[who].iter().position(&such) {
                return self.events[who].remove(place);
            }
            assert!(Instant::now() < until, "{:?}", self.events);
            self.turn();
        }
    }

    /// Drain with a successor has come, or has not, after everybody had many turns.
    fn is_told_to_drain(&mut self, who: usize) -> bool {
        (0..50).for_each(|_| self.turn());
        self.events[who].iter().any(|event| matches!(event, Event::Drain { .. }))
    }

    fn adopts(&mut self, who: usize) -> Adopted {
        match self.told(who, |event| matches!(event, Event::Offer(_))) {
            Event::Offer(offer) => offer.adopt().unwrap().expect("nobody takes it back"),
            other => panic!("{other:?}"),
        }
    }
}

fn is_drain(event: &Event) -> bool {
    matches!(event, Event::Drain { successor: Some(_), .. })
}

fn frozen(id: u64, socket: &impl AsRawFd) -> Connection<i32> {
    Connection::new(id, socket.as_raw_fd(), "chain")
}

/// The second generation owns the service, the third is ready, and the first has given the first of `servers` and has not
/// said that this is all.
fn overlap(place: &Place, config: Config, servers: &[TcpStream]) -> Three {
    let first = Takeover::open(place.socket(), quick()).unwrap();
    first.ready().unwrap();
    let second = open_beside(&first, &place.socket(), config).unwrap();
    second.ready().unwrap();
    let mut three = Three { handles: vec![first, second], events: vec![Vec::new(), Vec::new()] };
    three.told(0, is_drain);
    three.handles[0].migrate(frozen(0, &servers[0])).unwrap();
    three.adopts(1);
    three.told(1, |event| matches!(event, Event::Committed { generation: 2 }));
    // The first one does not answer, but nobody asks it either.
    let third = open_beside(&three.handles[1], &place.socket(), quick()).unwrap();
    third.ready().unwrap();
    three.handles.push(third);
    three.events.push(Vec::new());
    three
}

#[test]
fn whoever_is_still_being_given_connections_is_taken_over_with_all_of_them() {
    let place = Place::new("chain");
    let (clients, servers): (Vec<_>, Vec<_>) = (0..2).map(|_| pair()).unzip();
    let mut three = overlap(&place, quick(), &servers);
    assert!(!three.is_told_to_drain(1), "connections still come");

    three.handles[0].migrate(frozen(1, &servers[1])).unwrap();
    three.handles[0].migrated_all().unwrap();
    let late = three.adopts(1);
    three.told(1, is_drain);
    assert_eq!(three.handles[1].progress().offered, 0, "what it was given is another account");
    three.handles[1].migrate(frozen(7, &late.socket)).unwrap();
    three.handles[1].migrated_all().unwrap();
    let moved = three.adopts(2);
    three.told(2, |event| matches!(event, Event::Committed { generation: 3 }));
    for who in [0, 1] {
        three.told(who, |event| matches!(event, Event::Done { left: 0 }));
    }
    let progress = three.handles[1].progress();
    assert_eq!((progress.offered, progress.settled), (1, 1));
    goes(&TcpStream::from(moved.socket), &clients[1], "it went through all three");
}

#[test]
fn an_offer_that_waits_for_its_answer_holds_the_next_takeover_up() {
    let place = Place::new("chain");
    let (_clients, servers): (Vec<_>, Vec<_>) = (0..2).map(|_| pair()).unzip();
    let mut three = overlap(&place, quick(), &servers);
    three.handles[0].migrate(frozen(1, &servers[1])).unwrap();
    three.handles[0].migrated_all().unwrap();
    let offer = three.told(1, |event| matches!(event, Event::Offer(_)));
    assert!(!three.is_told_to_drain(1), "the application has one in its hands");
    drop(offer);
    three.told(1, is_drain);
}

#[test]
fn one_that_dies_while_it_gives_does_not_hold_the_next_takeover_up() {
    let place = Place::new("chain");
    let (_client, server) = pair();
    let mut three = overlap(&place, quick(), &[server]);
    assert!(!three.is_told_to_drain(1));
    three.handles[0].close();
    three.handles[0] = Takeover::open(place.0.join("elsewhere"), quick()).unwrap();
    three.told(1, is_drain);
}

#[test]
fn one_that_never_comes_to_its_end_holds_the_next_takeover_up_no_longer_than_a_drain() {
    let place = Place::new("chain");
    let (_client, server) = pair();
    let mut second = quick();
    second.drain = Duration::from_millis(300);
    let mut three = overlap(&place, second, &[server]);
    three.told(1, is_drain);
    let over = |event: &Event| matches!(event, Event::Done { .. } | Event::Returned(..));
    assert!(!three.events[0].iter().any(over), "the first one's own drain is not over: {:?}", three.events);
}
