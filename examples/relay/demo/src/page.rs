//! The report as a page to look at: one file, with nothing from elsewhere in it.

use crate::Trouble;
use crate::chart;
use crate::console::grouped;
use crate::report::{Generation, Report, Row};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::style::RGBColor;

/// The page.
pub fn page(report: &Report) -> Result<String, Trouble> {
    let (latency, throughput) = (chart::latency(report)?, chart::throughput(report)?);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "libzdt demo: " (report.takeovers.len()) " takeovers" }
                style { (PreEscaped(include_str!("page.css"))) (PreEscaped(dark())) }
            }
            body {
                (headline(report))
                (tiles(report))
                h2 { "What the clients saw" }
                p {
                    "Each grey mark is a takeover: one process hands its listener and every live connection to the next. \
                     Clients never connect again, never repeat a request, and check every byte that comes back. In steps \
                     of " (report.bin_ms) " ms."
                }
                figure {
                    figcaption {
                        "Requests per second, by who served"
                        span.legend { @for name in &report.programs { (swatch(chart::color(report, name), name)) } }
                    }
                    (PreEscaped(throughput))
                }
                figure {
                    figcaption {
                        "Latency, on a logarithmic scale"
                        span.legend { @for (name, color) in chart::LINES.iter().rev() { (swatch(*color, name)) } }
                    }
                    (PreEscaped(latency))
                }
                h2 { "The longest pause of any client, from whom to whom" }
                (pairs(report))
                h2 { "Takeovers" }
                (takeovers(report))
                h2 { "Processes" }
                (generations(report))
                h2 { "Where it ran" }
                (machine(report))
            }
        }
    };
    Ok(page.into_string())
}

/// What changes its colour in the dark.
fn dark() -> String {
    let is = |color: RGBColor| format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2);
    let (ink, grid) = (is(chart::INK), is(chart::GRID));
    format!(
        "@media(prefers-color-scheme:dark){{svg [fill=\"{ink}\"]{{fill:var(--soft)}}\
         svg [stroke=\"{grid}\"]{{stroke:var(--line)}}}}"
    )
}

fn headline(report: &Report) -> Markup {
    let failures = report.all_failures();
    let (takeovers, live) = (report.takeovers.len(), grouped(report.live_connections));
    html! {
        header class=[(failures > 0).then_some("bad")] {
            h1 {
                @if failures == 0 { "Nobody noticed." } @else { (grouped(failures)) " failures." }
            }
            p {
                (takeovers) " takeovers under " (live) " live connections, by relays in "
                (listed(&report.programs)) ": " b { (grouped(failures)) } " of "
                (grouped(report.requests + failures)) " requests failed."
            }
            @for failure in &report.failures { p.failure { (failure) } }
        }
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [names @ .., last] if !names.is_empty() => format!("{} and {last}", names.join(", ")),
        _ => names.concat(),
    }
}

fn tiles(report: &Report) -> Markup {
    let longest = report.takeovers.iter().map(|row| row.pause_max_ms).fold(0.0, f64::max);
    let latency = |field: &str| millis(report.latency[field].as_f64().unwrap_or_default());
    let moved = report.takeovers.iter().map(|row| row.moved).sum();
    let tiles = [
        (grouped(report.requests), "requests answered, each byte checked"),
        (grouped(moved), "live connections moved"),
        (grouped(report.new_connections), "new connections meanwhile"),
        (grouped(report.failed), "failed"),
        (grouped(report.reset), "reset"),
        (grouped(report.timeout), "timed out"),
        (grouped(report.out_of_order), "out of order"),
        (latency("p50_ms"), "latency, half"),
        (latency("p99_ms"), "latency, 99 in 100"),
        (millis(longest), "longest pause in a takeover"),
    ];
    html! { div.tiles { @for (figure, what) in tiles { div { b { (figure) } span { (what) } } } } }
}

fn pairs(report: &Report) -> Markup {
    let pause = |from: &str, to: &str| {
        report.pairs.iter().find(|pair| pair.from == from && pair.to == to).map(|pair| pair.pause_max_ms)
    };
    html! {
        table {
            tr { th.name { "from ↓ to →" } @for to in &report.programs { th { (to) } } }
            @for from in &report.programs {
                tr {
                    th.name { (from) }
                    @for to in &report.programs { td { (pause(from, to).map_or("–".into(), millis)) } }
                }
            }
        }
    }
}

fn takeovers(report: &Report) -> Markup {
    let row = |row: &Row| {
        html! {
            tr {
                td { (row.generation - 1) " → " (row.generation) }
                td.name { (dot(report, &row.from)) (row.from) " → " (dot(report, &row.to)) (row.to) }
                td { (grouped(row.moved)) }
                td { (grouped(row.returned)) }
                td { (grouped(row.unread_bytes)) }
                td { (grouped(row.unsent_bytes)) }
                td { (grouped(row.state_bytes)) }
                td { (millis(row.duration_ms)) }
                td { (millis(row.pause_p50_ms)) }
                td { (millis(row.pause_p99_ms)) }
                td { (millis(row.pause_max_ms)) }
            }
        }
    };
    html! {
        div.wide { table {
            thead {
                tr {
                    th colspan="2" {} th colspan="2" { "connections" } th colspan="3" { "bytes that moved with them" } th {}
                    th colspan="3" { "pause of the clients" }
                }
                tr {
                    th { "generation" } th.name { "program" } th { "moved" } th { "returned" } th { "unread" }
                    th { "unsent" } th { "state" } th { "took" } th { "half" } th { "99 in 100" } th { "longest" }
                }
            }
            @for takeover in &report.takeovers { (row(takeover)) }
        } }
        p.note {
            "Took: from the moment when the successor is ready until the last connection has settled. Pause of a client: the \
             longest time that it waited for a reply in that time. Unread bytes were read and not used yet, unsent ones \
             not written yet."
        }
    }
}

fn generations(report: &Report) -> Markup {
    let row = |generation: &Generation| {
        let (before, after) = (&generation.taken_over, &generation.served);
        html! {
            tr {
                td { (generation.generation) }
                td.name { (dot(report, &generation.name)) (generation.name) }
                td.name { (generation.runtime) }
                td { (generation.pid) }
                td { (grouped(after.connections as u64)) }
                td { (before.fds) } td { (after.fds) }
                td { (before.threads) } td { (after.threads) }
                td { (megabytes(before.rss_kb)) } td { (megabytes(after.rss_kb)) }
            }
        }
    };
    html! {
        div.wide { table {
            thead {
                tr {
                    th colspan="5" {} th colspan="2" { "descriptors" } th colspan="2" { "threads" }
                    th colspan="2" { "memory" }
                }
                tr {
                    th {} th.name { "program" } th.name { "runtime" } th { "process" } th { "connections" }
                    th { "first" } th { "later" } th { "first" } th { "later" } th { "first" } th { "later" }
                }
            }
            @for generation in &report.generations { (row(generation)) }
        } }
        p.note {
            "First: as soon as the predecessor was gone. Later: before the next takeover. Descriptors without the clients' \
             connections: they must not pile up from generation to generation."
        }
    }
}

fn machine(report: &Report) -> Markup {
    let machine = &report.machine;
    html! {
        p {
            (machine.system) ", Linux " (machine.kernel) ", " (machine.cores) " cores of " (machine.cpu) ", "
            (megabytes(machine.memory_kb)) " of memory, shared by the relays, the verifier and the demo."
        }
    }
}

fn swatch(color: RGBColor, name: &str) -> Markup {
    html! { span { i style=(background(color)) {} (name) } }
}

fn dot(report: &Report, name: &str) -> Markup {
    html! { i style=(background(chart::color(report, name))) {} }
}

fn background(color: RGBColor) -> String {
    format!("background:rgb({},{},{})", color.0, color.1, color.2)
}

fn millis(millis: f64) -> String {
    format!("{millis:.1} ms")
}

fn megabytes(kilobytes: u64) -> String {
    format!("{} MB", grouped(kilobytes / 1024))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::good;

    #[test]
    fn the_page_says_how_it_went_and_needs_nothing_from_elsewhere() {
        let report = good();
        let text = page(&report).unwrap();
        assert!(text.contains("Nobody noticed.") && !text.contains("failures."));
        assert_eq!(text.matches("<svg").count(), 2);
        let names = text.replace("http://www.w3.org/2000/svg", "");
        for foreign in ["http:", "https:", "src=", "href=", "url(", "@import"] {
            assert!(!names.contains(foreign), "{foreign}");
        }
        let bad = Report { failed: 3, failures: vec!["live-1: <reset>".into()], ..good() };
        let text = page(&bad).unwrap();
        assert!(text.contains("3 failures.") && text.contains("live-1: &lt;reset&gt;"));
    }
}
