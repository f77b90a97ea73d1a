//! What libzdt adds to the relay: it answers the events of the takeover.

use crate::relay::Relay;
use crate::session::{self, Session};
use crate::switches::Switches;
use crate::tell;
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Interest, Token};
use serde_json::json;
use std::error::Error;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};
use zdt::{Event, Frozen, NotMigrated, Offer, Returned, Takeover};

/// The name of the listener.
pub const LISTENER: &str = "relay";
const TAKEOVER: Token = Token(usize::MAX - 1);
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

type Outcome = Result<(), Box<dyn Error>>;

/// A relay that can be taken over.
pub struct Service {
    /// What is served.
    pub relay: Relay,
    takeover: Takeover,
    switches: Switches,
    adopted: u64,
    migration: Option<Migration>,
    /// Draining, and nobody to take the connections: they are served to their end.
    alone: bool,
    /// The successor left the listener to us.
    retired: bool,
    /// From here on the service is over with its last connection, or when this is past.
    leaving: Option<Option<Instant>>,
}

/// The predecessor's account of one takeover.
struct Migration {
    began: Instant,
    deadline: Instant,
    /// Not offered yet, and served until they are.
    waiting: Vec<usize>,
    offered: u64,
    moved: u64,
    returned: u64,
    unread: usize,
    unsent: usize,
    state: usize,
    told: Instant,
    complete: bool,
}

impl Service {
    /// Nothing happens yet.
    pub fn new(takeover: Takeover, listener: TcpListener, switches: Switches) -> std::io::Result<Service> {
        let relay = Relay::new(listener)?;
        let event_fd = takeover.event_fd().as_raw_fd();
        relay.poll.registry().register(&mut SourceFd(&event_fd), TAKEOVER, Interest::READABLE)?;
        Ok(Service {
            relay,
            takeover,
            switches,
            adopted: 0,
            migration: None,
            alone: false,
            retired: false,
            leaving: None,
        })
    }

    /// Fit to serve: accepts from here on.
    pub fn ready(&mut self) -> Outcome {
        self.relay.who = format!("{} rust {}", std::process::id(), self.takeover.generation());
        self.takeover.ready()?;
        tell("ready", json!({}));
        self.relay.accept()?;
        self.takeover_events()
    }

    /// Whether there is nothing left to do.
    pub fn is_over(&self) -> bool {
        let past = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= Instant::now());
        self.leaving.is_some_and(|deadline| self.relay.live.is_empty() || past(deadline))
    }

    /// How long the poller may wait.
    pub fn patience(&self) -> Option<Duration> {
        self.leaving.flatten().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Something happened to what the poller knows by this token.
    pub fn event(&mut self, token: Token) -> Outcome {
        if token == TAKEOVER {
            return self.takeover_events();
        }
        self.relay.event(token)?;
        self.takeover.set_connections(self.relay.live.len() as u64);
        self.finish_alone()
    }

    /// Takes all there is: mio says only once that there is something.
    fn takeover_events(&mut self) -> Outcome {
        while let Some(event) = self.takeover.next_event(Some(Duration::ZERO))? {
            self.takeover_event(event)?;
        }
        self.finish_alone()
    }

    /// Draining without a successor is over with the last connection.
    fn finish_alone(&mut self) -> Outcome {
        if self.alone && self.relay.live.is_empty() {
            self.alone = false;
            self.takeover.migrated_all()?;
        }
        Ok(())
    }

    fn takeover_event(&mut self, event: Event) -> Outcome {
        match event {
            // The successor's side.
            Event::Offer(offer) => self.adopt(offer)?,
            Event::Committed { generation } => {
                tell("committed", json!({"generation": generation, "adopted": self.adopted}));
            }
            Event::Aborted { cause } => {
                tell("aborted", json!({"cause": cause.to_string()}));
                self.relay.close_listener();
                self.leaving = Some(None);
            }

            // The predecessor's side.
            Event::Drain { successor, deadline, retired, .. } => {
                self.retired = retired.iter().any(|name| name == LISTENER);
                if !self.retired {
                    self.relay.stop_accepting();
                }
                let connections = self.relay.live.len();
                let pid = successor.as_ref().map_or(0, |successor| successor.pid);
                tell("drain", json!({"successor": pid, "connections": connections}));
                self.alone = successor.is_none();
                if !self.alone {
                    // After Accept it comes once more: what is on offer stays so, whoever was accepted since moves too.
                    let migration = self.migration.get_or_insert_with(|| Migration::new(deadline));
                    migration.complete = false;
                    migration.waiting = self.relay.served().collect();
                    self.offer()?;
                }
            }
            Event::Room => self.offer()?,
            Event::Settled(id) => self.settled(id as usize),
            Event::Returned(connection, why) => self.returned(&connection, why)?,
            Event::Resume { cause } => {
                tell("resume", json!({"cause": cause.to_string()}));
                (self.migration, self.retired) = (None, false);
                self.relay.accept()?;
            }
            Event::Accept { cause } => {
                tell("accept", json!({"cause": cause.to_string()}));
                self.relay.accept()?;
            }
            Event::Relieved => {
                tell("relieved", json!({}));
                self.close_listener()?;
            }
            Event::Done { left } => {
                tell("done", json!({"left": left}));
                self.close_listener()?;
                let deadline =
                    self.migration.as_ref().map_or_else(Instant::now, |migration| migration.deadline);
                // After Aborted what was adopted is served to its end, however long that takes.
                self.leaving.get_or_insert(Some(deadline));
            }
            _ => {}
        }
        Ok(())
    }

    /// Nobody accepts here any more. What the successor left to us nobody else will accept from, so its queue comes first.
    fn close_listener(&mut self) -> Outcome {
        if std::mem::take(&mut self.retired) {
            self.relay.accept_all()?;
        }
        self.relay.close_listener();
        Ok(())
    }

    /// Builds the session first, adopts then: from there on the connection is ours.
    fn adopt(&mut self, offer: Offer) -> Outcome {
        self.switches.before_adopting(self.adopted)?;
        let it = offer.connection();
        let session = match Session::restore(&it.state) {
            _ if it.protocol != session::PROTOCOL || it.state_version != session::STATE_VERSION => {
                Err("protocol")
            }
            Ok(session) if session.wants_refusal() => Err("refuse-me"),
            _ if self.switches.refuse_all => Err("refuse-all"),
            session => session,
        };
        match session {
            Err(why) => offer.refuse(why),
            Ok(mut session) => {
                if let Some(connection) = offer.adopt()? {
                    session.carry(connection.unread, connection.unsent);
                    self.relay.serve(stream(connection.socket)?, session)?;
                    self.adopted += 1;
                    self.switches.after_adopting(self.adopted)?;
                }
            }
        }
        Ok(())
    }

    /// Freezes and offers as many as there is room for. Each is served until its turn comes.
    fn offer(&mut self) -> Outcome {
        let Some(migration) = &mut self.migration else { return Ok(()) };
        while let Some(number) = migration.waiting.pop() {
            let Some(live) = self.relay.live.get(&number) else { continue }; // ended meanwhile
            let session = &live.session;
            let mut connection = Frozen::new(number as u64, live.socket.as_raw_fd(), session::PROTOCOL);
            connection.state_version = session::STATE_VERSION;
            connection.state = session.state();
            connection.unread = session.unread().to_vec();
            connection.unsent = session.unsent().to_vec();
            self.relay.freeze(number)?;
            match self.takeover.migrate(connection) {
                Ok(()) => {
                    migration.offered += 1;
                    self.switches.after_offering(migration.offered)?;
                }
                Err(NotMigrated::Full(_)) => {
                    self.relay.thaw(number)?;
                    migration.waiting.push(number);
                    return Ok(()); // until there is room
                }
                // It cannot move (its state is too large, say): it is served here to its end.
                Err(NotMigrated::Failed(_, error)) => {
                    self.relay.thaw(number)?;
                    eprintln!("relay-rust: connection {number} stays: {error}");
                }
            }
        }
        if !migration.complete {
            migration.complete = true;
            self.takeover.migrated_all()?;
            migration.tell();
        }
        Ok(())
    }

    /// Another process uses the connection: let go of it.
    fn settled(&mut self, number: usize) {
        let session = self.relay.let_go(number);
        if let (Some(migration), Some(session)) = (&mut self.migration, session) {
            migration.moved += 1;
            migration.unread += session.unread().len();
            migration.unsent += session.unsent().len();
            migration.state += session.state().len();
            migration.tell();
        }
    }

    /// The connection is ours as it was.
    fn returned(&mut self, connection: &Frozen, why: Returned) -> Outcome {
        let number = connection.id as usize;
        self.relay.thaw(number)?;
        if let Some(live) = self.relay.live.get_mut(&number) {
            let word = if why == Returned::Refused { "refused" } else { "taken back" };
            tell("returned", json!({"name": live.session.name(), "why": word}));
            if why == Returned::Refused {
                live.session.was_refused();
            }
        }
        if let Some(migration) = &mut self.migration {
            migration.returned += 1;
            migration.tell();
        }
        Ok(())
    }
}

impl Migration {
    fn new(deadline: Duration) -> Migration {
        let began = Instant::now();
        Migration {
            began,
            deadline: began + deadline,
            waiting: Vec::new(),
            offered: 0,
            moved: 0,
            returned: 0,
            unread: 0,
            unsent: 0,
            state: 0,
            told: began,
            complete: false,
        }
    }

    /// Tells how far it is: now and then, and when it is over.
    fn tell(&mut self) {
        let (moved, returned) = (self.moved, self.returned);
        if self.complete && moved + returned == self.offered {
            tell(
                "migrated",
                json!({
                    "moved": moved,
                    "returned": returned,
                    "unread_bytes": self.unread,
                    "unsent_bytes": self.unsent,
                    "state_bytes": self.state,
                    "duration_ms": self.began.elapsed().as_micros() as f64 / 1000.0,
                }),
            );
        } else if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            let connections = self.offered + self.waiting.len() as u64;
            tell("progress", json!({"moved": moved, "returned": returned, "connections": connections}));
        }
    }
}

/// An adopted socket as mio wants it.
fn stream(socket: OwnedFd) -> std::io::Result<TcpStream> {
    let socket = std::net::TcpStream::from(socket);
    socket.set_nonblocking(true)?;
    Ok(TcpStream::from_std(socket))
}
