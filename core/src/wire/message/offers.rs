//! What OFFER carries: connections, their bytes and addresses.

use super::super::bytes::Bytes;
use crate::connection::Protocol;
use minicbor::{Decode, Encode};

/// A batch of frozen connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Offers {
    /// The connections.
    #[n(0)]
    pub items: Vec<OfferItem>,
    /// Nothing more will be offered.
    #[n(1)]
    pub last: bool,
}

/// One connection on offer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct OfferItem {
    /// Its word in the ledger.
    #[n(0)]
    pub slot: u32,
    /// What is spoken on it.
    #[n(1)]
    #[cbor(with = "protocol")]
    pub protocol: Protocol,
    /// Which form the state has.
    #[n(2)]
    pub state_version: u32,
    /// State, unread and unsent bytes: inline, or lengths of what lies in the sealed memfd.
    #[n(3)]
    pub bytes: Carried,
    /// The socket's own address, or nothing.
    #[n(4)]
    pub local: Option<WireAddress>,
    /// The peer's address, or nothing.
    #[n(5)]
    pub peer: Option<WireAddress>,
    /// Dialled, else accepted.
    #[n(6)]
    pub dialled: bool,
    /// The companions: a descriptor each, after the socket's.
    #[n(7)]
    pub companions: Vec<CompanionItem>,
}

/// The bytes that travel with an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Carried {
    /// In the message itself.
    #[n(0)]
    Inline {
        /// The application's state.
        #[n(0)]
        state: Bytes,
        /// Unread bytes of the socket.
        #[n(1)]
        unread: Bytes,
        /// Unsent bytes of the socket.
        #[n(2)]
        unsent: Bytes,
    },
    /// In a sealed memfd, whose descriptor is the item's last: state, unread, unsent, then for each companion its unread
    /// and unsent bytes, one after the other.
    #[n(1)]
    Memfd {
        /// Length of the state.
        #[n(0)]
        state: u64,
        /// Length of the unread bytes.
        #[n(1)]
        unread: u64,
        /// Length of the unsent bytes.
        #[n(2)]
        unsent: u64,
    },
}

impl Default for Carried {
    fn default() -> Carried {
        Carried::Inline { state: Bytes::default(), unread: Bytes::default(), unsent: Bytes::default() }
    }
}

/// One companion.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct CompanionItem {
    /// What it is to the connection.
    #[n(0)]
    pub name: String,
    /// Its unread bytes; empty where they lie in the memfd.
    #[n(1)]
    pub unread: Bytes,
    /// Its unsent bytes; empty where they lie in the memfd.
    #[n(2)]
    pub unsent: Bytes,
    /// Length of the unread bytes in the memfd; 0 where they are inline.
    #[n(3)]
    pub unread_in_memfd: u64,
    /// Length of the unsent bytes in the memfd; 0 where they are inline.
    #[n(4)]
    pub unsent_in_memfd: u64,
}

/// An address as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub enum WireAddress {
    /// IPv4: address, port.
    #[n(0)]
    V4(
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        [u8; 4],
        #[n(1)] u16,
    ),
    /// IPv6: address, port, flow, scope.
    #[n(1)]
    V6(
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        [u8; 16],
        #[n(1)] u16,
        #[n(2)] u32,
        #[n(3)] u32,
    ),
    /// The path of a Unix socket, as the bytes it has.
    #[n(2)]
    Path(
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        Vec<u8>,
    ),
    /// A Unix socket without a name.
    #[n(3)]
    Unnamed,
}

/// A protocol is a text.
mod protocol {
    use super::Protocol;
    use minicbor::decode::{self, Decoder};
    use minicbor::encode::{self, Encoder, Write};

    pub(super) fn encode<C, W: Write>(
        protocol: &Protocol,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.str(protocol)?.ok()
    }

    pub(super) fn decode<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<Protocol, decode::Error> {
        decoder.str().map(Protocol::from)
    }
}
