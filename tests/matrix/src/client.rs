//! One connection to a relay, which checks every byte that comes. It never connects again.

use crate::mirror::{Ask, Mirror};
use crate::process::Who;
use crate::{PATIENCE, Trouble};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A connection.
pub struct Client {
    /// Its name.
    pub name: String,
    stream: TcpStream,
    mirror: Mirror,
    /// What is missing of a request that was sent in part.
    rest: Vec<u8>,
    who: Option<Who>,
    ended: bool,
}

/// What came of reading.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// Every reply that is owed, and each byte right.
    All,
    /// Not all; the connection is silent.
    Nothing,
    /// Not all; end-of-file, or a reset.
    End,
}

impl Client {
    /// Connects and says HELLO, without waiting for the reply: it may have to wait to be accepted.
    pub fn connect(address: &str, name: String) -> Result<Client, Trouble> {
        let address: SocketAddr = address.parse()?;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_tcp_nodelay(true)?;
        // So that the kernel does not take a whole large reply off the relay's hands.
        socket.set_recv_buffer_size(64 << 10)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.connect_timeout(&address.into(), PATIENCE)?;
        let stream = TcpStream::from(socket);
        let mut client =
            Client { name, stream, mirror: Mirror::default(), rest: Vec::new(), who: None, ended: false };
        client.ask(Ask::Hello(client.name.clone()))?;
        Ok(client)
    }

    /// Sends a request, after the rest of one that was sent in part.
    pub fn ask(&mut self, ask: Ask) -> Result<(), Trouble> {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend(self.mirror.ask(ask, Instant::now(), true));
        self.write(&bytes)
    }

    /// Sends the first `count` bytes of a request, after the rest of the one before.
    pub fn ask_in_part(&mut self, ask: Ask, count: usize) -> Result<(), Trouble> {
        let mut bytes = std::mem::take(&mut self.rest);
        let mut more = self.mirror.ask(ask, Instant::now(), true);
        self.rest = more.split_off(count);
        bytes.extend(more);
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        match self.stream.write_all(bytes) {
            Err(error) if is_end(error.kind()) => self.ended = true,
            Err(error) => return Err(self.says(&error.to_string())),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Reads until every reply that is owed has come, the connection ends, or `patience` is over. A wrong byte is an error.
    pub fn read(&mut self, patience: Duration) -> Result<Came, Trouble> {
        let deadline = Instant::now() + patience;
        let mut buffer = vec![0; 64 << 10];
        while self.mirror.owed() > 0 && !self.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => self.take(&buffer[..count])?,
                Err(error) if is_end(error.kind()) => self.ended = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    return Err(self.says(&error.to_string()));
                }
                Err(_) if left.is_zero() => return Ok(Came::Nothing),
                Err(_) => {}
            }
        }
        Ok(if self.mirror.owed() == 0 { Came::All } else { Came::End })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let who = &mut self.who;
        let taken = self.mirror.received(bytes, Instant::now(), |answer| {
            if answer.who.is_some() {
                *who = answer.who;
            }
        });
        taken.map_err(|failure| self.says(&format!("{:?}: {}", failure.kind, failure.what)))
    }

    /// Waits for every reply that is owed.
    pub fn read_all(&mut self) -> Result<(), Trouble> {
        match self.read(PATIENCE)? {
            Came::All => Ok(()),
            Came::Nothing => Err(self.says(&format!("silent for {PATIENCE:?}"))),
            Came::End => Err(self.says("the connection ended")),
        }
    }

    /// Completes what was sent in part and asks for everything that shows whether the connection's state is whole.
    pub fn ask_everything(&mut self) -> Result<(), Trouble> {
        for ask in [Ask::Echo(bytes(300)), Ask::PadCheck, Ask::Sum, Ask::Who] {
            self.ask(ask)?;
        }
        Ok(())
    }

    /// Who answered `WHO` last.
    pub fn who(&self) -> Option<&Who> {
        self.who.as_ref()
    }

    /// Everything is right, and `who` serves.
    pub fn check(&mut self, who: &Who) -> Result<(), Trouble> {
        self.ask_everything()?;
        self.read_all()?;
        self.is_served_by(who)
    }

    /// `WHO` was answered by `who`.
    pub fn is_served_by(&self, who: &Who) -> Result<(), Trouble> {
        if self.who() == Some(who) {
            return Ok(());
        }
        Err(self.says(&format!("served by {:?}, not by {who:?}", self.who())))
    }

    /// No byte has come that was not read.
    pub fn is_silent(&self) -> Result<(), Trouble> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0; 1]);
        self.stream.set_nonblocking(false)?;
        match peeked {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Ok(0) => Err(self.says("end-of-file came")),
            Ok(_) => Err(self.says("a byte came")),
            Err(error) => Err(self.says(&error.to_string())),
        }
    }

    /// Says BYE; the reply and end-of-file come, and nothing else.
    pub fn leave(mut self) -> Result<(), Trouble> {
        self.ask(Ask::Bye)?;
        self.read_all()?;
        self.sees_the_end()
    }

    /// End-of-file comes, and nothing before it.
    pub fn sees_the_end(&mut self) -> Result<(), Trouble> {
        self.stream.set_read_timeout(Some(PATIENCE))?;
        match self.stream.read(&mut [0; 1]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.says("a byte came, not end-of-file")),
            Err(error) => Err(self.says(&format!("{error}, not end-of-file"))),
        }
    }

    fn says(&self, what: &str) -> Trouble {
        format!("{}: {what} (after {} requests)", self.name, self.mirror.counter()).into()
    }
}

fn is_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof)
}

/// A payload in which every kind of byte occurs, LF among them.
pub fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 7) as u8).collect()
}
