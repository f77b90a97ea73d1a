//! More descriptors in flight than an ordinary user may have (ETOOMANYREFS, unix(7)). The kernel counts them for all
//! processes of a user together, so another program can use them up.

use crate::common::{Place, quick};
use crate::limit::raise_descriptor_limit;
use crate::player::{Player, served_by};
use crate::server::Part;
use crate::testing::{Child, alone, become_nobody};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;
use zdt::send_fds;

const NOBODY: u32 = 65534;

/// Another process of the user nobody, with 500 descriptors in flight for as long as it lives.
fn hoard() -> Child {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    let child = Child::new(|| {
        assert!(become_nobody());
        let (from, _to) = UnixStream::pair().unwrap();
        let null = File::open("/dev/null").unwrap();
        for _ in 0..2 {
            send_fds(from.as_fd(), b"x", &[null.as_fd(); 250]).unwrap();
        }
        there.write_all(b"x").unwrap();
        loop {
            thread::park();
        }
    });
    here.read_exact(&mut [0]).unwrap();
    child
}

/// The kernel lets it send no descriptor.
fn may_not_send(player: &mut Player) -> bool {
    player.tell("send-descriptors");
    player.says("send-descriptors") == format!("send-descriptors Some({})", libc::ETOOMANYREFS)
}

#[test]
fn a_sender_above_the_in_flight_limit_waits_and_goes_on() {
    alone(|| {
        raise_descriptor_limit();
        // SAFETY: no arguments.
        let root = unsafe { libc::geteuid() } == 0;
        assert!(root, "this needs root, to become an ordinary user whom nobody else is");
        let place = Place::new("in-flight");
        chown(&place.0, Some(NOBODY), None).unwrap();
        let nobody = || Part { before: || assert!(become_nobody()), ..Part::new('p', quick()) };
        let mut old = Player::first(&place.socket(), nobody());
        let clients = old.clients(60);
        // The limit is that of its own descriptors.
        old.tell("room 60");
        old.says("room");

        let hoarder = hoard();
        assert!(may_not_send(&mut old));
        let mut config = quick();
        config.allowed_uids = vec![NOBODY];
        let mut new = Player::start(&place.socket(), Part::new('s', config));
        // WELCOME comes with descriptors.
        thread::sleep(Duration::from_millis(200));
        assert!(may_not_send(&mut old));
        drop(hoarder);
        new.opens().unwrap();

        let hoarder = hoard();
        new.ready();
        old.says("Drain");
        for _ in 0..20 {
            assert!(may_not_send(&mut old));
            assert_eq!((old.counts().offered, old.counts().settled, new.counts().live), (60, 0, 0));
        }
        drop(hoarder);
        old.says("Done 0");
        new.says("Committed 2");
        assert_eq!(served_by(&clients, 's'), clients.len());
        assert_eq!(old.counts().returned, 0);
        old.end();
        new.end();
    });
}
