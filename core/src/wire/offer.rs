//! Connections to items of an OFFER and back.

use super::bytes::Bytes;
use super::limits::*;
use super::message::*;
use crate::connection::{Address, Adopted, Companion, Frozen, Kept};
use crate::error::{Error, ErrorKind, Result};
use std::ffi::OsString;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Whether `connection` can be offered at all: names and addresses fit the protocol, and state, unread and unsent bytes
/// the limits given (of a companion too).
///
/// # Errors
/// `InvalidArgument` for a name or an address that does not fit, `TooLarge` for bytes over a limit.
pub fn check(connection: &Frozen, max_state: usize, max_bytes: usize) -> Result<()> {
    let fits = |kind, what: &str, found: usize, limit: usize| match found <= limit {
        true => Ok(()),
        false => Err(Error::new(
            kind,
            format!("{found} {what}; at most {limit} can be offered"),
            "the connection is still yours: drain it instead",
        )),
    };
    fits(ErrorKind::InvalidArgument, "bytes of protocol", connection.protocol.len(), MAX_NAME)?;
    fits(ErrorKind::InvalidArgument, "companions", connection.companions.len(), MAX_COMPANIONS)?;
    for companion in &connection.companions {
        fits(ErrorKind::InvalidArgument, "bytes of a companion's name", companion.name.len(), MAX_NAME)?;
        fits(ErrorKind::TooLarge, "unread bytes of a companion", companion.unread.len(), max_bytes)?;
        fits(ErrorKind::TooLarge, "unsent bytes of a companion", companion.unsent.len(), max_bytes)?;
    }
    for address in [&connection.local, &connection.peer] {
        if let Some(Address::Path(path)) = address {
            fits(ErrorKind::InvalidArgument, "bytes of path", path.as_os_str().len(), MAX_PATH)?;
        }
    }
    fits(ErrorKind::TooLarge, "bytes of state", connection.state.len(), max_state)?;
    fits(ErrorKind::TooLarge, "unread bytes", connection.unread.len(), max_bytes)?;
    fits(ErrorKind::TooLarge, "unsent bytes", connection.unsent.len(), max_bytes)?;
    fits(ErrorKind::TooLarge, "bytes in all", carried_bytes(connection), MAX_CARRIED as usize)
}

/// State, unread and unsent bytes of `connection`, then unread and unsent of each companion: so they lie in a memfd.
pub fn bytes_of(connection: &Frozen) -> Vec<&[u8]> {
    let own: [&[u8]; 3] = [&connection.state, &connection.unread, &connection.unsent];
    let companions = connection.companions.iter().flat_map(|c| [&c.unread[..], &c.unsent[..]]);
    own.into_iter().chain(companions).collect()
}

/// How many bytes travel with `connection`.
pub fn carried_bytes(connection: &Frozen) -> usize {
    let companions: usize = connection.companions.iter().map(|c| c.unread.len() + c.unsent.len()).sum();
    connection.state.len() + connection.unread.len() + connection.unsent.len() + companions
}

/// Whether the bytes of `connection` are too many for the message itself.
pub fn needs_memfd(connection: &Frozen) -> bool {
    carried_bytes(connection) > INLINE_LIMIT
}

/// One received connection.
#[derive(Debug)]
pub struct Parcel {
    /// Its word in the ledger.
    pub slot: u32,
    /// The connection; while [`memfd`](Parcel::memfd) is there, its bytes are still missing.
    pub connection: Kept<OwnedFd>,
    memfd: Option<Box<Memfd>>,
}

#[derive(Debug)]
struct Memfd {
    descriptor: OwnedFd,
    /// In the order of [`bytes_of`].
    lengths: Vec<u64>,
}

impl Parcel {
    /// The memfd that holds the connection's bytes, and how many there must be; give what was read to `fill`.
    pub fn memfd(&self) -> Option<(BorrowedFd<'_>, u64)> {
        self.memfd.as_ref().map(|memfd| (memfd.descriptor.as_fd(), memfd.lengths.iter().sum()))
    }

    /// Whether what the memfd is said to hold keeps to the limits given, as [`check`] has them.
    pub fn is_within(&self, max_state: usize, max_bytes: usize) -> bool {
        let limits = std::iter::once(max_state).chain(std::iter::repeat(max_bytes));
        self.memfd.as_ref().is_none_or(|memfd| {
            memfd.lengths.iter().zip(limits).all(|(length, limit)| *length <= limit as u64)
        })
    }

    /// Takes the bytes of the memfd, which is closed then.
    ///
    /// # Errors
    /// `Malformed` when there is another number of bytes than was announced; the connection keeps its descriptors, so
    /// that it can be refused before they are closed.
    pub fn fill(&mut self, mut bytes: Bytes) -> Result<()> {
        let announced = self.memfd().map_or(0, |(_, total)| total);
        let memfd = self.memfd.as_ref().filter(|_| bytes.len() as u64 == announced);
        let (Some(memfd), Some(connection)) = (memfd, self.connection.get_mut()) else {
            let what = format!("{} bytes lie in a memfd that should hold {announced}", bytes.len());
            return Err(Error::new(ErrorKind::Malformed, what, "refuse the connection"));
        };
        let companions = connection.companions.iter_mut().flat_map(|c| [&mut c.unread, &mut c.unsent]);
        let places: Vec<&mut Vec<u8>> =
            [&mut connection.state, &mut connection.unread, &mut connection.unsent]
                .into_iter()
                .chain(companions)
                .collect();
        // From the end, so that what is cut off is copied once and the state, first and often largest, not at all.
        let mut cut = Vec::with_capacity(places.len());
        for (place, length) in places.into_iter().zip(&memfd.lengths).rev() {
            let end = bytes.cut_off(*length as usize).map_err(|error| {
                Error::new(ErrorKind::System, format!("{length} bytes: {error}"), "refuse the connection")
            })?;
            cut.push((place, end));
        }
        cut.into_iter().for_each(|(place, end)| *place = end.take());
        self.memfd = None;
        Ok(())
    }
}

/// Whether there are as many descriptors as the items have.
///
/// # Errors
/// `DescriptorCount`: each word has to be REFUSED before a descriptor may be closed.
pub fn check_descriptors(items: &[OfferItem], descriptors: &[OwnedFd]) -> Result<()> {
    let expected: usize = items.iter().map(descriptors_of).sum();
    if expected == descriptors.len() {
        return Ok(());
    }
    let what = format!("{} descriptors came with items that have {expected}", descriptors.len());
    Err(Error::new(ErrorKind::DescriptorCount, what, "they are refused and return to the predecessor"))
}

/// Joins the items of one OFFER with the descriptors that came along, in order. The connections' ids are their slots. Give
/// it what [`check_descriptors`] found right, so that nobody runs out.
pub fn unpack(items: Vec<OfferItem>, descriptors: Vec<OwnedFd>) -> impl Iterator<Item = Parcel> {
    let mut given = descriptors.into_iter();
    items.into_iter().map_while(move |item| join(item, &mut given))
}

fn descriptors_of(item: &OfferItem) -> usize {
    1 + item.companions.len() + usize::from(matches!(item.bytes, Carried::Memfd { .. }))
}

#[inline(always)]
fn join(item: OfferItem, given: &mut impl Iterator<Item = OwnedFd>) -> Option<Parcel> {
    let mut connection = Adopted::new(item.slot.into(), given.next()?, item.protocol);
    let mut lengths = Vec::new();
    let mut in_memfd = false;
    match item.bytes {
        Carried::Inline { state, unread, unsent } => {
            (connection.state, connection.unread, connection.unsent) =
                (state.take(), unread.take(), unsent.take());
        }
        Carried::Memfd { state, unread, unsent } => {
            in_memfd = true;
            lengths.extend([state, unread, unsent]);
        }
    }
    for companion in item.companions {
        if in_memfd {
            lengths.extend([companion.unread_in_memfd, companion.unsent_in_memfd]);
        }
        let CompanionItem { name, unread, unsent, .. } = companion;
        let (unread, unsent) = (unread.take(), unsent.take());
        connection.companions.push(Companion { name, fd: given.next()?, unread, unsent });
    }
    connection.state_version = item.state_version;
    connection.local = item.local.map(Address::from);
    connection.peer = item.peer.map(Address::from);
    connection.dialled = item.dialled;
    let memfd = match in_memfd {
        true => Some(Box::new(Memfd { descriptor: given.next()?, lengths })),
        false => None,
    };
    Some(Parcel { slot: item.slot, connection: Kept::new(connection), memfd })
}

impl From<&Address> for WireAddress {
    fn from(address: &Address) -> WireAddress {
        match address {
            Address::Inet(SocketAddr::V4(v4)) => WireAddress::V4(v4.ip().octets(), v4.port()),
            Address::Inet(SocketAddr::V6(v6)) => {
                WireAddress::V6(v6.ip().octets(), v6.port(), v6.flowinfo(), v6.scope_id())
            }
            Address::Path(path) => WireAddress::Path(path.as_os_str().as_bytes().to_vec()),
            Address::Unnamed => WireAddress::Unnamed,
        }
    }
}

impl From<WireAddress> for Address {
    fn from(address: WireAddress) -> Address {
        match address {
            WireAddress::V4(ip, port) => Address::Inet(SocketAddrV4::new(ip.into(), port).into()),
            WireAddress::V6(ip, port, flow, scope) => {
                Address::Inet(SocketAddrV6::new(ip.into(), port, flow, scope).into())
            }
            WireAddress::Path(path) => Address::Path(PathBuf::from(OsString::from_vec(path))),
            WireAddress::Unnamed => Address::Unnamed,
        }
    }
}
