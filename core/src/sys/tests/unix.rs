use super::*;
use crate::sys::process::peer_credentials;
use crate::sys::scm_rights::{receive, send};
use crate::sys::testing::{TempDir, alone, in_child};
use std::io::IoSlice;
use std::os::fd::AsFd;

fn flags(fd: &OwnedFd) -> (i32, i32) {
    // SAFETY: no pointers.
    unsafe { (libc::fcntl(fd.as_raw_fd(), libc::F_GETFD), libc::fcntl(fd.as_raw_fd(), libc::F_GETFL)) }
}

fn listener(path: &Path) -> OwnedFd {
    let socket = bind_seqpacket(path).unwrap();
    listen(socket.as_fd(), 1).unwrap();
    socket
}

#[test]
fn a_newcomer_connects_and_both_ends_are_close_on_exec_and_non_blocking() {
    let directory = TempDir::fresh();
    let path = directory.path().join("s");
    let listener = listener(&path);
    assert_eq!(accept(listener.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let client = connect_seqpacket(&path).unwrap();
    let server = accept(listener.as_fd()).unwrap();
    let (a, b) = pair().unwrap();
    for fd in [&listener, &client, &server, &a, &b] {
        let (descriptor, file) = flags(fd);
        assert!(descriptor & libc::FD_CLOEXEC != 0 && file & libc::O_NONBLOCK != 0);
    }
    for (from, to) in [(&client, &server), (&server, &client), (&a, &b)] {
        // Two messages stay two.
        for text in [b"one", b"two"] {
            send(from.as_fd(), &[IoSlice::new(text)], &[], false).unwrap();
        }
        assert_eq!(receive(to.as_fd(), &mut [0; 64], &mut Vec::new(), false).unwrap().bytes, 3);
    }
}

#[test]
fn a_full_backlog_a_dead_socket_and_another_type_are_told_apart() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("s");
        assert_eq!(connect_seqpacket(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        let listener = listener(&path);
        let waiting: Vec<OwnedFd> = std::iter::from_fn(|| connect_seqpacket(&path).ok()).take(10).collect();
        assert_eq!(waiting.len(), 2);
        assert_eq!(connect_seqpacket(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        listen(listener.as_fd(), i32::MAX).unwrap();
        connect_seqpacket(&path).unwrap();
        drop(listener);
        assert_eq!(connect_seqpacket(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(bind_seqpacket(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let other = directory.path().join("stream");
        let _stream = std::os::unix::net::UnixListener::bind(&other).unwrap();
        assert!(is_wrong_type(&connect_seqpacket(&other).unwrap_err()));
    });
}

#[test]
fn a_path_of_107_bytes_fits_and_one_more_does_not() {
    let directory = TempDir::fresh();
    let room = MAX_PATH - directory.path().as_os_str().len() - 1;
    let path = directory.path().join("x".repeat(room));
    assert_eq!((MAX_PATH, path.as_os_str().len()), (107, 107));
    let listener = listener(&path);
    assert_eq!(bound_name(listener.as_fd()).unwrap(), path.as_os_str().as_bytes());
    let client = connect_seqpacket(&path).unwrap();
    assert_eq!(peer_name(client.as_fd()).unwrap(), path.as_os_str().as_bytes());
    for bad in ["x".repeat(108), String::new(), "a\0b".into()] {
        assert_eq!(bind_seqpacket(Path::new(&bad)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn the_name_of_the_listener_reaches_the_client_wherever_the_file_lies_now() {
    let directory = TempDir::fresh();
    let (bound, now) = (directory.path().join("bound"), directory.path().join("now"));
    let listener = listener(&bound);
    std::fs::rename(&bound, &now).unwrap();
    let client = connect_seqpacket(&now).unwrap();
    assert_eq!(peer_name(client.as_fd()).unwrap(), bound.as_os_str().as_bytes());
    assert_eq!(bound_name(listener.as_fd()).unwrap(), bound.as_os_str().as_bytes());
    assert_eq!(bound_name(client.as_fd()).unwrap(), b"");
}

#[test]
fn whoever_called_listen_last_is_the_peer_that_newcomers_see() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("s");
        let listener = listener(&path);
        let parent = std::process::id();
        let seen = || peer_credentials(connect_seqpacket(&path).unwrap().as_fd()).unwrap().pid;
        let status = in_child(|| {
            assert_eq!(seen(), parent);
            listen(listener.as_fd(), 8).unwrap();
            assert_eq!(seen(), std::process::id());
        });
        assert_eq!(status, 0);
        assert_ne!(seen(), parent);
        listen(listener.as_fd(), 8).unwrap();
        assert_eq!(seen(), parent);
    });
}

#[test]
fn after_shutdown_nothing_more_comes_in_and_what_came_is_still_read() {
    let (a, b) = pair().unwrap();
    let text = [IoSlice::new(b"before")];
    send(a.as_fd(), &text, &[], false).unwrap();
    shutdown_read(b.as_fd()).unwrap();
    assert_eq!(send(a.as_fd(), &text, &[], false).unwrap_err().raw_os_error(), Some(libc::EPIPE));
    send(b.as_fd(), &text, &[], false).unwrap();
    assert_eq!(receive(b.as_fd(), &mut [0; 64], &mut Vec::new(), false).unwrap().bytes, 6);
    assert_eq!(receive(b.as_fd(), &mut [0; 64], &mut Vec::new(), false).unwrap().bytes, 0);
}

#[test]
fn the_send_buffer_holds_what_was_asked_for() {
    let (a, _b) = pair().unwrap();
    assert!(set_send_buffer(a.as_fd(), 100_000).unwrap() >= 100_000);
    assert!(set_send_buffer(a.as_fd(), 1 << 30).unwrap() > 100_000);
    let sent = send(a.as_fd(), &[IoSlice::new(&[0; 90_000])], &[], false).unwrap();
    assert_eq!(sent, 90_000);
}
