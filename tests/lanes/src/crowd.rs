//! The clients: each counts its lines, and remembers who answered last.

use crate::{PATIENCE, Trouble};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const THREADS: usize = 4;
/// Each thread has so many connections.
const EACH: usize = 75;
pub const CONNECTIONS: usize = THREADS * EACH;
/// So many connections that were just opened can be in the hands of one worker.
pub const FRESH_AT_ONCE: usize = THREADS;

/// A connection that was lost: its port, who answered last, and what happened.
pub struct Lost {
    pub port: u16,
    pub last: u32,
    pub how: String,
}

/// What the crowd saw.
#[derive(Default)]
pub struct Seen {
    pub lost: Vec<Lost>,
    /// Connections that were opened on the way, and got no answer.
    pub fresh_lost: Vec<String>,
    /// Who answered last on each connection that is left.
    pub served_by: Vec<u32>,
    pub lines: u64,
}

pub struct Crowd {
    stop: Arc<AtomicBool>,
    rounds: Arc<[AtomicU64; THREADS]>,
    threads: Vec<JoinHandle<Seen>>,
}

impl Crowd {
    /// Connects, and begins to talk.
    pub fn start(address: &str) -> Result<Crowd, Trouble> {
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new([const { AtomicU64::new(0) }; THREADS]);
        let mut threads = Vec::new();
        for number in 0..THREADS {
            let clients = (0..EACH).map(|_| Client::connect(address)).collect::<Result<Vec<_>, _>>()?;
            let (stop, rounds, address) = (stop.clone(), rounds.clone(), address.to_string());
            threads.push(std::thread::spawn(move || talk(clients, &address, &stop, &rounds[number])));
        }
        Ok(Crowd { stop, rounds, threads })
    }

    /// Waits until everybody has been answered once more.
    pub fn goes_on(&self) -> Result<(), Trouble> {
        let so_far: Vec<u64> = self.rounds.iter().map(|round| round.load(Ordering::Relaxed)).collect();
        crate::until("every client to be answered", || {
            self.rounds.iter().zip(&so_far).all(|(round, before)| round.load(Ordering::Relaxed) >= before + 2)
        })
    }

    /// Everybody hangs up.
    pub fn end(self) -> Result<Seen, Trouble> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for thread in self.threads {
            let seen = thread.join().map_err(|_| "a client panicked")?;
            all.lost.extend(seen.lost);
            all.fresh_lost.extend(seen.fresh_lost);
            all.served_by.extend(seen.served_by);
            all.lines += seen.lines;
        }
        Ok(all)
    }
}

fn talk(mut clients: Vec<Client>, address: &str, stop: &AtomicBool, rounds: &AtomicU64) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        clients.retain_mut(|client| match client.line() {
            Ok(()) => {
                seen.lines += 1;
                true
            }
            Err(how) => {
                let (port, last) = (client.port, client.last);
                seen.lost.push(Lost { port, last, how: how.to_string() });
                false
            }
        });
        seen.fresh_lost.extend(newcomer(address).err().map(|error| error.to_string()));
        rounds.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
    }
    seen.served_by = clients.iter().map(|client| client.last).collect();
    seen
}

/// Connects, and is answered once: by whom.
pub fn newcomer(address: &str) -> Result<u32, Trouble> {
    let mut client = Client::connect(address)?;
    client.line()?;
    Ok(client.last)
}

struct Client {
    socket: BufReader<TcpStream>,
    port: u16,
    lines: u64,
    last: u32,
}

impl Client {
    fn connect(address: &str) -> Result<Client, Trouble> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let port = socket.local_addr()?.port();
        let mut client = Client { socket: BufReader::new(socket), port, lines: 0, last: 0 };
        let first = client.halves(1).0;
        client.socket.get_mut().write_all(&first)?;
        Ok(client)
    }

    /// Line `number`, in two parts.
    fn halves(&self, number: u64) -> (Vec<u8>, Vec<u8>) {
        (format!("port {} ", self.port).into_bytes(), format!("line {number}\n").into_bytes())
    }

    /// Sends the end of a line and the beginning of the next, so that there is always something unread over there.
    fn line(&mut self) -> Result<(), Trouble> {
        let number = self.lines + 1;
        let (_, mut bytes) = self.halves(number);
        bytes.extend(self.halves(number + 1).0);
        self.socket.get_mut().write_all(&bytes)?;
        let mut answer = String::new();
        self.socket.read_line(&mut answer)?;
        let mut words = answer.splitn(3, ' ');
        let (count, pid, line) = (words.next(), words.next(), words.next());
        let (first, second) = self.halves(number);
        let is_right = count == Some(&number.to_string())
            && line.is_some_and(|line| line.as_bytes() == [first, second].concat());
        if !is_right {
            return Err(format!("{answer:?} is not the answer to line {number} at port {}", self.port).into());
        }
        self.last = pid.and_then(|pid| pid.parse().ok()).ok_or("no pid")?;
        self.lines = number;
        Ok(())
    }
}
