//! The path of the takeover socket: who waits there, and how a dead one is replaced.
//!
//! The rule: connect; if nobody listens, lock `PATH.lock` (never removed, held only for this), connect again, and only
//! if there is still nobody, bind and listen under a temporary name and rename that over the path. So of any number of
//! processes that find a dead path one becomes the first, and no newcomer ever finds a socket that does not listen yet.

use super::leftovers;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Role};
use crate::sys::directory::{Directory, FileLock};
use crate::sys::process::{Credentials, effective_uid, peer_credentials};
use crate::sys::unix;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How many newcomers may wait at the takeover socket.
pub const BACKLOG: i32 = 64;

/// How long leaving waits for the lock, which others hold for microseconds.
const LEAVING: Duration = Duration::from_secs(1);

/// What [`claim`] found at the path.
#[derive(Debug)]
pub enum Claim {
    /// Somebody waits there: the link to them, and who they are (whoever called listen() last).
    Found(OwnedFd, Credentials),
    /// Nobody did: the takeover socket, bound, mode 0600, listening and in place.
    First(OwnedFd),
}

/// Connects to whoever waits at `path`, or becomes the first there; blocks until `deadline` at the latest.
///
/// Trusted are our own effective user, root and `allowed_uids`: as owner of the directory, in which others may write only
/// if it has the sticky bit; of what lies at the path, if anything, which must be a socket; and as peer, before anything
/// moves.
///
/// Errors: [`InvalidArgument`](ErrorKind::InvalidArgument), [`PathTooLong`](ErrorKind::PathTooLong),
/// [`DirectoryMissing`](ErrorKind::DirectoryMissing), [`UnsafeDirectory`](ErrorKind::UnsafeDirectory),
/// [`ForeignFile`](ErrorKind::ForeignFile); [`WrongUser`](ErrorKind::WrongUser), with the pid of the peer where it is
/// known; [`NoAnswer`](ErrorKind::NoAnswer) if its backlog stayed full; [`Busy`](ErrorKind::Busy) if others held the
/// lock; [`System`](ErrorKind::System). After an error the path is as it was, and whoever serves goes on.
pub fn claim(path: &Path, allowed_uids: &[u32], deadline: Instant) -> Result<Claim> {
    let place = Place::open(path, allowed_uids)?;
    place.check_directory()?;
    loop {
        let mut seen = place.connect()?;
        if let Seen::Nobody = seen {
            let _lock = place.lock(deadline)?;
            seen = place.connect()?;
            if let Seen::Nobody = seen {
                place.check_owner()?;
                return place.bind().map(Claim::First);
            }
        }
        match seen {
            Seen::Waiting(link) => return place.check_peer(&link).map(|peer| Claim::Found(link, peer)),
            _ if Instant::now() >= deadline => {
                return Err(Error::new(
                    ErrorKind::NoAnswer,
                    format!("the process at {} answers nobody, its backlog is full", path.display()),
                    "nothing was changed; call again, and if it hangs end it (`ss -xlp` shows who it is)",
                ));
            }
            _ => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Removes `path`, under the lock, if it leads to `socket`, and says whether it did. For the last owner, before it closes
/// the takeover socket, which must still listen; one that inherited it can do this too. Blocks for a second at most.
///
/// The inode of a bound socket cannot be had from its descriptor, but whoever connects to it learns the name that it was
/// bound to, and our temporary names are drawn at random: so it connects, and compares. What that leaves in the backlog
/// goes with the socket. Errors leave the path as it was, which is harmless: a dead one is replaced by the rule.
pub fn unlink_own(path: &Path, socket: BorrowedFd<'_>) -> Result<bool> {
    let place = Place::open(path, &[])?;
    let _lock = place.lock(Instant::now() + LEAVING)?;
    // Newcomers that nobody welcomed must not keep us out of our own backlog.
    unix::listen(socket, i32::MAX).map_err(|error| place.system("listen", &error))?;
    let ours = unix::bound_name(socket).map_err(|error| place.system("getsockname", &error))?;
    let link = match place.connect() {
        Ok(Seen::Waiting(link)) => link,
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == ErrorKind::ForeignFile => return Ok(false),
        Err(error) => return Err(error),
    };
    let found = unix::peer_name(link.as_fd()).map_err(|error| place.system("getpeername", &error))?;
    if ours.is_empty() || ours != found {
        return Ok(false);
    }
    fault::point(Role::Owner, "before", "unlink");
    fs::remove_file(place.at()).map_err(|error| place.system("unlink", &error))?;
    fault::point(Role::Owner, "after", "unlink");
    Ok(true)
}

/// What a connection attempt showed.
enum Seen {
    Waiting(OwnedFd),
    Full,
    Nobody,
}

/// A path whose directory is held open, so that everything happens in the same one.
struct Place<'a> {
    path: &'a Path,
    name: &'a OsStr,
    directory: Directory,
    allowed_uids: &'a [u32],
}

impl<'a> Place<'a> {
    fn open(path: &'a Path, allowed_uids: &'a [u32]) -> Result<Place<'a>> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.len() > unix::MAX_PATH {
            return Err(Error::new(
                ErrorKind::PathTooLong,
                format!(
                    "{} has {} bytes, a socket's path at most {}",
                    path.display(),
                    bytes.len(),
                    unix::MAX_PATH
                ),
                "nothing was changed; choose a shorter path",
            ));
        }
        let (Some(name), Some(parent), false) = (path.file_name(), path.parent(), bytes.contains(&0)) else {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("{path:?} does not name a file"),
                "nothing was changed; give a path such as /run/app/zdt.sock",
            ));
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let directory = Directory::open(parent).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::new(
                ErrorKind::DirectoryMissing,
                format!("there is no directory {}", parent.display()),
                "nothing was changed; create it (mode 0700), then call again",
            ),
            _ => Error::system(&format!("open {}", parent.display()), &error).now("nothing was changed"),
        })?;
        Ok(Place { path, name, directory, allowed_uids })
    }

    fn at(&self) -> PathBuf {
        self.directory.at(self.name)
    }

    fn trusts(&self, uid: u32) -> bool {
        uid == effective_uid() || uid == 0 || self.allowed_uids.contains(&uid)
    }

    fn check_directory(&self) -> Result<()> {
        let found = self.directory.metadata().map_err(|error| self.system("stat the directory", &error))?;
        let shared = found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0;
        let trusted = self.trusts(found.uid());
        if trusted && !shared {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::UnsafeDirectory,
            format!(
                "others can replace {}: its directory has mode {:04o} and belongs to user {}",
                self.path.display(),
                found.mode() & 0o7777,
                found.uid()
            ),
            match trusted {
                true => "nothing was changed; chmod go-w the directory, then call again",
                false => "nothing was changed; use a directory of our own user or root",
            },
        ))
    }

    /// What lies at the path, before anybody connects, since connect() would follow a symlink. The owner is not judged
    /// yet: a live peer's credentials say more.
    fn check_kind(&self) -> Result<Option<fs::Metadata>> {
        match fs::symlink_metadata(self.at()) {
            Ok(found) if found.file_type().is_socket() => Ok(Some(found)),
            Ok(found) if found.is_symlink() => Err(self.foreign(self.path, "is a symlink")),
            Ok(_) => Err(self.foreign(self.path, "is not a socket")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.system("lstat", &error)),
        }
    }

    fn check_owner(&self) -> Result<()> {
        match self.check_kind()? {
            Some(found) if !self.trusts(found.uid()) => {
                Err(self.foreign(self.path, &format!("belongs to user {}", found.uid())))
            }
            _ => Ok(()),
        }
    }

    fn connect(&self) -> Result<Seen> {
        let found = self.check_kind()?;
        match unix::connect_seqpacket(&self.at()) {
            Ok(link) => Ok(Seen::Waiting(link)),
            Err(error) if unix::is_wrong_type(&error) => {
                Err(self.foreign(self.path, "is a socket of another type, in use"))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Ok(Seen::Full),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(Seen::Nobody),
                io::ErrorKind::PermissionDenied => {
                    let uid =
                        found.map_or_else(String::new, |found| format!(", which is user {}'s", found.uid()));
                    Err(self.wrong_user(format!("we may not connect to {}{uid}", self.path.display())))
                }
                _ => Err(self.system("connect", &error)),
            },
        }
    }

    fn check_peer(&self, link: &OwnedFd) -> Result<Credentials> {
        let peer =
            peer_credentials(link.as_fd()).map_err(|error| self.system("getsockopt SO_PEERCRED", &error))?;
        if self.trusts(peer.uid) {
            return Ok(peer);
        }
        let what = format!("process {} at {} runs as user {}", peer.pid, self.path.display(), peer.uid);
        Err(self.wrong_user(what).with_pid(peer.pid))
    }

    fn lock(&self, deadline: Instant) -> Result<FileLock> {
        let mut name = OsString::from(self.name);
        name.push(".lock");
        let path = self.path.with_file_name(&name);
        let failed =
            |error| Error::system(&format!("lock {}", path.display()), &error).now("nothing was changed");
        let lock = FileLock::open(&self.directory.at(&name)).map_err(failed)?;
        if lock.acquire(deadline).map_err(failed)? {
            return Ok(lock);
        }
        // In a directory with the sticky bit a stranger can hold it for ever; that must not look like a short delay.
        let owner = lock.metadata().map_err(failed)?.uid();
        if !self.trusts(owner) {
            return Err(self.foreign(&path, &format!("belongs to user {owner}, and is locked")));
        }
        Err(Error::new(
            ErrorKind::Busy,
            format!("another process holds {}", path.display()),
            "nothing was changed; call again (`fuser` shows who it is)",
        ))
    }

    /// Binds and listens under a name that nobody knows, then takes the path over in one step.
    fn bind(&self) -> Result<OwnedFd> {
        leftovers::remove_dead(&self.directory, self.name);
        let temporary = self.directory.at(OsStr::new(&leftovers::temporary_name(self.name)));
        let socket = unix::bind_seqpacket(&temporary).map_err(|error| self.system("bind", &error))?;
        fault::point(Role::Owner, "after", "bind");
        let placed = fs::set_permissions(&temporary, Permissions::from_mode(0o600))
            .and_then(|()| unix::listen(socket.as_fd(), BACKLOG))
            .and_then(|()| fs::rename(&temporary, self.at()));
        match placed {
            Ok(()) => {
                fault::point(Role::Owner, "after", "rename");
                Ok(socket)
            }
            Err(error) => {
                let _ = fs::remove_file(&temporary);
                Err(self.system("chmod, listen and rename", &error))
            }
        }
    }

    fn foreign(&self, path: &Path, what: &str) -> Error {
        Error::new(
            ErrorKind::ForeignFile,
            format!("{} {what}", path.display()),
            "it was left alone; remove it if nobody needs it, or use another path",
        )
    }

    fn wrong_user(&self, what: String) -> Error {
        let now = "nothing was changed; run as the same user, or list it among the allowed ones";
        Error::new(ErrorKind::WrongUser, what, now)
    }

    fn system(&self, call: &str, error: &io::Error) -> Error {
        Error::system(&format!("{call} at {}", self.path.display()), error).now("nothing was changed")
    }
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
