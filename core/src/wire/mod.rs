//! The link's messages and their bytes. Pure: no I/O, no clock.

pub mod limits;
pub mod message;
pub mod seat;

mod bytes;
mod codec;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod offer;
mod reader;
mod writer;

pub use bytes::Bytes;
pub use codec::{decode, encode};
pub use offer::{Parcel, bytes_of, check, check_descriptors, needs_memfd, unpack};
pub use writer::OfferWriter;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
