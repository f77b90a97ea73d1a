//! Keeps connections to a relay busy and checks every byte that comes back. It never retries: what fails is counted.
//!
//! It takes commands on stdin and prints JSON lines on stdout; see [`engine`], [`tally`] and [`timeline`] for their forms.

mod client;
mod engine;
mod load;
mod mirror;
mod tally;
mod timeline;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// Keeps connections to a relay busy and checks every byte that comes back.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where the relay listens, for instance 127.0.0.1:4711
    address: SocketAddr,
    /// Long-lived connections
    #[arg(long, default_value_t = 2000)]
    connections: usize,
    /// Requests per second on the long-lived connections, about
    #[arg(long, default_value_t = 2000.0)]
    rate: f64,
    /// Short connections opened per second
    #[arg(long, default_value_t = 200.0)]
    new_per_second: f64,
    /// Long-lived connections that read 1 MiB replies slowly [default: 1 in 100, 1 to 4]
    #[arg(long)]
    slow: Option<usize>,
    /// Long-lived connections that always have half a request under way [default: 1 in 20, 1 to 100]
    #[arg(long)]
    split: Option<usize>,
    /// Long-lived connections that carry a large state
    #[arg(long, default_value_t = 4)]
    padded: usize,
    /// How large, in bytes
    #[arg(long, default_value_t = 200 << 10)]
    padding: usize,
    /// Long-lived connections that the next successor is to refuse
    #[arg(long, default_value_t = 0)]
    refused: usize,
    /// How long no byte may come while a reply is owed
    #[arg(long, default_value_t = 10_000)]
    timeout_ms: u64,
    /// Of the random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Options {
    fn slow(&self) -> usize {
        self.slow.unwrap_or((self.connections / 100).clamp(1, 4))
    }

    fn split(&self) -> usize {
        self.split.unwrap_or((self.connections / 20).clamp(1, 100))
    }

    /// How often one connection of the mix acts. An action is about one and a half requests.
    fn period(&self) -> Duration {
        Duration::from_secs_f64(self.connections as f64 * 1.5 / self.rate)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let wanted = options.connections as u64 + 2_000;
    let run = raise_descriptor_limit(wanted).and_then(|()| engine::run(&options));
    match run {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("relay-verifier: {error}");
            ExitCode::FAILURE
        }
    }
}

fn raise_descriptor_limit(wanted: u64) -> std::io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard)?;
    }
    Ok(())
}
