use super::*;
use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_datagram_socket_turns_the_probe_away_and_nobody_else() {
    for (at, of) in
        [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "::1")]
    {
        let socket = UdpSocket::bind(at).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let target = socket.local_addr().unwrap();
        let probe = Probe::new(&target, true).unwrap();
        let before = probe.turn_away(socket.as_fd()).unwrap().unwrap();
        assert!(probe.turn_away(socket.as_fd()).unwrap().is_none(), "a filter is there");
        probe.send().unwrap();
        let stranger = UdpSocket::bind((of, 0)).unwrap();
        stranger.send_to(b"x", (of, target.port())).unwrap();
        assert_eq!(socket.recv(&mut [0, 0]).unwrap(), 1, "the stranger's, not the probe's");
        assert_eq!(turned_away(socket.as_fd()).unwrap(), 1);
        probe.restore(socket.as_fd(), &before).unwrap();
        probe.send().unwrap();
        assert_eq!(socket.recv(&mut [0, 0]).unwrap(), 0, "an empty datagram");
    }
}

#[test]
fn a_listener_turns_the_probe_away_and_nobody_else() {
    for (at, of) in
        [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "::1")]
    {
        let listener = TcpListener::bind(at).unwrap();
        let target = listener.local_addr().unwrap();
        let probe = Probe::new(&target, false).unwrap();
        let (level, wanted) = probe.wanted_hops();
        for had in [0, 255] {
            inet::set_number(listener.as_fd(), level, wanted, had).unwrap();
            let before = probe.turn_away(listener.as_fd()).unwrap().unwrap();
            assert_eq!(inet::number(listener.as_fd(), level, wanted).unwrap(), had.max(2), "never less");
            probe.restore(listener.as_fd(), &before).unwrap();
            assert_eq!(inet::number(listener.as_fd(), level, wanted).unwrap(), had);
        }
        inet::set_number(listener.as_fd(), level, wanted, 0).unwrap();
        let before = probe.turn_away(listener.as_fd()).unwrap().unwrap();
        probe.send().unwrap();
        let until = Instant::now() + PATIENCE;
        while turned_away(listener.as_fd()).unwrap() == 0 {
            assert!(Instant::now() < until, "the probe comes, and is counted");
        }
        assert!(!probe.was_answered().unwrap());
        drop(TcpStream::connect((of, target.port())).unwrap());
        probe.restore(listener.as_fd(), &before).unwrap();
        let (mut stranger, _) = listener.accept().unwrap();
        assert_eq!(stranger.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn a_listener_never_sees_a_probe_that_it_did_not_turn_away() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(at).unwrap();
        let probe = Probe::new(&listener.local_addr().unwrap(), false).unwrap();
        probe.send().unwrap();
        let until = Instant::now() + PATIENCE;
        while !probe.was_answered().unwrap() {
            assert!(Instant::now() < until, "the listener answers");
        }
        assert_eq!(inet::queue_length(listener.as_fd()).unwrap(), 0, "the handshake is never completed");
        assert_eq!(turned_away(listener.as_fd()).unwrap(), 0);
        drop(probe);
        assert_eq!(inet::queue_length(listener.as_fd()).unwrap(), 0);
    }
}
