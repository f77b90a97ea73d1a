use super::*;
use crate::sys::testing::{TempDir, alone};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;

fn listening(address: &str) -> OwnedFd {
    let address: SocketAddr = address.parse().unwrap();
    let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
    let listener = socket(family).unwrap();
    bind(listener.as_fd(), &address).unwrap();
    unix::listen(listener.as_fd(), 8).unwrap();
    listener
}

#[test]
fn a_listener_is_what_the_kernel_says_of_it() {
    for (address, family) in [("127.0.0.1:0", Family::V4), ("[::1]:0", Family::V6)] {
        let listener = listening(address);
        assert_eq!(kind(listener.as_fd()).unwrap(), Some(Kind::listener(family)));
        let Name::Inet(bound) = name(listener.as_fd()).unwrap() else { panic!("no IP address") };
        assert_eq!(TcpListener::from(listener).local_addr().unwrap(), bound);
    }
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_ne!(kind(udp.as_fd()).unwrap(), Some(Kind::listener(Family::V4)));
    assert_eq!(kind(std::fs::File::open("/dev/null").unwrap().as_fd()).unwrap(), None);
}

#[test]
fn a_switch_is_what_it_was_set_to() {
    let socket = socket(Family::V6).unwrap();
    for switch in [Switch::ReuseAddress, Switch::ReusePort, Switch::V6Only, Switch::NoDelay] {
        for on in [true, false] {
            set(socket.as_fd(), switch, on).unwrap();
            assert_eq!(is_set(socket.as_fd(), switch).unwrap(), on, "{switch:?}");
        }
    }
}

#[test]
fn a_path_is_found_again_and_answers_while_somebody_listens() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("x.sock");
        assert_eq!(knock(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        let listener = socket(Family::Unix).unwrap();
        assert_eq!(name(listener.as_fd()).unwrap(), Name::Unnamed);
        bind_path(listener.as_fd(), &path).unwrap();
        assert_eq!(name(listener.as_fd()).unwrap(), Name::Path(path.clone()));
        assert_eq!(knock(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        unix::listen(listener.as_fd(), 1).unwrap();
        knock(&path).unwrap();
        assert!(is_readable(listener.as_fd()).unwrap());
        drop(listener);
        assert_eq!(knock(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn the_queue_counts_connections_that_nobody_accepted() {
    let listener = listening("127.0.0.1:0");
    let Name::Inet(address) = name(listener.as_fd()).unwrap() else { panic!("no IP address") };
    assert_eq!(queue_length(listener.as_fd()).unwrap(), 0);
    assert!(!is_readable(listener.as_fd()).unwrap());
    let clients: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(queue_length(listener.as_fd()).unwrap(), 3);
    assert!(is_readable(listener.as_fd()).unwrap());
    drop(clients);
}
