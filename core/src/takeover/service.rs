//! What is served: the listeners that the application asks for, and its readiness.

use super::actions::{Millis, Standing};
use super::lobby::Lobby;
use super::seats::Seats;
use super::state::{Held, Outside, State};
use crate::error::{Error, ErrorKind, Result};
use crate::listener::ListenerSpec;
use crate::wire::limits::MAX_NAME;
use std::os::fd::{AsFd, OwnedFd};

impl State {
    pub(super) fn claim(&mut self, name: &str, spec: &ListenerSpec) -> Result<OwnedFd> {
        if name.is_empty() || name.len() > MAX_NAME {
            let what = "the name of a listener has 1 to 255 bytes";
            return Err(Error::new(ErrorKind::InvalidArgument, what, "nothing was bound"));
        }
        let copy = |fd: &OwnedFd| fd.try_clone().map_err(|error| Error::system("dup", &error));
        if let Some(held) = self.listeners.iter_mut().find(|held| held.name == name) {
            if held.claimed {
                let what = format!("the listener {name:?} was asked for before");
                return Err(Error::new(ErrorKind::NameUsed, what, "use the descriptor that came then"));
            }
            spec.check(held.fd.as_fd())?;
            let given = copy(&held.fd)?;
            held.claimed = true;
            return Ok(given);
        }
        let fd = spec.bind()?;
        let given = copy(&fd)?;
        self.listeners.push(Held {
            name: name.into(),
            spec: spec.clone(),
            fd,
            claimed: true,
            unserved_since: None,
        });
        Ok(given)
    }

    pub(super) fn ready(&mut self, now: Millis) -> Result<()> {
        if self.engine.service.ready {
            return Err(Error::new(ErrorKind::WrongState, "ready was called before", "go on serving"));
        }
        if matches!(self.engine.service.standing, Standing::Lost | Standing::Left) {
            let fault = self.fault.as_ref().map_or("the predecessor called it off", |fault| fault.what());
            let what = format!("the attempt is off: {fault}");
            return Err(Error::new(ErrorKind::AttemptLost, what, "the service is elsewhere; start again"));
        }
        let unclaimed: Vec<&str> =
            self.listeners.iter().filter(|held| !held.claimed).map(|held| held.name.as_str()).collect();
        if !unclaimed.is_empty() {
            let what = format!(
                "the predecessor serves listeners that nobody asked for here: {}",
                unclaimed.join(", ")
            );
            let now = "the predecessor goes on serving; ask for them with listener(), then call ready again";
            return Err(Error::new(ErrorKind::ListenerUnclaimed, what, now));
        }
        self.open_lanes();
        self.engine.ready(now);
        self.seats.ready();
        Ok(())
    }

    /// Closes everything without a word to anybody.
    pub(super) fn forget(&mut self) {
        self.up = None;
        self.down = None;
        self.takeover_socket = None;
        self.listeners.clear();
        self.lobby = Lobby::default();
        self.seats = Seats::default();
        self.events.clear();
        self.deed = None;
    }

    /// Sends a batch as soon as it is full; the last one goes when the application has nothing to add.
    pub(super) fn send_sealed(&mut self, outside: &Outside) {
        if self.down.as_ref().is_some_and(|down| down.link.has_queued()) {
            self.pump(outside);
        }
    }
}
