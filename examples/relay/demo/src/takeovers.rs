//! The story: a relay, a verifier, and one takeover after the other.

use crate::cast::{Cast, VERIFIER, Who};
use crate::report::{Report, Row};
use crate::show::Show;
use crate::{Options, Trouble};
use serde_json::Value;
use std::path::Path;
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
    cast: Cast,
    show: Show,
    address: String,
}

/// Runs the demo to its end; every process is ended whatever happens.
pub fn run(options: &Options) -> Result<Report, Trouble> {
    let address = "127.0.0.1:0".into();
    let mut story = Story { options, cast: Cast::new()?, show: Show::new(), address };
    let report = story.tell();
    story.show.end();
    report
}

impl Story<'_> {
    fn tell(&mut self) -> Result<Report, Trouble> {
        let (mut language, mut pid) = self.start_relay(1, &[])?;
        self.show.say(&format!("generation 1: {language} {pid}"));
        self.address = self.until(1, "listening")?["address"].as_str().unwrap_or_default().into();
        self.until(1, "ready")?;
        self.start_verifier()?;
        self.until(VERIFIER, "ready")?;

        let mut report = Report { languages: vec![language.clone()], ..Report::default() };
        for generation in 2..=self.options.takeovers + 1 {
            self.rest(QUIET, None)?;
            let row = self.takeover(generation, (language, pid))?;
            (language, pid) = (row.to.clone(), row.to_pid);
            if !report.languages.contains(&language) {
                report.languages.push(language.clone());
            }
            report.takeovers.push(row);
        }
        report.generations = self.options.takeovers + 1;

        self.rest(QUIET, None)?;
        self.cast.say(VERIFIER, r#"{"cmd":"stop"}"#)?;
        report.verified(&self.until(VERIFIER, "report")?);
        self.until(VERIFIER, "exit")?;
        self.cast.terminate(report.generations)?;
        self.until(report.generations, "exit")?;
        Ok(report)
    }

    fn start_relay(&mut self, generation: u64, more: &[&str]) -> Result<(String, u32), Trouble> {
        let turn = (generation - 1) as usize % self.options.relays.len();
        let (language, program) = &self.options.relays[turn];
        let socket = self.cast.directory().join("zdt.sock").display().to_string();
        let listen = format!("tcp://{}", self.address);
        let probation = PROBATION_MS.to_string();
        let fixed = ["--takeover", &socket, "--listen", &listen, "--probation-ms", &probation];
        let arguments: Vec<String> = fixed.iter().chain(more).map(ToString::to_string).collect();
        Ok((language.clone(), self.cast.start(generation, program, &arguments)?))
    }

    fn start_verifier(&mut self) -> Result<(), Trouble> {
        let beside = std::env::current_exe()?.with_file_name("relay-verifier");
        let program: &Path = self.options.verifier.as_deref().unwrap_or(&beside);
        let Options { connections, rate, new_per_second, .. } = self.options;
        let arguments = [
            self.address.clone(),
            format!("--connections={connections}"),
            format!("--rate={rate}"),
            format!("--new-per-second={new_per_second}"),
        ];
        self.cast.start(VERIFIER, program, &arguments)?;
        Ok(())
    }

    /// `generation` takes over from the one before it.
    fn takeover(&mut self, generation: u64, (from, from_pid): (String, u32)) -> Result<Row, Trouble> {
        let predecessor = generation - 1;
        let (to, to_pid) = self.start_relay(generation, &["--hold-before-ready"])?;
        let mut row = Row { generation, from, to, from_pid, to_pid, ..Row::default() };
        let bar = self.show.takeover(&row);
        self.until(generation, "listening")?;
        // The pauses are those from just before `ready` until everything has moved: starting a process is not part of it.
        let window = format!("{predecessor}->{generation}");
        self.cast.say(VERIFIER, &format!(r#"{{"cmd":"begin","name":"{window}"}}"#))?;
        self.until(VERIFIER, "begun")?;
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
                    row.duration_ms = line["duration_ms"].as_f64().unwrap_or_default();
                    bar.set_length(row.moved + row.returned);
                    bar.set_position(row.moved + row.returned);
                }
                (_, "resume" | "aborted" | "accept" | "exit") => {
                    return Err(format!("takeover by generation {generation} failed: {who}: {line}").into());
                }
                _ => {}
            }
        }
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
                    return Err(
                        format!("after the takeover by generation {generation}: {who}: {line}").into()
                    );
                }
                _ => {}
            }
        }
        self.show.taken_over(&bar, &row);
        Ok(row)
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
