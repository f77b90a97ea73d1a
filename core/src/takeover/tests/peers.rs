//! Peers that lie, say nothing or are not to be trusted: each is told what is wrong, and the owner goes on.

use super::{Owner, config, kind};
use crate::error::ErrorKind;
use crate::sys::testing::{TempDir, alone, become_nobody, in_child};
use crate::sys::{process, scm_rights, unix};
use crate::takeover::Takeover;
use crate::wire::limits::NEVER_A_VERSION;
use crate::wire::message::{Envelope, Hello, Message, Ready, Refuse, Welcome};
use crate::wire::{decode, encode};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

fn say(socket: &OwnedFd, sequence: u32, message: Message, fds: &[BorrowedFd<'_>]) {
    let mut bytes = Vec::new();
    encode(&Envelope { sequence, descriptors: fds.len() as u32, message }, &mut bytes).unwrap();
    let fds: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    scm_rights::send(socket.as_fd(), &[IoSlice::new(&bytes)], &fds, false).unwrap();
}

/// The next message, within two seconds; `None`: end-of-file.
fn hear(socket: &OwnedFd) -> Option<Message> {
    let until = Instant::now() + Duration::from_secs(2);
    let mut buffer = vec![0; 65_536];
    while Instant::now() < until {
        match scm_rights::receive(socket.as_fd(), &mut buffer, &mut Vec::new(), false) {
            Ok(got) if got.bytes == 0 => return None,
            Ok(got) => return Some(decode(&buffer[..got.bytes]).unwrap().message),
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
    panic!("no answer within two seconds");
}

fn refused(socket: &OwnedFd) -> ErrorKind {
    match hear(socket) {
        Some(Message::Refuse(Refuse { number, .. })) => ErrorKind::from_number(number as i32).unwrap(),
        other => panic!("{other:?} instead of REFUSE"),
    }
}

#[test]
fn a_peer_that_speaks_no_protocol_is_let_go() {
    let owner = Owner::new();
    let peer = owner.connect();
    scm_rights::send(peer.as_fd(), &[IoSlice::new(b"GET / HTTP/1.1\r\n")], &[], false).unwrap();
    assert_eq!(refused(&peer), ErrorKind::Malformed);
    assert_eq!(hear(&peer), None);
    owner.still_serves();
}

#[test]
fn a_peer_that_speaks_another_version_is_let_go() {
    let owner = Owner::new();
    let peer = owner.connect();
    let hello = Hello { versions: vec![NEVER_A_VERSION], pid: std::process::id(), ..Hello::default() };
    say(&peer, 0, Message::Hello(hello), &[process::own_pidfd().unwrap().as_fd()]);
    assert_eq!(refused(&peer), ErrorKind::NoCommonVersion);
    owner.still_serves();
}

#[test]
fn a_peer_that_begins_with_another_message_or_a_wrong_number_is_let_go() {
    let owner = Owner::new();
    let peer = owner.connect();
    say(&peer, 0, Message::Ready(Ready::default()), &[]);
    assert_eq!(refused(&peer), ErrorKind::OutOfOrder);
    let peer = owner.connect();
    let hello = Hello { versions: vec![1], ..Hello::default() };
    say(&peer, 5, Message::Hello(hello.clone()), &[process::own_pidfd().unwrap().as_fd()]);
    assert_eq!(refused(&peer), ErrorKind::OutOfOrder);
    let peer = owner.connect();
    say(&peer, 0, Message::Hello(hello), &[]);
    assert_eq!(refused(&peer), ErrorKind::DescriptorCount);
    owner.still_serves();
}

#[test]
fn a_pidfd_of_another_process_is_refused() {
    let owner = Owner::new();
    let peer = owner.connect();
    let init = process::pidfd_open(1).unwrap();
    say(&peer, 0, Message::Hello(Hello { versions: vec![1], ..Hello::default() }), &[init.as_fd()]);
    assert_eq!(refused(&peer), ErrorKind::WrongProcess);
    owner.still_serves();
}

#[test]
fn a_peer_of_another_user_is_turned_away_by_the_owner() {
    alone(|| {
        let owner = Owner::new();
        let open = |path: &std::path::Path, mode| {
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        };
        open(owner.directory.path(), 0o755);
        open(&owner.path(), 0o666);
        let status = in_child(|| {
            // An ordinary user cannot become another one: then there is nothing to try.
            if become_nobody() {
                assert_eq!(refused(&owner.connect()), ErrorKind::WrongUser);
            }
        });
        assert_eq!(status, 0);
        owner.still_serves();
    });
}

#[test]
fn a_successor_that_breaks_the_protocol_costs_only_its_attempt() {
    let owner = Owner::new();
    let peer = owner.connect();
    say(
        &peer,
        0,
        Message::Hello(Hello { versions: vec![1], ..Hello::default() }),
        &[process::own_pidfd().unwrap().as_fd()],
    );
    assert!(matches!(hear(&peer), Some(Message::Welcome(_))));
    assert!(matches!(hear(&peer), Some(Message::Listeners(_))));
    say(&peer, 1, Message::Ready(Ready::default()), &[]);
    let hears_that_it_is_off = |peer| {
        let lost = ErrorKind::AttemptLost.number() as u32;
        matches!(hear(peer), Some(Message::Note(note)) if note.number == lost) && hear(peer).is_none()
    };
    assert!(hears_that_it_is_off(&peer), "READY before LISTENERS_ACK");
    owner.still_serves();
    let peer = owner.connect();
    let hello = Hello { versions: vec![1], ..Hello::default() };
    say(&peer, 0, Message::Hello(hello), &[process::own_pidfd().unwrap().as_fd()]);
    assert!(matches!(hear(&peer), Some(Message::Welcome(_))));
    assert!(matches!(hear(&peer), Some(Message::Listeners(_))));
    say(&peer, 1, Message::ListenersAck, &[]);
    say(&peer, 2, Message::Ready(Ready { retired: vec!["what the owner never had".into()] }), &[]);
    assert!(hears_that_it_is_off(&peer), "READY that retires what there is not");
    owner.still_serves();
}

#[test]
fn silent_newcomers_keep_nobody_out() {
    let owner = Owner::new();
    let silent: Vec<OwnedFd> = (0..40).map(|_| owner.connect()).collect();
    owner.still_serves();
    drop(silent);
}

#[test]
fn a_second_successor_is_told_who_is_at_it() {
    let owner = Owner::new();
    let first = Takeover::open(owner.path(), config()).unwrap();
    let error = Takeover::open(owner.path(), config()).unwrap_err();
    assert_eq!((error.kind(), error.pid()), (ErrorKind::Busy, Some(std::process::id())));
    assert!(error.kind().retry_helps());
    drop(first);
    owner.still_serves();
}

#[test]
fn an_owner_that_chose_a_version_nobody_speaks_is_refused() {
    let directory = TempDir::fresh();
    let path = directory.path().join("zdt.sock");
    let listener = unix::bind_seqpacket(&path).unwrap();
    unix::listen(listener.as_fd(), 5).unwrap();
    let owner = thread::spawn(move || {
        let link = loop {
            match unix::accept(listener.as_fd()) {
                Ok(link) => break link,
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        };
        assert!(matches!(hear(&link), Some(Message::Hello(_))));
        let pidfd = process::own_pidfd().unwrap();
        let welcome = Welcome { version: NEVER_A_VERSION, ..Welcome::default() };
        say(&link, 0, Message::Welcome(welcome), &[pidfd.as_fd(), pidfd.as_fd()]);
        matches!(hear(&link), Some(Message::Note(note)) if note.number == ErrorKind::NoCommonVersion.number() as u32)
    });
    assert_eq!(kind(Takeover::open(&path, config())), ErrorKind::NoCommonVersion);
    assert!(owner.join().unwrap(), "and it is told why");
}
