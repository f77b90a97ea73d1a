//! What came of it, and the verdict.

use super::remains::Remains;
use crate::Trouble;
use crate::console::grouped;
use crate::footprint::Footprint;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

/// Resident memory may grow so much: a runtime with a heap of its own is never twice of the same size,
const MEMORY: f64 = 1.2;
/// and replies that slow clients have not read yet are now in the process and now in the kernel.
const REPLIES_KB: f64 = 8192.0;
/// The median of so many generations is compared, or of a third of them if there are fewer.
const MANY: usize = 5;

/// A process that served.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Generation {
    /// Its number, from 1.
    pub generation: u64,
    /// Name of its program, which begins with its language.
    pub language: String,
    /// Its process id.
    pub pid: u32,
    /// It was started right behind the commit of the one before, whose predecessor had not left yet.
    pub eager: bool,
    /// From its start until it had its listener.
    pub start_ms: f64,
    /// From then until it told that it had committed.
    pub takeover_ms: f64,
    /// Connections that it passed on.
    pub moved: u64,
    /// Connections that came back to it.
    pub returned: u64,
    /// It was alone when it was looked at: so the next four can be compared.
    pub quiet: bool,
    /// Descriptors besides the clients' connections.
    pub fds: usize,
    /// Clients' connections.
    pub connections: usize,
    /// Threads.
    pub threads: usize,
    /// Resident memory.
    pub rss_kb: u64,
}

impl Generation {
    /// One that begins.
    pub fn new(generation: u64, language: &str, pid: u32, eager: bool) -> Generation {
        Generation { generation, language: language.into(), pid, eager, ..Generation::default() }
    }

    /// What it holds.
    pub fn holds(&mut self, footprint: Footprint, quiet: bool) {
        let Footprint { fds, connections, threads, rss_kb } = footprint;
        *self = Generation { fds, connections, threads, rss_kb, quiet, ..std::mem::take(self) };
    }
}

/// What the first generations of a language held, from the third on, and what its last ones held.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Compared {
    /// Name of the program.
    pub language: String,
    /// The two that are compared.
    pub generations: [u64; 2],
    /// Their descriptors.
    pub fds: [usize; 2],
    /// Their threads.
    pub threads: [usize; 2],
    /// Memory: the medians of some of the first ones and of some of the last ones.
    pub rss_kb: [u64; 2],
    /// Half of all its starts took no longer.
    pub start_p50_ms: f64,
    /// Half of all takeovers by it took no longer, from its listener to its commit.
    pub takeover_p50_ms: f64,
}

/// The whole run.
#[derive(Debug, Default, Serialize)]
pub struct Endured {
    /// Takeovers that went through.
    pub takeovers: u64,
    /// What clients saw, and each complaint that is not theirs.
    pub failed: u64,
    /// Everything that is not as promised, in words.
    pub complaints: Vec<String>,
    /// How often a predecessor accepted too, because its successor left a queue unserved for too long: the machine is slow.
    pub shared: u64,
    /// How long it took, without the wait for the machine to become as it was.
    pub seconds: f64,
    /// Long-lived connections, all of which moved each time.
    pub live_connections: u64,
    /// Short connections opened meanwhile.
    pub new_connections: u64,
    /// Requests whose replies were right.
    pub requests: u64,
    /// The longest that one of them took.
    pub longest_ms: f64,
    /// The languages, one by one.
    pub compared: Vec<Compared>,
    /// The machine before anything was started.
    pub before: Remains,
    /// The machine when everything had ended.
    pub after: Remains,
    /// The machine.
    pub machine: Machine,
    /// Every process, in the order in which they left.
    pub generations: Vec<Generation>,
}

impl Endured {
    /// Takes over what the verifier reported; `last` serves.
    pub fn verified(&mut self, line: &Value, last: u64) -> Result<(), Trouble> {
        let count = |field: &str| line[field].as_u64().unwrap_or_default();
        self.live_connections = count("live_connections");
        self.new_connections = count("new_connections");
        self.requests = count("requests");
        self.longest_ms = line["latency"]["max_ms"].as_f64().unwrap_or_default();
        let kinds = ["failed", "reset", "timeout", "out_of_order"].map(|kind| (kind, count(kind)));
        let failed: u64 = kinds.iter().map(|(_, count)| count).sum();
        if failed > 0 {
            let failures: Vec<String> = Deserialize::deserialize(&line["failures"])?;
            let words = kinds.map(|(kind, count)| format!("{count} {kind}")).join(", ");
            self.complaints.push(format!("{words}: {}", failures.join("; ")));
            // The complaint is one more.
            self.failed += failed - 1;
        }
        let there = line["final_generations"][last.to_string()].as_u64().unwrap_or_default();
        if there != self.live_connections {
            let all = self.live_connections;
            self.complaints
                .push(format!("{there} of {all} connections were with generation {last} at the end"));
        }
        Ok(())
    }

    /// The verdict, when everything has ended.
    pub fn judge(&mut self, before: Remains, after: Remains) {
        (self.before, self.after) = (before, after);
        self.complaints.extend(after.more_than(&before, self.takeovers));
        // The last one had nobody to pass anything on to.
        let passing = self.generations.iter().filter(|generation| generation.generation <= self.takeovers);
        let live = self.live_connections;
        for Generation { generation, language, moved, returned, .. } in passing {
            if *moved < live || *returned > 0 {
                let words = format!("{moved} of at least {live} moved, {returned} returned");
                self.complaints.push(format!("generation {generation} ({language}): {words}"));
            }
        }
        let languages: BTreeSet<&String> = self.generations.iter().map(|one| &one.language).collect();
        for language in languages {
            match compare(language, &self.generations) {
                Some(compared) => {
                    self.complaints.extend(compared.grown());
                    self.compared.push(compared);
                }
                None => self.complaints.push(format!("too few takeovers to say whether {language} grows")),
            }
        }
        self.failed += self.complaints.len() as u64;
    }

    /// The last lines.
    pub fn summary(&self, path: &Path) -> String {
        let mut text = String::new();
        for Compared { language, generations, fds, threads, rss_kb, start_p50_ms, takeover_p50_ms } in
            &self.compared
        {
            let _ = writeln!(
                text,
                "{language:>8}, generations {generations:?}: fds {fds:?}, threads {threads:?}, resident kB {rss_kb:?}; \
                 half of its starts took {start_p50_ms:.0} ms, half of the takeovers by it {takeover_p50_ms:.0} ms"
            );
        }
        let _ = write!(
            text,
            "{} takeovers in {:.0} s, {} failed, {} with a successor that hung; {} requests, the longest {:.0} ms, on {} live and \
             {} new connections\nreport: {}",
            grouped(self.takeovers),
            self.seconds,
            self.failed,
            self.shared,
            grouped(self.requests),
            self.longest_ms,
            grouped(self.live_connections),
            grouped(self.new_connections),
            path.display()
        );
        text
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<(), Trouble> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        Ok(std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }
}

impl Compared {
    /// What is more at the end than at the beginning.
    fn grown(&self) -> Option<String> {
        let Compared { language, generations: [first, last], fds, threads, rss_kb, .. } = self;
        let same = fds[0] == fds[1] && threads[0] == threads[1];
        let is_steady = same && rss_kb[1] as f64 <= rss_kb[0] as f64 * MEMORY + REPLIES_KB;
        (!is_steady).then(|| {
            format!(
                "{language}: generation {first} held {} fds, {} threads, {} kB, generation {last} {}, {}, {}",
                fds[0], threads[0], rss_kb[0], fds[1], threads[1], rss_kb[1]
            )
        })
    }
}

/// The first two generations have no predecessor, or none that had one; and only who is alone can be compared.
fn compare(language: &str, all: &[Generation]) -> Option<Compared> {
    let of: Vec<&Generation> = all.iter().filter(|one| one.language == language).collect();
    let quiet: BTreeMap<u64, &Generation> =
        of.iter().filter(|one| one.quiet && one.generation >= 3).map(|one| (one.generation, *one)).collect();
    let quiet: Vec<&Generation> = quiet.into_values().collect();
    let [first, .., last] = quiet[..] else { return None };
    let some = (quiet.len() / 3).clamp(1, MANY);
    let memory = |these: &[&Generation]| median(these.iter().map(|one| one.rss_kb as f64)) as u64;
    let taken_over = || of.iter().filter(|one| one.generation > 1);
    Some(Compared {
        language: language.into(),
        generations: [first.generation, last.generation],
        fds: [first.fds, last.fds],
        threads: [first.threads, last.threads],
        rss_kb: [memory(&quiet[..some]), memory(&quiet[quiet.len() - some..])],
        start_p50_ms: median(taken_over().map(|one| one.start_ms)),
        takeover_p50_ms: median(taken_over().map(|one| one.takeover_ms)),
    })
}

/// The one in the middle; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of 24 takeovers in two languages in which all is well.
    fn good() -> Endured {
        let held = Footprint { fds: 10, connections: 20, threads: 2, rss_kb: 2_000 };
        let generations = (1..=25).map(|number| {
            let mut one = Generation::new(number, ["c", "rust"][number as usize % 2], 7, number > 12);
            (one.moved, one.start_ms) = (20, number as f64);
            one.holds(held.clone(), true);
            one
        });
        Endured {
            takeovers: 24,
            live_connections: 20,
            generations: generations.collect(),
            ..Endured::default()
        }
    }

    fn judged(mut report: Endured) -> Endured {
        let remains = Remains { processes: 3, files: 1_000, alone: true, sockets: 9, orphans: 0 };
        report.judge(remains, remains);
        report
    }

    #[test]
    fn a_good_run_fails_in_nothing() {
        let report = judged(good());
        assert_eq!((report.failed, report.complaints.join("; ")), (0, String::new()));
        let [c, rust] = &report.compared[..] else { panic!("two languages: {:?}", report.compared) };
        assert_eq!((c.generations, rust.generations), ([4, 24], [3, 25]));
        assert_eq!((c.rss_kb, c.start_p50_ms), ([2_000, 2_000], 14.0));
    }

    #[test]
    fn whatever_grows_is_a_failure() {
        let flaws: [fn(&mut Endured); 7] = [
            |report| report.generations[24].fds += 1,
            |report| report.generations[24].threads += 1,
            |report| report.generations[20..].iter_mut().for_each(|one| one.rss_kb = 10_593),
            |report| report.generations[3].moved -= 1,
            |report| report.generations[3].returned += 1,
            |report| report.generations.truncate(2),
            |report| report.generations.iter_mut().for_each(|one| one.quiet = one.language == "c"),
        ];
        for (number, flaw) in flaws.iter().enumerate() {
            let mut report = good();
            flaw(&mut report);
            assert!(judged(report).failed > 0, "flaw {number}");
        }
    }

    #[test]
    fn memory_of_one_generation_alone_says_nothing() {
        let mut report = good();
        report.generations[24].rss_kb = 20_000;
        report.generations[0].fds = 99;
        assert_eq!(judged(report).failed, 0);
    }

    #[test]
    fn what_clients_saw_is_counted() {
        let mut report = good();
        let line = serde_json::json!({"failed": 2, "reset": 1, "timeout": 0, "out_of_order": 0,
            "failures": ["live-3: Reset"], "live_connections": 20, "final_generations": {"25": 20},
            "latency": {"max_ms": 12.5}});
        report.verified(&line, 25).unwrap();
        let report = judged(report);
        assert_eq!(report.longest_ms, 12.5);
        assert_eq!((report.failed, report.complaints.len()), (3, 1));
        let mut elsewhere = good();
        let line = serde_json::json!({"live_connections": 20, "final_generations": {"24": 1, "25": 19}});
        elsewhere.verified(&line, 25).unwrap();
        assert_eq!(judged(elsewhere).failed, 1);
    }
}
