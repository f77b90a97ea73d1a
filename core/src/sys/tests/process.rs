use super::*;
use crate::sys::testing::{alone, in_child, open_count};
use crate::sys::unix;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A process that lives until it is killed or its standard input is closed.
fn child() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

fn wait_until(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

#[test]
fn our_own_pidfd_shows_our_pid_and_a_living_process() {
    let own = own_pidfd().unwrap();
    assert_eq!(pid_of(own.as_fd()).unwrap(), i64::from(std::process::id()));
    assert!(may_be(own.as_fd(), std::process::id()) && may_be(own.as_fd(), 0));
    assert!(!may_be(own.as_fd(), std::process::id() + 1));
    assert!(!is_dead(own.as_fd()));
    send_signal(own.as_fd(), 0).unwrap();
}

#[test]
fn death_shows_before_the_process_is_reaped_and_its_pid_vanishes_after() {
    let mut child = child();
    let pidfd = pidfd_open(child.id()).unwrap();
    assert!(!is_dead(pidfd.as_fd()));
    assert_eq!(pid_of(pidfd.as_fd()).unwrap(), i64::from(child.id()));
    send_signal(pidfd.as_fd(), libc::SIGKILL).unwrap();
    assert!(wait_until(|| is_dead(pidfd.as_fd())));
    child.wait().unwrap();
    assert!(is_dead(pidfd.as_fd()));
    assert_eq!(pid_of(pidfd.as_fd()).unwrap(), -1);
    assert!(!may_be(pidfd.as_fd(), 0) && !may_be(pidfd.as_fd(), child.id()));
    assert_eq!(send_signal(pidfd.as_fd(), 0).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    assert_eq!(pidfd_open(child.id()).unwrap_err().raw_os_error(), Some(libc::ESRCH));
}

#[test]
fn a_stopped_process_is_not_dead() {
    let mut child = child();
    let pidfd = pidfd_open(child.id()).unwrap();
    send_signal(pidfd.as_fd(), libc::SIGSTOP).unwrap();
    let status = format!("/proc/{}/status", child.id());
    assert!(wait_until(|| fs::read_to_string(&status).unwrap().contains("State:\tT")));
    assert!(!is_dead(pidfd.as_fd()));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_is_no_pid_and_no_pidfd_is_refused() {
    assert_eq!(pidfd_open(0).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    assert_eq!(pidfd_open(u32::MAX).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    let (a, _b) = unix::pair().unwrap();
    assert_eq!(pid_of(a.as_fd()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert!(!may_be(a.as_fd(), 0));
    assert!(send_signal(a.as_fd(), 0).is_err());
    assert!(!is_dead(a.as_fd()));
}

#[test]
fn the_peer_of_a_pair_is_this_process() {
    let (a, _b) = unix::pair().unwrap();
    let peer = peer_credentials(a.as_fd()).unwrap();
    assert_eq!((peer.pid, peer.uid), (std::process::id(), effective_uid()));
    assert!(peer_credentials(own_pidfd().unwrap().as_fd()).is_err());
}

#[test]
fn a_thread_that_leaves_a_signal_unblocked_is_named() {
    fn change(how: i32) -> u32 {
        // SAFETY: a set that is initialised before it is read; a system call without arguments.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGUSR2);
            assert_eq!(libc::pthread_sigmask(how, &set, ptr::null_mut()), 0);
            libc::gettid() as u32
        }
    }
    let (tell, told) = mpsc::channel();
    let (finish, finished) = mpsc::channel::<()>();
    let other = thread::spawn(move || {
        tell.send(change(libc::SIG_UNBLOCK)).unwrap();
        finished.recv().unwrap_err();
    });
    let other_tid = told.recv().unwrap();
    let own = change(libc::SIG_BLOCK);
    let unblocked = threads_leaving_unblocked(libc::SIGUSR2).unwrap();
    assert!(unblocked.contains(&other_tid) && !unblocked.contains(&own), "{unblocked:?}");
    assert!(threads_leaving_unblocked(libc::SIGUSR1).unwrap().contains(&own));
    assert!(unblocked.is_sorted());
    drop(finish);
    other.join().unwrap();
    assert!(!threads_leaving_unblocked(libc::SIGUSR2).unwrap().contains(&other_tid));
    assert!(threads_leaving_unblocked(0).is_err() && threads_leaving_unblocked(65).is_err());
}

#[test]
fn a_forked_child_sees_the_mark_and_its_parent_does_not() {
    alone(|| {
        let before = open_count();
        let mark = ForkMark::new().unwrap();
        assert!(!mark.forked());
        let in_grandchild = || assert!(mark.forked());
        let status = in_child(|| {
            assert!(mark.forked());
            assert!(!ForkMark::new().unwrap().forked());
            assert_eq!(in_child(in_grandchild), 0);
        });
        assert_eq!(status, 0);
        assert!(!mark.forked());
        assert!(!thread::scope(|scope| scope.spawn(|| mark.forked()).join().unwrap()));
        drop(mark);
        assert_eq!(open_count(), before);
    });
}
