//! The server: answers each byte with a byte. It looks at its listeners now and then only, as one that has other things to
//! do, so that somebody waits in their queues at any moment.

use crate::Result;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Connections, and what is to be said to them.
pub struct Server {
    poll: Poll,
    events: Events,
    connections: HashMap<usize, TcpStream>,
    last: usize,
    busy: Duration,
    looked: Instant,
}

impl Server {
    /// One that looks at its listeners every `busy`.
    pub fn new(busy: Duration) -> Result<Server> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(1024));
        Ok(Server { poll, events, connections: HashMap::new(), last: 0, busy, looked: Instant::now() })
    }

    /// Serves its connections for a moment, and whether it is time to look at the listeners.
    pub fn serve(&mut self) -> Result<bool> {
        let left = self.busy.saturating_sub(self.looked.elapsed());
        self.poll.poll(&mut self.events, Some(left))?;
        for event in &self.events {
            let index = event.token().0;
            if self.connections.get_mut(&index).is_some_and(echo) {
                self.connections.remove(&index);
            }
        }
        let time = self.looked.elapsed() >= self.busy;
        if time {
            self.looked = Instant::now();
        }
        Ok(time)
    }

    /// Accepts until that would block.
    pub fn accept(&mut self, listener: BorrowedFd<'_>) -> Result<()> {
        loop {
            let connection = match SockRef::from(&listener).accept() {
                Ok((connection, _)) => connection,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // Gone again before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error.into()),
            };
            connection.set_nonblocking(true)?;
            let mut connection = TcpStream::from_std(connection.into());
            self.last += 1;
            self.poll.registry().register(&mut connection, Token(self.last), Interest::READABLE)?;
            self.connections.insert(self.last, connection);
        }
    }

    /// Serves its connections until they end.
    pub fn finish(&mut self) -> Result<()> {
        while !self.connections.is_empty() {
            self.serve()?;
        }
        Ok(())
    }
}

/// Answers the datagrams that are there.
pub fn answer(socket: BorrowedFd<'_>) -> Result<()> {
    let socket = UdpSocket::from(socket.as_fd().try_clone_to_owned()?);
    loop {
        match socket.recv_from(&mut [0]) {
            Ok((_, from)) => {
                // The one who asked may have given up.
                let _ = socket.send_to(b"!", from);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Answers what there is; true: it has ended.
fn echo(connection: &mut TcpStream) -> bool {
    let mut byte = [0];
    loop {
        match connection.read(&mut byte) {
            Ok(1) if connection.write_all(b"!").is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            _ => return true,
        }
    }
}
