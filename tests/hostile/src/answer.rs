//! What each kind of error takes: the handshake, up to the step at which it goes wrong.

use crate::link::{Link, Result};
use crate::memory::{self, ATTEMPT, EPOCH, OWNER};
use crate::message::*;
use clap::ValueEnum;
use rustix::process::{Pid, PidfdFlags, getpid, getppid, pidfd_open};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The error that a newcomer gets, by its word in the table of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// 202: WELCOME announces more connections than any process has descriptors
    DescriptorLimit,
    /// 205: REFUSE, as an owner without workers says to a lane
    Unsupported,
    /// 301: REFUSE, as if another successor were at it
    Busy,
    /// 302, at the newcomer's handshake deadline: no answer to HELLO
    NoAnswer,
    /// 303: REFUSE, with the number of a peer that is gone
    PeerGone,
    /// 304: LISTENERS says TCP, and the descriptor is a Unix socket
    ListenerMismatch,
    /// 305, from `ready`: the handshake succeeds, then the attempt is called off
    AttemptLost,
    /// 306: REFUSE, for no better reason
    Refused,
    /// 401: WELCOME chooses a version that nobody speaks
    NoCommonVersion,
    /// 402: bytes that are no message
    Malformed,
    /// 403: DRAINING where WELCOME is due
    OutOfOrder,
    /// 404: WELCOME without the ledger
    DescriptorCount,
    /// 501: who waits is the user `nobody` (that takes root: exit code 77 without)
    WrongUser,
    /// 504, at the newcomer's handshake deadline: WELCOME with the pidfd of another process
    WrongProcess,
}

/// The version that will never exist (section 8).
const NEVER_A_VERSION: u32 = 0;
/// More than the kernel's limit for one process (fs.nr_open) can be set to.
const TOO_MANY: u64 = 1 << 40;

/// Takes a newcomer through the handshake as far as `kind` goes, and waits until it has left.
pub fn answer(kind: Kind, link: &mut Link, takeover_socket: &OwnedFd) -> Result<()> {
    let socket = takeover_socket.as_fd();
    let good = Welcome {
        version: 1,
        generation: 1,
        owner: OWNER,
        epoch: EPOCH,
        attempt: ATTEMPT,
        connections: 0,
        listeners: 0,
        pid: pid(),
        program: "zdt-hostile",
        runtime: "rust",
    };
    // Of a stranger the newcomer sees who it is, and says nothing.
    if kind != Kind::WrongUser {
        link.hear(HELLO)?;
    }
    match kind {
        Kind::WrongUser | Kind::NoAnswer => {}
        Kind::Unsupported => refuse(link, 205)?,
        Kind::Busy => refuse(link, 301)?,
        Kind::PeerGone => refuse(link, 303)?,
        Kind::Refused => refuse(link, 306)?,
        Kind::Malformed => link.send(b"this is no CBOR map", &[])?,
        Kind::OutOfOrder => link.say(DRAINING, Draining { connections: 0, deadline_ms: 30_000 }, &[])?,
        Kind::NoCommonVersion => welcome(link, Welcome { version: NEVER_A_VERSION, ..good })?,
        Kind::DescriptorLimit => welcome(link, Welcome { connections: TOO_MANY, ..good })?,
        Kind::DescriptorCount => link.say(WELCOME, good, &[pidfd(getpid())?.as_fd()])?,
        Kind::WrongProcess => {
            let other = getppid().ok_or("the parent is in another pid namespace")?;
            link.say(WELCOME, good, &[pidfd(other)?.as_fd(), memory::ledger()?.as_fd()])?;
        }
        Kind::ListenerMismatch => {
            welcome(link, Welcome { listeners: 1, ..good })?;
            let http = Listener { name: "http", address: "tcp://127.0.0.1:8080", backlog: 64, options: 0 };
            let deed = memory::deed()?;
            listeners(link, vec![http], &[deed.as_fd(), socket, socket])?;
        }
        Kind::AttemptLost => {
            welcome(link, good)?;
            let deed = memory::deed()?;
            listeners(link, Vec::new(), &[deed.as_fd(), socket])?;
            link.hear(LISTENERS_ACK)?;
            // Section 5, rule 2: first the deed, and only then the link.
            return memory::own(&deed, EPOCH + 1);
        }
    }
    link.outlast();
    Ok(())
}

fn refuse(link: &mut Link, number: u32) -> Result<()> {
    link.say(REFUSE, Refuse { number, reason: "nobody is served here", pid: pid() }, &[])
}

fn welcome(link: &mut Link, welcome: Welcome) -> Result<()> {
    link.say(WELCOME, welcome, &[pidfd(getpid())?.as_fd(), memory::ledger()?.as_fd()])
}

fn listeners(link: &mut Link, items: Vec<Listener>, fds: &[BorrowedFd<'_>]) -> Result<()> {
    link.say(LISTENERS, Listeners { items, remaining: 0 }, fds)
}

fn pidfd(process: Pid) -> Result<OwnedFd> {
    Ok(pidfd_open(process, PidfdFlags::empty())?)
}

fn pid() -> u32 {
    std::process::id()
}
