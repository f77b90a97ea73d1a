//! What a listener is: bound here, or inherited and checked to be the same.

use crate::error::{Error, ErrorKind, Result};
use crate::sys::inet::{self, Family, Kind, Name, Switch};
use crate::sys::unix;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

mod bind;
mod text;

/// How many connections may wait where nothing else is said; the kernel caps it at net.core.somaxconn (4096).
const BACKLOG: u32 = 4096;

/// What to listen at: an address and how. A plain value; nothing is opened before [`bind`](ListenerSpec::bind).
///
/// In words, both ways: `tcp://0.0.0.0:8080`, `tcp://[::]:8080?v6only=1`, `udp://0.0.0.0:53`,
/// `unix:///run/app/x.sock?backlog=128&mode=0660`, `unix://@name` in the abstract namespace (options `backlog`, `v6only`,
/// `nodelay`, `reuseport`, `mode`; in a path or name, `%3f` is the byte 0x3f, and a path that begins with @ is `%40…`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListenerSpec {
    at: At,
    backlog: Option<u32>,
    v6only: bool,
    nodelay: bool,
    reuseport: bool,
    mode: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum At {
    Tcp(SocketAddr),
    Udp(SocketAddr),
    Unix(PathBuf),
    Abstract(Vec<u8>),
    /// `tcp` or `udp`, and what was given for an address of IP and port; an error when it is used.
    Unclear(&'static str, String),
}

impl ListenerSpec {
    /// TCP at an IP address and port, for instance `0.0.0.0:8080` or `[::]:8080`; port 0: any. Names are not resolved; an
    /// address that does not parse is an error of [`bind`](ListenerSpec::bind).
    pub fn tcp(address: impl AsRef<str>) -> ListenerSpec {
        let address = address.as_ref();
        ListenerSpec::at(address.parse().map_or_else(|_| At::Unclear("tcp", address.into()), At::Tcp))
    }

    /// UDP at an IP address and port, as for [`tcp`](ListenerSpec::tcp). There is nothing to accept: whoever has the
    /// descriptor reads datagrams from it, and those that wait when a successor takes over are the successor's to read.
    /// Options: `v6only`, `reuseport`.
    pub fn udp(address: impl AsRef<str>) -> ListenerSpec {
        let address = address.as_ref();
        ListenerSpec::at(address.parse().map_or_else(|_| At::Unclear("udp", address.into()), At::Udp))
    }

    /// A Unix stream socket at a path.
    pub fn unix(path: impl AsRef<Path>) -> ListenerSpec {
        ListenerSpec::at(At::Unix(path.as_ref().into()))
    }

    /// A Unix stream socket with a name in the abstract namespace (unix(7)): 1 to 107 bytes of any value, no file, gone
    /// with the last socket that has it. Every process of the same network namespace can reach it, whoever runs it: check
    /// the peer (SO_PEERCRED).
    pub fn abstract_unix(name: impl Into<Vec<u8>>) -> ListenerSpec {
        ListenerSpec::at(At::Abstract(name.into()))
    }

    fn at(at: At) -> ListenerSpec {
        ListenerSpec { at, backlog: None, v6only: false, nodelay: false, reuseport: false, mode: None }
    }

    /// How many connections may wait to be accepted (listen(2)); default 4096, and the kernel's own limit holds.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> ListenerSpec {
        self.backlog = Some(connections);
        self
    }

    /// Whether a listener at `[::]` leaves IPv4 alone (ipv6(7)); default no, so that it serves both.
    #[must_use]
    pub fn v6only(mut self, on: bool) -> ListenerSpec {
        self.v6only = on;
        self
    }

    /// Whether accepted sockets send small segments at once (TCP_NODELAY, tcp(7)); default no.
    #[must_use]
    pub fn nodelay(mut self, on: bool) -> ListenerSpec {
        self.nodelay = on;
        self
    }

    /// Whether other sockets of the same user may listen at the address too (SO_REUSEPORT, socket(7)); default no.
    #[must_use]
    pub fn reuseport(mut self, on: bool) -> ListenerSpec {
        self.reuseport = on;
        self
    }

    /// The mode of a Unix socket's file, for instance 0o660; by default the umask decides.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> ListenerSpec {
        self.mode = Some(mode);
        self
    }

    /// The same at another IP address and port.
    pub(crate) fn rebound(mut self, address: SocketAddr) -> ListenerSpec {
        self.at = match self.at {
            At::Udp(_) => At::Udp(address),
            _ => At::Tcp(address),
        };
        self
    }

    /// How many connections may wait.
    pub(crate) fn backlog_length(&self) -> u32 {
        self.backlog.unwrap_or(BACKLOG)
    }

    /// What this asks for of a socket that was bound as `bound` says: backlog and mode stay where nothing is said, and
    /// whether it shares its address was decided when it was bound.
    pub(crate) fn of_a_socket(&self, bound: &ListenerSpec) -> ListenerSpec {
        ListenerSpec {
            backlog: self.backlog.or(bound.backlog),
            mode: self.mode.or(bound.mode),
            reuseport: bound.reuseport,
            ..self.clone()
        }
    }

    /// Whether nobody else can have the address while a socket of this spec is open.
    pub(crate) fn excludes_others(&self) -> bool {
        match &self.at {
            At::Tcp(address) | At::Udp(address) => !self.reuseport && address.port() != 0,
            At::Unix(_) | At::Abstract(_) => true,
            At::Unclear(..) => false,
        }
    }

    /// Whether both are TCP, or both UDP, at the same port: then one may be in the way of the other.
    pub(crate) fn has_the_port_of(&self, other: &ListenerSpec) -> bool {
        match (&self.at, &other.at) {
            (At::Tcp(ours), At::Tcp(theirs)) | (At::Udp(ours), At::Udp(theirs)) => {
                ours.port() == theirs.port()
            }
            _ => false,
        }
    }

    /// The options as they travel: 1 v6only, 2 nodelay, 4 reuseport.
    pub(crate) fn options_bits(&self) -> u32 {
        u32::from(self.v6only) | u32::from(self.nodelay) << 1 | u32::from(self.reuseport) << 2
    }

    /// Whether `listener`, an inherited descriptor, is what this asks for: type, family, protocol, listening, address
    /// (port 0 matches any), v6only. Backlog and the other options are not looked at: they can differ between versions.
    ///
    /// # Errors
    /// `ListenerMismatch` says what was expected and what was found; `InvalidArgument` if this is no address;
    /// `System`.
    pub fn check(&self, listener: BorrowedFd<'_>) -> Result<()> {
        self.sensible()?;
        let asked = |call: &'static str| move |error| Error::system(call, &error);
        let Some(found) = inet::kind(listener).map_err(asked("getsockopt"))? else {
            return Err(self.mismatch("a descriptor that is no socket".into()));
        };
        let expected = match &self.at {
            At::Tcp(address) => Kind::listener(family(address)),
            At::Udp(address) => Kind::datagram(family(address)),
            At::Unix(_) | At::Abstract(_) => Kind::listener(Family::Unix),
            At::Unclear(_, text) => return Err(unclear(text)),
        };
        if found != expected {
            return Err(self.mismatch(text::difference(&expected, &found)));
        }
        let name = inet::name(listener).map_err(asked("getsockname"))?;
        let scheme = if expected.listening { "tcp" } else { "udp" };
        let same = match (&self.at, &name) {
            (At::Tcp(asked) | At::Udp(asked), Name::Inet(bound)) => {
                asked.ip() == bound.ip() && (asked.port() == 0 || asked.port() == bound.port())
            }
            (At::Unix(asked), Name::Path(bound)) => asked == bound,
            (At::Abstract(asked), Name::Abstract(bound)) => asked == bound,
            _ => false,
        };
        if !same {
            return Err(self.mismatch(text::name(scheme, &name)));
        }
        // An IPv6 socket at one address has IPv4 shut out by the kernel, whatever was asked.
        if matches!(&self.at, At::Tcp(SocketAddr::V6(address)) | At::Udp(SocketAddr::V6(address)) if address.ip().is_unspecified())
        {
            let v6only = inet::is_set(listener, Switch::V6Only).map_err(asked("getsockopt IPV6_V6ONLY"))?;
            if v6only != self.v6only {
                return Err(self.mismatch(format!(
                    "{} with v6only={}",
                    text::name(scheme, &name),
                    u8::from(v6only)
                )));
            }
        }
        Ok(())
    }

    /// Whether the options go together.
    fn sensible(&self) -> Result<()> {
        let inet_only = self.v6only || self.nodelay || self.reuseport;
        let what = match &self.at {
            At::Unix(path) => match path.as_os_str().len() {
                0 => "the path is empty".into(),
                length if length > unix::MAX_PATH => {
                    let what = format!(
                        "{} has {length} bytes, a socket's path at most {}",
                        path.display(),
                        unix::MAX_PATH
                    );
                    return Err(Error::new(ErrorKind::PathTooLong, what, "choose a shorter path"));
                }
                _ if inet_only => format!("{self}: v6only, nodelay and reuseport are for IP"),
                _ if path.as_os_str().as_bytes().contains(&0) => format!("{self}: a path has no NUL"),
                _ => return Ok(()),
            },
            _ if self.mode.is_some() => format!("{self}: a mode is for a Unix socket's file"),
            At::Abstract(name) if !(1..=unix::MAX_PATH).contains(&name.len()) => {
                format!("an abstract name of {} bytes; it has 1 to {}", name.len(), unix::MAX_PATH)
            }
            At::Abstract(_) if inet_only => format!("{self}: v6only, nodelay and reuseport are for IP"),
            At::Udp(_) if self.nodelay || self.backlog.is_some() => {
                format!("{self}: nodelay and backlog are for what accepts connections")
            }
            At::Tcp(address) | At::Udp(address) if self.v6only && address.is_ipv4() => {
                format!("{self}: v6only is for IPv6")
            }
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::InvalidArgument, what, "nothing was opened"))
    }

    fn mismatch(&self, found: String) -> Error {
        let what = format!("expected {self}, inherited {found}");
        let now = "ask for what the predecessor has, or let on_mismatch bind the new one and retire it";
        Error::new(ErrorKind::ListenerMismatch, what, now)
    }

    fn failed(&self, call: &str, error: &io::Error) -> Error {
        let failed = Error::system(&format!("{call} at {self}"), error);
        match error.kind() {
            io::ErrorKind::AddrInUse => Error::new(
                ErrorKind::AddressInUse,
                format!("another socket has the address of {self}"),
                "stop who holds it (`ss -tlnp`, `ss -ulnp`, `ss -xlp`), or take over from it through its takeover socket",
            ),
            io::ErrorKind::PermissionDenied if matches!(self.at, At::Tcp(_) | At::Udp(_)) => {
                failed.now("ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE")
            }
            io::ErrorKind::AddrNotAvailable => failed.now("no interface of this machine has the address"),
            _ => failed,
        }
    }
}

/// How many connections wait to be accepted on a TCP listener; nothing for a socket of another kind (of a Unix listener
/// the kernel does not say). Does not block.
pub fn queue_length(listener: BorrowedFd<'_>) -> Option<u32> {
    let tcp = [Family::V4, Family::V6].map(Kind::listener);
    let listens = matches!(inet::kind(listener), Ok(Some(kind)) if tcp.contains(&kind));
    listens.then(|| inet::queue_length(listener).ok()).flatten()
}

/// Whether a connection waits to be accepted from a listener, or a datagram to be read. Does not block.
pub fn is_unserved(listener: BorrowedFd<'_>) -> bool {
    inet::is_readable(listener).unwrap_or(false)
}

fn family(address: &SocketAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

fn unclear(text: &str) -> Error {
    let what = format!("{text:?} is no IP address with a port");
    Error::new(
        ErrorKind::InvalidArgument,
        what,
        "names are not resolved: give for instance 0.0.0.0:8080 or [::]:8080",
    )
}

impl fmt::Display for ListenerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}

#[cfg(test)]
mod tests;
