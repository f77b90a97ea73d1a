//! From samples to ratios with their spread: printed, and written as JSON.

use crate::run::{Measured, ONE_PER_MESSAGE, VARIANTS};
use std::fmt::Write;
use std::path::Path;
use zdt_bench::Result;

const MOST_OF_FLOOR: f64 = 1.5;
const LEAST_OF_ONE_PER_MESSAGE: f64 = 10.0;
const MOST_STALL_MS: f64 = 5.0;

/// One run of a variant, and the run of the floor right before it.
pub struct Sample {
    pub name: &'static str,
    pub connections: usize,
    pub round: usize,
    pub floor: Measured,
    pub measured: Measured,
}

/// All samples.
pub struct Report {
    rounds: usize,
    samples: Vec<Sample>,
}

/// A median with the least and the greatest value.
#[derive(Debug, Clone, Copy)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

/// What is reported of one variant at one size.
struct Row {
    name: &'static str,
    connections: usize,
    wall_ms: Spread,
    cpu_ms: Spread,
    floor_wall_ms: Spread,
    floor_cpu_ms: Spread,
    ratio_wall: Spread,
    ratio_cpu: Spread,
    faster: Option<Spread>,
    stall_ms: Option<Spread>,
    preempted_ms: Option<Spread>,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 };
        Some(Spread { median, least, most })
    }
}

impl Report {
    /// An empty report of `rounds` rounds.
    pub fn new(rounds: usize) -> Report {
        Report { rounds, samples: Vec::new() }
    }

    /// Adds a sample.
    pub fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// Tells how far we are.
    pub fn progress(&self, connections: usize, round: usize) {
        eprintln!("{connections} connections: round {} of {}", round + 1, self.rounds);
    }

    fn rows(&self) -> Vec<Row> {
        let mut sizes: Vec<usize> = self.samples.iter().map(|sample| sample.connections).collect();
        sizes.dedup();
        let pairs = sizes.iter().flat_map(|&size| VARIANTS.iter().map(move |variant| (size, variant.name)));
        pairs.filter_map(|(size, name)| self.row(size, name)).collect()
    }

    fn row(&self, connections: usize, name: &'static str) -> Option<Row> {
        let of = |name| self.samples.iter().filter(move |s| s.connections == connections && s.name == name);
        let spread = |value: fn(&Sample) -> f64| Spread::of(of(name).map(value));
        let faster = |sample: &Sample| {
            let slow = of(ONE_PER_MESSAGE).find(|slow| slow.round == sample.round)?;
            Some(slow.measured.wall / sample.measured.wall)
        };
        Some(Row {
            name,
            connections,
            wall_ms: spread(|s| s.measured.wall / 1e6)?,
            cpu_ms: spread(|s| s.measured.cpu / 1e6)?,
            floor_wall_ms: spread(|s| s.floor.wall / 1e6)?,
            floor_cpu_ms: spread(|s| s.floor.cpu / 1e6)?,
            ratio_wall: spread(|s| s.measured.wall / s.floor.wall)?,
            ratio_cpu: spread(|s| s.measured.cpu / s.floor.cpu)?,
            faster: Spread::of(of(name).filter_map(faster)),
            stall_ms: Spread::of(of(name).filter_map(|s| Some(s.measured.stall? / 1e6))),
            preempted_ms: Spread::of(of(name).filter_map(|s| Some(s.measured.preempted? / 1e6))),
        })
    }

    /// Prints the table, and which goals are missed.
    pub fn print(&self) {
        println!(
            "Medians [least - most] of {} rounds; ratios to the run of the floor right before (253 descriptors in a \
             message, 4 messages in flight).",
            self.rounds
        );
        println!(
            "{:>11}  {:<22} {:>9} {:>9}  {:<22}{:<22}{:<26}{:<22}stall while preempted",
            "connections",
            "",
            "wall ms",
            "cpu ms",
            "wall to floor",
            "cpu to floor",
            "times one per message",
            "stall ms"
        );
        let rows = self.rows();
        for row in &rows {
            println!(
                "{:>11}  {:<22} {:>9.2} {:>9.2}  {:<22}{:<22}{:<26}{:<22}{}",
                row.connections,
                row.name,
                row.wall_ms.median,
                row.cpu_ms.median,
                text(Some(row.ratio_wall)),
                text(Some(row.ratio_cpu)),
                text(row.faster),
                text(row.stall_ms),
                text(row.preempted_ms),
            );
        }
        let missed: Vec<String> = rows.iter().flat_map(Row::missed).collect();
        for goal in &missed {
            println!("goal missed: {goal}");
        }
        if missed.is_empty() {
            println!("every goal is met");
        }
    }

    /// Writes the rows as JSON.
    pub fn write(&self, path: &Path) -> Result<()> {
        let rows: Vec<String> = self.rows().iter().map(Row::json).collect();
        let json =
            format!("{{\n  \"rounds\": {},\n  \"rows\": [\n{}\n  ]\n}}\n", self.rounds, rows.join(",\n"));
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(path, json)?;
        println!("written to {}", path.display());
        Ok(())
    }
}

impl Row {
    fn missed(&self) -> Vec<String> {
        let Some(variant) = VARIANTS.iter().find(|v| v.name == self.name && v.has_goals()) else {
            return Vec::new();
        };
        let mut missed = Vec::new();
        let mut goal = |met: bool, what: String| {
            if !met {
                missed.push(format!("{}, {} connections: {what}", self.name, self.connections));
            }
        };
        for (what, ratio) in [("wall time", self.ratio_wall), ("CPU", self.ratio_cpu)] {
            let is = ratio.median;
            goal(is <= MOST_OF_FLOOR, format!("{what} is {is:.2} times the floor, not {MOST_OF_FLOOR}"));
        }
        if let Some(Spread { median: is, .. }) = self.faster {
            goal(
                is >= LEAST_OF_ONE_PER_MESSAGE,
                format!("{is:.1} times faster than one per message, not {LEAST_OF_ONE_PER_MESSAGE}"),
            );
        }
        if let (true, Some(Spread { most: is, .. })) = (variant.is_threaded(), self.stall_ms) {
            goal(is <= MOST_STALL_MS, format!("the longest stall is {is:.1} ms, not {MOST_STALL_MS}"));
        }
        missed
    }

    fn json(&self) -> String {
        let number = |value: Option<f64>| value.map_or("null".into(), |value| format!("{value:.4}"));
        let mut json = format!("    {{ \"name\": \"{}\", \"connections\": {}", self.name, self.connections);
        for (key, value) in [
            ("ratio_wall", Some(self.ratio_wall)),
            ("ratio_cpu", Some(self.ratio_cpu)),
            ("times_faster_than_one_per_message", self.faster),
            ("stall_ms", self.stall_ms),
            ("preempted_ms", self.preempted_ms),
            ("wall_ms", Some(self.wall_ms)),
            ("cpu_ms", Some(self.cpu_ms)),
            ("floor_wall_ms", Some(self.floor_wall_ms)),
            ("floor_cpu_ms", Some(self.floor_cpu_ms)),
        ] {
            for (suffix, value) in [
                ("", value.map(|v| v.median)),
                ("_least", value.map(|v| v.least)),
                ("_most", value.map(|v| v.most)),
            ] {
                // Writing into a String cannot fail.
                _ = write!(json, ", \"{key}{suffix}\": {}", number(value));
            }
        }
        _ = write!(json, ", \"max_stall_ms\": {} }}", number(self.stall_ms.map(|stall| stall.most)));
        json
    }
}

fn text(spread: Option<Spread>) -> String {
    spread.map_or_else(|| "-".into(), |s| format!("{:.2} [{:.2} - {:.2}]", s.median, s.least, s.most))
}
