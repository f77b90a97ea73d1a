//! A hostile successor against a real owner: whatever it says, at whatever step, the owner serves on, keeps nothing of what
//! came, and the next successor takes everything.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tempfile::TempDir;
use zdt::{Config, Connection, ErrorKind, Event, Frozen, ListenerSpec, Takeover};

/// A service with one connection, which it serves (in words) or offers, in a thread of its own.
struct Owner {
    place: TempDir,
    client: TcpStream,
    stop: Arc<AtomicBool>,
    turns: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Owner {
    fn new(patience: Duration) -> Owner {
        let place = TempDir::new().unwrap();
        let mut config = Config::default();
        (config.handshake, config.ready, config.drain) = (patience, patience, PATIENT);
        config.probation = Duration::ZERO;
        let takeover = Takeover::open(place.path().join("zdt.sock"), config).unwrap();
        let listener = takeover.listener("http", &ListenerSpec::tcp("127.0.0.1:0")).unwrap();
        takeover.ready().unwrap();
        let (client, server) = tcp_pair();
        let stop = Arc::new(AtomicBool::new(false));
        let turns = Arc::new(AtomicUsize::new(0));
        let mut service = Service { takeover, server, _listener: listener, frozen: false };
        let (stopped, taken) = (stop.clone(), turns.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) && service.turn() {
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
        Owner { place, client, stop, turns, thread: Some(thread) }
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("zdt.sock")
    }

    /// The connection is served here, or where it moved to.
    fn is_served(&mut self) {
        self.client.write_all(b"alive").unwrap();
        let mut got = [0; 5];
        self.client.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"alive");
    }

    /// A proper successor takes everything.
    fn gives_way(mut self) {
        self.is_served();
        let mut config = Config::default();
        config.probation = Duration::ZERO;
        let mut next = None;
        until("the owner welcomes again", || match Takeover::open(self.path(), config.clone()) {
            Ok(opened) => {
                next = Some(opened);
                true
            }
            Err(error) => {
                assert!(error.kind().retry_helps(), "{error}");
                false
            }
        });
        let next = next.unwrap();
        assert_eq!(next.unclaimed(), ["http"]);
        let address = ListenerSpec::tcp("127.0.0.1:0");
        let listener = next.listener("http", &address).unwrap();
        next.ready().unwrap();
        let adopted = loop {
            match next.next_event(Some(PATIENT)).unwrap().expect("an offer in time") {
                Event::Offer(offer) => break offer.adopt().unwrap().unwrap(),
                other => assert!(matches!(other, Event::Committed { .. }), "{other:?}"),
            }
        };
        let mut service = Service {
            takeover: next,
            server: TcpStream::from(adopted.socket),
            _listener: listener,
            frozen: false,
        };
        let stop = self.stop.clone();
        let there = thread::spawn(move || while !stop.load(Ordering::Relaxed) && service.turn() {});
        self.is_served();
        self.stop.store(true, Ordering::Relaxed);
        there.join().unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

struct Service {
    takeover: Takeover,
    server: TcpStream,
    _listener: OwnedFd,
    /// It is on offer, or gone: then it is not ours to serve.
    frozen: bool,
}

impl Service {
    /// One turn of a small event loop; `false` once there is nothing left to do.
    fn turn(&mut self) -> bool {
        match self.takeover.next_event(Some(Duration::from_millis(1))).unwrap() {
            Some(Event::Drain { .. }) => {
                self.frozen = true;
                let connection: Frozen = Connection::new(1, self.server.as_raw_fd(), "relay");
                if self.takeover.migrate(connection).is_err() {
                    self.frozen = false;
                }
            }
            Some(Event::Returned(..)) => self.frozen = false,
            Some(Event::Settled(_)) => self.takeover.migrated_all().unwrap(),
            Some(Event::Done { .. } | Event::Relieved) => return false,
            _ => {}
        }
        if !self.frozen {
            self.server.set_nonblocking(true).unwrap();
            let mut buffer = [0; 64];
            if let Ok(length) = self.server.read(&mut buffer) {
                let _ = self.server.write_all(&buffer[..length]);
            }
        }
        true
    }
}

/// How far a successor plays by the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Connected,
    Welcomed,
    Acknowledged,
    Ready,
    Offered,
}

const STEPS: [Step; 5] = [Step::Connected, Step::Welcomed, Step::Acknowledged, Step::Ready, Step::Offered];

/// A newcomer that has come to `step` by the rules, and what came with WELCOME, LISTENERS and OFFER.
fn newcomer(owner: &Owner, step: Step) -> (Peer, Vec<OwnedFd>) {
    let mut peer = Peer::connect(&owner.path());
    let mut came = Vec::new();
    if step >= Step::Welcomed {
        peer.say(HELLO, &hello(), &[&own_pidfd()]);
        came.extend(peer.hear_only(WELCOME));
        came.extend(peer.hear_only(LISTENERS));
    }
    if step >= Step::Acknowledged {
        peer.say(LISTENERS_ACK, &[], &[]);
    }
    if step >= Step::Ready {
        peer.say(READY, &ready(&[]), &[]);
        peer.hear_only(DRAINING);
    }
    if step >= Step::Offered {
        came.extend(peer.hear_only(OFFER));
    }
    (peer, came)
}

/// What a peer does, and whether it could.
type Misdeed = Box<dyn Fn(&mut Peer) -> bool>;

/// What is not allowed at this step.
fn misdeeds(step: Step) -> Vec<(&'static str, Misdeed)> {
    let null = || File::open("/dev/null").unwrap();
    let mut misdeeds: Vec<(&str, Misdeed)> = vec![
        ("garbage", Box::new(|peer| peer.send(b"this is no CBOR map", &[]))),
        ("64 KiB of ones", Box::new(|peer| peer.send(&[0xff; 65_536], &[]))),
        ("64 KiB of array heads", Box::new(|peer| peer.send(&[0x9b; 65_536], &[]))),
        ("more than 64 KiB", Box::new(|peer| peer.send(&[0; 65_537], &[]))),
        ("nothing, with descriptors", Box::new(move |peer| peer.send(b"", &[&null(), &null()]))),
        (
            "garbage with 253 descriptors",
            Box::new(move |peer| {
                let null = null();
                let many: Vec<&dyn AsFd> = (0..253).map(|_| &null as &dyn AsFd).collect();
                peer.send(b"\xff", &many)
            }),
        ),
        (
            "a descriptor less than said",
            Box::new(|peer| {
                let bytes = envelope(peer.sequence(), 1, ANSWER, &[]);
                peer.send(&bytes, &[])
            }),
        ),
        (
            "a descriptor more than said",
            Box::new(move |peer| {
                let bytes = envelope(peer.sequence(), 0, ANSWER, &[]);
                peer.send(&bytes, &[&null()])
            }),
        ),
        (
            "a sequence number that is not due",
            Box::new(|peer| {
                let bytes = envelope(peer.sequence() + 1, 0, ANSWER, &[]);
                peer.send(&bytes, &[])
            }),
        ),
        ("WELCOME", Box::new(|peer| peer.say(WELCOME, &welcome(1, 0), &[&own_pidfd(), &ledger()]))),
        ("LISTENERS", Box::new(|peer| peer.say(LISTENERS, &listeners("tcp://127.0.0.1:1"), &[]))),
        ("DRAINING", Box::new(|peer| peer.say(DRAINING, &draining(), &[]))),
        ("OFFER", Box::new(move |peer| peer.say(OFFER, &offer(&[0], None), &[&null()]))),
        ("REFUSE", Box::new(|peer| peer.say(REFUSE, &note(301), &[]))),
        ("a message that is none", Box::new(|peer| peer.say(99, &[], &[]))),
    ];
    if step != Step::Connected {
        misdeeds.push(("HELLO again", Box::new(|peer| peer.say(HELLO, &hello(), &[&own_pidfd()]))));
    }
    if step != Step::Welcomed {
        misdeeds.push(("LISTENERS_ACK", Box::new(|peer| peer.say(LISTENERS_ACK, &[], &[]))));
    }
    let unknown = |peer: &mut Peer| peer.say(READY, &ready(&["of nobody"]), &[]);
    misdeeds.push(("READY that retires what nobody has", Box::new(unknown)));
    if step != Step::Acknowledged {
        misdeeds.push(("READY", Box::new(|peer| peer.say(READY, &ready(&[]), &[]))));
    }
    misdeeds
}

#[test]
fn whatever_a_successor_says_at_whatever_step_the_owner_serves_on() {
    let _alone = alone();
    let mut owner = Owner::new(PATIENT);
    owner.is_served();
    let before = open_descriptors();
    for step in STEPS {
        for (what, misdeed) in misdeeds(step) {
            let (mut peer, came) = newcomer(&owner, step);
            assert!(misdeed(&mut peer), "{what} could not be said at {step:?}");
            // The link is closed by the owner, not by us.
            peer.outlast();
            drop((peer, came));
            owner.is_served();
            until(&format!("{what} at {step:?} leaves descriptors behind"), || open_descriptors() == before);
        }
    }
    owner.gives_way();
}

#[test]
fn hello_comes_with_the_pidfd_of_its_own_process_and_nothing_else() {
    let _alone = alone();
    let mut owner = Owner::new(PATIENT);
    let other = rustix::process::pidfd_open(
        rustix::process::getppid().unwrap(),
        rustix::process::PidfdFlags::empty(),
    );
    let mut kinds = useless();
    kinds.push(("the pidfd of another process", other.unwrap()));
    let before = open_descriptors();
    let own = own_pidfd();
    let refused = |owner: &Owner, fds: &[&dyn AsFd]| {
        let mut peer = Peer::connect(&owner.path());
        peer.say(HELLO, &hello(), fds);
        peer.outlast()
    };
    for (what, fd) in &kinds {
        assert_eq!(refused(&owner, &[fd]), [ErrorKind::WrongProcess.number() as u32], "{what}");
    }
    let wrong_count = [ErrorKind::DescriptorCount.number() as u32];
    assert_eq!(refused(&owner, &[]), wrong_count);
    assert_eq!(refused(&owner, &[&own, &own]), wrong_count);
    drop(own);
    until("descriptors stay behind", || open_descriptors() == before);
    owner.is_served();
    owner.gives_way();
}

#[test]
fn a_flood_of_notes_ends_at_the_deadline_and_the_application_has_its_turn() {
    let _alone = alone();
    let mut owner = Owner::new(Duration::from_millis(300));
    let before = open_descriptors();
    for step in [Step::Welcomed, Step::Acknowledged] {
        let (mut peer, came) = newcomer(&owner, step);
        let turns = owner.turns.load(Ordering::Relaxed);
        while peer.say(NOTE, &note(306), &[]) {}
        assert!(owner.turns.load(Ordering::Relaxed) > turns, "the application had no turn at {step:?}");
        peer.outlast();
        drop((peer, came));
        owner.is_served();
        until("descriptors stay behind", || open_descriptors() == before);
    }
    owner.gives_way();
}

#[test]
fn hundreds_that_say_nothing_keep_nobody_out() {
    let _alone = alone();
    let mut owner = Owner::new(PATIENT);
    let before = open_descriptors();
    let silent: Vec<Peer> = (0..300).map(|_| Peer::connect(&owner.path())).collect();
    owner.is_served();
    // All of them but those in the lobby were let go.
    until("the lobby is small", || open_descriptors() <= before + silent.len() + 16);
    let quick = newcomer(&owner, Step::Welcomed);
    drop(quick);
    drop(silent);
    until("descriptors stay behind", || open_descriptors() == before);
    owner.gives_way();
}

#[test]
fn a_ledger_full_of_nonsense_costs_no_more_than_the_attempt() {
    let _alone = alone();
    let mut owner = Owner::new(PATIENT);
    let before = open_descriptors();
    let (peer, came) = newcomer(&owner, Step::Acknowledged);
    // Every word says what no word of a connection that was never offered can say.
    let ledger = File::from(came[1].try_clone().unwrap());
    (0..64).for_each(|slot| set_word(&ledger, slot, u32::MAX));
    let mut peer = peer;
    peer.say(READY, &ready(&[]), &[]);
    peer.outlast();
    drop((peer, came, ledger));
    until("descriptors stay behind", || open_descriptors() == before);
    owner.is_served();
    owner.gives_way();
}
