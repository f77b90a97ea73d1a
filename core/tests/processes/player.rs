//! A process of the play, as the test sees it: started here, told what to do, heard, and ended by its own pid.

use crate::common::{PATIENCE, quick};
use crate::server::{Part, Server};
use crate::testing::Child;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A server in a process of its own; killed when dropped.
pub struct Player {
    child: Child,
    talk: BufReader<UnixStream>,
    /// What it said and nobody waited for yet.
    heard: Vec<String>,
}

impl Player {
    /// Starts a server, which opens at once. Only in [`alone`](crate::testing::alone).
    pub fn start(path: &Path, part: Part) -> Player {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = Child::new(|| {
            close_all_but(theirs.as_raw_fd());
            Server::run(Talk::new(theirs), path, part);
        });
        ours.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Player { child, talk: BufReader::new(ours), heard: Vec::new() }
    }

    /// Starts a server that is ready: the first one.
    pub fn first(path: &Path, part: Part) -> Player {
        let mut player = Player::start(path, part);
        player.opens().unwrap();
        player.ready();
        player
    }

    /// Whether it opened: its generation, or its error.
    pub fn opens(&mut self) -> Result<u64, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(why) = self.heard.iter().find_map(|line| line.strip_prefix("failed ")) {
                return Err(why.into());
            }
            if let Some(generation) = self.heard.iter().find_map(|line| line.strip_prefix("open ")) {
                return Ok(generation.parse().unwrap());
            }
            assert!(Instant::now() < until, "it did not open, and says {:?}", self.heard);
            self.listen("open");
        }
    }

    /// The generation that it opened as.
    pub fn generation(&mut self) -> u64 {
        self.opens().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    pub fn ready(&mut self) {
        self.tell("ready");
        self.says("ready");
    }

    /// Tells it what to do; [`Server`] knows the orders.
    pub fn tell(&mut self, order: &str) {
        self.talk.get_mut().write_all(format!("{order}\n").as_bytes()).unwrap();
    }

    /// The next thing it says that begins with `what`, in time; what comes before is kept.
    pub fn says(&mut self, what: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(place) = self.heard.iter().position(|line| line.starts_with(what)) {
                return self.heard.remove(place);
            }
            assert!(Instant::now() < until, "it did not say {what:?}, only {:?}", self.heard);
            self.listen(what);
        }
    }

    /// Waits until it has so many descriptors open.
    pub fn comes_to_have(&self, descriptors: usize) {
        let until = Instant::now() + PATIENCE;
        while self.descriptors() != descriptors {
            assert!(Instant::now() < until, "it has {}, not {descriptors}", self.descriptors());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it is so.
    pub fn comes_to(&mut self, is_so: impl Fn(Counts) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(self.counts()) {
            assert!(Instant::now() < until, "{:?}", self.counts());
        }
    }

    /// Whether it has said something that begins with `what`.
    pub fn has_said(&mut self, what: &str) -> bool {
        // Whatever it said before it carried out this order is here then.
        self.tell("counts");
        self.says("counts");
        self.heard.iter().any(|line| line.starts_with(what))
    }

    fn listen(&mut self, what: &str) {
        let mut line = String::new();
        match self.talk.read_line(&mut line) {
            Ok(0) => panic!("it ended before it said {what:?}, only {:?}", self.heard),
            Ok(_) => self.heard.push(line.trim_end().into()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                assert!(line.is_empty(), "a line is written in one piece: {line}");
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// What it serves, what it offered or was offered, what was settled and what returned.
    pub fn counts(&mut self) -> Counts {
        self.tell("counts");
        let said = self.says("counts");
        let numbers: Vec<u64> = said.split(' ').skip(1).map(|number| number.parse().unwrap()).collect();
        let [live, offered, settled, returned] = numbers[..] else { panic!("{said}") };
        Counts { live, offered, settled, returned }
    }

    /// Where its listener is.
    pub fn address(&mut self) -> String {
        self.tell("address");
        self.says("address").split_off("address ".len())
    }

    /// So many clients, all of whom it serves.
    pub fn clients(&mut self, count: usize) -> Vec<TcpStream> {
        let address = self.address();
        let clients: Vec<TcpStream> = (0..count).map(|_| connect(&address)).collect();
        let name = who(&clients[0]);
        assert_eq!(served_by(&clients, name), count);
        clients
    }

    /// A takeover without trouble by one of this name: everything that these clients have moves.
    pub fn gives_everything_to(mut self, path: &Path, name: char, clients: &[TcpStream]) -> Player {
        let mut new = Player::start(path, Part::new(name, quick()));
        new.opens().unwrap();
        new.ready();
        self.says("Done 0");
        new.says("Committed");
        assert_eq!(served_by(clients, name), clients.len());
        self.end();
        new
    }

    /// Kills it on the spot.
    pub fn kill(self) {
        drop(self);
    }

    /// Tells it to end, and sees that it did so without a panic.
    pub fn end(mut self) {
        self.tell("end");
        assert_eq!(self.child.wait(), 0);
    }
}

/// Closes the test's own descriptors, in a child that has just begun.
fn close_all_but(kept: RawFd) {
    for (from, to) in [(3, kept - 1), (kept + 1, RawFd::MAX)] {
        if from <= to {
            // SAFETY: no pointers; the child uses none of the objects that these belong to, and ends without dropping them.
            assert_eq!(unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) }, 0);
        }
    }
}

/// What a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub live: u64,
    pub offered: u64,
    pub settled: u64,
    pub returned: u64,
}

/// A client that does not wait for ever.
pub fn connect(address: &str) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

/// Who serves this client now.
pub fn who(mut client: &TcpStream) -> char {
    client.write_all(b"?").unwrap();
    let mut answer = [0];
    client.read_exact(&mut answer).unwrap();
    answer[0].into()
}

/// How many of these clients are served by whom.
pub fn served_by(clients: &[TcpStream], name: char) -> usize {
    clients.iter().filter(|client| who(client) == name).count()
}

/// The server's end of the talk: reading waits for a moment only.
pub struct Talk(BufReader<UnixStream>);

impl Talk {
    fn new(stream: UnixStream) -> Talk {
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        Talk(BufReader::new(stream))
    }

    pub fn say(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// What the test says next, if it says something.
    pub fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => panic!("the test is over"),
            Ok(_) => Some(line.trim_end().into()),
            Err(_) => {
                assert!(line.is_empty(), "a line is written in one piece: {line}");
                None
            }
        }
    }
}
