//! The demo's story: a relay, a verifier, and one takeover after the other, each for people to look at.

use crate::cast::VERIFIER;
use crate::machine::Machine;
use crate::report::{Generation, Report, Row};
use crate::story::Story;
use crate::{Options, Trouble};
use std::time::Duration;

/// How long the verifier has its way between two takeovers, and after a takeover until its window ends.
const QUIET: Duration = Duration::from_millis(500);
const AFTERMATH: Duration = Duration::from_millis(200);

/// Runs the demo to its end; every process is ended whatever happens.
pub fn run(options: &Options) -> Result<Report, Trouble> {
    let mut story = Story::new(options)?;
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
            serving.served = self.footprint(serving.generation, serving.pid)?;
            let (row, next) = self.takeover(generation, &serving).map_err(|error| {
                let to = &self.program(generation).name;
                format!("takeover by generation {generation} ({} -> {to}): {error}", serving.name)
            })?;
            report.taken_over(row);
            report.served(std::mem::replace(&mut serving, next));
        }
        self.rest(QUIET, None)?;
        serving.served = self.footprint(serving.generation, serving.pid)?;
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
        new.taken_over = self.footprint(generation, new.pid)?;
        Ok((row, new))
    }
}
