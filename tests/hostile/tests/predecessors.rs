//! A hostile predecessor against a real successor: what comes wrong is said, closed and counted, at every step.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use zdt::{Config, ErrorKind, Event, ListenerSpec, Takeover};

/// What a predecessor sends; each test spoils one part of it.
struct Goods {
    welcome: Vec<u8>,
    pidfd: OwnedFd,
    ledger: File,
    address: String,
    handshake: Duration,
    deed: OwnedFd,
    takeover_socket: Option<OwnedFd>,
    listener: OwnedFd,
}

impl Goods {
    fn new() -> Goods {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Goods {
            welcome: welcome(1, 10),
            pidfd: own_pidfd(),
            ledger: ledger(),
            address: format!("tcp://{}", listener.local_addr().unwrap()),
            handshake: PATIENT,
            deed: deed().into(),
            takeover_socket: None,
            listener: listener.into(),
        }
    }
}

/// A successor of a predecessor that sends `goods` and then does `more`; what became of opening it.
fn opened<R: Send>(goods: Goods, more: impl FnOnce(Peer, Goods) -> R + Send) -> (zdt::Result<Takeover>, R) {
    let place = TempDir::new().unwrap();
    let path = place.path().join("zdt.sock");
    let socket = takeover_socket(&path);
    let handshake = goods.handshake;
    thread::scope(|scope| {
        let hostile = scope.spawn(|| {
            let mut peer = Peer::accept(&socket);
            peer.hear_only(HELLO);
            peer.say(WELCOME, &goods.welcome, &[&goods.pidfd, &goods.ledger]);
            let takes_over: &dyn AsFd = goods.takeover_socket.as_ref().map_or(&socket, |other| other);
            peer.say(LISTENERS, &listeners(&goods.address), &[&goods.deed, takes_over, &goods.listener]);
            more(peer, goods)
        });
        let mut config = Config::default();
        config.handshake = handshake;
        let opened = Takeover::open(&path, config);
        (opened, hostile.join().unwrap())
    })
}

/// Sees that `spoil` gives an error of this kind, and that nothing of what came stays behind.
fn spoilt(what: &str, kind: ErrorKind, spoil: impl FnOnce(&mut Goods)) {
    let before = open_descriptors();
    let mut goods = Goods::new();
    spoil(&mut goods);
    let (opened, _) = opened(goods, |peer, _| peer.outlast());
    let error = opened.err().unwrap_or_else(|| panic!("{what} was taken"));
    assert_eq!(error.kind(), kind, "{what}: {error}");
    assert!(!error.what().is_empty());
    assert_eq!(open_descriptors(), before, "{what} stays behind");
}

fn copy(fd: &impl AsFd) -> OwnedFd {
    fd.as_fd().try_clone_to_owned().unwrap()
}

#[test]
fn what_comes_as_deed_ledger_or_takeover_socket_must_be_one() {
    let _alone = alone();
    for (what, fd) in useless() {
        spoilt(what, ErrorKind::Malformed, |goods| goods.ledger = copy(&fd).into());
    }
    for (what, fd) in useless() {
        spoilt(what, ErrorKind::Malformed, |goods| goods.deed = copy(&fd));
    }
    for (what, fd) in useless().into_iter().chain(unfit_listeners()) {
        spoilt(what, ErrorKind::Malformed, |goods| goods.takeover_socket = Some(copy(&fd)));
    }
    use rustix::fs::SealFlags;
    let bad = |fill: fn(&File)| {
        [
            ("memory that is not sealed", memory(16_384, SealFlags::empty(), fill)),
            ("memory that can shrink", memory(16_384, SealFlags::GROW | SealFlags::SEAL, fill)),
            ("memory of other seals", memory(16_384, SealFlags::SHRINK | SealFlags::GROW, fill)),
            ("memory that cannot be written", memory(16_384, SEALED | SealFlags::WRITE, fill)),
            ("memory that is too short", memory(60, SEALED, fill)),
            ("memory of no bytes", memory(0, SEALED, |_| {})),
            ("memory of zeroes", memory(16_384, SEALED, |_| {})),
        ]
    };
    for (what, memory) in bad(ledger_into) {
        spoilt(what, ErrorKind::Malformed, |goods| goods.ledger = copy(&memory).into());
    }
    for (what, memory) in bad(deed_into) {
        spoilt(what, ErrorKind::Malformed, |goods| goods.deed = copy(&memory));
    }
    let more_slots = memory(64 + 40, SEALED, ledger_into);
    spoilt("a ledger that lies about its slots", ErrorKind::Malformed, |goods| {
        goods.ledger = copy(&more_slots).into()
    });
}

#[test]
fn what_comes_as_a_listener_must_be_the_one_that_it_is_said_to_be() {
    let _alone = alone();
    let connected = || {
        let (client, server) = tcp_pair();
        drop(client);
        ("a connection", OwnedFd::from(server))
    };
    for (what, fd) in useless().into_iter().chain(unfit_listeners()).chain([connected()]) {
        spoilt(what, ErrorKind::ListenerMismatch, |goods| goods.listener = copy(&fd));
    }
    spoilt("no address", ErrorKind::InvalidArgument, |goods| goods.address = "nowhere".into());
}

#[test]
fn what_comes_as_a_pidfd_must_be_the_peers() {
    let _alone = alone();
    for (what, fd) in useless() {
        // That is tried again until the deadline: the next owner may be about to listen.
        spoilt(what, ErrorKind::WrongProcess, |goods| {
            (goods.pidfd, goods.handshake) = (copy(&fd), Duration::from_millis(200));
        });
    }
}

#[test]
fn numbers_without_measure_are_refused() {
    let _alone = alone();
    spoilt("as many as can be", ErrorKind::DescriptorLimit, |goods| {
        goods.welcome = welcome(u64::MAX, u64::MAX)
    });
    spoilt("one less", ErrorKind::DescriptorLimit, |goods| goods.welcome = welcome(u64::MAX, u64::MAX - 1));
}

#[test]
fn a_flood_of_notes_does_not_keep_open_from_its_end() {
    let _alone = alone();
    let before = open_descriptors();
    let place = TempDir::new().unwrap();
    let path = place.path().join("zdt.sock");
    let socket = takeover_socket(&path);
    let goods = Goods::new();
    thread::scope(|scope| {
        let hostile = scope.spawn(|| {
            let mut peer = Peer::accept(&socket);
            peer.say(WELCOME, &goods.welcome, &[&goods.pidfd, &goods.ledger]);
            peer.say(LISTENERS, &listeners(&goods.address), &[&goods.deed, &socket, &goods.listener]);
            // It never stops talking, until nobody listens.
            while peer.say(NOTE, &note(306), &[]) {}
        });
        let successor = Takeover::open(&path, Config::default()).unwrap();
        // Nor from the application: it has its turn all the while.
        for _ in 0..100 {
            assert!(successor.next_event(Some(Duration::ZERO)).unwrap().is_none());
        }
        successor.close();
        hostile.join().unwrap();
    });
    drop((goods, socket));
    assert_eq!(open_descriptors(), before);
}

/// A successor that is ready and was told DRAINING, its predecessor, and the deed and ledger of both.
fn draining_pair(body: impl FnOnce(&Takeover, &mut Peer, &File)) {
    let before = open_descriptors();
    let place = TempDir::new().unwrap();
    let path = place.path().join("zdt.sock");
    let socket = takeover_socket(&path);
    let goods = Goods::new();
    let address = goods.address.trim_start_matches("tcp://").to_owned();
    let (successor, mut peer) = thread::scope(|scope| {
        let hostile = scope.spawn(|| {
            let mut peer = Peer::accept(&socket);
            peer.hear_only(HELLO);
            peer.say(WELCOME, &goods.welcome, &[&goods.pidfd, &goods.ledger]);
            peer.say(LISTENERS, &listeners(&goods.address), &[&goods.deed, &socket, &goods.listener]);
            peer
        });
        (Takeover::open(&path, Config::default()).unwrap(), hostile.join().unwrap())
    });
    let listener = successor.listener("http", &ListenerSpec::tcp(address)).unwrap();
    successor.ready().unwrap();
    peer.hear_only(LISTENERS_ACK);
    peer.hear_only(READY);
    peer.say(DRAINING, &draining(), &[]);
    body(&successor, &mut peer, &goods.ledger);
    drop((successor, peer, goods, socket, listener));
    assert_eq!(open_descriptors(), before, "descriptors stay behind");
}

const OFFERED: u32 = 1;
const ADOPTED: u32 = 2;
const REFUSED: u32 = 3;

/// What the application is told until `done`.
fn events(successor: &Takeover, mut done: impl FnMut(&[Event]) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    until("the successor does its part", || {
        events.extend(successor.next_event(Some(Duration::from_millis(1))).unwrap());
        done(&events)
    });
    events
}

#[test]
fn what_comes_as_a_connection_must_be_a_connected_stream_socket() {
    let _alone = alone();
    let unconnected = ("a socket that was never connected", tcp_socket());
    let kinds: Vec<_> = useless().into_iter().chain(unfit_listeners()).chain([unconnected]).collect();
    draining_pair(|successor, peer, ledger| {
        let (mut client, server) = tcp_pair();
        let (_other, unix) = unix_pair();
        let mut slots: Vec<u32> = (0..kinds.len() as u32 + 2).collect();
        slots.iter().for_each(|slot| set_word(ledger, *slot, OFFERED));
        let mut fds: Vec<&dyn AsFd> = kinds.iter().map(|(_, fd)| fd as &dyn AsFd).collect();
        // Two good ones between them.
        fds.insert(3, &server);
        fds.push(&unix);
        peer.say(OFFER, &offer(&slots, None), &fds);
        let good = [3, slots.pop().unwrap()];
        let told =
            events(successor, |_| slots.iter().all(|slot| *slot == 3 || word(ledger, *slot) == REFUSED));
        let mut adopted = Vec::new();
        for event in told.into_iter().chain(events(successor, |_| true)) {
            match event {
                Event::Offer(offer) => adopted.push(offer.adopt().unwrap().unwrap()),
                Event::Committed { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        while adopted.len() < good.len() {
            match successor.next_event(Some(PATIENT)).unwrap() {
                Some(Event::Offer(offer)) => adopted.push(offer.adopt().unwrap().unwrap()),
                Some(Event::Committed { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(good.iter().all(|slot| word(ledger, *slot) == ADOPTED));
        assert_eq!(adopted[0].state, b"state");
        let socket = std::net::TcpStream::from(adopted.remove(0).socket);
        std::io::Write::write_all(&mut &socket, b"alive").unwrap();
        let mut got = [0; 5];
        std::io::Read::read_exact(&mut client, &mut got).unwrap();
        assert_eq!(&got, b"alive");
        // The predecessor learns why.
        let reasons = std::iter::from_fn(|| peer.hear()).find(|(number, ..)| *number == NOTE);
        assert_eq!(number_in(&reasons.unwrap().1), ErrorKind::Refused.number() as u32);
    });
}

#[test]
fn a_memfd_that_lies_costs_its_own_connection_only() {
    let _alone = alone();
    use rustix::fs::SealFlags;
    let blob = SEALED | SealFlags::WRITE;
    let filled =
        |memory: &File| std::os::unix::fs::FileExt::write_all_at(memory, b"stateunreadunsent", 0).unwrap();
    let mut memories: Vec<(&str, OwnedFd)> = vec![
        ("shorter than said", memory(16, blob, |_| {}).into()),
        ("longer than said", memory(18, blob, |_| {}).into()),
        ("not sealed", memory(17, SealFlags::empty(), filled).into()),
        ("still to be written", memory(17, SEALED, filled).into()),
    ];
    memories.extend(useless());
    draining_pair(|successor, peer, ledger| {
        let (_client, server) = tcp_pair();
        let good = memory(17, blob, filled);
        let slots: Vec<u32> = (0..memories.len() as u32 + 1).collect();
        slots.iter().for_each(|slot| set_word(ledger, *slot, OFFERED));
        let mut fds: Vec<&dyn AsFd> = Vec::new();
        for (_, memory) in &memories {
            fds.extend([&server as &dyn AsFd, memory]);
        }
        fds.extend([&server as &dyn AsFd, &good]);
        peer.say(OFFER, &offer(&slots, Some([5, 6, 6])), &fds);
        let mut offers = Vec::new();
        until("the good one is offered", || {
            offers.extend(successor.next_event(Some(Duration::from_millis(1))).unwrap());
            offers.iter().any(|event| matches!(event, Event::Offer(_)))
        });
        let (last, lying) = slots.split_last().unwrap();
        let refused = |slot: &u32| word(ledger, *slot) == REFUSED;
        assert!(lying.iter().all(refused) && word(ledger, *last) == OFFERED);
        let Some(Event::Offer(offer)) = offers.pop() else { panic!("{offers:?}") };
        let adopted = offer.adopt().unwrap().unwrap();
        assert_eq!(
            (&*adopted.state, &*adopted.unread, &*adopted.unsent),
            (&b"state"[..], &b"unread"[..], &b"unsent"[..])
        );
        // More than the successor's own limits allow is not even read.
        let (large, slot) = (memory(2 << 20, blob, |_| {}), slots.len() as u32);
        set_word(ledger, slot, OFFERED);
        peer.say(OFFER, &common::offer(&[slot], Some([2 << 20, 0, 0])), &[&server, &large]);
        events(successor, |_| word(ledger, slot) == REFUSED);
    });
}

#[test]
fn more_connections_than_the_window_has_end_the_link_and_keep_what_was_adopted() {
    let _alone = alone();
    draining_pair(|successor, peer, ledger| {
        let (mut client, server) = tcp_pair();
        let (mut adopted, mut offers) = (None, Vec::new());
        for batch in 0..6 {
            let slots: Vec<u32> = (batch * 253..(batch + 1) * 253).collect();
            slots.iter().for_each(|slot| set_word(ledger, *slot, OFFERED));
            let fds: Vec<&dyn AsFd> = slots.iter().map(|_| &server as &dyn AsFd).collect();
            peer.say(OFFER, &offer(&slots, None), &fds);
            for _ in 0..4 {
                match successor.next_event(Some(Duration::ZERO)).unwrap() {
                    Some(Event::Offer(offer)) if adopted.is_none() => adopted = offer.adopt().unwrap(),
                    event => offers.extend(event),
                }
            }
        }
        let told =
            events(successor, |events| events.iter().any(|event| matches!(event, Event::Aborted { .. })));
        let count = told.iter().chain(&offers).filter(|event| matches!(event, Event::Offer(_))).count();
        assert!(count <= 1012, "{count} offers at once");
        assert_eq!((0..6 * 253).filter(|slot| word(ledger, *slot) == ADOPTED).count(), 1);
        let socket = std::net::TcpStream::from(adopted.unwrap().socket);
        std::io::Write::write_all(&mut &socket, b"alive").unwrap();
        let mut got = [0; 5];
        std::io::Read::read_exact(&mut client, &mut got).unwrap();
        assert_eq!(&got, b"alive");
    });
}
