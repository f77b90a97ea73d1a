//! What a connection is: an established stream socket, with everything that must travel with it.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;

/// An established stream socket (TCP or Unix), accepted or dialled, and all that belongs to it.
///
/// `F` says who owns the descriptors. A predecessor gives [`Frozen`] connections to
/// [`Takeover::migrate`](crate::Takeover::migrate): it lends raw descriptors and keeps its own objects. A successor gets
/// [`Adopted`] ones from [`Offer::adopt`](crate::Offer::adopt): it owns them.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
}
