//! `zdt-load ADDRESS`: sends clients to a server until SIGINT or SIGTERM comes, says what they saw, and ends with 1 if they
//! complain.

use clap::Parser;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use zdt_load::{Load, Settings};

#[derive(Parser)]
#[command(about = "Clients of HTTP/1.1 and WebSocket that notice everything")]
struct Options {
    /// Where the server is.
    address: SocketAddr,
    /// Ends by itself after so many seconds.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// Where the report goes, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

fn run() -> Result<bool, Box<dyn Error>> {
    let options = Options::parse();
    let load = Load::start(options.address, &options.settings)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = tokio::time::sleep(Duration::from_secs(options.seconds)) => {}
        }
        Ok::<_, std::io::Error>(())
    })?;
    let report = load.stop();
    print!("{report}");
    if let Some(path) = options.report {
        std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    Ok(report.failed() == 0)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("zdt-load: {error}");
            ExitCode::from(2)
        }
    }
}
