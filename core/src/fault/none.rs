//! Without the feature `faults`: the points are here, and nothing happens at them.

use crate::sys::scm_rights::{self, Received};
use crate::wire::message::Message;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Predecessor,
    Successor,
    Owner,
}

#[inline(always)]
pub(crate) fn point(_: Role, _: &str, _: &str) {}

#[inline(always)]
pub(crate) fn swap<R>(_: Role, _: &str, swap: impl FnOnce() -> R) -> R {
    swap()
}

#[inline(always)]
pub(crate) fn send(
    _: Role,
    _: &Sent<'_>,
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    fds: &[RawFd],
) -> io::Result<usize> {
    scm_rights::send(socket, parts, fds, false)
}

/// What is being sent; here nobody looks.
#[expect(dead_code)]
pub(crate) enum Sent<'a> {
    Message(&'a Message),
    /// An OFFER of so many connections.
    Offer(usize),
}

#[inline(always)]
pub(crate) fn receive(
    _: Role,
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> io::Result<Received> {
    scm_rights::receive(socket, buffer, fds, false)
}

#[inline(always)]
pub(crate) fn received(_: Role, _: &Message) {}
