//! The plain pieces that know of no takeover.

use crate::connection::{bytes, descriptor};
use crate::error::{blocking, call};
use crate::listener::spec;
use crate::python::socket;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use zdt::{Error, ErrorKind, Result};

/// Sends `data` and copies of `fds` over a Unix socket: see `libzdt.send_fds`, which waits first.
#[pyfunction]
pub fn send_fds(
    py: Python<'_>,
    socket: RawFd,
    data: &Bound<'_, PyAny>,
    fds: Vec<Bound<'_, PyAny>>,
) -> PyResult<()> {
    let data = bytes(data)?;
    let fds: Vec<_> = fds.iter().map(|fd| descriptor(fd).map(borrowed)).collect::<PyResult<_>>()?;
    blocking(py, || zdt::send_fds(borrowed(socket), &data, &fds))
}

/// Receives up to `size` bytes with their descriptors: see `libzdt.recv_fds`, which waits first.
#[pyfunction]
pub fn recv_fds(py: Python<'_>, socket: RawFd, size: usize) -> PyResult<(Bound<'_, PyBytes>, Vec<RawFd>)> {
    let mut data = vec![0; size];
    let (length, fds) = blocking(py, || zdt::recv_fds(borrowed(socket), &mut data))?;
    Ok((PyBytes::new(py, &data[..length]), fds.into_iter().map(IntoRawFd::into_raw_fd).collect()))
}

/// Binds a listener with SO_REUSEPORT, outside of any takeover: several processes of one user may listen at the address.
///
/// The socket (non-blocking, not inheritable) is the caller's. When it is closed, the connections in its queue are reset;
/// pass a listener on instead. Raises InvalidArgument, AddressInUse, SystemFailed.
#[pyfunction]
#[pyo3(signature = (spec, /))]
pub fn bind<'py>(py: Python<'py>, spec: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let spec = self::spec(spec)?;
    socket(py, blocking(py, || zdt::bind(&spec))?)
}

/// How many connections wait to be accepted on a TCP listener; None for a socket of another kind. Does not block.
#[pyfunction]
#[pyo3(signature = (listener, /))]
pub fn queue_length(py: Python<'_>, listener: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
    let listener = descriptor(listener)?;
    call(py, || Ok(zdt::queue_length(borrowed(listener))))
}

/// Asks the process `pid` to drain: SIGTERM through a pidfd, so never to another process that got the number meanwhile.
///
/// Does not block. Raises PeerGone (there is no such process), WrongUser, Unsupported, InvalidArgument, SystemFailed.
#[pyfunction]
#[pyo3(signature = (pid, /))]
pub fn signal_drain(py: Python<'_>, pid: u32) -> PyResult<()> {
    call(py, || zdt::signal_drain(pid))
}

/// A copy of a descriptor of the caller's; close-on-exec.
pub fn copy(fd: RawFd) -> Result<OwnedFd> {
    if fd < 0 {
        let what = "the seat is no descriptor";
        return Err(Error::new(ErrorKind::InvalidArgument, what, "nothing was done; correct the call"));
    }
    borrowed(fd).try_clone_to_owned().map_err(|error| Error::system("dup", &error))
}

/// A descriptor of the caller's, for the time of a call.
fn borrowed<'a>(fd: RawFd) -> BorrowedFd<'a> {
    // SAFETY: not negative (`descriptor`), and the caller keeps it open while it calls. A number that is not open is
    // answered by the kernel with EBADF: nothing here closes it or believes in it.
    unsafe { BorrowedFd::borrow_raw(fd) }
}
