//! A worker of a pre-fork server: its seat, and the connections that move from worker to worker.

use crate::config::{core_config, zdt_config};
use crate::connection::{self, zdt_connection};
use crate::edge::{call, free, given, invalid, place, quietly, text};
use crate::error::zdt_error;
use crate::event::{self, Last, zdt_event};
use crate::offer::{self, zdt_offer};
use crate::progress::zdt_progress;
use crate::sized::Place;
use std::ffi::{c_char, c_int};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr;
use std::sync::Mutex;
use zdt_core::{Result, Worker};

/// A worker's part in the takeovers of its arbiter, which has a zdt_takeover and no connections: it accepts from the
/// arbiter's listeners, and its connections migrate straight to a worker of the successor. Events and words are those of a
/// zdt_takeover; the calls of the same name mean the same.
///
/// Where the arbiter dies or closes its handle, its workers get ZDT_DRAIN (or, if it had not taken over yet, ZDT_ABORTED),
/// migrate over the lanes that they have, finish the rest, and get ZDT_DONE.
pub struct zdt_worker {
    worker: Worker,
    last: Mutex<Last>,
}

/// Takes the seat that zdt_seat gave, in the worker's own process. A child that was forked frees its copy of the arbiter's
/// zdt_takeover before (zdt_free).
///
/// Of `config`, which may be NULL, count reads, max_state, max_bytes, program and runtime; handshake_ms, and drain_ms
/// should the arbiter die. 0: *w is the handle, to be closed with zdt_worker_close and freed with zdt_worker_free.
/// Negative: *w is NULL.
///
/// Owns: the seat is libzdt's from here on, on an error too (save for ZDT_ERROR_INVALID_ARGUMENT: then it is the
/// caller's). Blocks: not for long; up to config.handshake_ms where the arbiter hangs. Errors: ZDT_ERROR_NO_ANSWER
/// (also: the seat was taken before), _PEER_GONE, _OUT_OF_ORDER and _MALFORMED (it is no seat), _UNSUPPORTED, _SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_join(
    seat: c_int,
    config: *const zdt_config,
    w: *mut *mut zdt_worker,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's pointers (zdt.h).
        let config = unsafe {
            place(w, "w")?.write(ptr::null_mut());
            core_config(config)?
        };
        if seat < 0 {
            return Err(invalid("the seat is no descriptor"));
        }
        // SAFETY: the caller gives the descriptor away (zdt.h).
        let worker = Worker::join(unsafe { OwnedFd::from_raw_fd(seat) }, config)?;
        let handle = zdt_worker { worker, last: Mutex::default() };
        // SAFETY: as above.
        unsafe { w.write(Box::into_raw(Box::new(handle))) };
        Ok(0)
    })
}

/// Leaves: offers are answered or taken back, seat and lanes are closed. Afterwards each call on the handle fails with
/// ZDT_ERROR_CLOSED. Returns 0; a second call does nothing. Blocks: never for long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_close(w: *mut zdt_worker) -> c_int {
    call(ptr::null_mut(), || {
        // SAFETY: NULL or a handle that was not freed (zdt.h).
        unsafe { handle(w)? }.worker.close();
        Ok(0)
    })
}

/// Frees the handle, and closes it first if need be. No other thread may be in a call on it, and none may follow. Offers
/// that were kept are answered before. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_free(w: *mut zdt_worker) {
    // SAFETY: NULL, or it came out of a Box in zdt_worker_join and is freed once (zdt.h).
    unsafe { free(w) }
}

/// Our number, as zdt_seat had it. 0 for NULL. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_number(w: *const zdt_worker) -> u32 {
    // SAFETY: NULL or a handle that was not freed (zdt.h).
    quietly(0, || Ok(unsafe { handle(w)? }.worker.number()))
}

/// The arbiter's generation when it gave the seat. 0 for NULL. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_generation(w: *const zdt_worker) -> u64 {
    // SAFETY: NULL or a handle that was not freed (zdt.h).
    quietly(0, || Ok(unsafe { handle(w)? }.worker.generation()))
}

/// The arbiter's listener called `name`, as it was when the seat was given. Accept from it from ZDT_READY on. Each can be
/// had once.
///
/// Owns: the descriptor is the caller's to close; non-blocking and close-on-exec. Blocks: never.
/// Errors: ZDT_ERROR_INVALID_ARGUMENT (there was none of that name), _NAME_USED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_listener(
    w: *mut zdt_worker,
    name: *const c_char,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's pointers (zdt.h).
        let (handle, name) = unsafe { (handle(w)?, text(name, "name")?) };
        Ok(handle.worker.listener(name)?.into_raw_fd())
    })
}

/// A descriptor for your poller, as zdt_event_fd is. Negative for NULL. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_event_fd(w: *const zdt_worker) -> c_int {
    // SAFETY: NULL or a handle that was not freed (zdt.h).
    call(ptr::null_mut(), || Ok(unsafe { handle(w)? }.worker.event_fd().as_raw_fd()))
}

/// The next event, as zdt_next_event gives it; its offers are for zdt_worker_adopt and zdt_worker_refuse. Coming back after
/// ZDT_DRAIN says that this worker has stopped accepting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_next_event(
    w: *mut zdt_worker,
    timeout_ms: c_int,
    event: *mut zdt_event,
    err: *mut *mut zdt_error,
) -> c_int {
    // SAFETY: the caller's pointers (zdt.h).
    call(err, || unsafe {
        let zdt_worker { worker, last } = handle(w)?;
        event::next(event, timeout_ms, last, |timeout| worker.next_event(timeout))
    })
}

/// Adopts a connection, as zdt_adopt does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_adopt(
    w: *mut zdt_worker,
    offer: *mut *mut zdt_offer,
    connection: *mut zdt_connection,
    err: *mut *mut zdt_error,
) -> c_int {
    // SAFETY: the caller's pointers (zdt.h).
    call(err, || unsafe { handle(w).and_then(|_| offer::adopt(offer, connection)) })
}

/// Refuses an offer, as zdt_refuse does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_refuse(
    w: *mut zdt_worker,
    offer: *mut *mut zdt_offer,
    why: *const c_char,
    err: *mut *mut zdt_error,
) -> c_int {
    // SAFETY: the caller's pointers (zdt.h).
    call(err, || unsafe { handle(w).and_then(|_| offer::refuse(offer, why)) })
}

/// Offers a frozen connection to a worker of the successor, as zdt_migrate does. What was taken back because a worker over
/// there died may be offered again: another takes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_migrate(
    w: *mut zdt_worker,
    connection: *const zdt_connection,
    err: *mut *mut zdt_error,
) -> c_int {
    // SAFETY: the caller's pointers (zdt.h).
    call(err, || unsafe {
        let worker = &handle(w)?.worker;
        connection::migrate(connection, |frozen| worker.migrate(frozen))
    })
}

/// Nothing more will be given to zdt_worker_migrate, and nothing is in flight that is to be finished first: ZDT_DONE
/// follows when everything is settled and the arbiter is done too. What returns later may be offered again.
/// 0, or ZDT_ERROR_WRONG_STATE before ZDT_DRAIN. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_migrated_all(w: *mut zdt_worker, err: *mut *mut zdt_error) -> c_int {
    // SAFETY: NULL or a handle that was not freed (zdt.h).
    call(err, || unsafe { handle(w)? }.worker.migrated_all().map(|()| 0))
}

/// Says how many live connections this worker has, as zdt_set_connections does. Returns 0, or a negative number for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_set_connections(w: *mut zdt_worker, count: u64) -> c_int {
    call(ptr::null_mut(), || {
        // SAFETY: NULL or a handle that was not freed (zdt.h).
        unsafe { handle(w)? }.worker.set_connections(count);
        Ok(0)
    })
}

/// What this worker did so far, over all its lanes, into *progress. Returns 0. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_worker_get_progress(
    w: *const zdt_worker,
    progress: *mut zdt_progress,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's pointers (zdt.h).
        let (handle, place) = unsafe { (handle(w)?, Place::new(progress)?) };
        place.give(&zdt_progress::of(&handle.worker.progress()));
        Ok(0)
    })
}

/// The handle behind the pointer.
///
/// # Safety
/// `w` is NULL or a handle that was not freed.
unsafe fn handle<'a>(w: *const zdt_worker) -> Result<&'a zdt_worker> {
    // SAFETY: the same promise; what changes inside is behind locks.
    unsafe { given(w, "the worker") }
}

/// Calls come from any thread.
const _: fn() = || {
    fn any_thread<T: Send + Sync>() {}
    any_thread::<Worker>();
};
