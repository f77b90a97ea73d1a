//! Named points at which a test lets this process die, stop, end, hesitate or send nonsense. Only with the feature
//! `faults`; without it the points compile to nothing (`none.rs`).
//!
//! Armed by the environment: `ZDT_FAULT=POINT[#N]=KIND`, several separated by commas; from the N-th time on that the point
//! is reached (the first, if N is not given) where it happens each time, else at the N-th. What happens is said on stderr
//! before it does, in one line of JSON: the point, the kind, and how many connections were `adopted`, `sent` in an OFFER,
//! and are `back` (taken back or refused) by then.

mod points;

pub use points::{Kind, kinds, points};

use crate::sys::scm_rights::{self, Received};
use crate::sys::{process, unix};
use crate::wire::message::Message;
use std::collections::HashMap;
use std::io::{self, IoSlice, Write};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// What a slow process takes longer for each step.
const SLOW: Duration = Duration::from_millis(100);

/// In which part of a takeover a process is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Predecessor,
    Successor,
    /// It serves, and nobody else has a part in it.
    Owner,
}

/// What is being sent.
pub(crate) enum Sent<'a> {
    Message(&'a Message),
    /// An OFFER of so many connections.
    Offer(usize),
}

/// A fault to come, and how often its point was reached.
struct Armed {
    kind: Kind,
    at: u64,
    reached: AtomicU64,
}

static ARMED: OnceLock<HashMap<String, Armed>> = OnceLock::new();
static ADOPTED: AtomicU64 = AtomicU64::new(0);
static SENT: AtomicU64 = AtomicU64::new(0);
static BACK: AtomicU64 = AtomicU64::new(0);

/// `role` is at this point.
pub(crate) fn point(role: Role, when: &str, what: &str) {
    reached(role, when, what);
}

/// Tries a swap; the point after it is reached if it wins.
pub(crate) fn swap<T, E>(role: Role, what: &str, swap: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    reached(role, "before-swap", what);
    let swapped = swap();
    if swapped.is_ok() {
        match what {
            "adopt" => ADOPTED.fetch_add(1, SeqCst),
            "take-back" => BACK.fetch_add(1, SeqCst),
            _ => 0,
        };
        reached(role, "after-swap", what);
    }
    swapped
}

/// Sends a message, or what a fault makes of it; its descriptors go along as they are.
pub(crate) fn send(
    role: Role,
    sent: &Sent<'_>,
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    fds: &[RawFd],
) -> io::Result<usize> {
    let (name, connections) = match sent {
        Sent::Message(message) => (name(message), 0),
        Sent::Offer(connections) => ("OFFER", *connections),
    };
    let result = match reached(role, "before-send", name) {
        Some(spoilt @ (Kind::Truncate | Kind::Garbage)) => {
            let bytes = spoil(spoilt, parts.iter().flat_map(|part| part.iter().copied()).collect());
            scm_rights::send(socket, &[IoSlice::new(&bytes)], fds, false)
        }
        _ => scm_rights::send(socket, parts, fds, false),
    };
    if result.is_ok() {
        SENT.fetch_add(connections as u64, SeqCst);
        reached(role, "after-send", name);
    }
    result
}

/// Half of the message, or as many bytes that mean nothing.
fn spoil(kind: Kind, mut bytes: Vec<u8>) -> Vec<u8> {
    if kind == Kind::Truncate {
        bytes.truncate(bytes.len().div_ceil(2));
        return bytes;
    }
    // xorshift from a fixed seed: what fails once fails again.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for byte in &mut bytes {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        *byte = random as u8;
    }
    bytes
}

/// Receives a message; the point before it is reached while it lies in the queue.
pub(crate) fn receive(
    role: Role,
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> io::Result<Received> {
    if let Ok(bytes) = unix::peek(socket, buffer)
        && let Ok(envelope) = crate::wire::decode(&buffer[..bytes])
    {
        reached(role, "before-receive", name(&envelope.message));
    }
    scm_rights::receive(socket, buffer, fds, false)
}

/// A message was received and is about to be looked at.
pub(crate) fn received(role: Role, message: &Message) {
    reached(role, "after-receive", name(message));
}

/// Does what is armed for this point; what a sender has to do is left to it.
fn reached(role: Role, when: &str, what: &str) -> Option<Kind> {
    let role = match role {
        Role::Predecessor => "predecessor",
        Role::Successor => "successor",
        Role::Owner => "owner",
    };
    let point = format!("{role}.{when}.{what}");
    if point == "predecessor.given.Refused" {
        BACK.fetch_add(1, SeqCst);
    }
    debug_assert!(points().contains(&point), "{point} is in no list");
    let armed = ARMED.get_or_init(armed).get(&point)?;
    let times = armed.reached.fetch_add(1, SeqCst) + 1;
    let always = armed.kind == Kind::Slow;
    if times != armed.at && !(always && times > armed.at) {
        return None;
    }
    if times == armed.at {
        // In one piece: others write there too.
        let mut line = format!(
            r#"{{"event": "fault", "point": "{point}", "kind": "{}", "adopted": {}, "sent": {}, "back": {}}}"#,
            armed.kind.name(),
            ADOPTED.load(SeqCst),
            SENT.load(SeqCst),
            BACK.load(SeqCst),
        );
        line.push('\n');
        let _ = io::stderr().write_all(line.as_bytes());
    }
    match armed.kind {
        Kind::Kill => process::raise(process::SIGKILL),
        Kind::Stop => process::raise(process::SIGSTOP),
        Kind::Exit => process::exit_at_once(),
        Kind::Slow => std::thread::sleep(SLOW),
        Kind::Truncate | Kind::Garbage => {}
    }
    Some(armed.kind)
}

/// What the environment says; a fault that cannot be would make a test that cannot fail, so it ends the process.
fn armed() -> HashMap<String, Armed> {
    let text = std::env::var("ZDT_FAULT").unwrap_or_default();
    text.split(',').filter(|one| !one.is_empty()).map(parse).collect()
}

fn parse(text: &str) -> (String, Armed) {
    let parsed = text.split_once('=').and_then(|(point, kind)| {
        let (point, at) = point.split_once('#').unwrap_or((point, "1"));
        let kind = kinds(point).iter().find(|one| one.name() == kind)?;
        let at = at.parse().ok().filter(|at| *at > 0)?;
        Some((point.to_string(), Armed { kind: *kind, at, reached: AtomicU64::new(0) }))
    });
    parsed.unwrap_or_else(|| {
        let _ = writeln!(io::stderr(), "ZDT_FAULT: there is no fault {text:?}");
        std::process::exit(2)
    })
}

/// As docs/protocol.md writes it.
fn name(message: &Message) -> &'static str {
    match message {
        Message::Hello(_) => "HELLO",
        Message::Welcome(_) => "WELCOME",
        Message::Refuse(_) => "REFUSE",
        Message::Listeners(_) => "LISTENERS",
        Message::ListenersAck => "LISTENERS_ACK",
        Message::Ready(_) => "READY",
        Message::Draining(_) => "DRAINING",
        Message::Offer(_) => "OFFER",
        Message::Answer => "ANSWER",
        Message::Note(_) => "NOTE",
        Message::Lane(_) => "LANE",
        Message::Order(_) => "ORDER",
        Message::Report(_) => "REPORT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spoilt_message_is_half_as_long_or_as_long_and_different() {
        let bytes: Vec<u8> = (0..101).collect();
        assert_eq!(spoil(Kind::Truncate, bytes.clone()), bytes[..51]);
        let garbage = spoil(Kind::Garbage, bytes.clone());
        assert!(garbage.len() == bytes.len() && garbage != bytes);
        assert!(crate::wire::decode(&garbage).is_err());
    }

    #[test]
    fn a_fault_is_a_point_a_count_and_a_kind() {
        let (point, armed) = parse("successor.after-swap.adopt#5=kill");
        assert_eq!((point.as_str(), armed.kind, armed.at), ("successor.after-swap.adopt", Kind::Kill, 5));
        assert_eq!(parse("predecessor.before-send.OFFER=garbage").1.at, 1);
    }
}
