//! Which cases there are: every point and kind on the Rust pair, and where their own code runs the other languages' ends.

use crate::points::{Kind, kinds, points};
use std::fmt;

/// The language of the peer, and of the pair that is tried at every point.
pub const PEER: &str = "rust";

/// Who has the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Predecessor,
    Successor,
    /// It serves alone.
    Owner,
}

/// What has to happen for a point to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// A takeover.
    Plain,
    /// The successor refuses a connection.
    Refusal,
    /// The successor stops at its first offer, until the predecessor has called the attempt off.
    Abort,
    /// The successor dies as soon as it owns the service.
    Resume,
    /// The successor stops when it owns the service, until the predecessor accepts too.
    Hung,
    /// Another successor is at it already.
    Busy,
    /// The successor leaves for good while its predecessor still watches it.
    Relieved,
    /// A process becomes the first.
    First,
    /// The only process leaves.
    Leave,
}

/// One fault, in one end of one pair.
#[derive(Debug, Clone)]
pub struct Case {
    /// The predecessor's program.
    pub from: String,
    /// The successor's.
    pub to: String,
    pub point: String,
    pub kind: Kind,
    pub role: Role,
    pub setting: Setting,
}

impl Case {
    fn new(from: &str, to: &str, point: &str, kind: Kind) -> Case {
        let (role, setting) = (role(point), setting(point));
        Case { from: from.into(), to: to.into(), point: point.into(), kind, role, setting }
    }

    /// For `ZDT_FAULT`. What is done for each connection fails in the middle.
    pub fn fault(&self) -> String {
        let at = match self.point.rsplit('.').next() {
            Some("adopt" | "Offer") => 5,
            Some("migrate" | "offer") => 20,
            Some("Settled" | "take-back" | "TakenBack") => 3,
            _ => 1,
        };
        format!("{}#{at}={}", self.point, self.kind.name())
    }

    /// Whether the process with the fault dies of it.
    pub fn is_deadly(&self) -> bool {
        matches!(self.kind, Kind::Kill | Kind::Exit)
    }

    /// Whether nobody but the predecessor has the listeners when it dies here: then its death closes them.
    pub fn closes_the_listeners(&self) -> bool {
        const BEFORE_LISTENERS: [&str; 5] = [
            "predecessor.before-receive.HELLO",
            "predecessor.after-receive.HELLO",
            "predecessor.before-send.WELCOME",
            "predecessor.after-send.WELCOME",
            "predecessor.before-send.LISTENERS",
        ];
        self.is_deadly() && BEFORE_LISTENERS.contains(&self.point.as_str())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{} {} {}", self.from, self.to, self.point, self.kind.name())
    }
}

fn role(point: &str) -> Role {
    match point.split('.').next() {
        Some("predecessor") => Role::Predecessor,
        Some("successor") => Role::Successor,
        _ => Role::Owner,
    }
}

fn setting(point: &str) -> Setting {
    let mut words = point.splitn(3, '.');
    let (role, when, what) = (words.next(), words.next().unwrap_or_default(), words.next());
    let receives = when.ends_with("receive");
    match (role, what.unwrap_or_default()) {
        (Some("owner"), "bind" | "rename") => Setting::First,
        (Some("owner"), _) => Setting::Leave,
        (_, "REFUSE") => Setting::Busy,
        (Some("successor"), "NOTE") if receives => Setting::Hung,
        (Some("predecessor"), "NOTE") if !receives => Setting::Hung,
        (_, "NOTE" | "refuse" | "Refused") => Setting::Refusal,
        (_, "Accept") => Setting::Hung,
        (_, "Aborted" | "abort" | "take-back" | "TakenBack" | "Resume") => Setting::Abort,
        (_, "resume") => Setting::Resume,
        (_, "Relieved") => Setting::Relieved,
        _ => Setting::Plain,
    }
}

/// Where an application's own code runs, in every language.
const APPLICATION: &[&str] = &[
    "successor.given.Offer",
    "successor.before-call.adopt",
    "successor.after-call.adopt",
    "predecessor.given.Drain",
    "predecessor.given.Settled",
    "predecessor.given.Refused",
    "predecessor.given.TakenBack",
    "predecessor.given.Resume",
    "predecessor.given.Accept",
    "predecessor.before-call.migrate",
    "predecessor.after-call.migrate",
    "predecessor.before-call.migrated_all",
];

/// All of them, for the relays that there are.
pub fn cases(languages: &[String]) -> Vec<Case> {
    let mut cases = Vec::new();
    for point in points() {
        cases.extend(kinds(&point).iter().map(|kind| Case::new(PEER, PEER, &point, *kind)));
    }
    for language in languages.iter().filter(|language| *language != PEER) {
        for point in APPLICATION {
            cases.extend(kinds(point).iter().map(|kind| match role(point) {
                Role::Successor => Case::new(PEER, language, point, *kind),
                _ => Case::new(language, PEER, point, *kind),
            }));
        }
    }
    cases
}

/// A part that stands for the whole: each message and decision once, each kind, each language at both ends.
pub fn sample(cases: Vec<Case>) -> Vec<Case> {
    const SAMPLE: &[&str] = &[
        "rust>rust successor.after-send.HELLO kill",
        "rust>rust successor.after-receive.WELCOME stop",
        "rust>rust successor.after-receive.LISTENERS kill",
        "rust>rust successor.before-send.LISTENERS_ACK truncate",
        "rust>rust successor.after.inherit exit",
        "rust>rust successor.before-send.READY garbage",
        "rust>rust successor.after-send.READY kill",
        "rust>rust successor.before-receive.DRAINING stop",
        "rust>rust successor.after-receive.OFFER kill",
        "rust>rust successor.before-swap.adopt stop",
        "rust>rust successor.after-swap.adopt kill",
        "rust>rust successor.before-swap.commit kill",
        "rust>rust successor.after-swap.commit kill",
        "rust>rust successor.after-swap.commit stop",
        "rust>rust successor.before-send.ANSWER garbage",
        "rust>rust successor.given.Committed exit",
        "rust>rust successor.after-swap.refuse slow",
        "rust>rust predecessor.after-receive.HELLO kill",
        "rust>rust predecessor.before-send.WELCOME garbage",
        "rust>rust predecessor.after-send.LISTENERS kill",
        "rust>rust predecessor.before-receive.READY stop",
        "rust>rust predecessor.after-receive.READY kill",
        "rust>rust predecessor.before-send.DRAINING truncate",
        "rust>rust predecessor.after-send.DRAINING exit",
        "rust>rust predecessor.before-send.OFFER garbage",
        "rust>rust predecessor.after-send.OFFER kill",
        "rust>rust predecessor.before-swap.abort kill",
        "rust>rust predecessor.after-swap.take-back kill",
        "rust>rust predecessor.after-swap.resume stop",
        "rust>rust predecessor.before-send.REFUSE truncate",
        "rust>rust predecessor.before-send.NOTE kill",
        "rust>rust predecessor.given.Done kill",
        "rust>rust owner.after.bind kill",
        "rust>rust owner.after-swap.leave kill",
        "rust>c successor.after-call.adopt kill",
        "c>rust predecessor.after-call.migrate kill",
        "rust>python successor.given.Offer stop",
        "python>rust predecessor.given.Drain kill",
        "rust>java successor.before-call.adopt kill",
        "java>rust predecessor.given.Settled exit",
    ];
    cases.into_iter().filter(|case| SAMPLE.contains(&case.to_string().as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn all() -> Vec<Case> {
        cases(&["rust", "c", "python", "java"].map(String::from))
    }

    #[test]
    fn every_point_is_tried_in_every_way_that_can_be() {
        let names: HashSet<String> = all().iter().map(Case::to_string).collect();
        assert_eq!(names.len(), all().len(), "no name twice");
        for point in points() {
            for kind in kinds(&point) {
                assert!(names.contains(&format!("rust>rust {point} {}", kind.name())));
            }
        }
        assert!(names.len() >= 200);
        assert!(APPLICATION.iter().all(|point| !kinds(point).is_empty()));
    }

    #[test]
    fn the_sample_is_made_of_cases_and_has_every_kind_and_language() {
        let sample = sample(all());
        assert_eq!(sample.len(), 40);
        for kind in ["kill", "stop", "exit", "slow", "truncate", "garbage"] {
            assert!(sample.iter().any(|case| case.kind.name() == kind), "{kind}");
        }
        for language in ["c", "python", "java"] {
            assert!(sample.iter().any(|case| case.from == language), "{language}");
            assert!(sample.iter().any(|case| case.to == language), "{language}");
        }
    }
}
