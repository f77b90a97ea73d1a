use super::*;
use crate::sys::testing::{alone, leave_room_for, open_count};
use crate::sys::unix;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;

fn null() -> File {
    File::open("/dev/null").unwrap()
}

#[test]
fn what_is_sent_arrives_with_working_descriptors_and_stays_open_here() {
    let (here, there) = UnixStream::pair().unwrap();
    let (mut mine, lent) = UnixStream::pair().unwrap();
    send_fds(here.as_fd(), b"hello", &[lent.as_fd(), lent.as_fd()]).unwrap();
    let mut data = [0; 16];
    let (bytes, fds) = recv_fds(there.as_fd(), &mut data).unwrap();
    assert_eq!((&data[..bytes], fds.len()), (&b"hello"[..], 2));
    for fd in fds {
        UnixStream::from(fd).write_all(b"x").unwrap();
        mine.read_exact(&mut [0]).unwrap();
    }
    (&lent).write_all(b"x").unwrap();
}

#[test]
fn a_stream_takes_more_data_than_its_buffer_even_if_it_does_not_block() {
    for nonblocking in [false, true] {
        let (here, mut there) = UnixStream::pair().unwrap();
        here.set_nonblocking(nonblocking).unwrap();
        let data: Vec<u8> = (0..3_000_000u32).map(|number| number as u8).collect();
        thread::scope(|scope| {
            scope.spawn(|| send_fds(here.as_fd(), &data, &[null().as_fd()]).unwrap());
            let mut first = [0; 1000];
            let (bytes, fds) = recv_fds(there.as_fd(), &mut first).unwrap();
            assert_eq!(fds.len(), 1);
            let mut rest = vec![0; data.len() - bytes];
            there.read_exact(&mut rest).unwrap();
            assert!([&first[..bytes], &rest].concat() == data);
        });
    }
}

#[test]
fn the_end_is_no_bytes_and_no_descriptors() {
    let (here, there) = UnixStream::pair().unwrap();
    drop(here);
    let (bytes, fds) = recv_fds(there.as_fd(), &mut [0; 8]).unwrap();
    assert_eq!((bytes, fds.len()), (0, 0));
    let error = send_fds(there.as_fd(), b"x", &[null().as_fd()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PeerGone, "{error}");
}

#[test]
fn what_would_lose_descriptors_is_refused() {
    let (here, there) = UnixStream::pair().unwrap();
    let file = null();
    assert_eq!(send_fds(here.as_fd(), b"", &[file.as_fd()]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let many = vec![file.as_fd(); MAX_DESCRIPTORS + 1];
    assert_eq!(send_fds(here.as_fd(), b"x", &many).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(recv_fds(there.as_fd(), &mut []).unwrap_err().kind(), ErrorKind::InvalidArgument);
    send_fds(here.as_fd(), b"x", &many[1..]).unwrap();
    assert_eq!(recv_fds(there.as_fd(), &mut [0; 8]).unwrap().1.len(), MAX_DESCRIPTORS);
}

#[test]
fn a_non_blocking_socket_says_would_block() {
    let (here, _there) = UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    let error = recv_fds(here.as_fd(), &mut [0; 8]).unwrap_err();
    let would_block = io::Error::from_raw_os_error(error.errno().unwrap()).kind();
    assert_eq!((error.kind(), would_block), (ErrorKind::System, io::ErrorKind::WouldBlock), "{error}");
}

#[test]
fn a_message_that_is_too_long_is_an_error_that_closes_its_descriptors() {
    alone(|| {
        let (here, there) = unix::pair().unwrap();
        let file = null();
        let open = open_count();
        send_fds(here.as_fd(), b"0123456789", &[file.as_fd()]).unwrap();
        let error = recv_fds(there.as_fd(), &mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert_eq!(open_count(), open);
    });
}

#[test]
fn too_few_slots_are_an_error_that_closes_what_came() {
    alone(|| {
        let (here, there) = UnixStream::pair().unwrap();
        let file = null();
        send_fds(here.as_fd(), b"x", &[file.as_fd(); 9]).unwrap();
        let open = open_count();
        leave_room_for(5);
        let error = recv_fds(there.as_fd(), &mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DescriptorLimit, "{error}");
        assert!(error.what().contains("only ") && error.state().contains("RLIMIT_NOFILE"), "{error}");
        assert_eq!(open_count(), open);
    });
}
