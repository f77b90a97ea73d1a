//! What a connection is: an established stream socket, with everything that must travel with it.

use crate::sys::wipe::wipe;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;

/// An established stream socket (TCP or Unix), accepted or dialled, and all that belongs to it.
///
/// Its bytes may be what clients believe to be private: `Debug` shows how many there are, and whoever has used them
/// [`wipe`](Connection::wipe)s them. libzdt does so with what it holds.
///
/// `F` says who owns the descriptors. A predecessor gives [`Frozen`] connections to
/// [`Takeover::migrate`](crate::Takeover::migrate): it lends raw descriptors and keeps its own objects. A successor gets
/// [`Adopted`] ones from [`Offer::adopt`](crate::Offer::adopt): it owns them.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection<F> {
    /// The caller's own name for the connection: whatever finds its objects again in `Settled` and `Returned`. It does
    /// not travel; an adopted connection has the number that its offer had.
    pub id: u64,
    /// The socket.
    pub socket: F,
    /// Further descriptors that belong to the connection and move with it or not at all (a proxy's upstream socket).
    pub companions: Vec<Companion<F>>,
    /// What is spoken on it, for instance `http/1.1` or `relay`. At most 255 bytes.
    pub protocol: Protocol,
    /// Which form `state` has; 0 where there is no state.
    pub state_version: u32,
    /// The application's own state.
    pub state: Vec<u8>,
    /// Bytes that were read from the socket and not used yet: the successor uses them before it reads on.
    pub unread: Vec<u8>,
    /// Bytes that were to be written and are not in the socket yet: the successor writes them before anything else.
    pub unsent: Vec<u8>,
    /// The socket's own address, where it was told; else `getsockname` knows it.
    pub local: Option<Address>,
    /// The peer's address, where it was told; else `getpeername` knows it.
    pub peer: Option<Address>,
    /// Whether we dialled (connected); else it was accepted.
    pub dialled: bool,
}

/// The name of what is spoken on a connection. A clone shares the text, so that thousands of connections cost one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Protocol(Arc<str>);

impl Default for Protocol {
    fn default() -> Protocol {
        Protocol("".into())
    }
}

impl Deref for Protocol {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Arc<str>>> From<T> for Protocol {
    fn from(name: T) -> Protocol {
        Protocol(name.into())
    }
}

impl PartialEq<str> for Protocol {
    fn eq(&self, name: &str) -> bool {
        **self == *name
    }
}

impl PartialEq<&str> for Protocol {
    fn eq(&self, name: &&str) -> bool {
        **self == **name
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// A further descriptor that belongs to a connection, with the bytes on their way through it.
#[derive(Clone, PartialEq, Eq)]
pub struct Companion<F> {
    /// What it is to the connection, for instance `upstream`. At most 255 bytes.
    pub name: String,
    /// The descriptor.
    pub fd: F,
    /// Bytes that were read from it and not used yet.
    pub unread: Vec<u8>,
    /// Bytes that were to be written to it and are not in it yet.
    pub unsent: Vec<u8>,
}

/// A connection that its owner has frozen and lends: the descriptors stay the caller's.
pub type Frozen = Connection<RawFd>;

/// A connection that was adopted: the descriptors are the caller's to shut down and close.
pub type Adopted = Connection<OwnedFd>;

/// The address of a stream socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP over IPv4 or IPv6.
    Inet(SocketAddr),
    /// A Unix socket at a path.
    Path(PathBuf),
    /// A Unix socket without a name (an end of a socketpair, or one that connected without binding).
    Unnamed,
}

impl<F> Connection<F> {
    /// A connection of `socket` with nothing else to carry; the fields are public, fill in what there is.
    pub fn new(id: u64, socket: F, protocol: impl Into<Protocol>) -> Connection<F> {
        Connection {
            id,
            socket,
            companions: Vec::new(),
            protocol: protocol.into(),
            state_version: 0,
            state: Vec::new(),
            unread: Vec::new(),
            unsent: Vec::new(),
            local: None,
            peer: None,
            dialled: false,
        }
    }

    /// How many descriptors it has, companions included.
    pub fn descriptors(&self) -> usize {
        1 + self.companions.len()
    }

    /// Overwrites state, unread and unsent bytes, companions' included, and empties them. What was copied elsewhere, and
    /// what a vector left behind as it grew, it cannot reach.
    pub fn wipe(&mut self) {
        let companions = self.companions.iter_mut().flat_map(|c| [&mut c.unread, &mut c.unsent]);
        for bytes in [&mut self.state, &mut self.unread, &mut self.unsent].into_iter().chain(companions) {
            if !bytes.is_empty() {
                wipe(bytes);
                bytes.clear();
            }
        }
    }
}

impl<F: fmt::Debug> fmt::Debug for Connection<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("socket", &self.socket)
            .field("companions", &self.companions)
            .field("protocol", &self.protocol)
            .field("state_version", &self.state_version)
            .field("state", &Length(&self.state))
            .field("unread", &Length(&self.unread))
            .field("unsent", &Length(&self.unsent))
            .field("local", &self.local)
            .field("peer", &self.peer)
            .field("dialled", &self.dialled)
            .finish()
    }
}

impl<F: fmt::Debug> fmt::Debug for Companion<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Companion")
            .field("name", &self.name)
            .field("fd", &self.fd)
            .field("unread", &Length(&self.unread))
            .field("unsent", &Length(&self.unsent))
            .finish()
    }
}

/// How many bytes there are, and not which.
struct Length<'a>(&'a [u8]);

impl fmt::Debug for Length<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A connection in libzdt's hands: its bytes are wiped when it is dropped, unless it is taken out.
#[derive(Debug)]
pub(crate) struct Kept<F>(Option<Connection<F>>);

impl<F> Kept<F> {
    pub(crate) fn new(connection: Connection<F>) -> Kept<F> {
        Kept(Some(connection))
    }

    pub(crate) fn nothing() -> Kept<F> {
        Kept(None)
    }

    pub(crate) fn get(&self) -> Option<&Connection<F>> {
        self.0.as_ref()
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut Connection<F>> {
        self.0.as_mut()
    }

    pub(crate) fn take(&mut self) -> Option<Connection<F>> {
        self.0.take()
    }
}

impl<F> Drop for Kept<F> {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.wipe();
        }
    }
}
