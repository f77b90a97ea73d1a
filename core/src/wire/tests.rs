//! Round trips, limits, hostile bytes, and the writer against the codec.

use super::limits::*;
use super::message::*;
use super::offer::carried_bytes;
use super::*;
use crate::connection::{Address, Companion, Frozen};
use crate::error::ErrorKind;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use samples::{address, envelope, frozen, item, offers};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

mod samples;

fn bytes_of_message(message: Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&Envelope { sequence: 1, descriptors: 0, message }, &mut bytes).unwrap();
    bytes
}

proptest! {
    #[test]
    fn every_message_comes_back_as_it_was(envelope in envelope()) {
        let mut bytes = b"left over".to_vec();
        encode(&envelope, &mut bytes).unwrap();
        prop_assert_eq!(decode(&bytes).unwrap(), envelope);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn a_mutated_message_never_panics(
        envelope in envelope(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = Vec::new();
        encode(&envelope, &mut bytes).unwrap();
        for (index, byte) in edits {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.map_or(usize::MAX, |index| index.index(bytes.len())));
        if let Err(error) = decode(&bytes) {
            prop_assert_eq!(error.kind(), ErrorKind::Malformed);
        }
    }

    #[test]
    fn the_writer_gives_the_bytes_of_the_codec_within_its_bounds(
        batch in vec((any::<u32>(), frozen(), any::<bool>()), 0..8),
        (sequence, last) in any::<(u32, bool)>(),
    ) {
        let mut writer = OfferWriter::default();
        let items = batch.iter().map(|(slot, frozen, memfd)| {
            let before = writer.len();
            writer.push(*slot, frozen, *memfd);
            assert!(writer.len() - before <= OfferWriter::item_length(frozen), "{frozen:?}");
            item(*slot, frozen, *memfd)
        });
        let message = Message::Offer(Offers { items: items.collect(), last });
        let envelope = Envelope { sequence, descriptors: 9, message };
        let mut expected = Vec::new();
        encode(&envelope, &mut expected).unwrap();
        prop_assert!(expected.len() <= writer.len());
        prop_assert_eq!(writer.finish(sequence, 9, last).concat(), &expected[..]);
        prop_assert_eq!(writer.finish(sequence, 9, last).concat(), expected, "a second time");
    }

    #[test]
    fn the_fast_reader_reads_what_the_derived_decoder_reads(
        offers in offers(),
        edit in option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut bytes = bytes_of_message(Message::Offer(offers));
        prop_assert!(reader::offer(&bytes).is_some(), "the hot path is taken");
        if let Some((index, byte)) = edit {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(fast) = reader::offer(&bytes) {
            prop_assert_eq!(Ok(fast), codec::derived(&bytes));
        }
    }

    #[test]
    fn an_address_comes_back_as_it_was(address in address()) {
        prop_assert_eq!(Address::from(WireAddress::from(&address)), address);
    }

    #[test]
    fn a_clipped_text_fits_and_stays_text(text in "\\PC{0,40}", limit in 0usize..60) {
        let clipped = clip(&text, limit);
        prop_assert!(clipped.len() <= limit && text.starts_with(clipped));
        prop_assert!(text.len() - clipped.len() < 4 || clipped.len() + 4 > limit);
    }

    #[test]
    fn items_and_descriptors_become_connections(batch in vec((any::<u32>(), frozen(), any::<bool>()), 0..5)) {
        let mut items = Vec::new();
        let mut descriptors = Vec::new();
        for (slot, frozen, memfd) in &batch {
            items.push(item(*slot, frozen, *memfd));
            descriptors.extend((0..frozen.descriptors() + usize::from(*memfd)).map(|_| null()));
        }
        let numbers: Vec<i32> = descriptors.iter().map(|fd| fd.as_raw_fd()).collect();
        let mut numbers = numbers.into_iter();
        check_descriptors(&items, &descriptors).unwrap();
        let parcels: Vec<_> = unpack(items, descriptors).collect();
        prop_assert_eq!(parcels.len(), batch.len());
        for ((slot, frozen, memfd), mut parcel) in batch.into_iter().zip(parcels) {
            prop_assert_eq!(parcel.memfd().map(|(_, total)| total), memfd.then_some(carried_bytes(&frozen) as u64));
            if memfd {
                let bytes = bytes_of(&frozen).concat();
                prop_assert!(parcel.fill([&bytes[..], b"x"].concat().into()).is_err());
                parcel.fill(bytes.into()).unwrap();
            }
            prop_assert!(parcel.memfd().is_none());
            let adopted = parcel.connection.take().unwrap();
            prop_assert_eq!(parcel.slot, slot);
            prop_assert_eq!(Some(adopted.socket.as_raw_fd()), numbers.next());
            let mut companions = Vec::new();
            for c in &adopted.companions {
                prop_assert_eq!(Some(c.fd.as_raw_fd()), numbers.next());
                let (unread, unsent) = (c.unread.clone(), c.unsent.clone());
                companions.push(Companion { name: c.name.clone(), fd: -1, unread, unsent });
            }
            if memfd {
                numbers.next();
            }
            let back = Frozen {
                companions,
                state_version: adopted.state_version,
                state: adopted.state,
                unread: adopted.unread,
                unsent: adopted.unsent,
                local: adopted.local,
                peer: adopted.peer,
                dialled: adopted.dialled,
                ..Frozen::new(adopted.id, -1, adopted.protocol)
            };
            prop_assert_eq!(back, Frozen { id: slot.into(), ..frozen });
        }
    }
}

fn null() -> OwnedFd {
    File::open("/dev/null").unwrap().into()
}

#[test]
fn a_wrong_number_of_descriptors_is_an_error() {
    for count in [0, 1, 2, 4, 9] {
        let items =
            vec![item(7, &Frozen::new(0, -1, "relay"), true), item(8, &Frozen::new(0, -1, "relay"), false)];
        let descriptors: Vec<OwnedFd> = (0..count).map(|_| null()).collect();
        let error = check_descriptors(&items, &descriptors).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DescriptorCount);
    }
}

#[test]
fn as_many_names_as_may_be_retired_fit_whatever_their_length() {
    let ready = |count| Message::Ready(Ready { retired: vec!["x".repeat(MAX_NAME); count] });
    let mut bytes = Vec::new();
    let envelope = |message| Envelope { sequence: u32::MAX, descriptors: 0, message };
    encode(&envelope(ready(MAX_RETIRED)), &mut bytes).unwrap();
    assert_eq!(decode(&bytes).unwrap(), envelope(ready(MAX_RETIRED)));
    let error = encode(&envelope(ready(MAX_RETIRED + 1)), &mut bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[test]
fn versions_ascend_and_leave_one_out_for_ever() {
    assert!(VERSIONS.is_sorted() && !VERSIONS.contains(&NEVER_A_VERSION));
}

#[test]
fn bytes_after_the_message_are_refused() {
    let mut bytes = bytes_of_message(Message::Ready(Ready::default()));
    bytes.push(0);
    assert_eq!(decode(&bytes).unwrap_err().what(), "1 bytes follow the message");
    assert_eq!(decode(&[]).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(decode(&vec![0; MAX_PAYLOAD + 1]).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn fields_of_a_later_version_are_skipped() {
    let note = Note { number: 302, reason: "late".into() };
    let mut bytes = Vec::new();
    let mut e = minicbor::Encoder::new(&mut bytes);
    e.map(4)
        .unwrap()
        .u8(9)
        .unwrap()
        .begin_map()
        .unwrap()
        .str("new")
        .unwrap()
        .array(1)
        .unwrap()
        .null()
        .unwrap();
    e.end().unwrap().u8(0).unwrap().u32(3).unwrap().u8(1).unwrap().u32(0).unwrap();
    e.u8(2).unwrap().array(2).unwrap().u8(9).unwrap().array(2).unwrap();
    e.map(3).unwrap().u8(0).unwrap().u32(302).unwrap().u8(1).unwrap().str("late").unwrap();
    e.u8(77).unwrap().bytes(b"more").unwrap().map(0).unwrap();
    let envelope = Envelope { sequence: 3, descriptors: 0, message: Message::Note(note) };
    assert_eq!(decode(&bytes).unwrap(), envelope);
}

#[test]
fn what_is_over_a_limit_is_refused_on_both_sides() {
    let long = |length: usize| "x".repeat(length);
    let offer = |item: OfferItem| Message::Offer(Offers { items: vec![item], last: false });
    let companion = CompanionItem::default();
    let lengths = CompanionItem { unread_in_memfd: u64::MAX, unsent_in_memfd: u64::MAX, ..companion.clone() };
    let bytes = CompanionItem { unread: vec![1].into(), ..companion.clone() };
    let memfd = Carried::Memfd { state: 1, unread: u64::MAX, unsent: u64::MAX };
    let small = Carried::Memfd { state: 1, unread: 0, unsent: 0 };
    let many = vec![OfferItem::default(); MAX_DESCRIPTORS + 1];
    let cases = [
        Message::Hello(Hello { versions: vec![1; MAX_VERSIONS + 1], ..Hello::default() }),
        Message::Hello(Hello { program: long(MAX_NAME + 1), ..Hello::default() }),
        Message::Welcome(Welcome { runtime: long(MAX_NAME + 1), ..Welcome::default() }),
        Message::Note(Note { number: 1, reason: long(MAX_REASON + 1) }),
        Message::Refuse(Refuse { reason: long(MAX_REASON + 1), ..Refuse::default() }),
        Message::Listeners(Listeners {
            items: vec![ListenerItem { name: long(MAX_NAME + 1), ..ListenerItem::default() }],
            remaining: 0,
        }),
        Message::Offer(Offers { items: many, last: false }),
        offer(OfferItem { protocol: long(MAX_NAME + 1).into(), ..OfferItem::default() }),
        offer(OfferItem { companions: vec![companion; MAX_COMPANIONS + 1], ..OfferItem::default() }),
        offer(OfferItem { peer: Some(WireAddress::Path(vec![1; MAX_PATH + 1])), ..OfferItem::default() }),
        offer(OfferItem { bytes: memfd, ..OfferItem::default() }),
        offer(OfferItem { companions: vec![lengths], ..OfferItem::default() }),
        offer(OfferItem { bytes: small, companions: vec![bytes], ..OfferItem::default() }),
    ];
    for message in cases {
        let envelope = Envelope { sequence: 0, descriptors: 0, message };
        let unchecked = minicbor::to_vec(&envelope).unwrap();
        assert_eq!(decode(&unchecked).unwrap_err().kind(), ErrorKind::Malformed, "{envelope:?}");
        let mut out = Vec::new();
        assert_eq!(encode(&envelope, &mut out).unwrap_err().kind(), ErrorKind::TooLarge, "{envelope:?}");
        assert!(out.is_empty());
    }
    let envelope = Envelope { sequence: 0, descriptors: 254, message: Message::Ready(Ready::default()) };
    assert!(decode(&minicbor::to_vec(&envelope).unwrap()).is_err());
}

#[test]
fn a_count_that_no_message_can_hold_is_refused_at_once() {
    // Offers with 2^62 items: the array head alone must not reserve anything.
    let bytes = [0xa3, 0, 0, 1, 0, 2, 0x82, 7, 0x81, 0xa2, 0, 0x9b, 0x40, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(decode(&bytes).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn a_message_over_the_payload_is_not_sent() {
    let bytes =
        Carried::Inline { state: vec![0; MAX_PAYLOAD].into(), unread: vec![].into(), unsent: vec![].into() };
    let item = OfferItem { bytes, ..OfferItem::default() };
    let message = Message::Offer(Offers { items: vec![item], last: false });
    let mut out = Vec::new();
    let error = encode(&Envelope { sequence: 0, descriptors: 1, message }, &mut out).unwrap_err();
    assert_eq!((error.kind(), out.len()), (ErrorKind::TooLarge, 0));
}

#[test]
fn the_largest_item_fits_a_message() {
    let path = Some(Address::from(WireAddress::Path(vec![b'x'; MAX_PATH])));
    let companion = Companion {
        name: "n".repeat(MAX_NAME),
        fd: -1,
        unread: vec![0; INLINE_LIMIT / 32],
        unsent: vec![0; INLINE_LIMIT / 32],
    };
    let largest = Frozen {
        companions: vec![companion; MAX_COMPANIONS],
        local: path.clone(),
        peer: path,
        ..Frozen::new(0, -1, "p".repeat(MAX_NAME))
    };
    check(&largest, INLINE_LIMIT, INLINE_LIMIT).unwrap();
    assert!(!needs_memfd(&largest));
    assert!(OfferWriter::default().len() + OfferWriter::item_length(&largest) <= MAX_PAYLOAD);
}

#[test]
fn a_connection_over_a_limit_is_said_to_be_before_anything_moves() {
    let plain = || Frozen::new(0, -1, "relay");
    let companion = |name: String, unread| Companion { name, fd: -1, unread, unsent: vec![] };
    let cases = [
        (Frozen::new(0, -1, "x".repeat(MAX_NAME + 1)), ErrorKind::InvalidArgument),
        (Frozen { state: vec![0; 11], ..plain() }, ErrorKind::TooLarge),
        (Frozen { unread: vec![0; 21], ..plain() }, ErrorKind::TooLarge),
        (Frozen { unsent: vec![0; 21], ..plain() }, ErrorKind::TooLarge),
        (Frozen { companions: vec![companion("up".into(), vec![0; 21])], ..plain() }, ErrorKind::TooLarge),
        (
            Frozen { companions: vec![companion("x".repeat(256), vec![])], ..plain() },
            ErrorKind::InvalidArgument,
        ),
        (
            Frozen { companions: vec![companion("up".into(), vec![]); 17], ..plain() },
            ErrorKind::InvalidArgument,
        ),
        (
            Frozen { local: Some(Address::Path("x".repeat(MAX_PATH + 1).into())), ..plain() },
            ErrorKind::InvalidArgument,
        ),
    ];
    for (connection, kind) in cases {
        assert_eq!(check(&connection, 10, 20).unwrap_err().kind(), kind, "{connection:?}");
    }
    let fits = Frozen { state: vec![0; 10], unread: vec![0; 20], unsent: vec![0; 20], ..plain() };
    check(&fits, 10, 20).unwrap();
}
