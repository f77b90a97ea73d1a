//! The handle: open to close.

use crate::edge::{call, given, invalid, place, slice, text, text_or};
use crate::error::zdt_error;
use crate::event::{Last, PeerView, zdt_peer, zdt_reads};
use crate::fds::{spec, zdt_listener_options};
use crate::sized::{Place, SizeFirst, take};
use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Mutex;
use std::time::Duration;
use zdt_core::{Config, OnMismatch, Progress, Reads, Result, Takeover};

/// A takeover: the handle of a process that takes a service over and may be taken over from.
pub struct zdt_takeover {
    pub(crate) takeover: Takeover,
    pub(crate) last: Mutex<Last>,
    predecessor: Option<PeerView>,
}

/// config.on_mismatch: it is an error (ZDT_ERROR_LISTENER_MISMATCH), and the listener stays unclaimed.
pub const ZDT_MISMATCH_REFUSE: i32 = 0;
/// config.on_mismatch: what was asked for is bound, and the predecessor's is left to it, as by zdt_retire.
pub const ZDT_MISMATCH_BIND: i32 = 1;

/// How a takeover behaves; zdt_open with NULL is right for most. What is 0 or NULL has its default.
///
/// Durations are milliseconds; a negative one means no time at all (probation_ms = -1: do not watch the successor).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_config {
    /// Set by ZDT_CONFIG_INIT.
    pub size: usize,
    /// Who this is, for the other side's messages, for instance "gateway 2.1". Default: empty.
    pub program: *const c_char,
    /// The runtime. Default: "c".
    pub runtime: *const c_char,
    /// How long the other side may take to answer in the handshake. Default: 5,000.
    pub handshake_ms: i64,
    /// How long a successor may warm up between getting the listeners and zdt_ready. Default: 120,000.
    pub ready_ms: i64,
    /// A successor commits once the first offers are settled, or after this. Default: 10,000.
    pub commit_ms: i64,
    /// How long draining may take, from ZDT_DRAIN to ZDT_DONE. Default: 30,000.
    pub drain_ms: i64,
    /// How long a predecessor that has drained still watches its successor, to resume if it dies. Default: 10,000.
    pub probation_ms: i64,
    /// How long the queue of a listener may stay unserved until whoever else holds it accepts from it. Default: 5,000.
    pub hang_ms: i64,
    /// The largest state of one connection, in bytes. Default: 1 MiB.
    pub max_state: usize,
    /// The most unread bytes, and the most unsent bytes, of one connection or companion. Default: 16 MiB.
    pub max_bytes: usize,
    /// Which state versions of which protocols this program reads. Default: whatever is offered.
    pub reads: *const *const zdt_reads,
    /// How many reads.
    pub reads_count: usize,
    /// Users beside our own effective one and root whose processes may take over from us, or be taken over.
    pub allowed_uids: *const u32,
    /// How many uids.
    pub allowed_uids_count: usize,
    /// Signals that become a ZDT_DRAIN event through a signalfd. Each must be blocked in every thread; block them before
    /// the first one is started. Default: none; call zdt_drain.
    pub drain_signals: *const c_int,
    /// How many signals.
    pub drain_signals_count: usize,
    /// What becomes of a predecessor's listener that is not what zdt_listener asks for: ZDT_MISMATCH_REFUSE (default) or
    /// ZDT_MISMATCH_BIND.
    pub on_mismatch: i32,
}

// SAFETY: repr(C), size first, and 0 is a value of every field.
unsafe impl SizeFirst for zdt_config {
    const NAME: &'static str = "zdt_config";
    const LEAST: usize = size_of::<usize>();
}

/// What a takeover has done so far, seen from one process. All counters start at 0 with the link.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_progress {
    /// Set by ZDT_PROGRESS_INIT.
    pub size: usize,
    /// Our generation.
    pub generation: u64,
    /// How many connections the predecessor said there are (zdt_set_connections); 0 where it did not say.
    pub expected: u64,
    /// Connections offered so far (sent by a predecessor, received by a successor).
    pub offered: u64,
    /// Adopted by the successor.
    pub settled: u64,
    /// Refused, or taken back.
    pub returned: u64,
    /// Unread bytes of the connections that were adopted, companions included.
    pub unread_bytes: u64,
    /// Unsent bytes of the connections that were adopted, companions included.
    pub unsent_bytes: u64,
    /// State bytes of the connections that were adopted.
    pub state_bytes: u64,
}

// SAFETY: repr(C), size first, and 0 is a value of every field.
unsafe impl SizeFirst for zdt_progress {
    const NAME: &'static str = "zdt_progress";
    const LEAST: usize = size_of::<usize>();
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
    if !t.is_null() {
        // A panic while leaving is lost: there is nobody to tell.
        // SAFETY: it came out of a Box in zdt_open, and is freed once (zdt.h).
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(t) })));
    }
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

impl zdt_progress {
    pub(crate) fn of(now: &Progress) -> zdt_progress {
        zdt_progress {
            size: 0, // the caller's stays
            generation: now.generation,
            expected: now.expected,
            offered: now.offered,
            settled: now.settled,
            returned: now.returned,
            unread_bytes: now.unread_bytes,
            unsent_bytes: now.unsent_bytes,
            state_bytes: now.state_bytes,
        }
    }
}

/// The handle behind the pointer.
///
/// # Safety
/// `t` is NULL or a handle that was not freed.
pub(crate) unsafe fn handle<'a>(t: *const zdt_takeover) -> Result<&'a zdt_takeover> {
    // SAFETY: the same promise; what changes inside is behind locks.
    unsafe { given(t, "the takeover") }
}

/// For results that have no room for an error number.
pub(crate) fn quietly<T>(otherwise: T, body: impl FnOnce() -> Result<T>) -> T {
    catch_unwind(AssertUnwindSafe(body)).ok().and_then(Result::ok).unwrap_or(otherwise)
}

/// The core's form of the caller's config.
///
/// # Safety
/// `config` is NULL or a struct that is as long as it says, with pointers that are good for what their counts say.
pub(crate) unsafe fn core_config(config: *const zdt_config) -> Result<Config> {
    let mut core = Config::default();
    core.runtime = "c".into();
    if config.is_null() {
        return Ok(core);
    }
    // SAFETY: the same promise, for each pointer.
    unsafe {
        let mut whole = MaybeUninit::uninit();
        let c = take(config, &mut whole)?;
        core.program = text_or(c.program, "program", "")?.into();
        core.runtime = text_or(c.runtime, "runtime", "c")?.into();
        for (to, ms) in [
            (&mut core.handshake, c.handshake_ms),
            (&mut core.ready, c.ready_ms),
            (&mut core.commit, c.commit_ms),
            (&mut core.drain, c.drain_ms),
            (&mut core.probation, c.probation_ms),
            (&mut core.hang, c.hang_ms),
        ] {
            if ms != 0 {
                *to = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
            }
        }
        for (to, bytes) in [(&mut core.max_state, c.max_state), (&mut core.max_bytes, c.max_bytes)] {
            if bytes != 0 {
                *to = bytes;
            }
        }
        for reads in slice(c.reads, c.reads_count, "reads")? {
            let mut whole = MaybeUninit::uninit();
            let reads = take(*reads, &mut whole)?;
            core.reads.push(Reads {
                protocol: text(reads.protocol, "the protocol it reads")?.into(),
                versions: slice(reads.versions, reads.version_count, "versions")?.to_vec(),
            });
        }
        core.allowed_uids = slice(c.allowed_uids, c.allowed_uids_count, "allowed_uids")?.to_vec();
        core.drain_signals = slice(c.drain_signals, c.drain_signals_count, "drain_signals")?.to_vec();
        core.on_mismatch = match c.on_mismatch {
            ZDT_MISMATCH_REFUSE => OnMismatch::Refuse,
            ZDT_MISMATCH_BIND => OnMismatch::Bind,
            other => return Err(invalid(format!("on_mismatch is {other}"))),
        };
    }
    if core.drain_signals.iter().any(|signal| *signal <= 0) {
        return Err(invalid("drain_signals has a number that is no signal"));
    }
    Ok(core)
}

/// Calls come from any thread.
const _: fn() = || {
    fn any_thread<T: Send + Sync>() {}
    any_thread::<Takeover>();
};
