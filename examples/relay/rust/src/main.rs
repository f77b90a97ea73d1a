//! The relay in Rust: a small server whose connections move to its successor, with everything half-way through.
//!
//! `session.rs` is what is said on a connection, `relay.rs` the server as it would be without takeovers, and
//! `service.rs` what libzdt adds to it.

mod relay;
mod service;
mod session;
mod switches;

use clap::Parser;
use mio::Events;
use serde_json::{Value, json};
use service::Service;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use switches::Switches;
use zdt::{Config, ListenerSpec, Reads, Takeover};

/// The relay: start it again, and the new one takes over.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Path of the takeover socket
    #[arg(long)]
    takeover: PathBuf,
    /// Where to listen, for instance tcp://127.0.0.1:4711
    #[arg(long)]
    listen: ListenerSpec,
    /// How long a predecessor that has drained still watches its successor
    #[arg(long)]
    probation_ms: Option<u64>,
    /// How long draining may take
    #[arg(long)]
    drain_ms: Option<u64>,
    /// How long a successor may take to commit
    #[arg(long)]
    commit_ms: Option<u64>,
    /// How long the other side may take in the handshake
    #[arg(long)]
    handshake_ms: Option<u64>,
    /// How long a successor may warm up
    #[arg(long)]
    ready_ms: Option<u64>,
    /// How long the listener's queue may stay unserved
    #[arg(long)]
    hang_ms: Option<u64>,
    #[command(flatten)]
    switches: Switches,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay-rust: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::default();
    config.program = "relay".into();
    config.reads = vec![Reads { protocol: session::PROTOCOL.into(), versions: vec![session::STATE_VERSION] }];
    for (given, duration) in [
        (options.probation_ms, &mut config.probation),
        (options.drain_ms, &mut config.drain),
        (options.commit_ms, &mut config.commit),
        (options.handshake_ms, &mut config.handshake),
        (options.ready_ms, &mut config.ready),
        (options.hang_ms, &mut config.hang),
    ] {
        *duration = given.map_or(*duration, Duration::from_millis);
    }

    let takeover = Takeover::open(&options.takeover, config)?;
    let generation = takeover.generation();
    let pid = std::process::id();
    tell(
        "started",
        json!({"pid": pid, "language": "rust", "runtime": "Rust, mio", "generation": generation}),
    );
    let listener = std::net::TcpListener::from(takeover.listener(service::LISTENER, &options.listen)?);
    let inherited = takeover.predecessor().is_some();
    tell("listening", json!({"address": listener.local_addr()?.to_string(), "inherited": inherited}));
    options.switches.before_ready()?;

    let (drain, leave) = (takeover.clone(), takeover.clone());
    let mut signals = Signals::new([SIGTERM])?;
    std::thread::spawn(move || signals.forever().try_for_each(|_| drain.drain()));

    let mut service = Service::new(takeover, mio::net::TcpListener::from_std(listener), options.switches)?;
    service.ready()?;
    let mut events = Events::with_capacity(1024);
    while !service.is_over() {
        match service.relay.poll.poll(&mut events, service.patience()) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            service.event(event.token())?;
        }
    }
    // The thread that waits for signals holds a clone, so dropping ours would not be the end.
    leave.close();
    Ok(())
}

/// Writes an event line (PROTOCOL.md, section 3).
fn tell(event: &str, mut fields: Value) {
    fields["event"] = event.into();
    // Whoever started us may have stopped listening; the connections matter more.
    let _ = writeln!(std::io::stdout(), "{fields}");
}
