//! The matrix: each language takes over from each other one (and from itself), with everything half-way through, and with
//! every kind of death and stop in between.
//!
//! A language is one more `--relay NAME=PATH` on the command line; the program speaks examples/relay/PROTOCOL.md. Every
//! pair and case is a test of its own: it runs relay processes and clients that check counters, checksums and each byte.

mod cases;
mod high;
mod odd;
mod summary;

use cases::{CASES, Case};
use clap::Parser;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use summary::Summary;
use zdt_matrix::program::{self, Program};
use zdt_matrix::stage::Stage;
use zdt_matrix::{Trouble, client, crowd, mirror, process, stage};

/// Every language takes over from every other, and everything that can go wrong does.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// A relay, as NAME=PATH or "NAME=PATH ARGUMENT..."; NAME begins with what it says its language is (java-nio). Each is
    /// tried against each
    #[arg(long = "relay", value_name = "NAME=PATH", required = true)]
    programs: Vec<Program>,
    /// Only this pair, as predecessor-successor (for instance rust-c); may be repeated
    #[arg(long = "pair")]
    pairs: Vec<String>,
    /// Only this case; may be repeated
    #[arg(long = "case")]
    cases: Vec<String>,
    /// How many tests run at a time [default: two for each core: they wait more than they work]
    #[arg(long)]
    jobs: Option<usize>,
    /// Only says what there is
    #[arg(long)]
    list: bool,
}

/// One field of the matrix in one case.
struct Test<'a> {
    from: &'a Program,
    to: &'a Program,
    case: &'a Case,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == high::WORD) {
        eprintln!("matrix: {}", high::become_relay(words));
        return ExitCode::FAILURE;
    }
    let options = Options::parse();
    let tests = match tests(&options) {
        Ok(tests) => tests,
        Err(error) => {
            eprintln!("matrix: {error}");
            return ExitCode::FAILURE;
        }
    };
    if options.list {
        tests.iter().for_each(|test| println!("{}-{} {}", test.from.name, test.to.name, test.case.name));
        return ExitCode::SUCCESS;
    }
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    let jobs = options.jobs.unwrap_or(2 * cores).clamp(1, tests.len());
    let next = AtomicUsize::new(0);
    let summary = Mutex::new(Summary::new(&options.programs));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (report, ok) = run(test);
                    let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                    summary.add(&test.from.name, &test.to.name, ok);
                    println!("{report}");
                }
            });
        }
    });
    let summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{summary}");
    if summary.all_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The tests that are asked for. Asking for what is not there is an error: nothing would pass as everything.
fn tests(options: &Options) -> Result<Vec<Test<'_>>, String> {
    let is_wanted = |name: &str, wanted: &[String]| wanted.is_empty() || wanted.iter().any(|one| one == name);
    program::check_names(&options.programs)?;
    let mut tests = Vec::new();
    for from in &options.programs {
        for to in &options.programs {
            let pair = format!("{}-{}", from.name, to.name);
            let cases = CASES.iter().chain(odd::CASES).filter(|case| is_wanted(case.name, &options.cases));
            if is_wanted(&pair, &options.pairs) {
                tests.extend(cases.map(|case| Test { from, to, case }));
            }
        }
    }
    let is_there = |test: &Test<'_>, name: &str| {
        test.case.name == name || name == format!("{}-{}", test.from.name, test.to.name)
    };
    let mut wanted = options.pairs.iter().chain(&options.cases);
    match wanted.find(|name| !tests.iter().any(|test| is_there(test, name))) {
        Some(missing) => Err(format!("there is no {missing} (--list shows what there is)")),
        None => Ok(tests),
    }
}

fn run(test: &Test<'_>) -> (String, bool) {
    let began = Instant::now();
    let (log, outcome) = match Stage::new(test.from, test.to) {
        Ok(mut stage) => {
            let outcome = (test.case.run)(&mut stage).map_err(|error| error.to_string());
            (stage.log(), outcome)
        }
        Err(error) => (String::new(), Err(error.to_string())),
    };
    let name = format!("{} -> {} {}", test.from.name, test.to.name, test.case.name);
    let seconds = began.elapsed().as_secs_f64();
    match outcome {
        Ok(()) => (format!("ok     {name} ({seconds:.1} s)"), true),
        Err(error) => (format!("FAILED {name} ({seconds:.1} s): {error}\n{log}"), false),
    }
}
