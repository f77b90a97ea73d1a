//! How long it takes until a predecessor serves again when its successor is killed: from SIGKILL to the first answer on a new
//! connection. The relay of each language is the predecessor in turn; its successor dies as soon as it owns the service,
//! while connections still move to it. Prints a line for each language and writes a report.

use clap::Parser;
use nix::sys::signal::Signal;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use zdt_matrix::client::{Came, Client};
use zdt_matrix::mirror::Ask;
use zdt_matrix::process::Relay;
use zdt_matrix::program::{self, Program};
use zdt_matrix::stage::Stage;
use zdt_matrix::{PATIENCE, Trouble};

/// Connections that are there when a successor comes.
const LIVE: usize = 50;
/// A predecessor that watches its successor, and drains, for longer than a run takes.
const WATCHFUL: [&str; 4] = ["--probation-ms", "3600000", "--drain-ms", "3600000"];
/// A successor that owns the service before it has adopted everything.
const HASTY: [&str; 4] = ["--commit-ms", "50", "--adopt-delay-ms", "5"];

#[derive(Debug, Parser)]
#[command(
    version,
    about = "Measures how long it takes until a predecessor serves again when its successor is killed"
)]
struct Options {
    /// A relay, as NAME=PATH or "NAME=PATH ARGUMENT..."; the first one is everybody's successor
    #[arg(long = "relay", value_name = "NAME=PATH", required = true)]
    relays: Vec<Program>,
    /// How often each one's successor is killed
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// Only this language
    #[arg(long)]
    only: Option<String>,
    /// Where the report goes
    #[arg(long, default_value = "build/resume/report.json")]
    report: PathBuf,
}

/// What was measured with one language as the predecessor.
#[derive(Debug, Serialize)]
struct Row {
    language: String,
    kills: usize,
    median_ms: f64,
    max_ms: f64,
    /// How many kills took no longer than 100 ms.
    within_100_ms: usize,
    /// Connections that were there before a kill and served after it.
    kept: usize,
    /// Those that the killed process had adopted.
    lost: usize,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-resume: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Trouble> {
    program::check_names(&options.relays)?;
    if options.kills == 0 {
        return Err("--kills must be at least 1".into());
    }
    let mut rows = Vec::new();
    for relay in &options.relays {
        if options.only.as_ref().is_some_and(|only| *only != relay.name) {
            continue;
        }
        let row = measure(relay, &options.relays[0], options.kills)
            .map_err(|error| format!("{}: {error}", relay.name))?;
        let Row { language, kills, median_ms, max_ms, within_100_ms, kept, lost } = &row;
        println!(
            "{language:>8}: {kills} kills, median {median_ms:.1} ms, max {max_ms:.1} ms, {within_100_ms} within 100 ms; \
             {kept} connections kept, {lost} lost with the killed"
        );
        rows.push(row);
    }
    if rows.is_empty() {
        return Err("there is no relay of that name".into());
    }
    if let Some(directory) = options.report.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(&options.report, serde_json::to_string_pretty(&rows)? + "\n")?;
    println!("report: {}", options.report.display());
    Ok(())
}

fn measure(program: &Program, successor: &Program, kills: usize) -> Result<Row, Trouble> {
    let mut stage = Stage::new(program, successor)?;
    let (mut owner, _) = stage.launch(program, "tcp://127.0.0.1:0", &WATCHFUL, &[])?;
    owner.wait_until_listening(program)?;
    owner.wait_for("ready")?;
    let (mut took, mut kept, mut lost) = (Vec::new(), 0, 0);
    for _ in 0..kills {
        owner.forget();
        let mut clients = Vec::new();
        for number in 0..LIVE {
            let mut client = Client::connect(&owner.address, format!("live-{number}"))?;
            client.read_all()?;
            clients.push(client);
        }
        let (mut next, _) = stage.launch(successor, &format!("tcp://{}", owner.address), &HASTY, &[])?;
        next.wait_until_listening(successor)?;
        next.wait_for("committed")?;
        let begin = Instant::now();
        next.signal(Signal::SIGKILL)?;
        first_answer(&owner)?;
        took.push(begin.elapsed());
        next.ends_by(Signal::SIGKILL)?;
        owner.wait_for("resume")?;
        for mut client in clients {
            client.ask_everything()?;
            match client.read(PATIENCE)? {
                Came::All => {
                    client.is_served_by(&owner.who)?;
                    client.leave()?;
                    kept += 1;
                }
                Came::End => lost += 1,
                Came::Nothing => client.read_all()?,
            }
        }
    }
    took.sort_unstable();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok(Row {
        language: program.name.clone(),
        kills,
        median_ms: millis(took[kills / 2]),
        max_ms: millis(took[kills - 1]),
        within_100_ms: took.iter().filter(|time| **time <= Duration::from_millis(100)).count(),
        kept,
        lost,
    })
}

/// Connects until a connection is answered, by its owner: the killed one may have accepted one in its last moment.
fn first_answer(owner: &Relay) -> Result<(), Trouble> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let mut client = Client::connect(&owner.address, "newcomer".into())?;
        client.ask(Ask::Who)?;
        match client.read(PATIENCE)? {
            Came::All => return client.is_served_by(&owner.who),
            Came::End => {}
            Came::Nothing => break,
        }
    }
    Err(format!("{owner} did not serve again").into())
}
