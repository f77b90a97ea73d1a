use super::*;
use crate::sys::scm_rights;
use crate::sys::testing::{Child, TempDir, alone, become_nobody, in_child, open_count};
use std::io::IoSlice;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::Barrier;

const NOBODY: u32 = 65534;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn first(path: &Path) -> OwnedFd {
    match claim(path, &[], soon()).unwrap() {
        Claim::First(socket) => socket,
        found => panic!("{found:?}"),
    }
}

fn found(path: &Path) -> (OwnedFd, Credentials) {
    match claim(path, &[], soon()).unwrap() {
        Claim::Found(link, peer) => (link, peer),
        first => panic!("{first:?}"),
    }
}

/// What there is to check before anyone connects.
fn check(path: &Path) -> Result<()> {
    let place = Place::open(path, &[])?;
    place.check_directory()?;
    place.check_owner()
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    let error = result.err().expect("an error");
    assert!(!error.state().is_empty(), "{error} does not say what to do");
    error.kind()
}

/// The names in a directory.
fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A child that does `body` as the user nobody and stays; none where this process may not change its user.
fn as_nobody<T>(body: impl FnOnce() -> T) -> Option<Child> {
    let (here, there) = unix::pair().unwrap();
    let child = Child::new(|| {
        let _kept = become_nobody().then(body);
        let told: &[u8] = if _kept.is_some() { b"y" } else { b"n" };
        scm_rights::send(there.as_fd(), &[IoSlice::new(told)], &[], false).unwrap();
        thread::sleep(Duration::from_secs(60));
    });
    drop(there);
    let mut told = [0];
    while scm_rights::receive(here.as_fd(), &mut told, &mut Vec::new(), false).is_err() {
        thread::sleep(Duration::from_millis(1));
    }
    assert_ne!(told, [0], "the child failed");
    (told == *b"y").then_some(child)
}

#[test]
fn the_first_one_listens_with_mode_0600_and_the_next_one_finds_it() {
    let directory = TempDir::fresh();
    let path = directory.path().join("s");
    check(&path).unwrap();
    let socket = first(&path);
    check(&path).unwrap();
    assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(names(&directory), ["s", "s.lock"]);
    let (link, peer) = found(&path);
    assert_eq!((peer.pid, peer.uid), (std::process::id(), effective_uid()));
    let accepted = unix::accept(socket.as_fd()).unwrap();
    scm_rights::send(accepted.as_fd(), &[IoSlice::new(b"hi")], &[], false).unwrap();
    assert_eq!(scm_rights::receive(link.as_fd(), &mut [0; 8], &mut Vec::new(), false).unwrap().bytes, 2);
}

#[test]
fn a_relative_path_without_a_directory_is_one_in_this_directory() {
    let name = format!("zdt-relative-{}", std::process::id());
    let socket = first(Path::new(&name));
    assert!(unlink_own(Path::new(&name), socket.as_fd()).unwrap());
    fs::remove_file(name + ".lock").unwrap();
}

#[test]
fn a_dead_path_is_taken_over_and_the_lock_file_stays() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("s");
        drop(first(&path));
        let dead = fs::symlink_metadata(&path).unwrap().ino();
        let _socket = first(&path);
        assert_ne!(fs::symlink_metadata(&path).unwrap().ino(), dead);
        assert_eq!(names(&directory), ["s", "s.lock"]);
        found(&path);
    });
}

#[test]
fn of_many_that_race_for_a_dead_path_one_is_the_first_and_all_others_find_it() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("s");
        drop(first(&path));
        for _ in 0..100 {
            let start = Barrier::new(4);
            let race = || {
                start.wait();
                claim(&path, &[], soon()).unwrap()
            };
            let claims: Vec<Claim> = thread::scope(|scope| {
                let racers: Vec<_> = (0..4).map(|_| scope.spawn(race)).collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).collect()
            });
            let mut firsts = claims.iter().filter_map(|claim| match claim {
                Claim::First(socket) => Some(socket),
                Claim::Found(..) => None,
            });
            let first = firsts.next().expect("a first one");
            assert!(firsts.next().is_none());
            for _ in 0..3 {
                unix::accept(first.as_fd()).expect("every other one waits at it");
            }
        }
        assert_eq!(names(&directory), ["s", "s.lock"]);
    });
}

#[test]
fn a_child_forked_meanwhile_keeps_no_lock() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("s");
        let place = Place::open(&path, &[]).unwrap();
        let lock = place.lock(soon()).unwrap();
        let _child = Child::new(|| thread::sleep(Duration::from_secs(60)));
        assert_eq!(kind(claim(&path, &[], Instant::now())), ErrorKind::Busy);
        drop(lock);
        claim(&path, &[], Instant::now()).unwrap();
    });
}

#[test]
fn a_locked_path_is_busy_at_the_deadline_and_free_when_the_lock_is() {
    let directory = TempDir::fresh();
    let path = directory.path().join("s");
    let place = Place::open(&path, &[]).unwrap();
    let lock = place.lock(soon()).unwrap();
    let start = Instant::now();
    assert_eq!(kind(claim(&path, &[], start + Duration::from_millis(50))), ErrorKind::Busy);
    assert!(start.elapsed() >= Duration::from_millis(50));
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(30));
            drop(lock);
        });
        first(&path);
    });
}

#[test]
fn a_lock_held_by_others_does_not_keep_anyone_from_a_living_owner() {
    let directory = TempDir::fresh();
    let path = directory.path().join("s");
    let _socket = first(&path);
    let place = Place::open(&path, &[]).unwrap();
    let _lock = place.lock(soon()).unwrap();
    found(&path);
}

#[test]
fn a_full_backlog_is_no_answer_at_the_deadline_and_room_before_it_is_used() {
    let directory = TempDir::fresh();
    let path = directory.path().join("s");
    let socket = first(&path);
    unix::listen(socket.as_fd(), 0).unwrap();
    let _waiting = found(&path);
    let start = Instant::now();
    assert_eq!(kind(claim(&path, &[], start + Duration::from_millis(50))), ErrorKind::NoAnswer);
    assert!(start.elapsed() >= Duration::from_millis(50));
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(30));
            unix::accept(socket.as_fd()).unwrap();
        });
        found(&path);
    });
}

#[test]
fn what_is_no_socket_is_refused_and_kept_untouched() {
    let directory = TempDir::fresh();
    let path = directory.path().join("s");
    fs::write(&path, "precious").unwrap();
    assert_eq!(kind(check(&path)), ErrorKind::ForeignFile);
    assert_eq!(kind(claim(&path, &[], soon())), ErrorKind::ForeignFile);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(kind(claim(&path, &[], soon())), ErrorKind::ForeignFile);
    assert_eq!(names(&directory), ["s"]);
}

#[test]
fn a_symlink_is_refused_wherever_it_leads() {
    let directory = TempDir::fresh();
    let (path, target) = (directory.path().join("s"), directory.path().join("t"));
    symlink(&target, &path).unwrap();
    assert_eq!(kind(claim(&path, &[], soon())), ErrorKind::ForeignFile);
    let _socket = first(&target);
    assert_eq!(kind(check(&path)), ErrorKind::ForeignFile);
    assert_eq!(kind(claim(&path, &[], soon())), ErrorKind::ForeignFile);
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
}

#[test]
fn a_living_socket_of_another_type_is_refused_and_a_dead_one_replaced() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("s");
        let other = UnixListener::bind(&path).unwrap();
        assert_eq!(kind(claim(&path, &[], soon())), ErrorKind::ForeignFile);
        drop(other);
        first(&path);
    });
}

#[test]
fn a_lock_that_is_a_symlink_is_not_followed() {
    let directory = TempDir::fresh();
    fs::write(directory.path().join("t"), "").unwrap();
    symlink("t", directory.path().join("s.lock")).unwrap();
    assert_eq!(kind(claim(&directory.path().join("s"), &[], soon())), ErrorKind::System);
    assert_eq!(names(&directory), ["s.lock", "t"]);
}

#[test]
fn others_may_write_in_the_directory_only_with_the_sticky_bit() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("s");
        for unsafe_mode in [0o777, 0o770, 0o720, 0o702] {
            directory.set_mode(unsafe_mode);
            assert_eq!(kind(check(&path)), ErrorKind::UnsafeDirectory);
            assert_eq!(kind(claim(&path, &[], soon())), ErrorKind::UnsafeDirectory);
        }
        assert!(names(&directory).is_empty());
        for safe_mode in [0o700, 0o755, 0o1777, 0o1770] {
            directory.set_mode(safe_mode);
            check(&path).unwrap();
            first(&path);
        }
    });
}

#[test]
fn a_path_that_cannot_be_is_refused_with_its_own_error() {
    let directory = TempDir::fresh();
    let of_length = |length: usize| {
        let name = "x".repeat(length - directory.path().as_os_str().len() - 1);
        directory.path().join(name)
    };
    assert_eq!(kind(claim(&of_length(108), &[], soon())), ErrorKind::PathTooLong);
    first(&of_length(107));
    for (bad, expected) in [
        ("missing/s", ErrorKind::DirectoryMissing),
        ("missing/deeper/s", ErrorKind::DirectoryMissing),
        ("..", ErrorKind::InvalidArgument),
        ("a\0b", ErrorKind::InvalidArgument),
    ] {
        assert_eq!(kind(claim(&directory.path().join(bad), &[], soon())), expected);
    }
    assert_eq!(kind(check(Path::new(""))), ErrorKind::InvalidArgument);
    assert_eq!(kind(check(Path::new("/"))), ErrorKind::InvalidArgument);
    fs::write(directory.path().join("file"), "").unwrap();
    assert_eq!(kind(check(&directory.path().join("file/s"))), ErrorKind::DirectoryMissing);
}

#[test]
fn the_last_owner_removes_its_path_even_with_newcomers_waiting() {
    let directory = TempDir::fresh();
    let path = directory.path().join("s");
    let socket = first(&path);
    unix::listen(socket.as_fd(), 0).unwrap();
    let _waiting = found(&path);
    assert!(unlink_own(&path, socket.as_fd()).unwrap());
    assert_eq!(names(&directory), ["s.lock"]);
    assert!(!unlink_own(&path, socket.as_fd()).unwrap());
}

#[test]
fn whoever_inherited_the_socket_and_did_not_see_it_bound_removes_it_too() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("s");
        let (here, there) = unix::pair().unwrap();
        // The first generation is a process of its own, which passes the socket on and is gone.
        let status = in_child(|| {
            let socket = first(&path);
            let fds = [std::os::fd::AsRawFd::as_raw_fd(&socket)];
            scm_rights::send(there.as_fd(), &[IoSlice::new(b"x")], &fds, false).unwrap();
        });
        assert_eq!(status, 0);
        let mut fds = Vec::new();
        scm_rights::receive(here.as_fd(), &mut [0; 8], &mut fds, false).unwrap();
        let inherited = fds.remove(0);
        unix::listen(inherited.as_fd(), BACKLOG).unwrap();
        assert_eq!(found(&path).1.pid, std::process::id());
        let before = open_count();
        assert!(unlink_own(&path, inherited.as_fd()).unwrap());
        assert_eq!(open_count(), before);
        assert_eq!(names(&directory), ["s.lock"]);
    });
}

#[test]
fn a_path_that_is_somebody_elses_by_now_is_not_removed() {
    alone(|| {
        let directory = TempDir::fresh();
        let (path, moved) = (directory.path().join("s"), directory.path().join("moved"));
        let old = first(&path);
        fs::rename(&path, &moved).unwrap();
        let new = first(&path);
        assert!(!unlink_own(&path, old.as_fd()).unwrap());
        found(&path);
        assert!(unlink_own(&moved, old.as_fd()).unwrap());
        drop(new);
        assert!(!unlink_own(&path, old.as_fd()).unwrap(), "a dead one is left to the rule");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        assert!(!unlink_own(&path, old.as_fd()).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    });
}

#[test]
fn a_peer_of_another_user_is_refused_by_its_pid_unless_it_is_allowed() {
    alone(|| {
        let directory = TempDir::fresh();
        directory.set_mode(0o1777);
        let path = directory.path().join("s");
        let Some(child) = as_nobody(|| first(&path)) else { return eprintln!("not tried: it takes root") };
        let error = claim(&path, &[], soon()).unwrap_err();
        assert_eq!((error.kind(), error.pid()), (ErrorKind::WrongUser, Some(child.pid())));
        assert_eq!(kind(check(&path)), ErrorKind::ForeignFile);
        let Ok(Claim::Found(_, peer)) = claim(&path, &[NOBODY], soon()) else { panic!("not found") };
        assert_eq!((peer.pid, peer.uid), (child.pid(), NOBODY));
        drop(child);
        // Dead now, it is a stranger's file all the same, and an allowed user's is replaced.
        assert_eq!(kind(claim(&path, &[], soon())), ErrorKind::ForeignFile);
        assert!(matches!(claim(&path, &[NOBODY], soon()), Ok(Claim::First(_))));
    });
}

#[test]
fn a_strangers_directory_is_refused_unless_it_is_allowed() {
    alone(|| {
        let directory = TempDir::fresh();
        if effective_uid() != 0 {
            return eprintln!("not tried: it takes root");
        }
        std::os::unix::fs::chown(directory.path(), Some(NOBODY), None).unwrap();
        let path = directory.path().join("s");
        assert_eq!(kind(claim(&path, &[], soon())), ErrorKind::UnsafeDirectory);
        assert!(matches!(claim(&path, &[NOBODY], soon()), Ok(Claim::First(_))));
    });
}

#[test]
fn a_stranger_cannot_connect_and_its_lock_is_told_from_a_short_delay() {
    alone(|| {
        let (directory, private) = (TempDir::fresh(), TempDir::fresh());
        directory.set_mode(0o1777);
        let (path, other) = (directory.path().join("s"), directory.path().join("other"));
        let socket = first(&path);
        let stranger = as_nobody(|| {
            assert_eq!(kind(claim(&path, &[], soon())), ErrorKind::WrongUser);
            assert_eq!(kind(check(&private.path().join("s"))), ErrorKind::System);
            Place::open(&other, &[]).unwrap().lock(soon()).unwrap()
        });
        if stranger.is_none() {
            return eprintln!("not tried: it takes root");
        }
        let start = Instant::now();
        assert_eq!(kind(claim(&other, &[], start + Duration::from_millis(50))), ErrorKind::ForeignFile);
        assert_eq!(kind(claim(&other, &[NOBODY], Instant::now())), ErrorKind::Busy);
        drop(stranger);
        first(&other);
        found(&path);
        assert!(unlink_own(&path, socket.as_fd()).unwrap());
    });
}
