//! What to listen at.

use crate::error::{blocking, call, invalid};
use crate::python::socket;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// What to listen at: an address and how. A plain value; nothing is opened before `bind()`.
///
/// In words, both ways: `tcp://0.0.0.0:8080`, `tcp://[::]:8080?v6only=1`, `unix:///run/app/x.sock?backlog=128&mode=0660`.
#[pyclass(frozen, eq, hash, module = "libzdt")]
#[derive(PartialEq, Eq, Hash)]
pub struct ListenerSpec(zdt::ListenerSpec);

#[pymethods]
impl ListenerSpec {
    /// TCP at an IP address and port, `("0.0.0.0", 8080)` or `"0.0.0.0:8080"`; port 0: any. Names are not resolved.
    ///
    /// `backlog`: how many may wait to be accepted (default 4096). `v6only`: leave IPv4 alone at `::`. `nodelay`: accepted
    /// sockets send small segments at once. `reuseport`: others may listen there too. Raises InvalidArgument.
    #[staticmethod]
    #[pyo3(signature = (address, *, backlog=None, v6only=false, nodelay=false, reuseport=false))]
    fn tcp(
        address: &Bound<'_, PyAny>,
        backlog: Option<u32>,
        v6only: bool,
        nodelay: bool,
        reuseport: bool,
    ) -> PyResult<ListenerSpec> {
        let spec = if address.is_instance_of::<PyString>() {
            let text: String = address.extract()?;
            call(address.py(), || format!("tcp://{text}").parse())?
        } else {
            at(address)?
        };
        let spec = spec.v6only(v6only).nodelay(nodelay).reuseport(reuseport);
        Ok(ListenerSpec(backlog.into_iter().fold(spec, zdt::ListenerSpec::backlog)))
    }

    /// A Unix stream socket at a path. `mode`: of its file, for instance 0o660; by default the umask decides.
    #[staticmethod]
    #[pyo3(signature = (path, *, backlog=None, mode=None))]
    fn unix(path: PathBuf, backlog: Option<u32>, mode: Option<u32>) -> ListenerSpec {
        let spec = backlog.into_iter().fold(zdt::ListenerSpec::unix(path), zdt::ListenerSpec::backlog);
        ListenerSpec(mode.into_iter().fold(spec, zdt::ListenerSpec::mode))
    }

    /// From words: `tcp://…` or `unix://…`, with the options `backlog`, `v6only`, `nodelay`, `reuseport`, `mode`.
    ///
    /// Raises InvalidArgument.
    #[staticmethod]
    fn parse(py: Python<'_>, text: &str) -> PyResult<ListenerSpec> {
        call(py, || text.parse()).map(ListenerSpec)
    }

    /// Binds and listens. The socket (non-blocking, not inheritable) is the caller's. A Unix path at which nobody listens
    /// any more is replaced; for that it may wait for a lock, 5 seconds at most.
    ///
    /// Raises InvalidArgument, PathTooLong, AddressInUse, DirectoryMissing, ForeignFile, Busy, SystemFailed.
    fn bind<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        socket(py, blocking(py, || self.0.bind())?)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<ListenerSpec {}>", self.0)
    }
}

/// What the caller wants to listen at: a `ListenerSpec`, its words, or host and port.
pub fn spec(given: &Bound<'_, PyAny>) -> PyResult<zdt::ListenerSpec> {
    if let Ok(spec) = given.cast::<ListenerSpec>() {
        return Ok(spec.get().0.clone());
    }
    if given.is_instance_of::<PyString>() {
        let text: String = given.extract()?;
        return call(given.py(), || text.parse());
    }
    at(given)
}

/// TCP at host and port.
fn at(given: &Bound<'_, PyAny>) -> PyResult<zdt::ListenerSpec> {
    let (host, port): (String, u16) = given.extract()?;
    let ip: IpAddr = host
        .parse()
        .map_err(|_| invalid(given.py(), format!("{host:?} is no IP address; names are not resolved")))?;
    Ok(zdt::ListenerSpec::tcp(SocketAddr::new(ip, port).to_string()))
}
