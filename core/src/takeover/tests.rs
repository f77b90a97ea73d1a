//! Bad input and trouble: each gives its own numbered error, and the process that serves goes on serving.

use super::explain::refuse_note;
use super::{Config, Event, NotMigrated, Takeover};
use crate::connection::Connection;
use crate::error::{Error, ErrorKind};
use crate::listener::ListenerSpec;
use crate::sys::testing::{TempDir, alone, in_child, leave_room_for, open_count};
use crate::sys::unix;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

mod peers;

fn config() -> Config {
    Config { probation: Duration::ZERO, handshake: Duration::from_secs(2), ..Config::default() }
}

/// An owner that answers, in a thread of its own, until it is dropped.
struct Owner {
    takeover: Takeover,
    stop: std::sync::Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
    directory: TempDir,
}

impl Owner {
    fn new() -> Owner {
        let directory = TempDir::fresh();
        let takeover = Takeover::open(directory.path().join("zdt.sock"), config()).unwrap();
        takeover.ready().unwrap();
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let (there, stopped) = (takeover.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let event = there.next_event(Some(Duration::from_millis(20))).unwrap();
                assert!(event.is_none(), "the owner is not bothered: {event:?}");
            }
        });
        Owner { takeover, stop, thread: Some(thread), directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("zdt.sock")
    }

    /// It still welcomes whoever comes.
    fn still_serves(&self) {
        let next = Takeover::open(self.path(), config()).expect("the owner goes on serving");
        assert_eq!(next.generation(), 2);
    }

    /// A peer that speaks for itself.
    fn connect(&self) -> OwnedFd {
        unix::connect_seqpacket(&self.path()).unwrap()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

fn kind(result: Result<Takeover, Error>) -> ErrorKind {
    result.expect_err("it must fail").kind()
}

#[test]
fn a_path_that_is_too_long_missing_or_foreign_is_named() {
    let directory = TempDir::fresh();
    let long = directory.path().join("x".repeat(120));
    assert_eq!(kind(Takeover::open(long, config())), ErrorKind::PathTooLong);
    assert_eq!(
        kind(Takeover::open(directory.path().join("no/zdt.sock"), config())),
        ErrorKind::DirectoryMissing
    );
    let file = directory.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert_eq!(kind(Takeover::open(&file, config())), ErrorKind::ForeignFile);
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    directory.set_mode(0o777);
    assert_eq!(kind(Takeover::open(directory.path().join("zdt.sock"), config())), ErrorKind::UnsafeDirectory);
}

#[test]
fn a_name_used_twice_and_a_listener_nobody_asked_for_are_named() {
    let owner = Owner::new();
    let spec = ListenerSpec::tcp("127.0.0.1:0");
    let _one = owner.takeover.listener("one", &spec).unwrap();
    assert_eq!(owner.takeover.listener("one", &spec).unwrap_err().kind(), ErrorKind::NameUsed);
    let next = Takeover::open(owner.path(), config()).unwrap();
    assert_eq!(next.ready().unwrap_err().kind(), ErrorKind::ListenerUnclaimed);
    let other = ListenerSpec::unix(owner.directory.path().join("other"));
    assert_eq!(next.listener("one", &other).unwrap_err().kind(), ErrorKind::ListenerMismatch);
    next.listener("one", &spec).unwrap();
    drop(next);
    owner.still_serves();
}

#[test]
fn what_cannot_be_offered_is_said_and_stays_ours() {
    let directory = TempDir::fresh();
    let path = directory.path().join("zdt.sock");
    let first = Takeover::open(&path, config()).unwrap();
    first.ready().unwrap();
    let failed = |connection| match first.migrate(connection) {
        Err(NotMigrated::Failed(_, error)) => error.kind(),
        other => panic!("{other:?}"),
    };
    let (one, _other) = UnixStream::pair().unwrap();
    let frozen = || Connection::new(1, one.as_raw_fd(), "relay");
    assert_eq!(failed(frozen()), ErrorKind::WrongState, "nobody asked to drain");
    assert_eq!(first.migrated_all().unwrap_err().kind(), ErrorKind::WrongState);
    let reads = vec![super::Reads { protocol: "relay".into(), versions: vec![2] }];
    let successor = {
        let path = path.clone();
        thread::spawn(move || Takeover::open(path, Config { reads, ..config() }).unwrap())
    };
    while !successor.is_finished() {
        assert!(first.next_event(Some(Duration::from_millis(5))).unwrap().is_none());
    }
    let second = successor.join().unwrap();
    second.ready().unwrap();
    assert!(matches!(first.next_event(Some(Duration::from_secs(5))).unwrap(), Some(Event::Drain { .. })));
    let mut large = frozen();
    large.state = vec![0; (1 << 20) + 1];
    assert_eq!(failed(large), ErrorKind::TooLarge);
    let mut unread = frozen();
    unread.unread = vec![0; (16 << 20) + 1];
    assert_eq!(failed(unread), ErrorKind::TooLarge);
    let mut old = frozen();
    (old.state, old.state_version) = (vec![1], 1);
    assert_eq!(failed(old), ErrorKind::NotReadable);
    assert_eq!(failed(Connection::new(1, one.as_raw_fd(), "p".repeat(300))), ErrorKind::InvalidArgument);
    // A descriptor that is not open comes back, and what is offered after it goes through.
    first.migrate(Connection::new(8, 19_999, "relay")).unwrap();
    let mut full = 0;
    while first.migrate(Connection::new(100 + full, one.as_raw_fd(), "relay")).is_ok() {
        full += 1;
    }
    let event = first.next_event(Some(Duration::from_secs(5))).unwrap();
    assert!(matches!(&event, Some(Event::Returned(connection, _)) if connection.id == 8), "{event:?}");
    // Its whole message does; the messages behind it go out.
    let mut returned = 1;
    while let Some(event) = first.next_event(Some(Duration::ZERO)).unwrap() {
        returned += u64::from(matches!(event, Event::Returned(..)));
    }
    let mut offered = 0;
    while let Some(event) = second.next_event(Some(Duration::from_millis(200))).unwrap() {
        offered += u64::from(matches!(event, Event::Offer(_)));
        while first.next_event(Some(Duration::ZERO)).unwrap().is_some() {}
    }
    assert_eq!(returned + offered, full + 1, "{returned} came back, {offered} were offered");
    assert!(returned < 300 && offered > 700, "{returned} came back, {offered} were offered");
}

#[test]
fn too_few_descriptors_for_what_is_coming_is_said_before_anything_moves() {
    alone(|| {
        let owner = Owner::new();
        owner.takeover.set_connections(30_000);
        leave_room_for(500);
        let error = Takeover::open(owner.path(), config()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DescriptorLimit, "{error}");
        owner.takeover.set_connections(0);
        owner.still_serves();
    });
}

#[test]
fn a_handle_used_after_close_says_so() {
    let directory = TempDir::fresh();
    let takeover = Takeover::open(directory.path().join("zdt.sock"), config()).unwrap();
    takeover.close();
    assert_eq!(takeover.ready().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(takeover.next_event(None).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_handle_used_after_fork_says_so_and_lets_go_of_its_copies() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("zdt.sock");
        let takeover = Takeover::open(&path, config()).unwrap();
        takeover.listener("one", &ListenerSpec::tcp("127.0.0.1:0")).unwrap();
        takeover.ready().unwrap();
        let status = in_child(|| {
            let before = open_count();
            assert_eq!(takeover.drain().unwrap_err().kind(), ErrorKind::Forked);
            assert!(open_count() <= before - 3, "takeover socket, listener and deed are closed");
            assert_eq!(takeover.next_event(None).unwrap_err().kind(), ErrorKind::Forked);
        });
        assert_eq!(status, 0);
        // The parent's handle is as it was: the path is served.
        let waiter = {
            let takeover = takeover.clone();
            thread::spawn(move || takeover.next_event(Some(Duration::from_millis(500))).unwrap().is_none())
        };
        assert_eq!(Takeover::open(&path, config()).unwrap().generation(), 2);
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn a_takeover_leaves_no_descriptor_behind() {
    alone(|| {
        let owner = Owner::new();
        drop(Takeover::open(owner.path(), config()).unwrap());
        let settle = || thread::sleep(Duration::from_millis(100));
        settle();
        let before = open_count();
        for _ in 0..5 {
            drop(Takeover::open(owner.path(), config()).unwrap());
        }
        settle();
        assert_eq!(open_count(), before);
    });
}

#[test]
fn draining_without_a_successor_ends_when_nothing_is_in_flight() {
    let directory = TempDir::fresh();
    let takeover = Takeover::open(directory.path().join("zdt.sock"), config()).unwrap();
    takeover.ready().unwrap();
    let other = takeover.clone();
    thread::spawn(move || other.drain().unwrap()).join().unwrap();
    let event = takeover.next_event(Some(Duration::ZERO)).unwrap();
    assert!(matches!(event, Some(Event::Drain { successor: None, .. })), "{event:?}");
    takeover.migrated_all().unwrap();
    assert!(matches!(takeover.next_event(Some(Duration::ZERO)).unwrap(), Some(Event::Done { left: 0 })));
}

#[test]
fn draining_alone_goes_on_after_a_successor_that_came_and_went() {
    let directory = TempDir::fresh();
    let path = directory.path().join("zdt.sock");
    let first = Takeover::open(&path, config()).unwrap();
    first.ready().unwrap();
    first.drain().unwrap();
    assert!(matches!(first.next_event(None).unwrap(), Some(Event::Drain { successor: None, .. })));
    let newcomer = thread::spawn(move || Takeover::open(path, config()).unwrap());
    while !newcomer.is_finished() {
        assert!(first.next_event(Some(Duration::from_millis(5))).unwrap().is_none());
    }
    first.migrated_all().unwrap();
    assert!(
        first.next_event(Some(Duration::from_millis(50))).unwrap().is_none(),
        "the successor may yet take over"
    );
    drop(newcomer.join().unwrap());
    let event = first.next_event(Some(Duration::from_secs(5))).unwrap();
    assert!(matches!(event, Some(Event::Done { left: 0 })), "{event:?}");
}

#[test]
fn a_note_carries_number_and_reason() {
    let note = refuse_note(&Error::new(ErrorKind::Busy, "somebody is at it", "call again"));
    assert_eq!((note.number, note.reason.as_str()), (301, "somebody is at it"));
}
