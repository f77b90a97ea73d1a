use super::*;
use crate::sys::testing::alone;
use crate::sys::unix;
use std::thread;

const NOW: Option<Duration> = Some(Duration::ZERO);

fn ready_now(epoll: &Epoll) -> Vec<u64> {
    let mut ready = Vec::new();
    epoll.wait(&mut ready, NOW).unwrap();
    ready.iter().map(|(token, _)| *token).collect()
}

#[test]
fn epoll_is_level_triggered_and_itself_readable() {
    let (outer, inner, event) = (Epoll::new().unwrap(), Epoll::new().unwrap(), EventFd::new().unwrap());
    inner.add(event.as_fd(), 7, false).unwrap();
    outer.add(inner.as_fd(), 1, false).unwrap();
    assert_eq!((ready_now(&inner), ready_now(&outer)), (vec![], vec![]));
    event.signal().unwrap();
    event.signal().unwrap();
    assert_eq!((ready_now(&inner), ready_now(&inner), ready_now(&outer)), (vec![7], vec![7], vec![1]));
    event.clear().unwrap();
    assert_eq!((ready_now(&inner), ready_now(&outer)), (vec![], vec![]));
    event.clear().unwrap();
}

#[test]
fn writing_is_watched_only_if_asked_for() {
    alone(|| {
        let (epoll, (a, b)) = (Epoll::new().unwrap(), unix::pair().unwrap());
        epoll.add(a.as_fd(), 1, false).unwrap();
        assert_eq!(ready_now(&epoll), []);
        epoll.modify(a.as_fd(), 2, true).unwrap();
        let mut ready = Vec::new();
        epoll.wait(&mut ready, None).unwrap();
        assert_eq!(ready, [(2, libc::EPOLLOUT as u32)]);
        epoll.modify(a.as_fd(), 3, false).unwrap();
        drop(b);
        epoll.wait(&mut ready, None).unwrap();
        assert_eq!(ready, [(3, (libc::EPOLLIN | libc::EPOLLHUP) as u32)]);
        epoll.remove(a.as_fd()).unwrap();
        assert_eq!(ready_now(&epoll), []);
        assert!(epoll.remove(a.as_fd()).is_err());
    });
}

#[test]
fn more_events_than_one_batch_holds_are_not_lost() {
    let epoll = Epoll::new().unwrap();
    let events: Vec<EventFd> = (0..100).map(|_| EventFd::new().unwrap()).collect();
    for (token, event) in (0..).zip(&events) {
        epoll.add(event.as_fd(), token, false).unwrap();
        event.signal().unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..2 {
        for token in ready_now(&epoll) {
            events[token as usize].clear().unwrap();
            seen.push(token);
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<u64>>());
}

#[test]
fn a_wait_lasts_as_long_as_asked_and_never_shorter() {
    let epoll = Epoll::new().unwrap();
    let (mut ready, start) = (vec![(1, 1)], Instant::now());
    epoll.wait(&mut ready, Some(Duration::from_micros(20_100))).unwrap();
    assert!(ready.is_empty());
    assert!(start.elapsed() >= Duration::from_micros(20_100), "{:?}", start.elapsed());
}

#[test]
fn another_thread_ends_a_wait() {
    let (epoll, event) = (Epoll::new().unwrap(), EventFd::new().unwrap());
    epoll.add(event.as_fd(), 5, false).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            event.signal().unwrap();
        });
        let mut ready = Vec::new();
        epoll.wait(&mut ready, Some(Duration::MAX)).unwrap();
        assert_eq!(ready, [(5, libc::EPOLLIN as u32)]);
    });
}

#[test]
fn a_wake_up_that_nobody_clears_never_blocks_the_signaller() {
    let event = EventFd::new().unwrap();
    let most = u64::MAX - 1;
    // SAFETY: eight bytes.
    assert_eq!(unsafe { libc::write(event.as_fd().as_raw_fd(), (&raw const most).cast(), 8) }, 8);
    event.signal().unwrap();
}

#[test]
fn a_deadline_fires_once_passed_can_be_moved_and_taken_away() {
    let (epoll, timer) = (Epoll::new().unwrap(), TimerFd::new().unwrap());
    epoll.add(timer.as_fd(), 1, false).unwrap();
    let mut ready = Vec::new();
    let start = Instant::now();
    timer.set(Some(start + Duration::from_secs(3600))).unwrap();
    timer.set(Some(start + Duration::from_millis(30))).unwrap();
    assert_eq!(ready_now(&epoll), []);
    epoll.wait(&mut ready, Some(Duration::from_secs(10))).unwrap();
    assert!(ready.len() == 1 && start.elapsed() >= Duration::from_millis(30));
    timer.clear().unwrap();
    assert_eq!(ready_now(&epoll), []);
    // One that has passed already fires at once.
    timer.set(Some(start)).unwrap();
    epoll.wait(&mut ready, Some(Duration::from_secs(10))).unwrap();
    assert_eq!(ready.len(), 1);
    timer.set(None).unwrap();
    assert_eq!(ready_now(&epoll), []);
}

#[test]
fn a_blocked_signal_is_taken_once() {
    let signals = SignalFd::new(&[libc::SIGUSR1, libc::SIGUSR2]).unwrap();
    assert_eq!(signals.take().unwrap(), None);
    // SAFETY: an initialised set; raise() signals this thread only.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGUSR2);
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut()), 0);
        assert_eq!(libc::raise(libc::SIGUSR2), 0);
    }
    let epoll = Epoll::new().unwrap();
    epoll.add(signals.as_fd(), 4, false).unwrap();
    assert_eq!(ready_now(&epoll), [4]);
    assert_eq!(signals.take().unwrap(), Some(libc::SIGUSR2));
    assert_eq!(signals.take().unwrap(), None);
    assert!(SignalFd::new(&[0]).is_err() && SignalFd::new(&[1000]).is_err());
}
