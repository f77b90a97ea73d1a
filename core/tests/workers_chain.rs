//! Three generations of pre-fork servers with a worker each, the third at the heels of the second: whoever is still being
//! given connections is not drained before it has them. All in one process.

#![allow(clippy::unwrap_used)]

mod common;

use common::{PATIENCE, Place, goes, pair, quick};
use std::collections::HashMap;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};
use zdt::{Config, Connection, Event, NotMigrated, Offer, Takeover, Worker};

const CONNECTIONS: usize = 40;

struct Server {
    arbiter: Takeover,
    worker: Worker,
    live: HashMap<u64, TcpStream>,
    next: u64,
    /// Connections that are still to be migrated.
    pending: Vec<u64>,
    /// Offers are kept unanswered.
    hesitates: bool,
    kept: Vec<Offer>,
    drained: bool,
    committed: bool,
    done: bool,
}

impl Server {
    /// Opens, and is ready; `predecessor` gets its turn meanwhile.
    fn open(place: &Place, config: Config, predecessor: Option<&mut Server>) -> Server {
        let path = place.socket();
        let opening = thread::spawn(move || Takeover::open(path, config).unwrap());
        if let Some(predecessor) = predecessor {
            until("the handshake", || {
                predecessor.turn();
                opening.is_finished()
            });
        }
        let arbiter = opening.join().unwrap();
        let worker = Worker::join(arbiter.seat(0).unwrap(), quick()).unwrap();
        arbiter.ready().unwrap();
        let (live, pending, kept) = Default::default();
        let (hesitates, drained, committed, done) = Default::default();
        Server { arbiter, worker, live, next: 0, pending, hesitates, kept, drained, committed, done }
    }

    fn serve(&mut self, socket: TcpStream) {
        self.live.insert(self.next, socket);
        self.next += 1;
    }

    /// Takes what there is, without waiting. The arbiter may be closed.
    fn turn(&mut self) {
        while let Ok(Some(event)) = self.arbiter.next_event(Some(Duration::ZERO)) {
            match event {
                Event::Drain { .. } => {
                    self.drained = true;
                    self.arbiter.migrated_all().unwrap();
                }
                Event::Committed { .. } => self.committed = true,
                Event::Done { .. } => self.done = true,
                _ => {}
            }
        }
        while let Some(event) = self.worker.next_event(Some(Duration::ZERO)).unwrap() {
            match event {
                Event::Drain { .. } => {
                    self.pending = self.live.keys().copied().collect();
                    self.migrate();
                }
                Event::Room => self.migrate(),
                Event::Settled(id) => drop(self.live.remove(&id).expect("settled once")),
                Event::Returned(frozen, _) => {
                    self.pending.push(frozen.id);
                    self.migrate();
                }
                Event::Offer(offer) if self.hesitates => self.kept.push(offer),
                Event::Offer(offer) => self.adopt(offer),
                _ => {}
            }
        }
    }

    fn adopt(&mut self, offer: Offer) {
        let connection = offer.adopt().unwrap().expect("nobody took it back");
        self.serve(connection.socket.into());
    }

    fn migrate(&mut self) {
        while let Some(id) = self.pending.pop() {
            match self.worker.migrate(Connection::new(id, self.live[&id].as_raw_fd(), "echo")) {
                Ok(()) => {}
                Err(NotMigrated::Full(_)) => return self.pending.push(id),
                Err(NotMigrated::Failed(_, error)) => panic!("{error}"),
            }
        }
        self.worker.migrated_all().unwrap();
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what} did not come");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Each client is served by `server`.
fn all_are_served(clients: &[TcpStream], server: &Server) {
    let ends = |socket: &TcpStream| (socket.peer_addr().unwrap(), socket.local_addr().unwrap());
    let sockets: HashMap<_, _> = server.live.values().map(|socket| (ends(socket), socket)).collect();
    for client in clients {
        let there = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        let socket = *sockets.get(&there).expect("it is served elsewhere, or nowhere");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        goes(client, socket, "to the server");
        goes(socket, client, "to the client");
    }
}

/// The second has committed and has not answered what its worker was offered, and a third is ready; its clients.
fn a_third_at_the_heels(place: &Place, config: Config, orphaned: bool) -> ([Server; 3], Vec<TcpStream>) {
    let mut first = Server::open(place, quick(), None);
    let (clients, sockets): (Vec<_>, Vec<_>) = (0..CONNECTIONS).map(|_| pair()).unzip();
    sockets.into_iter().for_each(|socket| first.serve(socket));
    let mut second = Server::open(place, config, Some(&mut first));
    second.hesitates = true;
    until("offers that nobody answers", || {
        first.turn();
        second.turn();
        second.committed && second.kept.len() == CONNECTIONS
    });
    if orphaned {
        first.arbiter.close();
    }
    let third = Server::open(place, quick(), Some(&mut second));
    ([first, second, third], clients)
}

fn a_third_gets_everything(orphaned: bool) {
    let place = Place::new("workers-chain");
    let (mut servers, clients) = a_third_at_the_heels(&place, quick(), orphaned);
    let settled = Instant::now() + Duration::from_millis(300);
    while Instant::now() < settled {
        servers.iter_mut().for_each(Server::turn);
    }
    let second = &mut servers[1];
    assert!(!second.drained, "its worker is still being given connections");
    second.hesitates = false;
    for offer in std::mem::take(&mut second.kept) {
        second.adopt(offer);
    }
    until("Done", || {
        servers.iter_mut().for_each(Server::turn);
        servers[1].done && servers[2].committed
    });
    assert_eq!(servers.each_ref().map(|server| server.live.len()), [0, 0, CONNECTIONS]);
    all_are_served(&clients, &servers[2]);
}

#[test]
fn workers_that_are_still_being_given_connections_are_taken_over_with_all_of_them() {
    a_third_gets_everything(false);
}

#[test]
fn what_workers_without_an_arbiter_still_give_reaches_the_third_too() {
    a_third_gets_everything(true);
}

#[test]
fn a_worker_that_never_answers_holds_the_next_takeover_up_no_longer_than_a_drain() {
    let place = Place::new("workers-chain-hang");
    let mut config = quick();
    config.drain = Duration::from_secs(2);
    let (mut servers, clients) = a_third_at_the_heels(&place, config, false);
    until("Done", || {
        servers.iter_mut().for_each(Server::turn);
        servers[1].done && servers[2].committed
    });
    // What the worker did not answer is the first one's, which has not come to its own deadline.
    servers[1].worker.close();
    until("what returned", || {
        servers[0].turn();
        servers[0].pending.len() == CONNECTIONS
    });
    all_are_served(&clients, &servers[0]);
}
