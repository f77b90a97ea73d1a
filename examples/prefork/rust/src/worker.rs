//! A worker: it accepts, serves, and migrates what it has.

use crate::{Options, Trouble};
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::id;
use std::time::Duration;
use zdt::{Address, Event, Frozen, NotMigrated, Offer, Returned, Worker};

const LISTENER: Token = Token(0);
const EVENTS: Token = Token(1);
const FIRST: usize = 2;
const LONGEST_LINE: usize = 4096;

/// A connection: what is known of it, and what is under way.
struct Live {
    socket: TcpStream,
    count: u64,
    unread: Vec<u8>,
    unsent: Vec<u8>,
    /// On offer: not to be touched.
    frozen: bool,
}

struct Server {
    worker: Worker,
    poll: Poll,
    /// `None`: the service is somebody else's for good.
    listener: Option<TcpListener>,
    accepting: bool,
    /// Draining with somebody to migrate to.
    migrating: bool,
    draining: bool,
    live: HashMap<usize, Live>,
    next: usize,
    slowly: Duration,
}

pub fn run(options: &Options) -> Result<(), Trouble> {
    let worker = Worker::join(io::stdin().as_fd().try_clone_to_owned()?, options.config())?;
    let listener = std::net::TcpListener::from(worker.listener("count")?);
    let poll = Poll::new()?;
    poll.registry().register(&mut SourceFd(&worker.event_fd().as_raw_fd()), EVENTS, Interest::READABLE)?;
    let mut server = Server {
        worker,
        poll,
        listener: Some(TcpListener::from_std(listener)),
        accepting: false,
        migrating: false,
        draining: false,
        live: HashMap::new(),
        next: FIRST,
        slowly: Duration::from_millis(options.slowly_ms),
    };
    let mut events = Events::with_capacity(256);
    while server.listener.is_some() || !server.live.is_empty() {
        server.poll.poll(&mut events, None).or_else(|error| match error.kind() {
            ErrorKind::Interrupted => Ok(()),
            _ => Err(error),
        })?;
        for event in &events {
            match event.token() {
                EVENTS => {}
                LISTENER => server.accept()?,
                Token(number) => server.serve(number),
            }
        }
        server.take_events()?;
    }
    Ok(())
}

impl Server {
    fn take_events(&mut self) -> Result<(), Trouble> {
        while let Some(event) = self.worker.next_event(Some(Duration::ZERO))? {
            match event {
                Event::Ready => {
                    self.accept_from_here_on()?;
                    println!("ready {}", id());
                }
                Event::Resume { .. } | Event::Accept { .. } => self.accept_from_here_on()?,
                Event::Offer(offer) => self.adopt(offer)?,
                Event::Drain { successor, .. } => {
                    self.stop_accepting()?;
                    (self.draining, self.migrating) = (true, successor.is_some());
                    self.migrate()?;
                }
                Event::Room => self.migrate()?,
                Event::Settled(id) => drop(self.live.remove(&(id as usize))), // closes our copy, no shutdown
                Event::Returned(frozen, why) => self.thaw(frozen.id as usize, why)?,
                Event::Done { .. } | Event::Relieved | Event::Aborted { .. } => {
                    self.stop_accepting()?;
                    self.migrating = false;
                    self.listener = None; // what is left is served to its end
                }
                _ => {}
            }
        }
        // Draining alone, a worker is through when the last client has left.
        if self.draining && !self.migrating && self.live.is_empty() {
            let _ = self.worker.migrated_all();
        }
        Ok(())
    }

    fn accept_from_here_on(&mut self) -> io::Result<()> {
        (self.draining, self.migrating) = (false, false);
        if let (false, Some(listener)) = (self.accepting, &mut self.listener) {
            self.poll.registry().register(listener, LISTENER, Interest::READABLE)?;
            self.accepting = true;
        }
        Ok(())
    }

    fn stop_accepting(&mut self) -> io::Result<()> {
        if let (true, Some(listener)) = (self.accepting, &mut self.listener) {
            self.poll.registry().deregister(listener)?;
            self.accepting = false;
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        while let (true, Some(listener)) = (self.accepting, &self.listener) {
            match listener.accept() {
                Ok((socket, _)) => self.add(socket, 0, Vec::new(), Vec::new())?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn add(&mut self, mut socket: TcpStream, count: u64, unread: Vec<u8>, unsent: Vec<u8>) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(self.next), both)?;
        self.live.insert(self.next, Live { socket, count, unread, unsent, frozen: false });
        self.next += 1;
        Ok(())
    }

    fn serve(&mut self, number: usize) {
        let Some(live) = self.live.get_mut(&number).filter(|live| !live.frozen) else { return };
        if live.serve().is_err() {
            // Another process may still hold a copy: closing alone would send no FIN.
            let _ = live.socket.shutdown(std::net::Shutdown::Both);
            self.live.remove(&number);
        }
    }

    /// The objects are built, then it is ours.
    fn adopt(&mut self, offer: Offer) -> Result<(), Trouble> {
        let connection = offer.connection();
        let count = std::str::from_utf8(&connection.state).ok().and_then(|state| state.parse().ok());
        let Some(count) = count.filter(|_| connection.protocol == "count") else {
            offer.refuse("no count");
            return Ok(());
        };
        let port = if let Some(Address::Inet(peer)) = &connection.peer { peer.port() } else { 0 };
        println!("adopting {} {port}", id());
        std::thread::sleep(self.slowly);
        if let Some(adopted) = offer.adopt()? {
            let socket = TcpStream::from_std(adopted.socket.into());
            self.add(socket, count, adopted.unread, adopted.unsent)?;
        }
        Ok(())
    }

    /// Freezes and offers every connection, as far as there is room.
    fn migrate(&mut self) -> Result<(), Trouble> {
        if !self.migrating {
            return Ok(());
        }
        let registry = self.poll.registry();
        for (number, live) in self.live.iter_mut().filter(|(_, live)| !live.frozen) {
            registry.deregister(&mut live.socket)?;
            live.frozen = true;
            let mut frozen = Frozen::new(*number as u64, live.socket.as_raw_fd(), "count");
            frozen.state = live.count.to_string().into_bytes();
            frozen.state_version = 1;
            frozen.peer = live.socket.peer_addr().ok().map(Address::Inet);
            (frozen.unread, frozen.unsent) = (live.unread.clone(), live.unsent.clone());
            let no = match self.worker.migrate(frozen) {
                Ok(()) => continue,
                Err(no) => no,
            };
            live.frozen = false;
            registry.register(&mut live.socket, Token(*number), Interest::READABLE | Interest::WRITABLE)?;
            if matches!(no, NotMigrated::Full(_)) {
                return Ok(()); // until there is room
            }
        }
        // It fails where the attempt is off by now: Resume follows.
        let _ = self.worker.migrated_all();
        Ok(())
    }

    /// It is ours as it was. Where a worker over there died, another may take it.
    fn thaw(&mut self, number: usize, why: Returned) -> Result<(), Trouble> {
        if let Some(live) = self.live.get_mut(&number) {
            live.frozen = false;
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut live.socket, Token(number), both)?;
        }
        if why == Returned::TakenBack { self.migrate() } else { Ok(()) }
    }
}

impl Live {
    /// Reads, answers, writes, until it would have to wait; an error where the connection is at its end.
    fn serve(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            self.answer()?;
            while !self.unsent.is_empty() {
                match self.socket.write(&self.unsent) {
                    Ok(written) => drop(self.unsent.drain(..written)),
                    Err(error) => return wait(error),
                }
            }
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.unread.extend(&buffer[..read]),
                Err(error) => return wait(error),
            }
        }
    }

    /// Every complete line that was read is counted and answered.
    fn answer(&mut self) -> io::Result<()> {
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            self.count += 1;
            write!(self.unsent, "{} {} ", self.count, id())?;
            self.unsent.extend(self.unread.drain(..=end));
        }
        if self.unread.len() > LONGEST_LINE { Err(ErrorKind::InvalidData.into()) } else { Ok(()) }
    }
}

/// Having to wait is no error.
fn wait(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}
