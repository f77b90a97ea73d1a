//! A group's sockets: how they join, and who else is there.

use super::members;
use super::retiring::Retiring;
use crate::error::{Error, ErrorKind, Result};
use crate::listener::ListenerSpec;
use crate::sys::inet::{self, Name};
use crate::sys::reuseport as sys;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Some sockets at one address (SO_REUSEPORT, socket(7)), one for each worker: TCP listeners or UDP sockets. The kernel
/// spreads what arrives over them and over those of a successor, which binds the same address, as many as it likes.
///
/// A listener that is closed resets whoever waits in its queue and every handshake that is under way. [`retire`](Group::retire)
/// does not: the kernel is told to give all that is new to the successor's sockets (classic BPF, no privilege needed), what
/// is left is accepted here, and only then is each closed.
///
/// ```no_run
/// # use zdt::{ListenerSpec, reuseport::Group};
/// # fn serve(_: std::os::fd::BorrowedFd<'_>) {}
/// let mut group = Group::bind(&ListenerSpec::tcp("0.0.0.0:8080"), 4)?;
/// // ... serve, until a successor says that its 4 sockets listen there too
/// let retired = group.retire(4, None, |socket| serve(socket))?;
/// println!("{} sockets closed, and nobody was lost", retired.closed);
/// # Ok::<(), zdt::Error>(())
/// ```
///
/// All sockets of a process at an address belong in one group. The calls need the group for themselves; its sockets may be
/// used from any thread meanwhile. A group that is dropped closes its sockets at once, with the loss that this means.
#[derive(Debug)]
pub struct Group {
    pub(super) sockets: Vec<Ours>,
    pub(super) address: SocketAddr,
    pub(super) udp: bool,
    /// Who was there when we joined, and is to leave before us.
    pub(super) elders: BTreeSet<u64>,
    pub(super) retiring: Option<Retiring>,
}

#[derive(Debug)]
pub(super) struct Ours {
    pub(super) index: usize,
    pub(super) inode: u64,
    pub(super) socket: OwnedFd,
}

impl Group {
    /// Binds `count` sockets at the same address, TCP or UDP, in a group with whoever is there already. Port 0: any, the same
    /// for all. None of UDP may be connected. A steering that an earlier generation left behind ends. Does not block.
    ///
    /// # Errors
    /// As [`reuseport::bind`](super::bind); `InvalidArgument` for a count of 0. Nothing is left behind.
    pub fn bind(spec: &ListenerSpec, count: usize) -> Result<Group> {
        if count == 0 {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "a group of no sockets",
                "nothing was opened",
            ));
        }
        let first = super::bind(spec)?;
        let Name::Inet(address) = inet::name(first.as_fd()).map_err(system("getsockname"))? else {
            return Err(Error::new(ErrorKind::InvalidArgument, "no IP address", "nothing was opened"));
        };
        let udp = sys::is_datagram(first.as_fd()).map_err(system("getsockopt"))?;
        // What it says is about slots that were.
        sys::unsteer(first.as_fd()).map_err(system("setsockopt SO_DETACH_REUSEPORT_BPF"))?;
        let mut group = Group { sockets: Vec::new(), address, udp, elders: BTreeSet::new(), retiring: None };
        group.take_in(first)?;
        while group.sockets.len() < count {
            group.take_in(super::bind(&spec.clone().rebound(address))?)?;
        }
        group.elders = group.others()?;
        Ok(group)
    }

    fn take_in(&mut self, socket: OwnedFd) -> Result<()> {
        let inode = sys::inode(socket.as_fd()).map_err(system("fstat"))?;
        self.sockets.push(Ours { index: self.sockets.len(), inode, socket });
        Ok(())
    }

    /// Where the sockets are bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The sockets that are still open (close-on-exec, non-blocking), each with its index. They stay the group's: who
    /// makes copies (dup, fork) closes them when [`Step::Closed`](super::Step::Closed) says so.
    pub fn sockets(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>)> {
        self.sockets.iter().map(|ours| (ours.index, ours.socket.as_fd()))
    }

    /// The socket of this index; none if it was closed.
    pub fn socket(&self, index: usize) -> Option<BorrowedFd<'_>> {
        self.sockets().find(|(number, _)| *number == index).map(|(_, socket)| socket)
    }

    /// The sockets at our address that are not ours.
    pub(super) fn others(&self) -> Result<BTreeSet<u64>> {
        let mut all = members::at(&self.address, self.udp).map_err(system("read /proc/thread-self/net"))?;
        let missing = self.sockets.iter().filter(|ours| !all.remove(&ours.inode)).count();
        if missing > 0 {
            let what =
                format!("/proc/thread-self/net does not list {missing} of our sockets at {}", self.words());
            let now =
                "nothing was changed; call from a thread in the network namespace where they were bound";
            return Err(Error::new(ErrorKind::WrongState, what, now));
        }
        Ok(all)
    }

    pub(super) fn words(&self) -> String {
        format!("{}://{}", if self.udp { "udp" } else { "tcp" }, self.address)
    }
}

pub(super) fn system(call: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::system(call, &error)
}
