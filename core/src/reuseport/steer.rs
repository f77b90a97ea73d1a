//! Which slots of a group are the successors' for certain, and what to steer to while one of ours is closed. Pure: no
//! sockets here.
//!
//! Everything follows from two facts of the kernel: who joins goes to the end, and when a socket is closed the last one
//! moves into its slot. When our predecessors left, some of ours moved into their slots, in an order that nobody can ask
//! for. So nothing here depends on the order of ours: they are somewhere in the first slots, the front. What is behind the
//! front is theirs, and each close moves the last of them into the front.

use crate::sys::reuseport::Slots;

/// Where the sockets of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// How many slots ours had when we began: all in front, with none of theirs between.
    pub front: usize,
    /// How many of ours are left; at least one.
    pub ours: usize,
    /// How many are theirs.
    pub theirs: usize,
}

impl Layout {
    /// The slots behind the front; none: nothing is known to be theirs.
    pub fn behind(self) -> Option<Slots> {
        let all = self.ours + self.theirs;
        (all > self.front).then(|| slots(self.front, all - self.front))
    }

    /// What to steer to before one of ours, whichever, is closed, so that neither before nor after it anything can come to
    /// us; none: too few of theirs are left.
    pub fn closing(self) -> Option<Slots> {
        let behind = self.behind()?;
        let last = Slots { first: behind.first + behind.count - 1, count: 1 };
        match self.ours {
            // Afterwards there is no such slot, so the kernel chooses by hash among all, which are theirs.
            1 => Some(last),
            // The last one moves into the front, the others behind it stay where they are.
            _ if behind.count > 1 => Some(Slots { count: behind.count - 1, ..behind }),
            _ => None,
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

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Socket {
        Ours,
        Theirs,
    }
    use Socket::{Ours, Theirs};

    /// Who gets what arrives: the slots, or by hash everybody if one of them is not there.
    fn only_theirs(group: &[Socket], slots: Slots) -> bool {
        let range = slots.first as usize..(slots.first + slots.count) as usize;
        group.get(range).unwrap_or(group).iter().all(|socket| *socket == Theirs)
    }

    /// Closes all of ours as a group does, in an order that `pick` decides; `joins` more of theirs join before each close.
    fn walk(ours: usize, theirs: usize, joins: usize, mut pick: impl FnMut(usize) -> usize) {
        let mut group = vec![Ours; ours];
        group.resize(ours + theirs, Theirs);
        for left in (1..=ours).rev() {
            let layout = Layout { front: ours, ours: left, theirs: group.len() - left };
            assert!(only_theirs(&group, layout.behind().unwrap()), "{layout:?} {group:?}");
            let closing = layout.closing().unwrap();
            assert!(only_theirs(&group, closing), "before: {closing:?} {group:?}");
            let slots: Vec<usize> = (0..group.len()).filter(|slot| group[*slot] == Ours).collect();
            group.swap_remove(slots[pick(left)]); // as the kernel does
            assert!(only_theirs(&group, closing), "after: {closing:?} {group:?}");
            group.resize(group.len() + joins, Theirs);
        }
    }

    #[test]
    fn nothing_comes_to_us_in_whatever_order_ours_are_closed() {
        for ours in 1_usize..6 {
            let orders: usize = (1..=ours).product();
            for theirs in ours..ours + 3 {
                for joins in 0..3 {
                    for mut order in 0..orders {
                        walk(ours, theirs, joins, |left| {
                            let place = order % left;
                            order /= left;
                            place
                        });
                    }
                }
            }
        }
    }

    #[test]
    fn where_theirs_are_fewer_the_last_of_ours_cannot_be_closed() {
        for (ours, theirs) in (1..6).flat_map(|theirs| (theirs + 1..7).map(move |ours| (ours, theirs))) {
            // After as many closes as there are slots to spare.
            let left = ours - (theirs - 1);
            assert_eq!(Layout { front: ours, ours: left, theirs }.closing(), None, "{ours} {theirs}");
        }
        assert_eq!(Layout { front: 2, ours: 2, theirs: 0 }.behind(), None);
    }
}
