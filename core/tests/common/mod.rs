//! What the tests of whole takeovers share.
#![allow(clippy::unwrap_used, dead_code)]

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;
use zdt::{Config, Event, Takeover};

/// A directory of our own that goes when the test ends.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("zdt-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Place(path)
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("zdt.sock")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// No probation.
pub fn quick() -> Config {
    let mut config = Config::default();
    config.probation = Duration::ZERO;
    config
}

/// The next event, within ten seconds.
pub fn next(takeover: &Takeover) -> Event {
    takeover.next_event(Some(Duration::from_secs(10))).unwrap().expect("an event within ten seconds")
}

/// Two ends of a TCP connection.
pub fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}
