//! A worker's handle, without waiting for events, which Python does (`libzdt.worker`).

use crate::error::{blocking, call};
use crate::event::{next, progress};
use crate::fds::copy;
use crate::lent::Numbers;
use crate::python::socket;
use crate::takeover::core_config;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;
use zdt::Worker;

/// The native part of `libzdt.Worker`.
#[pyclass(frozen, module = "libzdt._core")]
pub struct WorkerHandle {
    worker: Worker,
    lent: Numbers,
}

#[pymethods]
impl WorkerHandle {
    /// Joins over a copy of the seat, which Python closes.
    #[new]
    fn new(py: Python<'_>, seat: RawFd, config: &Bound<'_, PyDict>) -> PyResult<WorkerHandle> {
        let config = core_config(config)?;
        let worker = blocking(py, || Worker::join(copy(seat)?, config))?;
        Ok(WorkerHandle { worker, lent: Numbers::default() })
    }

    fn number(&self) -> u32 {
        self.worker.number()
    }

    fn generation(&self) -> u64 {
        self.worker.generation()
    }

    fn listener<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        socket(py, call(py, || self.worker.listener(name))?)
    }

    /// The next event, if there is one; never waits. `lent` has the connections on offer.
    fn next_event<'py>(
        &self,
        py: Python<'py>,
        lent: &Bound<'py, PyDict>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        next(py, lent, || self.worker.next_event(Some(Duration::ZERO)))
    }

    fn event_fd(&self) -> RawFd {
        self.worker.event_fd().as_raw_fd()
    }

    /// Offers a `Frozen`, and puts it into `lent` (so that nobody closes its descriptors as garbage). False: full.
    fn migrate(
        &self,
        py: Python<'_>,
        connection: &Bound<'_, PyAny>,
        lent: &Bound<'_, PyDict>,
    ) -> PyResult<bool> {
        self.lent.offer(py, connection, lent, |frozen| self.worker.migrate(frozen))
    }

    fn migrated_all(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.worker.migrated_all())
    }

    fn set_connections(&self, count: u64) {
        self.worker.set_connections(count);
    }

    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        progress(py, &self.worker.progress())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        blocking(py, || {
            self.worker.close();
            Ok(())
        })
    }
}
