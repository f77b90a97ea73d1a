//! Unix sockets of type SEQPACKET (unix(7)): what link and takeover socket are made of. All are close-on-exec and
//! non-blocking.

use super::{checked, owned, retried};
use std::io;
use std::mem::{offset_of, size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The longest path of a Unix socket, in bytes, without the NUL that ends it.
pub const MAX_PATH: usize = size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;

const KIND: i32 = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;

/// A socket bound to `path`, which it creates; not listening yet. EADDRINUSE: something lies there.
pub fn bind_seqpacket(path: &Path) -> io::Result<OwnedFd> {
    let socket = new()?;
    let (address, length) = address(path)?;
    // SAFETY: an address of this length, which outlives the call.
    checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(socket)
}

/// Connects to the socket that listens at `path`; never blocks.
///
/// ECONNREFUSED: nobody listens there any more. EAGAIN: its backlog is full. For another type see [`is_wrong_type`].
pub fn connect_seqpacket(path: &Path) -> io::Result<OwnedFd> {
    let socket = new()?;
    let (address, length) = address(path)?;
    // SAFETY: an address of this length, which outlives the call.
    retried(|| unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(socket)
}

/// Whether connecting failed because the socket there is of another type than SEQPACKET (EPROTOTYPE).
pub fn is_wrong_type(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPROTOTYPE)
}

/// Lets `backlog` newcomers wait (the kernel caps it at somaxconn). On a socket that listens already it changes the
/// backlog, and makes this process the one that newcomers see as their peer.
pub fn listen(socket: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

/// Accepts one newcomer. WouldBlock: there is none.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let none = std::ptr::null_mut();
    // SAFETY: the address may be null; a result that is not negative is a new descriptor, ours alone.
    retried(|| unsafe { libc::accept4(listener.as_raw_fd(), none, std::ptr::null_mut(), flags) })
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Two sockets connected to each other.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds: [i32; 2] = [-1; 2];
    // SAFETY: the kernel writes two descriptors.
    checked(unsafe { libc::socketpair(libc::AF_UNIX, KIND, 0, fds.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so both are new and ours alone.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Asks for room for `bytes` of unread messages (SO_SNDBUF) and returns what the kernel gives, its own bookkeeping
/// included: it doubles the figure and caps it at net.core.wmem_max.
pub fn set_send_buffer(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<usize> {
    let mut value = i32::try_from(bytes).unwrap_or(i32::MAX);
    let mut length = size_of::<i32>() as libc::socklen_t;
    let (fd, level, name) = (socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF);
    // SAFETY: reads, then writes, one int of the length given; both outlive the calls.
    unsafe {
        checked(libc::setsockopt(fd, level, name, (&raw const value).cast(), length))?;
        checked(libc::getsockopt(fd, level, name, (&raw mut value).cast(), &mut length))?;
    }
    Ok(usize::try_from(value).unwrap_or(0))
}

/// Lets nothing more come in: the peer's next send gives EPIPE. What has come already can still be read.
pub fn shutdown_read(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RD) }).map(drop)
}

/// Ends a connection in both directions, whoever else holds a copy: its peer gets a FIN.
pub fn shutdown_both(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) }).map(drop)
}

/// The first bytes of the next message, which stays where it is, with its descriptors. Never blocks.
#[cfg(feature = "faults")]
pub fn peek(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: writes at most the length of `buffer`, which outlives the call.
    let bytes = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
    checked(bytes).map(|bytes| bytes as usize)
}

/// Whether a message, an error or end-of-file waits to be read.
pub fn is_readable(socket: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call; it does not wait.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 }
}

/// Whether it is a SEQPACKET socket that listens (SO_TYPE, SO_ACCEPTCONN; socket(7)).
pub fn is_listening(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let option = |name| {
        let mut value = 0i32;
        let mut length = size_of::<i32>() as libc::socklen_t;
        let into = (&raw mut value).cast();
        // SAFETY: writes one int of the length given; both outlive the call.
        checked(unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, into, &mut length) })?;
        io::Result::Ok(value)
    };
    Ok(option(libc::SO_TYPE)? == libc::SOCK_SEQPACKET && option(libc::SO_ACCEPTCONN)? == 1)
}

/// The path that a socket was bound to, as the bytes it had then, wherever it lies now; empty where it has none.
pub fn bound_name(socket: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    // SAFETY: writes an address of at most the length given, which outlives the call.
    name(|address, length| unsafe { libc::getsockname(socket.as_raw_fd(), address, length) })
}

/// The name in the abstract namespace (unix(7)) that a socket is bound to, if it is.
pub fn abstract_name(socket: BorrowedFd<'_>) -> io::Result<Option<Vec<u8>>> {
    // SAFETY: writes an address of at most the length given, which outlives the call.
    let bytes =
        raw_name(|address, length| unsafe { libc::getsockname(socket.as_raw_fd(), address, length) })?;
    Ok(bytes.split_first().filter(|(first, _)| **first == 0).map(|(_, name)| name.to_vec()))
}

/// The path that the listening socket was bound to that a connected socket reached.
pub fn peer_name(socket: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    // SAFETY: writes an address of at most the length given, which outlives the call.
    name(|address, length| unsafe { libc::getpeername(socket.as_raw_fd(), address, length) })
}

fn name(get: impl Fn(*mut libc::sockaddr, *mut libc::socklen_t) -> i32) -> io::Result<Vec<u8>> {
    Ok(raw_name(get)?.into_iter().take_while(|&byte| byte != 0).collect())
}

/// The bytes of `sun_path`, as many as the kernel says there are.
fn raw_name(get: impl Fn(*mut libc::sockaddr, *mut libc::socklen_t) -> i32) -> io::Result<Vec<u8>> {
    // SAFETY: all-zero is a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { zeroed() };
    let mut length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    checked(get((&raw mut address).cast(), &mut length))?;
    let used = (length as usize).saturating_sub(offset_of!(libc::sockaddr_un, sun_path));
    Ok(address.sun_path.iter().take(used).map(|&byte| byte as u8).collect())
}

fn new() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; returns a new descriptor or -1.
    unsafe { owned(libc::socket(libc::AF_UNIX, KIND, 0)) }
}

/// `path` as the kernel takes it. InvalidInput: it is empty, too long, or has a NUL.
pub(super) fn address(path: &Path) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_PATH || bytes.contains(&0) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a socket's path has 1 to 107 bytes and no NUL",
        ));
    }
    Ok(raw_address(bytes, bytes.len() + 1))
}

/// `name` in the abstract namespace as the kernel takes it: behind a NUL, as long as it is. InvalidInput: it is empty or
/// too long.
pub(super) fn abstract_address(name: &[u8]) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    if name.is_empty() || name.len() > MAX_PATH {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an abstract name has 1 to 107 bytes"));
    }
    Ok(raw_address(&[&[0], name].concat(), name.len() + 1))
}

/// The first `length` bytes of `sun_path`; what `bytes` has not is 0.
fn raw_address(bytes: &[u8], length: usize) -> (libc::sockaddr_un, libc::socklen_t) {
    // SAFETY: all-zero is a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    (address, (offset_of!(libc::sockaddr_un, sun_path) + length) as libc::socklen_t)
}

#[cfg(test)]
#[path = "tests/unix.rs"]
mod tests;
