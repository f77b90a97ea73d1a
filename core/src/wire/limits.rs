//! The numbers that both sides of a link keep to. They are part of the protocol: docs/protocol.md lists them.

/// The protocol versions that this build speaks, in ascending order.
pub const VERSIONS: &[u32] = &[1];

/// A version that nobody will ever speak: tests use it to be turned away.
#[cfg(test)]
pub const NEVER_A_VERSION: u32 = 0;

/// The longest message, in bytes: four of them fill the default send buffer.
pub const MAX_PAYLOAD: usize = 65_536;

/// The most descriptors of one message (SCM_MAX_FD; unix(7)).
pub const MAX_DESCRIPTORS: usize = 253;

/// How many OFFER messages may be unsettled.
pub const WINDOW_MESSAGES: usize = 4;

/// How many connections may be unsettled: below a soft RLIMIT_NOFILE of 1024, beyond which the kernel may refuse to have
/// more descriptors in flight (ETOOMANYREFS).
pub const WINDOW_CONNECTIONS: usize = 1012;

/// The longest name of a protocol, program, runtime, listener or companion, in bytes.
pub const MAX_NAME: usize = 255;

/// The most listeners that one READY retires: so many names of any length fit into a message.
pub const MAX_RETIRED: usize = 253;

/// The longest reason in words, in bytes.
pub const MAX_REASON: usize = 4096;

/// The longest path of a Unix socket, in bytes (`sun_path`; unix(7)).
pub const MAX_PATH: usize = 108;

/// The longest spec of a listener in words, in bytes: a path may be percent-encoded.
pub const MAX_ADDRESS: usize = 512;

/// The most versions in one list.
pub const MAX_VERSIONS: usize = 64;

/// The most protocols whose states a successor says it reads.
pub const MAX_READS: usize = 128;

/// The most companions of one connection.
pub const MAX_COMPANIONS: usize = 16;

/// The most bytes (state, unread and unsent, companions' included) of one connection that travel in the message itself;
/// beyond, they lie in a sealed memfd.
pub const INLINE_LIMIT: usize = 16 * 1024;

/// The most bytes of one connection that may lie in a memfd. What a peer announces beyond this is a fault, not a size.
pub const MAX_CARRIED: u64 = 1 << 30;

/// The longest beginning of `text` that has at most `limit` bytes and ends between two characters.
pub fn clip(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}
