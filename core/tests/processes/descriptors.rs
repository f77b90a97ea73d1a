//! Too few descriptors, on either side, known beforehand or not; too many in flight; and very high ones.

use crate::common::{PATIENCE, Place, quick};
use crate::limit::{hard_limit, raise_descriptor_limit, take_descriptors_up_to};
use crate::player::{Player, connect, served_by, who};
use crate::server::Part;
use crate::testing::{alone, leave_room_for};
use std::time::{Duration, Instant};
use zdt::{Event, Takeover};

/// A predecessor that can be told from its successor.
fn first(place: &Place) -> Player {
    Player::first(&place.socket(), Part::new('p', quick()))
}

#[test]
fn a_successor_without_room_is_told_so_before_anything_moves() {
    alone(|| {
        let place = Place::new("no-room");
        let mut old = first(&place);
        let clients = old.clients(200);
        old.tell("tell-how-many");
        let mut small = Part::new('s', quick());
        small.before = || hard_limit(120);
        let mut new = Player::start(&place.socket(), small);
        let failed = new.says("failed");
        assert!(failed.starts_with("failed DescriptorLimit"), "{failed}");
        assert!(failed.contains("201 connections and listeners"), "{failed}");
        assert_eq!(served_by(&clients, 'p'), clients.len());
        assert!(!old.has_said("Drain"), "nobody was to notice");
        // With room for them the next one takes over.
        old.gives_everything_to(&place.socket(), 'n', &clients).end();
    });
}

#[test]
fn what_does_not_fit_when_the_limit_falls_unnoticed_stays_and_what_fits_moves() {
    alone(|| {
        raise_descriptor_limit();
        let place = Place::new("squeezed");
        let mut old = first(&place);
        let clients = old.clients(1000);
        let mut new = Player::start(&place.socket(), Part::new('s', quick()));
        new.opens().unwrap();
        // It said that it had room for thousands. The messages that fit whole have 253 connections each.
        new.tell("room 600");
        new.says("room");
        let before = new.descriptors();
        new.ready();
        old.says("Done 0");
        new.says("Committed 2");
        let (gave, got) = (old.counts(), new.counts());
        assert_eq!((gave.offered, gave.settled, gave.returned), (1000, 506, 494), "each was offered once");
        assert_eq!((gave.live, got.live), (494, 506));
        assert_eq!(new.descriptors() - before, 506, "what came with the others was closed");
        assert_eq!((served_by(&clients, 'p'), served_by(&clients, 's')), (494, 506));
        // It has room for a few more of its own.
        assert_eq!(who(&connect(&new.address())), 's');
        old.end();
        new.end();
    });
}

#[test]
fn a_predecessor_out_of_descriptors_serves_on_and_later_lets_a_successor_in() {
    alone(|| {
        let place = Place::new("no-descriptors");
        let mut old = first(&place);
        let mut clients = old.clients(50);
        let before = old.descriptors();
        // Whatever it could open for a newcomer fails in turn: accepting it, its pidfd, the ledger, the copies to send.
        for room in 0..8 {
            old.tell("no-limit");
            old.tell(&format!("room {room}"));
            old.says("room");
            let mut config = quick();
            config.handshake = Duration::from_millis(500);
            let mut new = Player::start(&place.socket(), Part::new('s', config));
            let failed = new.says("failed");
            println!("room for {room}: {failed}");
            let why = ["NoAnswer", "DescriptorLimit", "System"].iter().find(|kind| failed.contains(*kind));
            assert!(why.is_some(), "with room for {room}: {failed}");
            assert_eq!(served_by(&clients, 'p'), clients.len());
        }
        assert!(!old.has_said("Drain"));
        old.tell("no-limit");
        old.says("no-limit");
        old.comes_to_have(before);
        clients.extend(old.clients(1));
        old.gives_everything_to(&place.socket(), 'n', &clients).end();
    });
}

#[test]
fn a_newcomer_that_cannot_be_accepted_costs_the_owner_no_processor_time() {
    alone(|| {
        let place = Place::new("no-spin");
        let owner = Takeover::open(place.socket(), quick()).unwrap();
        owner.ready().unwrap();
        let mut patient = quick();
        patient.handshake = PATIENCE;
        let mut newcomer = Player::start(&place.socket(), Part::new('s', patient));
        leave_room_for(0);
        let (begin, used) = (Instant::now(), processor_time());
        assert!(owner.next_event(Some(Duration::from_secs(1))).unwrap().is_none());
        let (waited, used) = (begin.elapsed(), processor_time() - used);
        // Looking at the takeover socket again and again takes all of it.
        assert!(used < waited / 4, "{used:?} of processor time in {waited:?}");
        raise_descriptor_limit();
        let serving = std::thread::spawn(move || owner.next_event(Some(PATIENCE)).unwrap());
        assert_eq!(newcomer.opens(), Ok(2), "it was accepted at last");
        newcomer.ready();
        assert!(matches!(serving.join().unwrap(), Some(Event::Drain { .. })));
    });
}

fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec, which outlives the call.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn descriptors_above_1024_and_above_16384_are_like_any_other() {
    alone(|| {
        for number in [1_024, 16_384] {
            raise_descriptor_limit();
            let place = Place::new("high");
            let high = |name| Part {
                before: if number > 1_024 {
                    || take_descriptors_up_to(16_384)
                } else {
                    || take_descriptors_up_to(1_024)
                },
                // Some with a memfd.
                state: |id| if id % 50 == 0 { 100_000 } else { 10 },
                ..Part::new(name, quick())
            };
            let mut old = Player::first(&place.socket(), high('p'));
            let clients = old.clients(300);
            let mut new = Player::start(&place.socket(), high('s'));
            new.opens().unwrap();
            new.ready();
            old.says("Done 0");
            assert_eq!(served_by(&clients, 's'), clients.len());
            new.tell("lowest-descriptor");
            let lowest = new.says("lowest-descriptor");
            let lowest: i32 =
                lowest.trim_start_matches("lowest-descriptor Some(").trim_end_matches(')').parse().unwrap();
            assert!(lowest > number, "{lowest}");
            old.end();
            new.end();
        }
    });
}
