//! The timeline as two drawings: latency, and requests per second by who served.

use crate::Trouble;
use crate::report::{Bin, Report};
use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width of a drawing, in its own units; a page scales it.
const WIDTH: u32 = 1080;
/// What of it is left of the axis, and right of its end.
const LABELS: u32 = 64;
const MARGIN: u32 = 20;
/// Text, and lines that only help the eye. In the dark the page's style gives both another colour.
pub const INK: RGBColor = RGBColor(0x57, 0x60, 0x6a);
/// See [`INK`].
pub const GRID: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
/// The lines of the first drawing: the longest latency, 99 in 100, half.
pub const LINES: [(&str, RGBColor); 3] = [
    ("longest", RGBColor(0xb0, 0x8f, 0xd8)),
    ("99 in 100 no longer than", RGBColor(0x2f, 0x81, 0xc7)),
    ("half no longer than", RGBColor(0x2d, 0xa4, 0x4e)),
];
/// Programs, in order of appearance (the palette of Okabe and Ito, for all kinds of eyes).
const PROGRAMS: [RGBColor; 6] = [
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0x56, 0xb4, 0xe9),
];
const FAILURE: RGBColor = RGBColor(0xcf, 0x22, 0x2e);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, Y> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, Y>>;

/// The colour of a program.
pub fn color(report: &Report, name: &str) -> RGBColor {
    let place = report.programs.iter().position(|program| program == name).unwrap_or_default();
    PROGRAMS[place % PROGRAMS.len()]
}

/// Latency over time, as SVG.
pub fn latency(report: &Report) -> Result<String, Trouble> {
    drawing(300, |area| {
        let longest = shown(report).filter_map(|(_, bin)| bin.max_ms).fold(10.0, f64::max);
        let (bottom, top) = (0.03, longest * 4.0);
        let mut chart = ChartBuilder::on(area)
            .margin_right(MARGIN)
            .x_label_area_size(24)
            .y_label_area_size(LABELS)
            .build_cartesian_2d(seconds(report), (bottom..top).log_scale())?;
        let label = |value: &f64| format!("{value} ms");
        axes(&mut chart, 4, &label)?;
        mark_takeovers(&mut chart, report, bottom, top)?;
        let lines: [fn(&Bin) -> Option<f64>; 3] = [|bin| bin.max_ms, |bin| bin.p99_ms, |bin| bin.p50_ms];
        for (value, (_, color)) in lines.into_iter().zip(LINES) {
            let points: Vec<_> = shown(report)
                .map(|(at, bin)| value(bin).map(|value| (at + width(report) / 2.0, value.max(bottom))))
                .collect();
            // Where nothing was answered there is no line.
            for line in points.split(Option::is_none) {
                let line = line.iter().flatten().copied();
                chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
            }
        }
        let failed = shown(report).filter(|(_, bin)| bin.failed > 0);
        chart
            .draw_series(failed.map(|(at, _)| Cross::new((at, bottom * 2.0), 6, FAILURE.stroke_width(3))))?;
        Ok(())
    })
}

/// Requests per second over time, in the colour of the program that served, as SVG.
pub fn throughput(report: &Report) -> Result<String, Trouble> {
    drawing(220, |area| {
        let per_second = |bin: &Bin| bin.requests as f64 * 1000.0 / report.bin_ms;
        let top = shown(report).map(|(_, bin)| per_second(bin)).fold(1.0, f64::max) * 1.25;
        let mut chart = ChartBuilder::on(area)
            .margin_right(MARGIN)
            .x_label_area_size(24)
            .y_label_area_size(LABELS)
            .build_cartesian_2d(seconds(report), 0.0..top)?;
        axes(&mut chart, 4, &|value| format!("{value} /s"))?;
        for owner in owners(report) {
            let color = color(report, owner.name);
            let bins = shown(report).filter(|(at, _)| (owner.from..owner.to).contains(at));
            chart.draw_series(bins.map(|(at, bin)| {
                Rectangle::new([(at, 0.0), (at + width(report), per_second(bin))], color.mix(0.75).filled())
            }))?;
        }
        mark_takeovers(&mut chart, report, 0.0, top)?;
        // Names where there is room for them, about seven units a letter.
        let style = ("sans-serif", 12).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Top));
        let names = owners(report)
            .filter(|owner| owner.to - owner.from > 7.0 * owner.name.len() as f64 * unit(report))
            .map(|owner| {
                Text::new(owner.name.to_string(), ((owner.from + owner.to) / 2.0, top * 0.98), &style)
            });
        chart.draw_series(names)?;
        Ok(())
    })
}

/// Who owned the service, and when, in seconds of the drawing.
struct Owner<'a> {
    name: &'a str,
    from: f64,
    to: f64,
}

fn owners(report: &Report) -> impl Iterator<Item = Owner<'_>> {
    let ends = report.takeovers.iter().map(|row| row.end_ms).chain([report.stop_ms]);
    let begins = std::iter::once(report.ready_ms).chain(report.takeovers.iter().map(|row| row.end_ms));
    report.generations.iter().zip(begins.zip(ends)).map(move |(generation, (from, to))| Owner {
        name: &generation.name,
        from: on_axis(report, from),
        to: on_axis(report, to),
    })
}

/// Each bin between the moment when every connection was up and the end of the load, with when it began.
fn shown(report: &Report) -> impl Iterator<Item = (f64, &Bin)> {
    let begins = (0..).map(|number| f64::from(number) * report.bin_ms);
    begins
        .zip(&report.bins)
        .filter(|(begin, _)| *begin >= report.ready_ms && begin + report.bin_ms <= report.stop_ms)
        .map(|(begin, bin)| (on_axis(report, begin), bin))
}

/// Seconds since every connection was up.
fn on_axis(report: &Report, millis: f64) -> f64 {
    (millis - report.ready_ms) / 1000.0
}

/// How long a bin is, on the axis.
fn width(report: &Report) -> f64 {
    report.bin_ms / 1000.0
}

/// One unit of the drawing, on the axis.
fn unit(report: &Report) -> f64 {
    seconds(report).end / f64::from(WIDTH - LABELS - MARGIN)
}

fn seconds(report: &Report) -> std::ops::Range<f64> {
    0.0..on_axis(report, report.stop_ms).max(width(report))
}

fn drawing(height: u32, draw: impl FnOnce(&Area<'_>) -> Result<(), Trouble>) -> Result<String, Trouble> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
    draw(&area)?;
    area.present()?;
    drop(area);
    Ok(svg)
}

fn axes<Y>(chart: &mut Chart<'_, Y>, labels: usize, label: &dyn Fn(&f64) -> String) -> Result<(), Trouble>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(("sans-serif", 12).into_font().color(&INK))
        .x_labels(16)
        .x_label_formatter(&|at| format!("{at} s"))
        .y_labels(labels)
        .y_label_formatter(label)
        .draw()?;
    Ok(())
}

/// A shade for as long as each takeover took, and at least wide enough to be seen.
fn mark_takeovers<Y>(chart: &mut Chart<'_, Y>, report: &Report, bottom: f64, top: f64) -> Result<(), Trouble>
where
    Y: Ranged<ValueType = f64>,
{
    chart.draw_series(report.takeovers.iter().map(|row| {
        let (begin, end) = (on_axis(report, row.begin_ms), on_axis(report, row.end_ms));
        let end = end.max(begin + 2.0 * unit(report));
        Rectangle::new([(begin, bottom), (end, top)], INK.mix(0.3).filled())
    }))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::good;

    #[test]
    fn the_load_is_shown_from_where_all_are_connected_to_its_end() {
        let report = good();
        let times: Vec<f64> = shown(&report).map(|(at, _)| at).collect();
        assert_eq!((times.len(), times.first(), times.last()), (44, Some(&0.0), Some(&4.3)));
    }

    #[test]
    fn somebody_owns_the_service_at_every_time() {
        let report = good();
        let owners: Vec<_> = owners(&report).map(|owner| (owner.name, owner.from, owner.to)).collect();
        let expected = [("rust", 0.0, 1.55), ("c", 1.55, 2.55), ("rust", 2.55, 3.55), ("c", 3.55, 4.4)];
        assert_eq!(owners, expected);
    }

    #[test]
    fn every_takeover_is_marked_however_long_the_run() {
        let mut report = good();
        for stop_ms in [4_900.0, 4_900_000.0] {
            report.stop_ms = stop_ms;
            let svg = latency(&report).unwrap();
            let marks: Vec<&str> = svg.lines().filter(|line| line.contains(r#"opacity="0.3""#)).collect();
            assert_eq!(marks.len(), report.takeovers.len());
            assert!(marks.iter().all(|mark| !mark.contains(r#"width="0""#)), "{marks:?}");
        }
    }

    #[test]
    fn a_gap_and_a_failure_are_seen() {
        let mut report = good();
        let lines = |report: &Report| latency(report).unwrap().matches("<polyline").count();
        let whole = lines(&report);
        let crosses = latency(&report).unwrap().matches("#CF222E").count();
        report.bins[20] = Bin { failed: 1, ..Bin::default() };
        assert_eq!(lines(&report), whole + 3);
        assert!(latency(&report).unwrap().matches("#CF222E").count() > crosses);
    }
}
