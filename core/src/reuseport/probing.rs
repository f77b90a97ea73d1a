//! Which of a group's sockets is in which slot. The kernel does not say, so it is tried: the group is steered to a slot, a
//! packet is sent, and whichever of ours is there turns it away and counts it. No application sees it; from a UDP socket
//! of somebody else's, an empty datagram can be read.

use crate::sys::probe::{Before, Probe, turned_away};
use crate::sys::reuseport::{self as sys, Slots, Spread};
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Over loopback a packet has arrived, as a rule, when the call that sent it returns; a busy kernel takes longer.
const PATIENCE: Duration = Duration::from_millis(200);
const AGAIN: Duration = Duration::from_micros(100);
/// How long the slots in which none of ours was seen are tried again, while not all of ours are.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(3);

/// For each slot of `all`, as far as the last of ours, which of `ours` is there. What arrives meanwhile goes to one slot after
/// the other. Leaves the group steered to one slot.
pub fn order(
    ours: &[BorrowedFd<'_>],
    all: usize,
    address: &SocketAddr,
    udp: bool,
) -> io::Result<Vec<Option<usize>>> {
    let mut slots = vec![None; all];
    // All open until the end: each has a port of its own, for which no listener remembers a handshake.
    let mut probes = Vec::new();
    let until = Instant::now() + PATIENCE_FOR_ALL;
    for slot in (0..all).cycle().take_while(|_| Instant::now() < until) {
        let (Some(steerer), None) = (ours.first(), slots[slot]) else { continue };
        let first = u32::try_from(slot).unwrap_or(u32::MAX);
        sys::steer(*steerer, Slots { first, count: 1 }, Spread::Random)?;
        let probe = Probe::new(address, udp)?;
        slots[slot] = who_turns_away(ours, &probe)?;
        probes.push(probe);
        let mut found: Vec<usize> = slots.iter().flatten().copied().collect();
        found.sort_unstable();
        if found.iter().copied().eq(0..ours.len()) {
            return Ok(slots);
        }
    }
    let found = slots.iter().flatten().count();
    Err(io::Error::other(format!("in {all} slots, {found} of our {} were seen", ours.len())))
}

/// Which of ours a packet came to; none: nobody's of ours.
fn who_turns_away(ours: &[BorrowedFd<'_>], probe: &Probe) -> io::Result<Option<usize>> {
    let mut turning = Turning { probe, ours: Vec::new() };
    for socket in ours {
        let before = probe.turn_away(*socket)?.ok_or_else(|| {
            io::Error::other("one of ours has a filter of somebody else's (SO_ATTACH_FILTER)")
        })?;
        turning.ours.push((*socket, before));
    }
    let counts = || ours.iter().map(|socket| turned_away(*socket)).collect::<io::Result<Vec<_>>>();
    let before = counts()?;
    let until = Instant::now() + PATIENCE;
    probe.send()?;
    loop {
        let now = counts()?;
        let who = now.iter().zip(&before).position(|(now, before)| now != before);
        if who.is_some() || probe.was_answered()? || Instant::now() >= until {
            return Ok(who);
        }
        sleep(AGAIN);
    }
}

/// Ours turn the probe away for as long as this lives.
struct Turning<'a> {
    probe: &'a Probe,
    ours: Vec<(BorrowedFd<'a>, Before)>,
}

impl Drop for Turning<'_> {
    fn drop(&mut self) {
        self.ours.iter().for_each(|(socket, before)| drop(self.probe.restore(*socket, before)));
    }
}
