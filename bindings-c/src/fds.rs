//! The plain pieces: descriptors over a Unix socket, a listener of one's own, a signal that reaches the right process.

use crate::connection::descriptor;
use crate::edge::{call, invalid, place, slice, text};
use crate::error::zdt_error;
use crate::sized::{SizeFirst, take};
use std::ffi::{c_char, c_int, c_void};
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{BorrowedFd, IntoRawFd};
use zdt_core::{Error, ErrorKind, ListenerSpec, Result};

/// How many descriptors one message can carry (SCM_MAX_FD; unix(7)).
pub const ZDT_MAX_FDS: usize = 253;

/// An option of zdt_listener_options: on.
pub const ZDT_ON: i32 = 1;
/// An option of zdt_listener_options: off.
pub const ZDT_OFF: i32 = -1;

/// Options of a listener. What is 0 is as the address says, else the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_listener_options {
    /// Set by ZDT_LISTENER_OPTIONS_INIT.
    pub size: usize,
    /// How many connections may wait to be accepted (listen(2)). Default: 4096.
    pub backlog: u32,
    /// The mode of a Unix socket's path. Default: what the umask leaves.
    pub mode: u32,
    /// IPV6_V6ONLY: ZDT_ON or ZDT_OFF.
    pub v6only: i32,
    /// TCP_NODELAY, which accepted sockets inherit: ZDT_ON or ZDT_OFF.
    pub nodelay: i32,
    /// SO_REUSEPORT: ZDT_ON or ZDT_OFF.
    pub reuseport: i32,
}

// SAFETY: repr(C), size first, and 0 is a value of every field.
unsafe impl SizeFirst for zdt_listener_options {
    const NAME: &'static str = "zdt_listener_options";
    const LEAST: usize = size_of::<usize>();
}

/// Sends `length` bytes (at least one) and `fd_count` descriptors (at most ZDT_MAX_FDS) as one message over a Unix socket.
///
/// Owns: nothing; the descriptors stay open here and are the caller's to close. Blocks: as the socket does.
/// No SIGPIPE. Returns 0. Errors: ZDT_ERROR_INVALID_ARGUMENT (no data, too many), _PEER_GONE, _SYSTEM (EAGAIN of a full
/// non-blocking socket included); then nothing was sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_send_fds(
    socket: c_int,
    data: *const c_void,
    length: usize,
    fds: *const c_int,
    fd_count: usize,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's pointers and descriptors (zdt.h).
        unsafe {
            let data = slice(data.cast::<u8>(), length, "data")?;
            let fds = slice(fds, fd_count, "fds")?.iter().map(|fd| borrowed(*fd, "a descriptor"));
            zdt_core::send_fds(borrowed(socket, "socket")?, data, &fds.collect::<Result<Vec<_>>>()?)?;
        }
        Ok(0)
    })
}

/// Receives one message of up to `length` bytes over a Unix socket, with its descriptors, all close-on-exec.
///
/// The result is how many bytes came; 0 is the end of the stream. *fd_count says how large `fds` is and is set to how
/// many descriptors came; with room for ZDT_MAX_FDS there is always enough.
///
/// Owns: the descriptors are the caller's to close. On an error there are none: what came was closed.
/// Blocks: as the socket does. Errors: ZDT_ERROR_DESCRIPTOR_COUNT (more came than fds has room for), _DESCRIPTOR_LIMIT,
/// _TOO_LARGE (the message is longer than length), _PEER_GONE, _INVALID_ARGUMENT, _SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_recv_fds(
    socket: c_int,
    data: *mut c_void,
    length: usize,
    fds: *mut c_int,
    fd_count: *mut usize,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: the caller's pointers (zdt.h), only written.
        let (room, buffer) = unsafe {
            let room = place(fd_count, "fd_count")?.replace(0);
            if length == 0 || length > c_int::MAX as usize {
                return Err(invalid(format!("length is {length}")));
            }
            if room > 0 {
                place(fds, "fds")?;
            }
            (room, std::slice::from_raw_parts_mut(place(data.cast::<u8>(), "data")?, length))
        };
        // SAFETY: the caller's descriptor.
        let (bytes, received) = zdt_core::recv_fds(unsafe { borrowed(socket, "socket")? }, buffer)?;
        if received.len() > room {
            let what = format!("{} descriptors came, and fds has room for {room}", received.len());
            return Err(Error::new(ErrorKind::DescriptorCount, what, "they were closed; give room for 253"));
        }
        // SAFETY: there is room for all of them.
        unsafe {
            fd_count.write(received.len());
            received.into_iter().enumerate().for_each(|(index, fd)| fds.add(index).write(fd.into_raw_fd()));
        }
        // It fits: the length does.
        Ok(bytes as c_int)
    })
}

/// Binds a listener with SO_REUSEPORT, outside of any takeover: several processes may listen at the same address.
/// `address` and `options` as for zdt_listener. The result is the descriptor, which is the caller's. Blocks: never.
/// Errors: ZDT_ERROR_INVALID_ARGUMENT, _ADDRESS_IN_USE, _SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_bind(
    address: *const c_char,
    options: *const zdt_listener_options,
    err: *mut *mut zdt_error,
) -> c_int {
    // SAFETY: the caller's pointers (zdt.h).
    call(err, || Ok(zdt_core::bind(&unsafe { spec(address, options)? })?.into_raw_fd()))
}

/// Asks the process `pid` to drain: SIGTERM through a pidfd, so never to another process that got the number meanwhile.
/// Returns 0. Blocks: never. Errors: ZDT_ERROR_PEER_GONE (there is no such process), _WRONG_USER (we may not signal it),
/// _UNSUPPORTED, _INVALID_ARGUMENT, _SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_signal_drain(pid: u32, err: *mut *mut zdt_error) -> c_int {
    call(err, || zdt_core::signal_drain(pid).map(|()| 0))
}

/// A descriptor of the caller's.
///
/// # Safety
/// It stays open for as long as the result is used.
unsafe fn borrowed<'a>(fd: c_int, what: &str) -> Result<BorrowedFd<'a>> {
    // SAFETY: not negative, and the caller's.
    descriptor(fd, what).map(|fd| unsafe { BorrowedFd::borrow_raw(fd) })
}

/// What the caller wants to listen at.
///
/// # Safety
/// The pointers are NULL or good.
pub(crate) unsafe fn spec(
    address: *const c_char,
    options: *const zdt_listener_options,
) -> Result<ListenerSpec> {
    // SAFETY: the same promise.
    let mut spec: ListenerSpec = unsafe { text(address, "address")? }.parse()?;
    if options.is_null() {
        return Ok(spec);
    }
    let mut whole = MaybeUninit::uninit();
    // SAFETY: the same promise.
    let options = unsafe { take(options, &mut whole)? };
    if options.backlog != 0 {
        spec = spec.backlog(options.backlog);
    }
    if options.mode != 0 {
        spec = spec.mode(options.mode);
    }
    if let Some(on) = switch(options.v6only)? {
        spec = spec.v6only(on);
    }
    if let Some(on) = switch(options.nodelay)? {
        spec = spec.nodelay(on);
    }
    if let Some(on) = switch(options.reuseport)? {
        spec = spec.reuseport(on);
    }
    Ok(spec)
}

fn switch(value: i32) -> Result<Option<bool>> {
    match value {
        0 => Ok(None),
        ZDT_ON => Ok(Some(true)),
        ZDT_OFF => Ok(Some(false)),
        _ => Err(invalid(format!("an option is {value}: ZDT_ON, ZDT_OFF or 0"))),
    }
}
