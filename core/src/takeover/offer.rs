//! A connection on offer, in the hands of the successor's application.

use super::Shared;
use super::state::State;
use super::successor::Refusal;
use crate::connection::Adopted;
use crate::error::Result;
use crate::sys::unix;
use crate::wire::Parcel;
use std::fmt;
use std::os::fd::AsFd;

/// A connection that the predecessor has frozen and offers. [`adopt`](Offer::adopt) it once the objects for it are built;
/// [`refuse`](Offer::refuse) it, or drop it, and it goes back to the predecessor as it was.
pub struct Offer {
    slot: u32,
    /// `None`: answered.
    connection: Option<Adopted>,
    inner: Shared,
}

impl Offer {
    pub(super) fn new(parcel: Parcel, inner: &Shared) -> Offer {
        Offer { slot: parcel.slot, connection: Some(parcel.connection), inner: inner.clone() }
    }

    /// What is offered. Look at it, but leave the descriptors alone until it is adopted: the predecessor may take the
    /// connection back at any moment before.
    #[allow(clippy::missing_panics_doc)]
    pub fn connection(&self) -> &Adopted {
        self.connection
            .as_ref()
            .unwrap_or_else(|| unreachable!("an offer has its connection until it is answered"))
    }

    /// Takes the connection. `None`: it went back to the predecessor meanwhile, and nothing is left to do.
    ///
    /// From here the descriptors belong to the caller, who writes `unsent` before anything else, uses `unread` before it
    /// reads on, and ends the connection with shutdown and close. Never blocks; any thread.
    ///
    /// # Errors
    /// `Closed` or `Forked`: the offer is gone with the handle.
    pub fn adopt(mut self) -> Result<Option<Adopted>> {
        let Some(connection) = self.connection.take() else { return Ok(None) };
        let ours = self.inner.adopt(self.slot, &connection)?;
        Ok(ours.then_some(connection))
    }

    /// Gives the connection back; the predecessor goes on with it. `why` is for people: it travels with the refusal. Never blocks; any thread.
    pub fn refuse(self, why: &str) {
        self.inner.say_why(why);
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            self.inner.refuse(self.slot, connection);
        }
    }
}

impl State {
    /// The application takes the connection in `slot`: whether it is ours.
    pub(super) fn adopt(&mut self, slot: u32, connection: &Adopted) -> bool {
        let Some(ledger) = self.up.as_ref().and_then(|up| up.ledger.as_ref()) else { return false };
        let ours = self
            .engine
            .with(self.clock, |up, _, context| up.as_mut().is_some_and(|up| up.adopt(slot, ledger, context)));
        if ours {
            self.received.count(connection);
        } else {
            self.received.returned += 1;
        }
        ours
    }

    /// The application does not take the connection in `slot`.
    pub(super) fn refuse(&mut self, slot: u32, connection: &Adopted) {
        if self.give_back(slot) == Refusal::Ours {
            // Nobody else can end it, and a bare close would send no FIN while a stopped process holds a copy.
            let _ = unix::shutdown_both(connection.socket.as_fd());
        }
    }

    /// While leaving: the connection in `slot` was not shown to the application, or is in its hands unanswered.
    pub(super) fn turn_down_offer(&mut self, slot: u32) {
        let waiting = self.up.as_mut().and_then(|up| {
            let place = up.parcels.iter().position(|parcel| parcel.slot == slot)?;
            up.parcels.remove(place)
        });
        match waiting {
            Some(Parcel { connection, .. }) => self.refuse(slot, &connection),
            None => {
                self.give_back(slot);
            }
        }
    }

    fn give_back(&mut self, slot: u32) -> Refusal {
        let Some(up) = &self.up else { return Refusal::Gone };
        let Some(ledger) = &up.ledger else { return Refusal::Gone };
        let dead = up.is_dead();
        self.received.returned += 1;
        self.engine.with(self.clock, |up, _, context| match up {
            Some(up) => up.refuse(slot, dead, ledger, context),
            None => Refusal::Gone,
        })
    }
}

impl fmt::Debug for Offer {
    /// State, unread and unsent bytes are the application's: their lengths are shown, not they.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Offer");
        shown.field("slot", &self.slot);
        if let Some(connection) = &self.connection {
            shown.field("protocol", &connection.protocol);
            shown.field("state", &connection.state.len());
            shown.field("unread", &connection.unread.len());
            shown.field("unsent", &connection.unsent.len());
        }
        shown.finish_non_exhaustive()
    }
}
