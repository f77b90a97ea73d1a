//! When the predecessor is woken to find answers: one wake-up for many, since each costs both processes more than an answer.

use super::actions::Millis;

/// As many as one message offers, or two.
const MANY: u32 = 64;
/// Whoever was answered is served already; only what comes after waits.
const SOON: Millis = 1;

/// Answers that a wake-up is owed for.
#[derive(Debug, Default)]
pub(super) struct Answers {
    gathered: u32,
    due: Option<Millis>,
}

impl Answers {
    /// One more. Whether it is the first, which sets a deadline.
    pub(super) fn add(&mut self, now: impl FnOnce() -> Millis) -> bool {
        self.gathered += 1;
        let first = self.due.is_none();
        self.due.get_or_insert_with(|| now() + SOON);
        first
    }

    /// They are worth a wake-up before the deadline.
    pub(super) fn are_many(&self) -> bool {
        self.gathered >= MANY
    }

    pub(super) fn due(&self) -> Option<Millis> {
        self.due
    }

    /// Nothing is owed any more.
    pub(super) fn told(&mut self) {
        *self = Answers::default();
    }
}
