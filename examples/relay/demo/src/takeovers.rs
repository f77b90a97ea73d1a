//! The story: a relay, a verifier, and one takeover after the other.

use crate::cast::{Cast, VERIFIER, Who};
use crate::footprint::Footprint;
use crate::machine::Machine;
use crate::program::Program;
use crate::report::{Generation, Report, Row};
use crate::show::Show;
use crate::walk::walk;
use crate::{Options, Trouble};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a predecessor watches its successor.
const PROBATION_MS: u64 = 500;
/// How long the verifier has its way between two takeovers, and after a takeover until its window ends.
const QUIET: Duration = Duration::from_millis(500);
const AFTERMATH: Duration = Duration::from_millis(200);

struct Story<'a> {
    options: &'a Options,
    /// The program of each generation.
    programs: Vec<&'a Program>,
    cast: Cast,
    show: Show,
    address: SocketAddr,
    /// When the verifier's timeline began.
    start: Instant,
}

/// Runs the demo to its end; every process is ended whatever happens.
pub fn run(options: &Options) -> Result<Report, Trouble> {
    let walk = walk(options.relays.len(), options.takeovers as usize + 1);
    let programs = walk.into_iter().map(|relay| &options.relays[relay]).collect();
    let (address, start) = (SocketAddr::from(([127, 0, 0, 1], 0)), Instant::now());
    let mut story = Story { options, programs, cast: Cast::new()?, show: Show::new(), address, start };
    let report = story.tell();
    story.show.end();
    report
}

impl Story<'_> {
    fn tell(&mut self) -> Result<Report, Trouble> {
        let mut report = Report { machine: Machine::this(), ..Report::default() };
        let mut serving = self.first()?;
        report.ready_ms = self.millis();
        for generation in 2..=self.programs.len() as u64 {
            self.rest(QUIET, None)?;
            serving.served = self.footprint(&serving)?;
            let (row, next) = self.takeover(generation, &serving).map_err(|error| {
                let to = &self.program(generation).name;
                format!("takeover by generation {generation} ({} -> {to}): {error}", serving.name)
            })?;
            report.taken_over(row);
            report.served(std::mem::replace(&mut serving, next));
        }
        self.rest(QUIET, None)?;
        serving.served = self.footprint(&serving)?;
        let last = serving.generation;
        report.served(serving);

        report.stop_ms = self.millis();
        self.cast.say(VERIFIER, r#"{"cmd":"stop"}"#)?;
        report.verified(&self.until(VERIFIER, "report")?)?;
        self.until(VERIFIER, "exit")?;
        self.cast.terminate(last)?;
        self.until(last, "exit")?;
        Ok(report)
    }

    /// The first generation serves, and every connection of the verifier's is up.
    fn first(&mut self) -> Result<Generation, Trouble> {
        let mut first = self.start_relay(1, &[])?;
        self.show.say(&format!("generation 1: {} {}", first.name, first.pid));
        self.until(1, "ready")?;
        self.start_verifier()?;
        let ready = self.until(VERIFIER, "ready")?;
        let elapsed = Duration::try_from_secs_f64(ready["elapsed_ms"].as_f64().unwrap_or_default() / 1000.0)?;
        self.start = Instant::now().checked_sub(elapsed).ok_or("the verifier has begun before time did")?;
        first.taken_over = self.footprint(&first)?;
        Ok(first)
    }

    fn program(&self, generation: u64) -> &Program {
        self.programs[generation as usize - 1]
    }

    /// Milliseconds on the verifier's timeline.
    fn millis(&self) -> f64 {
        self.start.elapsed().as_secs_f64() * 1000.0
    }

    fn footprint(&self, generation: &Generation) -> Result<Footprint, Trouble> {
        Footprint::of(generation.pid, self.address.port())
            .map_err(|error| format!("generation {}: {error}", generation.generation).into())
    }

    /// Starts a relay, and waits until it has its listener.
    fn start_relay(&mut self, generation: u64, more: &[&str]) -> Result<Generation, Trouble> {
        let program = self.program(generation).clone();
        let mut command = program.command();
        command.arg("--takeover").arg(self.cast.directory().join("zdt.sock"));
        command.arg("--listen").arg(format!("tcp://{}", self.address));
        command.arg("--probation-ms").arg(PROBATION_MS.to_string()).args(more);
        let pid = self.cast.start(generation, command)?;
        let started = self.until(generation, "started")?;
        program.check_started(pid, &started)?;
        let listening = self.until(generation, "listening")?;
        self.address = listening["address"].as_str().unwrap_or_default().parse()?;
        let runtime = match started["runtime"].as_str() {
            Some(runtime) => runtime.into(),
            None => std::fs::read_link(format!("/proc/{pid}/exe"))?.display().to_string(),
        };
        Ok(Generation { generation, name: program.name, pid, runtime, ..Generation::default() })
    }

    fn start_verifier(&mut self) -> Result<(), Trouble> {
        let beside = std::env::current_exe()?.with_file_name("relay-verifier");
        let program: &Path = self.options.verifier.as_deref().unwrap_or(&beside);
        let Options { connections, rate, new_per_second, .. } = self.options;
        let mut command = Command::new(program);
        command.arg(self.address.to_string());
        command.arg(format!("--connections={connections}"));
        command.arg(format!("--rate={rate}"));
        command.arg(format!("--new-per-second={new_per_second}"));
        self.cast.start(VERIFIER, command)?;
        Ok(())
    }

    /// `generation` takes over from `old`, which ends.
    fn takeover(&mut self, generation: u64, old: &Generation) -> Result<(Row, Generation), Trouble> {
        let predecessor = old.generation;
        let mut new = self.start_relay(generation, &["--hold-before-ready"])?;
        let mut row = Row {
            generation,
            from: old.name.clone(),
            to: new.name.clone(),
            from_pid: old.pid,
            to_pid: new.pid,
            ..Row::default()
        };
        let bar = self.show.takeover(&row);
        // The pauses are those from just before `ready` until everything has moved: starting a process is not part of it.
        let window = format!("{predecessor}->{generation}");
        self.cast.say(VERIFIER, &format!(r#"{{"cmd":"begin","name":"{window}"}}"#))?;
        self.until(VERIFIER, "begun")?;
        row.begin_ms = self.millis();
        self.cast.say(generation, "")?;

        let (mut migrated, mut committed) = (false, false);
        while !(migrated && committed) {
            let (who, event, line) = self.next("the takeover")?;
            let count = |field: &str| line[field].as_u64().unwrap_or_default();
            match (who, event.as_str()) {
                (who, "drain") if who == predecessor => bar.set_length(count("connections")),
                (who, "progress") if who == predecessor => {
                    bar.set_position(count("moved") + count("returned"))
                }
                (who, "committed") if who == generation => committed = true,
                (who, "migrated") if who == predecessor => {
                    migrated = true;
                    row.moved = count("moved");
                    row.returned = count("returned");
                    row.unread_bytes = count("unread_bytes");
                    row.unsent_bytes = count("unsent_bytes");
                    row.state_bytes = count("state_bytes");
                    row.duration_ms = line["duration_ms"].as_f64().unwrap_or_default();
                    bar.set_length(row.moved + row.returned);
                    bar.set_position(row.moved + row.returned);
                }
                // On a busy machine it may be gone before we are told that its successor committed.
                (who, "exit") if who == predecessor && migrated => {}
                (_, "resume" | "aborted" | "accept" | "exit") => {
                    let so_far = format!("migrated {migrated}, committed {committed}");
                    return Err(format!("generation {who} told {line}; so far: {so_far}").into());
                }
                _ => {}
            }
        }
        row.end_ms = self.millis();
        self.rest(AFTERMATH, Some(predecessor))?;
        self.cast.say(VERIFIER, r#"{"cmd":"end"}"#)?;
        let (mut measured, mut gone) = (false, !self.cast.has(predecessor));
        while !(measured && gone) {
            let (who, event, line) = self.next("the predecessor's end")?;
            let millis = |field: &str| line[field].as_f64().unwrap_or_default();
            match (who, event.as_str()) {
                (VERIFIER, "window") => {
                    measured = true;
                    row.pause_p50_ms = millis("pause_p50_ms");
                    row.pause_p99_ms = millis("pause_p99_ms");
                    row.pause_max_ms = millis("pause_max_ms");
                }
                (who, "exit") if who == predecessor => gone = true,
                (_, "resume" | "aborted" | "accept" | "exit") => {
                    return Err(format!("afterwards, generation {who} told {line}").into());
                }
                _ => {}
            }
        }
        self.show.taken_over(&bar, &row);
        new.taken_over = self.footprint(&new)?;
        Ok((row, new))
    }

    /// The next line of anybody and the word for it; totals are shown on the way.
    fn next(&mut self, what: &str) -> Result<(Who, String, Value), Trouble> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The verifier always has something to say, so patience is counted here.
            let heard = self.cast.hear(PATIENCE)?.filter(|_| Instant::now() < deadline);
            let (who, line) = heard.ok_or_else(|| format!("{what} took more than {PATIENCE:?}"))?;
            let word = line["event"].as_str().or(line["type"].as_str()).unwrap_or_default().to_string();
            if word != "totals" {
                return Ok((who, word, line));
            }
            self.show.totals(&line);
        }
    }

    /// Waits for a line of this kind; others pass.
    fn until(&mut self, who: Who, word: &str) -> Result<Value, Trouble> {
        loop {
            let (heard, event, line) = self.next(word)?;
            if (heard, event.as_str()) == (who, word) {
                return Ok(line);
            }
            if event == "exit" && heard != who {
                return Err(format!("{heard} ended while {who} was to be {word}").into());
            }
        }
    }

    /// Lets time pass; only `leaving` may end meanwhile.
    fn rest(&mut self, time: Duration, leaving: Option<Who>) -> Result<(), Trouble> {
        let deadline = Instant::now() + time;
        while let Some((who, line)) = self.cast.hear(deadline.saturating_duration_since(Instant::now()))? {
            if line["type"] == "totals" {
                self.show.totals(&line);
            }
            if line["event"] == "exit" && Some(who) != leaving {
                return Err(format!("{who} ended").into());
            }
        }
        Ok(())
    }
}
