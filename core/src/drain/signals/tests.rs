use super::*;
use crate::sys::testing::{Child, alone, block_signal};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

#[test]
fn the_process_that_is_meant_gets_sigterm() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    signal_drain(child.id()).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(SIGTERM));
    let error = signal_drain(child.id()).unwrap_err();
    assert_eq!((error.kind(), error.pid()), (ErrorKind::PeerGone, Some(child.id())), "{error}");
}

#[test]
fn no_process_is_signalled_by_a_number_that_is_no_pid() {
    for pid in [0, u32::MAX] {
        let error = signal_drain(pid).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}

#[test]
fn a_process_of_another_user_is_not_signalled() {
    alone(|| {
        let init = Child::new(|| {
            if crate::sys::testing::become_nobody() {
                let error = signal_drain(1).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WrongUser, "{error}");
            }
        });
        assert_eq!(init.wait(), 0);
    });
}

#[test]
fn a_thread_that_leaves_the_signal_unblocked_is_named() {
    let error = DrainSignals::new(&[SIGTERM]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignalNotBlocked);
    let own = std::fs::read_link("/proc/thread-self").unwrap();
    let own = own.file_name().unwrap().to_str().unwrap();
    assert!(error.what().split([' ', ',']).any(|word| word == own), "{error}, we are {own}");
    assert!(error.state().contains("pthread_sigmask"), "{error}");
}

#[test]
fn what_cannot_be_blocked_is_refused() {
    for signal in [9, 19, 0, -1, 1000] {
        assert_eq!(DrainSignals::new(&[signal]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn a_signal_that_every_thread_blocks_can_be_taken() {
    alone(|| {
        // A forked child has one thread, and can block the signal in all of them.
        let child = Child::new(|| {
            block_signal(SIGTERM);
            let others: Vec<_> =
                (0..2).map(|_| thread::spawn(|| thread::sleep(Duration::from_secs(60)))).collect();
            let signals = DrainSignals::new(&[SIGTERM]).unwrap();
            assert_eq!(signals.take().unwrap(), None);
            signal_drain(std::process::id()).unwrap();
            assert_eq!(signals.take().unwrap(), Some(SIGTERM));
            assert_eq!(signals.take().unwrap(), None);
            drop(others);
        });
        assert_eq!(child.wait(), 0);
    });
}
