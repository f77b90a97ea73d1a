//! The link down, seen from a predecessor: newcomers, what the successor says, and the connections on offer.

use super::NotMigrated;
use super::actions::Millis;
use super::batch::{Batch, memfd_for};
use super::config::{Config, Reads};
use super::event::Peer;
use super::link::{Arrival, Link, Outgoing};
use super::lobby::refusal;
use super::offering::NoOffer;
use super::outside::Outside;
use super::predecessor::FromSuccessor;
use super::state::State;
use crate::connection::{Frozen, Kept};
use crate::error::{Error, ErrorKind};
use crate::observe::Progress;
use crate::ownership::SharedLedger;
use crate::sys::process;
use crate::wire::check;
use crate::wire::limits::{MAX_ADDRESS, MAX_DESCRIPTORS, WINDOW_CONNECTIONS, WINDOW_MESSAGES};
use crate::wire::message::{Draining, Listeners, Message, Note, Welcome};
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd, RawFd};

/// How many connections can be offered on one link. A word that was never used costs no memory.
pub(super) const SLOTS: u32 = 1 << 20;

#[derive(Debug)]
pub(super) struct Down {
    pub link: Link,
    pub ledger: SharedLedger,
    pub pidfd: OwnedFd,
    pub peer: Peer,
    pub reads: Vec<Reads>,
    /// How many more descriptors it said it has room for.
    room: u64,
    /// What was lent to us, by slot from `first_lent` on; nothing: let go or given back.
    lent: VecDeque<Kept<RawFd>>,
    first_lent: u32,
    /// The message in the making.
    batch: Batch,
    /// First and last slot of each message that is out, and how many of its connections are unsettled.
    unsettled: VecDeque<(u32, u32, u32)>,
    /// The application was told Full.
    pub wants_room: bool,
    /// It has opened lanes to our workers.
    pub has_lanes: bool,
    pub note: Option<Note>,
}

impl Down {
    pub(super) fn new(
        link: Link,
        ledger: SharedLedger,
        pidfd: OwnedFd,
        peer: Peer,
        reads: Vec<Reads>,
        room: u64,
    ) -> Down {
        Down {
            link,
            ledger,
            pidfd,
            peer,
            reads,
            room,
            lent: VecDeque::new(),
            first_lent: 0,
            batch: Batch::default(),
            unsettled: VecDeque::new(),
            wants_room: false,
            has_lanes: false,
            note: None,
        }
    }

    /// The batch goes out as it is.
    pub(super) fn seal_batch(&mut self) {
        if !self.batch.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            if let (Some(first), Some(last)) = (batch.slots.first(), batch.slots.last()) {
                self.unsettled.push_back((*first, *last, batch.slots.len() as u32));
            }
            self.link.outbox.push_back(Outgoing::Offer(batch));
        }
    }

    pub(super) fn say_last(&mut self) {
        self.batch.last = true;
        self.seal_batch();
    }

    pub(super) fn has_batch(&self) -> bool {
        !self.batch.is_empty()
    }

    /// The word of `slot` was decided: `f` sees what was lent for it, which is let go of then.
    fn decided<R>(&mut self, slot: u32, f: impl FnOnce(&mut Kept<RawFd>) -> Option<R>) -> Option<R> {
        let batch = self.unsettled.iter().position(|(first, last, _)| (*first..=*last).contains(&slot));
        if let Some(batch) = batch {
            self.unsettled[batch].2 -= 1;
            if self.unsettled[batch].2 == 0 {
                self.unsettled.remove(batch);
            }
        }
        let lent = self.lent.get_mut(slot.checked_sub(self.first_lent)? as usize)?;
        let seen = f(lent);
        *lent = Kept::nothing();
        // Decided in order, as it is most often, the front is free each time.
        let free = self.lent.iter().take_while(|lent| lent.get().is_none()).count();
        self.lent.drain(..free);
        self.first_lent += free as u32;
        seen
    }

    fn lend(&mut self, slot: u32, connection: Frozen) {
        if self.lent.is_empty() {
            self.first_lent = slot;
        }
        while self.first_lent + (self.lent.len() as u32) < slot {
            self.lent.push_back(Kept::nothing());
        }
        self.lent.push_back(Kept::new(connection));
    }

    /// Nothing that waits to be sent goes out any more: what was lent is going back.
    pub(super) fn drop_unsent_offers(&mut self) {
        self.link
            .outbox
            .retain(|outgoing| !matches!(outgoing, Outgoing::Offer(batch) if !batch.slots.is_empty()));
        self.batch = Batch::default();
    }

    /// Puts one more connection into the batch, where limits and window allow it. `open`: how many are on offer;
    /// `take_slot` writes OFFERED.
    pub(super) fn offer(
        &mut self,
        connection: Frozen,
        open: usize,
        config: &Config,
        take_slot: impl FnOnce(&SharedLedger) -> Result<u32, NoOffer>,
    ) -> Result<(), NotMigrated> {
        if let Err(error) = check(&connection, config.max_state, config.max_bytes) {
            return Err(NotMigrated::Failed(Box::new(connection), error));
        }
        if !self.reads(&connection) {
            let (version, protocol) = (connection.state_version, connection.protocol.clone());
            let what = format!("the successor does not read state version {version} of {protocol}");
            return Err(NotMigrated::no(connection, ErrorKind::NotReadable, what));
        }
        let descriptors = connection.descriptors() as u64;
        if descriptors > self.room {
            let what = format!("the successor has room for {} descriptors", self.room);
            return Err(NotMigrated::no(connection, ErrorKind::DescriptorLimit, what));
        }
        if !self.batch.fits(&connection) {
            self.seal_batch();
        }
        let window_full =
            open >= WINDOW_CONNECTIONS || (!self.has_batch() && self.unsettled.len() >= WINDOW_MESSAGES);
        if window_full {
            self.wants_room = true;
            return Err(NotMigrated::Full(Box::new(connection)));
        }
        let memfd = match memfd_for(&connection) {
            Ok(memfd) => memfd,
            Err(error) => return Err(NotMigrated::Failed(Box::new(connection), error)),
        };
        match take_slot(&self.ledger) {
            Ok(slot) => {
                self.batch.push(slot, &connection, memfd);
                self.room -= descriptors;
                self.lend(slot, connection);
                Ok(())
            }
            // Broken: the other side wrote where it must not, and is given up.
            Err(NoOffer::NotDraining | NoOffer::Broken) => {
                let now = "the connection is still yours: Resume follows";
                let error = Error::new(ErrorKind::WrongState, "the attempt is being called off", now);
                Err(NotMigrated::Failed(Box::new(connection), error))
            }
            Err(NoOffer::SlotsUsedUp) => {
                let what = format!("{SLOTS} connections were offered");
                Err(NotMigrated::no(connection, ErrorKind::WrongState, what))
            }
        }
    }

    /// The successor uses the connection in `slot`: its id.
    pub(super) fn settled(&mut self, slot: u32, progress: &mut Progress) -> Option<u64> {
        self.decided(slot, |lent| {
            let connection = lent.get()?;
            progress.count(connection);
            Some(connection.id)
        })
    }

    /// The connection in `slot` is the application's again.
    pub(super) fn returned(&mut self, slot: u32, progress: &mut Progress) -> Option<Box<Frozen>> {
        let connection = self.decided(slot, |lent| lent.take().map(Box::new))?;
        self.room += connection.descriptors() as u64;
        progress.returned += 1;
        Some(connection)
    }

    fn reads(&self, connection: &Frozen) -> bool {
        self.reads.is_empty()
            || self.reads.iter().any(|reads| {
                *reads.protocol == *connection.protocol
                    && (connection.state.is_empty() || reads.versions.contains(&connection.state_version))
            })
    }
}

impl State {
    /// Reads one message of the successor. Whether there may be more.
    pub(super) fn read_down(&mut self, now: Millis) -> bool {
        let Some(down) = &mut self.down else { return false };
        let said = match down.link.receive(self.engine.reads_past_reset()) {
            Ok(Arrival::Nothing) => return false,
            Ok(Arrival::End) => {
                self.engine.with(now, |_, down, context| down.as_mut().map(|down| down.end_of_file(context)));
                return false;
            }
            Ok(Arrival::Message(Message::ListenersAck, _)) => Some(FromSuccessor::ListenersAck),
            Ok(Arrival::Message(Message::Ready(ready), _)) => {
                // One that comes when none is due breaks the protocol, and changes nothing.
                let due = self.engine.down.as_ref().is_some_and(|down| down.awaits_ready());
                (!due || self.listeners.stay(&ready.retired)).then_some(FromSuccessor::Ready)
            }
            Ok(Arrival::Message(Message::Answer, _)) => Some(FromSuccessor::Answer),
            Ok(Arrival::Message(Message::Lane(lane), fds)) if fds.len() == 1 => {
                self.seat_lane(lane, fds);
                return true;
            }
            // Out of descriptors: the kernel closed our end, and the other one sees it. A worker will ask for another.
            Ok(Arrival::Truncated(Message::Lane(_), _)) => {
                down.has_lanes = true;
                return true;
            }
            Ok(Arrival::Message(Message::Note(note), _)) => {
                // Why a connection was refused is no word of parting.
                if note.number != ErrorKind::Refused.number() as u32 {
                    down.note = Some(note);
                }
                Some(FromSuccessor::Note)
            }
            Ok(Arrival::Message(..) | Arrival::Truncated(..)) | Err(_) => None,
        };
        self.engine.with(now, |_, down, context| {
            down.as_mut().map(|down| match said {
                Some(said) => down.said(said, context),
                None => down.broke(context),
            })
        });
        true
    }

    pub(super) fn send_welcome(&mut self, out: &Outside) {
        let Some(attempt) = self.engine.down.as_ref().map(super::predecessor::Predecessor::attempt) else {
            return;
        };
        let Some(down) = &mut self.down else { return };
        let ours = process::own_pidfd()
            .and_then(|pidfd| Ok((pidfd, down.ledger.descriptor().try_clone_to_owned()?)));
        let (pidfd, ledger) = match ours {
            Ok(ours) => ours,
            Err(error) => return self.let_down(&error, out.now()),
        };
        let service = &self.engine.service;
        let welcome = Welcome {
            version: 1,
            generation: self.generation,
            owner: service.me,
            epoch: service.epoch,
            attempt,
            connections: self.connections,
            listeners: self.listeners.held.len() as u32,
            pid: std::process::id(),
            program: out.config.program.clone(),
            runtime: out.config.runtime.clone(),
            workers: self.seats.count(),
        };
        down.link.queue(Message::Welcome(welcome), vec![pidfd, ledger]);
    }

    pub(super) fn send_listeners(&mut self, now: Millis) {
        if let Err(error) = self.queue_listeners() {
            self.let_down(&error, now);
        }
    }

    /// Out of descriptors for what a newcomer gets: it is told so, and we go on serving.
    fn let_down(&mut self, error: &std::io::Error, now: Millis) {
        if let Some(down) = &mut self.down {
            down.link.queue(refusal(&Error::system("the predecessor's dup", error)), Vec::new());
        }
        self.engine.with(now, |_, down, context| down.as_mut().map(|down| down.broke(context)));
    }

    fn queue_listeners(&mut self) -> std::io::Result<()> {
        let (Some(down), Some(deed), Some(socket)) = (&mut self.down, &self.deed, &self.takeover_socket)
        else {
            return Ok(());
        };
        let mut fds = vec![deed.descriptor().try_clone_to_owned()?, socket.as_fd().try_clone_to_owned()?];
        let mut items = Vec::new();
        let mut bytes = 0;
        let mut remaining = self.listeners.held.len() as u32;
        for held in &self.listeners.held {
            if fds.len() == MAX_DESCRIPTORS || bytes > 32 * 1024 {
                let message = Message::Listeners(Listeners { items: std::mem::take(&mut items), remaining });
                down.link.queue(message, std::mem::take(&mut fds));
                bytes = 0;
            }
            fds.push(held.fd.as_fd().try_clone_to_owned()?);
            bytes += held.name.len() + MAX_ADDRESS;
            remaining -= 1;
            items.push(held.item());
        }
        down.link.queue(Message::Listeners(Listeners { items, remaining }), fds);
        Ok(())
    }

    pub(super) fn send_draining(&mut self, out: &Outside) {
        if let Some(down) = &mut self.down {
            let deadline_ms = out.config.drain.as_millis() as u64;
            down.link.queue(
                Message::Draining(Draining { connections: self.connections, deadline_ms }),
                Vec::new(),
            );
        }
    }

    /// Offers one more connection.
    pub(super) fn offer(&mut self, connection: Frozen, out: &Outside) -> Result<(), NotMigrated> {
        let draining = self.engine.down.as_ref().is_some_and(|down| down.takes_offers());
        let (true, Some(down)) = (draining, &mut self.down) else {
            let what = "connections are offered from Drain on, while there is a successor";
            return Err(NotMigrated::no(connection, ErrorKind::WrongState, what));
        };
        if self.engine.service.workers_accept {
            // Nothing is offered on this link before DRAINING, which waits for them.
            down.wants_room = true;
            return Err(NotMigrated::Full(Box::new(connection)));
        }
        let open = self.engine.down.as_ref().map_or(0, |down| down.open());
        down.offer(connection, open, &out.config, |ledger| {
            self.engine.with(self.clock, |_, down, context| match down {
                Some(down) => down.offer(ledger, context),
                None => Err(NoOffer::NotDraining),
            })
        })?;
        self.given.get_or_insert_default().offered += 1;
        Ok(())
    }

    /// The successor uses the connection in `slot`.
    pub(super) fn settled(&mut self, slot: u32) -> Option<u64> {
        self.down.as_mut()?.settled(slot, self.given.get_or_insert_default())
    }

    /// The connection in `slot` is the application's again.
    pub(super) fn returned(&mut self, slot: u32) -> Option<Box<Frozen>> {
        self.down.as_mut()?.returned(slot, self.given.get_or_insert_default())
    }

    /// A descriptor of `batch` turned out to be closed: the whole batch goes back to the application.
    pub(super) fn withdraw(&mut self, batch: &Batch, now: Millis) {
        let Some(down) = &self.down else { return };
        let ledger = &down.ledger;
        for slot in &batch.slots {
            self.engine.with(now, |_, down, context| {
                down.as_mut().map(|down| down.withdraw(*slot, ledger, context))
            });
        }
    }
}
