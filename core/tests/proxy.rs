//! A proxy's downstream and upstream sockets move as one unit, with bytes half-way through in each direction.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, next, pair, quick};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use zdt::{Companion, Connection, Event, Frozen, Returned, Takeover};

/// One proxied connection, as the process that serves it sees it.
struct Relayed {
    downstream: TcpStream,
    upstream: TcpStream,
}

/// Four bytes on their way in each direction: two read and not forwarded, two forwarded half (taken, not in the socket).
fn frozen(relayed: &Relayed) -> Frozen {
    let mut connection = Connection::new(7, relayed.downstream.as_raw_fd(), "proxy");
    connection.unread = b"cd".to_vec();
    connection.unsent = b"WX".to_vec();
    connection.companions.push(Companion {
        name: "upstream".into(),
        fd: relayed.upstream.as_raw_fd(),
        unread: b"YZ".to_vec(),
        unsent: b"ab".to_vec(),
    });
    connection
}

/// Serves on: what was half-way goes first, in order, then whatever comes until the client has sent 8 bytes in all.
fn serve_on(mut downstream: TcpStream, mut upstream: TcpStream, half_way: &Connection<impl Sized>) {
    let companion = &half_way.companions[0];
    upstream.write_all(&companion.unsent).unwrap();
    upstream.write_all(&half_way.unread).unwrap();
    downstream.write_all(&half_way.unsent).unwrap();
    downstream.write_all(&companion.unread).unwrap();
    let mut rest = [0; 4];
    downstream.read_exact(&mut rest).unwrap();
    upstream.write_all(&rest).unwrap();
    upstream.read_exact(&mut rest).unwrap();
    downstream.write_all(&rest).unwrap();
    downstream.shutdown(Shutdown::Both).unwrap();
    upstream.shutdown(Shutdown::Both).unwrap();
}

/// The two ends that must not notice: what the server got, and what the client got.
fn ends(client: TcpStream, server: TcpStream) -> impl FnOnce() -> (Vec<u8>, Vec<u8>) {
    let read = |mut stream: TcpStream| {
        thread::spawn(move || {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all
        })
    };
    // 4 bytes of each were read by the proxy before the takeover; these wait in the sockets.
    (&client).write_all(b"efgh").unwrap();
    (&server).write_all(b"1234").unwrap();
    let (client, server) = (read(client), read(server));
    move || (server.join().unwrap(), client.join().unwrap())
}

/// A predecessor with one proxied connection; what became of it.
fn predecessor(first: Takeover, relayed: Relayed) -> Option<(Returned, Relayed)> {
    let mut back = None;
    loop {
        match next(&first) {
            Event::Drain { .. } => {
                first.migrate(frozen(&relayed)).unwrap();
                first.migrated_all().unwrap();
            }
            Event::Settled(7) => {}
            Event::Returned(connection, why) => {
                assert_eq!(*connection, frozen(&relayed), "it comes back whole");
                back = Some(why);
            }
            Event::Done { .. } => return back.map(|why| (why, relayed)),
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[test]
fn a_companion_moves_with_its_connection() {
    let place = Place::new("proxy");
    let (client, downstream) = pair();
    let (upstream, server) = pair();
    let first = Takeover::open(place.socket(), quick()).unwrap();
    first.ready().unwrap();
    let ends = ends(client, server);
    let old = thread::spawn(move || predecessor(first, Relayed { downstream, upstream }).is_none());

    let second = Takeover::open(place.socket(), quick()).unwrap();
    second.ready().unwrap();
    let serving = loop {
        if let Event::Offer(offer) = next(&second) {
            assert_eq!(offer.connection().companions[0].name, "upstream");
            let mut connection = offer.adopt().unwrap().expect("nobody takes it back");
            let upstream = TcpStream::from(connection.companions[0].fd.try_clone().unwrap());
            let downstream = TcpStream::from(connection.socket.try_clone().unwrap());
            connection.companions[0].fd = downstream.try_clone().unwrap().into();
            break thread::spawn(move || serve_on(downstream, upstream, &connection));
        }
    };
    while !matches!(next(&second), Event::Committed { .. }) {}
    assert!(old.join().unwrap(), "it moved");
    serving.join().unwrap();
    let (to_server, to_client) = ends();
    assert_eq!(to_server, b"abcdefgh");
    assert_eq!(to_client, b"WXYZ1234");
}

#[test]
fn a_refused_connection_returns_as_it_was() {
    let place = Place::new("proxy-back");
    let (client, downstream) = pair();
    let (upstream, server) = pair();
    let first = Takeover::open(place.socket(), quick()).unwrap();
    first.ready().unwrap();
    let ends = ends(client, server);
    let old = thread::spawn(move || predecessor(first, Relayed { downstream, upstream }));

    let second = Takeover::open(place.socket(), quick()).unwrap();
    second.ready().unwrap();
    loop {
        match next(&second) {
            Event::Offer(offer) => offer.refuse("no proxying here"),
            Event::Committed { .. } => break,
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(second.next_event(Some(std::time::Duration::ZERO)).unwrap().is_none());
    let (why, relayed) = old.join().unwrap().expect("it came back");
    assert_eq!(why, Returned::Refused);
    let half_way = frozen(&relayed);
    serve_on(relayed.downstream, relayed.upstream, &half_way);
    let (to_server, to_client) = ends();
    assert_eq!((to_server.as_slice(), to_client.as_slice()), (&b"abcdefgh"[..], &b"WXYZ1234"[..]));
}
