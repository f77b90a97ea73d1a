//! What a bad predecessor does to a real successor: each error of tests/behaviours.txt that takes one.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use zdt::{Config, Error, ErrorKind, Event, Takeover};

/// A bad predecessor, that ends when it is dropped.
struct Hostile {
    process: Child,
    place: TempDir,
}

impl Hostile {
    fn new(kind: &str) -> Hostile {
        let place = TempDir::new().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_zdt-hostile"))
            .args([kind.as_ref(), place.path().join("zdt.sock").as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "listening\n");
        Hostile { process, place }
    }

    fn open(&self, config: Config) -> zdt::Result<Takeover> {
        Takeover::open(self.place.path().join("zdt.sock"), config)
    }

    /// The error of a successor that is turned away.
    fn error(&self, handshake: Duration) -> Error {
        let mut config = Config::default();
        config.handshake = handshake;
        self.open(config).unwrap_err()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
        assert!(!self.place.path().join("zdt.sock").exists(), "it takes its socket away");
    }
}

/// Long enough for any machine.
const PATIENT: Duration = Duration::from_secs(20);
/// For what comes only at the deadline.
const SHORT: Duration = Duration::from_millis(200);

fn gives(kind: ErrorKind, name: &str, handshake: Duration) {
    let hostile = Hostile::new(name);
    let error = hostile.error(handshake);
    assert_eq!(error.kind(), kind, "{error}");
    // The next one fares no better, and nothing of the first is left.
    assert_eq!(hostile.error(handshake).kind(), kind);
}

#[test]
fn error_unsupported() {
    gives(ErrorKind::Unsupported, "unsupported", PATIENT);
}

#[test]
fn error_descriptor_limit() {
    gives(ErrorKind::DescriptorLimit, "descriptor-limit", PATIENT);
}

#[test]
fn error_no_answer() {
    gives(ErrorKind::NoAnswer, "no-answer", SHORT);
}

#[test]
fn error_listener_mismatch() {
    gives(ErrorKind::ListenerMismatch, "listener-mismatch", PATIENT);
}

#[test]
fn error_refused() {
    gives(ErrorKind::Refused, "refused", PATIENT);
}

#[test]
fn error_no_common_version() {
    gives(ErrorKind::NoCommonVersion, "no-common-version", PATIENT);
}

#[test]
fn error_malformed() {
    gives(ErrorKind::Malformed, "malformed", PATIENT);
}

#[test]
fn error_out_of_order() {
    gives(ErrorKind::OutOfOrder, "out-of-order", PATIENT);
}

#[test]
fn error_descriptor_count() {
    gives(ErrorKind::DescriptorCount, "descriptor-count", PATIENT);
}

#[test]
fn error_wrong_process() {
    gives(ErrorKind::WrongProcess, "wrong-process", SHORT);
}

#[test]
fn what_a_predecessor_says_of_others_is_passed_on() {
    gives(ErrorKind::PeerGone, "peer-gone", PATIENT);
    let hostile = Hostile::new("busy");
    let error = hostile.error(PATIENT);
    assert_eq!((error.kind(), error.pid()), (ErrorKind::Busy, Some(hostile.process.id())));
    assert!(error.kind().retry_helps());
}

#[test]
fn error_wrong_user() {
    // An ordinary user cannot become another one: then there is nothing to try.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let hostile = Hostile::new("wrong-user");
    let error = hostile.error(PATIENT);
    assert_eq!((error.kind(), error.pid()), (ErrorKind::WrongUser, Some(hostile.process.id())));
}

#[test]
fn error_attempt_lost() {
    let hostile = Hostile::new("attempt-lost");
    let successor = hostile.open(Config::default()).unwrap();
    let event = successor.next_event(Some(PATIENT)).unwrap();
    assert!(
        matches!(&event, Some(Event::Aborted { cause }) if cause.kind() == ErrorKind::AttemptLost),
        "{event:?}"
    );
    assert_eq!(successor.ready().unwrap_err().kind(), ErrorKind::AttemptLost);
}
