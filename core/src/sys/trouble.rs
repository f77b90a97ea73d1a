//! What an errno of sendmsg or recvmsg on a link means to us (sendmsg(2), unix(7)).

use std::io;

/// Why a message did not go out or come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The queue is full, or empty: wait for the socket.
    Wait,
    /// Too many descriptors are in flight, or memory is short: try again a little later.
    Later,
    /// The peer reads no more (EPIPE), or closed with messages unread (ECONNRESET).
    Broken,
    /// A descriptor to be sent is not open.
    BadDescriptor,
    /// Anything else.
    Other,
}

/// Sorts `error`.
pub fn of(error: &io::Error) -> Trouble {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => Trouble::Wait,
        Some(libc::ETOOMANYREFS | libc::ENOBUFS | libc::ENOMEM) => Trouble::Later,
        Some(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN) => Trouble::Broken,
        Some(libc::EBADF) => Trouble::BadDescriptor,
        _ => Trouble::Other,
    }
}
