//! The classic way without its loss: the next process binds the same port, tells this one, which stops accepting, finishes
//! what is in flight and ends. It echoes, on two sockets that share the port. Start it, connect, start it again.
//!
//! ```console
//! $ cargo run --example classic /tmp/classic.sock 127.0.0.1:7007
//! ```
//! Here the successor is heard through the takeover socket; in the examples of the other languages by a signal.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::Duration;
use zdt::reuseport::Group;
use zdt::{Config, Event, Gate, ListenerSpec, Takeover};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, address] = &arguments[..] else { return Err("usage: classic PATH ADDRESS:PORT".into()) };

    let takeover = Takeover::open(path, Config::default())?; // finds a predecessor, or is the first
    let mut group = Group::bind(&ListenerSpec::tcp(address), 2)?; // beside the predecessor's
    takeover.ready()?; // our sockets are there: a predecessor leaves
    let in_flight = Gate::new();
    let accept = |socket: BorrowedFd<'_>| {
        if let Err(error) = accept_all(socket, &in_flight) {
            eprintln!("classic: {error}");
        }
    };
    let successor = loop {
        group.sockets().for_each(|(_, socket)| accept(socket));
        match takeover.next_event(Some(Duration::from_millis(1)))? {
            Some(Event::Drain { successor, .. }) => break successor,
            Some(Event::Aborted { cause }) => return Err(cause.into()),
            _ => {}
        }
    };
    if successor.is_some() {
        group.retire(1, None, accept)?; // what was on its way to us arrives, and we accept it
    }
    in_flight.close();
    let _ = in_flight.wait(Duration::MAX);
    takeover.migrated_all()?; // nothing is left here
    while !matches!(takeover.next_event(None)?, Some(Event::Done { .. })) {}
    Ok(())
}

/// Accepts until that would block; each connection has a thread.
fn accept_all(socket: BorrowedFd<'_>, in_flight: &Gate) -> io::Result<()> {
    let listener = TcpListener::from(socket.try_clone_to_owned()?);
    loop {
        match listener.accept() {
            Ok((connection, _)) => {
                let inside = in_flight.enter();
                thread::spawn(move || {
                    let _ = echo(connection);
                    drop(inside);
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn echo(mut connection: TcpStream) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        match connection.read(&mut bytes)? {
            0 => return Ok(()),
            count => connection.write_all(&bytes[..count])?,
        }
    }
}
