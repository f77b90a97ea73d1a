//! Listeners that change: other kinds, retired ones, moved and renamed ones. Nobody who waits in a queue is lost.
#![allow(clippy::unwrap_used)]

mod common;

use common::{FIRST, PATIENCE, Place, SECOND, Two, goes, next, open_beside, quick};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};
use std::time::Duration;
use zdt::{Config, ErrorKind, Event, ListenerSpec, OnMismatch, Takeover};

const ANY: &str = "127.0.0.1:0";

fn tcp(takeover: &Takeover, name: &str, spec: &ListenerSpec) -> TcpListener {
    takeover.listener(name, spec).unwrap().into()
}

fn at(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap()
}

/// The spec of exactly this listener.
fn same(listener: &TcpListener) -> ListenerSpec {
    ListenerSpec::tcp(at(listener).to_string())
}

fn binding() -> Config {
    let mut config = quick();
    config.on_mismatch = OnMismatch::Bind;
    config
}

/// Clients that nobody has accepted yet.
fn queue(listener: &TcpListener) -> Vec<TcpStream> {
    (0..50).map(|_| TcpStream::connect(at(listener)).unwrap()).collect()
}

/// Sees that each of these clients is served from this listener, and nobody else waits there.
fn serve(listener: &TcpListener, clients: &[TcpStream]) {
    for client in clients {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let (connection, peer) = listener.accept().unwrap();
        let served = clients.iter().find(|client| client.local_addr().unwrap() == peer).unwrap();
        goes(connection, served, "served");
    }
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

fn retired(event: Event) -> Vec<String> {
    match event {
        Event::Drain { successor: Some(_), retired, .. } => retired,
        other => panic!("{other:?} instead of Drain"),
    }
}

/// Lets a successor that is ready commit, and the predecessor be done.
fn complete(two: &mut Two) {
    two.first().migrated_all().unwrap();
    assert!(matches!(two.next(SECOND), Event::Committed { .. }));
    assert!(matches!(two.next(FIRST), Event::Done { left: 0 }));
}

/// A first generation with TCP listeners of these names.
fn first_of(place: &Place, names: &[&'static str]) -> (Takeover, BTreeMap<&'static str, TcpListener>) {
    let first = Takeover::open(place.socket(), quick()).unwrap();
    let spec = ListenerSpec::tcp(ANY);
    let listeners = names.iter().map(|name| (*name, tcp(&first, name, &spec))).collect();
    first.ready().unwrap();
    (first, listeners)
}

#[test]
fn datagrams_that_wait_are_read_by_the_successor_once() {
    let place = Place::new("udp");
    for address in [ANY, "[::1]:0"] {
        let first = Takeover::open(place.socket(), quick()).unwrap();
        let spec = ListenerSpec::udp(address);
        let before = UdpSocket::from(first.listener("dns", &spec).unwrap());
        first.ready().unwrap();
        let client = UdpSocket::bind(address).unwrap();
        client.connect(before.local_addr().unwrap()).unwrap();
        let mut sent = 0u32;
        let mut send = |count: u32| {
            for number in sent..sent + count {
                client.send(&number.to_be_bytes()).unwrap();
            }
            sent += count;
        };
        let mut datagram = [0; 5];
        let mut got = Vec::new();
        let mut read = |socket: &UdpSocket, most: usize| {
            for _ in 0..most {
                match socket.recv(&mut datagram) {
                    Ok(4) => got.push(u32::from_be_bytes(datagram[..4].try_into().unwrap())),
                    other => return assert_eq!(other.unwrap_err().kind(), io::ErrorKind::WouldBlock),
                }
            }
        };
        // Before, while the successor warms up, after it is ready, after the predecessor is done; some are read there.
        send(20);
        let second = open_beside(&first, &place.socket(), quick()).unwrap();
        let after = UdpSocket::from(second.listener("dns", &spec).unwrap());
        assert_eq!(after.local_addr().unwrap(), before.local_addr().unwrap());
        send(20);
        read(&before, 10);
        second.ready().unwrap();
        send(20);
        let mut two = Two::of(first, second);
        assert!(retired(two.next(FIRST)).is_empty());
        read(&after, 5);
        send(20);
        complete(&mut two);
        drop(before);
        send(20);
        read(&after, usize::MAX);
        got.sort_unstable();
        assert_eq!(got, (0..100).collect::<Vec<_>>(), "each once, none lost");
    }
}

#[test]
fn datagrams_that_the_successor_leaves_unread_are_read_by_its_predecessor() {
    let place = Place::new("hung-udp");
    let mut wary = quick();
    (wary.hang, wary.probation) = (Duration::from_millis(100), Duration::from_secs(60));
    let first = Takeover::open(place.socket(), wary).unwrap();
    let socket = UdpSocket::from(first.listener("dns", &ListenerSpec::udp(ANY)).unwrap());
    first.ready().unwrap();
    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    let _unread = second.listener("dns", &ListenerSpec::udp(ANY)).unwrap();
    second.ready().unwrap();
    let mut two = Two::of(first, second);
    assert!(matches!(two.next(FIRST), Event::Drain { .. }));
    UdpSocket::bind(ANY).unwrap().send_to(b"?", socket.local_addr().unwrap()).unwrap();
    two.first().migrated_all().unwrap();
    assert!(matches!(two.next(FIRST), Event::Accept { .. }));
    assert_eq!(socket.recv(&mut [0; 2]).unwrap(), 1);
}

#[test]
fn an_abstract_name_is_inherited_with_whoever_waits_there() {
    let place = Place::new("abstract");
    let name = [b"zdt\0", place.0.as_os_str().as_encoded_bytes(), b"%?\xff"].concat();
    let spec = ListenerSpec::abstract_unix(name.clone());
    let address = UnixAddress::from_abstract_name(&name).unwrap();
    let first = Takeover::open(place.socket(), quick()).unwrap();
    let before = first.listener("bus", &spec).unwrap();
    first.ready().unwrap();
    assert_eq!(spec.bind().unwrap_err().kind(), ErrorKind::AddressInUse);
    let waiting = UnixStream::connect_addr(&address).unwrap();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    let after = UnixListener::from(second.listener("bus", &spec).unwrap());
    second.ready().unwrap();
    let mut two = Two::of(first, second);
    assert!(matches!(two.next(FIRST), Event::Drain { .. }));
    complete(&mut two);
    drop((before, two));
    goes(after.accept().unwrap().0, &waiting, "served over there");
    drop(after);
    assert_eq!(UnixStream::connect_addr(&address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_retired_listener_is_served_by_its_predecessor() {
    let place = Place::new("retired");
    let (first, mut listeners) = first_of(&place, &["a", "b", "c", "d"]);
    let queues: BTreeMap<_, _> = listeners.iter().map(|(name, listener)| (*name, queue(listener))).collect();
    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    let claimed = ["a", "c"].map(|name| (name, tcp(&second, name, &ListenerSpec::tcp(ANY))));
    assert_eq!(second.unclaimed(), ["b", "d"]);
    second.retire("b").unwrap();
    assert_eq!(second.ready().unwrap_err().kind(), ErrorKind::ListenerUnclaimed);
    second.retire("d").unwrap();
    for gone in ["a", "b", "x"] {
        assert_eq!(second.retire(gone).unwrap_err().kind(), ErrorKind::InvalidArgument, "{gone}");
    }
    second.ready().unwrap();
    let mut two = Two::of(first, second);
    assert_eq!(retired(two.next(FIRST)), ["b", "d"]);
    for (name, listener) in &claimed {
        serve(listener, &queues[name]);
    }
    // Nothing has changed for whoever connects there, until we are done.
    serve(&listeners["b"], &queues["b"]);
    serve(&listeners["b"], &queue(&listeners["b"]));
    complete(&mut two);
    for name in ["b", "d"] {
        let listener = listeners.remove(name).unwrap();
        if name == "d" {
            serve(&listener, &queues[name]);
        }
        let address = at(&listener);
        drop(listener);
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "no copy of {name} is left");
    }
    // A third generation hears nothing of them.
    let third = open_beside(two.second(), &place.socket(), quick()).unwrap();
    assert_eq!(third.unclaimed(), ["a", "c"]);
}

#[test]
fn new_listeners_are_bound_beside_those_that_are_inherited() {
    let place = Place::new("more");
    let (first, listeners) = first_of(&place, &["a", "b"]);
    let queues: BTreeMap<_, _> = listeners.iter().map(|(name, listener)| (*name, queue(listener))).collect();
    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    let all = ["d", "b", "c", "a"].map(|name| (name, tcp(&second, name, &ListenerSpec::tcp(ANY))));
    second.ready().unwrap();
    let mut two = Two::of(first, second);
    assert!(retired(two.next(FIRST)).is_empty());
    complete(&mut two);
    for (name, listener) in &all {
        match queues.get(name) {
            Some(clients) => serve(listener, clients),
            None => serve(listener, &queue(listener)),
        }
    }
}

#[test]
fn a_predecessor_that_resumes_has_every_listener() {
    let place = Place::new("resumes");
    let (first, listeners) = first_of(&place, &["a", "b"]);
    let waiting = queue(&listeners["b"]);
    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    let _a = tcp(&second, "a", &ListenerSpec::tcp(ANY));
    second.retire("b").unwrap();
    second.ready().unwrap();
    assert_eq!(retired(next(&first)), ["b"]);
    // It leaves between READY and its commit.
    drop(second);
    assert!(matches!(next(&first), Event::Resume { .. }));
    serve(&listeners["b"], &waiting);
    let again = open_beside(&first, &place.socket(), quick()).unwrap();
    assert_eq!(again.unclaimed(), ["a", "b"]);
    let _both = ["a", "b"].map(|name| tcp(&again, name, &ListenerSpec::tcp(ANY)));
    again.ready().unwrap();
    assert!(retired(next(&first)).is_empty(), "what an earlier successor left is forgotten");
}

#[test]
fn a_third_generation_takes_over_while_the_first_serves_what_is_retired() {
    let place = Place::new("three");
    let mut long = quick();
    long.probation = Duration::from_secs(60);
    let first = Takeover::open(place.socket(), long).unwrap();
    let [a, b] = ["a", "b"].map(|name| tcp(&first, name, &ListenerSpec::tcp(ANY)));
    first.ready().unwrap();
    let waiting = queue(&b);
    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    let _a = tcp(&second, "a", &same(&a));
    second.retire("b").unwrap();
    second.ready().unwrap();
    let mut two = Two::of(first, second);
    assert_eq!(retired(two.next(FIRST)), ["b"]);
    two.first().migrated_all().unwrap();
    assert!(matches!(two.next(SECOND), Event::Committed { .. }));
    let third = open_beside(two.second(), &place.socket(), quick()).unwrap();
    assert_eq!(third.unclaimed(), ["a"]);
    let _a = tcp(&third, "a", &same(&a));
    third.ready().unwrap();
    assert!(retired(two.next(SECOND)).is_empty());
    two.second().migrated_all().unwrap();
    assert!(matches!(next(&third), Event::Committed { .. }));
    assert!(matches!(two.next(SECOND), Event::Done { .. }));
    serve(&b, &waiting);
    // The second generation goes; the first, which watches it, still serves what only it has.
    two.second().close();
    serve(&b, &queue(&b));
}

#[test]
fn what_is_not_what_was_asked_for_is_bound_beside_it_if_so_configured() {
    let place = Place::new("mismatch");
    let (first, listeners) = first_of(&place, &["http"]);
    let waiting = queue(&listeners["http"]);
    let elsewhere = ListenerSpec::tcp("127.0.0.2:0");
    let refusing = open_beside(&first, &place.socket(), quick()).unwrap();
    let error = refusing.listener("http", &elsewhere).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ListenerMismatch, "{error}");
    assert_eq!(refusing.unclaimed(), ["http"]);
    drop(refusing);
    while first.next_event(Some(Duration::from_millis(20))).unwrap().is_some() {}

    let second = open_beside(&first, &place.socket(), binding()).unwrap();
    let http = tcp(&second, "http", &elsewhere);
    assert_eq!((at(&http).ip().to_string(), second.unclaimed()), ("127.0.0.2".into(), Vec::new()));
    second.ready().unwrap();
    let mut two = Two::of(first, second);
    assert_eq!(retired(two.next(FIRST)), ["http"]);
    serve(&http, &queue(&http));
    complete(&mut two);
    serve(&listeners["http"], &waiting);
    let third = open_beside(two.second(), &place.socket(), quick()).unwrap();
    assert_eq!(at(&tcp(&third, "http", &elsewhere)), at(&http), "the new one is what is passed on");
}

#[test]
fn an_address_that_the_predecessor_keeps_is_in_use_and_the_error_says_by_what() {
    let place = Place::new("in-use");
    let (first, listeners) = first_of(&place, &["http"]);
    let port = at(&listeners["http"]).port();
    let second = open_beside(&first, &place.socket(), binding()).unwrap();
    let everywhere = ListenerSpec::tcp(format!("0.0.0.0:{port}"));
    let error = second.listener("http", &everywhere).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
    assert_eq!(second.unclaimed(), ["http"], "and nothing is retired");
    // Port 0 does not tell the kernel's port; a spec that names it is named in the error.
    drop(second);
    while first.next_event(Some(Duration::from_millis(20))).unwrap().is_some() {}
    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    let _exact = tcp(&second, "http", &same(&listeners["http"]));
    second.ready().unwrap();
    let mut two = Two::of(first, second);
    assert!(retired(two.next(FIRST)).is_empty());
    complete(&mut two);
    let third = open_beside(two.second(), &place.socket(), binding()).unwrap();
    let error = third.listener("http", &everywhere).unwrap_err();
    assert!(error.what().contains(&format!("\"http\" is at tcp://127.0.0.1:{port}")), "{error}");
}

#[test]
fn a_listener_is_inherited_by_its_address_under_a_new_name() {
    let place = Place::new("renamed");
    let (first, listeners) = first_of(&place, &["a", "b"]);
    let queues: BTreeMap<_, _> = listeners.iter().map(|(name, listener)| (*name, queue(listener))).collect();
    let second = open_beside(&first, &place.socket(), quick()).unwrap();
    // Swapped, which takes both ways of finding one.
    let b = tcp(&second, "b", &same(&listeners["a"]));
    let web = tcp(&second, "web", &same(&listeners["b"]));
    assert!(second.unclaimed().is_empty());
    second.ready().unwrap();
    let mut two = Two::of(first, second);
    assert!(retired(two.next(FIRST)).is_empty());
    complete(&mut two);
    serve(&b, &queues["a"]);
    serve(&web, &queues["b"]);
    let third = open_beside(two.second(), &place.socket(), quick()).unwrap();
    assert_eq!(third.unclaimed(), ["b", "web"]);
}

/// How many may wait in this listener's queue, and whether what it accepts sends at once (tcp(7)).
fn options(listener: &TcpListener) -> (u32, bool) {
    use std::os::fd::AsRawFd;
    // SAFETY: all-zero is a valid tcp_info.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut nodelay = 0i32;
    let fd = listener.as_raw_fd();
    // SAFETY: the kernel writes at most the lengths given; everything outlives the calls.
    unsafe {
        let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
        let into = (&raw mut info).cast();
        assert_eq!(libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, into, &mut length), 0);
        let mut length = size_of::<i32>() as libc::socklen_t;
        let into = (&raw mut nodelay).cast();
        assert_eq!(libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, into, &mut length), 0);
    }
    (info.tcpi_sacked, nodelay != 0)
}

#[test]
fn backlog_and_options_are_those_of_whoever_owns() {
    let place = Place::new("options");
    let (first, listeners) = first_of(&place, &["http"]);
    let http = &listeners["http"];
    let was = options(http);
    let spec = same(http).backlog(17).nodelay(true);
    let ready = |first: &Takeover| {
        let second = open_beside(first, &place.socket(), quick()).unwrap();
        let _copy: OwnedFd = second.listener("http", &spec).unwrap();
        second.ready().unwrap();
        second
    };
    let second = ready(&first);
    assert!(matches!(next(&first), Event::Drain { .. }));
    drop(second);
    assert!(matches!(next(&first), Event::Resume { .. }));
    assert_eq!(options(http), was, "an attempt that is off has changed nothing");

    let second = ready(&first);
    let mut two = Two::of(first, second);
    assert!(matches!(two.next(FIRST), Event::Drain { .. }));
    two.first().migrated_all().unwrap();
    assert!(matches!(two.next(SECOND), Event::Committed { .. }));
    assert_eq!(options(http), (17, true));
    let third = open_beside(two.second(), &place.socket(), quick()).unwrap();
    let _copy: OwnedFd = third.listener("http", &same(http).nodelay(true)).unwrap();
    third.ready().unwrap();
    assert!(matches!(two.next(SECOND), Event::Drain { .. }));
    two.second().migrated_all().unwrap();
    assert!(matches!(next(&third), Event::Committed { .. }));
    assert_eq!(options(http), (17, true), "what is not said stays");
}
