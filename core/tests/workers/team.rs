//! Arbiters and workers that do what they are told.

use crate::common::{PATIENCE, goes, pair, quick};
use std::collections::HashMap;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use zdt::{Config, Connection, ErrorKind, Event, ListenerSpec, NotMigrated, Takeover, Worker};

/// A worker with connections, which does what it is told.
pub struct Hand {
    pub worker: Worker,
    pub connections: HashMap<u64, TcpStream>,
    next: u64,
    /// Connections that are still to be migrated.
    pub pending: Vec<u64>,
    pub accepting: bool,
    /// Offers are kept unanswered.
    pub hesitates: bool,
    pub kept: Vec<zdt::Offer>,
    seen: Vec<String>,
}

impl Hand {
    pub fn new(seat: OwnedFd) -> Hand {
        let worker = Worker::join(seat, quick()).unwrap();
        let (connections, pending, kept, seen) = Default::default();
        Hand { worker, connections, next: 0, pending, accepting: false, hesitates: false, kept, seen }
    }

    fn serves(&mut self, socket: TcpStream) {
        self.connections.insert(self.next, socket);
        self.next += 1;
    }

    pub fn saw(&self, event: &str) -> bool {
        self.seen.iter().any(|seen| seen == event)
    }

    /// Takes what there is, without waiting.
    pub fn turn(&mut self) {
        while let Some(event) = self.worker.next_event(Some(Duration::ZERO)).unwrap() {
            let name = format!("{event:?}");
            self.seen.push(name.split(['(', ' ']).next().unwrap().into());
            match event {
                Event::Ready | Event::Resume { .. } => (self.accepting, self.pending) = (true, Vec::new()),
                Event::Drain { successor, .. } => {
                    self.accepting = false;
                    self.pending = successor.iter().flat_map(|_| self.connections.keys().copied()).collect();
                    self.migrate();
                }
                Event::Room => self.migrate(),
                Event::Settled(id) => drop(self.connections.remove(&id).expect("settled once")),
                Event::Returned(frozen, _) => {
                    assert!(self.connections.contains_key(&frozen.id));
                    if self.accepting {
                        continue;
                    }
                    self.pending.push(frozen.id);
                    self.migrate();
                }
                Event::Offer(offer) if self.hesitates => self.kept.push(offer),
                Event::Offer(offer) => {
                    let adopted = offer.adopt().unwrap();
                    adopted.into_iter().for_each(|connection| self.serves(connection.socket.into()));
                }
                _ => {}
            }
        }
    }

    pub fn migrate(&mut self) {
        while let Some(id) = self.pending.pop() {
            let frozen = Connection::new(id, self.connections[&id].as_raw_fd(), "echo");
            match self.worker.migrate(frozen) {
                Ok(()) => {}
                Err(NotMigrated::Full(_)) => return self.pending.push(id),
                // The service resumes: the event is on its way.
                Err(NotMigrated::Failed(_, error)) => {
                    assert_eq!(error.kind(), ErrorKind::WrongState, "{error}")
                }
            }
        }
        let _ = self.worker.migrated_all();
    }
}

/// An arbiter with its workers.
pub struct Team {
    pub arbiter: Takeover,
    pub hands: Vec<Hand>,
    pub seen: Vec<String>,
}

impl Team {
    /// Opens, and is ready with so many workers. `predecessor` gets its turn meanwhile.
    pub fn open(path: &Path, workers: u32, predecessor: Option<&mut Team>) -> Team {
        Team::open_with(path, workers, predecessor, quick())
    }

    pub fn open_with(path: &Path, workers: u32, predecessor: Option<&mut Team>, config: Config) -> Team {
        let path = path.to_path_buf();
        let opening = thread::spawn(move || Takeover::open(path, config).unwrap());
        if let Some(predecessor) = predecessor {
            until("the handshake", || {
                predecessor.turn();
                opening.is_finished()
            });
        }
        let arbiter = opening.join().unwrap();
        drop(arbiter.listener("echo", &ListenerSpec::tcp("127.0.0.1:0")).unwrap());
        let hands = (0..workers).map(|number| Hand::new(arbiter.seat(number).unwrap())).collect();
        arbiter.ready().unwrap();
        Team { arbiter, hands, seen: Vec::new() }
    }

    /// Spreads new connections over the workers; the clients' ends.
    pub fn connect(&mut self, count: usize) -> Vec<TcpStream> {
        let workers = self.hands.len();
        (0..count)
            .map(|number| {
                let (client, server) = pair();
                self.hands[number % workers].serves(server);
                client
            })
            .collect()
    }

    pub fn turn(&mut self) {
        while let Some(event) = self.arbiter.next_event(Some(Duration::ZERO)).unwrap() {
            let name = format!("{event:?}");
            self.seen.push(name.split(['(', ' ']).next().unwrap().into());
            if matches!(event, Event::Drain { .. }) {
                self.arbiter.migrated_all().unwrap();
            }
        }
        self.hands.iter_mut().for_each(Hand::turn);
    }

    /// Everybody but one worker has its turn.
    pub fn turn_without(&mut self, one: usize) {
        let hand = self.hands.remove(one);
        self.turn();
        self.hands.insert(one, hand);
    }

    pub fn saw(&self, event: &str) -> bool {
        self.seen.iter().any(|seen| seen == event)
    }

    pub fn served(&self) -> usize {
        self.hands.iter().map(|hand| hand.connections.len()).sum()
    }
}

pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what} did not come");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Every client is served by exactly one of these workers.
pub fn all_are_served(clients: &[TcpStream], teams: &[&Team]) {
    let servers = teams.iter().flat_map(|team| &team.hands).flat_map(|hand| hand.connections.values());
    let ends = |server: &TcpStream| (server.peer_addr().unwrap(), server.local_addr().unwrap());
    let servers: HashMap<_, _> = servers.map(|server| (ends(server), server)).collect();
    for client in clients {
        let server = servers.get(&(client.local_addr().unwrap(), client.peer_addr().unwrap()));
        let server = server.expect("nobody serves it");
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        goes(client, *server, "to the server");
        goes(*server, client, "to the client");
    }
}
