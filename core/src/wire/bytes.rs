//! Bytes of a connection while they are in libzdt's hands.

use crate::sys::wipe::wipe;
use minicbor::decode::{self, Decode, Decoder};
use minicbor::encode::{self, Encode, Encoder, Write};
use std::collections::TryReserveError;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// State, unread or unsent: wiped when dropped, and never shown.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// The bytes, which are the caller's to wipe from here.
    #[inline(always)]
    pub fn take(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// Cuts off the last `length` bytes, with no copy where that is all; where they were they are wiped. How many there
    /// are the other side says: no memory for them is an error, and no end of this process.
    pub fn cut_off(&mut self, length: usize) -> Result<Bytes, TryReserveError> {
        let start = self.0.len() - length;
        if start == 0 {
            return Ok(std::mem::take(self));
        }
        let mut end = Vec::new();
        end.try_reserve_exact(length)?;
        end.extend_from_slice(&self.0[start..]);
        wipe(&mut self.0[start..]);
        self.0.truncate(start);
        Ok(Bytes(end))
    }
}

impl Drop for Bytes {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.0.is_empty() {
            wipe(&mut self.0);
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes(bytes)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<C> Encode<C> for Bytes {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        encoder.bytes(self)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Bytes {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Bytes, decode::Error> {
        decoder.bytes().map(|bytes| Bytes(bytes.to_vec()))
    }
}
