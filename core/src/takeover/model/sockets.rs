//! The links as their ends see them: closing, sending, reading.

use super::kernel::{End, Message};
use super::world::{Setup, World};
use crate::takeover::actions::Side;
use crate::takeover::predecessor::FromSuccessor;
use crate::takeover::successor::FromPredecessor;

impl World {
    pub(super) fn can_send(&self, k: usize, setup: &Setup, alone: bool) -> bool {
        let process = &self.processes[k];
        let sendable = |mine: &End, theirs: &End| {
            (alone || !matches!(mine.outbox.front(), Some(Message::Offer(..) | Message::Listeners)))
                && mine.open
                && !mine.outbox.is_empty()
                && (!theirs.open || theirs.shut || theirs.queue.len() < setup.queue)
        };
        process.up.is_some_and(|up| sendable(&self.links[up].down, &self.links[up].up))
            || process.down.is_some_and(|down| sendable(&self.links[down].up, &self.links[down].down))
    }

    /// Our own end of a link: what we read from, and our outbox.
    pub(super) fn end_of(&mut self, k: usize, side: Side) -> Option<&mut End> {
        match side {
            Side::Up => self.processes[k].up.map(|up| &mut self.links[up].down),
            Side::Down => self.processes[k].down.map(|down| &mut self.links[down].up),
        }
    }

    pub(super) fn close(&mut self, k: usize, side: Side) {
        let Some(number) = (match side {
            Side::Up => self.processes[k].up,
            Side::Down => self.processes[k].down,
        }) else {
            return;
        };
        let link = &mut self.links[number];
        let (mine, theirs) = match side {
            Side::Up => (&mut link.down, &mut link.up),
            Side::Down => (&mut link.up, &mut link.down),
        };
        theirs.reset |= mine.open && theirs.open && !mine.queue.is_empty();
        *mine = End::default();
    }

    pub(super) fn send(&mut self, k: usize, setup: &Setup) {
        for side in [Side::Up, Side::Down] {
            let Some(number) = (match side {
                Side::Up => self.processes[k].up,
                Side::Down => self.processes[k].down,
            }) else {
                continue;
            };
            let link = &mut self.links[number];
            let (mine, theirs) = match side {
                Side::Up => (&mut link.down, &mut link.up),
                Side::Down => (&mut link.up, &mut link.down),
            };
            if !theirs.open || theirs.shut {
                mine.outbox.clear();
            } else if theirs.queue.len() < setup.queue
                && let Some(message) = mine.outbox.pop_front()
            {
                theirs.queue.push_back(message);
                return;
            }
        }
    }

    pub(super) fn read_up(&mut self, k: usize) {
        let Some(number) = self.processes[k].up else { return };
        let past_reset = self.processes[k].engine.reads_past_reset();
        let dead = !self.alive(self.links[number].predecessor);
        let end = &mut self.links[number].down;
        if std::mem::take(&mut end.reset) && !past_reset {
            end.queue.clear();
        } else if let Some(message) = end.queue.pop_front() {
            self.predecessor_said(k, message)
        } else if !self.links[number].up.open || self.links[number].down.shut {
            if dead {
                self.processes[k].told_dead_up = true;
            }
            self.with_up(k, |up, context| if dead { up.died(context) } else { up.end_of_file(context) });
        }
    }

    fn predecessor_said(&mut self, k: usize, message: Message) {
        let said = match message {
            Message::Welcome { owner, epoch, attempt } => FromPredecessor::Welcome { owner, epoch, attempt },
            Message::Listeners => FromPredecessor::Listeners { complete: true },
            Message::Draining => FromPredecessor::Draining,
            Message::Hung => FromPredecessor::Hung,
            Message::Offer(slot, time) => {
                let link = self.processes[k].up.unwrap();
                self.links[link].in_hand[slot as usize] = time;
                return self.with_up(k, |up, context| {
                    if !up.offered(&[slot.into()], false, context) {
                        up.broke(context);
                    }
                });
            }
            Message::Last => return self.with_up(k, |up, context| assert!(up.offered(&[], true, context))),
            _ => unreachable!("a successor's message"),
        };
        self.with_up(k, |up, context| {
            assert!(up.said(said, context), "{said:?}");
            up.checked(context);
        });
    }

    pub(super) fn read_down(&mut self, k: usize) {
        let Some(number) = self.processes[k].down else { return };
        let past_reset = self.processes[k].engine.reads_past_reset();
        let end = &mut self.links[number].up;
        if std::mem::take(&mut end.reset) && !past_reset {
            end.queue.clear();
        } else if let Some(message) = end.queue.pop_front() {
            let said = match message {
                Message::ListenersAck => FromSuccessor::ListenersAck,
                Message::Ready => FromSuccessor::Ready,
                _ => FromSuccessor::Answer,
            };
            self.processes[k]
                .engine
                .with(0, |_, down, context| down.as_mut().map(|down| down.said(said, context)));
        } else if !self.links[number].down.open {
            self.processes[k]
                .engine
                .with(0, |_, down, context| down.as_mut().map(|down| down.end_of_file(context)));
        }
    }
}
