//! Endurance: takeovers one behind the other, for as long as one likes, while the same connections go from process to
//! process. What is wrong stops it at once, and what the last processes told is kept.

mod remains;
mod report;

use crate::cast::{VERIFIER, Who};
use crate::footprint::Footprint;
use crate::machine::Machine;
use crate::story::Story;
use crate::{Options, Trouble};
use remains::Remains;
use report::{Endured, Generation};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a generation that is alone serves before it is looked at.
const QUIET: Duration = Duration::from_millis(200);
/// So many generations' logs are there if something goes wrong, besides those that still run.
const LOGS: u64 = 6;

/// A process that runs.
struct Act {
    generation: Generation,
    began: Instant,
    listening: Option<Instant>,
    committed: bool,
    migrated: bool,
    /// Somebody looks at what it holds, while it is being taken over.
    look: Option<JoinHandle<Option<Footprint>>>,
}

impl Act {
    fn new(generation: Generation) -> Act {
        let began = Instant::now();
        Act { generation, began, listening: None, committed: false, migrated: false, look: None }
    }
}

struct Run<'a> {
    story: Story<'a>,
    /// By generation, until they exit.
    acts: BTreeMap<Who, Act>,
    report: Endured,
}

/// Runs it; every process is ended whatever happens. Fails only where nothing could be begun.
pub fn run(options: &Options) -> Result<Endured, Trouble> {
    let before = Remains::now(options.alone)?;
    let story = Story::new(options)?;
    let report = Endured { machine: Machine::this(), ..Endured::default() };
    let mut run = Run { story, acts: BTreeMap::new(), report };
    let began = Instant::now();
    let told = run.tell();
    run.report.seconds = began.elapsed().as_secs_f64();
    run.story.show.end();
    if let Err(trouble) = told {
        run.report.complaints.push(trouble.to_string());
        let logs = options.report.with_file_name("logs");
        run.story.cast.keep_logs(&logs)?;
        run.report.complaints.push(format!("what the last processes told is in {}", logs.display()));
        // Its words help to understand; where it has none, the above must do.
        let _ = run.verified();
    }
    let Run { story, mut report, .. } = run;
    drop(story);
    report.judge(before, Remains::settled(&before, options.takeovers)?);
    Ok(report)
}

impl Run<'_> {
    fn tell(&mut self) -> Result<(), Trouble> {
        let count = self.story.options.takeovers;
        let round = self.story.round();
        let first = self.story.first()?;
        self.acts.insert(1, Act::new(Generation::new(1, &first.name, first.pid, false)));
        let beside = self.beside()?;
        let bar = self.story.show.takeovers(count);
        for generation in 2..=count + 1 {
            let behind = is_eager(generation, round);
            if !behind {
                self.quiet(generation - 1)?;
            }
            self.takeover(generation, behind).map_err(|error| {
                let pair = self.pair(generation);
                let how = if behind { ", right behind the one before" } else { "" };
                format!("takeover by generation {generation} ({pair}{how}): {error}")
            })?;
            self.report.takeovers += 1;
            self.story.show.one_more(&bar, self.pair(generation), round);
        }
        let last = count + 1;
        self.quiet(last)?;
        if self.beside()? != beside {
            let now = self.beside()?;
            self.report.complaints.push(format!("beside the takeover socket were {beside:?}, now {now:?}"));
        }
        self.verified()?;
        self.story.cast.terminate(last)?;
        self.wait("the last one's end", |run| run.acts.is_empty())
    }

    /// `generation` takes over: until it has committed, and is looked at if the next one comes right behind it.
    fn takeover(&mut self, generation: u64, behind: bool) -> Result<(), Trouble> {
        let pid = self.story.launch(generation, &[])?;
        let name = self.story.program(generation).name.clone();
        self.acts.insert(generation, Act::new(Generation::new(generation, &name, pid, behind)));
        if let Some(act) = self.acts.get_mut(&(generation - 1)).filter(|_| behind) {
            // Its own predecessor may still be there, so this is no measure; but it is a figure.
            let (pid, port) = (act.generation.pid, self.story.port());
            act.look = Some(std::thread::spawn(move || Footprint::of(pid, port).ok()));
        }
        self.wait("the commit", |run| run.acts.get(&generation).is_none_or(|act| act.committed))
    }

    /// Waits until `generation` is alone, and looks at what it holds.
    fn quiet(&mut self, generation: u64) -> Result<(), Trouble> {
        self.wait("the predecessors' end", |run| run.acts.keys().eq([&generation]))?;
        let until = Instant::now() + QUIET;
        while let Some((who, event, line)) = self.story.next_before(until)? {
            self.heard(who, &event, &line)?;
        }
        if let Some(act) = self.acts.get_mut(&generation) {
            let footprint = self.story.footprint(generation, act.generation.pid)?;
            act.generation.holds(footprint, true);
        }
        Ok(())
    }

    /// Waits until it is so.
    fn wait(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), Trouble> {
        while !is_so(self) {
            let (who, event, line) = self.story.next(what)?;
            self.heard(who, &event, &line)?;
        }
        Ok(())
    }

    /// What somebody told, and whether that may be.
    fn heard(&mut self, who: Who, event: &str, line: &Value) -> Result<(), Trouble> {
        let failed: u64 = ["failed", "reset", "timeout", "out_of_order"]
            .iter()
            .filter_map(|kind| self.story.totals[kind].as_u64())
            .sum();
        if failed > 0 {
            return Err(format!("a client saw a failure: {}", self.story.totals).into());
        }
        let program = self.story.program(who.max(1));
        let Some(act) = self.acts.get_mut(&who) else {
            return match event {
                "exit" => Err("the verifier ended".into()),
                _ => Ok(()),
            };
        };
        let number = |field: &str| line[field].as_u64().unwrap_or_default();
        let millis = |since: Instant| since.elapsed().as_secs_f64() * 1000.0;
        match event {
            "started" => program.check_started(act.generation.pid, line)?,
            "listening" => {
                act.generation.start_ms = millis(act.began);
                act.listening = Some(Instant::now());
            }
            "committed" => {
                act.committed = true;
                act.generation.takeover_ms = act.listening.map_or(0.0, millis);
            }
            "migrated" => {
                act.migrated = true;
                // One that accepted for a hung successor drains once more, when that one is awake.
                act.generation.moved = act.generation.moved.max(number("moved"));
                act.generation.returned = act.generation.returned.max(number("returned"));
            }
            "exit" => {
                let is_last = who == self.story.options.takeovers + 1;
                if !act.migrated && !is_last {
                    return Err(format!("generation {who} has left without all being migrated").into());
                }
                if let Some(mut act) = self.acts.remove(&who) {
                    if let Some(Ok(Some(footprint))) = act.look.map(JoinHandle::join) {
                        act.generation.holds(footprint, false);
                    }
                    self.report.generations.push(act.generation);
                }
                self.story.cast.forget(who.saturating_sub(LOGS));
            }
            // Its successor got no processor for so long: nobody is lost, and two accept for a while.
            "accept" if !self.story.options.strict => self.report.shared += 1,
            "accept" | "resume" | "aborted" | "returned" => {
                return Err(format!("generation {who} told {line}").into());
            }
            _ => {}
        }
        Ok(())
    }

    /// The verifier asks every connection for the last time, and reports.
    fn verified(&mut self) -> Result<(), Trouble> {
        self.story.cast.say(VERIFIER, r#"{"cmd":"stop"}"#)?;
        loop {
            let (who, event, line) = self.story.next("the verifier's report")?;
            match event.as_str() {
                "report" => self.report.verified(&line, self.story.options.takeovers + 1)?,
                "exit" if who == VERIFIER => return Ok(()),
                _ => {}
            }
        }
    }

    fn pair(&self, generation: u64) -> String {
        format!("{} -> {}", self.story.program(generation - 1).name, self.story.program(generation).name)
    }

    /// What lies in the directory of the takeover socket.
    fn beside(&self) -> Result<BTreeSet<String>, Trouble> {
        let entries = self.story.cast.directory().read_dir()?;
        entries.map(|entry| Ok(entry?.file_name().display().to_string())).collect()
    }
}

/// Whether `generation` is started as soon as the one before has committed, while that one's predecessors are still there:
/// so it goes in every second round of all pairs.
fn is_eager(generation: u64, round: u64) -> bool {
    ((generation - 2) / round) % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_comes_with_a_pause_and_without() {
        let eager: Vec<u64> = (2..=13).filter(|generation| is_eager(*generation, 3)).collect();
        assert_eq!(eager, [5, 6, 7, 11, 12, 13]);
    }
}
