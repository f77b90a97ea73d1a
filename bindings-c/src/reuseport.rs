//! Sockets that share a port, and how they leave without a loss.

use crate::edge::{call, free, given, invalid, place};
use crate::error::zdt_error;
use crate::fds::{spec, zdt_listener_options};
use crate::sized::{Place, SizeFirst};
use std::ffi::{c_char, c_int, c_void};
use std::mem::size_of;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use zdt_core::Result;
use zdt_core::reuseport::{Group, Step, kernel};

/// Some sockets at one address (SO_REUSEPORT; socket(7)). One call at a time; the sockets may be used from any thread.
pub struct zdt_reuseport(Group);

/// zdt_reuseport_step: serve all sockets as ever, and call again after wait_ms or later.
pub const ZDT_STEP_WAIT: c_int = 1;
/// zdt_reuseport_step: accept from the socket (UDP: read) until that would block, take it out of your poller, call again.
pub const ZDT_STEP_ACCEPT: c_int = 2;
/// zdt_reuseport_step: the socket of this index was closed; close what copies there are (dup, fork), then call again.
pub const ZDT_STEP_CLOSED: c_int = 3;
/// zdt_reuseport_step: nothing of ours is left.
pub const ZDT_STEP_DONE: c_int = 4;

/// What is next while sockets retire. Fields that do not belong to the kind are 0, the socket -1.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_reuseport_next {
    /// Set by ZDT_REUSEPORT_NEXT_INIT.
    pub size: usize,
    /// ZDT_STEP_*.
    pub kind: c_int,
    /// ZDT_STEP_ACCEPT: the descriptor, which stays the group's.
    pub socket: c_int,
    /// ZDT_STEP_ACCEPT, ZDT_STEP_CLOSED: its index.
    pub index: usize,
    /// ZDT_STEP_WAIT: how long, in milliseconds; -1: for ever.
    pub wait_ms: i64,
    /// ZDT_STEP_DONE: how many of our sockets were closed.
    pub closed: usize,
    /// ZDT_STEP_DONE: how many of the successor's stay.
    pub successors: usize,
    /// ZDT_STEP_DONE: how often was waited: once, and again where the group's members changed.
    pub waits: u32,
}

/// What the kernel does beside, in this network namespace (ip-sysctl). Nothing here relies on it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_reuseport_kernel {
    /// Set by ZDT_REUSEPORT_KERNEL_INIT.
    pub size: usize,
    /// net.ipv4.tcp_migrate_req: whoever waits at a listener that is closed moves to another one of its group.
    pub migrates: bool,
    /// net.ipv4.tcp_syncookies: 0 never, 1 where a queue overflows, 2 always.
    pub syncookies: u32,
}

// SAFETY: repr(C), size first, integers only.
unsafe impl SizeFirst for zdt_reuseport_next {
    const NAME: &'static str = "zdt_reuseport_next";
    const LEAST: usize = size_of::<usize>();
}

// SAFETY: repr(C), size first, and 0 is a value of every field.
unsafe impl SizeFirst for zdt_reuseport_kernel {
    const NAME: &'static str = "zdt_reuseport_kernel";
    const LEAST: usize = size_of::<usize>();
}

/// Binds `count` sockets at one address, beside those of a predecessor: `address` (tcp:// or udp://) and `options` (which may
/// be NULL) as for zdt_listener. Port 0: any, the same for all.
///
/// Owns: *group, which zdt_reuseport_free ends; NULL after an error. Blocks: never.
/// Errors: ZDT_ERROR_INVALID_ARGUMENT, _ADDRESS_IN_USE (by another user, or without SO_REUSEPORT), _SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_reuseport_bind(
    address: *const c_char,
    options: *const zdt_listener_options,
    count: usize,
    group: *mut *mut zdt_reuseport,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's place (zdt.h), only written.
        unsafe { place(group, "group")?.write(std::ptr::null_mut()) };
        // SAFETY: the caller's pointers (zdt.h).
        let spec = unsafe { spec(address, options)? };
        let bound = Group::bind(&spec, count)?;
        // SAFETY: the caller's place (zdt.h), only written.
        unsafe { group.write(Box::into_raw(Box::new(zdt_reuseport(bound)))) };
        Ok(0)
    })
}

/// The descriptor of the socket with this index (0 to count - 1; close-on-exec, non-blocking), which stays the group's.
/// Negative: the group is NULL, or there is no such socket any more. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_reuseport_socket(group: *const zdt_reuseport, index: usize) -> c_int {
    call(std::ptr::null_mut(), || {
        // SAFETY: NULL or a group that was not freed (zdt.h).
        let socket = unsafe { given(group, "the group")? }.0.socket(index);
        socket.map(|socket| socket.as_raw_fd()).ok_or_else(|| invalid(format!("there is no socket {index}")))
    })
}

/// Takes our sockets away while `successors` of a successor's, at least, stay: nobody is refused, reset or left in a queue.
/// All that is new goes to the successor's from here on (classic BPF; no privilege needed); what is on its way to us is
/// waited for, `wait_ms` (negative: the default, 5 s; less than the slowest handshake loses that one; UDP needs 0).
/// `serve` is called with a descriptor from which something can be accepted (UDP: read), until that would block; it must
/// not close it. Nobody else accepts meanwhile, or stops when a copy of his is to be closed.
///
/// Returns how many sockets were closed. Blocks: for wait_ms and a little more; where a predecessor of ours has not left
/// yet, first until it has. Errors: as zdt_reuseport_start_retiring, but for _BUSY, and zdt_reuseport_step.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_reuseport_retire(
    group: *mut zdt_reuseport,
    successors: usize,
    wait_ms: c_int,
    serve: Option<unsafe extern "C" fn(socket: c_int, context: *mut c_void)>,
    context: *mut c_void,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        let serve = serve.ok_or_else(|| invalid("serve is NULL"))?;
        // SAFETY: NULL or a group that was not freed and that nobody else calls meanwhile (zdt.h).
        let group = unsafe { inner(group)? };
        // SAFETY: the caller's function with the caller's context, as promised (zdt.h).
        let serve = |socket: std::os::fd::BorrowedFd<'_>| unsafe { serve(socket.as_raw_fd(), context) };
        let retired = group.retire(successors, wait(wait_ms), serve)?;
        Ok(c_int::try_from(retired.closed).unwrap_or(c_int::MAX))
    })
}

/// Begins to retire, for accept loops and pollers of one's own: all that is new goes to the successor's sockets from here
/// on. Then call zdt_reuseport_step until ZDT_STEP_DONE. `successors` and `wait_ms` as for zdt_reuseport_retire. To find out
/// which socket is where, packets that no application sees are sent over loopback (on UDP, a successor that joined while a
/// predecessor of ours was there may read an empty datagram).
///
/// Returns 0. Blocks: for that look, milliseconds at most as a rule. Errors, after each of which nothing was changed and all of ours serve on:
/// ZDT_ERROR_PEER_GONE (fewer sockets of others are there), _BUSY (a predecessor of ours has not left yet), _WRONG_STATE
/// (begun already; or one cannot find out which socket is where: loopback is down or closed to us), _INVALID_ARGUMENT, _SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_reuseport_start_retiring(
    group: *mut zdt_reuseport,
    successors: usize,
    wait_ms: c_int,
    err: *mut *mut zdt_error,
) -> c_int {
    // SAFETY: NULL or a group that was not freed and that nobody else calls meanwhile (zdt.h).
    call(err, || unsafe { inner(group)? }.start_retiring(successors, wait(wait_ms)).map(|()| 0))
}

/// What to do next while sockets retire; *next says it. Whoever joined or left the group meanwhile, all is waited for again.
///
/// Returns 0. Blocks: never, but for a look as in zdt_reuseport_start_retiring if somebody left. Errors:
/// ZDT_ERROR_WRONG_STATE (not begun; or somebody has had a copy of a socket that was closed for longer than a second: close
/// it, call again; or one cannot find out which socket is where: call again), _PEER_GONE (no socket of a successor's is left:
/// what is left of ours serves on, and one can begin again), _INVALID_ARGUMENT, _SYSTEM (call again).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_reuseport_step(
    group: *mut zdt_reuseport,
    next: *mut zdt_reuseport_next,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's struct, initialised (zdt.h).
        let place = unsafe { Place::new(next)? };
        // SAFETY: NULL or a group that was not freed and that nobody else calls meanwhile (zdt.h).
        let group = unsafe { inner(group)? };
        let mut next = zdt_reuseport_next {
            size: 0,
            kind: 0,
            socket: -1,
            index: 0,
            wait_ms: 0,
            closed: 0,
            successors: 0,
            waits: 0,
        };
        match group.step()? {
            Step::Wait(until) => {
                next.kind = ZDT_STEP_WAIT;
                next.wait_ms = until.map_or(-1, milliseconds);
            }
            Step::Accept(index) => {
                (next.kind, next.index) = (ZDT_STEP_ACCEPT, index);
                next.socket = group.socket(index).map_or(-1, |socket| socket.as_raw_fd());
            }
            Step::Closed(index) => (next.kind, next.index) = (ZDT_STEP_CLOSED, index),
            Step::Done(retired) => {
                (next.kind, next.closed) = (ZDT_STEP_DONE, retired.closed);
                (next.successors, next.waits) = (retired.successors, retired.waits);
            }
        }
        place.give(&next);
        Ok(0)
    })
}

/// Asks what the kernel does beside. Returns 0. Blocks: never. Errors: ZDT_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_reuseport_ask_kernel(
    answer: *mut zdt_reuseport_kernel,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's struct, initialised (zdt.h).
        let place = unsafe { Place::new(answer)? };
        let found = kernel();
        place.give(&zdt_reuseport_kernel { size: 0, migrates: found.migrates, syncookies: found.syncookies });
        Ok(0)
    })
}

/// Closes the sockets that are left, at once, with the loss that this means, and frees the group. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_reuseport_free(group: *mut zdt_reuseport) {
    // SAFETY: it came out of a Box in zdt_reuseport_bind, and is freed once (zdt.h).
    unsafe { free(group) }
}

fn wait(wait_ms: c_int) -> Option<Duration> {
    u64::try_from(wait_ms).ok().map(Duration::from_millis)
}

/// Until then, rounded up.
fn milliseconds(until: Instant) -> i64 {
    let left = until.saturating_duration_since(Instant::now());
    i64::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

/// # Safety
/// `group` is NULL or a group that was not freed and that nobody else uses meanwhile.
unsafe fn inner<'a>(group: *mut zdt_reuseport) -> Result<&'a mut Group> {
    // SAFETY: the same promise.
    unsafe { place(group, "the group").map(|group| &mut (*group).0) }
}
