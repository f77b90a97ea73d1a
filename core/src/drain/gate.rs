//! The in-flight gate: nobody enters once it is closed, and one can wait until everybody has left.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Nobody may enter.
const CLOSED: u64 = 1 << 63;
/// Somebody has waited, so whoever leaves last wakes the waiters.
const AWAITED: u64 = 1 << 62;
/// The rest counts who is inside.
const INSIDE: u64 = AWAITED - 1;

/// Counts what is in flight (requests, transactions), so that draining can wait for its end. A clone is the same gate.
///
/// All calls from any thread; all but [`wait`](Gate::wait) never block.
#[derive(Clone, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Default)]
struct Shared {
    word: AtomicU64,
    /// Guards nothing but the moment between a waiter's look and its sleep.
    sleep: Mutex<()>,
    left: Condvar,
}

/// One that is inside; leaves when dropped, on whatever thread.
#[derive(Debug)]
#[must_use = "it leaves at once if it is dropped"]
pub struct InFlight(Gate);

impl Gate {
    /// A gate that is open and has nobody inside.
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Enters; nothing once the gate is closed.
    pub fn enter(&self) -> Option<InFlight> {
        self.enter_raw().then(|| InFlight(self.clone()))
    }

    /// Enters without a guard: where this is true, [`leave_raw`](Gate::leave_raw) must follow. One atomic.
    pub fn enter_raw(&self) -> bool {
        // Counted first, so that nobody slips in between a look at the gate and the count.
        if self.0.word.fetch_add(1, Ordering::SeqCst) & CLOSED == 0 {
            return true;
        }
        self.count_out();
        false
    }

    /// Leaves after [`enter_raw`](Gate::enter_raw). False, and nothing happens, if nobody is inside.
    pub fn leave_raw(&self) -> bool {
        let someone = |word| (word & INSIDE > 0).then(|| word - 1);
        let before = self.0.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, someone);
        before.map(|before| self.wake_if_last(before)).is_ok()
    }

    /// Lets nobody in any more. Closing twice is fine.
    pub fn close(&self) {
        self.0.word.fetch_or(CLOSED, Ordering::SeqCst);
    }

    /// Lets them in again: the successor died and we serve on.
    pub fn open(&self) {
        self.0.word.fetch_and(!CLOSED, Ordering::SeqCst);
    }

    /// How many are inside at this moment.
    pub fn in_flight(&self) -> u64 {
        self.0.word.load(Ordering::SeqCst) & INSIDE
    }

    /// Blocks until nobody is inside, for `timeout` at most (zero: only looks). Close the gate first, or others may enter
    /// right behind the last one.
    ///
    /// # Errors
    /// How many are still inside.
    pub fn wait(&self, timeout: Duration) -> Result<(), u64> {
        let deadline = Instant::now().checked_add(timeout);
        let mut sleep = self.0.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // Said together with the look: whoever leaves after it sees that somebody waits.
            match self.0.word.fetch_or(AWAITED, Ordering::SeqCst) & INSIDE {
                0 => return Ok(()),
                inside => {
                    let left =
                        deadline.map_or(Duration::MAX, |deadline| deadline.duration_since(Instant::now()));
                    if left.is_zero() {
                        return Err(inside);
                    }
                    let woken = self.0.left.wait_timeout(sleep, left).unwrap_or_else(PoisonError::into_inner);
                    sleep = woken.0;
                }
            }
        }
    }

    fn count_out(&self) {
        self.wake_if_last(self.0.word.fetch_sub(1, Ordering::SeqCst));
    }

    fn wake_if_last(&self, before: u64) {
        if before & INSIDE == 1 && before & AWAITED != 0 {
            // A waiter between its look and its sleep holds the lock, so it is asleep, or has not looked, from here on.
            drop(self.0.sleep.lock().unwrap_or_else(PoisonError::into_inner));
            self.0.left.notify_all();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.count_out();
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = self.0.word.load(Ordering::SeqCst) & CLOSED != 0;
        f.debug_struct("Gate").field("in_flight", &self.in_flight()).field("closed", &closed).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_closed_gate_lets_nobody_in_and_an_opened_one_does() {
        let gate = Gate::new();
        let first = gate.enter().unwrap();
        gate.close();
        gate.close();
        assert!(gate.enter().is_none() && !gate.enter_raw());
        assert_eq!(gate.in_flight(), 1);
        gate.open();
        let second = gate.clone().enter().unwrap();
        assert_eq!(gate.in_flight(), 2, "a clone is the same gate");
        drop((first, second));
        assert_eq!(gate.in_flight(), 0);
    }

    #[test]
    fn waiting_ends_at_the_deadline_with_the_number_inside() {
        let gate = Gate::new();
        let inside = (gate.enter().unwrap(), gate.enter().unwrap());
        let began = Instant::now();
        assert_eq!(gate.wait(Duration::from_millis(30)), Err(2));
        assert!(began.elapsed() >= Duration::from_millis(30));
        assert_eq!(gate.wait(Duration::ZERO), Err(2), "only looks");
        drop(inside);
        assert_eq!(gate.wait(Duration::ZERO), Ok(()));
    }

    #[test]
    fn leaving_more_often_than_entering_does_nothing() {
        let gate = Gate::new();
        assert!(!gate.leave_raw());
        assert!(gate.enter_raw() && gate.leave_raw());
        assert!(!gate.leave_raw());
        assert_eq!(gate.in_flight(), 0);
        assert!(gate.enter().is_some(), "neither closed nor full");
    }

    #[test]
    fn the_last_to_leave_wakes_whoever_waits() {
        for round in 0..300 {
            let gate = Gate::new();
            let guards: Vec<InFlight> = (0..4).map(|_| gate.enter().unwrap()).collect();
            gate.close();
            thread::scope(|scope| {
                let waiter = scope.spawn(|| gate.wait(LONG));
                for guard in guards {
                    scope.spawn(move || drop(guard));
                }
                assert_eq!(waiter.join().unwrap(), Ok(()), "round {round}");
            });
        }
    }

    #[test]
    fn nobody_is_inside_after_closing_and_waiting() {
        for _ in 0..100 {
            let gate = Gate::new();
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let mut times = 0;
                        while let Some(inside) = gate.enter() {
                            assert!(!over.load(Ordering::SeqCst), "inside after the wait was over");
                            drop(inside);
                            times += 1;
                        }
                        times
                    });
                }
                gate.close();
                gate.wait(LONG).unwrap();
                over.store(true, Ordering::SeqCst);
            });
            assert_eq!(gate.in_flight(), 0);
        }
    }
}
