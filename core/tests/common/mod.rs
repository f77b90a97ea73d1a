//! What the tests of whole takeovers share.
#![allow(clippy::unwrap_used, dead_code, unused_imports)]

mod two;

pub use two::{FIRST, SECOND, Two, open_beside};

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use zdt::{Config, Event, Takeover};

/// How long anything that must happen may take, on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of our own that goes when the test ends.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str) -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (pid, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("zdt-{name}-{pid}-{number}"));
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

/// The next event, in time.
pub fn next(takeover: &Takeover) -> Event {
    takeover.next_event(Some(PATIENCE)).unwrap().expect("an event in time")
}

/// Two ends of a TCP connection: the client's, which does not wait for ever, and the server's.
pub fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Sees that `text` goes from one end to the other.
pub fn goes(mut from: impl Write, mut to: impl Read, text: &str) {
    from.write_all(text.as_bytes()).unwrap();
    let mut got = vec![0; text.len()];
    to.read_exact(&mut got).unwrap();
    assert_eq!(got, text.as_bytes());
}

/// Whether `body` goes through without a panic in a forked child.
pub fn in_child(body: impl FnOnce()) -> bool {
    // SAFETY: the C library holds its own locks across a fork; the child calls `body`, which takes no lock of the test
    // harness unless it panics, and ends with it.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        // SAFETY: no pointers. Where the child hangs after all, the alarm ends it.
        unsafe { libc::alarm(PATIENCE.as_secs() as u32) };
        let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_ok();
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(!fine)) };
    }
    let mut status = 0;
    // SAFETY: our own child, not waited for yet.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}
