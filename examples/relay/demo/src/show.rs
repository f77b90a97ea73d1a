//! What one sees while it runs: bars on a terminal, plain lines elsewhere.

use crate::console::grouped;
use crate::report::Row;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::io::IsTerminal;

/// The screen.
pub struct Show {
    all: MultiProgress,
    totals: ProgressBar,
    terminal: bool,
}

impl Show {
    /// An empty screen.
    pub fn new() -> Show {
        let terminal = std::io::stdout().is_terminal();
        let all = MultiProgress::with_draw_target(if terminal {
            ProgressDrawTarget::stdout()
        } else {
            ProgressDrawTarget::hidden()
        });
        let totals = all.add(ProgressBar::new_spinner());
        Show { all, totals, terminal }
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        if !self.terminal || self.all.println(line).is_err() {
            println!("{line}");
        }
    }

    /// The verifier's running totals.
    pub fn totals(&self, line: &Value) {
        let count = |field: &str| grouped(line[field].as_u64().unwrap_or_default());
        self.totals.set_message(format!(
            "{} live, {} new, {} requests: {} failed, {} reset, {} timed out, {} out of order",
            count("live_connections"),
            count("new_connections"),
            count("requests"),
            count("failed"),
            count("reset"),
            count("timeout"),
            count("out_of_order")
        ));
        self.totals.tick();
    }

    /// A takeover begins: its bar.
    pub fn takeover(&self, row: &Row) -> ProgressBar {
        let bar = self.all.insert_before(&self.totals, ProgressBar::new(0));
        // A template of ours: it parses.
        let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos}/{len} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("#> "));
        bar.set_prefix(title(row));
        bar.tick();
        bar
    }

    /// It is over.
    pub fn taken_over(&self, bar: &ProgressBar, row: &Row) {
        let result = format!(
            "moved {} in {:.1} ms, {} B unread, {} B unsent, longest pause {:.1} ms",
            grouped(row.moved),
            row.duration_ms,
            grouped(row.unread_bytes),
            grouped(row.unsent_bytes),
            row.pause_max_ms
        );
        if self.terminal {
            bar.finish_with_message(result);
        } else {
            println!("{}  {result}", title(row));
        }
    }

    /// Many takeovers are to come: one bar for all.
    pub fn takeovers(&self, count: u64) -> ProgressBar {
        let bar = self.all.insert_before(&self.totals, ProgressBar::new(count));
        // A template of ours: it parses.
        let style = ProgressStyle::with_template("[{bar:40}] {pos}/{len}, {per_sec}, {eta} left  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("#> "));
        bar
    }

    /// One more of them; where there is no terminal, every `every`th is a line.
    pub fn one_more(&self, bar: &ProgressBar, what: String, every: u64) {
        bar.inc(1);
        let (done, all) = (bar.position(), bar.length().unwrap_or_default());
        if !self.terminal && (done.is_multiple_of(every) || done == all) {
            println!("{done}/{all}, {:.2} a second  {what}; {}", bar.per_sec(), self.totals.message());
        }
        bar.set_message(what);
    }

    /// Nothing moves any more.
    pub fn end(&self) {
        self.totals.finish();
        if self.terminal {
            println!();
        }
    }
}

fn title(row: &Row) -> String {
    let Row { generation, from, to, from_pid, to_pid, .. } = row;
    format!(
        "{:>2} -> {generation:<2}  {:>12} -> {:<12}",
        generation - 1,
        format!("{from} {from_pid}"),
        format!("{to} {to_pid}")
    )
}
