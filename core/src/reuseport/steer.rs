//! Which slots of a group are the successors', and which of ours may be closed next. Pure: no sockets here.
//!
//! Everything follows from two facts of the kernel: who joins goes to the end, and when a socket is closed the last one
//! moves into its slot. Where the same slots are the successors' before and after a close, no moment is left in which
//! anything new could come to us.

use crate::sys::reuseport::Slots;

/// Where the sockets of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// How many are ours; at least one.
    pub ours: usize,
    /// How many are theirs; at least one.
    pub theirs: usize,
    /// One of theirs has slot 0, and ours follow it. Else ours come first.
    pub turned: bool,
}

/// How one of ours leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    /// Which: its place among ours, in the order of their slots.
    pub which: usize,
    /// What to steer to before the close.
    pub slots: Slots,
    /// For a moment the kernel chooses among all, ours too: steer again, and wait again. From here on the layout is turned.
    pub turns: bool,
}

impl Layout {
    /// All of theirs, as far as they are next to each other.
    pub fn theirs(self) -> Slots {
        if self.turned { slots(0, 1) } else { slots(self.ours, self.theirs) }
    }

    /// The next close.
    pub fn close(self) -> Close {
        let last = self.ours - 1;
        match self {
            // Slot 0 stays theirs, whatever moves.
            Layout { turned: true, .. } => Close { which: last, slots: slots(0, 1), turns: false },
            // The group's last slot; afterwards there is none such, so the kernel chooses by hash among theirs alone.
            Layout { ours: 1, theirs, .. } => Close { which: 0, slots: slots(theirs, 1), turns: false },
            // Their only one has to move. It moves to slot 0, where it stays.
            Layout { theirs: 1, ours, .. } => Close { which: 0, slots: slots(ours, 1), turns: true },
            // Their last one moves to the slot before their first: the others stay where they are.
            Layout { ours, theirs, .. } => {
                Close { which: last, slots: slots(ours, theirs - 1), turns: false }
            }
        }
    }
}

fn slots(first: usize, count: usize) -> Slots {
    let number = |value| u32::try_from(value).unwrap_or(u32::MAX);
    Slots { first: number(first), count: number(count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whose a socket is, and which.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Socket {
        Ours(usize),
        Theirs,
    }
    use Socket::{Ours, Theirs};

    /// Who gets what arrives: the slots, or by hash everybody if one of them is not there.
    fn targets(group: &[Socket], slots: Slots) -> &[Socket] {
        let range = slots.first as usize..(slots.first + slots.count) as usize;
        group.get(range).unwrap_or(group)
    }

    fn only_theirs(group: &[Socket], slots: Slots) -> bool {
        targets(group, slots).iter().all(|socket| *socket == Theirs)
    }

    /// Closes all of ours as the group does, and counts the moments in which something could come to us. `joins` more of
    /// theirs join before close number `when`.
    fn walk(ours: usize, theirs: usize, joins: usize, when: usize) -> usize {
        let mut group: Vec<Socket> = (0..ours).map(Ours).chain((0..theirs).map(|_| Theirs)).collect();
        let mut left: Vec<usize> = (0..ours).collect();
        let mut turned = false;
        let mut moments = 0;
        for number in 0..ours {
            if number == when {
                group.extend(std::iter::repeat_n(Theirs, joins));
            }
            let layout = Layout { ours: left.len(), theirs: group.len() - left.len(), turned };
            assert!(only_theirs(&group, layout.theirs()), "{layout:?} {group:?}");
            let close = layout.close();
            assert!(only_theirs(&group, close.slots), "before {close:?}: {group:?}");
            let closed = Ours(left.remove(close.which));
            let slot = group.iter().position(|socket| *socket == closed).unwrap();
            group.swap_remove(slot); // as the kernel does
            let exposed = !only_theirs(&group, close.slots);
            assert_eq!(exposed, close.turns, "after {close:?}: {group:?}");
            moments += usize::from(exposed);
            turned |= close.turns;
        }
        moments
    }

    #[test]
    fn nothing_comes_to_us_while_we_close_ours_one_by_one() {
        for ours in 1..8 {
            for theirs in 1..8 {
                let moments = walk(ours, theirs, 0, 0);
                assert_eq!(
                    moments,
                    usize::from(ours > 1 && theirs == 1),
                    "{ours} of ours, {theirs} of theirs"
                );
            }
        }
    }

    #[test]
    fn nor_does_it_when_more_of_theirs_join_meanwhile() {
        for (ours, theirs) in (1..6).flat_map(|ours| (1..4).map(move |theirs| (ours, theirs))) {
            for (joins, when) in (1..4).flat_map(|joins| (0..ours).map(move |when| (joins, when))) {
                assert!(walk(ours, theirs, joins, when) <= 1);
            }
        }
    }

    #[test]
    fn closing_the_first_of_two_first_would_send_some_to_the_second() {
        let mut group = vec![Ours(0), Ours(1), Theirs, Theirs];
        let slots = Layout { ours: 2, theirs: 2, turned: false }.theirs();
        assert!(only_theirs(&group, slots));
        group.swap_remove(0);
        assert!(!only_theirs(&group, slots));
    }
}
