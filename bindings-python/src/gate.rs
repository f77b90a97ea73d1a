//! The in-flight gate.

use crate::error::{invalid, raised};
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use zdt::{Error, ErrorKind};

/// How long a wait goes on before Python's signal handlers get their turn.
const SLICE: Duration = Duration::from_millis(50);

/// Counts what is in flight (requests, transactions), so that draining can wait for its end.
///
/// Any thread; only `wait()` blocks.
#[pyclass(frozen, module = "libzdt")]
pub struct Gate(zdt::Gate);

#[pymethods]
impl Gate {
    #[new]
    fn new() -> Gate {
        Gate(zdt::Gate::new())
    }

    /// Enters: a context manager that leaves at its end. None once the gate is closed.
    fn enter(&self) -> Option<InFlight> {
        self.0.enter().map(|inside| InFlight(Mutex::new(Some(inside))))
    }

    /// Lets nobody in any more. Closing twice is fine.
    fn close(&self) {
        self.0.close();
    }

    /// Lets them in again (after Resume).
    fn open(&self) {
        self.0.open();
    }

    /// How many are inside at this moment.
    #[getter]
    fn in_flight(&self) -> u64 {
        self.0.in_flight()
    }

    /// Waits until nobody is inside, for `timeout` seconds at most (None: for ever; 0: only looks): whether that is so.
    ///
    /// Close the gate first. Other threads and signal handlers run meanwhile. Raises InvalidArgument.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let timeout = timeout.map(|timeout| seconds(py, "timeout", timeout)).transpose()?;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()));
            if py.detach(|| self.0.wait(left.min(SLICE))).is_ok() {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
            py.check_signals()?;
        }
    }

    fn __repr__(&self) -> String {
        format!("<Gate with {} in flight>", self.0.in_flight())
    }
}

/// One that is inside a gate; leaves at the end of its `with`, with `leave()`, or when it is garbage. Any thread.
#[pyclass(frozen, module = "libzdt")]
pub struct InFlight(Mutex<Option<zdt::InFlight>>);

#[pymethods]
impl InFlight {
    /// Leaves. Raises WrongState: it has left already.
    fn leave(&self, py: Python<'_>) -> PyResult<()> {
        let inside = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let left = Error::new(ErrorKind::WrongState, "it has left the gate already", "nothing was done");
        inside.map(drop).ok_or_else(|| raised(py, &left))
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __exit__(&self, _class: &Bound<'_, PyAny>, _error: &Bound<'_, PyAny>, _traceback: &Bound<'_, PyAny>) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A time that Python gives in seconds.
pub fn seconds(py: Python<'_>, what: &str, given: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(given).map_err(|_| invalid(py, format!("{what} is {given} seconds")))
}
