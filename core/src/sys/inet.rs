//! Sockets that a service is reached at: TCP and UDP (ip(7), ipv6(7), tcp(7), udp(7)), Unix streams (unix(7)). All are
//! close-on-exec and non-blocking.

use super::{checked, owned, retried, unix};
use std::ffi::OsString;
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// What a socket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// Unix.
    Unix,
}

/// An option that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Connections that are about to end do not keep the address (SO_REUSEADDR).
    ReuseAddress,
    /// Several sockets of the same user share the address (SO_REUSEPORT).
    ReusePort,
    /// No IPv4 connections on an IPv6 socket (IPV6_V6ONLY).
    V6Only,
    /// Small segments are sent at once (TCP_NODELAY); accepted sockets inherit it.
    NoDelay,
}

/// What a socket is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// An IP address and port.
    Inet(SocketAddr),
    /// A path.
    Path(PathBuf),
    /// A name in the abstract namespace (unix(7)): any bytes, no file.
    Abstract(Vec<u8>),
    /// A Unix socket without a name.
    Unnamed,
    /// An address of another family.
    Other,
}

/// What the kernel says a socket is (socket(7)): the numbers of SO_TYPE, SO_DOMAIN and SO_PROTOCOL, and SO_ACCEPTCONN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// SOCK_STREAM and the like.
    pub kind: i32,
    /// AF_INET and the like.
    pub domain: i32,
    /// IPPROTO_TCP and the like; 0 for Unix.
    pub protocol: i32,
    /// Whether it listens.
    pub listening: bool,
}

impl Kind {
    /// What a listening stream socket of this family must be.
    pub fn listener(family: Family) -> Kind {
        let (domain, protocol) = family.numbers();
        Kind { kind: libc::SOCK_STREAM, domain, protocol, listening: true }
    }

    /// What a UDP socket of this family must be.
    pub fn datagram(family: Family) -> Kind {
        let (domain, _) = family.numbers();
        Kind { kind: libc::SOCK_DGRAM, domain, protocol: libc::IPPROTO_UDP, listening: false }
    }
}

impl Family {
    fn numbers(self) -> (i32, i32) {
        match self {
            Family::V4 => (libc::AF_INET, libc::IPPROTO_TCP),
            Family::V6 => (libc::AF_INET6, libc::IPPROTO_TCP),
            Family::Unix => (libc::AF_UNIX, 0),
        }
    }
}

impl Switch {
    fn numbers(self) -> (i32, i32) {
        match self {
            Switch::ReuseAddress => (libc::SOL_SOCKET, libc::SO_REUSEADDR),
            Switch::ReusePort => (libc::SOL_SOCKET, libc::SO_REUSEPORT),
            Switch::V6Only => (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
            Switch::NoDelay => (libc::IPPROTO_TCP, libc::TCP_NODELAY),
        }
    }
}

/// A stream socket that is neither bound nor connected.
pub fn socket(family: Family) -> io::Result<OwnedFd> {
    socket_of(Kind::listener(family))
}

/// A socket of this kind that is neither bound nor connected; it does not listen yet.
pub fn socket_of(Kind { kind, domain, protocol, .. }: Kind) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; returns a new descriptor or -1.
    unsafe { owned(libc::socket(domain, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, protocol)) }
}

/// Turns an option on or off.
pub fn set(socket: BorrowedFd<'_>, switch: Switch, on: bool) -> io::Result<()> {
    let (level, name) = switch.numbers();
    set_number(socket, level, name, i32::from(on))
}

/// Whether an option is on.
pub fn is_set(socket: BorrowedFd<'_>, switch: Switch) -> io::Result<bool> {
    let (level, name) = switch.numbers();
    number(socket, level, name).map(|value| value != 0)
}

/// What the socket is; nothing if the descriptor is of something else.
pub fn kind(socket: BorrowedFd<'_>) -> io::Result<Option<Kind>> {
    let number = |name| number(socket, libc::SOL_SOCKET, name);
    let kind = match number(libc::SO_TYPE) {
        Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => return Ok(None),
        kind => kind?,
    };
    Ok(Some(Kind {
        kind,
        domain: number(libc::SO_DOMAIN)?,
        protocol: number(libc::SO_PROTOCOL)?,
        listening: number(libc::SO_ACCEPTCONN)? != 0,
    }))
}

/// Whether it is a stream socket that has a peer: one that listens, was never connected or was reset has none, and what is
/// no socket neither. One system call for TCP, three for others.
pub fn is_connected_stream(socket: BorrowedFd<'_>) -> bool {
    const SYN_SENT: u8 = 2;
    const CLOSE: u8 = 7;
    const LISTEN: u8 = 10;
    let mut state = 0u8;
    let mut length = size_of::<u8>() as libc::socklen_t;
    let into = (&raw mut state).cast();
    // SAFETY: writes one byte, tcpi_state (tcp(7)), as the length says; both outlive the call.
    let tcp =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, into, &mut length) };
    if tcp == 0 {
        return ![SYN_SENT, CLOSE, LISTEN].contains(&state);
    }
    let stream = number(socket, libc::SOL_SOCKET, libc::SO_TYPE).is_ok_and(|kind| kind == libc::SOCK_STREAM);
    stream && has_peer(socket)
}

/// Whether getpeername(2) knows somebody.
fn has_peer(socket: BorrowedFd<'_>) -> bool {
    // SAFETY: all-zero is a valid sockaddr_storage.
    let mut address: libc::sockaddr_storage = unsafe { zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: writes an address of at most the length given; both outlive the call.
    unsafe { libc::getpeername(socket.as_raw_fd(), (&raw mut address).cast(), &mut length) == 0 }
}

/// Binds to `address` (bind(2)).
pub fn bind(socket: BorrowedFd<'_>, address: &SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(v4) => {
            bind_raw(socket, &raw_v4(v4), size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(v6) => {
            bind_raw(socket, &raw_v6(v6), size_of::<libc::sockaddr_in6>() as libc::socklen_t)
        }
    }
}

/// Begins to connect to `address` (connect(2)). EINPROGRESS: it is under way.
pub fn connect(socket: BorrowedFd<'_>, address: &SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(v4) => {
            connect_raw(socket, &raw_v4(v4), size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(v6) => {
            connect_raw(socket, &raw_v6(v6), size_of::<libc::sockaddr_in6>() as libc::socklen_t)
        }
    }
}

/// Binds to `path`, which it creates. EADDRINUSE: something lies there.
pub fn bind_path(socket: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let (address, length) = unix::address(path)?;
    bind_raw(socket, &address, length)
}

/// Binds to `name` in the abstract namespace. EADDRINUSE: another socket of this network namespace has it.
pub fn bind_abstract(socket: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    let (address, length) = unix::abstract_address(name)?;
    bind_raw(socket, &address, length)
}

/// Connects a stream socket to `path` and closes it again: whether anybody listens there. Never blocks.
///
/// ECONNREFUSED, ENOENT: nobody. EAGAIN, EPROTOTYPE: somebody, but not for us.
pub fn knock(path: &Path) -> io::Result<()> {
    let socket = socket(Family::Unix)?;
    let (address, length) = unix::address(path)?;
    connect_raw(socket.as_fd(), &address, length)
}

/// What the socket is bound to (getsockname(2)).
pub fn name(socket: BorrowedFd<'_>) -> io::Result<Name> {
    // SAFETY: all-zero is a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into the storage; both outlive the call.
    checked(unsafe { libc::getsockname(socket.as_raw_fd(), (&raw mut storage).cast(), &mut length) })?;
    let family = i32::from(storage.ss_family);
    let storage = &raw const storage;
    match family {
        libc::AF_INET => {
            // SAFETY: the family says what lies there; sockaddr_storage is large and aligned enough for any of them.
            let raw = unsafe { storage.cast::<libc::sockaddr_in>().read() };
            let ip = raw.sin_addr.s_addr.to_ne_bytes().into();
            Ok(Name::Inet(SocketAddrV4::new(ip, u16::from_be(raw.sin_port)).into()))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let raw = unsafe { storage.cast::<libc::sockaddr_in6>().read() };
            let (ip, port) = (raw.sin6_addr.s6_addr.into(), u16::from_be(raw.sin6_port));
            Ok(Name::Inet(SocketAddrV6::new(ip, port, raw.sin6_flowinfo, raw.sin6_scope_id).into()))
        }
        libc::AF_UNIX => Ok(match unix::abstract_name(socket)? {
            Some(name) => Name::Abstract(name),
            None => match unix::bound_name(socket)? {
                path if path.is_empty() => Name::Unnamed,
                path => Name::Path(OsString::from_vec(path).into()),
            },
        }),
        _ => Ok(Name::Other),
    }
}

/// How many connections wait to be accepted on a TCP listener (TCP_INFO, tcp(7)).
pub fn queue_length(listener: BorrowedFd<'_>) -> io::Result<u32> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    let fd = listener.as_raw_fd();
    // SAFETY: the kernel writes at most `length` bytes; both outlive the call.
    checked(unsafe {
        libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &mut length)
    })?;
    // SAFETY: zeroed before, and any bits are a valid tcp_info.
    Ok(unsafe { info.assume_init() }.tcpi_unacked)
}

/// Whether something can be read, or accepted, at once.
pub fn is_readable(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call; a timeout of 0 does not block.
    retried(|| unsafe { libc::poll(&mut poll, 1, 0) })?;
    Ok(poll.revents & libc::POLLIN != 0)
}

/// Waits until something can be written, or the connection is gone.
pub fn wait_writable(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd, which outlives the call.
    retried(|| unsafe { libc::poll(&mut poll, 1, -1) }).map(drop)
}

/// Sets an option that is a number (setsockopt(2)).
pub fn set_number(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: reads one int of the length given, which outlives the call.
    checked(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) })
        .map(drop)
}

/// An option that is a number (getsockopt(2)).
pub fn number(socket: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    let mut value = 0;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the kernel writes at most one int; both outlive the call.
    checked(unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut value).cast(), &mut length)
    })?;
    Ok(value)
}

fn bind_raw<A>(socket: BorrowedFd<'_>, address: &A, length: libc::socklen_t) -> io::Result<()> {
    let address: *const A = address;
    // SAFETY: the callers, all above, give an address of at least this length, which outlives the call.
    checked(unsafe { libc::bind(socket.as_raw_fd(), address.cast(), length) }).map(drop)
}

fn connect_raw<A>(socket: BorrowedFd<'_>, address: &A, length: libc::socklen_t) -> io::Result<()> {
    let address: *const A = address;
    // SAFETY: the callers, all above, give an address of at least this length, which outlives the call.
    retried(|| unsafe { libc::connect(socket.as_raw_fd(), address.cast(), length) }).map(drop)
}

fn raw_v4(address: &SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    }
}

fn raw_v6(address: &SocketAddrV6) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as libc::sa_family_t,
        sin6_port: address.port().to_be(),
        sin6_flowinfo: address.flowinfo(),
        sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
        sin6_scope_id: address.scope_id(),
    }
}

#[cfg(test)]
#[path = "tests/inet.rs"]
mod tests;
