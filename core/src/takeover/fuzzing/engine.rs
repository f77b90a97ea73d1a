//! One process's machines, alone among liars: whatever is said, in whatever order, and whatever is written into deed and
//! ledger behind their back.

use crate::fuzzing::Input;
use crate::ownership::{Deed, DeedWord, Ledger, Word};
use crate::takeover::actions::{Action, Durations, Side, Standing, Step, Tell, Timer};
use crate::takeover::engine::Engine;
use crate::takeover::predecessor::FromSuccessor;
use crate::takeover::rules::Rules;
use crate::takeover::successor::FromPredecessor;
use std::cell::Cell;
use std::collections::BTreeMap;

const SLOTS: usize = 8;
const WORDS: [Word; 5] = [Word::Free, Word::Offered, Word::Adopted, Word::Refused, Word::Returned];
/// More small steps than the machines can have to do between two things that come in.
const ENOUGH: usize = 1000;

struct Words(Cell<(u32, u32)>);

impl DeedWord for Words {
    fn read(&self) -> Deed {
        let (owner, epoch) = self.0.get();
        Deed { owner, epoch }
    }

    fn swap(&self, from: Deed, to: Deed) -> Result<(), Deed> {
        if self.read() != from {
            return Err(self.read());
        }
        self.0.set((to.owner, to.epoch));
        Ok(())
    }
}

#[derive(Default)]
struct Slots {
    words: [Cell<u8>; SLOTS],
    relieved: Cell<bool>,
}

impl Ledger for Slots {
    fn slots(&self) -> u32 {
        SLOTS as u32
    }

    fn read(&self, slot: u32) -> Word {
        WORDS[usize::from(self.words[slot as usize].get())]
    }

    fn swap(&self, slot: u32, from: Word, to: Word) -> Result<(), Word> {
        match self.read(slot) {
            now if now == from => {
                self.words[slot as usize].set(to as u8);
                Ok(())
            }
            now => Err(now),
        }
    }

    fn relieved(&self) -> bool {
        self.relieved.get()
    }

    fn relieve(&self) {
        self.relieved.set(true);
    }
}

/// The machines, the memory that they share with liars, and what must come out even.
struct Process {
    engine: Engine,
    deed: Words,
    up: Slots,
    down: Slots,
    now: u64,
    /// What became of each of our offers on this link; `None`: nothing yet.
    offered: BTreeMap<u32, Option<Tell>>,
    done: bool,
}

/// No panic, no endless work, no deadline left behind; each offer of ours comes back once and is never used before; who
/// has no part in the service any more neither accepts nor holds it; nobody resumes after Done.
pub fn engine(data: &[u8]) {
    let mut input = Input(data);
    let durations = Durations { handshake: 5, ready: 20, commit: 10, drain: 30, probation: 10 };
    let engine = match input.pick(2) {
        Some(0) => Engine::first(durations, Rules::default()),
        Some(_) => Engine::newcomer(durations, Rules::default(), 0),
        None => return,
    };
    let (deed, up, down) = (Words(Cell::new((1, 1))), Slots::default(), Slots::default());
    let mut process = Process { engine, deed, up, down, now: 0, offered: BTreeMap::new(), done: false };
    while process.next(&mut input).is_some() {
        process.check();
    }
    process.engine.leave();
    process.run(ENOUGH);
    process.engine.with(process.now, |up, _, context| up.as_mut().map(|up| up.end_of_file(context)));
    process.run(ENOUGH);
    process.check();
    assert_eq!(process.engine.service.standing, Standing::Left, "leaving comes to its end");
    assert!(process.offered.values().all(Option::is_some), "an offer is left behind");
}

impl Process {
    /// One thing happens; `None`: the input is at its end.
    fn next(&mut self, input: &mut Input<'_>) -> Option<()> {
        match input.pick(8)? {
            0 => self.predecessor(input)?,
            1 => self.successor(input)?,
            2 => self.application(input)?,
            3 => self.liar(input)?,
            4 => {
                self.now += input.number()?.min(100);
                self.engine.tick(self.now);
            }
            5 => {
                let side = [Side::Up, Side::Down][input.pick(2)?];
                let timer = Timer::ALL[input.pick(Timer::ALL.len())?];
                let set = self.engine.timers().any(|(its, name, _)| (its, name) == (side, timer));
                if set {
                    self.engine.fire(side, timer, self.now);
                }
            }
            6 => self.run(input.pick(8)?),
            _ => {
                self.run(ENOUGH);
                self.engine.tick(self.now);
                self.run(ENOUGH);
                let next = self.engine.next_deadline();
                assert!(next.is_none_or(|at| at > self.now), "a deadline that has passed fires for ever");
            }
        }
        Some(())
    }

    fn predecessor(&mut self, input: &mut Input<'_>) -> Option<()> {
        let what = input.pick(11)?;
        let slots: Vec<u32> = match what {
            0 | 1 => input.bytes(1, SLOTS)?.iter().map(|slot| u32::from(*slot) % SLOTS as u32).collect(),
            _ => Vec::new(),
        };
        let said = match what {
            2 => Some(FromPredecessor::Welcome {
                owner: input.number()? as u32,
                epoch: input.number()? as u32,
                attempt: input.number()? as u32,
            }),
            3 => Some(FromPredecessor::Listeners { complete: input.pick(2)? == 1 }),
            4 => Some(FromPredecessor::Draining),
            5 => Some(FromPredecessor::Hung),
            6 => Some(FromPredecessor::Note),
            _ => None,
        };
        let ledger = &self.up;
        self.engine.with(self.now, |up, _, context| {
            let Some(up) = up else { return };
            let fits = match (what, said) {
                (_, Some(said)) => up.said(said, context),
                (0, _) => up.offered(&slots, slots.len().is_multiple_of(3), context),
                (1, _) => {
                    up.refuse_batch(&slots, false, ledger, context);
                    true
                }
                (7, _) => {
                    up.died(context);
                    true
                }
                (8, _) => {
                    up.end_of_file(context);
                    true
                }
                (9, _) => false,
                _ => {
                    up.answer(context);
                    true
                }
            };
            if !fits {
                up.broke(context);
            } else if up.is_checking() {
                up.checked(context);
            }
        });
        Some(())
    }

    fn successor(&mut self, input: &mut Input<'_>) -> Option<()> {
        let what = input.pick(8)?;
        self.engine.with(self.now, |_, down, context| {
            let Some(down) = down else { return };
            match what {
                0 => down.said(FromSuccessor::ListenersAck, context),
                1 => down.said(FromSuccessor::Ready, context),
                2 => down.said(FromSuccessor::Answer, context),
                3 => down.said(FromSuccessor::Note, context),
                4 => down.end_of_file(context),
                5 => down.died(context),
                6 => down.broke(context),
                _ => down.unserved(context),
            }
        });
        Some(())
    }

    fn application(&mut self, input: &mut Input<'_>) -> Option<()> {
        let what = input.pick(9)?;
        let slot = input.pick(SLOTS)? as u32;
        let (up_ledger, down_ledger) = (&self.up, &self.down);
        match what {
            // As the handle guards it.
            0 if !self.engine.service.ready
                && !matches!(self.engine.service.standing, Standing::Lost | Standing::Left) =>
            {
                self.engine.ready(self.now)
            }
            1 => self.engine.drain(self.now),
            2 => self.engine.migrated_all(self.now),
            3 if self.engine.welcomes() => {
                assert!(self.offered.values().all(Option::is_some), "a link ended with an offer open");
                self.offered.clear();
                self.down = Slots::default();
                self.engine.welcome(input.number()? as u32, self.now);
            }
            4 => self.offer(),
            5 => {
                self.engine.with(self.now, |_, down, context| {
                    down.as_mut().map(|down| down.withdraw(slot, down_ledger, context))
                });
            }
            6 => {
                self.engine
                    .with(self.now, |_, down, context| down.as_mut().map(|down| down.stopped(context)));
            }
            7 => {
                let offered = up_ledger.read(slot) == Word::Offered;
                let held = self.engine.up.as_ref().is_some_and(|up| up.holds_offer(slot));
                let ours = self.engine.with(self.now, |up, _, context| {
                    up.as_mut().is_some_and(|up| up.adopt(slot, up_ledger, context))
                });
                assert_eq!(ours, offered && held, "what is on offer is adopted once");
            }
            8 => self.refuse(slot),
            _ => {}
        }
        Some(())
    }

    fn offer(&mut self) {
        let ledger = &self.down;
        let slot = self
            .engine
            .with(self.now, |_, down, context| down.as_mut().map(|down| down.offer(ledger, context)));
        if let Some(Ok(slot)) = slot {
            assert!(self.offered.insert(slot, None).is_none(), "slot {slot} is used twice");
        }
    }

    fn refuse(&mut self, slot: u32) {
        let ledger = &self.up;
        self.engine.with(self.now, |up, _, context| {
            up.as_mut().map(|up| up.refuse(slot, slot.is_multiple_of(2), ledger, context))
        });
    }

    /// Somebody else writes into the shared words.
    fn liar(&mut self, input: &mut Input<'_>) -> Option<()> {
        let ledger = [&self.up, &self.down][input.pick(2)?];
        match input.pick(4)? {
            0 => self.deed.0.set((input.number()? as u32, input.number()? as u32)),
            // What would come next if all went well.
            1 => self.deed.0.set((input.pick(4)? as u32, self.deed.0.get().1.wrapping_add(1))),
            2 => ledger.words[input.pick(SLOTS)?].set(input.pick(WORDS.len())? as u8),
            _ => ledger.relieved.set(input.pick(2)? == 1),
        }
        Some(())
    }

    /// At most `steps` small steps; as many as [`ENOUGH`] must be enough.
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.engine.step(Some(&self.deed), Some(&self.up), Some(&self.down), self.now) {
                Step::Idle => return,
                Step::Moved => {}
                Step::Act(Action::TurnDown(slot)) => self.refuse(slot),
                // Whether the predecessor is dead is as good as drawn.
                Step::Act(Action::LookUp) => self.engine.with(self.now, |up, _, context| match up {
                    Some(up) if context.now.is_multiple_of(2) => up.lives(context),
                    Some(up) => up.died(context),
                    None => {}
                }),
                Step::Act(Action::Tell(tell)) => self.told(tell),
                Step::Act(_) => {}
            }
        }
        assert!(steps < ENOUGH, "the machines never come to rest");
    }

    fn told(&mut self, tell: Tell) {
        match tell {
            Tell::Settled(slot) | Tell::Refused(slot) | Tell::TakenBack(slot) => {
                let before = self.offered.insert(slot, Some(tell));
                assert_eq!(
                    before,
                    Some(None),
                    "slot {slot} was offered and comes back once, now as {tell:?}"
                );
            }
            Tell::Done { .. } => self.done = true,
            Tell::Drain { .. } => self.done = false,
            Tell::Resume(_) => assert!(!self.done, "a Resume after Done"),
            _ => {}
        }
    }

    fn check(&self) {
        let service = &self.engine.service;
        match service.standing {
            Standing::Owner => assert!(service.holds, "an owner has the listeners"),
            Standing::Relieved | Standing::Lost => {
                assert!(!service.accepting && !service.holds, "{service:?}")
            }
            _ => {}
        }
    }
}
