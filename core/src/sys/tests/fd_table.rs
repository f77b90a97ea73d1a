use super::*;
use crate::sys::poll::EventFd;
use crate::sys::testing::{alone, open_count};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

fn set_limits(soft: u64, hard: u64) {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: reads one rlimit.
    assert_eq!(unsafe { libc::setrlimit64(libc::RLIMIT_NOFILE, &limit) }, 0);
}

fn duplicate_at(of: &EventFd, number: RawFd) -> OwnedFd {
    // SAFETY: no pointers; a new descriptor, owned here.
    let duplicate =
        unsafe { owned(libc::fcntl(of.as_fd().as_raw_fd(), libc::F_DUPFD_CLOEXEC, number)) }.unwrap();
    assert_eq!(duplicate.as_raw_fd(), number);
    duplicate
}

/// How large the kernel says the table is.
fn table_size() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap().trim().parse().unwrap()
}

#[test]
fn as_many_descriptors_can_be_opened_as_are_free() {
    alone(|| {
        set_limits(100, 1000);
        let free = free_descriptors().unwrap();
        assert_eq!(free, 100 - open_count() as u64);
        let mut opened: Vec<EventFd> = (0..free).map(|_| EventFd::new().unwrap()).collect();
        assert!(EventFd::new().is_err());
        assert_eq!(free_descriptors().unwrap(), 0, "not even one for looking");
        opened.truncate(90);
        assert_eq!(free_descriptors().unwrap(), free - 90);
        // What lies above a limit that was lowered takes no room below it.
        set_limits(50, 1000);
        opened.drain(..10);
        assert_eq!(free_descriptors().unwrap(), 10);
    });
}

#[test]
fn the_soft_limit_is_raised_only_if_needed_as_far_as_needed_and_up_to_the_hard_one() {
    alone(|| {
        set_limits(100, 300);
        let free = free_descriptors().unwrap();
        assert_eq!(raise_limit(free).unwrap(), free);
        assert_eq!(limit().unwrap().rlim_cur, 100);
        assert_eq!(raise_limit(free + 50).unwrap(), free + 50);
        assert_eq!(limit().unwrap().rlim_cur, 150);
        assert_eq!(raise_limit(u64::MAX).unwrap(), free + 200);
        assert_eq!((limit().unwrap().rlim_cur, limit().unwrap().rlim_max), (300, 300));
        assert_eq!(raise_limit(10_000).unwrap(), free + 200);
    });
}

#[test]
fn a_full_table_can_be_raised_too() {
    alone(|| {
        set_limits(64, 300);
        let mut full = Vec::new();
        while let Ok(event) = EventFd::new() {
            full.push(event);
        }
        grow(100).unwrap();
        assert_eq!(raise_limit(100).unwrap(), 100);
    });
}

#[test]
fn the_table_is_grown_above_what_is_open() {
    alone(|| {
        set_limits(10_000, 10_000);
        let event = EventFd::new().unwrap();
        let _high = duplicate_at(&event, 3000);
        assert!(table_size() <= 4096);
        grow(3000).unwrap();
        assert!(table_size() > 6000);
    });
}

#[test]
fn the_table_is_grown_beforehand_and_nothing_stays_open() {
    alone(|| {
        set_limits(10_000, 10_000);
        let idle = thread::spawn(|| thread::sleep(Duration::from_millis(300)));
        let before = open_count();
        assert!(table_size() < 4096);
        grow(5000).unwrap();
        let size = table_size();
        assert!(size > 5000, "{size}");
        assert_eq!(open_count(), before);
        let event = EventFd::new().unwrap();
        let more: Vec<OwnedFd> = (0..5000).map(|_| event.as_fd().try_clone_to_owned().unwrap()).collect();
        assert_eq!((open_count(), table_size()), (before + 5001, size));
        drop(more);
        // More than the limit allows: as far as it goes, and no error.
        grow(1_000_000).unwrap();
        grow(usize::MAX).unwrap();
        assert!(table_size() >= 10_000);
        // The last number below the limit is taken: there is nothing to grow.
        let _last = duplicate_at(&event, 9_999);
        grow(1).unwrap();
        idle.join().unwrap();
    });
}
