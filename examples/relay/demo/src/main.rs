//! The demo: relays in several languages take over from each other, again and again, while a verifier keeps thousands of
//! connections busy. It fails if a single request does.

mod cast;
mod report;
mod show;
mod takeovers;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::PathBuf;
use std::process::ExitCode;

/// Relays take over from each other under load.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// A relay, as language=path; several of them take turns in this order
    #[arg(long = "relay", value_parser = relay, required = true)]
    relays: Vec<(String, PathBuf)>,
    /// The verifier [default: relay-verifier, beside this program]
    #[arg(long)]
    verifier: Option<PathBuf>,
    /// Long-lived connections
    #[arg(long, default_value_t = 2000)]
    connections: u64,
    /// Requests per second on them, about
    #[arg(long, default_value_t = 2000)]
    rate: u64,
    /// Short connections opened per second
    #[arg(long, default_value_t = 200)]
    new_per_second: u64,
    /// Takeovers
    #[arg(long, default_value_t = 12)]
    takeovers: u64,
    /// Where the report goes
    #[arg(long, default_value = "build/demo/report.json")]
    report: PathBuf,
}

fn relay(text: &str) -> Result<(String, PathBuf), String> {
    let (language, path) = text.split_once('=').ok_or("language=path is wanted")?;
    Ok((language.into(), path.into()))
}

fn main() -> ExitCode {
    let options = Options::parse();
    let run = raise_descriptor_limit(options.connections + 2_000).and_then(|()| takeovers::run(&options));
    let complaints = run.and_then(|report| {
        report.write(&options.report)?;
        println!("{}\n{}", report.table(), report.summary(&options.report));
        Ok(report.complaints())
    });
    match complaints {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            complaints.iter().for_each(|complaint| eprintln!("relay-demo: {complaint}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("relay-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every process we start inherits the limit.
fn raise_descriptor_limit(wanted: u64) -> Result<(), Trouble> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if hard < wanted {
        return Err(format!("{wanted} descriptors are needed, `ulimit -Hn` allows {hard}").into());
    }
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok(())
}

/// Whatever ends the demo early.
type Trouble = Box<dyn std::error::Error>;
