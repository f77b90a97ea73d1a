//! Predecessor and successor in different namespaces (namespaces(7)): a live connection moves, the listener serves on, or
//! it is refused clearly. Needs root, to make them; anyone else is told that nothing was proved.
#![allow(clippy::unwrap_used)]

mod common;

use common::{PATIENCE, Place, next, open_beside, quick};
use libc::{CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, c_int};
use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use zdt::{Connection, ErrorKind, Event, ListenerSpec, Takeover};

fn checked(what: &str, result: c_int) -> c_int {
    assert!(result >= 0, "{what}: {}", std::io::Error::last_os_error());
    result
}

/// Whether we may make namespaces; says so where not.
fn allowed() -> bool {
    // SAFETY: no pointers.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        eprintln!("NOT PROVED: takeovers across namespaces are tested by root only");
    }
    root
}

/// A forked process; killed, if need be, when the test ends.
struct Process(c_int);

impl Process {
    /// In new namespaces of these kinds; a new pid namespace has its own /proc if it has a mount namespace, too.
    fn within(namespaces: c_int, body: impl FnOnce()) -> Process {
        Process::fork(|| {
            // SAFETY: no pointers; we are the only thread.
            checked("unshare", unsafe { libc::unshare(namespaces) });
            if namespaces & CLONE_NEWNS != 0 {
                mount("none", "/", "", libc::MS_REC | libc::MS_PRIVATE);
            }
            if namespaces & CLONE_NEWPID == 0 {
                return body();
            }
            // The namespace is our children's.
            let first = Process::fork(|| {
                // SAFETY: no pointers. Whoever kills our parent means us.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                if namespaces & CLONE_NEWNS != 0 {
                    mount("proc", "/proc", "proc", 0);
                }
                body();
            });
            assert!(first.succeeds());
        })
    }

    fn fork(body: impl FnOnce()) -> Process {
        // SAFETY: the C library holds its own locks across a fork; the child ends with `body`.
        let pid = checked("fork", unsafe { libc::fork() });
        if pid == 0 {
            // SAFETY: no pointers. Where the child hangs after all, the alarm ends it.
            unsafe { libc::alarm(3 * PATIENCE.as_secs() as u32) };
            let fine = catch_unwind(AssertUnwindSafe(body)).is_ok();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!fine)) };
        }
        Process(pid)
    }

    /// Whether it ends without a panic.
    fn succeeds(self) -> bool {
        let mut status = 0;
        // SAFETY: our own child, not waited for yet.
        checked("waitpid", unsafe { libc::waitpid(self.0, &mut status, 0) });
        std::mem::forget(self);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SAFETY: our own child, not waited for yet.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

fn mount(what: &str, at: &str, kind: &str, flags: libc::c_ulong) {
    let [what, at, kind] = [what, at, kind].map(|text| CString::new(text).unwrap());
    // SAFETY: three strings, which outlive the call, and no data.
    let mounted = unsafe { libc::mount(what.as_ptr(), at.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) };
    checked("mount", mounted);
}

/// The loopback interface of a new network namespace is down at first (netdevice(7)).
fn raise_loopback() {
    // SAFETY: no pointers.
    let socket = checked("socket", unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0) });
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    (request.ifr_name[0], request.ifr_name[1]) = (b'l' as libc::c_char, b'o' as libc::c_char);
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: a request with a name and flags, which outlives the call.
    checked("SIOCSIFFLAGS", unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &request) });
}

fn spec() -> ListenerSpec {
    ListenerSpec::tcp("127.0.0.1:0")
}

/// Answers the next byte that comes with our generation.
fn answer(mut connection: &TcpStream, generation: u64) {
    connection.set_nonblocking(false).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.read_exact(&mut [0]).unwrap();
    connection.write_all(generation.to_string().as_bytes()).unwrap();
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(false).unwrap();
    let accepted = listener.accept().unwrap().0;
    listener.set_nonblocking(true).unwrap();
    accepted
}

/// A predecessor that serves one connection, writes its address to `told`, and lets everything move.
fn predecessor(path: &Path, told: &Path) {
    let takeover = Takeover::open(path, quick()).unwrap();
    let listener = TcpListener::from(takeover.listener("http", &spec()).unwrap());
    takeover.ready().unwrap();
    let unfinished = told.with_extension("new");
    fs::write(&unfinished, listener.local_addr().unwrap().to_string()).unwrap();
    fs::rename(unfinished, told).unwrap();
    let connection = accept(&listener);
    answer(&connection, takeover.generation());
    assert!(matches!(next(&takeover), Event::Drain { successor: Some(_), .. }));
    takeover.migrate(Connection::new(7, connection.as_raw_fd(), "test")).unwrap();
    takeover.migrated_all().unwrap();
    assert!(matches!(next(&takeover), Event::Settled(7)));
    drop(connection);
    assert!(matches!(next(&takeover), Event::Done { left: 0 }));
}

/// A successor that serves what moves, and one connection more.
fn successor(path: &Path) {
    let takeover = Takeover::open(path, quick()).unwrap();
    let listener = TcpListener::from(takeover.listener("http", &spec()).unwrap());
    takeover.ready().unwrap();
    let Event::Offer(offer) = next(&takeover) else { panic!("no offer came") };
    let moved = TcpStream::from(offer.adopt().unwrap().expect("nobody takes it back").socket);
    assert!(matches!(next(&takeover), Event::Committed { generation: 2 }));
    assert!(takeover.next_event(Some(Duration::ZERO)).unwrap().is_none());
    answer(&moved, takeover.generation());
    answer(&accept(&listener), takeover.generation());
}

/// A client, in this network namespace.
fn client(address: &str, within: Option<&File>) -> TcpStream {
    let (address, namespace) = (address.to_owned(), within.map(|file| file.try_clone().unwrap()));
    let connecting = move || {
        if let Some(namespace) = namespace {
            // SAFETY: a descriptor that is open; it is this thread's namespace alone that changes.
            checked("setns", unsafe { libc::setns(namespace.as_raw_fd(), CLONE_NEWNET) });
        }
        let client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    };
    thread::spawn(connecting).join().unwrap()
}

/// Says something; which generation answers.
fn asked(mut client: &TcpStream) -> String {
    client.write_all(b"?").unwrap();
    let mut answer = [0];
    client.read_exact(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into()
}

fn read_when_there(path: &Path) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        match fs::read_to_string(path) {
            Ok(text) => return text,
            Err(_) => assert!(Instant::now() < until, "nobody wrote {}", path.display()),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A takeover between two processes in new namespaces of these kinds, under a live connection.
fn moves(first: c_int, second: c_int) {
    let place = Place::new("namespaces");
    let told = place.0.join("address");
    let old = Process::within(first, || {
        if first & CLONE_NEWNET != 0 {
            raise_loopback();
        }
        predecessor(&place.socket(), &told);
    });
    let address = read_when_there(&told);
    // Held open, since it outlives the predecessor only with what is in it.
    let network = (first & CLONE_NEWNET != 0).then(|| File::open(format!("/proc/{}/ns/net", old.0)).unwrap());
    let live = client(&address, network.as_ref());
    assert_eq!(asked(&live), "1");
    let new = Process::within(second, || {
        if second & CLONE_NEWNS == 0 {
            return successor(&place.socket());
        }
        // The shared folder lies elsewhere here.
        mount(place.0.to_str().unwrap(), "/mnt", "", libc::MS_BIND);
        successor(Path::new("/mnt/zdt.sock"));
    });
    assert_eq!(asked(&live), "2", "the same connection, served over there");
    let late = client(&address, network.as_ref());
    assert!(old.succeeds(), "the predecessor");
    assert_eq!(asked(&late), "2", "the listener serves on");
    assert!(new.succeeds(), "the successor");
}

#[test]
fn a_takeover_works_between_pid_namespaces() {
    if allowed() {
        let own = CLONE_NEWPID | CLONE_NEWNS;
        // The successor does not see its predecessor's pid; the other way round; neither sees the other's.
        moves(0, own);
        moves(own, 0);
        moves(own, own);
        // With a /proc that tells the pids of the outer namespace.
        moves(0, CLONE_NEWPID);
        moves(CLONE_NEWPID, 0);
        moves(CLONE_NEWPID, CLONE_NEWPID);
    }
}

#[test]
fn a_takeover_works_inside_a_pid_namespace_with_the_proc_of_another() {
    if allowed() {
        let place = Place::new("proc");
        let inside = Process::within(CLONE_NEWPID, || {
            let first = Takeover::open(place.socket(), quick()).unwrap();
            first.ready().unwrap();
            assert_eq!(std::process::id(), 1);
            assert_eq!(open_beside(&first, &place.socket(), quick()).unwrap().generation(), 2);
        });
        assert!(inside.succeeds());
    }
}

#[test]
fn a_takeover_works_between_mount_namespaces_that_share_a_folder() {
    if allowed() {
        moves(0, CLONE_NEWNS);
        moves(CLONE_NEWNS, CLONE_NEWNS);
    }
}

#[test]
fn a_listener_and_a_connection_of_another_network_namespace_serve_on() {
    if allowed() {
        moves(CLONE_NEWNET, 0);
        moves(CLONE_NEWNET, CLONE_NEWNET);
        moves(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID, CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID);
    }
}

/// Inside a new user namespace in which we, `outside` there, are `inside` (user_namespaces(7)).
fn in_user_namespace(inside: u32, outside: u32, body: impl FnOnce()) -> Process {
    Process::fork(|| {
        // SAFETY: no pointers; we are the only thread.
        unsafe {
            checked("setgid", libc::setresgid(outside, outside, outside));
            checked("setuid", libc::setresuid(outside, outside, outside));
            // Else our /proc/self/uid_map is root's to write.
            checked("prctl", libc::prctl(libc::PR_SET_DUMPABLE, 1));
            checked("unshare", libc::unshare(CLONE_NEWUSER));
        }
        fs::write("/proc/self/uid_map", format!("{inside} {outside} 1")).unwrap();
        body();
    })
}

#[test]
fn the_same_user_takes_over_from_within_a_user_namespace() {
    if allowed() {
        for inside in [0, 1000] {
            let place = Place::new("user");
            let told = place.0.join("address");
            let old = Process::fork(|| predecessor(&place.socket(), &told));
            let live = client(&read_when_there(&told), None);
            assert_eq!(asked(&live), "1");
            let new = in_user_namespace(inside, 0, || successor(&place.socket()));
            assert_eq!(asked(&live), "2", "as {inside} inside");
            assert!(old.succeeds());
            assert_eq!(asked(&client(&live.peer_addr().unwrap().to_string(), None)), "2");
            assert!(new.succeeds());
        }
    }
}

#[test]
fn another_user_is_refused_though_it_is_root_in_its_own_namespace() {
    if allowed() {
        let place = Place::new("stranger");
        let told = place.0.join("address");
        let old = Process::fork(|| predecessor(&place.socket(), &told));
        let live = client(&read_when_there(&told), None);
        assert_eq!(asked(&live), "1");
        let refused = |kinds: &'static [ErrorKind]| {
            let path = place.socket();
            in_user_namespace(0, 65_534, move || {
                let kind = Takeover::open(path, quick()).unwrap_err().kind();
                assert!(kinds.contains(&kind), "{kind:?}");
            })
        };
        fs::set_permissions(&place.0, Permissions::from_mode(0o755)).unwrap();
        // Neither the directory nor, if it were open, the process there is trusted.
        let trust = &[ErrorKind::WrongUser, ErrorKind::UnsafeDirectory, ErrorKind::System];
        assert!(refused(trust).succeeds());
        fs::set_permissions(place.socket(), Permissions::from_mode(0o666)).unwrap();
        assert!(refused(&[ErrorKind::WrongUser, ErrorKind::UnsafeDirectory]).succeeds());
        // It costs nothing.
        let new = Process::fork(|| successor(&place.socket()));
        assert_eq!(asked(&live), "2");
        assert!(old.succeeds());
        assert_eq!(asked(&client(&live.peer_addr().unwrap().to_string(), None)), "2");
        assert!(new.succeeds());
    }
}
