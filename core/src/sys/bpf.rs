//! Classic BPF programs for sockets (socket(7), linux/filter.h): small, checked by the kernel, for any user.

use super::checked;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A sock_fprog whose padding is a field: the kernel is given no byte that nobody wrote.
#[repr(C)]
struct Program {
    length: u16,
    padding: [u8; size_of::<*const libc::sock_filter>() - size_of::<u16>()],
    instructions: *const libc::sock_filter,
}

const _: () = assert!(size_of::<Program>() == size_of::<libc::sock_fprog>());

/// Gives the socket this program, by an option of SOL_SOCKET that takes one.
pub fn attach(socket: BorrowedFd<'_>, option: libc::c_int, program: &[libc::sock_filter]) -> io::Result<()> {
    let program = Program {
        length: program.len() as u16,
        padding: [0; size_of::<*const libc::sock_filter>() - size_of::<u16>()],
        instructions: program.as_ptr(),
    };
    let length = size_of::<libc::sock_fprog>() as libc::socklen_t;
    // SAFETY: the kernel reads the sock_fprog and the instructions it points at; both outlive the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const program).cast(), length)
    };
    checked(result).map(drop)
}

/// Takes a program away again, by the option that does.
pub fn detach(socket: BorrowedFd<'_>, option: libc::c_int) -> io::Result<()> {
    let (value, length) = (0_i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: reads one int, which outlives the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const value).cast(), length)
    };
    match checked(result) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result.map(drop),
    }
}

/// An instruction that goes on to the next one.
pub fn instruction(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Goes on if the accumulator is `k`, else leaves `otherwise` instructions out.
pub fn unless_equal(k: u32, otherwise: u8) -> libc::sock_filter {
    let code = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    libc::sock_filter { code: code as u16, jt: 0, jf: otherwise, k }
}
