//! Pre-fork servers: an arbiter, its workers, and takeovers from worker to worker. Here all of them share one process; what
//! a death costs is shown with real ones, in tests/lanes.

#![allow(clippy::unwrap_used)]

mod common;

use common::{PATIENCE, Place, goes, pair, quick};
use std::collections::HashMap;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use zdt::{Config, Connection, ErrorKind, Event, ListenerSpec, NotMigrated, Takeover, Worker};

/// A worker with connections, which does what it is told.
struct Hand {
    worker: Worker,
    connections: HashMap<u64, TcpStream>,
    next: u64,
    /// Connections that are still to be migrated.
    pending: Vec<u64>,
    accepting: bool,
    /// Offers are kept unanswered.
    hesitates: bool,
    kept: Vec<zdt::Offer>,
    seen: Vec<String>,
}

impl Hand {
    fn new(seat: OwnedFd) -> Hand {
        let worker = Worker::join(seat, quick()).unwrap();
        let (connections, pending, kept, seen) = Default::default();
        Hand { worker, connections, next: 0, pending, accepting: false, hesitates: false, kept, seen }
    }

    fn serves(&mut self, socket: TcpStream) {
        self.connections.insert(self.next, socket);
        self.next += 1;
    }

    fn saw(&self, event: &str) -> bool {
        self.seen.iter().any(|seen| seen == event)
    }

    /// Takes what there is, without waiting.
    fn turn(&mut self) {
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

    fn migrate(&mut self) {
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
struct Team {
    arbiter: Takeover,
    hands: Vec<Hand>,
    seen: Vec<String>,
}

impl Team {
    /// Opens, and is ready with so many workers. `predecessor` gets its turn meanwhile.
    fn open(path: &Path, workers: u32, predecessor: Option<&mut Team>) -> Team {
        Team::open_with(path, workers, predecessor, quick())
    }

    fn open_with(path: &Path, workers: u32, predecessor: Option<&mut Team>, config: Config) -> Team {
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
    fn connect(&mut self, count: usize) -> Vec<TcpStream> {
        let workers = self.hands.len();
        (0..count)
            .map(|number| {
                let (client, server) = pair();
                self.hands[number % workers].serves(server);
                client
            })
            .collect()
    }

    fn turn(&mut self) {
        while let Some(event) = self.arbiter.next_event(Some(Duration::ZERO)).unwrap() {
            let name = format!("{event:?}");
            self.seen.push(name.split(['(', ' ']).next().unwrap().into());
            if matches!(event, Event::Drain { .. }) {
                self.arbiter.migrated_all().unwrap();
            }
        }
        self.hands.iter_mut().for_each(Hand::turn);
    }

    fn saw(&self, event: &str) -> bool {
        self.seen.iter().any(|seen| seen == event)
    }

    fn served(&self) -> usize {
        self.hands.iter().map(|hand| hand.connections.len()).sum()
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what} did not come");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Every client is served by exactly one of these workers.
fn all_are_served(clients: &[TcpStream], teams: &[&Team]) {
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

fn a_whole_takeover(from: u32, to: u32) {
    let place = Place::new("workers");
    let mut first = Team::open(&place.socket(), from, None);
    let clients = first.connect(600);
    first.turn();
    assert!(first.hands.iter().all(|hand| hand.accepting), "ready reaches the workers");
    let mut second = Team::open(&place.socket(), to, Some(&mut first));
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done") && first.hands.iter().all(|hand| hand.saw("Done"))
    });
    assert_eq!((first.served(), second.served()), (0, 600));
    assert!(second.hands.iter().all(|hand| !hand.connections.is_empty()), "a worker got nothing");
    all_are_served(&clients, &[&second]);
    until("Committed", || {
        second.turn();
        second.saw("Committed") && second.hands.iter().all(|hand| hand.saw("Committed"))
    });
}

#[test]
fn workers_migrate_to_as_many_workers() {
    a_whole_takeover(4, 4);
}

#[test]
fn workers_migrate_to_fewer_workers() {
    a_whole_takeover(4, 2);
}

#[test]
fn workers_migrate_to_more_workers() {
    a_whole_takeover(2, 4);
}

#[test]
fn the_deed_stays_until_the_last_worker_has_stopped_accepting() {
    let place = Place::new("workers-stop");
    let mut first = Team::open(&place.socket(), 2, None);
    let clients = first.connect(20);
    let mut second = Team::open(&place.socket(), 2, Some(&mut first));
    // The second worker takes its Drain, and does not come back from it.
    until("Drain", || {
        first.turn_without(1);
        first.hands[1]
            .worker
            .next_event(Some(Duration::ZERO))
            .unwrap()
            .is_some_and(|event| matches!(event, Event::Drain { successor: Some(_), .. }))
    });
    let settled = Instant::now() + Duration::from_millis(300);
    while Instant::now() < settled {
        first.turn_without(1);
        second.turn();
    }
    assert!(!second.saw("Committed"), "a worker of the predecessor still accepts");
    assert!(!first.saw("Done"));
    first.hands[1].pending = first.hands[1].connections.keys().copied().collect();
    first.hands[1].migrate();
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done") && second.saw("Committed")
    });
    all_are_served(&clients, &[&second]);
}

impl Team {
    /// Everybody but one worker has its turn.
    fn turn_without(&mut self, one: usize) {
        let hand = self.hands.remove(one);
        self.turn();
        self.hands.insert(one, hand);
    }
}

#[test]
fn what_a_worker_leaves_unanswered_returns_and_another_takes_it() {
    let place = Place::new("workers-leave");
    let mut first = Team::open(&place.socket(), 2, None);
    let clients = first.connect(40);
    let mut second = Team::open(&place.socket(), 2, Some(&mut first));
    second.hands[0].hesitates = true;
    until("offers that nobody answers", || {
        first.turn();
        second.turn();
        second.hands[0].kept.len() == 20
    });
    let hand = second.hands.remove(0);
    hand.worker.close();
    assert_eq!(hand.worker.next_event(None).unwrap_err().kind(), ErrorKind::Closed);
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done")
    });
    for offer in hand.kept {
        assert_eq!(offer.adopt().unwrap_err().kind(), ErrorKind::Closed, "it is another's by now");
    }
    assert_eq!(second.served(), 40);
    all_are_served(&clients, &[&second]);
}

#[test]
fn what_a_hung_worker_does_not_answer_is_taken_back_at_the_deadline() {
    let place = Place::new("workers-hang");
    let mut config = quick();
    config.drain = Duration::from_secs(2);
    let mut first = Team::open_with(&place.socket(), 2, None, config);
    let clients = first.connect(40);
    let mut second = Team::open(&place.socket(), 2, Some(&mut first));
    second.hands[0].hesitates = true;
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done") && first.hands.iter().all(|hand| hand.saw("Done"))
    });
    assert!(!second.hands[0].kept.is_empty());
    for offer in std::mem::take(&mut second.hands[0].kept) {
        assert!(offer.adopt().unwrap().is_none(), "it went back");
    }
    assert_eq!(first.served() + second.served(), 40);
    all_are_served(&clients, &[&first, &second]);
}

/// A successor whose workers keep what they are offered, and a third that is ready at its heels.
fn a_third_at_the_heels(place: &Place, first: &mut Team, orphaned: bool) -> (Team, Team) {
    let mut second = Team::open(&place.socket(), 2, Some(first));
    second.hands.iter_mut().for_each(|hand| hand.hesitates = true);
    until("offers that nobody answers", || {
        first.turn();
        second.turn();
        second.saw("Committed") && second.hands.iter().map(|hand| hand.kept.len()).sum::<usize>() == 40
    });
    if orphaned {
        first.arbiter.close();
    }
    let mut third = Team::open(&place.socket(), 2, Some(&mut second));
    let settled = Instant::now() + Duration::from_millis(300);
    while Instant::now() < settled {
        first.hands.iter_mut().for_each(Hand::turn);
        second.turn();
        third.turn();
    }
    (second, third)
}

fn a_third_gets_everything(orphaned: bool) {
    let place = Place::new("workers-heels");
    let mut first = Team::open(&place.socket(), 2, None);
    let clients = first.connect(40);
    let (mut second, mut third) = a_third_at_the_heels(&place, &mut first, orphaned);
    assert!(!second.saw("Drain"), "its workers are still being given connections");
    for hand in &mut second.hands {
        hand.hesitates = false;
        for offer in std::mem::take(&mut hand.kept) {
            let connection = offer.adopt().unwrap().expect("nobody took it back");
            hand.serves(connection.socket.into());
        }
    }
    until("Done", || {
        first.hands.iter_mut().for_each(Hand::turn);
        second.turn();
        third.turn();
        second.saw("Done") && third.saw("Committed")
    });
    assert_eq!((first.served(), second.served(), third.served()), (0, 0, 40));
    all_are_served(&clients, &[&third]);
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
    let place = Place::new("workers-heels-hang");
    let mut first = Team::open(&place.socket(), 2, None);
    let clients = first.connect(40);
    let mut config = quick();
    config.drain = Duration::from_secs(2);
    let mut second = Team::open_with(&place.socket(), 2, Some(&mut first), config);
    second.hands.iter_mut().for_each(|hand| hand.hesitates = true);
    until("the commit", || {
        first.turn();
        second.turn();
        second.saw("Committed")
    });
    let mut third = Team::open(&place.socket(), 2, Some(&mut second));
    until("Done", || {
        first.turn();
        second.turn();
        third.turn();
        second.saw("Done") && third.saw("Committed")
    });
    // What the hung workers did not answer is the first one's, which has not come to its own deadline.
    second.hands.iter().for_each(|hand| hand.worker.close());
    until("what returned", || {
        first.turn();
        first.hands.iter().all(|hand| hand.pending.len() == 20)
    });
    all_are_served(&clients, &[&first]);
}

#[test]
fn a_lane_waits_for_a_worker_to_be_seated() {
    let place = Place::new("workers-reseat");
    let mut first = Team::open(&place.socket(), 1, None);
    let clients = first.connect(10);
    let mut second = Team::open(&place.socket(), 1, Some(&mut first));
    second.hands.remove(0).worker.close();
    until("a worker that has nobody to offer to", || {
        first.turn();
        second.turn();
        first.hands[0].saw("Drain") && first.hands[0].pending.len() == 10
    });
    second.hands.push(Hand::new(second.arbiter.seat(1).unwrap()));
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done")
    });
    all_are_served(&clients, &[&second]);
}

#[test]
fn an_attempt_that_is_off_gives_every_worker_its_connections_back() {
    let place = Place::new("workers-abort");
    let mut first = Team::open(&place.socket(), 3, None);
    let clients = first.connect(60);
    let mut second = Team::open(&place.socket(), 2, Some(&mut first));
    second.hands.iter_mut().for_each(|hand| hand.hesitates = true);
    until("offers", || {
        // The arbiter does not hear DRAINING, and does not commit.
        first.turn();
        second.hands.iter_mut().for_each(Hand::turn);
        second.hands.iter().all(|hand| !hand.kept.is_empty())
    });
    let Team { arbiter, hands, .. } = second;
    arbiter.close();
    until("Resume", || {
        first.turn();
        first.saw("Resume") && first.hands.iter().all(|hand| hand.saw("Resume") && hand.accepting)
    });
    assert_eq!(first.served(), 60);
    all_are_served(&clients, &[&first]);
    for mut hand in hands {
        assert!(hand.kept.into_iter().all(|offer| offer.adopt().unwrap().is_none()), "it went back");
        hand.kept = Vec::new();
        until("Aborted", || {
            hand.turn();
            hand.saw("Aborted")
        });
    }
    // And the next attempt succeeds.
    let mut third = Team::open(&place.socket(), 3, Some(&mut first));
    until("Done", || {
        first.turn();
        third.turn();
        first.saw("Done")
    });
    all_are_served(&clients, &[&third]);
}

#[test]
fn workers_of_an_arbiter_that_leaves_drain_and_are_done() {
    let place = Place::new("workers-orphans");
    let mut first = Team::open(&place.socket(), 2, None);
    let clients = first.connect(4);
    first.turn();
    first.arbiter.close();
    for hand in &mut first.hands {
        until("Drain", || {
            hand.worker
                .next_event(Some(Duration::ZERO))
                .unwrap()
                .is_some_and(|event| matches!(event, Event::Drain { successor: None, .. }))
        });
        assert!(matches!(
            hand.worker.migrate(Connection::new(0, 0, "echo")),
            Err(NotMigrated::Failed(_, error)) if error.kind() == ErrorKind::WrongState
        ));
        hand.worker.migrated_all().unwrap();
        until("Done", || {
            hand.turn();
            hand.saw("Done")
        });
    }
    all_are_served(&clients, &[&first]);
}

#[test]
fn a_single_process_that_seats_itself_takes_over_from_workers() {
    a_whole_takeover(3, 1);
}

#[test]
fn workers_finish_what_they_have_where_the_successor_has_none() {
    let place = Place::new("workers-none");
    let mut first = Team::open(&place.socket(), 2, None);
    let _clients = first.connect(2);
    let mut second = Team::open(&place.socket(), 0, Some(&mut first));
    until("Committed", || {
        first.turn();
        second.turn();
        second.saw("Committed") && first.hands.iter().all(|hand| hand.saw("Drain"))
    });
    assert!(!first.saw("Done"), "the workers are at it");
    for hand in &mut first.hands {
        hand.connections.clear();
        hand.worker.migrated_all().unwrap();
    }
    until("Done", || {
        first.turn();
        second.turn();
        first.saw("Done") && first.hands.iter().all(|hand| hand.saw("Done"))
    });
}

#[test]
fn a_seat_is_taken_once_and_a_listener_too() {
    let place = Place::new("workers-seat");
    let arbiter = Takeover::open(place.socket(), quick()).unwrap();
    let spec = ListenerSpec::tcp("127.0.0.1:0");
    let listener = std::net::TcpListener::from(arbiter.listener("echo", &spec).unwrap());
    let seat = arbiter.seat(7).unwrap();
    let again = seat.try_clone().unwrap();
    let worker = Worker::join(seat, quick()).unwrap();
    assert_eq!((worker.number(), worker.generation()), (7, 1));
    let mut config = quick();
    config.handshake = Duration::from_millis(50);
    assert_eq!(Worker::join(again, config).unwrap_err().kind(), ErrorKind::NoAnswer);
    let inherited = std::net::TcpListener::from(worker.listener("echo").unwrap());
    assert_eq!(inherited.local_addr().unwrap(), listener.local_addr().unwrap());
    assert_eq!(worker.listener("echo").unwrap_err().kind(), ErrorKind::NameUsed);
    assert_eq!(worker.listener("other").unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(worker.migrated_all().unwrap_err().kind(), ErrorKind::WrongState);
    arbiter.ready().unwrap();
    assert!(matches!(worker.next_event(Some(PATIENCE)).unwrap(), Some(Event::Ready)));
    arbiter.drain().unwrap();
    assert_eq!(arbiter.seat(8).unwrap_err().kind(), ErrorKind::WrongState);
    let file = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(Worker::join(file.into(), quick()).unwrap_err().kind(), ErrorKind::System);
}
