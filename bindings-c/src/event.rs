//! Events: what `zdt_next_event` tells.

use crate::edge::{c_string, call, zdt_bytes};
use crate::error::{shown, zdt_error};
use crate::offer::{Held, zdt_offer};
use crate::sized::{Place, SizeFirst};
use crate::takeover::{handle, zdt_takeover};
use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::{offset_of, size_of};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zdt_core::{Error, ErrorKind, Event, Peer, Reads, Result, Returned};

/// (successor) A connection is offered: build the objects for it, then zdt_adopt(&event.offer); or zdt_refuse.
pub const ZDT_OFFER: i32 = 1;
/// Stop accepting, but from event.retired. With a successor: freeze and zdt_migrate what there is, then
/// zdt_migrated_all. Without one (a signal, or zdt_drain): finish what is in flight, then zdt_migrated_all.
pub const ZDT_DRAIN: i32 = 2;
/// (predecessor) The connection event.id was adopted over there: let go of it, that is out of the poller first, then
/// close() without shutdown().
pub const ZDT_SETTLED: i32 = 3;
/// (predecessor) The connection event.id is ours as it was (event.reason says why): thaw the same objects.
pub const ZDT_RETURNED: i32 = 4;
/// (predecessor) zdt_migrate takes more.
pub const ZDT_ROOM: i32 = 5;
/// (successor) We are the owner now, with event.generation.
pub const ZDT_COMMITTED: i32 = 6;
/// (predecessor) The attempt is off, or the successor died (event.cause): accept again, from every listener. It may come
/// before the connections that it gives back: whatever was on offer follows as ZDT_RETURNED, or as ZDT_SETTLED where the
/// successor had adopted it.
pub const ZDT_RESUME: i32 = 7;
/// (predecessor) The successor owns the service but leaves the queue of a listener unserved (event.cause): accept from it
/// too. Connections accepted this way are served here to their end.
pub const ZDT_ACCEPT: i32 = 8;
/// (predecessor) For good: nobody will resume here. Close the listeners, finish what is left.
pub const ZDT_RELIEVED: i32 = 9;
/// (successor) The attempt is off (event.cause): close the listeners, finish what was adopted, exit.
pub const ZDT_ABORTED: i32 = 10;
/// Libzdt has nothing left to do here: finish the connections that returned, if there are any, and exit. What the
/// deadline left is counted in event.left.
pub const ZDT_DONE: i32 = 11;
/// (worker) The arbiter said ready: accept from here on.
pub const ZDT_READY: i32 = 12;

/// event.reason of ZDT_RETURNED: the successor refused it.
pub const ZDT_REFUSED: i32 = 1;
/// event.reason of ZDT_RETURNED: it was taken back, since the successor is gone, hangs, or the deadline came.
pub const ZDT_TAKEN_BACK: i32 = 2;

/// What happened. The kind says which fields mean something; the others are 0.
///
/// Pointers in it, save the offer, are libzdt's: good until the next zdt_next_event on the same handle, or zdt_free.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_event {
    /// Set by ZDT_EVENT_INIT.
    pub size: usize,
    /// Which event: ZDT_OFFER to ZDT_READY; 0 where there is none. Skip kinds that you do not know.
    pub kind: i32,
    /// ZDT_RETURNED: ZDT_REFUSED or ZDT_TAKEN_BACK.
    pub reason: i32,
    /// ZDT_SETTLED, ZDT_RETURNED: the id that zdt_migrate was given.
    pub id: u64,
    /// ZDT_OFFER: the offer. Not yet answered when the struct is used again, it is refused.
    pub offer: *mut zdt_offer,
    /// ZDT_DRAIN: who is ready to take the connections; NULL where nobody is.
    pub successor: *const zdt_peer,
    /// ZDT_DRAIN: milliseconds from now until what is still on offer is taken back. ZDT_DONE follows: with a successor
    /// after config.probation_ms, without one at once.
    pub deadline_ms: u64,
    /// ZDT_DRAIN: which connections the successor can read; none: it did not say, offer everything.
    pub reads: *const *const zdt_reads,
    /// How many reads.
    pub reads_count: usize,
    /// ZDT_COMMITTED: our generation, the predecessor's plus one.
    pub generation: u64,
    /// ZDT_RESUME, ZDT_ACCEPT, ZDT_ABORTED: why. Not to be freed.
    pub cause: *const zdt_error,
    /// ZDT_DONE: how many offers were unanswered when the drain deadline came; ZDT_RETURNED (or ZDT_SETTLED, for one that
    /// was adopted at that moment) has named each before this event. 0: none was. What was never offered is not counted,
    /// and each worker's ZDT_DONE counts its own.
    ///
    /// Draining without a successor, where the deadline came before zdt_migrated_all: how many connections there are, as
    /// zdt_set_connections was told, at least 1.
    pub left: u64,
    /// ZDT_DRAIN: the listeners that the successor left to us (zdt_retire): go on accepting from these. At ZDT_DONE or
    /// ZDT_RELIEVED accept what is still in their queues, then close them.
    pub retired: *const *const c_char,
    /// How many names.
    pub retired_count: usize,
}

// SAFETY: repr(C), size first, and 0 is a value of every field. LEAST: up to the offer, which must be seen to be answered.
unsafe impl SizeFirst for zdt_event {
    const NAME: &'static str = "zdt_event";
    const LEAST: usize = offset_of!(zdt_event, offer) + size_of::<*mut zdt_offer>();
}

/// The process at the other end. Made by libzdt only, so it may grow.
#[repr(C)]
pub struct zdt_peer {
    /// Its process id as our pid namespace shows it; 0 where it is not visible.
    pub pid: u32,
    /// Its program, as it says. Never NULL.
    pub program: *const c_char,
    /// Its runtime, as it says. Never NULL.
    pub runtime: *const c_char,
    /// Its generation (of a successor: the one it will have).
    pub generation: u64,
}

/// The state versions of one protocol that a program reads.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_reads {
    /// Set by ZDT_READS_INIT.
    pub size: usize,
    /// The protocol, as in zdt_connection.protocol.
    pub protocol: *const c_char,
    /// The state versions.
    pub versions: *const u32,
    /// How many.
    pub version_count: usize,
}

// SAFETY: repr(C), size first, and 0 is a value of every field.
unsafe impl SizeFirst for zdt_reads {
    const NAME: &'static str = "zdt_reads";
    const LEAST: usize = offset_of!(zdt_reads, version_count) + size_of::<usize>();
}

/// The next event. 1: there is one in *event; 0: none came within timeout_ms (0: only look; negative: wait for ever).
///
/// Call it whenever zdt_event_fd is readable, until it returns 0; deadlines fire in here too. An offer that is still in
/// *event is refused first (see zdt_offer).
///
/// Threads: one caller at a time. Blocks: as long as timeout_ms says; zdt_close from another thread ends that.
/// Errors: ZDT_ERROR_CLOSED, _FORKED, _SYSTEM; *event is then without offer and of kind 0, and the call may be repeated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_next_event(
    t: *mut zdt_takeover,
    timeout_ms: c_int,
    event: *mut zdt_event,
    err: *mut *mut zdt_error,
) -> c_int {
    // SAFETY: the caller's pointers (zdt.h).
    call(err, || unsafe {
        let zdt_takeover { takeover, last, .. } = handle(t)?;
        next(event, timeout_ms, last, |timeout| takeover.next_event(timeout))
    })
}

/// The next event of a takeover or a worker, into `event`.
///
/// # Safety
/// `event` is NULL or the caller's, and the offer in it NULL or of an earlier event.
pub(crate) unsafe fn next(
    event: *mut zdt_event,
    timeout_ms: c_int,
    last: &Mutex<Last>,
    next: impl FnOnce(Option<Duration>) -> Result<Option<Event>>,
) -> Result<c_int> {
    // SAFETY: the same promise.
    let place = unsafe { Place::new(event)? };
    // SAFETY: `Place` found that the struct has that field.
    let offer = unsafe { &raw mut (*event).offer };
    // SAFETY: as above; it is NULL, or an offer of this event's.
    if unsafe { !(*offer).is_null() } {
        // SAFETY: as above.
        drop(unsafe { Held::out_of(offer)? });
    }
    match next(u64::try_from(timeout_ms).ok().map(Duration::from_millis)) {
        Ok(Some(event)) => {
            place.give(&last.lock().unwrap_or_else(PoisonError::into_inner).describe(event)?);
            Ok(1)
        }
        otherwise => {
            place.give(&NOTHING);
            otherwise.map(|_| 0)
        }
    }
}

const NOTHING: zdt_event = zdt_event {
    size: 0, // the caller's stays
    kind: 0,
    reason: 0,
    id: 0,
    offer: ptr::null_mut(),
    successor: ptr::null(),
    deadline_ms: 0,
    reads: ptr::null(),
    reads_count: 0,
    generation: 0,
    cause: ptr::null(),
    left: 0,
    retired: ptr::null(),
    retired_count: 0,
};

/// What the pointers of the last event point at.
#[derive(Default)]
pub(crate) struct Last {
    cause: Option<Box<zdt_error>>,
    successor: Option<PeerView>,
    reads: ReadsViews,
    retired: Vec<CString>,
    retired_pointers: Vec<*const c_char>,
    /// The protocol of the last offer: connections mostly speak the same, so its C string is made once and shared.
    protocol: Option<Arc<CStr>>,
}

impl Last {
    pub(crate) fn describe(&mut self, event: Event) -> Result<zdt_event> {
        let of = |kind: i32| zdt_event { kind, ..NOTHING };
        Ok(match event {
            Event::Offer(offer) => {
                let protocol = self.protocol(&offer.connection().protocol);
                zdt_event { offer: Held::expose(offer, protocol), ..of(ZDT_OFFER) }
            }
            Event::Drain { successor, deadline, reads, retired } => {
                self.successor = successor.as_ref().map(PeerView::new);
                self.reads = ReadsViews::new(&reads);
                self.retired = retired.iter().map(|name| c_string(name)).collect();
                self.retired_pointers = self.retired.iter().map(|name| name.as_ptr()).collect();
                zdt_event {
                    successor: self.successor.as_ref().map_or(ptr::null(), PeerView::shown),
                    deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
                    reads: self.reads.pointers.as_ptr(),
                    reads_count: self.reads.pointers.len(),
                    retired: self.retired_pointers.as_ptr(),
                    retired_count: self.retired_pointers.len(),
                    ..of(ZDT_DRAIN)
                }
            }
            Event::Settled(id) => zdt_event { id, ..of(ZDT_SETTLED) },
            Event::Returned(mut frozen, why) => {
                frozen.wipe(); // a copy: the caller thaws its own
                let reason = match why {
                    Returned::Refused => ZDT_REFUSED,
                    Returned::TakenBack => ZDT_TAKEN_BACK,
                };
                zdt_event { id: frozen.id, reason, ..of(ZDT_RETURNED) }
            }
            Event::Room => of(ZDT_ROOM),
            Event::Committed { generation } => zdt_event { generation, ..of(ZDT_COMMITTED) },
            Event::Resume { cause } => self.caused(ZDT_RESUME, &cause),
            Event::Accept { cause } => self.caused(ZDT_ACCEPT, &cause),
            Event::Relieved => of(ZDT_RELIEVED),
            Event::Aborted { cause } => self.caused(ZDT_ABORTED, &cause),
            Event::Ready => of(ZDT_READY),
            Event::Done { left } => zdt_event { left, ..of(ZDT_DONE) },
            other => return Err(Error::new(ErrorKind::Internal, format!("no C event for {other:?}"), "")),
        })
    }

    fn caused(&mut self, kind: i32, cause: &Error) -> zdt_event {
        self.cause = Some(Box::new(zdt_error::new(cause)));
        zdt_event { kind, cause: shown(self.cause.as_deref()), ..NOTHING }
    }

    fn protocol(&mut self, protocol: &str) -> Arc<CStr> {
        match &self.protocol {
            Some(known) if known.to_bytes() == protocol.as_bytes() => known.clone(),
            _ => self.protocol.insert(c_string(protocol).into()).clone(),
        }
    }
}

/// A peer as C reads it.
pub(crate) struct PeerView {
    view: Box<zdt_peer>,
    _words: [CString; 2],
}

impl PeerView {
    pub(crate) fn new(peer: &Peer) -> PeerView {
        let words = [c_string(&peer.program), c_string(&peer.runtime)];
        let view = zdt_peer {
            pid: peer.pid,
            program: words[0].as_ptr(),
            runtime: words[1].as_ptr(),
            generation: peer.generation,
        };
        PeerView { view: Box::new(view), _words: words }
    }

    pub(crate) fn shown(&self) -> *const zdt_peer {
        ptr::from_ref(&*self.view)
    }
}

/// What a successor reads, as C reads it: each by pointer, so zdt_reads can grow.
#[derive(Default)]
struct ReadsViews {
    _views: Vec<(zdt_reads, CString, Vec<u32>)>,
    pointers: Vec<*const zdt_reads>,
}

impl ReadsViews {
    fn new(reads: &[Reads]) -> ReadsViews {
        let view = |reads: &Reads| {
            let (protocol, versions) = (c_string(&reads.protocol), reads.versions.clone());
            let view = zdt_reads {
                size: size_of::<zdt_reads>(),
                protocol: protocol.as_ptr(),
                versions: versions.as_ptr(),
                version_count: versions.len(),
            };
            (view, protocol, versions)
        };
        let views: Vec<_> = reads.iter().map(view).collect();
        let pointers = views.iter().map(|(view, ..)| ptr::from_ref(view)).collect();
        ReadsViews { _views: views, pointers }
    }
}

/// Layout that C programs were compiled with: fields are only ever added at the end.
const _: () = {
    assert!(offset_of!(zdt_event, size) == 0);
    assert!(offset_of!(zdt_event, retired_count) + size_of::<usize>() == size_of::<zdt_event>());
    assert!(size_of::<zdt_bytes>() == 2 * size_of::<usize>());
};
