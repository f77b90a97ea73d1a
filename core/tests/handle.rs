//! What tests/behaviours.txt promises of every language's face, in Rust: the handle, and the plain pieces below it.
#![allow(clippy::unwrap_used)]

mod common;

use common::{FIRST, PATIENCE, Place, SECOND, Two, goes, in_child, next, open_beside, pair, quick};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};
use zdt::{
    Connection, Error, ErrorKind, Event, Gate, ListenerSpec, NotMigrated, Peer, Progress, Takeover, recv_fds,
    send_fds,
};

#[test]
fn the_first_process_is_generation_one() {
    let place = Place::new("one");
    let first = Takeover::open(place.socket(), quick()).unwrap();
    assert_eq!((first.generation(), first.predecessor()), (1, None));
    first.ready().unwrap();
    assert_eq!(first.progress(), Progress { generation: 1, ..Progress::default() });
}

#[test]
fn drain_without_a_successor_ends_with_done() {
    let place = Place::new("alone");
    let takeover = Takeover::open(place.socket(), quick()).unwrap();
    takeover.ready().unwrap();
    takeover.drain().unwrap();
    match next(&takeover) {
        Event::Drain { successor: None, deadline, reads, retired } => {
            assert_eq!((deadline, reads, retired), (quick().drain, Vec::new(), Vec::new()));
        }
        other => panic!("{other:?}"),
    }
    takeover.migrated_all().unwrap();
    assert!(matches!(next(&takeover), Event::Done { left: 0 }));
}

/// Whether the event descriptor is readable, within `timeout`.
fn is_readable(takeover: &Takeover, timeout: Duration) -> bool {
    let mut poll = libc::pollfd { fd: takeover.event_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call.
    unsafe { libc::poll(&mut poll, 1, timeout.as_millis() as i32) == 1 }
}

#[test]
fn the_event_fd_is_readable_while_an_event_waits() {
    let place = Place::new("readable");
    let takeover = Takeover::open(place.socket(), quick()).unwrap();
    takeover.ready().unwrap();
    while takeover.next_event(Some(Duration::ZERO)).unwrap().is_some() {}
    assert!(!is_readable(&takeover, Duration::ZERO));
    let other = takeover.clone();
    thread::spawn(move || other.drain().unwrap());
    assert!(is_readable(&takeover, PATIENCE), "it wakes a poller in another thread");
    assert!(is_readable(&takeover, PATIENCE), "until the event is taken");
    assert!(matches!(takeover.next_event(Some(Duration::ZERO)).unwrap(), Some(Event::Drain { .. })));
    assert!(takeover.next_event(Some(Duration::ZERO)).unwrap().is_none());
    assert!(!is_readable(&takeover, Duration::ZERO));
}

#[test]
fn the_event_fd_is_readable_soon_after_an_answer_that_others_wait_for() {
    let place = Place::new("answers");
    let mut two = Two::quick(&place.socket());
    let pairs = [pair(), pair()];
    for (id, (_, server)) in pairs.iter().enumerate() {
        two.first().migrate(Connection::new(id as u64, server.as_raw_fd(), "relay")).unwrap();
    }
    let (one, other) = (two.offer(), two.offer());
    assert!(!is_readable(two.second(), Duration::ZERO));
    one.adopt().unwrap().expect("it is ours");
    assert!(is_readable(two.second(), PATIENCE), "nobody would call it");
    assert!(two.second().next_event(Some(Duration::ZERO)).unwrap().is_none());
    assert!(matches!(next(two.first()), Event::Settled(0)));
    drop(other);
    assert!(is_readable(two.second(), Duration::ZERO), "that was the last");
    assert!(matches!(two.next(FIRST), Event::Returned(connection, _) if connection.id == 1));
}

#[test]
fn next_event_gives_nothing_when_nothing_happens() {
    let place = Place::new("nothing");
    let takeover = Takeover::open(place.socket(), quick()).unwrap();
    takeover.ready().unwrap();
    assert!(takeover.next_event(Some(Duration::ZERO)).unwrap().is_none());
    let begin = Instant::now();
    assert!(takeover.next_event(Some(Duration::from_millis(50))).unwrap().is_none());
    assert!(begin.elapsed() >= Duration::from_millis(50), "it waited");
}

#[test]
fn progress_counts_what_moved() {
    let place = Place::new("progress");
    let first = Takeover::open(place.socket(), quick()).unwrap();
    first.set_connections(3);
    first.ready().unwrap();
    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    second.ready().unwrap();
    let mut two = Two::of(first, second);
    assert!(matches!(two.next(FIRST), Event::Drain { .. }));
    let (_client, server) = pair();
    for id in 0..3 {
        let mut frozen = Connection::new(id, server.as_raw_fd(), "relay");
        (frozen.state, frozen.unread, frozen.unsent) = (vec![0; 100], vec![0; 10], vec![0; 1]);
        two.first().migrate(frozen).unwrap();
    }
    two.offer().adopt().unwrap().expect("nobody takes it back");
    two.offer().refuse("for the count");
    two.offer().adopt().unwrap().expect("nobody takes it back");
    let mut answered: Vec<Event> = (0..3).map(|_| two.next(FIRST)).collect();
    answered.retain(|event| matches!(event, Event::Settled(_)));
    assert_eq!(answered.len(), 2);
    let moved = Progress {
        generation: 1,
        expected: 3,
        offered: 3,
        settled: 2,
        returned: 1,
        state_bytes: 200,
        unread_bytes: 20,
        unsent_bytes: 2,
    };
    assert_eq!(two.first().progress(), moved);
    assert_eq!(two.second().progress(), Progress { generation: 2, ..moved });
}

#[test]
fn the_successor_is_generation_two_after_its_commit() {
    let place = Place::new("two");
    let mut named = quick();
    (named.program, named.runtime) = ("gateway 2.1".into(), "rust 1.88".into());
    let mut two = Two::draining(&place.socket(), quick(), named);
    two.first().migrated_all().unwrap();
    assert!(matches!(two.next(SECOND), Event::Committed { generation: 2 }));
    assert!(matches!(two.next(FIRST), Event::Done { .. }));
    assert_eq!((two.first().generation(), two.second().generation()), (1, 2));
    let third = open_beside(two.second(), &place.socket(), quick()).unwrap();
    let expected = Peer {
        pid: std::process::id(),
        program: "gateway 2.1".into(),
        runtime: "rust 1.88".into(),
        generation: 2,
    };
    assert_eq!((third.generation(), third.predecessor()), (3, Some(expected)));
}

#[test]
fn closing_answers_every_later_call() {
    let place = Place::new("closed");
    let takeover = Takeover::open(place.socket(), quick()).unwrap();
    let waiting = {
        let takeover = takeover.clone();
        thread::spawn(move || takeover.next_event(None).unwrap_err().kind())
    };
    takeover.close();
    assert_eq!(waiting.join().unwrap(), ErrorKind::Closed, "whoever waits returns");
    takeover.close();
    let closed = |error: Error| assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    closed(takeover.listener("http", &ListenerSpec::tcp("127.0.0.1:0")).unwrap_err());
    closed(takeover.ready().unwrap_err());
    closed(takeover.next_event(Some(Duration::ZERO)).unwrap_err());
    closed(takeover.migrated_all().unwrap_err());
    closed(takeover.drain().unwrap_err());
    match takeover.migrate(Connection::new(1, 0, "relay")) {
        Err(NotMigrated::Failed(kept, error)) => {
            closed(error);
            assert_eq!(kept.id, 1, "it is still ours");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_forked_child_is_told_and_the_parent_goes_on() {
    let place = Place::new("forked");
    let takeover = Takeover::open(place.socket(), quick()).unwrap();
    takeover.ready().unwrap();
    assert!(in_child(|| {
        assert_eq!(takeover.drain().unwrap_err().kind(), ErrorKind::Forked);
        assert_eq!(takeover.next_event(None).unwrap_err().kind(), ErrorKind::Forked);
    }));
    assert_eq!(open_beside(&takeover, &place.socket(), quick()).unwrap().generation(), 2);
}

#[test]
fn descriptors_travel_over_a_socket_of_ones_own() {
    let (here, there) = UnixStream::pair().unwrap();
    let (client, server) = pair();
    send_fds(here.as_fd(), b"take these", &[server.as_fd(), here.as_fd()]).unwrap();
    let mut data = [0; 64];
    let (length, mut fds) = recv_fds(there.as_fd(), &mut data).unwrap();
    assert_eq!((&data[..length], fds.len()), (&b"take these"[..], 2));
    drop(server);
    goes(TcpStream::from(fds.swap_remove(0)), &client, "through the copy");
}

#[test]
fn a_gate_waits_for_what_is_in_flight() {
    let gate = Gate::new();
    let inside = gate.enter().expect("it is open");
    gate.close();
    assert!(gate.enter().is_none(), "it is closed");
    assert_eq!(gate.wait(Duration::ZERO), Err(1));
    let leaving = thread::spawn(move || drop(inside));
    assert_eq!(gate.wait(PATIENCE), Ok(()));
    leaving.join().unwrap();
    gate.open();
    assert!(gate.enter().is_some());
}

#[test]
fn a_duration_of_for_ever_is_one() {
    let place = Place::new("for-ever");
    let ever = Duration::MAX;
    let mut config = quick();
    (config.handshake, config.ready, config.commit) = (ever, ever, ever);
    (config.drain, config.probation, config.hang) = (ever, ever, ever);
    let takeover = Takeover::open(place.socket(), config).unwrap();
    takeover.ready().unwrap();
    takeover.drain().unwrap();
    assert!(matches!(takeover.next_event(Some(ever)), Ok(Some(Event::Drain { successor: None, .. }))));
    takeover.migrated_all().unwrap();
    assert!(matches!(takeover.next_event(Some(ever)), Ok(Some(Event::Done { left: 0 }))));
}
