//! Which socket the kernel gives a packet to, without any application seeing it: each turns the packet away, and the kernel
//! counts what a socket turned away (SO_MEMINFO).
//!
//! A listener turns away what has fewer hops left than it wants (IP_MINTTL, ip(7); IPV6_MINHOPCOUNT): a filter only root
//! can give it (EPERM on Linux 6.18). A UDP socket has no such option, and turns away by a filter (SO_ATTACH_FILTER, socket(7)).

use super::{bpf, checked, inet};
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// As asm-generic/socket.h has it (x86, ARM, RISC-V, s390, POWER); since Linux 4.12.
const SO_MEMINFO: libc::c_int = 55;
/// As linux/in6.h has it.
const IPV6_MINHOPCOUNT: libc::c_int = 73;
/// What anybody else's packet over loopback has left is 64 (net.ipv4.ip_default_ttl).
const FEW_HOPS: i32 = 1;
const ALL_HOPS: i32 = 255;

/// A packet's sender.
#[derive(Debug)]
pub struct Probe {
    socket: OwnedFd,
    source: SocketAddr,
    target: SocketAddr,
    udp: bool,
}

/// What is to be set again when a socket has turned a probe away.
#[derive(Debug)]
pub enum Before {
    /// How many hops it wanted.
    Hops(i32),
    /// It had no filter.
    NoFilter,
}

impl Probe {
    /// One that will send to `target` (where that is any address: over loopback) from this machine, TCP or UDP.
    pub fn new(target: &SocketAddr, udp: bool) -> io::Result<Probe> {
        let mut target = *target;
        if target.ip().is_unspecified() {
            target.set_ip(match target.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let family = if target.is_ipv4() { inet::Family::V4 } else { inet::Family::V6 };
        let kind = if udp { inet::Kind::datagram(family) } else { inet::Kind::listener(family) };
        let socket = inet::socket_of(kind)?;
        let mut source = target;
        source.set_port(0);
        inet::bind(socket.as_fd(), &source)?;
        let inet::Name::Inet(source) = inet::name(socket.as_fd())? else {
            return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
        };
        let probe = Probe { socket, source, target, udp };
        let (level, hops) = match target.is_ipv4() {
            true => (libc::IPPROTO_IP, libc::IP_TTL),
            false => (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS),
        };
        inet::set_number(probe.socket.as_fd(), level, hops, FEW_HOPS)?;
        if !udp {
            // It turns every answer away, so that a handshake with somebody else is never completed.
            let (level, wanted) = probe.wanted_hops();
            inet::set_number(probe.socket.as_fd(), level, wanted, ALL_HOPS)?;
        }
        Ok(probe)
    }

    /// Sends its packet: a SYN, or an empty datagram. Once.
    pub fn send(&self) -> io::Result<()> {
        match inet::connect(self.socket.as_fd(), &self.target) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => return Ok(()),
            done => done?,
        }
        let fd = self.socket.as_raw_fd();
        // SAFETY: no bytes are read.
        checked(unsafe { libc::send(fd, std::ptr::null(), 0, libc::MSG_NOSIGNAL) }).map(drop)
    }

    /// Whether somebody answered, which only TCP does: a listener that turned nothing away, or nobody listens.
    pub fn was_answered(&self) -> io::Result<bool> {
        Ok(turned_away(self.socket.as_fd())? > 0)
    }

    /// Lets `socket` turn away what this probe sends, and take all else, until it is [`restore`](Probe::restore)d. `None`: a filter
    /// of somebody else's is there, and was left.
    pub fn turn_away(&self, socket: BorrowedFd<'_>) -> io::Result<Option<Before>> {
        if self.udp {
            if has_filter(socket)? {
                return Ok(None);
            }
            self.filter(socket)?;
            return Ok(Some(Before::NoFilter));
        }
        let (level, wanted) = self.wanted_hops();
        let before = inet::number(socket, level, wanted)?;
        inet::set_number(socket, level, wanted, before.max(FEW_HOPS + 1))?;
        Ok(Some(Before::Hops(before)))
    }

    /// `socket` is as it was.
    pub fn restore(&self, socket: BorrowedFd<'_>, before: &Before) -> io::Result<()> {
        let (level, wanted) = self.wanted_hops();
        match before {
            Before::Hops(hops) => inet::set_number(socket, level, wanted, *hops),
            Before::NoFilter => bpf::detach(socket, libc::SO_DETACH_FILTER),
        }
    }

    /// The option that says how many hops a packet must have left.
    fn wanted_hops(&self) -> (libc::c_int, libc::c_int) {
        match self.target.is_ipv4() {
            true => (libc::IPPROTO_IP, libc::IP_MINTTL),
            false => (libc::IPPROTO_IPV6, IPV6_MINHOPCOUNT),
        }
    }

    fn filter(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        // The last four bytes of the source address, from the beginning of the IP header (RFC 791, RFC 8200).
        let (offset, ip) = match self.source.ip() {
            IpAddr::V4(ip) => (12, u32::from(ip)),
            IpAddr::V6(ip) => (20, u128::from(ip) as u32),
        };
        let ip_at = libc::SKF_NET_OFF.wrapping_add(offset).cast_unsigned();
        let program = [
            bpf::instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, ip_at),
            bpf::unless_equal(ip, 3),
            // The source port is the first in the header (RFC 768).
            bpf::instruction(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0),
            bpf::unless_equal(self.source.port().into(), 1),
            bpf::instruction(libc::BPF_RET | libc::BPF_K, 0),
            bpf::instruction(libc::BPF_RET | libc::BPF_K, u32::MAX),
        ];
        bpf::attach(socket, libc::SO_ATTACH_FILTER, &program)
    }
}

/// Whether somebody gave the socket a filter (SO_GET_FILTER).
fn has_filter(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut count = 0;
    let (option, none) = (libc::SO_GET_FILTER, std::ptr::null_mut());
    // SAFETY: with a length of 0 the kernel writes only the length, which outlives the call.
    checked(unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, none, &mut count) })?;
    Ok(count > 0)
}

/// How many packets the socket turned away or had no room for, since it was opened; wraps around (SK_MEMINFO_DROPS,
/// linux/sock_diag.h).
pub fn turned_away(socket: BorrowedFd<'_>) -> io::Result<u32> {
    const DROPS: usize = 8;
    let mut info = [0_u32; DROPS + 1];
    let mut length = size_of_val(&info) as libc::socklen_t;
    let (fd, into) = (socket.as_raw_fd(), info.as_mut_ptr().cast());
    // SAFETY: the kernel writes at most `length` bytes into the array; both outlive the call.
    checked(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, SO_MEMINFO, into, &mut length) })?;
    if length as usize != info.len() * size_of::<u32>() {
        return Err(io::Error::from_raw_os_error(libc::ENOPROTOOPT));
    }
    Ok(info[DROPS])
}

#[cfg(test)]
#[path = "tests/probe.rs"]
mod tests;
