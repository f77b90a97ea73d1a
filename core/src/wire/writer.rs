//! OFFER messages straight from frozen connections: the hot path, without a copy of anything but the bytes themselves.

use super::offer::{carried_bytes, needs_memfd};
use crate::connection::{Address, Companion, Frozen};
use crate::sys::wipe::wipe;
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;

const UNSIGNED: u8 = 0x00;
const BYTES: u8 = 0x40;
const TEXT: u8 = 0x60;
const ARRAY: u8 = 0x80;
const MAP: u8 = 0xa0;
const FALSE: u8 = 0xf4;

/// `Message::Offer` in the envelope.
const OFFER: u8 = 7;

/// The longest head of a CBOR item whose number fits 32 bits.
const HEAD: usize = 5;
/// What surrounds the items, at most: see `finish`.
const ENVELOPE: usize = 32;
/// The longest address beside a path: a head each for variant, fields and bytes, 16 bytes, port, flow, scope.
const ADDRESS: usize = 6 * HEAD + 16;
/// What an item has beside names and bytes, at most: 8 keys, 13 heads of up to 9 bytes, two addresses.
const ITEM: usize = 8 + 13 * 9 + 2 * ADDRESS;
/// What a companion has beside name and bytes, at most: 5 keys, 6 heads of up to 9 bytes.
const COMPANION: usize = 5 + 6 * 9;

/// Collects the items of one OFFER message; its bytes are those that [`encode`](super::encode) gives for the same
/// [`Offers`](super::message::Offers).
#[derive(Debug, Default)]
pub struct OfferWriter {
    /// Longer than what is in it, so that writing needs no growing.
    buffer: Space,
    /// Where the items end in the buffer.
    end: usize,
    count: usize,
    around: [u8; ENVELOPE],
}

impl OfferWriter {
    /// An upper bound of the bytes that `connection` takes in a message, those in its memfd (where it needs one) left out.
    pub fn item_length(connection: &Frozen) -> usize {
        length(connection, needs_memfd(connection))
    }

    /// Adds a connection whose word in the ledger is `slot`. With `memfd` only the lengths of its bytes are written: they
    /// travel as [`bytes_of`](super::bytes_of) gives them in a sealed memfd, whose descriptor is the item's last.
    pub fn push(&mut self, slot: u32, connection: &Frozen, memfd: bool) {
        let needed = self.end + length(connection, memfd);
        if self.buffer.0.len() < needed {
            self.buffer.grow(needed.max(2 * self.buffer.0.len()), self.end);
        }
        let mut out = Out { space: &mut self.buffer.0, end: self.end };
        out.item(slot, connection, memfd);
        self.end = out.end;
        self.count += 1;
    }

    /// An upper bound of the length of the message so far, in bytes.
    pub fn len(&self) -> usize {
        ENVELOPE + self.end
    }

    /// The message: head, items, tail, for one `sendmsg`. The items stay, so that a message that did not go out can be sent
    /// again.
    pub fn finish(&mut self, sequence: u32, descriptors: u32, last: bool) -> [&[u8]; 3] {
        let mut out = Out { space: &mut self.around, end: 0 };
        out.put([MAP | 3, 0]);
        out.head(UNSIGNED, sequence.into());
        out.field(1, UNSIGNED, descriptors.into());
        out.put([2, ARRAY | 2, OFFER, ARRAY | 1, MAP | 2]);
        out.field(0, ARRAY, self.count as u64);
        let head = out.end;
        out.put([1, FALSE + u8::from(last)]);
        let tail = out.end;
        [&self.around[..head], &self.buffer.0[..self.end], &self.around[head..tail]]
    }
}

/// Room for the items; it is not shown, since bytes of connections lie in it.
#[derive(Default)]
struct Space(Vec<u8>);

impl Space {
    /// Makes it `length` bytes long, keeps the first `used`, and leaves no copy of them behind.
    fn grow(&mut self, length: usize, used: usize) {
        let mut larger = vec![0; length];
        larger[..used].copy_from_slice(&self.0[..used]);
        wipe(&mut self.0[..used]);
        self.0 = larger;
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Drop for OfferWriter {
    fn drop(&mut self) {
        wipe(&mut self.buffer.0[..self.end]);
    }
}

fn length(connection: &Frozen, memfd: bool) -> usize {
    let path = |address: &Option<Address>| match address {
        Some(Address::Path(path)) => path.as_os_str().len(),
        _ => 0,
    };
    let companions: usize = connection.companions.iter().map(|c| COMPANION + c.name.len()).sum();
    let inline = if memfd { 0 } else { carried_bytes(connection) };
    ITEM + connection.protocol.len() + path(&connection.local) + path(&connection.peer) + companions + inline
}

/// CBOR into space that is known to suffice.
struct Out<'a> {
    space: &'a mut [u8],
    end: usize,
}

impl Out<'_> {
    fn item(&mut self, slot: u32, connection: &Frozen, memfd: bool) {
        let addresses = [(4, &connection.local), (5, &connection.peer)];
        let told = addresses.iter().filter(|(_, address)| address.is_some()).count() as u8;
        self.put([MAP | (6 + told), 0]);
        self.head(UNSIGNED, slot.into());
        self.key(1);
        self.text(&connection.protocol);
        self.field(2, UNSIGNED, connection.state_version.into());
        self.put([3, ARRAY | 2, memfd.into(), ARRAY | 3]);
        for part in [&connection.state, &connection.unread, &connection.unsent] {
            match memfd {
                true => self.head(UNSIGNED, part.len() as u64),
                false => self.bytes(part),
            }
        }
        for (number, told) in addresses {
            if let Some(address) = told {
                self.key(number);
                self.address(address);
            }
        }
        self.put([6, FALSE + u8::from(connection.dialled), 7]);
        self.head(ARRAY, connection.companions.len() as u64);
        for companion in &connection.companions {
            self.companion(companion, memfd);
        }
    }

    fn companion(&mut self, companion: &Companion<RawFd>, memfd: bool) {
        let parts = [&companion.unread, &companion.unsent];
        self.put([MAP | 5, 0]);
        self.text(&companion.name);
        for (number, part) in (1..).zip(parts) {
            self.key(number);
            self.bytes(if memfd { &[] } else { part });
        }
        for (number, part) in (3..).zip(parts) {
            self.field(number, UNSIGNED, if memfd { part.len() as u64 } else { 0 });
        }
    }

    fn address(&mut self, address: &Address) {
        match address {
            Address::Inet(SocketAddr::V4(v4)) => {
                let [a, b, c, d] = v4.ip().octets();
                self.variant(0, 2);
                self.put([BYTES | 4, a, b, c, d]);
                self.head(UNSIGNED, v4.port().into());
            }
            Address::Inet(SocketAddr::V6(v6)) => {
                self.variant(1, 4);
                self.bytes(&v6.ip().octets());
                for number in [v6.port().into(), v6.flowinfo(), v6.scope_id()] {
                    self.head(UNSIGNED, number.into());
                }
            }
            Address::Path(path) => {
                self.variant(2, 1);
                self.bytes(path.as_os_str().as_bytes());
            }
            Address::Unnamed => self.variant(3, 0),
        }
    }

    fn variant(&mut self, number: u8, fields: u8) {
        self.put([ARRAY | 2, number, ARRAY | fields]);
    }

    /// The head of a CBOR item in its shortest form (RFC 8949, section 3).
    #[inline]
    fn head(&mut self, major: u8, number: u64) {
        match number {
            0..=23 => self.put([major | number as u8]),
            24..=0xff => self.put([major | 24, number as u8]),
            0x100..=0xffff => {
                let [a, b] = (number as u16).to_be_bytes();
                self.put([major | 25, a, b]);
            }
            0x1_0000..=0xffff_ffff => {
                let [a, b, c, d] = (number as u32).to_be_bytes();
                self.put([major | 26, a, b, c, d]);
            }
            _ => {
                self.put([major | 27]);
                self.put(number.to_be_bytes());
            }
        }
    }

    fn key(&mut self, number: u8) {
        self.put([number]);
    }

    fn field(&mut self, number: u8, major: u8, value: u64) {
        self.key(number);
        self.head(major, value);
    }

    fn bytes(&mut self, value: &[u8]) {
        self.head(BYTES, value.len() as u64);
        self.copy(value);
    }

    fn text(&mut self, value: &str) {
        self.head(TEXT, value.len() as u64);
        self.copy(value.as_bytes());
    }

    #[inline]
    fn put<const N: usize>(&mut self, value: [u8; N]) {
        self.copy(&value);
    }

    #[inline]
    fn copy(&mut self, value: &[u8]) {
        self.space[self.end..self.end + value.len()].copy_from_slice(value);
        self.end += value.len();
    }
}
