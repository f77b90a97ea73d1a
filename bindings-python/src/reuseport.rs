//! Sockets that share a port, and how they leave without a loss; waiting is Python's (`libzdt.reuseport`).

use crate::connection::told;
use crate::error::{blocking, call};
use crate::gate::seconds;
use crate::listener::spec;
use crate::python::{python, socket};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use zdt::reuseport::{self as core, Step};
use zdt::{Address, Error, ErrorKind, Result};

/// The native part of `libzdt.reuseport.Group`. Its calls take turns.
#[pyclass(frozen, module = "libzdt._core")]
pub struct Group(Mutex<Option<core::Group>>);

impl Group {
    /// Calls the core with the group, unless that was closed. Other Python threads run meanwhile.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        body: impl FnOnce(&mut core::Group) -> Result<T> + Send,
    ) -> PyResult<T> {
        blocking(py, || {
            let mut group = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let closed = || Error::new(ErrorKind::Closed, "the group was closed", "its sockets are closed");
            body(group.as_mut().ok_or_else(closed)?)
        })
    }
}

#[pymethods]
impl Group {
    #[new]
    fn new(py: Python<'_>, spec: &Bound<'_, PyAny>, count: usize) -> PyResult<Group> {
        let spec = self::spec(spec)?;
        let group = blocking(py, || core::Group::bind(&spec, count))?;
        Ok(Group(Mutex::new(Some(group))))
    }

    fn address<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let address = self.with(py, |group| Ok(group.address()))?;
        told(py, Some(&Address::Inet(address)))
    }

    /// Copies of the sockets, the first one first, which are the caller's.
    fn copies<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let copies = self.with(py, |group| {
            let copy = |(_, socket): (usize, BorrowedFd<'_>)| {
                socket.try_clone_to_owned().map_err(|error| Error::system("dup", &error))
            };
            group.sockets().map(copy).collect::<Result<Vec<_>>>()
        })?;
        let copies = copies.into_iter().map(|copy| socket(py, copy)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, copies)
    }

    fn start_retiring(&self, py: Python<'_>, successors: usize, wait: Option<f64>) -> PyResult<()> {
        let wait = wait.map(|wait| seconds(py, "wait", wait)).transpose()?;
        self.with(py, |group| group.start_retiring(successors, wait))
    }

    /// The next step, in the classes of `libzdt.reuseport`, but that a socket is named by its index.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.with(py, core::Group::step)? {
            Step::Wait(until) => {
                let left = until.map(|until| until.saturating_duration_since(Instant::now()).as_secs_f64());
                python!(py, "libzdt.reuseport", "Wait")?.call1((left,))
            }
            Step::Accept(index) => python!(py, "libzdt.reuseport", "Accept")?.call1((index,)),
            Step::Closed(index) => python!(py, "libzdt.reuseport", "Closed")?.call1((index,)),
            Step::Done(retired) => {
                let parts = (retired.closed, retired.successors, retired.waits);
                let retired = python!(py, "libzdt.reuseport", "Retired")?.call1(parts)?;
                python!(py, "libzdt.reuseport", "Done")?.call1((retired,))
            }
        }
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        blocking(py, || {
            drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
            Ok(())
        })
    }
}

/// What the kernel itself does for connections on their way to a listener that is closed, in this network namespace. For
/// the reader of a log: nothing relies on it. Does not block.
#[pyfunction]
pub fn kernel(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let found = call(py, || Ok(core::kernel()))?;
    python!(py, "libzdt.reuseport", "Kernel")?.call1((found.migrates, found.syncookies))
}
