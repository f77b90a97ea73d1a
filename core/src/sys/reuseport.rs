//! Sockets that share an address (SO_REUSEPORT, socket(7)): which of them the kernel gives new connections and datagrams.
//!
//! The kernel keeps a group's sockets in an array: whoever joins (listen(2) for TCP, bind(2) for UDP) goes to its end, and
//! when one is closed the last one moves into its place (net/core/sock_reuseport.c). A classic BPF program, which needs no
//! privilege, names the slot; a slot that is not there means: choose by hash among all.

use super::{bpf, checked, inet};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// As asm-generic/socket.h has them (x86, ARM, RISC-V, s390, POWER).
const SO_ATTACH_REUSEPORT_CBPF: libc::c_int = 51;
const SO_DETACH_REUSEPORT_BPF: libc::c_int = 68;

/// Slots of a group that are next to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// The first.
    pub first: u32,
    /// How many; at least one.
    pub count: u32,
}

/// How new arrivals are spread over [`Slots`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Evenly (SKF_AD_RANDOM).
    Random,
    /// All of a flow to the same slot, as far as the kernel knows its hash (SKF_AD_RXHASH).
    Flow,
}

/// Gives what arrives at the group of `socket` to these slots alone, in place of any earlier program. The program stays
/// with the group, also when `socket` is closed.
pub fn steer(socket: BorrowedFd<'_>, slots: Slots, spread: Spread) -> io::Result<()> {
    let word = match spread {
        Spread::Random => libc::SKF_AD_OFF + libc::SKF_AD_RANDOM,
        Spread::Flow => libc::SKF_AD_OFF + libc::SKF_AD_RXHASH,
    };
    let program = [
        bpf::instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, word.cast_unsigned()),
        bpf::instruction(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, slots.count.max(1)),
        bpf::instruction(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_K, slots.first),
        bpf::instruction(libc::BPF_RET | libc::BPF_A, 0),
    ];
    bpf::attach(socket, SO_ATTACH_REUSEPORT_CBPF, &program)
}

/// Takes the program from the group of `socket`, so that the kernel chooses by hash among all; fine if there is none.
pub fn unsteer(socket: BorrowedFd<'_>) -> io::Result<()> {
    bpf::detach(socket, SO_DETACH_REUSEPORT_BPF)
}

/// Whether the socket is a datagram socket (socket(7), SO_TYPE).
pub fn is_datagram(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(inet::kind(socket)?.is_some_and(|kind| kind.kind == libc::SOCK_DGRAM))
}

/// The number under which /proc/net lists the socket (fstat(2), st_ino).
pub fn inode(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut about = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the kernel writes one stat, which outlives the call.
    checked(unsafe { libc::fstat(socket.as_raw_fd(), about.as_mut_ptr()) })?;
    // SAFETY: zeroed before, and any bits are a valid stat.
    Ok(unsafe { about.assume_init() }.st_ino)
}

#[cfg(test)]
#[path = "tests/reuseport.rs"]
mod tests;
