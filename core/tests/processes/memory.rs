//! No memory, or no room, for the bytes of a connection that are too many for a message and travel in a memfd.

use crate::common::{Place, quick};
use crate::player::{Player, served_by};
use crate::server::Part;
use crate::testing::alone;

/// Every third connection has a state that needs a memfd.
const LARGE: fn(u64) -> usize = |id| if id % 3 == 0 { 1_000_000 } else { 100 };
const CLIENTS: usize = 30;
const LARGE_ONES: usize = 10;

/// A predecessor with such clients, and its successor, which is not ready.
fn play(place: &Place) -> (Player, Vec<std::net::TcpStream>, Player) {
    let mut old = Player::first(&place.socket(), Part { state: LARGE, ..Part::new('p', quick()) });
    let clients = old.clients(CLIENTS);
    let mut new = Player::start(&place.socket(), Part::new('s', quick()));
    new.opens().unwrap();
    (old, clients, new)
}

/// The small ones moved; the large ones are served where they were, and nothing was left open.
fn only_the_small_ones_moved(
    mut old: Player,
    clients: &[std::net::TcpStream],
    mut new: Player,
    before: usize,
) {
    old.says("Done 0");
    new.says("Committed 2");
    assert_eq!((served_by(clients, 'p'), served_by(clients, 's')), (LARGE_ONES, CLIENTS - LARGE_ONES));
    assert_eq!(new.descriptors() - before, CLIENTS - LARGE_ONES);
    old.end();
    new.end();
}

#[test]
fn a_connection_whose_memfd_cannot_be_made_or_written_stays_with_its_predecessor() {
    alone(|| {
        for (call, errno) in [
            ("memfd_create", libc::ENOMEM),
            ("memfd_create", libc::EMFILE),
            ("memfd_create", libc::ENFILE),
            ("write", libc::ENOSPC),
            ("write", libc::ENOMEM),
        ] {
            let place = Place::new("memfd");
            let (mut old, clients, mut new) = play(&place);
            let before = new.descriptors();
            old.tell(&format!("deny {call} {errno}"));
            old.says("deny");
            new.ready();
            for _ in 0..LARGE_ONES {
                let kept = old.says("kept");
                assert!(kept.starts_with(&format!("kept System Some({errno})")), "{call}: {kept}");
                assert!(kept.ends_with("the connection is still yours"), "{kept}");
            }
            only_the_small_ones_moved(old, &clients, new, before);
        }
    });
}

#[test]
fn a_connection_whose_bytes_cannot_be_read_is_refused_and_served_on() {
    alone(|| {
        for order in [
            format!("deny pread {}", libc::EIO),
            format!("deny pread {}", libc::ENOMEM),
            "memory 500000".into(),
        ] {
            let place = Place::new("unreadable");
            let (old, clients, mut new) = play(&place);
            let before = new.descriptors();
            new.tell(&order);
            new.says(order.split_once(' ').unwrap().0);
            new.ready();
            only_the_small_ones_moved(old, &clients, new, before);
        }
    });
}

#[test]
fn a_newcomer_for_whom_no_ledger_can_be_made_is_told_why() {
    alone(|| {
        for (call, errno, words) in [
            ("memfd_create", libc::ENOMEM, "Cannot allocate memory"),
            ("fallocate", libc::ENOSPC, "No space left on device"),
            ("mmap", libc::ENOMEM, "Cannot allocate memory"),
        ] {
            let place = Place::new("ledger");
            let mut old = Player::first(&place.socket(), Part::new('p', quick()));
            let clients = old.clients(3);
            old.tell(&format!("deny {call} {errno}"));
            old.says("deny");
            let mut new = Player::start(&place.socket(), Part::new('s', quick()));
            let failed = new.says("failed");
            assert!(failed.starts_with("failed System") && failed.contains(words), "{call}: {failed}");
            assert_eq!(served_by(&clients, 'p'), clients.len());
            old.end();
        }
    });
}
