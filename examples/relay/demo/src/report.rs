//! What came of it: a table to read, a file to keep.

use crate::Trouble;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// One takeover.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// The generation that took over.
    pub generation: u64,
    /// Language of the predecessor.
    pub from: String,
    /// Language of the successor.
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
    /// From Drain until the last connection was settled.
    pub duration_ms: f64,
    /// The longest latency of half of the connections in that time was no longer than this.
    pub pause_p50_ms: f64,
    /// Of 99 in 100 of them.
    pub pause_p99_ms: f64,
    /// Of all of them.
    pub pause_max_ms: f64,
}

/// The whole run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Processes that served, one after the other.
    pub generations: u64,
    /// Their languages, in order of appearance.
    pub languages: Vec<String>,
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
    pub failures: Value,
    /// The takeovers.
    pub takeovers: Vec<Row>,
    /// Long-lived connections that the last generation served at the end.
    pub at_last_generation: u64,
}

impl Report {
    /// Takes over what the verifier reported.
    pub fn verified(&mut self, line: &Value) {
        let count = |field: &str| line[field].as_u64().unwrap_or_default();
        self.live_connections = count("live_connections");
        self.new_connections = count("new_connections");
        self.requests = count("requests");
        self.failed = count("failed");
        self.reset = count("reset");
        self.timeout = count("timeout");
        self.out_of_order = count("out_of_order");
        self.latency = line["latency"].clone();
        self.failures = line["failures"].clone();
        self.at_last_generation =
            line["final_generations"][self.generations.to_string()].as_u64().unwrap_or_default();
    }

    /// Everything that is not as promised; empty if all is well.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let wrong = [self.failed, self.reset, self.timeout, self.out_of_order];
        if wrong != [0; 4] {
            let [failed, reset, timeout, out_of_order] = wrong;
            complaints.push(format!(
                "{failed} failed, {reset} reset, {timeout} timed out, {out_of_order} out of order: {}",
                self.failures
            ));
        }
        for row in &self.takeovers {
            if row.moved < self.live_connections || row.returned > 0 {
                let Row { generation, moved, returned, .. } = row;
                complaints
                    .push(format!("takeover by generation {generation}: {moved} moved, {returned} returned"));
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
        complaints
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<(), Trouble> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        Ok(std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// The takeovers as a table.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header([
            "takeover",
            "from",
            "to",
            "moved",
            "returned",
            "unread B",
            "unsent B",
            "took ms",
            "pause p50 ms",
            "p99 ms",
            "max ms",
        ]);
        for row in &self.takeovers {
            table.add_row([
                format!("{} -> {}", row.generation - 1, row.generation),
                format!("{} {}", row.from, row.from_pid),
                format!("{} {}", row.to, row.to_pid),
                grouped(row.moved),
                grouped(row.returned),
                grouped(row.unread_bytes),
                grouped(row.unsent_bytes),
                format!("{:.1}", row.duration_ms),
                format!("{:.1}", row.pause_p50_ms),
                format!("{:.1}", row.pause_p99_ms),
                format!("{:.1}", row.pause_max_ms),
            ]);
        }
        for column in table.column_iter_mut().skip(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// The last lines.
    pub fn summary(&self, path: &Path) -> String {
        format!(
            "{} requests on {} live and {} new connections over {} takeovers ({}): \
             {} failed, {} reset, {} timed out, {} out of order\nreport: {}",
            grouped(self.requests),
            grouped(self.live_connections),
            grouped(self.new_connections),
            self.takeovers.len(),
            self.languages.join(", "),
            self.failed,
            self.reset,
            self.timeout,
            self.out_of_order,
            path.display()
        )
    }
}

/// A number with commas.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Report {
        let row = Row { generation: 2, moved: 20, unread_bytes: 1, unsent_bytes: 1, ..Row::default() };
        Report {
            generations: 2,
            live_connections: 20,
            at_last_generation: 20,
            takeovers: vec![row],
            ..Report::default()
        }
    }

    #[test]
    fn a_good_run_gives_no_complaint_and_every_flaw_one() {
        assert_eq!(good().complaints(), [""; 0]);
        let flaws: [fn(&mut Report); 9] = [
            |report| report.failed = 1,
            |report| report.reset = 1,
            |report| report.timeout = 1,
            |report| report.out_of_order = 1,
            |report| report.takeovers[0].moved = 19,
            |report| report.takeovers[0].returned = 1,
            |report| report.at_last_generation = 19,
            |report| report.takeovers[0].unread_bytes = 0,
            |report| report.takeovers[0].unsent_bytes = 0,
        ];
        for (number, flaw) in flaws.iter().enumerate() {
            let mut report = good();
            flaw(&mut report);
            assert_eq!(report.complaints().len(), 1, "flaw {number}");
        }
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
