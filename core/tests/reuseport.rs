//! What a group of sockets at one address promises, through the public face; under load, and by the classic example.
#![allow(clippy::unwrap_used)]

mod common;

use common::{PATIENCE, Place};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use zdt::reuseport::{Group, Step};
use zdt::{ErrorKind, ListenerSpec, queue_length};

const CLIENTS: usize = 32;

fn group(address: &str, count: usize) -> Group {
    Group::bind(&ListenerSpec::tcp(address), count).unwrap()
}

fn successor(of: &Group, count: usize) -> Group {
    group(&of.address().to_string(), count)
}

fn connect(to: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(to).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

/// Accepts until that would block, and answers each.
fn answer(socket: BorrowedFd<'_>) {
    let listener = TcpListener::from(socket.try_clone_to_owned().unwrap());
    while let Ok((mut connection, _)) = listener.accept() {
        let _ = connection.write_all(b"!");
    }
}

fn answered(mut client: TcpStream) -> bool {
    client.read_exact(&mut [0]).is_ok()
}

fn waiting(group: &Group) -> u32 {
    group.sockets().filter_map(|(_, socket)| queue_length(socket)).sum()
}

#[test]
fn a_group_that_retires_loses_nobody_in_its_queue() {
    let mut predecessor = group("127.0.0.1:0", 2);
    let clients: Vec<_> = (0..CLIENTS).map(|_| connect(predecessor.address())).collect();
    let _successors = successor(&predecessor, 2);
    let retired = predecessor.retire(2, Some(Duration::ZERO), answer).unwrap();
    assert_eq!((retired.closed, retired.successors, retired.waits), (2, 2, 1));
    assert!(clients.into_iter().all(answered));
}

#[test]
fn what_is_new_goes_to_the_successors_while_a_group_retires() {
    let mut predecessor = group("127.0.0.1:0", 3);
    let successors = successor(&predecessor, 4);
    predecessor.start_retiring(4, None).unwrap();
    let clients: Vec<_> = (0..CLIENTS).map(|_| connect(predecessor.address())).collect();
    assert_eq!((waiting(&predecessor), waiting(&successors)), (0, CLIENTS as u32));
    assert!(matches!(predecessor.step().unwrap(), Step::Wait(Some(until)) if until > Instant::now()));
    successors.sockets().for_each(|(_, socket)| answer(socket));
    assert!(clients.into_iter().all(answered));
}

#[test]
fn a_group_without_a_successor_serves_on() {
    let mut only = group("127.0.0.1:0", 2);
    let error = only.retire(1, None, |_| unreachable!()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PeerGone, "{error}");
    let client = connect(only.address());
    only.sockets().for_each(|(_, socket)| answer(socket));
    assert!(answered(client));
}

/// Accepts from a group's sockets on a thread until told to stop, and returns the group.
fn serve(group: Group, stop: &AtomicBool) -> Group {
    while !stop.load(Ordering::Relaxed) {
        group.sockets().for_each(|(_, socket)| answer(socket));
        thread::sleep(Duration::from_millis(1));
    }
    group
}

#[test]
fn five_retirements_under_load_lose_nobody() {
    let (over, last) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut predecessor = group("127.0.0.1:0", 3);
    let address = predecessor.address();
    let lost = thread::scope(|scope| {
        let load = || {
            let mut lost = 0;
            while !over.load(Ordering::Relaxed) {
                lost += usize::from(!answered(connect(address)));
            }
            lost
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        for count in [3, 3, 4, 4, 6] {
            let stop = AtomicBool::new(false);
            let successors = group(&address.to_string(), count);
            predecessor = thread::scope(|scope| {
                let successors = scope.spawn(|| serve(successors, &stop));
                let retired = predecessor.retire(count, Some(Duration::from_millis(50)), answer);
                stop.store(true, Ordering::Relaxed);
                assert_eq!(retired.unwrap().successors, count);
                successors.join().unwrap()
            });
        }
        over.store(true, Ordering::Relaxed);
        let serving = scope.spawn({
            let last = &last;
            move || serve(predecessor, last)
        });
        let lost: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
        last.store(true, Ordering::Relaxed);
        serving.join().unwrap();
        lost
    });
    assert_eq!(lost, 0);
}

/// A process of the example, killed when dropped.
struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The example, which cargo builds together with all tests of the package, though not with this one alone.
fn example(path: &Path, address: &str) -> Example {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join("examples/classic");
    if !program.exists() {
        let build = ["build", "--quiet", "--locked", "--package", "zdt", "--example", "classic"];
        assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
    }
    Example(Command::new(program).arg(path).arg(address).spawn().unwrap())
}

#[test]
fn the_classic_flow_loses_nobody() {
    let place = Place::new("classic");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut predecessor = example(&place.socket(), &free.to_string());
    let end = Instant::now() + PATIENCE;
    let mut in_flight = loop {
        match TcpStream::connect(free) {
            Ok(client) => break client,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        thread::sleep(Duration::from_millis(10));
    };
    let echoes = |client: &mut TcpStream| {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(b"?").unwrap();
        client.read_exact(&mut [0]).unwrap();
    };
    echoes(&mut in_flight);
    let _successor = example(&place.socket(), &free.to_string());
    // All the time until the predecessor ends, which it does when the one in flight does.
    for _ in 0..200 {
        echoes(&mut connect(free));
    }
    echoes(&mut in_flight);
    drop(in_flight);
    let end = Instant::now() + PATIENCE;
    while predecessor.0.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "the predecessor does not end");
        echoes(&mut connect(free));
    }
    assert!(predecessor.0.wait().unwrap().success());
    echoes(&mut connect(free));
}
