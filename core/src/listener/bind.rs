//! How a listener is opened, and what of it can be set while it is in use.

use super::{At, ListenerSpec, family, unclear};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::directory::FileLock;
use crate::sys::inet::{self, Family, Kind, Switch};
use crate::sys::unix;
use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long binding waits for the lock of a path, which others hold for microseconds.
const LOCK: Duration = Duration::from_secs(5);

impl ListenerSpec {
    /// Binds and listens. The descriptor (close-on-exec, non-blocking) is the caller's. Blocks only for a Unix path,
    /// for up to 5 s while others hold its lock.
    ///
    /// A Unix path at which nobody listens any more is replaced: under a lock on `PATH.lock`, which stays there, and
    /// after another look. It is bound in place, so that the socket's own name is the path that it is found at.
    ///
    /// # Errors
    /// `InvalidArgument`, `PathTooLong`, `AddressInUse`, `DirectoryMissing`, `ForeignFile` (something other than a
    /// socket lies at the path), `Busy` (the lock), `System`. Nothing is left behind.
    pub fn bind(&self) -> Result<OwnedFd> {
        self.sensible()?;
        match &self.at {
            At::Tcp(address) => self.bind_inet(Kind::listener(family(address)), address),
            At::Udp(address) => self.bind_inet(Kind::datagram(family(address)), address),
            At::Unix(path) => self.bind_unix(path),
            At::Abstract(name) => self.bind_abstract(name),
            At::Unclear(_, text) => Err(unclear(text)),
        }
    }

    fn bind_inet(&self, kind: Kind, address: &SocketAddr) -> Result<OwnedFd> {
        let open = || {
            let listener = inet::socket_of(kind)?;
            let socket = listener.as_fd();
            // For UDP it would let another program take the datagrams (socket(7)).
            inet::set(socket, Switch::ReuseAddress, kind.listening)?;
            if address.is_ipv6() {
                // Always said, since the default is a sysctl.
                inet::set(socket, Switch::V6Only, self.v6only)?;
            }
            if self.nodelay {
                inet::set(socket, Switch::NoDelay, true)?;
            }
            if self.reuseport {
                inet::set(socket, Switch::ReusePort, true)?;
            }
            inet::bind(socket, address)?;
            if kind.listening {
                self.listen(socket)?;
            }
            Ok(listener)
        };
        open().map_err(|error| self.failed("bind", &error))
    }

    fn bind_abstract(&self, name: &[u8]) -> Result<OwnedFd> {
        let open = || {
            let listener = inet::socket(Family::Unix)?;
            inet::bind_abstract(listener.as_fd(), name)?;
            self.listen(listener.as_fd())?;
            Ok(listener)
        };
        open().map_err(|error| self.failed("bind", &error))
    }

    fn bind_unix(&self, path: &Path) -> Result<OwnedFd> {
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let locking = |error| match io::Error::kind(&error) {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                let what = format!("{}: its directory does not exist", path.display());
                Error::new(ErrorKind::DirectoryMissing, what, "create the directory, then call again")
            }
            _ => Error::system(&format!("lock {}", Path::new(&lock_path).display()), &error),
        };
        let lock = FileLock::open(Path::new(&lock_path)).map_err(locking)?;
        if !lock.acquire(Instant::now() + LOCK).map_err(locking)? {
            let what = format!("another process holds {}", Path::new(&lock_path).display());
            return Err(Error::new(ErrorKind::Busy, what, "nothing was changed; call again"));
        }
        self.clear_path(path)?;
        let listener = inet::socket(Family::Unix).map_err(|error| self.failed("socket", &error))?;
        inet::bind_path(listener.as_fd(), path).map_err(|error| self.failed("bind", &error))?;
        let opened = self.mode.map_or(Ok(()), |mode| fs::set_permissions(path, Permissions::from_mode(mode)));
        if let Err(error) = opened.and_then(|()| self.listen(listener.as_fd())) {
            let _ = fs::remove_file(path);
            return Err(self.failed("chmod or listen", &error));
        }
        Ok(listener)
    }

    /// Removes a socket at which nobody listens. The lock is held, so nobody has bound it and is about to listen.
    fn clear_path(&self, path: &Path) -> Result<()> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed("lstat", &error)),
            Ok(found) if !found.file_type().is_socket() => {
                let what = format!("{} is not a socket", path.display());
                let now = "it was left alone; remove it if nobody needs it, or use another path";
                return Err(Error::new(ErrorKind::ForeignFile, what, now));
            }
            Ok(_) => {}
        }
        let gone = match inet::knock(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
            // Accepted, or alive though not for us: a full backlog, another type of socket.
            _ => Err(io::ErrorKind::AddrInUse.into()),
        };
        gone.map_err(|error| self.failed("replace the socket", &error))
    }

    /// Sets what can be set on a socket that is in use: backlog, nodelay, the mode of its file. What cannot be set stays
    /// as it is.
    pub(crate) fn apply(&self, listener: BorrowedFd<'_>) {
        let _ = match &self.at {
            At::Tcp(_) => {
                inet::set(listener, Switch::NoDelay, self.nodelay).and_then(|()| self.listen(listener))
            }
            At::Unix(path) => {
                let mode = self.mode.map(Permissions::from_mode);
                mode.map_or(Ok(()), |mode| fs::set_permissions(path, mode)).and(self.listen(listener))
            }
            At::Abstract(_) => self.listen(listener),
            At::Udp(_) | At::Unclear(..) => Ok(()),
        };
    }

    fn listen(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        unix::listen(socket, i32::try_from(self.backlog_length()).unwrap_or(i32::MAX))
    }
}
