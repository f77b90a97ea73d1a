//! A small server in a process of its own: whoever asks is answered with its name, whoever is adopted goes on.

use crate::limit;
use crate::player::Talk;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;
use zdt::{Adopted, Config, Connection, Event, Frozen, ListenerSpec, NotMigrated, Offer, Progress, Takeover};

/// How a server behaves.
pub struct Part {
    /// What it answers to whoever asks; one ASCII letter.
    pub name: char,
    pub config: Config,
    /// What it does before it opens.
    pub before: fn(),
    /// How large the state of a connection is, by its number.
    pub state: fn(u64) -> usize,
    /// It never says that it has migrated all: it drains to the deadline.
    pub never_done: bool,
    /// It neither adopts nor refuses.
    pub never_answers: bool,
    /// Its connections can never be frozen.
    pub never_idle: bool,
    /// How long it takes to adopt one.
    pub adoption: Duration,
}

impl Part {
    pub fn new(name: char, config: Config) -> Part {
        Part {
            name,
            config,
            before: || {},
            state: |_| 0,
            never_done: false,
            never_answers: false,
            never_idle: false,
            adoption: Duration::ZERO,
        }
    }
}

/// The server.
pub struct Server {
    talk: Talk,
    part: Part,
    takeover: Takeover,
    listener: Option<TcpListener>,
    accepting: bool,
    live: BTreeMap<u64, TcpStream>,
    /// Not used until they return.
    frozen: BTreeMap<u64, TcpStream>,
    /// Still to be offered.
    waiting: Vec<Frozen>,
    unanswered: Vec<Offer>,
    next_id: u64,
    over: bool,
}

impl Server {
    /// Opens, tells the test what happens, and does what the test says, to the end.
    pub fn run(mut talk: Talk, path: &Path, part: Part) {
        (part.before)();
        let takeover = match Takeover::open(path, part.config.clone()) {
            Ok(takeover) => takeover,
            Err(error) => {
                return talk.say(&format!(
                    "failed {:?} {:?} {:?} {error}",
                    error.kind(),
                    error.errno(),
                    error.pid()
                ));
            }
        };
        let listener = takeover.listener("echo", &ListenerSpec::tcp("127.0.0.1:0")).unwrap();
        talk.say(&format!("open {}", takeover.generation()));
        let mut server = Server {
            talk,
            part,
            takeover,
            listener: Some(listener.into()),
            accepting: false,
            live: BTreeMap::new(),
            frozen: BTreeMap::new(),
            waiting: Vec::new(),
            unanswered: Vec::new(),
            next_id: 0,
            over: false,
        };
        while !server.over {
            while let Some(event) = server.takeover.next_event(Some(Duration::ZERO)).unwrap() {
                server.happened(event);
            }
            server.serve();
            while let Some(order) = server.talk.hear() {
                server.obey(&order);
            }
        }
    }

    fn obey(&mut self, order: &str) {
        let (word, argument) = order.split_once(' ').unwrap_or((order, ""));
        match word {
            "ready" => match self.takeover.ready() {
                Ok(()) => self.accepting = true,
                Err(error) => return self.talk.say(&format!("not-ready {:?} {error}", error.kind())),
            },
            "drain" => self.takeover.drain().unwrap(),
            "tell-how-many" => self.takeover.set_connections(self.live.len() as u64),
            "end" => self.over = true,
            "counts" => return self.count(),
            "address" => {
                let address = self.listener.as_ref().unwrap().local_addr().unwrap();
                return self.talk.say(&format!("address {address}"));
            }
            "lowest-descriptor" => {
                let lowest = self.live.values().map(AsRawFd::as_raw_fd).min();
                return self.talk.say(&format!("lowest-descriptor {lowest:?}"));
            }
            "send-descriptors" => {
                return self.talk.say(&format!("send-descriptors {:?}", limit::send_descriptors()));
            }
            _ => limit::set(word, argument),
        }
        self.talk.say(word);
    }

    fn count(&mut self) {
        let Progress { offered, settled, returned, .. } = self.takeover.progress();
        self.talk.say(&format!("counts {} {offered} {settled} {returned}", self.live.len()));
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Offer(offer) if self.part.never_answers => self.unanswered.push(offer),
            Event::Offer(offer) => {
                std::thread::sleep(self.part.adoption);
                if let Some(connection) = offer.adopt().unwrap() {
                    self.adopt(connection);
                }
            }
            Event::Drain { successor, .. } => {
                self.accepting = false;
                self.talk.say(if successor.is_some() { "Drain" } else { "Drain alone" });
                if successor.is_some() {
                    self.freeze();
                    self.migrate();
                }
            }
            Event::Room => self.migrate(),
            Event::Settled(id) => drop(self.frozen.remove(&id).expect("it was frozen")),
            Event::Returned(frozen, _) => self.thaw(frozen.id),
            Event::Committed { generation } => self.talk.say(&format!("Committed {generation}")),
            Event::Resume { cause } => {
                self.accepting = true;
                for frozen in std::mem::take(&mut self.waiting) {
                    self.thaw(frozen.id);
                }
                self.talk.say(&format!("Resume {:?} {cause}", cause.kind()));
            }
            Event::Accept { .. } => {
                self.accepting = true;
                self.talk.say("Accept");
            }
            Event::Relieved => self.leave("Relieved"),
            Event::Aborted { cause } => self.leave(&format!("Aborted {:?} {cause}", cause.kind())),
            Event::Done { left } => self.talk.say(&format!("Done {left}")),
            other => self.talk.say(&format!("{other:?}")),
        }
    }

    fn leave(&mut self, what: &str) {
        self.accepting = false;
        self.listener = None;
        self.talk.say(what);
    }

    fn adopt(&mut self, connection: Adopted) {
        let stream = TcpStream::from(connection.socket);
        stream.set_nonblocking(true).unwrap();
        self.live.insert(self.next_id, stream);
        self.next_id += 1;
    }

    /// Everything there is, the oldest first.
    fn freeze(&mut self) {
        if self.part.never_idle {
            return;
        }
        self.frozen.append(&mut self.live);
        let waiting = self.frozen.iter().rev().map(|(id, stream)| {
            let mut frozen = Connection::new(*id, stream.as_raw_fd(), "echo");
            frozen.state = vec![b's'; (self.part.state)(*id)];
            frozen
        });
        self.waiting = waiting.collect();
    }

    fn thaw(&mut self, id: u64) {
        let stream = self.frozen.remove(&id).expect("it was frozen");
        self.live.insert(id, stream);
    }

    fn migrate(&mut self) {
        while let Some(frozen) = self.waiting.pop() {
            match self.takeover.migrate(frozen) {
                Ok(()) => {}
                Err(NotMigrated::Full(frozen)) => return self.waiting.push(*frozen),
                Err(NotMigrated::Failed(frozen, error)) => {
                    self.thaw(frozen.id);
                    self.talk.say(&format!("kept {:?} {:?} {error}", error.kind(), error.errno()));
                }
            }
        }
        if !self.part.never_done {
            self.takeover.migrated_all().unwrap();
        }
    }

    /// A round: whoever waits is accepted, whoever asks is answered.
    fn serve(&mut self) {
        while self.accepting
            && let Some(Ok((stream, _))) = self.listener.as_ref().map(TcpListener::accept)
        {
            stream.set_nonblocking(true).unwrap();
            self.live.insert(self.next_id, stream);
            self.next_id += 1;
        }
        let name = [self.part.name as u8];
        self.live.retain(|_, stream| {
            let mut asked = [0; 16];
            match stream.read(&mut asked) {
                Ok(0) => false,
                Ok(count) => stream.write_all(&name.repeat(count)).is_ok(),
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            }
        });
    }
}
