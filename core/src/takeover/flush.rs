//! What is queued on the links goes out, as far as there is room.

use super::actions::Millis;
use super::link::{Flushed, Link};
use super::outside::{DOWN, Outside, UP};
use super::state::State;
use crate::error::{Error, Result};

/// How long to wait where the kernel has no room for descriptors in flight.
pub(super) const LATER: Millis = 5;

impl State {
    /// Sends what is queued. Whether the engine has something to do because of it.
    pub(super) fn flush(&mut self, out: &Outside, now: Millis) -> bool {
        let mut more = self.flush_seats(out, now);
        if let Some(up) = self.up.as_mut().filter(|up| up.link.has_queued()) {
            match flush_link(&mut up.link, UP, out) {
                Ok(Flushed::Later) => self.retry(now),
                Ok(_) => {}
                Err(error) => {
                    up.link.outbox.clear();
                    self.give_up(error, now);
                    more = true;
                }
            }
        }
        if let Some(down) = self.down.as_mut().filter(|down| down.link.has_queued()) {
            match flush_link(&mut down.link, DOWN, out) {
                Ok(Flushed::Later) => self.retry(now),
                Ok(Flushed::BadDescriptor) => {
                    if let Some(batch) = down.link.bad.take() {
                        self.withdraw(&batch, now);
                    }
                    more = true;
                }
                Ok(_) => {}
                Err(_) => {
                    down.link.outbox.clear();
                    self.engine.with(now, |_, down, context| down.as_mut().map(|down| down.broke(context)));
                    more = true;
                }
            }
        }
        more
    }

    /// The kernel has no room now: flush again a little later.
    pub(super) fn retry(&mut self, now: Millis) {
        self.retry_at = Some(now + LATER);
    }
}

/// Sends what is queued on `link`, and waits for room where there is none.
pub(super) fn flush_link(link: &mut Link, token: u64, out: &Outside) -> Result<Flushed> {
    let waited = link.waits_for_room;
    let flushed = link.flush();
    link.waits_for_room = matches!(flushed, Ok(Flushed::Full));
    if let (true, Some(socket)) = (waited != link.waits_for_room, link.socket()) {
        out.epoll
            .modify(socket, token, link.waits_for_room)
            .map_err(|error| Error::system("epoll_ctl", &error))?;
    }
    flushed
}
