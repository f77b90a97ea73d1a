//! One OFFER message in the making: items, their descriptors, and what lies in memfds.

use crate::connection::Frozen;
use crate::error::{Error, Result};
use crate::fault::{self, Role, Sent};
use crate::sys::blob;
use crate::wire::limits::{MAX_DESCRIPTORS, MAX_PAYLOAD};
use crate::wire::{OfferWriter, bytes_of, needs_memfd};
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

#[derive(Debug, Default)]
pub(super) struct Batch {
    writer: OfferWriter,
    descriptors: Vec<RawFd>,
    memfds: Vec<OwnedFd>,
    pub(super) slots: Vec<u32>,
    /// Nothing will be offered after this batch.
    pub(super) last: bool,
}

/// The bytes of a connection that are too many for a message, in a sealed memfd.
pub(super) fn memfd_for(connection: &Frozen) -> Result<Option<OwnedFd>> {
    if !needs_memfd(connection) {
        return Ok(None);
    }
    let sealed = blob::seal("zdt-bytes", &bytes_of(connection));
    sealed
        .map(Some)
        .map_err(|error| Error::system("memfd_create", &error).now("the connection is still yours"))
}

impl Batch {
    /// Whether `connection` fits in.
    pub(super) fn fits(&self, connection: &Frozen) -> bool {
        self.descriptors.len() + connection.descriptors()
            < MAX_DESCRIPTORS + usize::from(!needs_memfd(connection))
            && self.writer.len() + OfferWriter::item_length(connection) <= MAX_PAYLOAD
    }

    pub(super) fn push(&mut self, slot: u32, connection: &Frozen, memfd: Option<OwnedFd>) {
        if self.slots.is_empty() {
            self.slots.reserve(MAX_DESCRIPTORS);
            self.descriptors.reserve(MAX_DESCRIPTORS);
        }
        self.writer.push(slot, connection, memfd.is_some());
        self.slots.push(slot);
        self.descriptors.push(connection.socket);
        self.descriptors.extend(connection.companions.iter().map(|companion| companion.fd));
        if let Some(memfd) = memfd {
            self.descriptors.push(memfd.as_raw_fd());
            self.memfds.push(memfd);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() && !self.last
    }

    pub(super) fn send(&mut self, socket: BorrowedFd<'_>, sequence: u32) -> io::Result<usize> {
        let parts = self.writer.finish(sequence, self.descriptors.len() as u32, self.last);
        let offer = Sent::Offer(self.slots.len());
        fault::send(Role::Predecessor, &offer, socket, &parts.map(IoSlice::new), &self.descriptors)
    }
}
