//! What the clients saw.

use crate::{End, Kind, Settings};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Complaints that are kept; all are counted.
const KEPT: usize = 20;

/// What the clients of one kind saw.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Count {
    /// How many there are.
    pub clients: usize,
    /// Connections, the first of each client included.
    pub connections: u64,
    /// Requests and messages with the right answer.
    pub requests: u64,
    /// Whatever is not put up with, of what follows.
    pub failed: u64,
    /// Connections that ended between two requests, or by a closing handshake.
    pub closed: u64,
    /// Streams of events that ended in good order; never a failure.
    pub streams: u64,
    /// Requests that crossed the end of their connection.
    pub raced: u64,
    /// Connections that nobody took.
    pub refused: u64,
    /// Connections that were reset.
    pub reset: u64,
    /// Connections that ended before an answer did.
    pub cut: u64,
    /// Requests without an answer in time.
    pub timeout: u64,
    /// Answers to something else.
    pub wrong: u64,
    /// The longest that anything took, with what the client itself waits in it, in milliseconds.
    pub longest_ms: f64,
    /// Who answered how often, where the answer says it.
    pub served: BTreeMap<String, u64>,
}

/// What all clients saw.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// By kind.
    pub kinds: BTreeMap<Kind, Count>,
    /// The first complaints, with the seconds since the clients began.
    pub complaints: Vec<String>,
    /// No complaints of clients: the load itself is broken.
    pub broken: Vec<String>,
}

impl Report {
    /// Answers of all kinds.
    pub fn requests(&self) -> u64 {
        self.kinds.values().map(|count| count.requests).sum()
    }

    /// Failures of all kinds; a kind that nobody ever answered is one too.
    pub fn failed(&self) -> u64 {
        let idle = self.kinds.values().filter(|count| count.clients > 0 && count.requests == 0).count();
        self.kinds.values().map(|count| count.failed).sum::<u64>() + (idle + self.broken.len()) as u64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            to,
            "{:<11} {:>7} {:>11} {:>9} {:>6}  {:>6} {:>7} {:>5} {:>7} {:>5} {:>4} {:>7} {:>5} {:>10}",
            "",
            "clients",
            "connections",
            "requests",
            "failed",
            "closed",
            "streams",
            "raced",
            "refused",
            "reset",
            "cut",
            "timeout",
            "wrong",
            "longest ms"
        )?;
        for (kind, count) in &self.kinds {
            let Count { clients, connections, requests, failed, closed, streams, raced, .. } = count;
            let Count { refused, reset, cut, timeout, wrong, longest_ms, .. } = count;
            writeln!(
                to,
                "{:<11} {clients:>7} {connections:>11} {requests:>9} {failed:>6}  {closed:>6} {streams:>7} {raced:>5} {refused:>7} {reset:>5} {cut:>4} {timeout:>7} {wrong:>5} {longest_ms:>10.1}",
                kind.name()
            )?;
        }
        for complaint in self.complaints.iter().chain(&self.broken) {
            writeln!(to, "  {complaint}")?;
        }
        Ok(())
    }
}

/// Where the clients write it.
pub(crate) struct Board {
    report: Mutex<Report>,
    keep: Vec<Kind>,
    may_race: bool,
    began: Instant,
}

impl Board {
    pub(crate) fn new(settings: &Settings) -> Board {
        let mut report = Report::default();
        for group in &settings.clients {
            report.kinds.entry(group.kind).or_default().clients += group.clients;
        }
        let (keep, may_race) = (settings.keep.clone(), settings.may_race);
        Board { report: Mutex::new(report), keep, may_race, began: Instant::now() }
    }

    pub(crate) fn report(&self) -> Report {
        self.lock().clone()
    }

    pub(crate) fn broken(&self, why: &str) {
        self.lock().broken.push(why.to_owned());
    }

    pub(crate) fn connected(&self, kind: Kind) {
        self.lock().kinds.entry(kind).or_default().connections += 1;
    }

    pub(crate) fn answered(&self, kind: Kind, requests: u64, took: Duration) {
        let mut report = self.lock();
        let count = report.kinds.entry(kind).or_default();
        count.requests += requests;
        count.longest_ms = count.longest_ms.max(took.as_secs_f64() * 1000.0);
    }

    pub(crate) fn stream_ended(&self, kind: Kind) {
        self.lock().kinds.entry(kind).or_default().streams += 1;
    }

    pub(crate) fn served(&self, kind: Kind, by: &str) {
        *self.lock().kinds.entry(kind).or_default().served.entry(by.to_owned()).or_default() += 1;
    }

    pub(crate) fn ended(&self, kind: Kind, client: usize, end: &End) {
        let mut report = self.lock();
        let count = report.kinds.entry(kind).or_default();
        let kept = self.keep.contains(&kind);
        let (counter, fine) = match end {
            End::Polite => (&mut count.closed, !kept),
            End::Raced => (&mut count.raced, self.may_race && !kept),
            End::Refused(_) => (&mut count.refused, false),
            End::Reset => (&mut count.reset, false),
            End::Cut => (&mut count.cut, false),
            End::Timeout => (&mut count.timeout, false),
            End::Wrong(_) => (&mut count.wrong, false),
        };
        *counter += 1;
        if !fine {
            count.failed += 1;
            if report.complaints.len() < KEPT {
                let at = self.began.elapsed().as_secs_f64();
                report.complaints.push(format!("{at:.3} s: {} {client}: {end}", kind.name()));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
