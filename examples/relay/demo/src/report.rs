//! What came of it, and what is wrong with it.

use crate::Trouble;
use crate::footprint::Footprint;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// One takeover.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// The generation that took over.
    pub generation: u64,
    /// Name of the predecessor's program.
    pub from: String,
    /// Name of the successor's.
    pub to: String,
    /// Process id of the predecessor.
    pub from_pid: u32,
    /// Process id of the successor.
    pub to_pid: u32,
    /// Connections that moved.
    pub moved: u64,
    /// Connections that returned.
    pub returned: u64,
    /// Bytes read and not used yet that moved with them.
    pub unread_bytes: u64,
    /// Bytes not written yet that moved with them.
    pub unsent_bytes: u64,
    /// The application's own state that moved with them.
    pub state_bytes: u64,
    /// From Drain until the last connection was settled.
    pub duration_ms: f64,
    /// The longest latency of half of the connections in that time was no longer than this.
    pub pause_p50_ms: f64,
    /// Of 99 in 100 of them.
    pub pause_p99_ms: f64,
    /// Of all of them.
    pub pause_max_ms: f64,
    /// When the successor was told to be ready, on the timeline.
    pub begin_ms: f64,
    /// When all had moved and the successor had committed.
    pub end_ms: f64,
}

/// A process that served.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Generation {
    /// Its number, from 1.
    pub generation: u64,
    /// Name of its program.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// What runs it, as it tells; else its executable.
    pub runtime: String,
    /// What it held as soon as its predecessor was gone.
    pub taken_over: Footprint,
    /// What it held when it had served for a while, right before the next takeover.
    pub served: Footprint,
}

/// All takeovers from one program by one other.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Pair {
    /// Name of the predecessors' program.
    pub from: String,
    /// Name of the successors'.
    pub to: String,
    /// How many there were.
    pub takeovers: u64,
    /// The longest pause that a client saw in any of them.
    pub pause_max_ms: f64,
}

/// What happened in a short time, as the verifier saw it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Bin {
    /// Requests whose replies were right.
    pub requests: u64,
    /// Connections that failed.
    pub failed: u64,
    /// Half of the latencies are no longer than this; nothing if there was none.
    pub p50_ms: Option<f64>,
    /// 99 in 100 are no longer than this.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
}

/// The whole run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Processes that served, one after the other.
    pub generations: Vec<Generation>,
    /// Names of their programs, in order of appearance.
    pub programs: Vec<String>,
    /// Long-lived connections.
    pub live_connections: u64,
    /// Short connections opened meanwhile.
    pub new_connections: u64,
    /// Requests whose replies were right.
    pub requests: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Connections reset.
    pub reset: u64,
    /// Requests not answered in time.
    pub timeout: u64,
    /// Replies lost, doubled or reordered.
    pub out_of_order: u64,
    /// Latency of all requests that were read as fast as possible.
    pub latency: Value,
    /// The first failures in words.
    pub failures: Vec<String>,
    /// The takeovers.
    pub takeovers: Vec<Row>,
    /// The same by pair of programs.
    pub pairs: Vec<Pair>,
    /// Long-lived connections that the last generation served at the end.
    pub at_last_generation: u64,
    /// The machine.
    pub machine: Machine,
    /// When every connection was up, on the timeline, which begins with the verifier.
    pub ready_ms: f64,
    /// When the verifier was told to stop.
    pub stop_ms: f64,
    /// How long each of the bins is.
    pub bin_ms: f64,
    /// The timeline.
    pub bins: Vec<Bin>,
}

impl Report {
    /// Adds a process that has served.
    pub fn served(&mut self, generation: Generation) {
        if !self.programs.contains(&generation.name) {
            self.programs.push(generation.name.clone());
        }
        self.generations.push(generation);
    }

    /// Adds a takeover.
    pub fn taken_over(&mut self, row: Row) {
        let place = self.pairs.iter().position(|pair| pair.from == row.from && pair.to == row.to);
        let place = place.unwrap_or_else(|| {
            self.pairs.push(Pair { from: row.from.clone(), to: row.to.clone(), ..Pair::default() });
            self.pairs.len() - 1
        });
        let pair = &mut self.pairs[place];
        pair.takeovers += 1;
        pair.pause_max_ms = pair.pause_max_ms.max(row.pause_max_ms);
        self.takeovers.push(row);
    }

    /// Takes over what the verifier reported.
    pub fn verified(&mut self, line: &Value) -> Result<(), Trouble> {
        let count = |field: &str| line[field].as_u64().unwrap_or_default();
        self.live_connections = count("live_connections");
        self.new_connections = count("new_connections");
        self.requests = count("requests");
        self.failed = count("failed");
        self.reset = count("reset");
        self.timeout = count("timeout");
        self.out_of_order = count("out_of_order");
        self.latency = line["latency"].clone();
        self.failures = Deserialize::deserialize(&line["failures"])?;
        self.bin_ms = line["bin_ms"].as_f64().unwrap_or_default();
        self.bins = Deserialize::deserialize(&line["bins"])?;
        let last = self.generations.len().to_string();
        self.at_last_generation = line["final_generations"][last].as_u64().unwrap_or_default();
        Ok(())
    }

    /// What no client may ever see.
    pub fn all_failures(&self) -> u64 {
        self.failed + self.reset + self.timeout + self.out_of_order
    }

    /// Everything that is not as promised; empty if all is well. `steady`: nothing may pile up from generation to
    /// generation either.
    pub fn complaints(&self, steady: bool) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.all_failures() > 0 {
            let Report { failed, reset, timeout, out_of_order, failures, .. } = self;
            complaints.push(format!(
                "{failed} failed, {reset} reset, {timeout} timed out, {out_of_order} out of order{}: {}",
                self.first_failure().unwrap_or_default(),
                failures.join("; ")
            ));
        }
        for row in &self.takeovers {
            if row.moved < self.live_connections || row.returned > 0 {
                let Row { generation, from, to, moved, returned, .. } = row;
                complaints.push(format!(
                    "takeover by generation {generation} ({from} -> {to}): {moved} moved, {returned} returned"
                ));
            }
        }
        if self.at_last_generation != self.live_connections {
            let (there, all) = (self.at_last_generation, self.live_connections);
            complaints
                .push(format!("only {there} of {all} connections were with the last generation at the end"));
        }
        for (what, sum) in [
            ("unread", self.takeovers.iter().map(|row| row.unread_bytes).sum::<u64>()),
            ("unsent", self.takeovers.iter().map(|row| row.unsent_bytes).sum()),
        ] {
            if sum == 0 {
                complaints.push(format!("no {what} bytes were carried: that is no test"));
            }
        }
        if steady {
            complaints.extend(self.unsteady());
        }
        complaints
    }

    /// Where on the timeline the first failure was seen.
    fn first_failure(&self) -> Option<String> {
        let bin = self.bins.iter().position(|bin| bin.failed > 0)?;
        let at = (bin + 1) as f64 * self.bin_ms;
        let row = self.takeovers.iter().rfind(|row| row.begin_ms < at)?;
        let Row { generation, from, to, begin_ms, .. } = row;
        let since = (at - begin_ms) / 1000.0;
        Some(format!(
            ", the first within {since:.1} s of the beginning of the takeover by generation {generation} \
             ({from} -> {to})"
        ))
    }

    /// What the last generation holds must be what the third one held: the first has no predecessor, and the second none
    /// that had one.
    fn unsteady(&self) -> Option<String> {
        let [_, _, third, .., last] = &self.generations[..] else {
            return Some("three takeovers at least show whether something piles up".into());
        };
        let held = |generation: &Generation| (generation.served.fds, generation.served.threads);
        let words = |generation: &Generation| {
            let (fds, threads) = held(generation);
            format!(
                "generation {} ({}): {fds} fds, {threads} threads",
                generation.generation, generation.name
            )
        };
        (held(third) != held(last)).then(|| format!("{}; {}", words(third), words(last)))
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<(), Trouble> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        Ok(std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A small run in which all is well.
    pub fn good() -> Report {
        let mut report = Report { live_connections: 20, at_last_generation: 20, ..Report::default() };
        for generation in 1..=4 {
            let name = ["c", "rust"][generation % 2].to_string();
            if let Some(last) = report.generations.last().map(|last| last.name.clone()) {
                report.taken_over(Row {
                    generation: generation as u64,
                    from: last,
                    to: name.clone(),
                    moved: 20,
                    unread_bytes: 1,
                    unsent_bytes: 1,
                    pause_max_ms: 10.0 + generation as f64,
                    begin_ms: 1_000.0 * generation as f64,
                    end_ms: 1_000.0 * generation as f64 + 50.0,
                    ..Row::default()
                });
            }
            let served = Footprint { fds: 10, connections: 20, threads: 1, rss_kb: 2_000 };
            let generation = generation as u64;
            report.served(Generation { generation, name, served, ..Generation::default() });
        }
        let bin = Bin { requests: 7, failed: 0, p50_ms: Some(0.1), p99_ms: Some(2.0), max_ms: Some(14.0) };
        report.bins = vec![bin; 50];
        (report.bin_ms, report.ready_ms, report.stop_ms) = (100.0, 500.0, 4_900.0);
        report
    }

    #[test]
    fn a_good_run_gives_no_complaint_and_every_flaw_one() {
        assert_eq!(good().complaints(true), [""; 0]);
        let flaws: [fn(&mut Report); 12] = [
            |report| report.failed = 1,
            |report| report.reset = 1,
            |report| report.timeout = 1,
            |report| report.out_of_order = 1,
            |report| report.takeovers[0].moved = 19,
            |report| report.takeovers[0].returned = 1,
            |report| report.at_last_generation = 19,
            |report| report.takeovers.iter_mut().for_each(|row| row.unread_bytes = 0),
            |report| report.takeovers.iter_mut().for_each(|row| row.unsent_bytes = 0),
            |report| report.generations[3].served.fds += 1,
            |report| report.generations[3].served.threads += 1,
            |report| report.generations.truncate(3),
        ];
        for (number, flaw) in flaws.iter().enumerate() {
            let mut report = good();
            flaw(&mut report);
            assert_eq!(report.complaints(true).len(), 1, "flaw {number}");
            assert_eq!(report.complaints(false).len(), usize::from(number < 9), "flaw {number}");
        }
    }

    #[test]
    fn a_failure_names_the_takeover_in_which_it_was_seen() {
        let mut report = good();
        report.failed = 1;
        report.bins[31].failed = 1;
        let complaint = report.complaints(false).remove(0);
        assert!(complaint.contains("takeover by generation 3 (c -> rust)"), "{complaint}");
        assert!(complaint.contains("within 0.2 s"), "{complaint}");
    }

    #[test]
    fn a_pair_has_the_longest_pause_of_its_takeovers() {
        let pair = |from: &str, to: &str, takeovers, pause_max_ms| Pair {
            from: from.into(),
            to: to.into(),
            takeovers,
            pause_max_ms,
        };
        assert_eq!(good().pairs, [pair("rust", "c", 2, 14.0), pair("c", "rust", 1, 13.0)]);
    }
}
