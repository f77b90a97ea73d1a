//! Each error of tests/behaviours.txt with a real cause. Those that take a bad predecessor are in tests/hostile.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, Two, in_child, next, open_beside, pair, quick};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use zdt::{Config, Connection, Error, ErrorKind, Event, Frozen, ListenerSpec, NotMigrated, Reads, Takeover};

fn open(path: impl AsRef<Path>) -> zdt::Result<Takeover> {
    Takeover::open(path, quick())
}

/// Sees that an error is of this kind, and says something.
fn is(kind: ErrorKind, error: &Error) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(!error.what().is_empty());
}

fn not_migrated(takeover: &Takeover, connection: Frozen) -> Error {
    match takeover.migrate(connection) {
        Err(NotMigrated::Failed(_, error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_error_number_has_its_kind() {
    let page = include_str!("../../docs/errors.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit());
    let told: Vec<Vec<&str>> =
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let known = ErrorKind::ALL.iter().map(|kind| {
        let again = if kind.retry_helps() { "yes" } else { "no" };
        (kind.number().to_string(), format!("`{kind:?}`"), kind.word().to_string(), again)
    });
    let known: Vec<_> = known.collect();
    assert_eq!(told.len(), known.len(), "docs/errors.md has every error");
    for (row, (number, kind, word, again)) in told.iter().zip(&known) {
        assert_eq!(row[..4], [number, kind, word, *again], "docs/errors.md");
    }
    let found: BTreeMap<i32, ErrorKind> =
        (-1000..1000).filter_map(|number| Some((number, ErrorKind::from_number(number)?))).collect();
    assert!(found.iter().all(|(number, kind)| kind.number() == *number));
    assert_eq!(found.into_values().collect::<Vec<_>>(), ErrorKind::ALL);
}

#[test]
fn error_invalid_argument() {
    is(ErrorKind::InvalidArgument, &ListenerSpec::tcp("localhost:http").bind().unwrap_err());
}

#[test]
fn error_path_too_long() {
    let place = Place::new("long");
    is(ErrorKind::PathTooLong, &open(place.0.join("x".repeat(108))).unwrap_err());
}

#[test]
fn error_name_used() {
    let place = Place::new("name");
    let takeover = open(place.socket()).unwrap();
    let spec = ListenerSpec::tcp("127.0.0.1:0");
    let _listener = takeover.listener("http", &spec).unwrap();
    is(ErrorKind::NameUsed, &takeover.listener("http", &spec).unwrap_err());
}

#[test]
fn error_wrong_state() {
    let place = Place::new("state");
    let takeover = open(place.socket()).unwrap();
    takeover.ready().unwrap();
    is(ErrorKind::WrongState, &takeover.ready().unwrap_err());
    is(ErrorKind::WrongState, &takeover.migrated_all().unwrap_err());
    is(ErrorKind::WrongState, &not_migrated(&takeover, Connection::new(1, 0, "relay")));
}

#[test]
fn error_closed() {
    let place = Place::new("close");
    let takeover = open(place.socket()).unwrap();
    takeover.close();
    is(ErrorKind::Closed, &takeover.ready().unwrap_err());
}

#[test]
fn error_forked() {
    let place = Place::new("fork");
    let takeover = open(place.socket()).unwrap();
    assert!(in_child(|| is(ErrorKind::Forked, &takeover.ready().unwrap_err())));
    takeover.ready().unwrap();
}

#[test]
fn error_too_large() {
    let place = Place::new("bytes");
    let mut small = quick();
    small.max_bytes = 8;
    let two = Two::draining(&place.socket(), small, quick());
    let (_client, server) = pair();
    let mut frozen = Connection::new(1, server.as_raw_fd(), "relay");
    frozen.unsent = vec![0; 9];
    is(ErrorKind::TooLarge, &not_migrated(two.first(), frozen));
}

#[test]
fn error_not_readable() {
    let place = Place::new("unread");
    let mut reading = quick();
    reading.reads = vec![Reads { protocol: "relay".into(), versions: vec![1] }];
    let two = Two::draining(&place.socket(), quick(), reading);
    let (_client, server) = pair();
    is(ErrorKind::NotReadable, &not_migrated(two.first(), Connection::new(1, server.as_raw_fd(), "other")));
}

#[test]
fn error_listener_unclaimed() {
    let place = Place::new("claim");
    let first = open(place.socket()).unwrap();
    let _listener = first.listener("http", &ListenerSpec::tcp("127.0.0.1:0")).unwrap();
    first.ready().unwrap();
    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    is(ErrorKind::ListenerUnclaimed, &second.ready().unwrap_err());
}

#[test]
fn error_signal_not_blocked() {
    let place = Place::new("signal");
    let mut config = quick();
    config.drain_signals = vec![libc::SIGUSR1];
    is(ErrorKind::SignalNotBlocked, &Takeover::open(place.socket(), config).unwrap_err());
    assert!(!place.socket().exists(), "nothing was changed");
}

#[test]
fn error_system() {
    // TEST-NET-3 (RFC 5737): no interface has it.
    let error = ListenerSpec::tcp("203.0.113.1:0").bind().unwrap_err();
    is(ErrorKind::System, &error);
    assert_eq!(error.errno(), Some(libc::EADDRNOTAVAIL));
}

#[test]
fn error_directory_missing() {
    let place = Place::new("missing");
    is(ErrorKind::DirectoryMissing, &open(place.0.join("nowhere/zdt.sock")).unwrap_err());
}

#[test]
fn error_address_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let spec = ListenerSpec::tcp(taken.local_addr().unwrap().to_string());
    is(ErrorKind::AddressInUse, &spec.bind().unwrap_err());
}

#[test]
fn error_busy() {
    let place = Place::new("busy");
    let first = open(place.socket()).unwrap();
    let error = open_beside(&first, &place.socket(), quick()).unwrap_err();
    is(ErrorKind::Busy, &error);
    assert_eq!(error.pid(), Some(std::process::id()), "who is not ready itself");
    first.ready().unwrap();
    open_beside(&first, &place.socket(), quick()).unwrap();
}

#[test]
fn error_peer_gone() {
    let place = Place::new("gone");
    let two = Two::quick(&place.socket());
    two.second().close();
    let Event::Resume { cause } = next(two.first()) else { panic!("no Resume") };
    is(ErrorKind::PeerGone, &cause);
    assert_eq!(cause.pid(), Some(std::process::id()));
}

#[test]
fn error_unsafe_directory() {
    let place = Place::new("unsafe");
    std::fs::set_permissions(&place.0, Permissions::from_mode(0o777)).unwrap();
    is(ErrorKind::UnsafeDirectory, &open(place.socket()).unwrap_err());
    assert!(!place.socket().exists(), "nothing was changed");
}

#[test]
fn error_foreign_file() {
    let place = Place::new("foreign");
    std::fs::write(place.socket(), "mine").unwrap();
    is(ErrorKind::ForeignFile, &Takeover::open(place.socket(), Config::default()).unwrap_err());
    assert_eq!(std::fs::read(place.socket()).unwrap(), b"mine", "it was left alone");
}
