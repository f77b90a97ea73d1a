//! Whether the application is fit to serve.

use super::actions::{Millis, Standing};
use super::outside::Outside;
use super::state::State;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Role};

impl State {
    pub(super) fn ready(&mut self, now: Millis) -> Result<()> {
        if self.engine.service.ready {
            return Err(Error::new(ErrorKind::WrongState, "ready was called before", "go on serving"));
        }
        if matches!(self.engine.service.standing, Standing::Lost | Standing::Left) {
            let fault = self.fault.as_ref().map_or("the predecessor called it off", |fault| fault.what());
            let what = format!("the attempt is off: {fault}");
            return Err(Error::new(ErrorKind::AttemptLost, what, "the service is elsewhere; start again"));
        }
        let unclaimed = self.listeners.unclaimed();
        if !unclaimed.is_empty() {
            let what = format!(
                "the predecessor serves listeners that nobody asked for here: {}",
                unclaimed.join(", ")
            );
            let now = "the predecessor goes on serving; ask for them with listener(), or retire() them; then call ready again";
            return Err(Error::new(ErrorKind::ListenerUnclaimed, what, now));
        }
        if self.up.is_some() {
            fault::point(Role::Successor, "before-call", "ready");
        }
        self.open_lanes();
        self.engine.ready(now);
        self.seats.ready();
        Ok(())
    }

    /// Sends a batch as soon as it is full; the last one goes when the application has nothing to add.
    pub(super) fn send_sealed(&mut self, outside: &Outside) {
        if self.down.as_ref().is_some_and(|down| down.link.has_queued()) {
            self.pump(outside);
        }
    }
}
