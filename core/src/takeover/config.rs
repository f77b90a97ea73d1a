//! What can be set. Every default lives here and nowhere else.

use std::time::Duration;

/// How a takeover behaves; [`Config::default`] is right for most.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Who this is, for the other side's messages and for `zdt status`, for instance `gateway 2.1`.
    pub program: String,
    /// The runtime, for instance `rust`, `c`, `java 25 netty 4.2.7`.
    pub runtime: String,
    /// How long the other side may take to answer in the handshake (HELLO to LISTENERS_ACK).
    pub handshake: Duration,
    /// How long a successor may warm up between getting the listeners and `ready`.
    pub ready: Duration,
    /// A successor commits once the first offers are settled, or after this.
    pub commit: Duration,
    /// How long draining may take: from Drain until what is still on offer is taken back.
    pub drain: Duration,
    /// How long a predecessor still watches its successor once everything is settled, or the drain deadline has come: if
    /// the successor dies meanwhile, `Resume` follows and the predecessor accepts again; else `Done`. A successor that
    /// leaves for good, which is no death, ends it: `Relieved`, then `Done`. Zero: `Done` follows at once.
    pub probation: Duration,
    /// How long the queue of a listener may stay unserved until whoever else holds it accepts from it.
    pub hang: Duration,
    /// What becomes of a predecessor's listener that is not what [`Takeover::listener`](crate::Takeover::listener) asks for.
    pub on_mismatch: OnMismatch,
    /// The largest state of one connection, in bytes.
    pub max_state: usize,
    /// The most unread bytes, and the most unsent bytes, of one connection or companion.
    pub max_bytes: usize,
    /// Which state versions of which protocols this program reads. Empty: whatever is offered; the application refuses
    /// what it does not know.
    pub reads: Vec<Reads>,
    /// Users beside our own effective one and root whose processes may take over from us, or be taken over.
    pub allowed_uids: Vec<u32>,
    /// Signals that become a Drain event through a signalfd. Each must be blocked in every thread, or `open` fails with
    /// [`SignalNotBlocked`](crate::ErrorKind::SignalNotBlocked). Empty: none; call
    /// [`Takeover::drain`](crate::Takeover::drain) from the runtime's own handler.
    pub drain_signals: Vec<i32>,
}

/// What becomes of a predecessor's listener of the same name that is another one: at another address, or of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnMismatch {
    /// It is an error (`ListenerMismatch`), and the listener stays unclaimed.
    #[default]
    Refuse,
    /// What was asked for is bound, and the predecessor's is left to it, as by [`Takeover::retire`](crate::Takeover::retire).
    Bind,
}

/// The state versions of one protocol that a program reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reads {
    /// The protocol, as in [`Connection::protocol`](crate::Connection::protocol).
    pub protocol: String,
    /// The state versions.
    pub versions: Vec<u32>,
}

/// A century: whoever says more means for ever, and adding it to a clock does not overflow.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * 365 * 86400);

impl Config {
    /// The same, with no duration over [`LONGEST`].
    pub(super) fn within_reason(mut self) -> Config {
        let durations = [
            &mut self.handshake,
            &mut self.ready,
            &mut self.commit,
            &mut self.drain,
            &mut self.probation,
            &mut self.hang,
        ];
        durations.into_iter().for_each(|duration| *duration = (*duration).min(LONGEST));
        self
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            program: String::new(),
            runtime: "rust".into(),
            handshake: Duration::from_secs(5),
            ready: Duration::from_secs(120),
            commit: Duration::from_secs(10),
            drain: Duration::from_secs(30),
            probation: Duration::from_secs(10),
            hang: Duration::from_secs(5),
            on_mismatch: OnMismatch::Refuse,
            max_state: 1 << 20,
            max_bytes: 16 << 20,
            reads: Vec::new(),
            allowed_uids: Vec::new(),
            drain_signals: Vec::new(),
        }
    }
}
