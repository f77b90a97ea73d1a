//! A connection as C sees it: lent to `zdt_migrate`, or adopted.

use crate::edge::{self, call, invalid, slice, text, zdt_bytes};
use crate::error::zdt_error;
use crate::offer::Held;
use crate::sized::{SizeFirst, take};
use crate::takeover::{handle, zdt_takeover};
use libc::{sockaddr, socklen_t};
use std::ffi::{OsStr, c_char, c_int, c_void};
use std::mem::{MaybeUninit, offset_of, size_of};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use zdt_core::{Address, Companion, Frozen, NotMigrated, Result};

/// zdt_migrate takes no more for now: wait for ZDT_ROOM, then offer the same connection again.
pub const ZDT_FULL: c_int = 1;

/// An established stream socket (TCP or Unix), accepted or dialled, and all that belongs to it.
///
/// A predecessor fills one and gives it to zdt_migrate: everything is lent for the call. A successor gets one from
/// zdt_adopt: the descriptors are its own, and the bytes are there until zdt_connection_free.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_connection {
    /// Set by ZDT_CONNECTION_INIT.
    pub size: usize,
    /// The caller's own name for the connection (a pointer will do): ZDT_SETTLED and ZDT_RETURNED tell it. It does not
    /// travel; an adopted connection has the number that its offer had.
    pub id: u64,
    /// The socket.
    pub fd: c_int,
    /// Which form the state has; 0 where there is none.
    pub state_version: u32,
    /// What is spoken on it, for instance "http/1.1". At most 255 bytes.
    pub protocol: *const c_char,
    /// The application's own state.
    pub state: zdt_bytes,
    /// Bytes that were read from the socket and not used yet: the successor uses them before it reads on.
    pub unread: zdt_bytes,
    /// Bytes that were to be written and are not in the socket yet: the successor writes them before anything else.
    pub unsent: zdt_bytes,
    /// Further descriptors that belong to it and move with it or not at all (a proxy's upstream socket).
    pub companions: *const *const zdt_companion,
    /// How many.
    pub companion_count: usize,
    /// The socket's own address where it was told, else NULL: getsockname(2) knows it.
    pub local: *const sockaddr,
    /// The peer's address where it was told, else NULL: getpeername(2) knows it.
    pub peer: *const sockaddr,
    /// The length of local.
    pub local_length: socklen_t,
    /// The length of peer.
    pub peer_length: socklen_t,
    /// Dialled (connected) by us; else it was accepted.
    pub dialled: bool,
    /// Of an adopted connection: what its bytes lie in. libzdt's own; leave it alone.
    pub storage: *mut c_void,
}

// SAFETY: repr(C), size first, and 0 is a value of every field. LEAST: whoever adopts must know every descriptor.
unsafe impl SizeFirst for zdt_connection {
    const NAME: &'static str = "zdt_connection";
    const LEAST: usize = offset_of!(zdt_connection, storage) + size_of::<*mut c_void>();
}

/// A further descriptor that belongs to a connection, with the bytes on their way through it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_companion {
    /// Set by ZDT_COMPANION_INIT.
    pub size: usize,
    /// What it is to the connection, for instance "upstream". At most 255 bytes.
    pub name: *const c_char,
    /// The descriptor; -1 while the connection is on offer.
    pub fd: c_int,
    /// Bytes that were read from it and not used yet.
    pub unread: zdt_bytes,
    /// Bytes that were to be written to it and are not in it yet.
    pub unsent: zdt_bytes,
}

// SAFETY: repr(C), size first, and 0 is a value of every field.
unsafe impl SizeFirst for zdt_companion {
    const NAME: &'static str = "zdt_companion";
    const LEAST: usize = offset_of!(zdt_companion, unsent) + size_of::<zdt_bytes>();
}

/// Offers a frozen connection to the successor (predecessor, from ZDT_DRAIN with a successor on).
///
/// Freeze it first: out of the poller, nothing in flight. 0: it is on offer, and ZDT_SETTLED or ZDT_RETURNED follows with
/// its id; until then neither use nor close its descriptors. ZDT_FULL: nothing was done, wait for ZDT_ROOM and call again.
/// Negative: nothing was done, the connection is the caller's as it was; finish it here.
///
/// Owns: nothing; the bytes are copied before it returns, the descriptors stay the caller's. Blocks: never.
/// Errors: ZDT_ERROR_WRONG_STATE (nobody is there to take it), _TOO_LARGE, _NOT_READABLE,
/// _DESCRIPTOR_LIMIT (the successor has no room), _INVALID_ARGUMENT, _SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_migrate(
    t: *mut zdt_takeover,
    connection: *const zdt_connection,
    err: *mut *mut zdt_error,
) -> c_int {
    // SAFETY: the caller's pointers (zdt.h).
    call(err, || unsafe {
        let takeover = &handle(t)?.takeover;
        migrate(connection, |frozen| takeover.migrate(frozen))
    })
}

/// Offers what the caller lends by way of `migrate`: a takeover's, or a worker's.
///
/// # Safety
/// `connection` is NULL or the caller's, with pointers that are good for what their lengths say.
#[inline]
pub(crate) unsafe fn migrate(
    connection: *const zdt_connection,
    migrate: impl FnOnce(Frozen) -> std::result::Result<(), NotMigrated>,
) -> Result<c_int> {
    let mut whole = MaybeUninit::uninit();
    // SAFETY: the same promise.
    let frozen = unsafe { frozen(take(connection, &mut whole)?)? };
    let (mut copy, outcome) = match migrate(frozen) {
        Ok(()) => return Ok(0),
        Err(NotMigrated::Full(copy)) => (copy, Ok(ZDT_FULL)),
        Err(NotMigrated::Failed(copy, error)) => (copy, Err(error)),
    };
    copy.wipe(); // the caller has its own
    outcome
}

/// Wipes and frees the bytes of an adopted connection; its pointers are NULL and its lengths 0 afterwards.
///
/// The descriptors are untouched: whoever uses them ends them with shutdown() and close(). Call it once the state is
/// restored, unsent is written and unread is used. Of copies of one zdt_connection free only one. NULL, a connection
/// that was not adopted, and a second call are fine. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_connection_free(connection: *mut zdt_connection) {
    // SAFETY: NULL or a zdt_connection of the caller's (zdt.h); every caller's has all fields up to `storage`.
    let Some(connection) = (unsafe { connection.as_mut() }) else { return };
    if connection.storage.is_null() {
        return;
    }
    // SAFETY: `storage` is what `adopt` put there, and is freed once: it becomes NULL here.
    let mut held = unsafe { Box::from_raw(connection.storage.cast::<Held>()) };
    held.wipe();
    drop(held);
    connection.storage = ptr::null_mut();
    connection.protocol = ptr::null();
    (connection.state, connection.unread, connection.unsent) =
        (zdt_bytes::of(&[]), zdt_bytes::of(&[]), zdt_bytes::of(&[]));
    (connection.companions, connection.companion_count) = (ptr::null(), 0);
    (connection.local, connection.local_length) = (ptr::null(), 0);
    (connection.peer, connection.peer_length) = (ptr::null(), 0);
}

/// The core's form of what the caller lends, with the bytes copied.
///
/// # Safety
/// The pointers in it are good for what their lengths say.
#[inline]
unsafe fn frozen(c: &zdt_connection) -> Result<Frozen> {
    // SAFETY: the same promise, for each of them.
    unsafe {
        Ok(Frozen {
            id: c.id,
            socket: descriptor(c.fd, "fd")?,
            companions: companions(slice(c.companions, c.companion_count, "companions")?)?,
            protocol: text(c.protocol, "protocol")?.into(),
            state_version: c.state_version,
            state: c.state.copy("state")?,
            unread: c.unread.copy("unread")?,
            unsent: c.unsent.copy("unsent")?,
            local: address(c.local, c.local_length)?,
            peer: address(c.peer, c.peer_length)?,
            dialled: c.dialled,
        })
    }
}

/// # Safety
/// As for [`frozen`].
unsafe fn companions(given: &[*const zdt_companion]) -> Result<Vec<Companion<c_int>>> {
    let copy = |companion: &*const zdt_companion| {
        let mut whole = MaybeUninit::uninit();
        // SAFETY: the same promise.
        unsafe {
            let companion = take(*companion, &mut whole)?;
            Ok(Companion {
                name: text(companion.name, "the companion's name")?.into(),
                fd: descriptor(companion.fd, "the companion's fd")?,
                unread: companion.unread.copy("the companion's unread")?,
                unsent: companion.unsent.copy("the companion's unsent")?,
            })
        }
    };
    given.iter().map(copy).collect()
}

/// A number that can be a descriptor.
pub(crate) fn descriptor(fd: c_int, what: &str) -> Result<c_int> {
    if fd < 0 { Err(invalid(format!("{what} is {fd}"))) } else { Ok(fd) }
}

/// What a sockaddr says.
///
/// # Safety
/// `pointer` is NULL or points at `length` bytes.
#[inline]
unsafe fn address(pointer: *const sockaddr, length: socklen_t) -> Result<Option<Address>> {
    // SAFETY: the same promise.
    if pointer.is_null() { Ok(None) } else { unsafe { told(pointer, length) } }
}

/// # Safety
/// `pointer` points at `length` bytes.
unsafe fn told(pointer: *const sockaddr, length: socklen_t) -> Result<Option<Address>> {
    // SAFETY: the same promise.
    let bytes = unsafe { slice(pointer.cast::<u8>(), length as usize, "the address")? };
    // SAFETY: read only as far as the length says, for the family it says; unaligned, as bytes are.
    unsafe {
        let family = if bytes.len() < 2 { 0 } else { c_int::from(pointer.cast::<u16>().read_unaligned()) };
        Ok(Some(match family {
            libc::AF_INET if bytes.len() >= size_of::<libc::sockaddr_in>() => {
                let v4 = pointer.cast::<libc::sockaddr_in>().read_unaligned();
                let ip = v4.sin_addr.s_addr.to_ne_bytes().into();
                Address::Inet(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 if bytes.len() >= size_of::<libc::sockaddr_in6>() => {
                let v6 = pointer.cast::<libc::sockaddr_in6>().read_unaligned();
                let (ip, port) = (v6.sin6_addr.s6_addr.into(), u16::from_be(v6.sin6_port));
                Address::Inet(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            libc::AF_UNIX if bytes.len() == 2 => Address::Unnamed,
            libc::AF_UNIX if bytes[2] != 0 => {
                let path = bytes[2..].split(|byte| *byte == 0).next().unwrap_or_default();
                Address::Path(OsStr::from_bytes(path).into())
            }
            _ => return Err(invalid(format!("an address of family {family} and length {length}"))),
        }))
    }
}

/// An address as C reads it.
pub(crate) struct Told {
    storage: libc::sockaddr_storage,
    length: socklen_t,
}

impl Told {
    pub(crate) fn of(address: &Address) -> Box<Told> {
        // SAFETY: all bytes 0 is a sockaddr_storage.
        let mut told = Box::new(Told { storage: unsafe { std::mem::zeroed() }, length: 0 });
        match address {
            Address::Inet(SocketAddr::V4(v4)) => told.put(libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            }),
            Address::Inet(SocketAddr::V6(v6)) => told.put(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            }),
            Address::Path(path) => {
                let mut unix =
                    libc::sockaddr_un { sun_family: libc::AF_UNIX as libc::sa_family_t, sun_path: [0; 108] };
                // The last byte stays 0, whatever a peer sends.
                let bytes = path.as_os_str().as_bytes().iter().take(107);
                unix.sun_path.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte as c_char);
                told.put(unix);
            }
            Address::Unnamed => told.put(libc::AF_UNIX as libc::sa_family_t),
        }
        told
    }

    fn put<T>(&mut self, value: T) {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
        // SAFETY: it fits, and a sockaddr_storage is aligned for every kind of address.
        unsafe { ptr::from_mut(&mut self.storage).cast::<T>().write(value) };
        self.length = size_of::<T>() as socklen_t;
    }

    /// Pointer and length; NULL and 0 where nothing was told.
    pub(crate) fn shown(told: &Option<Box<Told>>) -> (*const sockaddr, socklen_t) {
        told.as_deref().map_or((ptr::null(), 0), |told| (ptr::from_ref(&told.storage).cast(), told.length))
    }
}

/// The views of a connection's companions, each by pointer: so zdt_companion can grow.
#[derive(Default)]
pub(crate) struct Companions {
    views: Vec<(zdt_companion, std::ffi::CString)>,
    pointers: Vec<*const zdt_companion>,
}

impl Companions {
    /// Views whose descriptors are not told yet.
    pub(crate) fn of<F>(companions: &[Companion<F>]) -> Companions {
        if companions.is_empty() {
            return Companions::default();
        }
        let view = |companion: &Companion<F>| {
            let name = edge::c_string(&companion.name);
            let view = zdt_companion {
                size: size_of::<zdt_companion>(),
                name: name.as_ptr(),
                fd: -1,
                unread: zdt_bytes::of(&companion.unread),
                unsent: zdt_bytes::of(&companion.unsent),
            };
            (view, name)
        };
        let views: Vec<_> = companions.iter().map(view).collect();
        let pointers = views.iter().map(|(view, _)| ptr::from_ref(view)).collect();
        Companions { views, pointers }
    }

    /// The same with the descriptors.
    pub(crate) fn tell(&mut self, companions: &[Companion<c_int>]) {
        for ((view, _), companion) in self.views.iter_mut().zip(companions) {
            view.fd = companion.fd;
            view.unread = zdt_bytes::of(&companion.unread);
            view.unsent = zdt_bytes::of(&companion.unsent);
        }
        // Made anew, since the views were borrowed to be changed; they are where they were.
        self.pointers = self.views.iter().map(|(view, _)| ptr::from_ref(view)).collect();
    }

    pub(crate) fn shown(&self) -> (*const *const zdt_companion, usize) {
        if self.pointers.is_empty() {
            (ptr::null(), 0)
        } else {
            (self.pointers.as_ptr(), self.pointers.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_comes_back_as_it_went() {
        let inet =
            ["1.2.3.4:80", "[fe80::1]:443", "0.0.0.0:0"].map(|text| Address::Inet(text.parse().unwrap()));
        let unix = [Address::Path("/run/x.sock".into()), Address::Unnamed];
        for told in inet.into_iter().chain(unix) {
            let c = Some(Told::of(&told));
            let (pointer, length) = Told::shown(&c);
            // SAFETY: made by `Told`.
            assert_eq!(unsafe { address(pointer, length) }.unwrap(), Some(told));
        }
    }

    #[test]
    fn an_address_that_is_cut_short_abstract_or_of_another_family_is_refused() {
        let v4 = Some(Told::of(&Address::Inet("1.2.3.4:80".parse().unwrap())));
        let (pointer, length) = Told::shown(&v4);
        for cut in [0, 1, 2, length - 1] {
            // SAFETY: shorter than what is there.
            assert!(unsafe { address(pointer, cut) }.is_err(), "{cut}");
        }
        let hidden = libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: [0; 108] };
        // SAFETY: that long.
        assert!(unsafe { address(ptr::from_ref(&hidden).cast(), 20) }.is_err());
        // SAFETY: NULL is nothing told.
        assert_eq!(unsafe { address(ptr::null(), 0) }.unwrap(), None);
    }

    #[test]
    fn a_path_longer_than_sun_path_is_cut_and_ends_in_nul() {
        let told = Told::of(&Address::Path("x".repeat(300).into()));
        // SAFETY: a sockaddr_un was put there.
        let unix = unsafe { ptr::from_ref(&told.storage).cast::<libc::sockaddr_un>().read() };
        assert_eq!(unix.sun_path[107], 0);
    }
}
