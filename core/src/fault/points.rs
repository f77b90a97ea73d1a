//! Which points there are, and what can happen at each.

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SIGKILL to oneself.
    Kill,
    /// SIGSTOP to oneself.
    Stop,
    /// `_exit(0)`.
    Exit,
    /// A pause of 100 ms, each time.
    Slow,
    /// Half of the message goes out.
    Truncate,
    /// As many other bytes go out.
    Garbage,
}

impl Kind {
    /// As `ZDT_FAULT` names it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Kill => "kill",
            Kind::Stop => "stop",
            Kind::Exit => "exit",
            Kind::Slow => "slow",
            Kind::Truncate => "truncate",
            Kind::Garbage => "garbage",
        }
    }
}

/// Role, when, and of what.
const POINTS: &[(&str, &[&str], &[&str])] = &[
    ("successor", &["before-send", "after-send"], &["HELLO", "LISTENERS_ACK", "READY", "ANSWER", "NOTE"]),
    (
        "successor",
        &["before-receive", "after-receive"],
        &["WELCOME", "REFUSE", "LISTENERS", "DRAINING", "OFFER", "NOTE"],
    ),
    ("successor", &["before-swap", "after-swap"], &["commit", "adopt", "refuse"]),
    ("successor", &["before", "after"], &["inherit"]),
    ("successor", &["before-call"], &["ready", "adopt"]),
    ("successor", &["after-call"], &["adopt"]),
    ("successor", &["given"], &["Offer", "Committed", "Aborted"]),
    (
        "predecessor",
        &["before-send", "after-send"],
        &["WELCOME", "REFUSE", "LISTENERS", "DRAINING", "OFFER", "NOTE"],
    ),
    (
        "predecessor",
        &["before-receive", "after-receive"],
        &["HELLO", "LISTENERS_ACK", "READY", "ANSWER", "NOTE"],
    ),
    ("predecessor", &["before-swap", "after-swap"], &["offer", "take-back", "abort", "resume"]),
    ("predecessor", &["before-call"], &["migrate", "migrated_all"]),
    ("predecessor", &["after-call"], &["migrate"]),
    ("predecessor", &["given"], GIVEN),
    ("owner", &["before-swap", "after-swap"], &["leave"]),
    ("owner", &["after"], &["bind", "rename"]),
    ("owner", &["before", "after"], &["unlink"]),
];

const GIVEN: &[&str] =
    &["Drain", "Room", "Settled", "Refused", "TakenBack", "Resume", "Accept", "Relieved", "Done"];

/// Every point, as `ZDT_FAULT` names it: `successor.after-send.READY`.
pub fn points() -> Vec<String> {
    let mut points = Vec::new();
    for (role, whens, whats) in POINTS {
        for when in *whens {
            points.extend(whats.iter().map(|what| format!("{role}.{when}.{what}")));
        }
    }
    points
}

/// What can happen at `point`; nothing, where it is none.
pub fn kinds(point: &str) -> &'static [Kind] {
    const ANYWHERE: &[Kind] = &[Kind::Kill, Kind::Stop, Kind::Exit, Kind::Slow];
    const SENDING: &[Kind] = &[Kind::Kill, Kind::Stop, Kind::Exit, Kind::Slow, Kind::Truncate, Kind::Garbage];
    match points().iter().any(|one| one == point) {
        true if point.contains(".before-send.") => SENDING,
        true => ANYWHERE,
        false => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own_and_only_a_sender_can_spoil_a_message() {
        let mut names = points();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), points().len());
        assert_eq!(kinds("successor.before-send.READY").len(), 6);
        assert_eq!(kinds("successor.after-send.READY").len(), 4);
        assert!(kinds("successor.before-send.DRAINING").is_empty());
    }
}
