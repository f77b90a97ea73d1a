use super::*;
use crate::sys::testing::{alone, open_count};
use crate::sys::{poll::EventFd, unix};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

fn send_plain(socket: &OwnedFd, data: &[u8], fds: &[RawFd]) -> io::Result<usize> {
    send(socket.as_fd(), &[IoSlice::new(data)], fds, false)
}

fn set_option(socket: &OwnedFd, name: i32) -> bool {
    let on = 1i32;
    // SAFETY: one int, which outlives the call.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, (&raw const on).cast(), 4) };
    result == 0
}

#[test]
fn a_full_message_arrives_whole_in_order_and_close_on_exec() {
    let (a, b) = unix::pair().unwrap();
    let events: Vec<EventFd> = (0..MAX_DESCRIPTORS).map(|_| EventFd::new().unwrap()).collect();
    let raw: Vec<RawFd> = events.iter().map(|event| event.as_fd().as_raw_fd()).collect();
    assert_eq!(send(a.as_fd(), &[IoSlice::new(b"he"), IoSlice::new(b"llo")], &raw, false).unwrap(), 5);

    let (mut buffer, mut fds) = ([0; 64], Vec::new());
    let received = receive(b.as_fd(), &mut buffer, &mut fds, false).unwrap();
    assert_eq!(received, Received { bytes: 5, data_truncated: false, descriptors_truncated: false });
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(fds.len(), MAX_DESCRIPTORS);
    // The one that was sent at 200 is the one that arrived at 200.
    events[200].signal().unwrap();
    let mut poll: Vec<libc::pollfd> =
        fds.iter().map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
    // SAFETY: as many pollfds as given.
    assert_eq!(unsafe { libc::poll(poll.as_mut_ptr(), poll.len() as _, 0) }, 1);
    assert_ne!(poll[200].revents, 0);
    for fd in &fds {
        // SAFETY: no pointers.
        let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
}

#[test]
fn an_empty_message_and_a_254th_descriptor_are_refused() {
    let (a, b) = unix::pair().unwrap();
    let fd = a.as_raw_fd();
    for (parts, fds) in
        [(&[][..], vec![fd]), (&[IoSlice::new(b"")], vec![fd]), (&[IoSlice::new(b"x")], vec![fd; 254])]
    {
        let error = send(a.as_fd(), parts, &fds, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    let error = receive(b.as_fd(), &mut [], &mut Vec::new(), false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let error = receive(b.as_fd(), &mut [0; 8], &mut Vec::new(), false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "nothing was sent");
}

#[test]
fn a_full_queue_says_so_and_what_was_queued_arrives() {
    let (a, b) = unix::pair().unwrap();
    let mut sent = 0;
    while send_plain(&a, &[7; 60_000], &[a.as_raw_fd()]).is_ok() {
        sent += 1;
        assert!(sent < 100);
    }
    assert_eq!(send_plain(&a, &[7; 60_000], &[]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let (mut buffer, mut fds) = (vec![0; 65_536], Vec::new());
    while receive(b.as_fd(), &mut buffer, &mut fds, false).is_ok() {}
    assert_eq!(fds.len(), sent);
}

#[test]
fn a_bad_descriptor_sends_nothing() {
    let (a, b) = unix::pair().unwrap();
    assert_eq!(send_plain(&a, b"x", &[a.as_raw_fd(), -1]).unwrap_err().raw_os_error(), Some(libc::EBADF));
    let error = receive(b.as_fd(), &mut [0; 8], &mut Vec::new(), false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_message_cut_short_still_hands_over_its_descriptors() {
    alone(|| {
        let (a, b) = unix::pair().unwrap();
        let before = open_count();
        send_plain(&a, b"longer than the buffer", &[a.as_raw_fd(); 3]).unwrap();
        let (mut buffer, mut fds) = ([0; 4], Vec::new());
        let received = receive(b.as_fd(), &mut buffer, &mut fds, false).unwrap();
        assert_eq!(received, Received { bytes: 4, data_truncated: true, descriptors_truncated: false });
        assert_eq!((fds.len(), open_count()), (3, before + 3));
        fds.clear();
        assert_eq!(open_count(), before);
    });
}

#[test]
fn at_the_descriptor_limit_what_arrives_is_owned_and_nothing_leaks() {
    alone(|| {
        let (a, b) = unix::pair().unwrap();
        send_plain(&a, b"x", &[a.as_raw_fd(); 40]).unwrap();
        send_plain(&a, b"y", &[a.as_raw_fd(); 40]).unwrap();
        let before = open_count();
        for (room, message) in [(7, b"x"), (0, b"y")] {
            // SAFETY: rlimits that outlive the calls; only this process is concerned.
            unsafe {
                let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
                let highest = a.as_raw_fd().max(b.as_raw_fd()) as u64;
                // Fill the holes below the limit, so that the room is known.
                limit.rlim_cur = highest + 1 + 20;
                assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
            }
            let mut filler = Vec::new();
            while let Ok(event) = EventFd::new() {
                filler.push(event);
            }
            filler.truncate(filler.len() - room);
            let (mut buffer, mut fds) = ([0; 4], Vec::new());
            let received = receive(b.as_fd(), &mut buffer, &mut fds, false).unwrap();
            assert_eq!(received, Received { bytes: 1, data_truncated: false, descriptors_truncated: true });
            assert_eq!((&buffer[..1], fds.len()), (&message[..], room));
            // Each is a live end of the pair, and with them the room is used up.
            assert!(fds.iter().all(|fd| unix::set_send_buffer(fd.as_fd(), 4096).is_ok()));
            assert!(EventFd::new().is_err());
            drop((filler, fds));
            assert_eq!(open_count(), before);
        }
    });
}

#[test]
fn control_messages_beside_the_descriptors_neither_push_them_out_nor_leak() {
    alone(|| {
        const SO_PASSPIDFD: i32 = 76;
        let (a, b) = unix::pair().unwrap();
        assert!(set_option(&b, libc::SO_PASSCRED));
        let with_pidfd = set_option(&b, SO_PASSPIDFD);
        let before = open_count();
        send_plain(&a, b"x", &[a.as_raw_fd(); MAX_DESCRIPTORS]).unwrap();
        let mut fds = Vec::new();
        let received = receive(b.as_fd(), &mut [0; 4], &mut fds, false).unwrap();
        assert!(!received.descriptors_truncated, "pidfd asked for: {with_pidfd}");
        assert_eq!((fds.len(), open_count()), (MAX_DESCRIPTORS, before + MAX_DESCRIPTORS));
        fds.clear();
        assert_eq!(open_count(), before);
    });
}

#[test]
fn a_dead_reader_is_an_error_and_no_signal() {
    alone(|| {
        // SAFETY: the test runtime ignores SIGPIPE; other languages' runtimes may not.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        // Only stream sockets raise it, and the plain functions send on those too.
        let stream = UnixStream::pair().unwrap();
        for (a, b) in [unix::pair().unwrap(), (stream.0.into(), stream.1.into())] {
            drop(b);
            assert_eq!(send_plain(&a, b"x", &[a.as_raw_fd()]).unwrap_err().raw_os_error(), Some(libc::EPIPE));
            assert_eq!(receive(a.as_fd(), &mut [0; 4], &mut Vec::new(), false).unwrap().bytes, 0);
        }
    });
}

#[test]
fn a_blocking_receive_outlasts_signals() {
    alone(|| {
        extern "C" fn count(_: i32) {}
        let (a, b) = unix::pair().unwrap();
        // SAFETY: a handler that does nothing, without SA_RESTART; clearing O_NONBLOCK; no pointers kept.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = count as *const () as usize;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()), 0);
            assert_eq!(libc::fcntl(b.as_raw_fd(), libc::F_SETFL, 0), 0);
        }
        // SAFETY: no arguments.
        let this = unsafe { libc::pthread_self() } as usize;
        let sender = thread::spawn(move || {
            for _ in 0..5 {
                thread::sleep(Duration::from_millis(10));
                // SAFETY: the thread waits for us below, so it lives.
                unsafe { libc::pthread_kill(this as libc::pthread_t, libc::SIGUSR1) };
            }
            send_plain(&a, b"late", &[]).unwrap();
        });
        let received = receive(b.as_fd(), &mut [0; 8], &mut Vec::new(), true).unwrap();
        assert_eq!(received.bytes, 4);
        sender.join().unwrap();
    });
}
