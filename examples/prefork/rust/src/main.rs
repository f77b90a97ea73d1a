//! A pre-fork server: an arbiter that holds the service, and workers that serve. Start it, connect, start it again.

mod arbiter;
mod worker;

use clap::Parser;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

/// What went wrong, for people.
pub type Trouble = Box<dyn Error>;

/// A pre-fork server that is taken over.
#[derive(Debug, Clone, Parser)]
pub struct Options {
    /// The takeover socket.
    path: PathBuf,
    /// Where to listen, for instance 127.0.0.1:7008.
    address: String,
    /// How many workers.
    #[arg(long, default_value_t = 4)]
    workers: u32,
    /// How long the arbiter watches a successor, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    probation_ms: u64,
    /// How long draining may take, in milliseconds.
    #[arg(long)]
    drain_ms: Option<u64>,
    /// How long the listener's queue may stay unserved, in milliseconds.
    #[arg(long)]
    hang_ms: Option<u64>,
    /// A worker waits so long before it adopts a connection, in milliseconds: for tests.
    #[arg(long, default_value_t = 0)]
    slowly_ms: u64,
    /// This process is a worker; its seat is the standard input.
    #[arg(long, hide = true)]
    worker: bool,
}

impl Options {
    /// What both parts set.
    fn config(&self) -> zdt::Config {
        let mut config = zdt::Config::default();
        config.program = "prefork".into();
        config.probation = Duration::from_millis(self.probation_ms);
        config.drain = self.drain_ms.map_or(config.drain, Duration::from_millis);
        config.hang = self.hang_ms.map_or(config.hang, Duration::from_millis);
        config
    }
}

fn main() -> Result<(), Trouble> {
    let options = Options::parse();
    if options.worker { worker::run(&options) } else { arbiter::run(&options) }
}
