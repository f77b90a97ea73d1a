//! Arbitrary messages and connections.

use crate::connection::{Address, Companion, Frozen};
use crate::wire::Bytes;
use crate::wire::limits::MAX_PATH;
use crate::wire::message::*;
use crate::wire::seat::{Drain, Order, Report, Seat, Successor};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::{SocketAddr, SocketAddrV6};

fn name() -> impl Strategy<Value = String> {
    "[a-zé/.0-9]{0,30}"
}

fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 200..400)]
}

fn versions() -> impl Strategy<Value = Vec<u32>> {
    vec(any::<u32>(), 0..4)
}

prop_compose! {
    fn hello()(
        versions in versions(),
        capabilities: u64,
        reads in vec((name(), self::versions()), 0..4),
        free_descriptors: u64,
        pid: u32,
        (program, runtime) in (name(), name()),
        lane: bool,
        (attempt, worker) in any::<(u32, u32)>(),
    ) -> Hello {
        let reads = reads.into_iter().map(|(protocol, versions)| Readable { protocol, versions }).collect();
        let role = if lane { Role::Lane } else { Role::Lead };
        Hello { versions, capabilities, reads, free_descriptors, pid, program, runtime, role, attempt, worker }
    }
}

prop_compose! {
    fn welcome()(
        version: u32,
        (generation, connections) in any::<(u64, u64)>(),
        (owner, epoch, attempt, listeners, pid) in any::<(u32, u32, u32, u32, u32)>(),
        (program, runtime) in (name(), name()),
        workers in option::of(any::<u32>()),
    ) -> Welcome {
        Welcome { version, generation, owner, epoch, attempt, connections, listeners, pid, program, runtime, workers }
    }
}

prop_compose! {
    fn listener()(name in name(), address in name(), backlog: u32, options: u32) -> ListenerItem {
        ListenerItem { name, address, backlog, options }
    }
}

pub fn address() -> impl Strategy<Value = Address> {
    let v6 = any::<([u8; 16], u16, u32, u32)>();
    prop_oneof![
        any::<([u8; 4], u16)>().prop_map(|a| Address::Inet(SocketAddr::from(a))),
        v6.prop_map(|(ip, port, flow, scope)| Address::Inet(
            SocketAddrV6::new(ip.into(), port, flow, scope).into()
        )),
        vec(any::<u8>(), 0..=MAX_PATH).prop_map(|path| Address::from(WireAddress::Path(path))),
        Just(Address::Unnamed),
    ]
}

prop_compose! {
    pub fn frozen()(
        protocol in name(),
        state_version: u32,
        (state, unread, unsent) in (some_bytes(), some_bytes(), some_bytes()),
        (local, peer) in (option::of(address()), option::of(address())),
        dialled: bool,
        companions in vec((name(), some_bytes(), some_bytes()), 0..3),
    ) -> Frozen {
        let companions = companions
            .into_iter()
            .map(|(name, unread, unsent)| Companion { name, fd: -1, unread, unsent })
            .collect();
        Frozen { companions, state_version, state, unread, unsent, local, peer, dialled, ..Frozen::new(0, -1, protocol) }
    }
}

/// The item that `frozen` becomes, built the long way.
pub fn item(slot: u32, frozen: &Frozen, memfd: bool) -> OfferItem {
    let inline = |bytes: &[u8]| Bytes::from(if memfd { Vec::new() } else { bytes.to_vec() });
    let length = |bytes: &[u8]| bytes.len() as u64;
    let (state, unread, unsent) = (&frozen.state, &frozen.unread, &frozen.unsent);
    let bytes = match memfd {
        true => Carried::Memfd { state: length(state), unread: length(unread), unsent: length(unsent) },
        false => Carried::Inline { state: inline(state), unread: inline(unread), unsent: inline(unsent) },
    };
    let companions = frozen.companions.iter().map(|c| CompanionItem {
        name: c.name.clone(),
        unread: inline(&c.unread),
        unsent: inline(&c.unsent),
        unread_in_memfd: if memfd { length(&c.unread) } else { 0 },
        unsent_in_memfd: if memfd { length(&c.unsent) } else { 0 },
    });
    OfferItem {
        slot,
        protocol: frozen.protocol.clone(),
        state_version: frozen.state_version,
        bytes,
        local: frozen.local.as_ref().map(WireAddress::from),
        peer: frozen.peer.as_ref().map(WireAddress::from),
        dialled: frozen.dialled,
        companions: companions.collect(),
    }
}

pub fn offers() -> impl Strategy<Value = Offers> {
    let items = vec((any::<u32>(), frozen(), any::<bool>()), 0..6);
    (items, any::<bool>()).prop_map(|(items, last)| Offers {
        items: items.iter().map(|(slot, frozen, memfd)| item(*slot, frozen, *memfd)).collect(),
        last,
    })
}

prop_compose! {
    fn seat()(
        (worker, generation) in any::<(u32, u64)>(),
        (owner, ready) in any::<(bool, bool)>(),
        items in vec(listener(), 0..5),
    ) -> Seat {
        Seat { worker, generation, owner, ready, listeners: Listeners { items, remaining: 0 } }
    }
}

prop_compose! {
    fn drain()(
        (number, deadline_ms, attempt) in any::<(u32, u64, u32)>(),
        successor in option::of((any::<(u32, u64)>(), name(), name())),
        reads in vec((name(), versions()), 0..4),
        retired in vec(name(), 0..4),
    ) -> Drain {
        let successor = successor.map(|((pid, generation), program, runtime)| {
            Successor { pid, program, runtime, generation }
        });
        let reads = reads.into_iter().map(|(protocol, versions)| Readable { protocol, versions }).collect();
        Drain { number, deadline_ms, attempt, successor, reads, retired }
    }
}

fn order() -> impl Strategy<Value = Order> {
    let note = || (any::<u32>(), name()).prop_map(|(number, reason)| Note { number, reason });
    prop_oneof![
        seat().prop_map(Order::Seat),
        Just(Order::Ready),
        drain().prop_map(Order::Drain),
        note().prop_map(Order::Resume),
        note().prop_map(Order::Accept),
        any::<u64>().prop_map(Order::Committed),
        note().prop_map(Order::Aborted),
        Just(Order::Relieved),
        Just(Order::Done),
    ]
}

fn report() -> impl Strategy<Value = Report> {
    prop_oneof![
        Just(Report::Joined),
        any::<u32>().prop_map(Report::Stopped),
        any::<u32>().prop_map(Report::Migrated),
        Just(Report::WantsLane),
        Just(Report::LaneOver),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        hello().prop_map(Message::Hello),
        welcome().prop_map(Message::Welcome),
        (any::<u32>(), name(), any::<u32>()).prop_map(|(number, reason, pid)| Message::Refuse(Refuse {
            number,
            reason,
            pid
        })),
        (vec(listener(), 0..5), any::<u32>())
            .prop_map(|(items, remaining)| Message::Listeners(Listeners { items, remaining })),
        Just(Message::ListenersAck),
        vec(name(), 0..5).prop_map(|retired| Message::Ready(Ready { retired })),
        any::<(u64, u64)>()
            .prop_map(|(connections, deadline_ms)| Message::Draining(Draining { connections, deadline_ms })),
        offers().prop_map(Message::Offer),
        Just(Message::Answer),
        (any::<u32>(), name()).prop_map(|(number, reason)| Message::Note(Note { number, reason })),
        (any::<u32>(), option::of(any::<u32>()), any::<bool>())
            .prop_map(|(attempt, seat, offers)| Message::Lane(Lane { attempt, seat, offers })),
        order().prop_map(Message::Order),
        report().prop_map(Message::Report),
    ]
}

pub fn envelope() -> impl Strategy<Value = Envelope> {
    (any::<u32>(), 0..=253u32, message()).prop_map(|(sequence, descriptors, message)| Envelope {
        sequence,
        descriptors,
        message,
    })
}
