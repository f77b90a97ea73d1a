//! The messages that a bad predecessor needs (docs/protocol.md, section 3).

use minicbor::{Decode, Decoder, Encode, decode};

pub const HELLO: u32 = 0;
pub const WELCOME: u32 = 1;
pub const REFUSE: u32 = 2;
pub const LISTENERS: u32 = 3;
pub const LISTENERS_ACK: u32 = 4;
pub const DRAINING: u32 = 6;

#[derive(Debug, Encode)]
#[cbor(map)]
pub struct Envelope<B> {
    #[n(0)]
    pub sequence: u32,
    #[n(1)]
    pub descriptors: u32,
    /// The number of the message, and its body.
    #[n(2)]
    pub message: (u32, [B; 1]),
}

/// What there is to be read of a message that comes.
#[derive(Debug, Decode)]
#[cbor(map)]
pub struct Header {
    #[n(0)]
    pub sequence: u32,
    /// The number alone.
    #[n(2)]
    #[cbor(decode_with = "number")]
    pub message: u32,
}

fn number<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<u32, decode::Error> {
    decoder.array()?;
    let number = decoder.u32()?;
    decoder.skip()?;
    Ok(number)
}

#[derive(Debug, Clone, Encode)]
#[cbor(map)]
pub struct Welcome {
    #[n(0)]
    pub version: u32,
    #[n(1)]
    pub generation: u64,
    #[n(2)]
    pub owner: u32,
    #[n(3)]
    pub epoch: u32,
    #[n(4)]
    pub attempt: u32,
    #[n(5)]
    pub connections: u64,
    #[n(6)]
    pub listeners: u32,
    #[n(7)]
    pub pid: u32,
    #[n(8)]
    pub program: &'static str,
    #[n(9)]
    pub runtime: &'static str,
}

#[derive(Debug, Encode)]
#[cbor(map)]
pub struct Refuse {
    #[n(0)]
    pub number: u32,
    #[n(1)]
    pub reason: &'static str,
    #[n(2)]
    pub pid: u32,
}

#[derive(Debug, Encode)]
#[cbor(map)]
pub struct Listeners {
    #[n(0)]
    pub items: Vec<Listener>,
    #[n(1)]
    pub remaining: u32,
}

#[derive(Debug, Encode)]
#[cbor(map)]
pub struct Listener {
    #[n(0)]
    pub name: &'static str,
    #[n(1)]
    pub address: &'static str,
    #[n(2)]
    pub backlog: u32,
    #[n(3)]
    pub options: u32,
}

#[derive(Debug, Encode)]
#[cbor(map)]
pub struct Draining {
    #[n(0)]
    pub connections: u64,
    #[n(1)]
    pub deadline_ms: u64,
}
