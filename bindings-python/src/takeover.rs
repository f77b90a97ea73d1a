//! The handle, without waiting for events, which Python does (`libzdt.takeover`).

use crate::error::{blocking, call, invalid};
use crate::event::{next, peer, progress};
use crate::gate::seconds;
use crate::lent::Numbers;
use crate::listener::spec;
use crate::python::socket;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;
use zdt::{Config, OnMismatch, Reads, Takeover};

/// The native part of `libzdt.Takeover`.
#[pyclass(frozen, module = "libzdt._core")]
pub struct Handle {
    takeover: Takeover,
    lent: Numbers,
}

#[pymethods]
impl Handle {
    /// Opens; `config` has what is not to be as the core has it.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, config: &Bound<'_, PyDict>) -> PyResult<Handle> {
        let config = core_config(config)?;
        let takeover = blocking(py, || Takeover::open(path, config))?;
        Ok(Handle { takeover, lent: Numbers::default() })
    }

    fn generation(&self) -> u64 {
        self.takeover.generation()
    }

    fn predecessor<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.takeover.predecessor().map(|found| peer(py, &found)).transpose()
    }

    fn listener<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        spec: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let spec = self::spec(spec)?;
        socket(py, blocking(py, || self.takeover.listener(name, &spec))?)
    }

    fn unclaimed(&self) -> Vec<String> {
        self.takeover.unclaimed()
    }

    fn retire(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        call(py, || self.takeover.retire(name))
    }

    fn ready(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.takeover.ready())
    }

    /// A seat for a worker of ours, as a socket that owns it.
    fn seat<'py>(&self, py: Python<'py>, worker: u32) -> PyResult<Bound<'py, PyAny>> {
        socket(py, call(py, || self.takeover.seat(worker))?)
    }

    /// The next event, if there is one; never waits. `lent` has the connections on offer.
    fn next_event<'py>(
        &self,
        py: Python<'py>,
        lent: &Bound<'py, PyDict>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        next(py, lent, || self.takeover.next_event(Some(Duration::ZERO)))
    }

    fn event_fd(&self) -> RawFd {
        self.takeover.event_fd().as_raw_fd()
    }

    /// Offers a `Frozen`, and puts it into `lent` (so that nobody closes its descriptors as garbage). False: full.
    fn migrate(
        &self,
        py: Python<'_>,
        connection: &Bound<'_, PyAny>,
        lent: &Bound<'_, PyDict>,
    ) -> PyResult<bool> {
        self.lent.offer(py, connection, lent, |frozen| self.takeover.migrate(frozen))
    }

    fn migrated_all(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.takeover.migrated_all())
    }

    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.takeover.drain())
    }

    fn set_connections(&self, count: u64) {
        self.takeover.set_connections(count);
    }

    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        progress(py, &self.takeover.progress())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        blocking(py, || {
            self.takeover.close();
            Ok(())
        })
    }
}

/// The core's config, with what Python gives in place of its defaults.
pub fn core_config(given: &Bound<'_, PyDict>) -> PyResult<Config> {
    let py = given.py();
    let mut config = Config::default();
    for (name, value) in given {
        let name: String = name.extract()?;
        let time = || value.extract().and_then(|time| seconds(py, &name, time));
        match name.as_str() {
            "program" => config.program = value.extract()?,
            "runtime" => config.runtime = value.extract()?,
            "handshake" => config.handshake = time()?,
            "ready" => config.ready = time()?,
            "commit" => config.commit = time()?,
            "drain" => config.drain = time()?,
            "probation" => config.probation = time()?,
            "hang" => config.hang = time()?,
            "on_mismatch" => {
                config.on_mismatch = match value.extract::<&str>()? {
                    "refuse" => OnMismatch::Refuse,
                    "bind" => OnMismatch::Bind,
                    other => {
                        return Err(invalid(py, format!("on_mismatch is {other:?}, not refuse or bind")));
                    }
                }
            }
            "max_state" => config.max_state = value.extract()?,
            "max_bytes" => config.max_bytes = value.extract()?,
            "reads" => {
                for (protocol, versions) in value.cast::<PyDict>()? {
                    config.reads.push(Reads { protocol: protocol.extract()?, versions: versions.extract()? });
                }
            }
            "allowed_uids" => config.allowed_uids = value.extract()?,
            "drain_signals" => config.drain_signals = value.extract()?,
            _ => return Err(invalid(py, format!("{name} cannot be set"))),
        }
    }
    Ok(config)
}
