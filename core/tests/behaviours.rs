//! What tests/behaviours.txt promises of every language's face, in Rust: what moves, and what comes back. The handle
//! itself is in handle.rs, errors are in errors.rs and (those that take a bad predecessor) in tests/hostile; a proxy's
//! sockets in proxy.rs, whole takeovers in takeover.rs.
#![allow(clippy::unwrap_used)]

mod common;

use common::{FIRST, PATIENCE, Place, SECOND, Two, goes, next, open_beside, pair, quick};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;
use zdt::{Address, Connection, ErrorKind, Event, ListenerSpec, NotMigrated, Reads, Returned, Takeover};

#[test]
fn a_successor_inherits_the_listener_and_whoever_waits_in_its_queue() {
    let place = Place::new("inherits");
    let spec = ListenerSpec::tcp("127.0.0.1:0");
    let first = Takeover::open(place.socket(), quick()).unwrap();
    let address = TcpListener::from(first.listener("http", &spec).unwrap()).local_addr().unwrap();
    first.ready().unwrap();
    let waiting = TcpStream::connect(address).unwrap();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();

    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    let inherited = TcpListener::from(second.listener("http", &spec).unwrap());
    assert_eq!(inherited.local_addr().unwrap(), address);
    second.ready().unwrap();
    let mut two = Two::of(first, second);
    assert!(matches!(two.next(FIRST), Event::Drain { .. }));
    two.first().migrated_all().unwrap();
    assert!(matches!(two.next(FIRST), Event::Done { .. }));
    goes(inherited.accept().unwrap().0, &waiting, "served over there");
}

#[test]
fn an_unclaimed_listener_is_named_and_fails_ready() {
    let place = Place::new("unclaimed");
    let spec = ListenerSpec::tcp("127.0.0.1:0");
    let first = Takeover::open(place.socket(), quick()).unwrap();
    let _http = first.listener("http", &spec).unwrap();
    first.ready().unwrap();
    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    assert_eq!(second.unclaimed(), ["http"]);
    let error = second.ready().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ListenerUnclaimed);
    assert!(error.what().contains("http"), "{error}");
    second.listener("http", &spec).unwrap();
    assert!(second.unclaimed().is_empty());
    second.ready().unwrap();
}

#[test]
fn a_connection_moves_with_state_unread_and_unsent() {
    let place = Place::new("moves");
    let mut two = Two::quick(&place.socket());
    let (client, server) = pair();
    let mut frozen = Connection::new(7, server.as_raw_fd(), "relay");
    (frozen.state, frozen.state_version) = (b"state".to_vec(), 3);
    (frozen.unread, frozen.unsent) = (b"unread".to_vec(), b"unsent".to_vec());
    two.first().migrate(frozen.clone()).unwrap();
    (&client).write_all(b"in the socket").unwrap();

    let connection = two.offer().adopt().unwrap().expect("nobody takes it back");
    assert_eq!((&*connection.protocol, connection.state_version), ("relay", 3));
    assert_eq!((&connection.state, &connection.unread), (&frozen.state, &frozen.unread));
    assert_eq!((&connection.unsent, connection.dialled), (&frozen.unsent, false));
    assert!(matches!(two.next(FIRST), Event::Settled(7)));
    // Let go without shutdown: the connection lives on over there, with what lay in its socket.
    drop(server);
    let moved = TcpStream::from(connection.socket);
    let mut waiting = [0; 13];
    (&moved).read_exact(&mut waiting).unwrap();
    assert_eq!(&waiting, b"in the socket");
    goes(&moved, &client, "unsent");
}

#[test]
fn the_addresses_and_who_dialled_travel() {
    let place = Place::new("addresses");
    let mut two = Two::quick(&place.socket());
    let (_client, server) = pair();
    let inet = |text: &str| Some(Address::Inet(text.parse().unwrap()));
    let told = [
        (inet("127.0.0.1:8080"), inet("192.0.2.255:51234"), false),
        (inet("[2001:db8::1]:443"), None, true),
        (Some(Address::Path("/run/app/x.sock".into())), Some(Address::Unnamed), false),
    ];
    for (local, peer, dialled) in told.clone() {
        let connection = Connection::new(1, server.as_raw_fd(), "relay");
        two.first().migrate(Connection { local, peer, dialled, ..connection }).unwrap();
    }
    for expected in told {
        let offer = two.offer();
        let Connection { local, peer, dialled, .. } = offer.connection();
        assert_eq!((local.clone(), peer.clone(), *dialled), expected);
    }
}

#[test]
fn an_offer_that_is_dropped_returns() {
    let place = Place::new("dropped");
    let mut two = Two::quick(&place.socket());
    let (client, server) = pair();
    let frozen = Connection::new(8, server.as_raw_fd(), "relay");
    two.first().migrate(frozen.clone()).unwrap();
    drop(two.offer());
    match two.next(FIRST) {
        Event::Returned(back, Returned::Refused) => assert_eq!(*back, frozen),
        other => panic!("{other:?}"),
    }
    goes(&server, &client, "as it was");
}

#[test]
fn an_offer_that_went_back_adopts_nothing() {
    let place = Place::new("back");
    let mut brief = quick();
    brief.drain = Duration::from_millis(200);
    let mut two = Two::draining(&place.socket(), brief, quick());
    let (client, server) = pair();
    two.first().migrate(Connection::new(9, server.as_raw_fd(), "relay")).unwrap();
    let offer = two.offer();
    assert!(matches!(two.next(FIRST), Event::Resume { .. }));
    assert!(matches!(two.next(FIRST), Event::Returned(back, Returned::TakenBack) if back.id == 9));
    assert!(offer.adopt().unwrap().is_none());
    goes(&server, &client, "still here");
}

#[test]
fn who_is_told_to_drain_in_the_middle_of_a_takeover_drains_though_that_fails() {
    let place = Place::new("told");
    let two = Two::quick(&place.socket());
    two.first().drain().unwrap();
    two.second().close();
    assert!(matches!(next(two.first()), Event::Resume { .. }));
    assert!(matches!(next(two.first()), Event::Drain { successor: None, .. }));
    two.first().migrated_all().unwrap();
    assert!(matches!(next(two.first()), Event::Done { left: 0 }));
}

#[test]
fn migrate_is_full_until_room() {
    let place = Place::new("room");
    let mut two = Two::quick(&place.socket());
    let (_client, server) = pair();
    let mut offered = 0;
    let kept = loop {
        match two.first().migrate(Connection::new(offered, server.as_raw_fd(), "relay")) {
            Ok(()) => offered += 1,
            Err(NotMigrated::Full(kept)) => break kept,
            Err(NotMigrated::Failed(_, error)) => panic!("{error}"),
        }
    };
    assert_eq!(kept.id, offered, "it is still ours");
    for _ in 0..offered {
        two.offer().adopt().unwrap().expect("nobody takes it back");
    }
    while !matches!(two.next(FIRST), Event::Room) {}
    two.first().migrate(*kept).unwrap();
    two.offer().adopt().unwrap().expect("nobody takes it back");
}

#[test]
fn what_is_not_adopted_by_the_deadline_returns() {
    let place = Place::new("deadline");
    let mut brief = quick();
    brief.drain = Duration::from_secs(2);
    let mut two = Two::draining(&place.socket(), brief, quick());
    let (client, server) = pair();
    two.first().migrate(Connection::new(1, server.as_raw_fd(), "relay")).unwrap();
    drop(two.offer());
    // The first offers are answered: from here on the service is the successor's.
    assert!(matches!(two.next(SECOND), Event::Committed { .. }));
    assert!(matches!(two.next(FIRST), Event::Returned(..)));
    two.first().migrate(Connection::new(2, server.as_raw_fd(), "relay")).unwrap();
    two.first().migrated_all().unwrap();
    let _unanswered = two.offer();
    assert!(matches!(two.next(FIRST), Event::Returned(back, Returned::TakenBack) if back.id == 2));
    assert!(matches!(two.next(FIRST), Event::Done { left: 1 }));
    goes(&server, &client, "still here");
}

#[test]
fn what_the_successor_does_not_read_is_not_offered() {
    let place = Place::new("reads");
    let mut reading = quick();
    reading.reads = vec![Reads { protocol: "relay".into(), versions: vec![2] }];
    let mut two = Two::open(&place.socket(), quick(), reading.clone());
    two.second().ready().unwrap();
    match two.next(FIRST) {
        Event::Drain { reads, .. } => assert_eq!(reads, reading.reads),
        other => panic!("{other:?}"),
    }
    let (_client, server) = pair();
    for (protocol, version) in [("relay", 1), ("http/1.1", 2), ("relay", 2)] {
        let mut frozen = Connection::new(u64::from(version), server.as_raw_fd(), protocol);
        (frozen.state, frozen.state_version) = (vec![1], version);
        match two.first().migrate(frozen.clone()) {
            Ok(()) => assert_eq!((protocol, version), ("relay", 2)),
            Err(NotMigrated::Failed(kept, error)) => {
                assert_eq!((*kept, error.kind()), (frozen, ErrorKind::NotReadable));
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(two.offer().connection().state_version, 2);
    assert!(matches!(two.next(SECOND), Event::Committed { .. }), "nothing else was offered");
}

#[test]
fn too_large_a_state_stays_with_its_owner() {
    let place = Place::new("large");
    let mut small = quick();
    small.max_state = 16;
    let mut two = Two::draining(&place.socket(), small, quick());
    let (client, server) = pair();
    let mut frozen = Connection::new(1, server.as_raw_fd(), "relay");
    frozen.state = vec![1; 17];
    match two.first().migrate(frozen.clone()) {
        Err(NotMigrated::Failed(kept, error)) => {
            assert_eq!((*kept, error.kind()), (frozen, ErrorKind::TooLarge));
        }
        other => panic!("{other:?}"),
    }
    two.first().migrated_all().unwrap();
    assert!(matches!(two.next(SECOND), Event::Committed { .. }), "nothing was offered");
    goes(&server, &client, "still here");
}
