//! What the fuzzer feeds, and `cargo test` in small: each target takes any bytes at all, and panics where a promise is
//! broken. Only built with `--cfg fuzzing` (cargo fuzz sets it) and for the tests.

pub use crate::takeover::fuzzing::{engine, link, wander};
pub use crate::wire::fuzzing::decode;

use crate::listener::ListenerSpec;

/// A target: it panics where a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by the name that it has in `core/fuzz`.
pub const TARGETS: [(&str, Target); 5] =
    [("decode", decode), ("spec", spec), ("engine", engine), ("wander", wander), ("link", link)];

/// What a listener is in words: whatever parses says itself again in words that mean the same.
pub fn spec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(spec) = text.parse::<ListenerSpec>() else { return };
    let said = spec.to_string();
    assert_eq!(said.parse::<ListenerSpec>().ok(), Some(spec), "{text:?} was said as {said:?}");
}

/// The fuzzer's bytes as a series of choices; at their end there is none.
pub(crate) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// One of `count` possibilities.
    pub(crate) fn pick(&mut self, count: usize) -> Option<usize> {
        Some(usize::from(self.byte()?) % count.max(1))
    }

    /// Mostly a small number, now and then one from the far end.
    pub(crate) fn number(&mut self) -> Option<u64> {
        Some(match self.byte()? {
            0xff => u64::MAX,
            0xfe => u64::from(u32::MAX),
            0xfd => u64::MAX - 1,
            small => small.into(),
        })
    }

    /// At most `longest` bytes, as many as the next byte says (times `scale`).
    pub(crate) fn bytes(&mut self, scale: usize, longest: usize) -> Option<&'a [u8]> {
        let length = (usize::from(self.byte()?) * scale).min(longest).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests;
