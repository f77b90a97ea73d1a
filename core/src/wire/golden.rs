//! Every message of version 1 as bytes that no later build may change (tests/golden/v1). `ZDT_GOLDEN=write` writes the
//! files anew: right for a message that is new, wrong for one that was released.

use super::message::*;
use super::seat::{Drain, Order, Report, Seat, Successor};
use super::{decode, encode};
use std::fmt::Write;
use std::path::PathBuf;

fn examples() -> Vec<(&'static str, u32, Message)> {
    let offers = |items: Vec<OfferItem>, last| Message::Offer(Offers { items, last });
    vec![
        (
            "hello",
            1,
            Message::Hello(Hello {
                versions: vec![1],
                capabilities: 0,
                reads: vec![
                    Readable { protocol: "relay".into(), versions: vec![1, 2] },
                    Readable { protocol: "http/1.1".into(), versions: vec![1] },
                ],
                free_descriptors: 19_990,
                pid: 4790,
                program: "gateway 2.1".into(),
                runtime: "java 25 netty 4.2.7".into(),
                role: Role::Lead,
                attempt: 0,
                worker: 0,
            }),
        ),
        (
            "hello-lane",
            1,
            Message::Hello(Hello {
                versions: vec![1],
                pid: 4791,
                role: Role::Lane,
                attempt: 8,
                worker: 3,
                ..Hello::default()
            }),
        ),
        (
            "welcome",
            2,
            Message::Welcome(Welcome {
                version: 1,
                generation: 7,
                owner: 7,
                epoch: 12,
                attempt: 8,
                connections: 49_812,
                listeners: 2,
                pid: 4711,
                program: "gateway 2.0".into(),
                runtime: "rust".into(),
                workers: None,
            }),
        ),
        (
            "refuse",
            0,
            Message::Refuse(Refuse { number: 301, reason: "process 4788 is at it".into(), pid: 4788 }),
        ),
        (
            "listeners",
            4,
            Message::Listeners(Listeners {
                items: vec![
                    ListenerItem {
                        name: "http".into(),
                        address: "tcp://0.0.0.0:8080".into(),
                        backlog: 4096,
                        options: 2,
                    },
                    ListenerItem {
                        name: "admin".into(),
                        address: "unix:///run/app/admin.sock".into(),
                        backlog: 128,
                        options: 0,
                    },
                ],
                remaining: 0,
            }),
        ),
        ("listeners-ack", 0, Message::ListenersAck),
        ("ready", 0, Message::Ready(Ready { retired: vec!["admin".into(), "metrics".into()] })),
        ("draining", 0, Message::Draining(Draining { connections: 49_812, deadline_ms: 30_000 })),
        ("offer", 5, offers(vec![inline(), proxied()], false)),
        ("offer-memfd", 3, offers(vec![in_memfd()], false)),
        ("offer-last", 0, offers(vec![], true)),
        ("answer", 0, Message::Answer),
        ("note", 0, Message::Note(Note { number: 302, reason: "no DRAINING within 5 s — “gone”".into() })),
        (
            "welcome-workers",
            2,
            Message::Welcome(Welcome { version: 1, workers: Some(4), ..Welcome::default() }),
        ),
        ("lane", 1, Message::Lane(Lane { attempt: 8, seat: None, offers: true })),
        ("lane-wanted", 0, Message::Lane(Lane { attempt: 8, seat: Some(3), offers: false })),
        ("order-seat", 2, Message::Order(Order::Seat(seat()))),
        ("order-drain", 0, Message::Order(Order::Drain(drain()))),
        ("order-done", 0, Message::Order(Order::Done)),
        ("report-stopped", 0, Message::Report(Report::Stopped(2))),
    ]
}

fn seat() -> Seat {
    let item = ListenerItem { name: "http".into(), address: "tcp://0.0.0.0:80".into(), ..Default::default() };
    let listeners = Listeners { items: vec![item], remaining: 0 };
    Seat { worker: 3, generation: 7, owner: true, ready: false, listeners }
}

fn drain() -> Drain {
    let successor =
        Successor { pid: 4790, program: "gateway 2.1".into(), runtime: "c".into(), generation: 8 };
    let reads = vec![Readable { protocol: "relay".into(), versions: vec![1] }];
    let retired = vec!["old".into()];
    Drain { number: 2, deadline_ms: 30_000, attempt: 8, successor: Some(successor), reads, retired }
}

fn inline() -> OfferItem {
    OfferItem {
        slot: 70_000,
        protocol: "relay".into(),
        state_version: 1,
        bytes: Carried::Inline {
            state: b"\x05alice\x00\x01".to_vec().into(),
            unread: b"ECHO 5\nhe".to_vec().into(),
            unsent: vec![].into(),
        },
        local: Some(WireAddress::V4([127, 0, 0, 1], 8080)),
        peer: Some(WireAddress::V4([192, 0, 2, 255], 51_234)),
        dialled: false,
        companions: vec![],
    }
}

fn proxied() -> OfferItem {
    let ip = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let companion = |name: &str, unread: &[u8], unsent: &[u8]| CompanionItem {
        name: name.into(),
        unread: unread.to_vec().into(),
        unsent: unsent.to_vec().into(),
        ..CompanionItem::default()
    };
    OfferItem {
        slot: 1,
        local: Some(WireAddress::V6(ip, 443, 0, 2)),
        peer: Some(WireAddress::Unnamed),
        dialled: true,
        companions: vec![companion("upstream", b"HTTP/1.1 20", b"GET"), companion("pipe", b"", b"")],
        ..OfferItem::default()
    }
}

fn in_memfd() -> OfferItem {
    OfferItem {
        slot: 2,
        protocol: "websocket".into(),
        state_version: 3,
        bytes: Carried::Memfd { state: 204_800, unread: 0, unsent: 1_048_576 },
        local: Some(WireAddress::Path(b"/run/app/x\xff.sock".to_vec())),
        peer: None,
        companions: vec![CompanionItem {
            name: "upstream".into(),
            unread_in_memfd: 7,
            unsent_in_memfd: 5_000_000_000 >> 8,
            ..CompanionItem::default()
        }],
        ..OfferItem::default()
    }
}

fn readable(bytes: &[u8]) -> String {
    let mut text = format!("{}\n\n", minicbor::display(bytes));
    for line in bytes.chunks(16) {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{}", hex.join(" ")).unwrap();
    }
    text
}

#[test]
fn version_1_keeps_its_bytes() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    let write = std::env::var_os("ZDT_GOLDEN").is_some_and(|value| value == "write");
    for (sequence, (name, descriptors, message)) in (0..).zip(examples()) {
        let envelope = Envelope { sequence, descriptors, message };
        let mut bytes = Vec::new();
        encode(&envelope, &mut bytes).unwrap();
        let file = directory.join(format!("{name}.cbor"));
        if write {
            std::fs::write(&file, &bytes).unwrap();
            std::fs::write(file.with_extension("txt"), readable(&bytes)).unwrap();
        }
        let golden = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert_eq!(decode(&golden).unwrap(), envelope, "{name} is read otherwise than it was");
        assert_eq!(readable(&bytes), readable(&golden), "{name} is written otherwise than it was");
        assert_eq!(
            std::fs::read_to_string(file.with_extension("txt")).unwrap(),
            readable(&golden),
            "{name}.txt"
        );
    }
    let files = std::fs::read_dir(&directory).unwrap().count();
    assert_eq!(files, 2 * examples().len(), "a golden file without an example, or the other way round");
}

#[test]
fn every_message_has_a_golden_file() {
    // A message that is added does not compile here until it is counted.
    let number = |message: &Message| match message {
        Message::Hello(_) => 0,
        Message::Welcome(_) => 1,
        Message::Refuse(_) => 2,
        Message::Listeners(_) => 3,
        Message::ListenersAck => 4,
        Message::Ready(_) => 5,
        Message::Draining(_) => 6,
        Message::Offer(_) => 7,
        Message::Answer => 8,
        Message::Note(_) => 9,
        Message::Lane(_) => 10,
        Message::Order(_) => 11,
        Message::Report(_) => 12,
    };
    let mut numbers: Vec<u32> = examples().iter().map(|(_, _, message)| number(message)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..13).collect::<Vec<_>>());
}
