//! The report as one reads it in a terminal.

use crate::report::Report;
use comfy_table::{CellAlignment, Table, presets};
use std::path::Path;

/// The takeovers.
pub fn takeovers(report: &Report) -> Table {
    let mut table = table([
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
    for row in &report.takeovers {
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
    align(&mut table, 3);
    table
}

/// The longest pause that a client saw, for each pair of programs.
pub fn pairs(report: &Report) -> Table {
    let mut table = table(["from", "to", "takeovers", "longest pause ms"]);
    for pair in &report.pairs {
        let pause = format!("{:.1}", pair.pause_max_ms);
        table.add_row([pair.from.clone(), pair.to.clone(), pair.takeovers.to_string(), pause]);
    }
    align(&mut table, 2);
    table
}

/// What the generations held that `steady` compares, and the last one's memory.
pub fn footprints(report: &Report) -> String {
    let held = report.generations.iter().filter(|generation| generation.generation == 3);
    let lines = held.chain(report.generations.last()).map(|generation| {
        let served = &generation.served;
        format!(
            "generation {} ({}): {} fds besides {} connections, {} threads, {} kB resident\n",
            generation.generation,
            generation.name,
            served.fds,
            grouped(served.connections as u64),
            served.threads,
            grouped(served.rss_kb)
        )
    });
    lines.collect()
}

/// The last lines.
pub fn summary(report: &Report, json: &Path, page: &Path) -> String {
    format!(
        "{} requests on {} live and {} new connections over {} takeovers ({}): \
         {} failed, {} reset, {} timed out, {} out of order\nreport: {} and {}",
        grouped(report.requests),
        grouped(report.live_connections),
        grouped(report.new_connections),
        report.takeovers.len(),
        report.programs.join(", "),
        report.failed,
        report.reset,
        report.timeout,
        report.out_of_order,
        page.display(),
        json.display()
    )
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

fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

/// Numbers, from this column on, stand to the right.
fn align(table: &mut Table, first: usize) {
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
