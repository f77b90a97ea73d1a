//! Descriptors from process to process over a socket of one's own: plain functions that know of no takeover.

use crate::error::{Error, ErrorKind, Result};
use crate::sys::scm_rights::{self, MAX_DESCRIPTORS, Received};
use crate::sys::{inet, trouble};
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Sends `data` and copies of `fds` over a Unix socket; both arrive together (SCM_RIGHTS, unix(7)).
///
/// The descriptors are lent and stay open here. Blocks as the socket does; on a stream socket all of `data` is sent, so
/// once its beginning has gone, with the descriptors, the rest is waited for even on a non-blocking one. No SIGPIPE.
///
/// # Errors
/// `InvalidArgument`: `data` is empty (a stream socket would silently drop the descriptors), or there are more than 253
/// descriptors. `PeerGone`: nobody reads at the other end. `System`: anything else, EAGAIN of a full non-blocking socket
/// included; nothing was sent then.
pub fn send_fds(socket: BorrowedFd<'_>, data: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
    if data.is_empty() {
        return Err(Error::new(ErrorKind::InvalidArgument, "there is no data", "send one byte at least"));
    }
    if fds.len() > MAX_DESCRIPTORS {
        let what = format!("{} descriptors; one message takes {MAX_DESCRIPTORS}", fds.len());
        return Err(Error::new(ErrorKind::InvalidArgument, what, "send them in several messages"));
    }
    let raw: Vec<RawFd> = fds.iter().map(|fd| fd.as_raw_fd()).collect();
    let mut sent =
        scm_rights::send(socket, &[IoSlice::new(data)], &raw, true).map_err(|e| failed("sendmsg", &e))?;
    while sent < data.len() {
        match scm_rights::send(socket, &[IoSlice::new(&data[sent..])], &[], true) {
            Ok(more) => sent += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                inet::wait_writable(socket).map_err(|e| failed("poll", &e))?;
            }
            Err(error) => {
                return Err(failed("sendmsg", &error).now("a part of the data was sent, the descriptors too"));
            }
        }
    }
    Ok(())
}

/// Receives into `data` what one `send_fds` sent, or on a stream socket as much of it as there is: how many bytes, and the
/// descriptors, which are the caller's and close-on-exec. No bytes and no descriptors: the other end was closed.
///
/// Blocks as the socket does.
///
/// # Errors
/// Each closes the descriptors that did arrive. `DescriptorLimit`: not all could be installed, because of RLIMIT_NOFILE
/// or a security module; the message is lost. `TooLarge`: the message (of a socket that keeps messages apart) is longer
/// than `data`. `InvalidArgument`: `data` is empty. `PeerGone`: the connection was reset. `System`: anything else, EAGAIN
/// of a non-blocking socket included.
pub fn recv_fds(socket: BorrowedFd<'_>, data: &mut [u8]) -> Result<(usize, Vec<OwnedFd>)> {
    if data.is_empty() {
        let now = "nothing was received; give room for one byte at least";
        return Err(Error::new(ErrorKind::InvalidArgument, "there is no room for data", now));
    }
    let mut fds = Vec::new();
    let Received { bytes, data_truncated, descriptors_truncated } =
        scm_rights::receive(socket, data, &mut fds, true).map_err(|e| failed("recvmsg", &e))?;
    if descriptors_truncated {
        let what = format!("only {} of the descriptors of a message could be opened here", fds.len());
        let now = "they were closed, and the message is lost: raise RLIMIT_NOFILE, then have it sent again";
        return Err(Error::new(ErrorKind::DescriptorLimit, what, now));
    }
    if data_truncated {
        let what = format!("a message is longer than the {} bytes there was room for", data.len());
        let now =
            "its descriptors were closed, and the message is lost: give more room, then have it sent again";
        return Err(Error::new(ErrorKind::TooLarge, what, now));
    }
    Ok((bytes, fds))
}

fn failed(call: &str, error: &io::Error) -> Error {
    match trouble::of(error) {
        trouble::Trouble::Broken => Error::new(
            ErrorKind::PeerGone,
            format!("{call}: {error}"),
            "the other end was closed; descriptors on their way were closed with it",
        )
        .with_errno(error.raw_os_error().unwrap_or_default()),
        trouble::Trouble::Later => {
            Error::system(call, error).now("wait until the other end has read, then call again")
        }
        _ => Error::system(call, error),
    }
}

#[cfg(test)]
mod tests;
