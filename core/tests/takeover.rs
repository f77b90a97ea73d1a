//! Whole takeovers between two handles, each in its own thread.

#![allow(clippy::unwrap_used)]

mod common;

use common::{FIRST, Place, Two, goes, next, pair, quick};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};
use zdt::{Companion, Connection, Event, ListenerSpec, NotMigrated, Takeover};

/// A predecessor that migrates `connections` when told to drain, until Done; what was settled, and what came back.
fn serve_as_predecessor(takeover: Takeover, mut connections: Vec<Connection<i32>>) -> (Vec<u64>, Vec<u64>) {
    let (mut settled, mut returned) = (Vec::new(), Vec::new());
    let mut draining = false;
    loop {
        match next(&takeover) {
            Event::Drain { successor, .. } => {
                assert!(successor.is_some());
                draining = true;
            }
            Event::Settled(id) => settled.push(id),
            Event::Returned(connection, _) => returned.push(connection.id),
            Event::Room => {}
            Event::Done { left } => {
                assert_eq!(left, 0);
                return (settled, returned);
            }
            other => panic!("unexpected {other:?}"),
        }
        while draining {
            let Some(connection) = connections.pop() else {
                takeover.migrated_all().unwrap();
                draining = false;
                break;
            };
            match takeover.migrate(connection) {
                Ok(()) => {}
                Err(NotMigrated::Full(connection)) => {
                    connections.push(*connection);
                    break;
                }
                Err(NotMigrated::Failed(_, error)) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn listeners_and_connections_move_with_all_that_belongs_to_them() {
    let place = Place::new("moves");
    let first = Takeover::open(place.socket(), quick()).unwrap();
    assert_eq!(first.generation(), 1);
    let spec = ListenerSpec::tcp("127.0.0.1:0");
    let listener = TcpListener::from(first.listener("http", &spec).unwrap());
    let address = listener.local_addr().unwrap();
    first.ready().unwrap();
    let waiting = TcpStream::connect(address).unwrap();

    let pairs: Vec<_> = (0..2000).map(|_| pair()).collect();
    let (_upstream_client, upstream) = pair();
    let frozen = pairs.iter().enumerate().map(|(id, (_, server))| {
        let mut connection = Connection::new(id as u64, server.as_raw_fd(), "relay");
        connection.state = format!("state {id}").into_bytes();
        connection.state_version = 3;
        connection.unread = vec![1; id % 7];
        if id == 1999 {
            connection.state = vec![7; 900_000];
            connection.unsent = vec![9; 3_000_000];
            let fd = upstream.as_raw_fd();
            connection.companions.push(Companion {
                name: "upstream".into(),
                fd,
                unread: vec![5; 10],
                unsent: vec![],
            });
        }
        connection
    });
    let frozen: Vec<_> = frozen.collect();
    first.set_connections(frozen.len() as u64);
    let predecessor = thread::spawn(move || serve_as_predecessor(first, frozen));

    let second = Takeover::open(place.socket(), quick()).unwrap();
    assert_eq!(second.generation(), 2);
    assert_eq!(second.unclaimed(), ["http"]);
    let listener = TcpListener::from(second.listener("http", &spec).unwrap());
    assert_eq!(listener.local_addr().unwrap(), address);
    second.ready().unwrap();
    assert!(listener.accept().is_ok(), "the connection in the queue came along");
    drop(waiting);

    let mut adopted = HashMap::new();
    let mut committed = false;
    let mut refused = 0;
    while adopted.len() + refused < 2000 || !committed {
        match next(&second) {
            Event::Offer(offer) if offer.connection().state == b"state 5" => {
                offer.refuse("a test");
                refused += 1;
            }
            Event::Offer(offer) => {
                let connection = offer.adopt().unwrap().expect("nobody takes it back");
                adopted.insert(connection.state.clone(), connection);
            }
            Event::Committed { generation } => {
                assert_eq!(generation, 2);
                committed = true;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    // The answers of the last batch go out when we come back for more.
    assert!(second.next_event(Some(Duration::ZERO)).unwrap().is_none());
    let (settled, returned) = predecessor.join().unwrap();
    assert_eq!((settled.len(), returned), (1999, vec![5]));

    let big = adopted.remove(&vec![7; 900_000]).expect("the largest moved");
    assert_eq!((big.unsent, big.companions[0].unread.clone()), (vec![9; 3_000_000], vec![5; 10]));
    for (id, (client, _)) in pairs.iter().enumerate().filter(|(id, _)| *id != 5 && *id != 1999) {
        let connection = adopted.remove(format!("state {id}").as_bytes()).expect("it was adopted");
        assert_eq!((connection.state_version, connection.unread.len()), (3, id % 7));
        let mut server = TcpStream::from(connection.socket);
        server.write_all(b"from the successor").unwrap();
        let mut buffer = [0; 18];
        (&*client).read_exact(&mut buffer).unwrap();
    }
    assert_eq!(second.progress().settled, 1999);
}

#[test]
fn descriptors_that_were_given_stay_open_whatever_becomes_of_the_offer() {
    for adopted in [true, false] {
        let place = Place::new("given");
        let mut two = Two::quick(&place.socket());
        let (client, server) = pair();
        two.first().migrate(Connection::new(1, server.as_raw_fd(), "relay")).unwrap();
        let mut offer = two.offer();
        offer.give_descriptors();
        // SAFETY: it is ours from here on.
        let ours = unsafe { TcpStream::from_raw_fd(offer.connection().socket.as_raw_fd()) };
        if adopted {
            let adopted = offer.adopt().unwrap().expect("it is ours");
            // The same number: one of the two closes it.
            assert_eq!(adopted.socket.into_raw_fd(), ours.as_raw_fd());
            assert!(matches!(two.next(FIRST), Event::Settled(1)));
        } else {
            offer.refuse("for a test");
            assert!(matches!(two.next(FIRST), Event::Returned(..)));
        }
        goes(&ours, &client, "still open");
    }
}

#[test]
fn a_successor_that_leaves_before_ready_costs_only_the_attempt() {
    let place = Place::new("leaves");
    let first = Takeover::open(place.socket(), quick()).unwrap();
    let spec = ListenerSpec::unix(place.0.join("service"));
    let _listener: OwnedFd = first.listener("service", &spec).unwrap();
    first.ready().unwrap();
    let waiter = {
        let first = first.clone();
        thread::spawn(move || first.next_event(Some(Duration::from_secs(1))).unwrap())
    };
    drop(Takeover::open(place.socket(), quick()).unwrap());
    assert!(waiter.join().unwrap().is_none(), "the owner is not even bothered");
    // And the next attempt is welcome.
    let waiter = {
        let first = first.clone();
        thread::spawn(move || first.next_event(Some(Duration::from_secs(10))).unwrap())
    };
    let second = Takeover::open(place.socket(), quick()).unwrap();
    second.listener("service", &spec).unwrap();
    second.ready().unwrap();
    assert!(matches!(waiter.join().unwrap(), Some(Event::Drain { .. })));
}

#[test]
fn an_owner_that_leaves_for_good_frees_the_path() {
    let place = Place::new("good");
    let first = Takeover::open(place.socket(), quick()).unwrap();
    first.ready().unwrap();
    drop(first);
    assert!(!place.socket().exists());
    let again = Takeover::open(place.socket(), quick()).unwrap();
    assert_eq!(again.generation(), 1);
}

#[test]
fn an_owner_that_never_answers_is_reported_within_the_deadline() {
    let place = Place::new("silent");
    let _silent = Takeover::open(place.socket(), quick()).unwrap();
    let mut config = quick();
    config.handshake = Duration::from_millis(200);
    let begin = Instant::now();
    let error = Takeover::open(place.socket(), config).unwrap_err();
    assert_eq!(error.kind(), zdt::ErrorKind::NoAnswer, "{error}");
    assert!(begin.elapsed() >= Duration::from_millis(200));
}
