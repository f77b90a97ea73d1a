//! Clients that never rest: some connect again and again, some ask again and again on one connection.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;
use zdt_matrix::client::{Came, Client, bytes};
use zdt_matrix::mirror::Ask;
use zdt_matrix::{PATIENCE, Trouble};

/// How many ask on one connection.
pub const ASKERS: usize = 3;
/// How many connect; each has one connection at a time.
pub const CONNECTORS: usize = 2;

/// They run until they are called back.
pub struct Load {
    stop: Arc<AtomicBool>,
    askers: Vec<JoinHandle<Result<Option<Client>, String>>>,
    connectors: Vec<JoinHandle<Result<Seen, String>>>,
}

/// What those that connect saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub served: u64,
    /// ECONNREFUSED.
    pub refused: u64,
    /// The connection ended before the last reply.
    pub ended: u64,
}

/// What came of it all.
pub struct Outcome {
    /// The connections that are left.
    pub askers: Vec<Client>,
    pub seen: Seen,
}

impl Load {
    /// Those that ask are connected, and wait.
    pub fn gather(address: &str) -> Result<Vec<Client>, Trouble> {
        let mut askers = Vec::new();
        for number in 0..ASKERS {
            let mut client = Client::connect(address, format!("asker-{number}"))?;
            client.read_all()?;
            askers.push(client);
        }
        Ok(askers)
    }

    /// Here they go.
    pub fn begin(address: &str, askers: Vec<Client>) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let asking = askers.into_iter().map(|client| {
            let stop = stop.clone();
            std::thread::spawn(move || ask(client, &stop).map_err(|error| error.to_string()))
        });
        let askers = asking.collect();
        let connecting = (0..CONNECTORS).map(|number| {
            let (stop, address) = (stop.clone(), address.to_string());
            std::thread::spawn(move || connect(&address, number, &stop).map_err(|error| error.to_string()))
        });
        let connectors = connecting.collect();
        Load { stop, askers, connectors }
    }

    /// Calls them back. A wrong byte, or silence for too long, is an error.
    pub fn end(self) -> Result<Outcome, Trouble> {
        self.stop.store(true, SeqCst);
        let mut outcome = Outcome { askers: Vec::new(), seen: Seen::default() };
        for asker in self.askers {
            outcome.askers.extend(asker.join().map_err(|_| "a client panicked")??);
        }
        for connector in self.connectors {
            let seen = connector.join().map_err(|_| "a client panicked")??;
            outcome.seen.served += seen.served;
            outcome.seen.refused += seen.refused;
            outcome.seen.ended += seen.ended;
        }
        Ok(outcome)
    }
}

/// Asks until it is called back, and once more: `None`, if its connection has ended.
fn ask(mut client: Client, stop: &AtomicBool) -> Result<Option<Client>, Trouble> {
    loop {
        let last = stop.load(SeqCst);
        client.ask(Ask::Echo(bytes(200)))?;
        client.ask(Ask::Sum)?;
        if client.read(PATIENCE)? == Came::End {
            return Ok(None);
        }
        client.read_all()?;
        if last {
            return Ok(Some(client));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn connect(address: &str, number: usize, stop: &AtomicBool) -> Result<Seen, Trouble> {
    let mut seen = Seen::default();
    while !stop.load(SeqCst) {
        match Client::connect(address, format!("connector-{number}")) {
            Ok(mut client) => {
                client.ask(Ask::Who)?;
                client.ask(Ask::Bye)?;
                match client.read(PATIENCE)? {
                    Came::All => seen.served += 1,
                    Came::End => seen.ended += 1,
                    Came::Nothing => client.read_all()?,
                }
            }
            Err(error) if is_refusal(&error) => seen.refused += 1,
            Err(error) => return Err(error),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(seen)
}

fn is_refusal(error: &Trouble) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}
