//! Descriptors in messages (unix(7), cmsg(3)): whatever the kernel hands over is owned, on every path.

use super::retried;
use std::io::{self, IoSlice};
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// The most descriptors that one message carries (the kernel's SCM_MAX_FD).
pub const MAX_DESCRIPTORS: usize = 253;

/// A pidfd that the kernel adds where SO_PASSPIDFD is set (Linux 6.5); not in `libc` for every target.
const SCM_PIDFD: libc::c_int = 4;

const fn space(bytes: usize) -> usize {
    // SAFETY: plain arithmetic, no pointer is followed.
    unsafe { libc::CMSG_SPACE(bytes as u32) as usize }
}

const fn length(bytes: usize) -> usize {
    // SAFETY: plain arithmetic, no pointer is followed.
    unsafe { libc::CMSG_LEN(bytes as u32) as usize }
}

const RIGHTS: usize = space(MAX_DESCRIPTORS * size_of::<RawFd>());
/// Room beside the descriptors for credentials and a pidfd: a socket that asks for those must not lose descriptors.
const BESIDE: usize = space(size_of::<libc::ucred>()) + space(size_of::<RawFd>());

/// Room for control messages, on the stack; aligned as cmsghdr wants it.
#[repr(C, align(8))]
struct Control<const SIZE: usize>([MaybeUninit<u8>; SIZE]);

/// Sends `parts` as one message with `fds`, and returns how many bytes the kernel took (all of them, on SEQPACKET).
///
/// The descriptors are lent: the message holds copies of its own. Blocks only if `block` and the socket does; never
/// raises SIGPIPE; allocates nothing. On an error nothing was sent, and EAGAIN or ETOOMANYREFS can be tried again later.
/// InvalidInput: an empty payload (whose descriptors would be lost, or taken for end-of-file), or more than
/// [`MAX_DESCRIPTORS`].
pub fn send(socket: BorrowedFd<'_>, parts: &[IoSlice<'_>], fds: &[RawFd], block: bool) -> io::Result<usize> {
    if parts.iter().all(|part| part.is_empty()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message must have a payload"));
    }
    if fds.len() > MAX_DESCRIPTORS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "more than 253 descriptors in one message"));
    }
    let mut control = Control([MaybeUninit::uninit(); RIGHTS]);
    // SAFETY: all-zero is a valid msghdr: null pointers with length 0.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSlice is guaranteed to have the layout of iovec, and sendmsg only reads from it.
    header.msg_iov = parts.as_ptr().cast_mut().cast();
    header.msg_iovlen = parts.len() as _;
    if !fds.is_empty() {
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = space(size_of_val(fds)) as _;
        // SAFETY: the control buffer is aligned and holds a header and 253 descriptors; fds.len() is at most that.
        unsafe {
            let message = libc::CMSG_FIRSTHDR(&header);
            ptr::write(
                message,
                libc::cmsghdr {
                    cmsg_len: length(size_of_val(fds)) as _,
                    cmsg_level: libc::SOL_SOCKET,
                    cmsg_type: libc::SCM_RIGHTS,
                },
            );
            ptr::copy_nonoverlapping(fds.as_ptr().cast::<u8>(), libc::CMSG_DATA(message), size_of_val(fds));
            // The alignment behind an odd number of descriptors is read too: no bytes of the stack for the kernel.
            let (used, all) = (length(size_of_val(fds)), space(size_of_val(fds)));
            ptr::write_bytes(message.cast::<u8>().add(used), 0, all - used);
        }
    }
    let flags = libc::MSG_NOSIGNAL | if block { 0 } else { libc::MSG_DONTWAIT };
    // SAFETY: the header points to `parts` and `control`, which outlive the call.
    let sent = retried(|| unsafe { libc::sendmsg(socket.as_raw_fd(), &header, flags) })?;
    Ok(sent as usize)
}

/// What [`receive`] got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes in the buffer; 0 is the end of the connection.
    pub bytes: usize,
    /// The message was longer than the buffer; the rest is lost.
    pub data_truncated: bool,
    /// Not all of its descriptors could be installed (RLIMIT_NOFILE, or a security module); the kernel closed the rest.
    pub descriptors_truncated: bool,
}

/// Receives one message into `buffer` and pushes every descriptor that came with it to `fds`, close-on-exec, in order.
///
/// Blocks only if `block` and the socket does. What was truncated is told in the result and is not an error here: what
/// did arrive is owned by `fds` all the same. Give `fds` room for 253 more beforehand and nothing is allocated.
/// InvalidInput: an empty buffer, which would make a message vanish.
pub fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    fds: &mut Vec<OwnedFd>,
    block: bool,
) -> io::Result<Received> {
    if buffer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an empty buffer would lose the message"));
    }
    let mut control = Control([MaybeUninit::uninit(); RIGHTS + BESIDE]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all-zero is a valid msghdr: null pointers with length 0.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control.0) as _;
    let flags = libc::MSG_CMSG_CLOEXEC | if block { 0 } else { libc::MSG_DONTWAIT };
    // SAFETY: the header points to `part`, `buffer` and `control`, which outlive the call, with their true lengths.
    let bytes = retried(|| unsafe { libc::recvmsg(socket.as_raw_fd(), &mut header, flags) })?;
    // SAFETY: the kernel has just filled in this header; nobody else has seen the descriptors in it.
    unsafe { own_all(&header, fds) };
    Ok(Received {
        bytes: bytes as usize,
        data_truncated: header.msg_flags & libc::MSG_TRUNC != 0,
        descriptors_truncated: header.msg_flags & libc::MSG_CTRUNC != 0,
    })
}

/// Takes ownership of every descriptor in the control messages: those that were sent go to `fds`, others are closed.
///
/// # Safety
/// `header` was filled in by recvmsg, and this is called once for it.
unsafe fn own_all(header: &libc::msghdr, fds: &mut Vec<OwnedFd>) {
    // SAFETY: the cmsg macros stay within msg_control and msg_controllen, which the kernel set; a descriptor that is not
    // negative was installed for us by this very recvmsg, so it is ours alone.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let kind = ((*message).cmsg_level, (*message).cmsg_type);
            if matches!(kind, (libc::SOL_SOCKET, libc::SCM_RIGHTS | SCM_PIDFD)) {
                let bytes = ((*message).cmsg_len as usize).saturating_sub(length(0));
                let data = libc::CMSG_DATA(message).cast::<RawFd>();
                let count = bytes / size_of::<RawFd>();
                fds.reserve(count);
                for index in 0..count {
                    let fd = data.add(index).read_unaligned();
                    match kind.1 {
                        libc::SCM_RIGHTS => fds.push(OwnedFd::from_raw_fd(fd)),
                        // The kernel's own gift, which nobody sent; it puts a negative errno where it has none.
                        _ if fd >= 0 => drop(OwnedFd::from_raw_fd(fd)),
                        _ => {}
                    }
                }
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
}

#[cfg(test)]
#[path = "tests/scm_rights.rs"]
mod tests;
