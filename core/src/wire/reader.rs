//! OFFER messages read fast: exactly the shape that [`OfferWriter`](super::OfferWriter) gives them. Whatever else comes (an
//! unknown field, another order, a fault) is left to the derived decoder, which has the last word on what is valid.

use super::bytes::Bytes;
use super::limits::{MAX_COMPANIONS, MAX_DESCRIPTORS};
use super::message::*;
use crate::connection::Protocol;

/// The message in `bytes`, or nothing: then the derived decoder has to look at it.
pub fn offer(bytes: &[u8]) -> Option<Envelope> {
    let mut reader = Reader(bytes);
    let mut protocol = Protocol::default();
    reader.expect([0xa3, 0])?;
    let sequence = reader.number()?;
    reader.expect([1])?;
    let descriptors = reader.number()?;
    reader.expect([2, 0x82, 7, 0x81, 0xa2, 0])?;
    let count = reader.head(ARRAY).filter(|count| *count <= MAX_DESCRIPTORS as u64)?;
    let mut items = Vec::with_capacity(count as usize);
    for _ in 0..count {
        items.push(reader.item(&mut protocol)?);
    }
    reader.expect([1])?;
    let last = reader.boolean()?;
    let message = Message::Offer(Offers { items, last });
    reader.0.is_empty().then_some(Envelope { sequence, descriptors, message })
}

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;

/// What is still to be read. Inlining everything into the loop over the items saves a sixth of the time: items are built
/// where they stay.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// One item; `protocol` is that of the item before, which most often is the same.
    #[inline(always)]
    fn item(&mut self, protocol: &mut Protocol) -> Option<OfferItem> {
        let fields = self.byte()?.checked_sub(0xa6).filter(|told| *told <= 2)?;
        self.expect([0])?;
        let slot = self.number()?;
        self.expect([1])?;
        let name = self.head(TEXT)?;
        let name = self.take(name)?;
        if name != protocol.as_bytes() {
            *protocol = std::str::from_utf8(name).ok()?.into();
        }
        let protocol = protocol.clone();
        self.expect([2])?;
        let state_version = self.number()?;
        let bytes = self.carried()?;
        let local = self.address(4)?;
        let peer = self.address(5)?;
        if u8::from(local.is_some()) + u8::from(peer.is_some()) != fields {
            return None;
        }
        self.expect([6])?;
        let dialled = self.boolean()?;
        self.expect([7])?;
        let count = self.head(ARRAY).filter(|count| *count <= MAX_COMPANIONS as u64)?;
        let mut companions = Vec::with_capacity(count as usize);
        for _ in 0..count {
            companions.push(self.companion()?);
        }
        Some(OfferItem { slot, protocol, state_version, bytes, local, peer, dialled, companions })
    }

    #[inline(always)]
    fn carried(&mut self) -> Option<Carried> {
        match self.array()? {
            [3, 0x82, 0, 0x83] => {
                Some(Carried::Inline { state: self.bytes()?, unread: self.bytes()?, unsent: self.bytes()? })
            }
            [3, 0x82, 1, 0x83] => {
                let mut length = || self.head(UNSIGNED);
                Some(Carried::Memfd { state: length()?, unread: length()?, unsent: length()? })
            }
            _ => None,
        }
    }

    fn companion(&mut self) -> Option<CompanionItem> {
        self.expect([0xa5, 0])?;
        let name = self.text()?;
        self.expect([1])?;
        let unread = self.bytes()?;
        self.expect([2])?;
        let unsent = self.bytes()?;
        self.expect([3])?;
        let unread_in_memfd = self.head(UNSIGNED)?;
        self.expect([4])?;
        let unsent_in_memfd = self.head(UNSIGNED)?;
        Some(CompanionItem { name, unread, unsent, unread_in_memfd, unsent_in_memfd })
    }

    /// The address with this key, if the next field is that one.
    #[inline(always)]
    fn address(&mut self, key: u8) -> Option<Option<WireAddress>> {
        if self.0.first() != Some(&key) {
            return Some(None);
        }
        self.expect([key, 0x82])?;
        let address = match self.array()? {
            [0, 0x82] => {
                self.expect([0x44])?;
                WireAddress::V4(self.array()?, self.number()?)
            }
            [1, 0x84] => {
                self.expect([0x50])?;
                WireAddress::V6(self.array()?, self.number()?, self.number()?, self.number()?)
            }
            [2, 0x81] => WireAddress::Path(self.bytes()?.take()),
            [3, 0x80] => WireAddress::Unnamed,
            _ => return None,
        };
        Some(Some(address))
    }

    #[inline(always)]
    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.head(BYTES)?;
        self.take(length).map(|bytes| bytes.to_vec().into())
    }

    #[inline(always)]
    fn text(&mut self) -> Option<String> {
        let length = self.head(TEXT)?;
        std::str::from_utf8(self.take(length)?).ok().map(str::to_owned)
    }

    #[inline(always)]
    fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        self.head(UNSIGNED)?.try_into().ok()
    }

    #[inline(always)]
    fn boolean(&mut self) -> Option<bool> {
        match self.byte()? {
            0xf4 => Some(false),
            0xf5 => Some(true),
            _ => None,
        }
    }

    /// The number in the head of an item of this major type (RFC 8949, section 3).
    #[inline(always)]
    fn head(&mut self, major: u8) -> Option<u64> {
        let first = self.byte()?;
        if first >> 5 != major {
            return None;
        }
        match first & 0x1f {
            short @ 0..24 => Some(short.into()),
            24 => self.byte().map(u64::from),
            25 => self.array().map(|bytes| u16::from_be_bytes(bytes).into()),
            26 => self.array().map(|bytes| u32::from_be_bytes(bytes).into()),
            27 => self.array().map(u64::from_be_bytes),
            _ => None,
        }
    }

    #[inline(always)]
    fn expect<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        (self.array()? == bytes).then_some(())
    }

    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (value, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*value)
    }

    #[inline(always)]
    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (value, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(value)
    }
}
