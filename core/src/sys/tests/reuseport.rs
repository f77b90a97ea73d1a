use super::*;
use crate::ListenerSpec;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

fn two() -> [UdpSocket; 2] {
    let bind = |at: &str| UdpSocket::from(ListenerSpec::udp(at).reuseport(true).bind().unwrap());
    let first = bind("127.0.0.1:0");
    let second = bind(&first.local_addr().unwrap().to_string());
    [first, second]
}

/// Which of the two gets what is sent from 64 ports.
fn counts(sockets: &[UdpSocket; 2]) -> [usize; 2] {
    for _ in 0..64 {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"x", sockets[0].local_addr().unwrap()).unwrap();
    }
    let mut counts = [0; 2];
    while counts.iter().sum::<usize>() < 64 {
        for (socket, count) in sockets.iter().zip(&mut counts) {
            socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            while socket.recv(&mut [0]).is_ok() {
                *count += 1;
            }
        }
    }
    counts
}

#[test]
fn what_arrives_goes_to_the_slots_and_without_a_program_to_all() {
    let sockets = two();
    for spread in [Spread::Random, Spread::Flow] {
        steer(sockets[1].as_fd(), Slots { first: 0, count: 1 }, spread).unwrap();
        assert_eq!(counts(&sockets), [64, 0], "{spread:?}");
        steer(sockets[0].as_fd(), Slots { first: 1, count: 1 }, spread).unwrap();
        assert_eq!(counts(&sockets), [0, 64], "{spread:?}");
        steer(sockets[0].as_fd(), Slots { first: 9, count: 1 }, spread).unwrap();
        assert!(!counts(&sockets).contains(&0), "a slot that is not there means all");
    }
    steer(sockets[0].as_fd(), Slots { first: 1, count: 1 }, Spread::Random).unwrap();
    for _ in 0..2 {
        unsteer(sockets[0].as_fd()).unwrap();
        assert!(!counts(&sockets).contains(&0));
    }
    steer(sockets[0].as_fd(), Slots { first: 0, count: 2 }, Spread::Random).unwrap();
    assert!(!counts(&sockets).contains(&0));
}

#[test]
fn a_socket_that_shares_nothing_cannot_be_steered() {
    let alone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = steer(alone.as_fd(), Slots { first: 0, count: 1 }, Spread::Random).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    assert_eq!(unsteer(alone.as_fd()).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    assert!(is_datagram(alone.as_fd()).unwrap());
}
