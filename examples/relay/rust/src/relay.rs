//! The server as it would be without takeovers: a poller, a listener, connections.

use crate::session::Session;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Poll, Token};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};

const LISTENER: Token = Token(usize::MAX);

/// One connection: its socket and what is being said on it.
pub struct Live {
    /// The socket.
    pub socket: TcpStream,
    /// What is being said on it.
    pub session: Session,
    /// Not to be touched. It is out of the poller, but an event of before may still lie in the batch that is being worked
    /// through.
    frozen: bool,
}

/// All that is served.
pub struct Relay {
    /// What everything is registered with.
    pub poll: Poll,
    /// The connections, each under the number that the poller knows it by.
    pub live: BTreeMap<usize, Live>,
    /// What `WHO` answers.
    pub who: String,
    listener: Option<TcpListener>,
    /// Whether whoever comes is accepted: an event of before Drain may still lie in the batch that is being worked through.
    accepting: bool,
    next: usize,
    buffer: Vec<u8>,
}

impl Relay {
    /// A relay with this listener; it accepts once [`accept`](Self::accept) is called.
    pub fn new(listener: TcpListener) -> std::io::Result<Relay> {
        Ok(Relay {
            poll: Poll::new()?,
            live: BTreeMap::new(),
            who: String::new(),
            listener: Some(listener),
            accepting: false,
            next: 0,
            buffer: vec![0; 64 << 10],
        })
    }

    /// From here on it accepts, if it did not already: after Accept, Resume may follow.
    pub fn accept(&mut self) -> std::io::Result<()> {
        self.stop_accepting();
        self.accepting = true;
        match &mut self.listener {
            Some(listener) => self.poll.registry().register(listener, LISTENER, Interest::READABLE),
            None => Ok(()),
        }
    }

    /// From here on it does not, but may again.
    pub fn stop_accepting(&mut self) {
        self.accepting = false;
        if let Some(listener) = &mut self.listener {
            // Fails only where it was not accepting, and then all is well.
            let _ = self.poll.registry().deregister(listener);
        }
    }

    /// It never accepts again.
    pub fn close_listener(&mut self) {
        self.stop_accepting();
        self.listener = None;
    }

    /// Serves a connection. Registering it makes its first event, so bytes that came along are seen to at once.
    pub fn serve(&mut self, socket: TcpStream, session: Session) -> std::io::Result<usize> {
        let number = self.next;
        self.next += 1;
        self.live.insert(number, Live { socket, session, frozen: true });
        self.thaw(number)?;
        Ok(number)
    }

    /// The numbers of those that are not frozen.
    pub fn served(&self) -> impl Iterator<Item = usize> {
        self.live.iter().filter(|(_, live)| !live.frozen).map(|(number, _)| *number)
    }

    /// Stops using a connection. The relay runs in one thread, so nothing is in flight then.
    pub fn freeze(&mut self, number: usize) -> std::io::Result<()> {
        match self.live.get_mut(&number) {
            Some(live) => {
                live.frozen = true;
                self.poll.registry().deregister(&mut live.socket)
            }
            None => Ok(()),
        }
    }

    /// Uses it again.
    pub fn thaw(&mut self, number: usize) -> std::io::Result<()> {
        match self.live.get_mut(&number) {
            Some(live) => {
                live.frozen = false;
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut live.socket, Token(number), interest)
            }
            None => Ok(()),
        }
    }

    /// Something happened to what the poller knows by this token.
    pub fn event(&mut self, token: Token) -> std::io::Result<()> {
        if token == LISTENER {
            return self.accept_all();
        }
        if let Some(live) = self.live.get_mut(&token.0).filter(|live| !live.frozen) {
            match live.drive(&self.who, &mut self.buffer) {
                Ok(true) => {}
                // The client is gone, or everything was said.
                Ok(false) | Err(_) => self.end(token.0),
            }
        }
        Ok(())
    }

    /// Accepts whoever waits, while it does so at all.
    pub fn accept_all(&mut self) -> std::io::Result<()> {
        while let Some(listener) = self.listener.as_ref().filter(|_| self.accepting) {
            match listener.accept() {
                Ok((socket, _)) => {
                    socket.set_nodelay(true)?;
                    self.serve(socket, Session::default())?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // One connection that went before it was accepted.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends a connection that is ours. Shut down first: a stopped peer may hold a copy, and then close() sends no FIN.
    fn end(&mut self, number: usize) {
        if let Some(mut live) = self.live.remove(&number) {
            // Both fail only where the connection is gone already.
            let _ = self.poll.registry().deregister(&mut live.socket);
            let _ = live.socket.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Lets go of a connection that another process uses: close, and nothing else.
    pub fn let_go(&mut self, number: usize) -> Option<Session> {
        self.live.remove(&number).map(|live| live.session)
    }
}

impl Live {
    /// Reads, carries out and writes until the socket would block, since the poller tells of a change only once. Says
    /// whether the connection goes on.
    fn drive(&mut self, who: &str, buffer: &mut [u8]) -> std::io::Result<bool> {
        loop {
            while !self.session.unsent().is_empty() {
                match self.socket.write(self.session.unsent()) {
                    Ok(count) => self.session.sent(count),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            if self.session.ended() {
                return Ok(false);
            }
            if !self.session.takes_more() {
                return Ok(true); // the next writable event goes on from here
            }
            // What waits in the input comes before what waits in the socket.
            if self.session.serve(who) {
                continue;
            }
            match self.socket.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => self.session.received(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream as Client;
    use std::time::Duration;

    /// A relay that accepts, and a client of it.
    fn relay_and_client() -> (Relay, Client) {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = Client::connect(listener.local_addr().unwrap()).unwrap();
        let mut relay = Relay::new(listener).unwrap();
        relay.accept().unwrap();
        (relay, client)
    }

    /// Works through events until there are none for a while.
    fn turn(relay: &mut Relay) {
        let mut events = mio::Events::with_capacity(8);
        loop {
            relay.poll.poll(&mut events, Some(Duration::from_millis(50))).unwrap();
            if events.is_empty() {
                return;
            }
            for event in &events {
                relay.event(event.token()).unwrap();
            }
        }
    }

    #[test]
    fn a_frozen_connection_is_not_touched_by_an_event_of_before() {
        let (mut relay, mut client) = relay_and_client();
        turn(&mut relay);
        relay.freeze(0).unwrap();
        let state = relay.live[&0].session.state();
        client.write_all(b"HELLO a\n").unwrap();
        relay.event(Token(0)).unwrap();
        assert_eq!(relay.live[&0].session.state(), state);
        assert!(relay.live[&0].session.unread().is_empty(), "the bytes are the successor's to read");
        relay.thaw(0).unwrap();
        turn(&mut relay);
        let mut reply = [0; 10];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"HELLO 1 a\n");
    }

    #[test]
    fn a_client_that_reads_slowly_gets_every_reply() {
        let (mut relay, mut client) = relay_and_client();
        let asks = "BIG 1048576\n".repeat(12);
        client.write_all(format!("HELLO a\n{asks}BYE\n").as_bytes()).unwrap();
        turn(&mut relay);
        assert!(!relay.live[&0].session.takes_more(), "replies wait in the process");
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            client.read_to_end(&mut all).map(|_| all)
        });
        while !relay.live.is_empty() {
            turn(&mut relay);
        }
        let all = reader.join().unwrap().unwrap();
        assert!(all.len() > 12 << 20 && all.ends_with(b"BYE 14\n"), "{} bytes", all.len());
    }

    #[test]
    fn letting_go_sends_no_end_of_file_and_ending_does() {
        let (mut relay, mut client) = relay_and_client();
        turn(&mut relay);
        let copy = std::os::fd::AsFd::as_fd(&relay.live[&0].socket).try_clone_to_owned().unwrap();
        client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        relay.freeze(0).unwrap();
        relay.let_go(0);
        let error = client.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "the successor's copy is as it was");
        let number = relay.serve(TcpStream::from_std(copy.into()), Session::default()).unwrap();
        let stopped = std::os::fd::AsFd::as_fd(&relay.live[&number].socket).try_clone_to_owned().unwrap();
        relay.end(number);
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "although a stopped process holds a copy");
        drop(stopped);
    }
}
