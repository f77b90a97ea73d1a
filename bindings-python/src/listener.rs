//! What to listen at.

use crate::error::{blocking, call, invalid};
use crate::python::socket;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// What to listen at: an address and how. A plain value; nothing is opened before `bind()`.
///
/// In words, both ways: `tcp://0.0.0.0:8080`, `tcp://[::]:8080?v6only=1`, `udp://0.0.0.0:53`,
/// `unix:///run/app/x.sock?backlog=128&mode=0660`, `unix://@name` in the abstract namespace.
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
        let spec = inet("tcp", address)?;
        let spec = spec.v6only(v6only).nodelay(nodelay).reuseport(reuseport);
        Ok(ListenerSpec(backlog.into_iter().fold(spec, zdt::ListenerSpec::backlog)))
    }

    /// UDP at an IP address and port, as for `tcp`: a datagram socket, to be read from instead of accepted from. What waits
    /// in it when a successor takes over is the successor's to read.
    #[staticmethod]
    #[pyo3(signature = (address, *, v6only=false, reuseport=false))]
    fn udp(address: &Bound<'_, PyAny>, v6only: bool, reuseport: bool) -> PyResult<ListenerSpec> {
        Ok(ListenerSpec(inet("udp", address)?.v6only(v6only).reuseport(reuseport)))
    }

    /// A Unix stream socket with a name in the abstract namespace (unix(7)): text, or 1 to 107 bytes of any value; no file.
    /// Every process of the same network namespace can reach it, whoever runs it.
    #[staticmethod]
    #[pyo3(signature = (name, *, backlog=None))]
    fn abstract_unix(name: &Bound<'_, PyAny>, backlog: Option<u32>) -> PyResult<ListenerSpec> {
        let name = if name.is_instance_of::<PyString>() {
            name.extract::<String>()?.into_bytes()
        } else {
            name.extract::<Vec<u8>>()?
        };
        let spec = zdt::ListenerSpec::abstract_unix(name);
        Ok(ListenerSpec(backlog.into_iter().fold(spec, zdt::ListenerSpec::backlog)))
    }

    /// A Unix stream socket at a path. `mode`: of its file, for instance 0o660; by default the umask decides.
    #[staticmethod]
    #[pyo3(signature = (path, *, backlog=None, mode=None))]
    fn unix(path: PathBuf, backlog: Option<u32>, mode: Option<u32>) -> ListenerSpec {
        let spec = backlog.into_iter().fold(zdt::ListenerSpec::unix(path), zdt::ListenerSpec::backlog);
        ListenerSpec(mode.into_iter().fold(spec, zdt::ListenerSpec::mode))
    }

    /// From words: `tcp://…`, `udp://…`, `unix://…` or `unix://@…`, with the options `backlog`, `v6only`, `nodelay`, `reuseport`, `mode`.
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
    inet("tcp", given)
}

/// At `host:port` in one text, or host and port.
fn inet(scheme: &str, given: &Bound<'_, PyAny>) -> PyResult<zdt::ListenerSpec> {
    if given.is_instance_of::<PyString>() {
        let text: String = given.extract()?;
        return call(given.py(), || format!("{scheme}://{text}").parse());
    }
    let (host, port): (String, u16) = given.extract()?;
    let ip: IpAddr = host
        .parse()
        .map_err(|_| invalid(given.py(), format!("{host:?} is no IP address; names are not resolved")))?;
    call(given.py(), || format!("{scheme}://{}", SocketAddr::new(ip, port)).parse())
}
