use super::*;
use crate::ListenerSpec;
use crate::queue_length;
use crate::reuseport::kernel;
use crate::sys::probe::Probe;
use crate::sys::testing::{alone, become_nobody, leave_room_for};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;

mod generations;

const PATIENCE: Duration = Duration::from_secs(20);
/// Handshakes over loopback are over when connect returns.
const NONE: Option<Duration> = Some(Duration::ZERO);

fn group(count: usize) -> Group {
    Group::bind(&ListenerSpec::tcp("127.0.0.1:0"), count).unwrap()
}

fn successor(of: &Group, count: usize) -> Group {
    Group::bind(&ListenerSpec::tcp(of.address().to_string()), count).unwrap()
}

fn clients(of: &Group, count: usize) -> Vec<TcpStream> {
    let connect = |_| TcpStream::connect(of.address()).unwrap();
    (0..count).map(connect).collect()
}

fn waiting(group: &Group) -> Vec<u32> {
    group.sockets().map(|(_, socket)| queue_length(socket).unwrap()).collect()
}

/// Accepts until that would block, and answers.
fn answer(socket: BorrowedFd<'_>) {
    let listener = TcpListener::from(socket.try_clone_to_owned().unwrap());
    while let Ok((mut connection, _)) = listener.accept() {
        connection.write_all(b"!").unwrap();
    }
}

/// Goes on with a retirement to its end.
fn finish(group: &mut Group) -> Retired {
    loop {
        match group.step().unwrap() {
            Step::Accept(index) => answer(group.socket(index).unwrap()),
            Step::Done(retired) => return retired,
            _ => {}
        }
    }
}

/// How many were reset.
fn lost(clients: Vec<TcpStream>) -> usize {
    let reset = |mut client: TcpStream| {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.read_exact(&mut [0]).is_err()
    };
    clients.into_iter().filter_map(|client| reset(client).then_some(())).count()
}

#[test]
fn a_queue_is_lost_with_a_plain_close_and_not_when_a_group_retires() {
    alone(|| {
        for (ours, theirs) in [(1, 1), (4, 4), (2, 3), (1, 4), (2, 1), (6, 1), (3, 2), (8, 3)] {
            let mut predecessor = group(ours);
            let before = clients(&predecessor, 64);
            let successors = successor(&predecessor, theirs);
            let retired = predecessor.retire(theirs, NONE, answer).unwrap();
            // One that takes the place of several moves once before all are gone.
            let waits = if theirs == 1 && ours > 1 { 2 } else { 1 };
            assert_eq!(retired, Retired { closed: ours, successors: theirs, waits });
            let after = clients(&successors, 64);
            successors.sockets().for_each(|(_, socket)| answer(socket));
            assert_eq!((lost(before), lost(after)), (0, 0), "{ours} of ours, {theirs} of theirs");

            let predecessor = group(ours);
            let before = clients(&predecessor, 64);
            let _successors = successor(&predecessor, theirs);
            drop(predecessor);
            assert_eq!(lost(before), if kernel().migrates { 0 } else { 64 });
        }
    });
}

#[test]
fn from_its_beginning_on_everything_new_goes_to_the_successors() {
    alone(|| {
        let mut predecessor = group(3);
        let successors = successor(&predecessor, 3);
        predecessor.start_retiring(2, None).unwrap();
        let clients = clients(&predecessor, 64);
        assert_eq!(waiting(&predecessor), [0, 0, 0]);
        assert!(!waiting(&successors).contains(&0));
        let Step::Wait(Some(until)) = predecessor.step().unwrap() else {
            panic!("the handshakes are waited for")
        };
        assert!(until > Instant::now() + WAIT / 2, "five seconds are not over");
        successors.sockets().for_each(|(_, socket)| answer(socket));
        assert_eq!(lost(clients), 0);
    });
}

#[test]
fn an_accept_loop_of_ones_own_is_told_what_to_do() {
    alone(|| {
        let mut predecessor = group(2);
        let before = clients(&predecessor, 16);
        let _successors = successor(&predecessor, 2);
        predecessor.start_retiring(2, NONE).unwrap();
        let mut closed = Vec::new();
        let retired = loop {
            match predecessor.step().unwrap() {
                Step::Wait(_) => {}
                Step::Accept(index) => answer(predecessor.socket(index).unwrap()),
                Step::Closed(index) => closed.push(index),
                Step::Done(retired) => break retired,
            }
        };
        assert_eq!((closed, retired.closed), (vec![1, 0], 2));
        assert!(predecessor.sockets().next().is_none() && predecessor.socket(0).is_none());
        assert_eq!(lost(before), 0);
    });
}

#[test]
fn without_a_successor_nothing_changes() {
    let mut only = group(2);
    let refused = |only: &mut Group, successors, kind| {
        let error = only.start_retiring(successors, NONE).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.state().contains("serve on"), "{error}");
    };
    refused(&mut only, 1, ErrorKind::PeerGone);
    refused(&mut only, 0, ErrorKind::InvalidArgument);
    let one = successor(&only, 1);
    refused(&mut only, 2, ErrorKind::PeerGone);
    assert_eq!(only.step().unwrap_err().kind(), ErrorKind::WrongState);
    drop(one);
    let clients = clients(&only, 16);
    assert_eq!(waiting(&only).iter().sum::<u32>(), 16);
    only.sockets().for_each(|(_, socket)| answer(socket));
    assert_eq!(lost(clients), 0);
    assert_eq!(
        Group::bind(&ListenerSpec::tcp("127.0.0.1:0"), 0).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    for words in ["udp://localhost:1", "127.0.0.1:1", "unix:///x.sock"] {
        let bound = words.parse().and_then(|spec| Group::bind(&spec, 1));
        assert_eq!(bound.unwrap_err().kind(), ErrorKind::InvalidArgument, "{words}");
    }
}

#[test]
fn a_copy_of_a_closed_socket_is_noticed() {
    alone(|| {
        let mut predecessor = group(2);
        let successors = successor(&predecessor, 2);
        let copy: OwnedFd = predecessor.socket(1).unwrap().try_clone_to_owned().unwrap();
        let error = predecessor.retire(2, NONE, answer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongState, "{error}");
        assert!(error.what().contains("copies"), "{error}");
        assert_eq!(
            predecessor.step().unwrap_err().kind(),
            ErrorKind::WrongState,
            "for as long as it is there"
        );
        drop(copy);
        let clients = clients(&successors, 32);
        assert_eq!(waiting(&predecessor), [0], "the steering holds");
        while !matches!(predecessor.step().unwrap(), Step::Done(_)) {}
        successors.sockets().for_each(|(_, socket)| answer(socket));
        assert_eq!(lost(clients), 0);
    });
}

#[test]
fn a_copy_that_is_closed_soon_as_that_of_a_child_before_exec_is_waited_for() {
    alone(|| {
        let mut predecessor = group(2);
        let _successors = successor(&predecessor, 2);
        let copies: Vec<OwnedFd> =
            predecessor.sockets().map(|(_, socket)| socket.try_clone_to_owned().unwrap()).collect();
        predecessor.start_retiring(2, NONE).unwrap();
        assert_eq!(predecessor.step().unwrap(), Step::Closed(1));
        assert!(matches!(predecessor.step().unwrap(), Step::Wait(Some(_))));
        drop(copies);
        assert_eq!(finish(&mut predecessor).closed, 2);
    });
}

#[test]
fn whoever_looks_for_the_slots_is_seen_by_no_application() {
    alone(|| {
        let mut first = group(2);
        let mut second = successor(&first, 2);
        let third = successor(&first, 2);
        first.retire(2, NONE, answer).unwrap();
        second.start_retiring(2, NONE).unwrap();
        assert_eq!((waiting(&second), waiting(&third)), (vec![0, 0], vec![0, 0]));
        while !matches!(second.step().unwrap(), Step::Done(_)) {}
        assert_eq!(waiting(&third), [0, 0]);

        let mut ours = Group::bind(&ListenerSpec::udp("127.0.0.1:0"), 3).unwrap();
        let theirs = Group::bind(&ListenerSpec::udp(ours.address().to_string()), 1).unwrap();
        ours.start_retiring(1, NONE).unwrap();
        for (_, socket) in ours.sockets().chain(theirs.sockets()) {
            let socket = UdpSocket::from(socket.try_clone_to_owned().unwrap());
            assert_eq!(socket.recv(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        }
    });
}

#[test]
fn where_ours_have_filters_the_slots_cannot_be_found_and_nothing_changes() {
    let mut only = Group::bind(&ListenerSpec::udp("127.0.0.1:0"), 2).unwrap();
    let _successors = Group::bind(&ListenerSpec::udp(only.address().to_string()), 2).unwrap();
    let probe = Probe::new(&only.address(), true).unwrap();
    let before = probe.turn_away(only.socket(1).unwrap()).unwrap().unwrap();
    let error = only.start_retiring(2, NONE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongState, "{error}");
    assert!(error.what().contains("filter") && error.state().contains("serve on"), "{error}");
    assert!(probe.turn_away(only.socket(1).unwrap()).unwrap().is_none(), "it is there still");
    for _ in 0..64 {
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", only.address()).unwrap();
    }
    let readable = |group: &Group| group.sockets().any(|(_, socket)| inet::is_readable(socket).unwrap());
    assert!(readable(&only), "the kernel spreads over all again");
    probe.restore(only.socket(1).unwrap(), &before).unwrap();
    only.start_retiring(2, NONE).unwrap();
}

#[test]
fn datagrams_that_came_stay_readable_and_new_ones_go_to_the_successors() {
    alone(|| {
        for (address, ours, theirs) in
            [("127.0.0.1:0", 1, 1), ("[::1]:0", 2, 2), ("127.0.0.1:0", 3, 4), ("[::]:0", 4, 2)]
        {
            let mut predecessor = Group::bind(&ListenerSpec::udp(address), ours).unwrap();
            let client =
                UdpSocket::bind(if address.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" }).unwrap();
            let send = |count| {
                (0..count).for_each(|_| assert_eq!(client.send_to(b"x", predecessor.address()).unwrap(), 1))
            };
            send(50);
            let successors =
                Group::bind(&ListenerSpec::udp(predecessor.address().to_string()), theirs).unwrap();
            predecessor.start_retiring(theirs, NONE).unwrap();
            let address = predecessor.address();
            (0..50).for_each(|_| assert_eq!(client.send_to(b"x", address).unwrap(), 1));
            let read = |socket: BorrowedFd<'_>| {
                let socket = UdpSocket::from(socket.try_clone_to_owned().unwrap());
                std::iter::from_fn(|| socket.recv(&mut [0]).ok()).count()
            };
            let mut here = 0;
            loop {
                match predecessor.step().unwrap() {
                    Step::Accept(index) => here += read(predecessor.socket(index).unwrap()),
                    Step::Done(_) => break,
                    _ => {}
                }
            }
            let there: usize = successors.sockets().map(|(_, socket)| read(socket)).sum();
            assert_eq!((here, there), (50, 50), "{ours} of ours, {theirs} of theirs");
        }
    });
}

#[test]
fn it_needs_no_privilege() {
    alone(|| {
        if !become_nobody() {
            eprintln!("not root, so no other user to become: proven as who we are");
        }
        let mut predecessor = group(4);
        let before = clients(&predecessor, 64);
        let _successors = successor(&predecessor, 4);
        predecessor.retire(4, NONE, answer).unwrap();
        assert_eq!(lost(before), 0);
        let mut predecessor = Group::bind(&ListenerSpec::udp("127.0.0.1:0"), 4).unwrap();
        let _successors = Group::bind(&ListenerSpec::udp(predecessor.address().to_string()), 2).unwrap();
        predecessor.retire(2, NONE, |_| {}).unwrap();
    });
}

#[test]
fn where_no_descriptor_is_left_to_accept_with_it_is_tried_again() {
    alone(|| {
        let mut predecessor = group(2);
        let before = clients(&predecessor, 8);
        let _successors = successor(&predecessor, 2);
        let mut tries = 0;
        leave_room_for(8);
        let serve = |socket: BorrowedFd<'_>| {
            tries += 1;
            if tries > 5 {
                return answer(socket);
            }
            let listener = TcpListener::from(socket.try_clone_to_owned().unwrap());
            let _all_that_are_free: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            assert_eq!(listener.accept().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        };
        predecessor.retire(2, NONE, serve).unwrap();
        assert_eq!(lost(before), 0);
    });
}
