//! One connection: its socket, what is still to be written, and how fast it reads.

use crate::mirror::{Answer, Ask, Failure, Kind, Mirror};
use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How a connection behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Long-lived, a mix of everything.
    Mixed,
    /// Long-lived, large replies that it reads slowly.
    Slow,
    /// Long-lived, every request is split by a pause.
    Split,
    /// Asks a few things and leaves.
    Short,
}

/// A connection to the relay.
#[derive(Debug)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// How it behaves.
    pub role: Role,
    /// Whether it carries padding.
    pub padded: bool,
    /// Its name was answered.
    pub greeted: bool,
    /// The last questions were asked.
    pub last: bool,
    /// The generation that answered the last `WHO`.
    pub generation: u64,
    /// Whether its latencies count: it reads as fast as it can.
    pub timed: bool,
    /// Reads at most this much at a time, when it is told to; `None`: as it comes.
    pub pace: Option<usize>,
    /// The rest of a request, to be written later.
    pub rest: Vec<u8>,
    /// The socket.
    pub stream: TcpStream,
    mirror: Mirror,
    connected: bool,
    output: Vec<u8>,
    progress: Instant,
    answers: Vec<Answer>,
}

/// Whether a connection goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Up,
    /// It ended as it should.
    Ended,
}

impl Client {
    /// Begins to connect.
    pub fn connect(address: SocketAddr, name: String, role: Role) -> std::io::Result<Client> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let slow = role == Role::Slow;
        if slow {
            // So that the kernel does not take a whole large reply off the relay's hands.
            socket.set_recv_buffer_size(64 << 10)?;
        }
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
                return Err(error);
            }
            _ => {}
        }
        Ok(Client {
            name,
            role,
            padded: false,
            greeted: false,
            last: false,
            generation: 0,
            timed: !slow,
            pace: slow.then_some(SLOW_READ),
            rest: Vec::new(),
            stream: TcpStream::from_std(socket.into()),
            mirror: Mirror::default(),
            connected: false,
            output: Vec::new(),
            progress: Instant::now(),
            answers: Vec::new(),
        })
    }

    /// Asks; the bytes leave with the next [`write`](Self::write).
    pub fn ask(&mut self, ask: Ask, now: Instant) {
        let bytes = self.mirror.ask(ask, now, self.timed);
        self.output.extend(bytes);
    }

    /// Asks, but keeps what comes after a share of the bytes for [`ask_rest`](Self::ask_rest).
    pub fn ask_part(&mut self, ask: Ask, share: f64, now: Instant) {
        let bytes = self.mirror.ask(ask, now, self.timed);
        let cut = 1 + ((bytes.len() - 2) as f64 * share) as usize;
        self.output.extend(&bytes[..cut]);
        self.rest = bytes[cut..].to_vec();
    }

    /// Completes a request.
    pub fn ask_rest(&mut self, now: Instant) {
        self.mirror.asked_now(now);
        self.output.append(&mut self.rest);
    }

    /// How many replies are owed.
    pub fn owed(&self) -> usize {
        self.mirror.owed()
    }

    /// Whether everything it asked was answered.
    pub fn is_idle(&self) -> bool {
        self.mirror.owed_since().is_none() && self.rest.is_empty()
    }

    /// Since when a timed reply is owed.
    pub fn timed_since(&self) -> Option<Instant> {
        self.mirror.owed_since().filter(|(_, timed)| *timed).map(|(since, _)| since)
    }

    /// An error if a reply, or the end, is owed and nothing came for longer than `limit`.
    pub fn check_timeout(&self, limit: Duration, now: Instant) -> Result<(), Failure> {
        let owed = self.mirror.owed_since().filter(|_| self.rest.is_empty()).map(|(since, _)| since);
        // After BYE the end of file is owed.
        let Some(since) = owed.or(self.mirror.ended().then_some(self.progress)) else { return Ok(()) };
        if now.saturating_duration_since(since.max(self.progress)) < limit {
            return Ok(());
        }
        let what = format!("nothing came for {limit:?} after {} requests", self.mirror.counter());
        Err(Failure { kind: Kind::Timeout, what })
    }

    /// Takes the answers that came.
    pub fn answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    /// Writes what the socket takes.
    pub fn write(&mut self) -> Result<(), Failure> {
        if !self.is_connected()? {
            return Ok(());
        }
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(&error)),
            }
        }
        Ok(())
    }

    /// Reads what is there, or as much as the pace allows.
    pub fn read(&mut self, buffer: &mut [u8], now: Instant) -> Result<State, Failure> {
        if !self.is_connected()? {
            return Ok(State::Up);
        }
        let length = self.pace.unwrap_or(buffer.len());
        loop {
            match self.stream.read(&mut buffer[..length]) {
                Ok(0) if self.mirror.ended() => return Ok(State::Ended),
                Ok(0) => {
                    let what = format!("end of file after {} requests", self.mirror.counter());
                    return Err(Failure { kind: Kind::Failed, what });
                }
                Ok(count) => {
                    self.progress = now;
                    self.mirror.received(&buffer[..count], now, |answer| self.answers.push(answer))?;
                    if self.pace.is_some() {
                        return Ok(State::Up);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(State::Up),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(&error)),
            }
        }
    }

    fn is_connected(&mut self) -> Result<bool, Failure> {
        if !self.connected {
            match self.stream.take_error() {
                Ok(Some(error)) | Err(error) => return Err(self.broken(&error)),
                Ok(None) => self.connected = self.stream.peer_addr().is_ok(),
            }
        }
        Ok(self.connected)
    }

    fn broken(&self, error: &std::io::Error) -> Failure {
        let reset = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        let kind = if reset { Kind::Reset } else { Kind::Failed };
        Failure { kind, what: format!("{error} after {} requests", self.mirror.counter()) }
    }
}

/// How much a slow client reads every [`SLOW_EVERY`].
const SLOW_READ: usize = 24 << 10;
/// How often it reads.
pub const SLOW_EVERY: Duration = Duration::from_millis(50);
