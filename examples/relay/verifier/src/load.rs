//! What connections ask: a mix of everything the protocol has.

use crate::client::{Client, Role};
use crate::mirror::Ask;
use std::time::{Duration, Instant};

/// Replies that a slow client keeps under way: more than the kernel's buffers hold, so that some of their bytes always
/// wait in the relay.
const UNDER_WAY: usize = 16;

/// Draws what is asked next.
#[derive(Debug)]
pub struct Load {
    random: fastrand::Rng,
}

impl Load {
    /// The same seed asks the same things.
    pub fn new(seed: u64) -> Load {
        Load { random: fastrand::Rng::with_seed(seed) }
    }

    /// Yes or no.
    pub fn toss(&mut self) -> bool {
        self.random.bool()
    }

    /// Around `mean`.
    pub fn wait(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(0.5 + self.random.f64())
    }

    /// Asks what comes next on this connection. If it asked only a part: when the rest is due.
    pub fn ask(&mut self, client: &mut Client, now: Instant) -> Option<Instant> {
        match client.role {
            Role::Short => {
                client.last = true;
                [self.echo(200), Ask::Sum, Ask::Bye].into_iter().for_each(|ask| client.ask(ask, now));
            }
            Role::Slow => self.top_up(client, now),
            Role::Split => return Some(now + self.ask_split(client, 500, now)),
            Role::Mixed => match self.random.u32(0..100) {
                _ if client.padded && self.random.bool() => client.ask(Ask::PadCheck, now),
                0..60 => client.ask(self.echo(300), now),
                60..72 => {
                    (0..self.random.usize(2..=8)).for_each(|_| client.ask(self.echo(100), now));
                    client.ask(Ask::Sum, now);
                }
                72..88 => return Some(now + self.ask_split(client, 200, now)),
                88..93 => client.ask(Ask::Sum, now),
                93..97 => client.ask(Ask::Who, now),
                _ => client.ask(Ask::Big(self.random.usize(1..100_000)), now),
            },
        }
        None
    }

    /// The last questions: is all that it carries right, and who serves it?
    pub fn ask_last(&mut self, client: &mut Client, now: Instant) {
        client.last = true;
        client.timed = false; // all connections at once: that says nothing about the relay
        [Ask::PadCheck, Ask::Sum, Ask::Who].into_iter().for_each(|ask| client.ask(ask, now));
    }

    /// A slow client always has replies to read.
    pub fn top_up(&mut self, client: &mut Client, now: Instant) {
        while client.owed() < UNDER_WAY {
            client.ask(Ask::Big(1 << 20), now);
            client.ask(Ask::Sum, now);
        }
    }

    /// Asks a part of something; the rest follows after up to `longest` milliseconds.
    fn ask_split(&mut self, client: &mut Client, longest: u64, now: Instant) -> Duration {
        let ask = if self.random.u32(0..4) == 0 { Ask::Sum } else { self.echo(2_000) };
        client.ask_part(ask, self.random.f64(), now);
        Duration::from_millis(self.random.u64(longest / 10..longest))
    }

    fn echo(&mut self, most: usize) -> Ask {
        let length = self.random.usize(0..=most);
        Ask::Echo((0..length).map(|_| self.random.u8(..)).collect())
    }
}
