//! The load: connect, send a byte, get it back, end; again and again, at a steady pace. Whoever connected and got no answer
//! is lost. Over UDP the same with single datagrams, each from a port of its own.

use crate::Result;
use mio::net::{TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many are under way at once, at most. Datagrams fewer than the queue of one socket holds (net.core.rmem_default), so
/// that a server that stalls for a moment drops none: only a takeover can lose one.
const AT_ONCE: usize = 512;
const DATAGRAMS_AT_ONCE: usize = 128;
/// After this time an answer counts as lost. Retransmissions of TCP take seconds; a datagram is not sent again.
const TOO_LATE: Duration = Duration::from_secs(20);

/// What to load, and how.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub to: SocketAddr,
    pub udp: bool,
    /// New ones each second.
    pub rate: u32,
}

/// What became of them. Over UDP one that was sent counts as a connection.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Count {
    /// Those that were connected.
    pub connections: u64,
    /// Not even connected: ECONNREFUSED.
    pub refused: u64,
    /// Connected, and then reset or closed without an answer.
    pub reset: u64,
    /// No answer in 20 seconds.
    pub timed_out: u64,
}

impl Count {
    pub fn lost(&self) -> u64 {
        self.refused + self.reset + self.timed_out
    }
}

enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

struct Client {
    socket: Socket,
    connected: bool,
    began: Instant,
}

/// What an event did to a client.
enum Now {
    Waits,
    Ends,
}

/// Runs until `over`, and until all that began has ended; `connections` counts along.
pub fn run(load: Load, over: &AtomicBool, connections: &AtomicU64) -> Result<Count> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut clients: Vec<Option<Client>> = Vec::new();
    let at_once = if load.udp { DATAGRAMS_AT_ONCE } else { AT_ONCE };
    clients.resize_with(at_once, || None);
    let mut free: Vec<usize> = (0..at_once).collect();
    let mut count = Count::default();
    let (mut due, mut last, mut swept) = (0.0_f64, Instant::now(), Instant::now());
    loop {
        let stop = over.load(Ordering::Relaxed);
        if stop && free.len() == at_once {
            return Ok(count);
        }
        // What the pace allows; no more than a moment's worth after a stall, so that no burst follows it.
        due = (due + last.elapsed().as_secs_f64() * f64::from(load.rate)).min(f64::from(load.rate) / 50.0);
        last = Instant::now();
        while !stop && due >= 1.0 {
            let Some(index) = free.pop() else { break };
            due -= 1.0;
            clients[index] = Some(begin(load, &poll, Token(index), &mut count)?);
        }
        poll.poll(&mut events, Some(Duration::from_millis(1)))?;
        for event in &events {
            let index = event.token().0;
            let Some(client) = &mut clients[index] else { continue };
            if let Now::Ends = client.go_on(&mut count)? {
                clients[index] = None;
                free.push(index);
            }
        }
        if swept.elapsed() > Duration::from_millis(200) {
            swept = Instant::now();
            for (index, client) in clients.iter_mut().enumerate() {
                if client.as_ref().is_some_and(|client| client.began.elapsed() > TOO_LATE) {
                    *client = None;
                    free.push(index);
                    count.timed_out += 1;
                }
            }
        }
        connections.store(count.connections, Ordering::Relaxed);
    }
}

fn begin(load: Load, poll: &Poll, token: Token, count: &mut Count) -> Result<Client> {
    let socket = if load.udp {
        let mut socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
        socket.connect(load.to)?;
        socket.send(b"?")?;
        count.connections += 1;
        poll.registry().register(&mut socket, token, Interest::READABLE)?;
        Socket::Udp(socket)
    } else {
        let mut socket = TcpStream::connect(load.to)?;
        // Its end is a reset: no port is kept in TIME_WAIT, of which there are 28,000.
        SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
        poll.registry().register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Socket::Tcp(socket)
    };
    Ok(Client { socket, connected: load.udp, began: Instant::now() })
}

impl Client {
    fn go_on(&mut self, count: &mut Count) -> Result<Now> {
        let answer = match &mut self.socket {
            Socket::Udp(socket) => socket.recv(&mut [0]),
            Socket::Tcp(socket) => {
                if !self.connected {
                    match connected(socket) {
                        Ok(false) => return Ok(Now::Waits),
                        Ok(true) => {
                            self.connected = true;
                            count.connections += 1;
                        }
                        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                            count.refused += 1;
                            return Ok(Now::Ends);
                        }
                        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                            count.connections += 1;
                            count.reset += 1;
                            return Ok(Now::Ends);
                        }
                        Err(error) => return Err(error.into()),
                    }
                    if let Err(error) = socket.write_all(b"?") {
                        return self.ended(Err(error), count);
                    }
                }
                socket.read(&mut [0])
            }
        };
        self.ended(answer, count)
    }

    fn ended(&self, answer: io::Result<usize>, count: &mut Count) -> Result<Now> {
        match answer {
            Ok(1) => return Ok(Now::Ends),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Now::Waits),
            // The end without an answer; over UDP the word of a port where nobody is.
            Ok(_) => count.reset += 1,
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => count.reset += 1,
                io::ErrorKind::ConnectionRefused => count.refused += 1,
                _ => return Err(error.into()),
            },
        }
        Ok(Now::Ends)
    }
}

/// Whether it is; an error: it will never be, or is no more.
fn connected(socket: &TcpStream) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}
