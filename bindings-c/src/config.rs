//! What can be set, as C says it.

use crate::edge::{invalid, slice, text, text_or};
use crate::event::zdt_reads;
use crate::sized::{SizeFirst, take};
use std::ffi::{c_char, c_int};
use std::mem::{MaybeUninit, size_of};
use std::time::Duration;
use zdt_core::{Config, OnMismatch, Reads, Result};

/// config.on_mismatch: it is an error (ZDT_ERROR_LISTENER_MISMATCH), and the listener stays unclaimed.
pub const ZDT_MISMATCH_REFUSE: i32 = 0;
/// config.on_mismatch: what was asked for is bound, and the predecessor's is left to it, as by zdt_retire.
pub const ZDT_MISMATCH_BIND: i32 = 1;

/// How a takeover behaves; zdt_open with NULL is right for most. What is 0 or NULL has its default.
///
/// Durations are milliseconds; a negative one means no time at all (probation_ms = -1: do not watch the successor).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_config {
    /// Set by ZDT_CONFIG_INIT.
    pub size: usize,
    /// Who this is, for the other side's messages, for instance "gateway 2.1". Default: empty.
    pub program: *const c_char,
    /// The runtime. Default: "c".
    pub runtime: *const c_char,
    /// How long the other side may take to answer in the handshake. Default: 5,000.
    pub handshake_ms: i64,
    /// How long a successor may warm up between getting the listeners and zdt_ready. Default: 120,000.
    pub ready_ms: i64,
    /// A successor commits once the first offers are settled, or after this. Default: 10,000.
    pub commit_ms: i64,
    /// How long draining may take: from ZDT_DRAIN until what is still on offer is taken back. Default: 30,000.
    pub drain_ms: i64,
    /// How long a predecessor still watches its successor once everything is settled, or the drain deadline has come: if
    /// the successor dies meanwhile, ZDT_RESUME follows and the predecessor accepts again; else ZDT_DONE. A successor that
    /// leaves for good, which is no death, ends it: ZDT_RELIEVED, then ZDT_DONE. -1: ZDT_DONE follows at once.
    /// Default: 10,000.
    pub probation_ms: i64,
    /// How long the queue of a listener may stay unserved until whoever else holds it accepts from it. Default: 5,000.
    pub hang_ms: i64,
    /// The largest state of one connection, in bytes. Default: 1 MiB.
    pub max_state: usize,
    /// The most unread bytes, and the most unsent bytes, of one connection or companion. Default: 16 MiB.
    pub max_bytes: usize,
    /// Which state versions of which protocols this program reads. Default: whatever is offered.
    pub reads: *const *const zdt_reads,
    /// How many reads.
    pub reads_count: usize,
    /// Users beside our own effective one and root whose processes may take over from us, or be taken over.
    pub allowed_uids: *const u32,
    /// How many uids.
    pub allowed_uids_count: usize,
    /// Signals that become a ZDT_DRAIN event through a signalfd. Each must be blocked in every thread; block them before
    /// the first one is started. Default: none; call zdt_drain.
    pub drain_signals: *const c_int,
    /// How many signals.
    pub drain_signals_count: usize,
    /// What becomes of a predecessor's listener that is not what zdt_listener asks for: ZDT_MISMATCH_REFUSE (default) or
    /// ZDT_MISMATCH_BIND.
    pub on_mismatch: i32,
}

// SAFETY: repr(C), size first, and 0 is a value of every field.
unsafe impl SizeFirst for zdt_config {
    const NAME: &'static str = "zdt_config";
    const LEAST: usize = size_of::<usize>();
}

/// The core's form of the caller's config.
///
/// # Safety
/// `config` is NULL or a struct that is as long as it says, with pointers that are good for what their counts say.
pub(crate) unsafe fn core_config(config: *const zdt_config) -> Result<Config> {
    let mut core = Config::default();
    core.runtime = "c".into();
    if config.is_null() {
        return Ok(core);
    }
    // SAFETY: the same promise, for each pointer.
    unsafe {
        let mut whole = MaybeUninit::uninit();
        let c = take(config, &mut whole)?;
        core.program = text_or(c.program, "program", "")?.into();
        core.runtime = text_or(c.runtime, "runtime", "c")?.into();
        for (to, ms) in [
            (&mut core.handshake, c.handshake_ms),
            (&mut core.ready, c.ready_ms),
            (&mut core.commit, c.commit_ms),
            (&mut core.drain, c.drain_ms),
            (&mut core.probation, c.probation_ms),
            (&mut core.hang, c.hang_ms),
        ] {
            if ms != 0 {
                *to = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
            }
        }
        for (to, bytes) in [(&mut core.max_state, c.max_state), (&mut core.max_bytes, c.max_bytes)] {
            if bytes != 0 {
                *to = bytes;
            }
        }
        for reads in slice(c.reads, c.reads_count, "reads")? {
            let mut whole = MaybeUninit::uninit();
            let reads = take(*reads, &mut whole)?;
            core.reads.push(Reads {
                protocol: text(reads.protocol, "the protocol it reads")?.into(),
                versions: slice(reads.versions, reads.version_count, "versions")?.to_vec(),
            });
        }
        core.allowed_uids = slice(c.allowed_uids, c.allowed_uids_count, "allowed_uids")?.to_vec();
        core.drain_signals = slice(c.drain_signals, c.drain_signals_count, "drain_signals")?.to_vec();
        core.on_mismatch = match c.on_mismatch {
            ZDT_MISMATCH_REFUSE => OnMismatch::Refuse,
            ZDT_MISMATCH_BIND => OnMismatch::Bind,
            other => return Err(invalid(format!("on_mismatch is {other}"))),
        };
    }
    if core.drain_signals.iter().any(|signal| *signal <= 0) {
        return Err(invalid("drain_signals has a number that is no signal"));
    }
    Ok(core)
}
