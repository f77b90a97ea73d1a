//! Any bytes as a message.

use super::codec::derived;
use super::message::{Envelope, Message};
use super::{check_descriptors, decode as read, encode, reader, unpack};
use crate::error::ErrorKind;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

/// A message is read or said to be malformed. What was read is written to be read as the same, the fast reader agrees with
/// the derived one, and an OFFER takes apart into as many connections as it has items.
pub fn decode(data: &[u8]) {
    if let Some(fast) = reader::offer(data) {
        assert_eq!(Ok(fast), derived(data));
    }
    let envelope = match read(data) {
        Ok(envelope) => envelope,
        Err(error) => return assert_eq!(error.kind(), ErrorKind::Malformed),
    };
    let mut bytes = Vec::new();
    match encode(&envelope, &mut bytes) {
        Ok(()) => assert_eq!(read(&bytes).ok().as_ref(), Some(&envelope)),
        // Read in another form than the shortest, it may be too long for a message of ours.
        Err(error) => assert_eq!(error.kind(), ErrorKind::TooLarge),
    }
    let Envelope { message: Message::Offer(offers), descriptors, .. } = envelope else { return };
    static NULL: OnceLock<Option<File>> = OnceLock::new();
    let Some(null) = NULL.get_or_init(|| File::open("/dev/null").ok()) else { return };
    let came: Option<Vec<OwnedFd>> =
        (0..descriptors.min(32)).map(|_| null.try_clone().ok().map(OwnedFd::from)).collect();
    let Some(came) = came.filter(|came| check_descriptors(&offers.items, came).is_ok()) else { return };
    let (items, expected) = (offers.items.len(), came.len());
    let mut descriptors = 0;
    let mut parcels = 0;
    for mut parcel in unpack(offers.items, came) {
        parcels += 1;
        descriptors +=
            parcel.connection.get().map_or(0, |c| c.descriptors()) + usize::from(parcel.memfd().is_some());
        let announced = parcel.memfd().map(|(_, length)| length);
        if let Some(length) = announced.filter(|length| *length < 1 << 16) {
            assert!(parcel.fill(vec![7; length as usize + 1].into()).is_err());
            assert!(parcel.fill(vec![7; length as usize].into()).is_ok());
            assert!(parcel.memfd().is_none());
        }
    }
    assert_eq!((parcels, descriptors), (items, expected));
}
