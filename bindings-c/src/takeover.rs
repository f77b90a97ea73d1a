//! The handle: open to close.

use crate::config::{core_config, zdt_config};
use crate::edge::{call, free, given, place, quietly, text};
use crate::error::zdt_error;
use crate::event::{Last, PeerView, zdt_peer};
use crate::fds::{spec, zdt_listener_options};
use crate::progress::zdt_progress;
use crate::sized::Place;
use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::Mutex;
use zdt_core::{Result, Takeover};

/// A takeover: the handle of a process that takes a service over and may be taken over from.
pub struct zdt_takeover {
    pub(crate) takeover: Takeover,
    pub(crate) last: Mutex<Last>,
    predecessor: Option<PeerView>,
}

/// The version of the library, for instance "0.1.0". Never NULL; valid for ever.
#[unsafe(no_mangle)]
pub extern "C" fn zdt_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Finds the predecessor that waits at `path` and begins to take over from it, or is the first and waits there itself.
///
/// `path` is that of the takeover socket, at most 107 bytes, in a directory that only this user (or root) can write, or
/// that has the sticky bit. `config` may be NULL. 0: *t is the handle, to be closed with zdt_close and freed with
/// zdt_free. Negative: *t is NULL and nothing has changed; a predecessor goes on serving.
///
/// Blocks: up to config.handshake_ms. Errors: ZDT_ERROR_PATH_TOO_LONG, _DIRECTORY_MISSING, _UNSAFE_DIRECTORY,
/// _FOREIGN_FILE, _WRONG_USER, _WRONG_PROCESS, _BUSY (try again), _NO_ANSWER, _PEER_GONE, _REFUSED, _NO_COMMON_VERSION,
/// _MALFORMED, _DESCRIPTOR_LIMIT, _SIGNAL_NOT_BLOCKED, _UNSUPPORTED, _SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_open(
    path: *const c_char,
    config: *const zdt_config,
    t: *mut *mut zdt_takeover,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's pointers (zdt.h).
        unsafe {
            place(t, "t")?.write(ptr::null_mut());
            let path = OsStr::from_bytes(given(path, "path").map(|path| CStr::from_ptr(path))?.to_bytes());
            let takeover = Takeover::open(path, core_config(config)?)?;
            let predecessor = takeover.predecessor().as_ref().map(PeerView::new);
            let handle = zdt_takeover { takeover, last: Mutex::default(), predecessor };
            t.write(Box::into_raw(Box::new(handle)));
        }
        Ok(0)
    })
}

/// Leaves: a successor that has not committed gives up, an owner without a successor leaves the path, a predecessor ends
/// what is still on offer. Afterwards each call on the handle fails with ZDT_ERROR_CLOSED. The caller's descriptors
/// (listeners, connections) are untouched.
///
/// Returns 0; a second call does nothing. Blocks: never for long (it reads what is on the link). Another thread's
/// zdt_next_event returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_close(t: *mut zdt_takeover) -> c_int {
    call(ptr::null_mut(), || {
        // SAFETY: NULL or a handle that was not freed (zdt.h).
        unsafe { handle(t)? }.takeover.close();
        Ok(0)
    })
}

/// Frees the handle, and closes it first if need be. No other thread may be in a call on it, and none may follow. Offers
/// that were kept are answered before. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_free(t: *mut zdt_takeover) {
    // SAFETY: NULL, or it came out of a Box in zdt_open and is freed once (zdt.h).
    unsafe { free(t) }
}

/// Our generation: 1 for the first process, one more with each takeover. 0 for NULL. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_generation(t: *const zdt_takeover) -> u64 {
    // SAFETY: NULL or a handle that was not freed (zdt.h).
    quietly(0, || Ok(unsafe { handle(t)? }.takeover.generation()))
}

/// Whom we take over from, or took over from, as zdt_open met it; NULL for the first generation (and for a NULL handle).
/// The handle's: good until zdt_free. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_predecessor(t: *const zdt_takeover) -> *const zdt_peer {
    // SAFETY: NULL or a handle that was not freed (zdt.h).
    unsafe { t.as_ref() }.and_then(|t| t.predecessor.as_ref()).map_or(ptr::null(), PeerView::shown)
}

/// The listener called `name`: inherited from the predecessor, or bound to `address`.
///
/// `address` is "tcp://0.0.0.0:8080", "tcp://[::]:8080", "udp://0.0.0.0:53", "unix:///run/x.sock", or "unix://@name" in the
/// abstract namespace, with options behind it if you like ("?backlog=128&nodelay=1"); in a path or name, %3f is the byte
/// 0x3f. `options` may be NULL, and wins where it says something. The result is the descriptor, non-blocking and
/// close-on-exec. Do not accept (or, of UDP, read) from it before zdt_ready. Ask for all listeners before that.
///
/// A listener that the predecessor has at the very address under another name is inherited under the new one. Nodelay,
/// and backlog and mode where they are said, become as asked for when we become the owner. For one that is not what
/// was asked for see config.on_mismatch.
///
/// Owns: the descriptor is the caller's to close. Blocks: never. Errors: ZDT_ERROR_INVALID_ARGUMENT, _NAME_USED,
/// _LISTENER_MISMATCH (the inherited one is something else), _TOO_LARGE (as zdt_retire), _ADDRESS_IN_USE, _SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_listener(
    t: *mut zdt_takeover,
    name: *const c_char,
    address: *const c_char,
    options: *const zdt_listener_options,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's pointers (zdt.h).
        let (handle, name, spec) = unsafe { (handle(t)?, text(name, "name")?, spec(address, options)?) };
        Ok(handle.takeover.listener(name, &spec)?.into_raw_fd())
    })
}

/// The names of inherited listeners that were neither asked for nor retired yet. The result is how many; *names is an array of that
/// many strings with NULL behind the last. Blocks: never.
///
/// Owns: the array is the caller's; free it with zdt_names_free. On an error it is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_unclaimed(
    t: *const zdt_takeover,
    names: *mut *mut *mut c_char,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's pointers (zdt.h).
        let handle = unsafe {
            place(names, "names")?.write(ptr::null_mut());
            handle(t)?
        };
        let unclaimed = handle.takeover.unclaimed();
        let count = c_int::try_from(unclaimed.len()).unwrap_or(c_int::MAX);
        let strings = unclaimed.iter().map(|name| crate::edge::c_string(name).into_raw());
        let array: Box<[*mut c_char]> = strings.chain([ptr::null_mut()]).collect();
        // SAFETY: as above.
        unsafe { names.write(Box::into_raw(array).cast()) };
        Ok(count)
    })
}

/// Frees the array of zdt_unclaimed and the strings in it. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_names_free(names: *mut *mut c_char) {
    if names.is_null() {
        return;
    }
    // SAFETY: zdt_unclaimed made array and strings, and both are freed once (zdt.h); NULL stands behind the last.
    unsafe {
        let count = (0..).take_while(|index| !(*names.add(*index)).is_null()).count();
        (0..count).for_each(|index| drop(CString::from_raw(*names.add(index))));
        drop(Box::from_raw(ptr::slice_from_raw_parts_mut(names, count + 1)));
    }
}

/// Leaves the predecessor's listener `name` to the predecessor: it goes on accepting from it, serves whoever connects there,
/// and closes it when it is done. Nothing changes before zdt_ready; if the attempt is called off, or we die and the
/// predecessor resumes, it still has the listener. 0, or an error. Blocks: never.
///
/// Errors: ZDT_ERROR_INVALID_ARGUMENT (no unclaimed listener has this name), _TOO_LARGE (253 were retired).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_retire(
    t: *mut zdt_takeover,
    name: *const c_char,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's pointers (zdt.h).
        let (handle, name) = unsafe { (handle(t)?, text(name, "name")?) };
        handle.takeover.retire(name).map(|()| 0)
    })
}

/// Says that this process is fit to serve. 0: accept from here on; a predecessor stops accepting and offers its
/// connections. Blocks: never.
///
/// Errors: ZDT_ERROR_WRONG_STATE (called twice), _LISTENER_UNCLAIMED (ask for it or retire it first, see zdt_unclaimed); nothing was
/// done. ZDT_ERROR_ATTEMPT_LOST and the like: the attempt is off, close what you opened and exit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_ready(t: *mut zdt_takeover, err: *mut *mut zdt_error) -> c_int {
    // SAFETY: NULL or a handle that was not freed (zdt.h).
    call(err, || unsafe { handle(t)? }.takeover.ready().map(|()| 0))
}

/// A descriptor for your poller: readable (level-triggered) whenever zdt_next_event has something to do, deadlines
/// included. The handle's: only poll it, and take it out of the poller before zdt_free. Negative for NULL. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_event_fd(t: *const zdt_takeover) -> c_int {
    // SAFETY: NULL or a handle that was not freed (zdt.h).
    call(ptr::null_mut(), || Ok(unsafe { handle(t)? }.takeover.event_fd().as_raw_fd()))
}

/// Nothing more will be given to zdt_migrate: ZDT_DONE follows when everything is settled and the probation is over. After
/// a ZDT_DRAIN without a successor: nothing is in flight any more, ZDT_DONE follows at once.
/// 0, or ZDT_ERROR_WRONG_STATE before ZDT_DRAIN. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_migrated_all(t: *mut zdt_takeover, err: *mut *mut zdt_error) -> c_int {
    // SAFETY: NULL or a handle that was not freed (zdt.h).
    call(err, || unsafe { handle(t)? }.takeover.migrated_all().map(|()| 0))
}

/// Asks for a graceful stop: ZDT_DRAIN without a successor follows. From any thread, but not from a signal handler (write
/// to a pipe there, or use config.drain_signals). Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_drain(t: *mut zdt_takeover, err: *mut *mut zdt_error) -> c_int {
    // SAFETY: NULL or a handle that was not freed (zdt.h).
    call(err, || unsafe { handle(t)? }.takeover.drain().map(|()| 0))
}

/// Says how many live connections there are: for progress, and so that a successor sees to room for their descriptors
/// before the first comes. Cheap; call it whenever the number changes much. Blocks: never. Returns 0, or a negative number for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_set_connections(t: *mut zdt_takeover, count: u64) -> c_int {
    call(ptr::null_mut(), || {
        // SAFETY: NULL or a handle that was not freed (zdt.h).
        unsafe { handle(t)? }.takeover.set_connections(count);
        Ok(0)
    })
}

/// What was done so far, into *progress. Returns 0. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_get_progress(
    t: *const zdt_takeover,
    progress: *mut zdt_progress,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's pointers (zdt.h).
        let (handle, place) = unsafe { (handle(t)?, Place::new(progress)?) };
        place.give(&zdt_progress::of(&handle.takeover.progress()));
        Ok(0)
    })
}

/// A seat for a worker of ours: a descriptor that the worker takes with zdt_worker_join, in a child after fork(2), or in a
/// program that was started with it (it is close-on-exec: clear that in the child first).
///
/// Seat the workers before zdt_ready: from then on a predecessor's workers migrate to them, and never through this
/// process. Close the descriptor here once the worker has its own. A worker that died is replaced by seating another.
/// `worker` is a number of the caller's choice, for messages.
///
/// Owns: the descriptor is the caller's to close. Blocks: never. Errors: ZDT_ERROR_WRONG_STATE (we drain, and a new
/// worker would have nothing to do), _INVALID_ARGUMENT (more than 250 listeners), _SYSTEM; the other workers are as they
/// were.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_seat(t: *mut zdt_takeover, worker: u32, err: *mut *mut zdt_error) -> c_int {
    // SAFETY: NULL or a handle that was not freed (zdt.h).
    call(err, || Ok(unsafe { handle(t)? }.takeover.seat(worker)?.into_raw_fd()))
}

/// The handle behind the pointer.
///
/// # Safety
/// `t` is NULL or a handle that was not freed.
pub(crate) unsafe fn handle<'a>(t: *const zdt_takeover) -> Result<&'a zdt_takeover> {
    // SAFETY: the same promise; what changes inside is behind locks.
    unsafe { given(t, "the takeover") }
}

/// Calls come from any thread.
const _: fn() = || {
    fn any_thread<T: Send + Sync>() {}
    any_thread::<Takeover>();
};
