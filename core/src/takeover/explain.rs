//! Why something ended, in words: for our application, and for the other side.

use super::actions::Cause;
use super::event::Peer;
use super::state::State;
use crate::error::{Error, ErrorKind};
use crate::wire::limits::{MAX_REASON, clip};
use crate::wire::message::Note;

impl State {
    pub(super) fn explain_down(&self, cause: Cause) -> Error {
        let peer = self.down.as_ref().map(|down| &down.peer);
        let note = self.down.as_ref().and_then(|down| down.note.as_ref());
        explain(cause, "successor", peer, note, "we serve on; it can be started again")
    }

    pub(super) fn explain_up(&self, cause: Cause) -> Error {
        if let Some(fault) = &self.fault {
            return fault.clone();
        }
        let peer = self.up.as_ref().map(|up| &up.peer);
        let note = self.up.as_ref().and_then(|up| up.note.as_ref());
        explain(cause, "predecessor", peer, note, "finish what was adopted and exit; then start again")
    }
}

fn explain(cause: Cause, role: &str, peer: Option<&Peer>, note: Option<&Note>, now: &str) -> Error {
    let pid = peer.map_or(0, |peer| peer.pid);
    let who = format!("the {role} (process {pid})");
    let (kind, what) = match cause {
        Cause::Died => (ErrorKind::PeerGone, format!("{who} died")),
        Cause::Closed => (ErrorKind::PeerGone, format!("{who} closed the link")),
        Cause::Late(timer) => {
            (ErrorKind::NoAnswer, format!("{who} did not do its part before the deadline ({timer:?})"))
        }
        Cause::Broke => (ErrorKind::OutOfOrder, format!("{who} broke the protocol")),
        Cause::Decided => {
            (ErrorKind::AttemptLost, format!("{who} called the attempt off, or another took over"))
        }
        Cause::Unserved => (ErrorKind::NoAnswer, format!("{who} leaves the queue of a listener unserved")),
    };
    let what = match note {
        Some(note) => format!("{what}; it said: {} ({})", note.reason, note.number),
        None => what,
    };
    Error::new(kind, what, now).with_pid(pid)
}

/// An error as the other side is told it.
pub(super) fn refuse_note(error: &Error) -> Note {
    Note { number: error.kind().number() as u32, reason: clip(error.what(), MAX_REASON).into() }
}

/// Why we called the successor's attempt off. Whatever the cause, the number is that of a lost attempt.
pub(super) fn called_off(cause: &Error) -> Note {
    refuse_note(&Error::new(ErrorKind::AttemptLost, cause.what(), ""))
}

pub(super) fn hung() -> Note {
    refuse_note(&Error::new(
        ErrorKind::NoAnswer,
        "the queue of a listener is unserved: answer if you are there",
        "",
    ))
}
