//! How long it takes until a predecessor serves again when its successor is killed: from SIGKILL to the first answer on a new
//! connection. The relay of each language is the predecessor in turn; its successor dies in the middle of the migration,
//! and when everything has moved and it is only watched. Prints a line for each language and moment, and writes a report.

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

/// When the successor is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Moment {
    /// It owns the service and has adopted some of the connections.
    Migration,
    /// It has adopted everything.
    Probation,
}

impl Moment {
    /// What lets the successor come so far: in the migration it commits long before it stops.
    fn switches(self) -> &'static [&'static str] {
        match self {
            Moment::Migration => {
                &["--commit-ms", "10", "--adopt-delay-ms", "5", "--stop-after-adopting", "25"]
            }
            Moment::Probation => &[],
        }
    }

    /// How many connections its death costs: those that it has adopted.
    fn costs(self) -> usize {
        match self {
            Moment::Migration => 25,
            Moment::Probation => LIVE,
        }
    }

    /// Waits for it.
    fn comes(self, owner: &mut Relay, successor: &mut Relay) -> Result<(), Trouble> {
        match self {
            Moment::Migration => successor.wait_until_stopped(),
            Moment::Probation => {
                successor.wait_for("committed")?;
                owner.wait_for("migrated").map(drop)
            }
        }
    }
}

#[derive(Debug, Parser)]
#[command(
    version,
    about = "Measures how long it takes until a predecessor serves again when its successor is killed"
)]
struct Options {
    /// A relay, as NAME=PATH or "NAME=PATH ARGUMENT..."; the first one is everybody's successor
    #[arg(long = "relay", value_name = "NAME=PATH", required = true)]
    relays: Vec<Program>,
    /// How often each one's successor is killed, at each moment
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
    moment: Moment,
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
        for moment in [Moment::Migration, Moment::Probation] {
            let row = measure(relay, &options.relays[0], moment, options.kills)
                .map_err(|error| format!("{}, {moment:?}: {error}", relay.name))?;
            let Row { language, moment, kills, median_ms, max_ms, within_100_ms, kept, lost } = &row;
            println!(
                "{language:>8}, {moment:?}: {kills} kills, median {median_ms:.1} ms, max {max_ms:.1} ms, \
                 {within_100_ms} within 100 ms; {kept} connections kept, {lost} lost with the killed"
            );
            rows.push(row);
        }
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

fn measure(program: &Program, successor: &Program, moment: Moment, kills: usize) -> Result<Row, Trouble> {
    let mut stage = Stage::new(program, successor)?;
    let (mut owner, _) = stage.launch(program, "tcp://127.0.0.1:0", &WATCHFUL, &[])?;
    owner.wait_until_listening(program)?;
    owner.wait_for("ready")?;
    let (mut took, mut kept, mut lost) = (Vec::new(), 0, 0);
    for _ in 0..kills {
        owner.forget();
        let before = lost;
        let mut clients = Vec::new();
        for number in 0..LIVE {
            let mut client = Client::connect(&owner.address, format!("live-{number}"))?;
            client.read_all()?;
            clients.push(client);
        }
        let (mut next, _) =
            stage.launch(successor, &format!("tcp://{}", owner.address), moment.switches(), &[])?;
        moment.comes(&mut owner, &mut next)?;
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
        if lost - before != moment.costs() {
            let costs = moment.costs();
            return Err(format!("a kill costs {costs} connections, but {} were lost", lost - before).into());
        }
    }
    took.sort_unstable();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok(Row {
        language: program.name.clone(),
        moment,
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
