//! What the system refuses a server from a certain moment on.

use crate::testing::leave_room_for;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use zdt::send_fds;

/// Carries out an order to a server: `room N` leaves it so many descriptors, `no-limit` as many as there can be,
/// `memory N` so many bytes more of memory, `deny CALL ERRNO` has a call fail.
pub fn set(word: &str, argument: &str) {
    match word {
        "room" => leave_room_for(argument.parse().unwrap()),
        "no-limit" => raise_descriptor_limit(),
        "memory" => leave_memory_for(argument.parse().unwrap()),
        "deny" => {
            let (call, errno) = argument.split_once(' ').unwrap();
            deny(call, errno.parse().unwrap());
        }
        _ => panic!("what is {word:?}?"),
    }
}

/// As many descriptors as the hard limit allows.
pub fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes and reads one rlimit, which outlives the calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
}

/// Takes every descriptor up to this number, so that all others are higher.
pub fn take_descriptors_up_to(number: i32) {
    raise_descriptor_limit();
    let null = std::fs::File::open("/dev/null").unwrap();
    while std::mem::ManuallyDrop::new(null.try_clone().unwrap()).as_raw_fd() < number {}
}

/// What comes of sending a descriptor to ourselves: nothing, or an errno.
pub fn send_descriptors() -> Option<i32> {
    let (here, _there) = UnixStream::pair().unwrap();
    send_fds(here.as_fd(), b"x", &[here.as_fd()]).err().map(|error| error.errno().unwrap())
}

/// No more than so many descriptors, for good.
pub fn hard_limit(descriptors: u64) {
    let limit = libc::rlimit { rlim_cur: descriptors, rlim_max: descriptors };
    // SAFETY: reads one rlimit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}

/// Counted is what is private and can be written, whatever the allocator has reserved before.
fn leave_memory_for(bytes: u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let used =
        status.lines().find_map(|line| line.strip_prefix("VmData:")?.trim().strip_suffix(" kB")).unwrap();
    let limit =
        libc::rlimit { rlim_cur: used.parse::<u64>().unwrap() * 1024 + bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: reads one rlimit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_DATA, &limit) }, 0);
}

/// A large state is written in one piece; what else is written is far smaller.
const LARGE: u64 = 64 * 1024;

/// From here on `call` fails in this process with `errno` (seccomp(2)); write only where it writes much.
fn deny(call: &str, errno: u32) {
    let large = |argument| {
        let size = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Ge, LARGE).unwrap();
        vec![SeccompRule::new(vec![size]).unwrap()]
    };
    let (call, rules) = match call {
        "memfd_create" => (libc::SYS_memfd_create, Vec::new()),
        "fallocate" => (libc::SYS_fallocate, Vec::new()),
        "mmap" => (libc::SYS_mmap, large(1)),
        "write" => (libc::SYS_write, large(2)),
        "pread" => (libc::SYS_pread64, large(2)),
        _ => panic!("what is {call:?}?"),
    };
    let filter = SeccompFilter::new(
        [(call, rules)].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(errno),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}
