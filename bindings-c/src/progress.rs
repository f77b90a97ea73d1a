//! How far a takeover is.

use crate::sized::SizeFirst;
use std::mem::size_of;
use zdt_core::Progress;

/// What a takeover has done so far, seen from one process. All counters start at 0 with each link: they are those of the
/// one to our predecessor until a successor comes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_progress {
    /// Set by ZDT_PROGRESS_INIT.
    pub size: usize,
    /// Our generation.
    pub generation: u64,
    /// How many connections the predecessor said there are (zdt_set_connections); 0 where it did not say.
    pub expected: u64,
    /// Connections offered so far (sent by a predecessor, received by a successor).
    pub offered: u64,
    /// Adopted by the successor.
    pub settled: u64,
    /// Refused, or taken back.
    pub returned: u64,
    /// Unread bytes of the connections that were adopted, companions included.
    pub unread_bytes: u64,
    /// Unsent bytes of the connections that were adopted, companions included.
    pub unsent_bytes: u64,
    /// State bytes of the connections that were adopted.
    pub state_bytes: u64,
}

// SAFETY: repr(C), size first, and 0 is a value of every field.
unsafe impl SizeFirst for zdt_progress {
    const NAME: &'static str = "zdt_progress";
    const LEAST: usize = size_of::<usize>();
}

impl zdt_progress {
    pub(crate) fn of(now: &Progress) -> zdt_progress {
        zdt_progress {
            size: 0, // the caller's stays
            generation: now.generation,
            expected: now.expected,
            offered: now.offered,
            settled: now.settled,
            returned: now.returned,
            unread_bytes: now.unread_bytes,
            unsent_bytes: now.unsent_bytes,
            state_bytes: now.state_bytes,
        }
    }
}
