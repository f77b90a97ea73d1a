//! The offers that came over a lane, and what the application says to them.

use super::super::explain::refuse_note;
use super::super::hand::Refusal;
use super::super::outside::Outside;
use super::super::rules::Rules;
use super::lane::{End, Lane};
use super::state::{LANES, Queued, State};
use crate::connection::Adopted;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::unix;
use crate::wire::limits::WINDOW_CONNECTIONS;
use crate::wire::message::{Message, Offers};
use crate::wire::{Parcel, check_descriptors};
use std::os::fd::{AsFd, OwnedFd};

impl State {
    /// A batch came: each connection waits to be shown to the application.
    pub(super) fn take_offers(
        &mut self,
        token: u64,
        offers: Offers,
        fds: Vec<OwnedFd>,
        out: &Outside,
    ) -> Result<()> {
        let Some(Lane { end: End::Adopts(up, hand, _), .. }) = self.lane(token) else { return Ok(()) };
        up.has_slots_of(&offers)?;
        if check_descriptors(&offers.items, &fds).is_err() {
            self.turn_down(token, &offers, fds);
            return Ok(());
        }
        let fits = hand.len() + offers.items.len() <= WINDOW_CONNECTIONS;
        if !fits || offers.items.iter().any(|item| hand.holds(item.slot)) {
            return Err(Error::new(ErrorKind::OutOfOrder, "an OFFER does not fit the step", ""));
        }
        let count = offers.items.len();
        offers.items.iter().for_each(|item| hand.take(item.slot));
        up.keep(offers.items, fds, &out.config);
        self.progress.offered += count as u64;
        self.events.extend((0..count).map(|_| Queued::Offer(token)));
        Ok(())
    }

    /// Descriptors are missing: every word of the message is refused, then what came is closed.
    pub(super) fn turn_down(&mut self, token: u64, offers: &Offers, came: Vec<OwnedFd>) {
        for item in &offers.items {
            if let Some(Lane { end: End::Adopts(_, hand, _), .. }) = self.lane(token) {
                hand.take(item.slot);
            }
            self.refuse(token, item.slot, None);
        }
        drop(came);
    }

    /// The next connection to be shown to the application.
    pub(super) fn next_parcel(&mut self, token: u64) -> Option<Parcel> {
        let Some(Lane { end: End::Adopts(up, ..), .. }) = self.lane(token) else { return None };
        let mut parcel = up.parcels.pop_front()?;
        // Slots count from 0 on every lane; the number of the connection is to be the worker's only one.
        if let Some(connection) = parcel.connection.get_mut() {
            connection.id += ((token - LANES) / 2) << 32;
        }
        Some(parcel)
    }

    /// The application takes the connection in `slot`: whether it is ours.
    pub(super) fn adopt(&mut self, token: u64, slot: u32, connection: &Adopted) -> bool {
        let Some(Lane { end: End::Adopts(up, hand, owes_answer), .. }) = self.lane(token) else {
            return false;
        };
        let Some(ledger) = &up.ledger else { return false };
        let ours = hand.adopt(slot, ledger, Rules::default()).unwrap_or(false);
        *owes_answer = true;
        if ours {
            self.progress.count(connection);
        } else {
            self.progress.returned += 1;
        }
        ours
    }

    /// The application does not take the connection in `slot`.
    pub(super) fn refuse(&mut self, token: u64, slot: u32, connection: Option<&Adopted>) {
        let Some(Lane { end: End::Adopts(up, hand, owes_answer), .. }) = self.lane(token) else { return };
        let Some(ledger) = &up.ledger else { return };
        let refusal = hand.refuse(slot, up.is_dead(), ledger, Rules::default());
        *owes_answer = true;
        self.progress.returned += 1;
        if let (Some(Refusal::Ours), Some(connection)) = (refusal, connection) {
            // Nobody else can end it, and a bare close would send no FIN while a stopped process holds a copy.
            let _ = unix::shutdown_both(connection.socket.as_fd());
        }
    }

    pub(super) fn say_why(&mut self, token: u64, why: &str) {
        if let Some(lane) = self.lane(token) {
            let note = refuse_note(&Error::new(ErrorKind::Refused, why, ""));
            lane.link_mut().queue(Message::Note(note), Vec::new());
        }
    }
}
