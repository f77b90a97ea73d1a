//! The smallest server that can be taken over: it echoes. Start it, connect, start it again: the second one goes on with
//! the same connections, and the first one ends. The one in C (bindings-c/examples/smallest.c) can take over too.
//!
//! ```console
//! $ cargo run --example smallest /tmp/smallest.sock 127.0.0.1:7007
//! ```
//! It looks at its sockets every millisecond; a real server watches `event_fd()` in its poller (examples/relay/rust).

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;
use zdt::{Config, Event, Frozen, ListenerSpec, NotMigrated, Offer, Takeover};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, address] = &arguments[..] else { return Err("usage: smallest PATH ADDRESS:PORT".into()) };

    // README: begin
    let takeover = Takeover::open(path, Config::default())?; // finds a predecessor, or is the first
    let listener = takeover.listener("echo", &ListenerSpec::tcp(address))?; // inherited, or bound
    let mut echo = Echo::new(listener.into());
    takeover.ready()?; // from here on we accept, and a predecessor offers its connections
    while !echo.is_over() {
        match takeover.next_event(Some(Duration::from_millis(1)))? {
            None => echo.serve()?,                           // nothing happened: serve for a moment
            Some(Event::Offer(offer)) => echo.adopt(offer)?, // a live connection of the predecessor's
            Some(Event::Drain { .. } | Event::Room) => echo.migrate(&takeover), // a successor is ready
            Some(Event::Settled(id)) => echo.let_go(id),     // adopted over there
            Some(Event::Returned(frozen, _)) => echo.thaw(frozen.id), // still ours, as it was
            Some(Event::Resume { .. } | Event::Accept { .. }) => echo.accepting = true,
            Some(Event::Done { .. } | Event::Relieved | Event::Aborted { .. }) => echo.leave(),
            Some(_) => {}
        }
    }
    // README: end
    Ok(())
}

struct Echo {
    /// None: the service is somebody else's for good.
    listener: Option<TcpListener>,
    accepting: bool,
    live: HashMap<u64, Live>,
    last: u64,
}

struct Live {
    socket: TcpStream,
    /// Read, and not written back yet.
    unsent: Vec<u8>,
    /// On offer: not to be touched.
    frozen: bool,
}

impl Echo {
    fn new(listener: TcpListener) -> Echo {
        Echo { listener: Some(listener), accepting: true, live: HashMap::new(), last: 0 }
    }

    fn add(&mut self, socket: TcpStream, unsent: Vec<u8>) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        self.last += 1;
        self.live.insert(self.last, Live { socket, unsent, frozen: false });
        Ok(())
    }

    /// Whatever can be done without waiting.
    fn serve(&mut self) -> io::Result<()> {
        while let (true, Some(listener)) = (self.accepting, &self.listener) {
            match listener.accept() {
                Ok((socket, _)) => self.add(socket, Vec::new())?,
                Err(_) => break,
            }
        }
        self.live.retain(|_, live| live.frozen || live.echo().is_ok());
        Ok(())
    }

    /// What was half-way comes along: it is written before anything else.
    fn adopt(&mut self, offer: Offer) -> Result<(), Box<dyn Error>> {
        if let Some(connection) = offer.adopt()? {
            self.add(connection.socket.into(), connection.unsent)?;
        }
        Ok(())
    }

    /// Freezes and offers every connection, as far as there is room.
    fn migrate(&mut self, takeover: &Takeover) {
        self.accepting = false;
        for (id, live) in self.live.iter_mut().filter(|(_, live)| !live.frozen) {
            let mut connection = Frozen::new(*id, live.socket.as_raw_fd(), "echo");
            connection.unsent = live.unsent.clone();
            live.frozen = true;
            match takeover.migrate(connection) {
                Ok(()) => {}
                Err(NotMigrated::Full(_)) => {
                    live.frozen = false;
                    return; // until there is room
                }
                Err(NotMigrated::Failed(..)) => live.frozen = false, // it stays, and ends with us
            }
        }
        // It fails where the attempt is off by now: Resume follows.
        let _ = takeover.migrated_all();
    }

    /// Another process uses it: dropping closes our copy without shutdown.
    fn let_go(&mut self, id: u64) {
        self.live.remove(&id);
    }

    /// It was refused, or the successor is gone: on we go.
    fn thaw(&mut self, id: u64) {
        if let Some(live) = self.live.get_mut(&id) {
            live.frozen = false;
        }
    }

    /// The service goes on elsewhere; what is left here is served to its end.
    fn leave(&mut self) {
        self.listener = None;
    }

    fn is_over(&self) -> bool {
        self.listener.is_none() && self.live.is_empty()
    }
}

impl Live {
    /// Reads and writes back until it would have to wait; an error where the connection is at its end.
    fn echo(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            while !self.unsent.is_empty() {
                match self.socket.write(&self.unsent) {
                    Ok(written) => drop(self.unsent.drain(..written)),
                    Err(error) => return wait(error),
                }
            }
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.unsent.extend(&buffer[..read]),
                Err(error) => return wait(error),
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if !self.frozen {
            // Whoever uses a connection ends it with shutdown: another process may still hold a copy.
            let _ = self.socket.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// No error where there is only nothing to do.
fn wait(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}
