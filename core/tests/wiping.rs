//! What was carried is not found in memory any more once a takeover is settled. A test program of its own, since it looks at
//! all the memory of its process.
#![allow(clippy::unwrap_used)]

mod common;

use common::{FIRST, Place, Two, pair};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use zdt::{Companion, Connection, Event, Frozen, Returned};

const PERIOD: usize = 64;
/// A few dozen bytes in this order are no accident.
const RUN: usize = 24;

/// The secret at this place; it is nowhere in memory unless somebody carries it.
fn secret(place: usize) -> u8 {
    ((place % PERIOD) as u8).wrapping_mul(167).wrapping_add(93)
}

fn secrets(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    bytes.iter_mut().enumerate().for_each(|(place, byte)| *byte = secret(place));
    bytes
}

/// Where in this process' memory (heap, stacks, anonymous mappings) the secret is found.
fn found() -> Vec<String> {
    let mut place_of = [None; 256];
    (0..PERIOD).for_each(|place| place_of[usize::from(secret(place))] = Some(place));
    let memory = File::open("/proc/self/mem").unwrap();
    let mut found = Vec::new();
    let mut page = vec![0; 4096];
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|number| u64::from_str_radix(number, 16).unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (mut run, mut due) = (0, None);
        for at in (from..to).step_by(page.len()) {
            if memory.read_exact_at(&mut page, at).is_err() {
                continue;
            }
            for byte in &page {
                let place = place_of[usize::from(*byte)];
                run = if place.is_some() && place == due { run + 1 } else { usize::from(place.is_some()) };
                due = place.map(|place| (place + 1) % PERIOD);
                if run == RUN {
                    found.push(format!("{at:x} in {line}"));
                }
            }
        }
    }
    found
}

/// A connection with that many secret bytes of each kind.
fn frozen(id: u64, socket: &impl AsRawFd, length: usize) -> Frozen {
    let mut frozen = Connection::new(id, socket.as_raw_fd(), "relay");
    (frozen.state, frozen.unread, frozen.unsent) = (secrets(length), secrets(length), secrets(length));
    let companion = Companion {
        name: "upstream".into(),
        fd: socket.as_raw_fd(),
        unread: secrets(length),
        unsent: secrets(length),
    };
    frozen.companions = vec![companion];
    frozen
}

#[test]
fn what_was_carried_is_wiped_and_never_shown() {
    let mut kept = frozen(0, &std::io::stdin(), 500);
    assert!(!found().is_empty(), "the search finds what is there");
    let shown = format!("{kept:?}");
    assert!(shown.contains("state: 500 bytes") && !shown.contains("93, "), "{shown}");
    kept.wipe();
    assert!(kept.state.is_empty() && kept.companions[0].unsent.is_empty());
    assert_eq!(found(), [""; 0], "`wipe` leaves nothing");

    let place = Place::new("wipe");
    let mut two = Two::quick(&place.socket());
    let (_client, server) = pair();
    // In messages, so many that a batch grows; and in memfds.
    for id in 0..60 {
        let length = [40, 300, 2000, 50_000][id as usize % 4];
        two.first().migrate(frozen(id, &server, length)).unwrap();
    }
    let (mut settled, mut returned) = (0, 0);
    for id in 0..60 {
        let offer = two.offer();
        let shown = format!("{offer:?}");
        assert!(shown.len() < 200, "{shown}");
        match id % 3 {
            0 => offer.refuse("not this one"),
            1 => drop(offer),
            _ => {
                let mut adopted = offer.adopt().unwrap().unwrap();
                assert!(adopted.unsent.iter().zip(0..).all(|(byte, place)| *byte == secret(place)));
                // What the application was given is the application's to wipe.
                adopted.wipe();
            }
        }
    }
    while settled + returned < 60 {
        match two.next(FIRST) {
            Event::Settled(_) => settled += 1,
            Event::Returned(mut connection, Returned::Refused) => {
                assert!(connection.state.len() >= 40);
                assert!(format!("{connection:?}").len() < 600);
                connection.wipe();
                returned += 1;
            }
            Event::Room => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((settled, returned), (20, 40));
    assert_eq!(found(), [""; 0], "something of what was carried is still there");
    drop(two);
    assert_eq!(found(), [""; 0]);
}
