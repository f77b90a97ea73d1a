//! What was counted: totals, latency, failures, and the pauses in the window of one takeover.

use crate::mirror::{Answer, Failure, Kind};
use crate::timeline::{BIN, Bin, Timeline};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// How many failures are described in words.
const DESCRIBED: usize = 20;

/// Running totals.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Totals {
    /// Long-lived connections that are up.
    pub live_connections: u64,
    /// Short connections opened.
    pub new_connections: u64,
    /// Requests whose replies were right.
    pub requests: u64,
    /// Wrong replies, unexpected ends, connections refused.
    pub failed: u64,
    /// Connections reset.
    pub reset: u64,
    /// Replies of which no byte came for too long.
    pub timeout: u64,
    /// Replies lost, doubled or reordered.
    pub out_of_order: u64,
}

impl Totals {
    /// Whether anything at all went wrong.
    pub fn clean(&self) -> bool {
        self.failed + self.reset + self.timeout + self.out_of_order == 0
    }
}

/// Latencies in milliseconds.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Latency {
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

/// What is printed, one JSON object a line.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line<'a> {
    /// Every long-lived connection was greeted.
    Ready {
        /// The totals.
        #[serde(flatten)]
        totals: &'a Totals,
        /// Milliseconds since the start, where the first bin of the report begins.
        elapsed_ms: f64,
    },
    /// Every 200 ms.
    Totals(&'a Totals),
    /// A window has begun.
    Begun {
        /// Its name.
        name: &'a str,
    },
    /// A window is over, and so are the requests that overlapped it.
    Window(Pauses),
    /// The end.
    Report {
        /// The totals.
        #[serde(flatten)]
        totals: &'a Totals,
        /// Of all requests that were read as fast as possible.
        latency: Latency,
        /// `WHO` replies by language.
        answered_by: &'a BTreeMap<String, u64>,
        /// Long-lived connections by the generation that served them at the end.
        final_generations: &'a BTreeMap<u64, u64>,
        /// The first failures in words.
        failures: &'a [String],
        /// How long each of the bins is, in milliseconds.
        bin_ms: u64,
        /// What happened when.
        bins: &'a [Bin],
    },
}

/// The pauses of a window: for each connection the longest latency of a request that overlapped it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Pauses {
    /// Its name.
    pub name: String,
    /// From begin to end.
    pub duration_ms: f64,
    /// Connections that had a request in it.
    pub connections: usize,
    /// Half of them paused no longer than this.
    pub pause_p50_ms: f64,
    /// 99 of 100 paused no longer than this.
    pub pause_p99_ms: f64,
    /// The longest.
    pub pause_max_ms: f64,
}

#[derive(Debug)]
struct Window {
    name: String,
    begin: Instant,
    end: Option<Instant>,
    longest: HashMap<usize, Duration>,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Tally {
    /// The totals.
    pub totals: Totals,
    latency: Histogram<u64>,
    answered_by: BTreeMap<String, u64>,
    final_generations: BTreeMap<u64, u64>,
    failures: Vec<String>,
    window: Option<Window>,
    timeline: Timeline,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(now: Instant) -> Tally {
        // Three digits up to ten minutes in microseconds: constants that hdrhistogram takes.
        let latency = Histogram::new_with_max(600_000_000, 3).expect("valid bounds");
        Tally {
            totals: Totals::default(),
            latency,
            answered_by: BTreeMap::new(),
            final_generations: BTreeMap::new(),
            failures: Vec::new(),
            window: None,
            timeline: Timeline::new(now),
        }
    }

    /// A reply was right.
    pub fn answered(&mut self, connection: usize, answer: &Answer, now: Instant) {
        self.totals.requests += 1;
        self.timeline.answered(answer.latency, now);
        if let Some((language, _)) = &answer.who {
            *self.answered_by.entry(language.clone()).or_default() += 1;
        }
        if let Some(latency) = answer.latency {
            self.latency.saturating_record(latency.as_micros() as u64);
            self.overlapped(connection, answer.asked, now);
        }
    }

    /// At the end a long-lived connection was served by this generation.
    pub fn ended_at(&mut self, generation: u64) {
        *self.final_generations.entry(generation).or_default() += 1;
    }

    /// A connection failed.
    pub fn failed(&mut self, name: &str, failure: &Failure, now: Instant) {
        self.timeline.failed(now);
        *match failure.kind {
            Kind::Failed => &mut self.totals.failed,
            Kind::Reset => &mut self.totals.reset,
            Kind::Timeout => &mut self.totals.timeout,
            Kind::OutOfOrder => &mut self.totals.out_of_order,
        } += 1;
        if self.failures.len() < DESCRIBED {
            self.failures.push(format!("{name}: {:?}: {}", failure.kind, failure.what));
        }
    }

    /// Opens a window.
    pub fn begin(&mut self, name: String, now: Instant) {
        self.window = Some(Window { name, begin: now, end: None, longest: HashMap::new() });
    }

    /// The window is over; requests that are still open will count.
    pub fn end(&mut self, now: Instant) {
        if let Some(window) = &mut self.window {
            window.end.get_or_insert(now);
        }
    }

    /// When the window ended, if it waits for its last requests.
    pub fn closing(&self) -> Option<Instant> {
        self.window.as_ref().and_then(|window| window.end)
    }

    /// A request of `connection`, asked at `asked`, was answered, or was still open, at `now`.
    pub fn overlapped(&mut self, connection: usize, asked: Instant, now: Instant) {
        if let Some(window) = &mut self.window
            && now >= window.begin
            && window.end.is_none_or(|end| asked < end)
        {
            let longest = window.longest.entry(connection).or_default();
            *longest = (*longest).max(now.saturating_duration_since(asked));
        }
    }

    /// Closes the window: its pauses.
    pub fn close(&mut self) -> Option<Pauses> {
        let window = self.window.take()?;
        let mut longest: Vec<Duration> = window.longest.into_values().collect();
        longest.sort_unstable();
        let at = |share: f64| {
            let rank = (longest.len() as f64 * share).ceil() as usize;
            longest.get(rank.saturating_sub(1)).map_or(0.0, |pause| millis(*pause))
        };
        Some(Pauses {
            name: window.name,
            duration_ms: window.end.map_or(0.0, |end| millis(end - window.begin)),
            connections: longest.len(),
            pause_p50_ms: at(0.5),
            pause_p99_ms: at(0.99),
            pause_max_ms: at(1.0),
        })
    }

    /// Every long-lived connection is up.
    pub fn ready(&self, now: Instant) -> Line<'_> {
        Line::Ready { totals: &self.totals, elapsed_ms: self.timeline.elapsed_ms(now) }
    }

    /// The last line.
    pub fn report(&mut self, now: Instant) -> Line<'_> {
        let at = |quantile: f64| self.latency.value_at_quantile(quantile) as f64 / 1000.0;
        Line::Report {
            totals: &self.totals,
            latency: Latency {
                p50_ms: at(0.5),
                p90_ms: at(0.9),
                p99_ms: at(0.99),
                p999_ms: at(0.999),
                max_ms: self.latency.max() as f64 / 1000.0,
            },
            answered_by: &self.answered_by,
            final_generations: &self.final_generations,
            failures: &self.failures,
            bin_ms: BIN.as_millis() as u64,
            bins: self.timeline.end(now),
        }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_the_longest_request_of_each_connection_that_overlapped_it() {
        let start = Instant::now();
        let mut tally = Tally::new(start);
        let at = |millis: u64| start + Duration::from_millis(millis);
        let answer = |tally: &mut Tally, connection, asked, answered| {
            let latency = Some(at(answered) - at(asked));
            tally.answered(connection, &Answer { asked: at(asked), latency, who: None }, at(answered));
        };
        answer(&mut tally, 1, 0, 90); // before it
        tally.begin("t1".into(), at(100));
        answer(&mut tally, 1, 50, 110); // begun before, ended within
        answer(&mut tally, 1, 120, 130);
        answer(&mut tally, 2, 140, 150);
        tally.end(at(200));
        answer(&mut tally, 3, 190, 230); // ended after it
        answer(&mut tally, 4, 210, 290); // after it
        let pauses = tally.close().unwrap();
        assert_eq!(
            pauses,
            Pauses {
                name: "t1".into(),
                duration_ms: 100.0,
                connections: 3,
                pause_p50_ms: 40.0,
                pause_p99_ms: 60.0,
                pause_max_ms: 60.0
            }
        );
        assert!(tally.close().is_none());
    }
}
