//! What happened when: requests and their latency in short bins, one after the other.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::{Duration, Instant};

/// How long a bin is.
pub const BIN: Duration = Duration::from_millis(100);

/// One bin. A request belongs to the bin in which its reply was complete.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Bin {
    /// Requests whose replies were right.
    pub requests: u64,
    /// Connections that failed, in any way.
    pub failed: u64,
    /// Half of the latencies are no longer than this; nothing if no reply came that was read as fast as possible.
    pub p50_ms: Option<f64>,
    /// 99 of 100 are no longer than this.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
}

/// All bins since the start. Of one that is over only its figures are kept: 64 bytes, or 2.3 MB for an hour.
#[derive(Debug)]
pub struct Timeline {
    start: Instant,
    over: Vec<Bin>,
    open: Bin,
    latency: Histogram<u64>,
}

impl Timeline {
    /// It starts now.
    pub fn new(start: Instant) -> Timeline {
        // One in a thousand, up to ten minutes in microseconds: constants that hdrhistogram takes.
        let latency = Histogram::new_with_max(600_000_000, 3).expect("valid bounds");
        Timeline { start, over: Vec::new(), open: Bin::default(), latency }
    }

    /// How long ago it started, in milliseconds.
    pub fn elapsed_ms(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.start).as_micros() as f64 / 1000.0
    }

    /// A reply was right, and took this long if the client read it as fast as possible.
    pub fn answered(&mut self, latency: Option<Duration>, now: Instant) {
        self.go_to(now);
        self.open.requests += 1;
        if let Some(latency) = latency {
            self.latency.saturating_record(latency.as_micros() as u64);
        }
    }

    /// A connection failed.
    pub fn failed(&mut self, now: Instant) {
        self.go_to(now);
        self.open.failed += 1;
    }

    /// Every bin, the one that is cut short by the end too.
    pub fn end(&mut self, now: Instant) -> &[Bin] {
        self.go_to(now + BIN);
        &self.over
    }

    /// Closes each bin that is over at `now`.
    fn go_to(&mut self, now: Instant) {
        let number = now.saturating_duration_since(self.start).as_millis() / BIN.as_millis();
        while (self.over.len() as u128) < number {
            let mut bin = std::mem::take(&mut self.open);
            if !self.latency.is_empty() {
                let millis = |micros: u64| Some(micros as f64 / 1000.0);
                bin.p50_ms = millis(self.latency.value_at_quantile(0.5));
                bin.p99_ms = millis(self.latency.value_at_quantile(0.99));
                bin.max_ms = millis(self.latency.max());
                self.latency.reset();
            }
            self.over.push(bin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reply_is_in_the_bin_in_which_it_came_and_bins_without_one_are_there_too() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut timeline = Timeline::new(start);
        for latency in 1..=99 {
            timeline.answered(Some(Duration::from_micros(latency)), at(latency));
        }
        timeline.answered(Some(Duration::from_millis(90)), at(99));
        timeline.answered(None, at(100)); // of a slow reader
        timeline.failed(at(350));
        timeline.answered(Some(Duration::from_millis(5)), at(400));
        let bins = timeline.end(at(450));
        assert_eq!(bins.len(), 5);
        assert_eq!((bins[0].requests, bins[0].failed), (100, 0));
        assert_eq!((bins[0].p50_ms, bins[0].p99_ms), (Some(0.05), Some(0.099)));
        // Three digits of it.
        assert!(bins[0].max_ms.is_some_and(|max| (90.0..90.1).contains(&max)), "{bins:?}");
        assert_eq!(bins[1], Bin { requests: 1, ..Bin::default() });
        assert_eq!(bins[2], Bin::default());
        assert_eq!(bins[3], Bin { failed: 1, ..Bin::default() });
        assert_eq!((bins[4].requests, bins[4].p50_ms), (1, bins[4].max_ms));
        assert_eq!(timeline.elapsed_ms(at(1_500)), 1_500.0);
    }
}
