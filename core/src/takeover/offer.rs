//! A connection on offer, in the hands of the successor's application.

use super::hand::Refusal;
use super::state::State;
use crate::connection::{Adopted, Kept};
use crate::error::Result;
use crate::fault::{self, Role};
use crate::sys::unix;
use crate::wire::Parcel;
use std::fmt;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::sync::Arc;

/// A connection that the predecessor has frozen and offers. [`adopt`](Offer::adopt) it once the objects for it are built;
/// [`refuse`](Offer::refuse) it, or drop it, and it goes back to the predecessor as it was.
pub struct Offer {
    slot: u32,
    /// Nothing: answered.
    connection: Kept<OwnedFd>,
    link: u64,
    holder: Arc<dyn Holder>,
    /// The descriptors are the caller's.
    given: bool,
}

/// Who holds the link that an offer came over, and answers on it.
pub(super) trait Holder: Send + Sync {
    /// Takes the connection in `slot`: whether it is ours.
    fn adopt(&self, link: u64, slot: u32, connection: &Adopted) -> Result<bool>;
    /// Gives it back.
    fn refuse(&self, link: u64, slot: u32, connection: &Adopted);
    /// Tells the predecessor why the application refuses.
    fn say_why(&self, link: u64, why: &str);
}

impl Offer {
    /// `link` tells the links of one holder apart.
    pub(super) fn new(parcel: Parcel, link: u64, holder: Arc<dyn Holder>) -> Offer {
        Offer { slot: parcel.slot, connection: parcel.connection, link, holder, given: false }
    }

    /// What is offered. Look at it, but leave the descriptors alone until it is adopted: the predecessor may take the
    /// connection back at any moment before.
    #[allow(clippy::missing_panics_doc)]
    pub fn connection(&self) -> &Adopted {
        self.connection
            .get()
            .unwrap_or_else(|| unreachable!("an offer has its connection until it is answered"))
    }

    /// The descriptors, companions' too, are the caller's to close from here on, whatever becomes of the offer: so objects
    /// can own them before it is decided. Who does not get the connection closes them, and does nothing else to them.
    pub fn give_descriptors(&mut self) {
        self.given = true;
    }

    /// Takes the connection. `None`: it went back to the predecessor meanwhile, and nothing is left to do.
    ///
    /// From here the descriptors belong to the caller, who writes `unsent` before anything else, uses `unread` before it
    /// reads on, and ends the connection with shutdown and close. Never blocks; any thread.
    ///
    /// # Errors
    /// `Closed` or `Forked`: the offer is gone with the handle.
    pub fn adopt(mut self) -> Result<Option<Adopted>> {
        // It is answered, whatever comes of it; what is not ours is wiped.
        let mut kept = std::mem::replace(&mut self.connection, Kept::nothing());
        let Some(connection) = kept.get() else { return Ok(None) };
        fault::point(Role::Successor, "before-call", "adopt");
        let ours = self.holder.adopt(self.link, self.slot, connection);
        fault::point(Role::Successor, "after-call", "adopt");
        if self.given && !matches!(ours, Ok(true)) {
            leave_open(&mut kept);
        }
        Ok(if ours? { kept.take() } else { None })
    }

    /// Gives the connection back; the predecessor goes on with it. `why` is for people: it travels with the refusal. Never blocks; any thread.
    pub fn refuse(self, why: &str) {
        self.holder.say_why(self.link, why);
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.get() {
            self.holder.refuse(self.link, self.slot, connection);
        }
        if self.given {
            leave_open(&mut self.connection);
        }
    }
}

/// Whoever owns the descriptors closes them.
fn leave_open(connection: &mut Kept<OwnedFd>) {
    if let Some(mut connection) = connection.take() {
        connection.wipe();
        let Adopted { socket, companions, .. } = connection;
        for fd in std::iter::once(socket).chain(companions.into_iter().map(|companion| companion.fd)) {
            let _ = fd.into_raw_fd();
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

    /// The same for one that the application was not shown.
    pub(super) fn refuse_parcel(&mut self, parcel: &Parcel) {
        if let Some(connection) = parcel.connection.get() {
            self.refuse(parcel.slot, connection);
        }
    }

    /// While leaving: the connection in `slot` was not shown to the application, or is in its hands unanswered.
    pub(super) fn turn_down_offer(&mut self, slot: u32) {
        let waiting = self.up.as_mut().and_then(|up| {
            let place = up.parcels.iter().position(|parcel| parcel.slot == slot)?;
            up.parcels.remove(place)
        });
        match waiting {
            Some(parcel) => self.refuse_parcel(&parcel),
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
        if let Some(connection) = self.connection.get() {
            shown.field("protocol", &connection.protocol);
            shown.field("state", &connection.state.len());
            shown.field("unread", &connection.unread.len());
            shown.field("unsent", &connection.unsent.len());
        }
        shown.finish_non_exhaustive()
    }
}
