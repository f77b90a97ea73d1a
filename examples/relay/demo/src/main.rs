//! The demo: relays in several languages take over from each other, again and again, while a verifier keeps thousands of
//! connections busy. It fails if a single request does.

mod cast;
mod chart;
mod console;
mod endurance;
mod footprint;
mod machine;
mod page;
mod program;
mod report;
mod show;
mod story;
mod takeovers;
mod walk;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use program::Program;
use std::path::PathBuf;
use std::process::ExitCode;

/// Relays take over from each other under load.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// A relay, as NAME=PATH or "NAME=PATH ARGUMENT..."; NAME begins with what it says its language is (java-nio). Each
    /// of several relays takes over from each other one in turn
    #[arg(long = "relay", value_name = "NAME=PATH", required = true)]
    relays: Vec<Program>,
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
    /// With one relay: fail unless the last generation has as many descriptors and threads as the third
    #[arg(long)]
    steady: bool,
    /// No windows and no page, but takeovers one behind the other, every second round of them without a pause; fail unless
    /// the last generation of each relay holds what an early one held, and the machine at the end what it held before
    #[arg(long, conflicts_with = "steady")]
    endurance: bool,
    /// With --endurance: nobody else is in this network namespace, so not one socket may be left
    #[arg(long, requires = "endurance")]
    alone: bool,
    /// With --endurance: no client waits for more than 10 seconds, and no successor leaves a queue unserved for 5; for a
    /// machine that has nothing else to do
    #[arg(long, requires = "endurance")]
    strict: bool,
    /// Where the report goes; as a page to look at it is beside this, with the ending .html
    #[arg(long, default_value = "build/demo/report.json")]
    report: PathBuf,
}

impl Options {
    fn check(&self) -> Result<(), Trouble> {
        program::check_names(&self.relays)?;
        if self.steady && (self.relays.len() > 1 || self.takeovers < 3) {
            return Err("--steady wants one relay and at least three takeovers".into());
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
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

/// Runs the demo and writes its report. What is wrong with it.
fn run(options: &Options) -> Result<Vec<String>, Trouble> {
    options.check()?;
    raise_descriptor_limit(options.connections + 2_000)?;
    if options.endurance {
        let report = endurance::run(options)?;
        report.write(&options.report)?;
        println!("{}", report.summary(&options.report));
        return Ok(report.complaints);
    }
    let report = takeovers::run(options)?;
    let page = options.report.with_extension("html");
    report.write(&options.report)?;
    std::fs::write(&page, page::page(&report)?)?;
    println!("{}\n{}", console::takeovers(&report), console::pairs(&report));
    print!("{}", console::footprints(&report));
    println!("{}", console::summary(&report, &options.report, &page));
    Ok(report.complaints(options.steady))
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
