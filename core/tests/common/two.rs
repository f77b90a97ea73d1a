//! A predecessor and a successor in one thread: whoever waits for one of them lets both work.

use super::{PATIENCE, quick};
use std::collections::VecDeque;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use zdt::{Config, Event, Offer, Takeover};

pub const FIRST: usize = 0;
pub const SECOND: usize = 1;

/// Opens the next generation while `owner`, in this thread, answers it and is told nothing yet.
pub fn open_beside(owner: &Takeover, path: &Path, config: Config) -> zdt::Result<Takeover> {
    thread::scope(|scope| {
        let opening = scope.spawn(|| Takeover::open(path, config));
        while !opening.is_finished() {
            let event = owner.next_event(Some(Duration::from_millis(5))).unwrap();
            assert!(event.is_none(), "{event:?}");
        }
        opening.join().unwrap()
    })
}

/// Two handles, and what was handed out while the other one was waited for.
pub struct Two {
    handles: [Takeover; 2],
    events: [VecDeque<Event>; 2],
}

impl Two {
    /// A predecessor that is ready, and its successor, which is not.
    pub fn open(path: &Path, first: Config, second: Config) -> Two {
        let first = Takeover::open(path, first).unwrap();
        first.ready().unwrap();
        let second = open_beside(&first, path, second).unwrap();
        Two::of(first, second)
    }

    /// A predecessor that was told to drain, and its successor, which is ready.
    pub fn draining(path: &Path, first: Config, second: Config) -> Two {
        let mut two = Two::open(path, first, second);
        two.second().ready().unwrap();
        assert!(matches!(two.next(FIRST), Event::Drain { successor: Some(_), .. }));
        two
    }

    /// The same, with nothing unusual about either.
    pub fn quick(path: &Path) -> Two {
        Two::draining(path, quick(), quick())
    }

    pub fn of(first: Takeover, second: Takeover) -> Two {
        Two { handles: [first, second], events: Default::default() }
    }

    pub fn first(&self) -> &Takeover {
        &self.handles[FIRST]
    }

    pub fn second(&self) -> &Takeover {
        &self.handles[SECOND]
    }

    /// The next event of this one.
    pub fn next(&mut self, who: usize) -> Event {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = self.events[who].pop_front() {
                return event;
            }
            assert!(Instant::now() < until, "no event for {who}, while the other has {:?}", self.events);
            for (handle, events) in self.handles.iter().zip(&mut self.events) {
                events.extend(handle.next_event(Some(Duration::from_millis(1))).unwrap());
            }
        }
    }

    /// The next offer to the successor, which may commit before it.
    pub fn offer(&mut self) -> Offer {
        loop {
            match self.next(SECOND) {
                Event::Offer(offer) => return offer,
                Event::Committed { .. } => {}
                other => panic!("{other:?} instead of an offer"),
            }
        }
    }
}
