//! The name under which a takeover socket is bound before it is renamed over its path, and what a process that died in
//! between left behind.

use crate::sys::directory::Directory;
use crate::sys::unix;
use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::time::SystemTime;

/// What every such name of `path_name` begins with. Another path in the same directory has a lock of its own, under which
/// somebody may be just about to rename: so each has names of its own.
fn prefix(path_name: &OsStr) -> String {
    let mut hasher = DefaultHasher::new();
    path_name.hash(&mut hasher);
    format!(".zdt-{:08x}-", hasher.finish() as u32)
}

/// A name that nobody knows, for a socket that is to be renamed to `path_name`.
pub fn temporary_name(path_name: &OsStr) -> String {
    let random = RandomState::new().hash_one((std::process::id(), SystemTime::now()));
    format!("{}{random:016x}", prefix(path_name))
}

/// Removes the sockets with such a name at which nobody listens. To be called under the lock of `path_name`: then whoever
/// bound them is dead. What cannot be removed stays, and harms nobody.
pub fn remove_dead(directory: &Directory, path_name: &OsStr) {
    let prefix = prefix(path_name);
    let Ok(entries) = fs::read_dir(directory.at(OsStr::new("."))) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().and_then(|name| name.strip_prefix(&prefix)).is_some_and(is_random);
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_socket()) {
            continue;
        }
        let at = directory.at(&name);
        if unix::connect_seqpacket(&at).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            let _ = fs::remove_file(at);
        }
    }
}

fn is_random(digits: &str) -> bool {
    digits.len() == 16 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::super::path::{Claim, claim};
    use super::*;
    use crate::sys::testing::{TempDir, alone};
    use std::os::fd::AsFd;
    use std::time::Instant;

    /// The names in a directory, sorted.
    fn names(directory: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn whoever_becomes_the_first_removes_what_the_dead_left_behind_and_nothing_else() {
        // Not while another test forks: a child would keep the sockets open that are to be dead.
        alone(|| {
            let directory = TempDir::fresh();
            let at = |name: &str| directory.path().join(name);
            let (own, other) = (OsStr::new("zdt.sock"), OsStr::new("other.sock"));
            let dead = [temporary_name(own), temporary_name(own)];
            for name in &dead {
                drop(unix::bind_seqpacket(&at(name)).unwrap());
            }
            // Somebody is about to rename this one, under the lock of the other path.
            let others = temporary_name(other);
            let _about_to_listen = unix::bind_seqpacket(&at(&others)).unwrap();
            let listening = temporary_name(own);
            let socket = unix::bind_seqpacket(&at(&listening)).unwrap();
            unix::listen(socket.as_fd(), 1).unwrap();
            let file = temporary_name(own);
            fs::write(at(&file), "no socket").unwrap();
            let longer = format!("{}0", temporary_name(own));
            drop(unix::bind_seqpacket(&at(&longer)).unwrap());

            let claimed = claim(&at("zdt.sock"), &[], Instant::now());
            assert!(matches!(claimed, Ok(Claim::First(_))), "{claimed:?}");
            let mut left = vec![others, listening, file, longer, "zdt.sock".into(), "zdt.sock.lock".into()];
            left.sort();
            assert_eq!(names(&directory), left);
        });
    }
}
