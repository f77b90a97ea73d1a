//! A connection as Python has it: lent (`Frozen`), or adopted.

use crate::error::invalid;
use crate::python::{python, socket};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyInt, PyMemoryView, PyString, PyTuple};
use pyo3::{IntoPyObjectExt, intern};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use zdt::{Address, Adopted, Companion, Frozen};

/// The core's form of a Python `Frozen`, with the bytes copied, under a number of ours.
pub fn frozen(number: u64, given: &Bound<'_, PyAny>) -> PyResult<Frozen> {
    let py = given.py();
    Ok(Frozen {
        id: number,
        socket: descriptor(&given.getattr(intern!(py, "socket"))?)?,
        companions: companions(&given.getattr(intern!(py, "companions"))?)?,
        protocol: given.getattr(intern!(py, "protocol"))?.extract::<String>()?.into(),
        state_version: given.getattr(intern!(py, "state_version"))?.extract()?,
        state: bytes(&given.getattr(intern!(py, "state"))?)?,
        unread: bytes(&given.getattr(intern!(py, "unread"))?)?,
        unsent: bytes(&given.getattr(intern!(py, "unsent"))?)?,
        local: address(&given.getattr(intern!(py, "local"))?)?,
        peer: address(&given.getattr(intern!(py, "peer"))?)?,
        dialled: given.getattr(intern!(py, "dialled"))?.is_truthy()?,
    })
}

fn companions(given: &Bound<'_, PyAny>) -> PyResult<Vec<Companion<RawFd>>> {
    let py = given.py();
    let copy = |companion: PyResult<Bound<'_, PyAny>>| {
        let companion = companion?;
        Ok(Companion {
            name: companion.getattr(intern!(py, "name"))?.extract()?,
            fd: descriptor(&companion.getattr(intern!(py, "socket"))?)?,
            unread: bytes(&companion.getattr(intern!(py, "unread"))?)?,
            unsent: bytes(&companion.getattr(intern!(py, "unsent"))?)?,
        })
    };
    given.try_iter()?.map(copy).collect()
}

/// The descriptor behind a number or an object that has a `fileno()`.
pub fn descriptor(given: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    let py = given.py();
    let fd: RawFd = match given.cast::<PyInt>() {
        Ok(number) => number.extract()?,
        Err(_) => given.call_method0(intern!(py, "fileno"))?.extract()?,
    };
    if fd < 0 { Err(invalid(py, format!("a descriptor is {fd}: it was closed"))) } else { Ok(fd) }
}

/// A copy of anything that has bytes.
pub fn bytes(given: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    // Whoever wipes his own keeps it in one of these: no copy in between.
    if let Ok(bytes) = given.cast::<PyByteArray>() {
        return Ok(bytes.to_vec());
    }
    let copy = PyMemoryView::from(given)?.call_method0(intern!(given.py(), "tobytes"))?;
    Ok(copy.cast::<PyBytes>()?.as_bytes().to_vec())
}

/// An address in the forms that the `socket` module has.
fn address(given: &Bound<'_, PyAny>) -> PyResult<Option<Address>> {
    let py = given.py();
    if given.is_none() {
        return Ok(None);
    }
    if given.is_instance_of::<PyString>() {
        let path: PathBuf = given.extract()?;
        return Ok(Some(if path.as_os_str().is_empty() { Address::Unnamed } else { Address::Path(path) }));
    }
    let unclear = || invalid(py, format!("{given} is no address as getpeername() gives one"));
    let parts = given.cast::<PyTuple>().map_err(|_| unclear())?;
    let (host, port, flow, scope) = match parts.len() {
        2 => parts.extract::<(String, u16)>().map(|(host, port)| (host, port, 0, 0))?,
        4 => parts.extract::<(String, u16, u32, u32)>()?,
        _ => return Err(unclear()),
    };
    // The interface behind a % is in the scope too.
    let host = host.split('%').next().unwrap_or_default();
    Ok(Some(Address::Inet(match host.parse().map_err(|_| unclear())? {
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, flow, scope).into(),
        ip => SocketAddr::new(ip, port),
    })))
}

/// The same the other way round.
pub fn told<'py>(py: Python<'py>, address: Option<&Address>) -> PyResult<Bound<'py, PyAny>> {
    match address {
        None => Ok(py.None().into_bound(py)),
        Some(Address::Inet(SocketAddr::V4(v4))) => (v4.ip().to_string(), v4.port()).into_bound_py_any(py),
        Some(Address::Inet(SocketAddr::V6(v6))) => {
            (v6.ip().to_string(), v6.port(), v6.flowinfo(), v6.scope_id()).into_bound_py_any(py)
        }
        Some(Address::Path(path)) => path.as_os_str().into_bound_py_any(py),
        Some(Address::Unnamed) => "".into_bound_py_any(py),
    }
}

/// A Python `Adopted`, which owns the descriptors. Python has copies of the bytes; ours are wiped.
pub fn adopted(py: Python<'_>, mut connection: Adopted) -> PyResult<Bound<'_, PyAny>> {
    let copy = |bytes: &[u8]| PyBytes::new(py, bytes);
    let of_companions: Vec<_> =
        connection.companions.iter().map(|c| (copy(&c.unread), copy(&c.unsent))).collect();
    let (state, unread, unsent) =
        (copy(&connection.state), copy(&connection.unread), copy(&connection.unsent));
    connection.wipe();
    let give = |(companion, (unread, unsent)): (Companion<OwnedFd>, _)| {
        let parts = (companion.name, companion.fd.into_raw_fd(), unread, unsent);
        python!(py, "libzdt.connection", "Companion")?.call1(parts)
    };
    let companions: Vec<_> =
        connection.companions.into_iter().zip(of_companions).map(give).collect::<PyResult<_>>()?;
    let parts = (
        connection.id,
        socket(py, connection.socket)?,
        &*connection.protocol,
        connection.state_version,
        state,
        unread,
        unsent,
        PyTuple::new(py, companions)?,
        told(py, connection.local.as_ref())?,
        told(py, connection.peer.as_ref())?,
        connection.dialled,
    );
    python!(py, "libzdt.connection", "Adopted")?.call1(parts)
}
