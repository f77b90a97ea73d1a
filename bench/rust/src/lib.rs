//! What the programs of the benchmark share: clocks, limits, and how connections come to a program.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};
use std::error::Error;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Any failure of a program of the benchmark: it is printed and the program exits with 1.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How many connections travel in one message between the programs (SCM_MAX_FD, unix(7)).
const PER_MESSAGE: usize = 253;

/// The processor time, user and system, that this process has used so far, all threads together.
pub fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

/// Raises the soft limit of open descriptors to the hard one, also for the programs started from here, and returns it.
pub fn raise_descriptor_limit() -> Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// Sends copies of the connections over a datagram socket; blocks while its queue is full.
pub fn send_connections<F: AsFd>(control: BorrowedFd<'_>, connections: &[F]) -> Result<()> {
    for chunk in connections.chunks(PER_MESSAGE) {
        let fds: Vec<BorrowedFd<'_>> = chunk.iter().map(AsFd::as_fd).collect();
        zdt::send_fds(control, b"c", &fds)?;
    }
    Ok(())
}

/// Receives `count` connections that [`send_connections`] sends into our standard input; blocks until they are here.
pub fn receive_connections(count: usize) -> Result<Vec<OwnedFd>> {
    let stdin = io::stdin();
    let mut connections = Vec::with_capacity(count);
    while connections.len() < count {
        let (_, fds) = zdt::recv_fds(stdin.as_fd(), &mut [0; 1])?;
        connections.extend(fds);
    }
    Ok(connections)
}
