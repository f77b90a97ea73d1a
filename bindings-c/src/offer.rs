//! An offer in C: a pointer to a readable struct, answered once by adopt or refuse.

use crate::connection::{Companions, Told, zdt_companion, zdt_connection};
use crate::edge::{call, invalid, place, text_or, zdt_bytes};
use crate::error::zdt_error;
use crate::sized::Place;
use crate::takeover::{handle, zdt_takeover};
use libc::{sockaddr, socklen_t};
use std::ffi::{CStr, c_char, c_int};
use std::os::fd::IntoRawFd;
use std::ptr;
use std::sync::Arc;
use zdt_core::{Adopted, Companion, Connection, Frozen, Offer, Result};

/// zdt_adopt: the offer went back meanwhile; nothing was adopted.
pub const ZDT_GONE: c_int = 1;

/// A connection on offer, to be read: what zdt_connection says of these fields holds. Its descriptors come with zdt_adopt.
///
/// It belongs to the event that brought it until it is answered: zdt_next_event with the same struct refuses it. To keep
/// it longer, or to give it to another thread, copy the pointer and set event.offer = NULL; then it lives until it is
/// answered. Answer each one, also after zdt_close: zdt_refuse frees it. Made by libzdt only, so it may grow.
#[repr(C)]
pub struct zdt_offer {
    /// The number that the adopted connection will have.
    pub id: u64,
    /// What is spoken on it.
    pub protocol: *const c_char,
    /// Which form the state has.
    pub state_version: u32,
    /// Dialled by the predecessor; else accepted.
    pub dialled: bool,
    /// The application's state.
    pub state: zdt_bytes,
    /// Unread bytes.
    pub unread: zdt_bytes,
    /// Unsent bytes.
    pub unsent: zdt_bytes,
    /// The companions, without their descriptors.
    pub companions: *const *const zdt_companion,
    /// How many.
    pub companion_count: usize,
    /// The socket's own address, or NULL.
    pub local: *const sockaddr,
    /// The peer's address, or NULL.
    pub peer: *const sockaddr,
    /// The length of local.
    pub local_length: socklen_t,
    /// The length of peer.
    pub peer_length: socklen_t,
}

/// Adopts a connection: from 0 on it is the caller's, and nobody else uses it.
///
/// Build the objects for it first. 0: `connection` is filled: write its unsent bytes first, use its unread bytes before
/// reading, then zdt_connection_free. ZDT_GONE: it went back meanwhile, drop what was built; `connection` is untouched.
/// In either case, and on an error too, the offer is used up and *offer is NULL (save for ZDT_ERROR_INVALID_ARGUMENT:
/// then nothing was done).
///
/// Owns: the descriptors are the caller's to shut down and close, the bytes libzdt's until zdt_connection_free.
/// Threads: any; one at a time for one offer. Blocks: never. Errors: ZDT_ERROR_CLOSED, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_adopt(
    t: *mut zdt_takeover,
    offer: *mut *mut zdt_offer,
    connection: *mut zdt_connection,
    err: *mut *mut zdt_error,
) -> c_int {
    // SAFETY: the caller's pointers (zdt.h).
    call(err, || unsafe { handle(t).and_then(|_| adopt(offer, connection)) })
}

/// Adopts what a takeover or a worker was offered, into `connection`.
///
/// # Safety
/// Both are NULL or the caller's; nobody else uses the offer.
pub(crate) unsafe fn adopt(offer: *mut *mut zdt_offer, connection: *mut zdt_connection) -> Result<c_int> {
    // SAFETY: the same promise.
    let place = unsafe { Place::new(connection)? };
    // SAFETY: as above.
    let held = unsafe { Held::out_of(offer)? };
    Ok(match held.adopt()? {
        Some(connection) => {
            place.give(&connection);
            0
        }
        None => ZDT_GONE,
    })
}

/// Refuses an offer: the connection returns to the predecessor, which serves it on. The offer is used up, *offer is NULL.
///
/// `why` is for the log of the other side; NULL is fine. Returns 0. Threads: any; one at a time for one offer.
/// Blocks: never. Errors: ZDT_ERROR_INVALID_ARGUMENT, and then nothing was done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_refuse(
    t: *mut zdt_takeover,
    offer: *mut *mut zdt_offer,
    why: *const c_char,
    err: *mut *mut zdt_error,
) -> c_int {
    // SAFETY: the caller's pointers (zdt.h).
    call(err, || unsafe { handle(t).and_then(|_| refuse(offer, why)) })
}

/// Refuses what a takeover or a worker was offered.
///
/// # Safety
/// Both are NULL or the caller's; nobody else uses the offer.
pub(crate) unsafe fn refuse(offer: *mut *mut zdt_offer, why: *const c_char) -> Result<c_int> {
    // SAFETY: the same promise.
    let why = unsafe { text_or(why, "why", "refused")? };
    // SAFETY: as above.
    if let What::Offered(offer) = unsafe { Held::out_of(offer)? }.what {
        offer.refuse(why);
    }
    Ok(0)
}

/// What lies behind a `zdt_offer *`, and later behind `zdt_connection.storage`: one allocation for both.
#[repr(C)]
pub(crate) struct Held {
    view: zdt_offer, // first: a zdt_offer * is a Held *
    protocol: Arc<CStr>,
    companions: Companions,
    local: Option<Box<Told>>,
    peer: Option<Box<Told>>,
    what: What,
}

enum What {
    Offered(Offer),
    /// The bytes that the views point into.
    Adopted(Frozen),
    Gone,
}

impl Held {
    /// The offer as C reads it. Dropping what the pointer stands for refuses it.
    pub(crate) fn expose(offer: Offer, protocol: Arc<CStr>) -> *mut zdt_offer {
        let c = offer.connection();
        let companions = Companions::of(&c.companions);
        let (local, peer) = (c.local.as_ref().map(Told::of), c.peer.as_ref().map(Told::of));
        let (local_at, local_length) = Told::shown(&local);
        let (peer_at, peer_length) = Told::shown(&peer);
        let (companions_at, companion_count) = companions.shown();
        let view = zdt_offer {
            id: c.id,
            protocol: protocol.as_ptr(),
            state_version: c.state_version,
            dialled: c.dialled,
            state: zdt_bytes::of(&c.state),
            unread: zdt_bytes::of(&c.unread),
            unsent: zdt_bytes::of(&c.unsent),
            companions: companions_at,
            companion_count,
            local: local_at,
            peer: peer_at,
            local_length,
            peer_length,
        };
        // The views point into heap memory of the offer and of these, which stays where it is when they move.
        Box::into_raw(Box::new(Held { view, protocol, companions, local, peer, what: What::Offered(offer) }))
            .cast()
    }

    /// Takes the offer out of the caller's pointer, which becomes NULL.
    ///
    /// # Safety
    /// `offer` is NULL or points at NULL or at what `expose` gave, which nobody else uses.
    pub(crate) unsafe fn out_of(offer: *mut *mut zdt_offer) -> Result<Box<Held>> {
        // SAFETY: not NULL, and the caller's.
        let held = unsafe { place(offer, "offer")?.replace(ptr::null_mut()) };
        if held.is_null() {
            return Err(invalid("the offer was answered already (*offer is NULL)"));
        }
        // SAFETY: `expose` made it out of a box, and the pointer to it is gone now.
        Ok(unsafe { Box::from_raw(held.cast()) })
    }

    /// The caller has used the bytes.
    pub(crate) fn wipe(&mut self) {
        if let What::Adopted(connection) = &mut self.what {
            connection.wipe();
        }
    }

    /// The connection, if it is ours now; its storage is this box.
    fn adopt(mut self: Box<Self>) -> Result<Option<zdt_connection>> {
        let What::Offered(offer) = std::mem::replace(&mut self.what, What::Gone) else { return Ok(None) };
        let Some(adopted) = offer.adopt()? else { return Ok(None) };
        let c = release(adopted);
        if !c.companions.is_empty() {
            self.companions.tell(&c.companions);
        }
        let (local, local_length) = Told::shown(&self.local);
        let (peer, peer_length) = Told::shown(&self.peer);
        let (companions, companion_count) = self.companions.shown();
        let mut connection = zdt_connection {
            size: 0, // the caller's stays
            id: c.id,
            fd: c.socket,
            state_version: c.state_version,
            protocol: self.protocol.as_ptr(),
            state: zdt_bytes::of(&c.state),
            unread: zdt_bytes::of(&c.unread),
            unsent: zdt_bytes::of(&c.unsent),
            companions,
            companion_count,
            local,
            peer,
            local_length,
            peer_length,
            dialled: c.dialled,
            storage: ptr::null_mut(),
        };
        self.what = What::Adopted(c);
        connection.storage = Box::into_raw(self).cast();
        Ok(Some(connection))
    }
}

/// The same connection with descriptors that are the caller's from here on.
fn release(c: Adopted) -> Frozen {
    let lend = |companion: Companion<std::os::fd::OwnedFd>| Companion {
        name: companion.name,
        fd: companion.fd.into_raw_fd(),
        unread: companion.unread,
        unsent: companion.unsent,
    };
    Connection {
        id: c.id,
        socket: c.socket.into_raw_fd(),
        companions: c.companions.into_iter().map(lend).collect(),
        protocol: c.protocol,
        state_version: c.state_version,
        state: c.state,
        unread: c.unread,
        unsent: c.unsent,
        local: c.local,
        peer: c.peer,
        dialled: c.dialled,
    }
}

/// An offer may be answered by another thread than the one it came to.
const _: fn() = || {
    fn any_thread<T: Send>() {}
    any_thread::<Offer>();
};
