//! Every step of a takeover, on both sides, in every way to fail: a process dies, stops, ends, hesitates or lies at a named
//! point (core/src/fault), while fifty connections are half-way through something and others come and ask all the time.
//!
//! After each case: no connection is lost but those whose only owner died, no byte is wrong, one process accepts, nobody
//! was refused, no descriptor is left behind, and the next takeover works.

mod case;
mod load;
mod play;
mod player;
// The list is plain data. Depending on the crate would switch the feature on in whatever is built along.
#[allow(dead_code)]
#[path = "../../../core/src/fault/points.rs"]
mod points;
mod report;
mod solo;

use case::{Case, Setting};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use play::Outcome;
use report::Report;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use zdt_matrix::program::{self, Program};
use zdt_matrix::stage::Stage;

/// Every step of a takeover, on both sides, in every way to fail.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// A relay that was built with the feature `faults`, as NAME=PATH or "NAME=PATH ARGUMENT..."; rust is needed
    #[arg(long = "relay", value_name = "NAME=PATH", required = true)]
    programs: Vec<Program>,
    /// Only the cases whose name contains this; may be repeated
    #[arg(long)]
    only: Vec<String>,
    /// Only a part that stands for the whole
    #[arg(long)]
    sample: bool,
    /// How many cases run at a time [default: three for each core: they wait more than they work]
    #[arg(long)]
    jobs: Option<usize>,
    /// Where the report goes
    #[arg(long, default_value = "build/faults/report.json")]
    report: PathBuf,
    /// Only says what there is
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool, zdt_matrix::Trouble> {
    program::check_names(&options.programs)?;
    let cases = wanted(options)?;
    if options.list {
        cases.iter().for_each(|case| println!("{case}"));
        return Ok(true);
    }
    let bar = ProgressBar::new(cases.len() as u64);
    // A template of ours: it parses.
    let style = ProgressStyle::with_template("faults [{bar:40}] {pos}/{len} {elapsed} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("#> "));
    let say = |line: &str| match std::io::stdout().is_terminal() {
        true => bar.suspend(|| println!("{line}")),
        false => println!("{line}"),
    };
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    let jobs = options.jobs.unwrap_or(3 * cores).clamp(1, cases.len());
    let next = AtomicUsize::new(0);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (result, log) = play(case, &options.programs);
                    let seconds = result.seconds;
                    match &result.why {
                        Some(why) => say(&format!("FAILED {case} ({seconds:.1} s): {why}\n{log}")),
                        None => say(&format!("ok     {case} ({seconds:.1} s)")),
                    }
                    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                    report.add(result);
                    bar.set_message(format!("{} failed", report.failed));
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish();
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.write(&options.report)?;
    println!("{} passed, {} failed", report.cases - report.failed, report.failed);
    Ok(report.failed == 0)
}

/// The cases that are asked for. Asking for what is not there is an error: nothing would pass as everything.
fn wanted(options: &Options) -> Result<Vec<Case>, String> {
    let languages: Vec<String> = options.programs.iter().map(|program| program.name.clone()).collect();
    if !languages.iter().any(|language| language == case::PEER) {
        return Err("the relay in Rust is everybody's peer: --relay rust=PATH".into());
    }
    let mut cases = case::cases(&languages);
    if options.sample {
        cases = case::sample(cases);
    }
    let is_asked_for = |case: &Case| {
        options.only.is_empty() || options.only.iter().any(|only| case.to_string().contains(only.as_str()))
    };
    cases.retain(is_asked_for);
    if cases.is_empty() {
        Err("there is no such case (--list shows what there is)".into())
    } else {
        Ok(cases)
    }
}

fn play(case: &Case, programs: &[Program]) -> (report::Result, String) {
    let began = Instant::now();
    let mut outcome = Outcome::default();
    let mut log = String::new();
    let played = stage(case, programs).and_then(|mut stage| {
        let played = match case.setting {
            Setting::First | Setting::Leave | Setting::Relieved => {
                solo::alone(case, &mut stage, &mut outcome)
            }
            _ => play::takeover(case, &mut stage, &mut outcome),
        };
        log = stage.log();
        played
    });
    let why = played.err().map(|error| error.to_string());
    (report::Result::new(case, outcome, began.elapsed().as_secs_f64(), why), log)
}

fn stage<'a>(case: &Case, programs: &'a [Program]) -> Result<Stage<'a>, zdt_matrix::Trouble> {
    let program = |name: &str| {
        let found = programs.iter().find(|program| program.name == name);
        found.ok_or_else(|| format!("there is no relay {name}"))
    };
    Stage::new(program(&case.from)?, program(&case.to)?)
}
